//! What is asked of a git server: its branches, and one commit with its files, over smart HTTP in protocol 2.

use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderName, HeaderValue};

use super::packet::{self, Packet, Packets};
use super::{GitReader, judge, pack};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Http, Incoming, Payload, Request, retry};
use crate::repo::RepoRef;

/// A commit and its small files are held in memory, compressed, up to this size.
const MOST: usize = 256 << 20;
/// The pack grows by so much at a time, so that it is not held twice.
const STEP: usize = 16 << 20;

impl GitReader {
    /// Asks whether there is a repository that this caller may read.
    ///
    /// Fails with `NotFound` when there is none, or it hides; with `Unsupported` when the server speaks no protocol 2.
    pub(super) async fn knock(&self, repo: &RepoRef) -> Result<()> {
        let credentials = self.credentials(repo).await?;
        self.knock_with(repo, credentials).await.map_err(|error| error.with("repo", repo))
    }

    /// The same with these credentials.
    pub(super) async fn knock_with(&self, repo: &RepoRef, credentials: Option<HeaderValue>) -> Result<()> {
        let request = self.request(Method::GET, repo, "/info/refs?service=git-upload-pack", credentials)?;
        self.http.call(request, self.patience, |answer| speaks(judge(self.platform, answer)?)).await
    }

    /// The commit at a branch or tag; `None` where there is no such name.
    pub(super) async fn commit_at(&self, repo: &RepoRef, revision: &str) -> Result<Option<String>> {
        let names: Vec<_> = match revision.starts_with("refs/") {
            true => vec![revision.to_owned()],
            false => ["heads", "tags"].iter().map(|kind| format!("refs/{kind}/{revision}")).collect(),
        };
        let arguments: Vec<_> = std::iter::once("peel".to_owned()).chain(names.iter().map(|name| format!("ref-prefix {name}"))).collect();
        let request = self.upload_pack(repo, "ls-refs", &arguments).await?;
        let lines = self
            .http
            .call(request, self.patience, |answer| lines(judge(self.platform, answer)?))
            .await
            .map_err(|error| error.with("repo", repo))?;
        Ok(names.iter().find_map(|name| lines.iter().find_map(|line| commit_of(line, name))))
    }

    /// The pack of one commit and everything it holds.
    ///
    /// Fails with `NotFound` when there is no such commit, and with `Unsupported` when it is too large to be held.
    pub(super) async fn pack(&self, repo: &RepoRef, commit: &str) -> Result<Vec<u8>> {
        let arguments = ["no-progress", "ofs-delta", "deepen 1"].map(str::to_owned);
        let arguments: Vec<_> = arguments.into_iter().chain([format!("want {commit}"), "done".to_owned()]).collect();
        let request = &self.upload_pack(repo, "fetch", &arguments).await?;
        let pack = retry(self.patience, || async move {
            let mut response = self.http.open(request).await?;
            if !response.status().is_success() {
                judge(self.platform, &Http::answer_of(&mut response).await)?;
            }
            receive(response).await
        });
        pack.await.map_err(|error| error.with("repo", repo).with("commit", commit))
    }

    async fn upload_pack(&self, repo: &RepoRef, command: &str, arguments: &[String]) -> Result<Request> {
        let body = Payload::Bytes(packet::request(command, arguments), "application/x-git-upload-pack-request");
        let request = self.request(Method::POST, repo, "/git-upload-pack", self.credentials(repo).await?)?;
        Ok(request.header(ACCEPT, HeaderValue::from_static("application/x-git-upload-pack-result")).payload(body))
    }

    fn request(&self, method: Method, repo: &RepoRef, path: &str, credentials: Option<HeaderValue>) -> Result<Request> {
        let request = Request::new(method, self.remote(repo, path)?)
            .header(HeaderName::from_static("git-protocol"), HeaderValue::from_static("version=2"))
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(match credentials {
            Some(credentials) => request.header(AUTHORIZATION, credentials),
            None => request,
        })
    }
}

/// Whether a server that shows its abilities speaks protocol 2 and fetches.
fn speaks(answer: &Answer) -> Result<()> {
    let lines = lines(answer)?;
    let fetches = lines.iter().any(|line| line == "version 2") && lines.iter().any(|line| line.split(['=', ' ']).next() == Some("fetch"));
    let other = lines.iter().any(|line| line.strip_prefix("object-format=").is_some_and(|format| format != "sha1"));
    if fetches && !other {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "the git server speaks no protocol that hf2ms knows")
        .hint_to("protocol 2 with sha1 is needed; run without --use-git"))
}

/// The lines of an answer as text.
fn lines(answer: &Answer) -> Result<Vec<String>> {
    let packets = packet::all(&answer.body)?;
    let lines: Vec<_> =
        packets.iter().filter_map(|packet| if let Packet::Data(line) = packet { Some(packet::text(line)) } else { None }).collect();
    match lines.iter().find_map(|line| line.strip_prefix("ERR ")) {
        Some(words) => Err(refused(words)),
        None => Ok(lines),
    }
}

/// `<id> <name>[ peeled:<id>]`: an annotated tag is an object of its own, before the commit.
fn commit_of(line: &str, name: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (id, found) = (words.next()?, words.next()?);
    let peeled = words.find_map(|word| word.strip_prefix("peeled:"));
    (found == name).then(|| peeled.unwrap_or(id).to_owned()).filter(|id| super::is_commit(id))
}

/// Reads the answer to a fetch: what comes before the pack, then the pack in frames of its own.
async fn receive(mut response: Incoming) -> Result<Vec<u8>> {
    let (mut packets, mut pack, mut in_pack) = (Packets::default(), Vec::new(), false);
    loop {
        while let Some(packet) = packets.next()? {
            match packet {
                Packet::Flush if in_pack && pack::is_as_made(&pack) => return Ok(pack),
                Packet::Flush if in_pack => {
                    let changed = Error::new(ErrorKind::Corrupted, "the bytes of the pack are not those the git server made");
                    return Err(changed.retry(Retry::Later(None)));
                }
                Packet::Data(line) if in_pack => take(&line, &mut pack)?,
                Packet::Data(line) => {
                    let line = packet::text(&line);
                    if let Some(words) = line.strip_prefix("ERR ") {
                        return Err(refused(words));
                    }
                    in_pack = line == "packfile";
                }
                _ => {}
            }
        }
        match response.chunk().await? {
            Some(chunk) => packets.push(&chunk),
            None => return Err(Error::new(ErrorKind::Corrupted, "the git server's answer ends in the middle").retry(Retry::Later(None))),
        }
    }
}

/// A frame of the pack: the first byte says whether the rest is pack, progress or the server's last word.
fn take(line: &[u8], pack: &mut Vec<u8>) -> Result<()> {
    match line.split_first() {
        Some((1, bytes)) => {
            if pack.len() + bytes.len() > MOST {
                return Err(Error::new(ErrorKind::Unsupported, "what the repository keeps in git itself is too much to be read by git")
                    .with("limit", format!("{} MiB", MOST >> 20))
                    .hint_to("large files are not among it; run without --use-git when the hub's API can be read again"));
            }
            if pack.len() + bytes.len() > pack.capacity() {
                pack.reserve_exact(STEP);
            }
            pack.extend_from_slice(bytes);
            Ok(())
        }
        Some((2, _)) => Ok(()),
        Some((3, words)) => Err(refused(&String::from_utf8_lossy(words)).retry(Retry::Later(None))),
        _ => Err(Error::new(ErrorKind::Protocol, "the git server's answer is not understood")),
    }
}

/// A git server's own words for "no".
fn refused(words: &str) -> Error {
    let error = match words.contains("not our ref") {
        true => Error::new(ErrorKind::NotFound, "no such commit").hint_to("name a branch, a tag or a commit that the repository has"),
        false => Error::new(ErrorKind::Unavailable, "the git server refuses"),
    };
    error.with("says", format!("\"{}\"", crate::hub::quoted(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_held_up_to_a_bound() {
        let mut pack = vec![0; MOST - 2];
        take(b"\x01ab", &mut pack).unwrap();
        let error = take(b"\x01c", &mut pack).unwrap_err();
        assert_eq!((error.kind(), pack.len()), (ErrorKind::Unsupported, MOST));
        assert!(error.to_string().contains("limit 256 MiB"), "{error}");
        take(b"\x02Counting objects", &mut pack).unwrap();
        assert!(take(b"\x03out of memory", &mut pack).unwrap_err().to_string().contains("out of memory"));
        assert!(take(b"", &mut pack).is_err() && take(b"\x09", &mut pack).is_err());
    }

    #[test]
    fn names_lead_to_commits() {
        let id = "0123456789012345678901234567890123456789";
        let other = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";
        assert_eq!(commit_of(&format!("{id} refs/heads/main"), "refs/heads/main").as_deref(), Some(id));
        assert_eq!(commit_of(&format!("{id} refs/tags/v1 peeled:{other}"), "refs/tags/v1").as_deref(), Some(other));
        assert_eq!(commit_of(&format!("{id} refs/heads/main2"), "refs/heads/main"), None);
        assert_eq!(commit_of("unborn HEAD", "HEAD"), None);
    }
}
