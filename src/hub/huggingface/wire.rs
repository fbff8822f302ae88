//! What Hugging Face says, and what its refusals mean.

use std::time::Duration;

use reqwest::header::LINK;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, later, retry_after, with_request_id};
use crate::hub::{GATED, LOCKED, MAY_NOT, refused, web_page};
use crate::repo::{Digests, FileEntry, GitSha1, RepoId, RepoPath, Sha256, Visibility};

/// `GET /api/{type}s/{repo}`
#[derive(Deserialize)]
pub(super) struct Info {
    /// The repository's own name, which is another one than asked for when it was renamed.
    pub(super) id: RepoId,
    pub(super) sha: Option<String>,
    private: bool,
    #[serde(default)]
    gated: serde_json::Value,
    visibility: Option<String>,
    /// Every file at that commit.
    #[serde(default)]
    pub(super) siblings: Vec<Sibling>,
}

/// A file that is named.
#[derive(Deserialize)]
pub(super) struct Sibling {
    pub(super) rfilename: String,
}

impl Info {
    /// `gated` is `false`, `"auto"` or `"manual"`; `visibility`, where it is said, knows more words than `private`. What is not known to
    /// be open is not open.
    pub(super) fn visibility(&self) -> Visibility {
        let private = self.private || self.visibility.as_deref().is_some_and(|word| word != "public");
        match &self.gated {
            _ if private => Visibility::Private,
            serde_json::Value::Null | serde_json::Value::Bool(false) => Visibility::Public,
            gated => match gated.as_str() {
                Some("auto") => Visibility::GatedAuto,
                Some("manual") => Visibility::GatedManual,
                _ => Visibility::Gated,
            },
        }
    }
}

/// An entry of `GET /api/{type}s/{repo}/tree/{rev}`.
#[derive(Deserialize)]
pub(super) struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: String,
    size: Option<u64>,
    lfs: Option<LfsEntry>,
}

#[derive(Deserialize)]
struct LfsEntry {
    oid: Sha256,
    size: u64,
}

impl TreeEntry {
    /// The file it is, or nothing for a directory. An LFS file's own `oid` is that of its pointer, so it says nothing of the content.
    pub(super) fn into_file(self) -> Result<Option<FileEntry>> {
        let odd = |message: &'static str| Error::new(ErrorKind::Protocol, message).during("list");
        match self.kind.as_str() {
            "file" => {}
            "directory" => return Ok(None),
            other => {
                return Err(odd("the listing holds something that is neither file nor folder")
                    .with("path", format!("{:?}", self.path))
                    .with("kind", other));
            }
        }
        let path = RepoPath::new(self.path)?;
        let listed = self.size.ok_or_else(|| odd("the listing gives a file without its size").with("path", &path));
        let (digests, size, lfs) = match self.lfs {
            Some(lfs) => (Digests { sha256: Some(lfs.oid), git_sha1: None }, lfs.size, true),
            None => (Digests { sha256: None, git_sha1: Some(self.oid.parse::<GitSha1>()?) }, listed?, false),
        };
        Ok(Some(FileEntry { path, size, digests, lfs, read_at: None, hubs_own: false }))
    }
}

/// An entry of `GET /api/{type}s/{repo}/commits/{rev}`.
#[derive(Deserialize)]
pub(super) struct History {
    pub(super) id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    message: String,
}

impl History {
    /// Title and message.
    pub(super) fn whole(self) -> String {
        format!("{}\n\n{}", self.title, self.message)
    }
}

/// The URL of the next page among all `Link` headers, some of which may be a proxy's.
pub(super) fn next_page(answer: &Answer) -> Result<Option<String>> {
    for header in answer.headers.get_all(LINK) {
        let text =
            header.to_str().map_err(|error| Error::new(ErrorKind::Protocol, "a link that is no text").because(error).during("list"))?;
        if let Some(url) = next_link(text)? {
            return Ok(Some(url.to_owned()));
        }
    }
    Ok(None)
}

/// The URL of the next page, to be followed as it stands; `None` on the last page.
///
/// Fails with `Protocol` when there is a next page and its URL is not understood: the listing would end early.
fn next_link(header: &str) -> Result<Option<&str>> {
    let mut rest = header;
    while let Some((_, from_url)) = rest.split_once('<') {
        let Some((url, after)) = from_url.split_once('>') else { break };
        let parameters = after.split_once('<').map_or(after, |(parameters, _)| parameters);
        let is_next = |parameter: &str| matches!(parameter.trim().trim_end_matches(',').trim_end(), "rel=\"next\"" | "rel=next");
        if parameters.split(';').any(is_next) {
            return Ok(Some(url));
        }
        rest = after;
    }
    if header.contains("next") {
        return Err(Error::new(ErrorKind::Protocol, "the link to the next page is not understood").during("list"));
    }
    Ok(None)
}

/// Passes a good answer on and says what a refusal means. The reason is in the headers first: the body of a 404 can be a whole page
/// (facts, huggingface §2 "Errors").
pub(super) fn judge(answer: &Answer) -> Result<&Answer> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let code = answer.headers.get("x-error-code").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let words = words(answer);
    let error = match (answer.status.as_u16(), code) {
        (401, _) if words.contains("Invalid credentials") => bad_token(),
        (_, "GatedRepo") => {
            Error::new(ErrorKind::Forbidden, GATED).hint_to("open the repository's page while signed in, accept the terms, and run again")
        }
        // a caller without token gets 401 "Invalid username or password" for what is not there (facts, huggingface §2 "Errors")
        (401, "") | (_, "RepoNotFound") => Error::new(ErrorKind::NotFound, "no such repository, or it is hidden from this token")
            .hint_to("check name and type; for a private repository set HF_TOKEN to a token that may read it"),
        (404, "RevisionNotFound") => {
            Error::new(ErrorKind::NotFound, "no such revision").hint_to("name a branch, a tag or a commit that the repository has")
        }
        (404, "EntryNotFound") => Error::new(ErrorKind::NotFound, "no such file"),
        (403, _) if is_storage_lock(&words) => Error::new(ErrorKind::Forbidden, LOCKED)
            .hint_to("free or buy storage on Hugging Face, then run the same command again; what was sent need not be sent again"),
        (403, _) if words.contains("too large to be downloaded") => {
            Error::new(ErrorKind::TooLarge, "Hugging Face serves a file of this size to its own clients only")
                .hint_to("leave the file out with --exclude, and upload it to the other hub by hand")
        }
        (403, _) if words.contains("resource is disabled") => Error::new(ErrorKind::Forbidden, "Hugging Face has disabled the repository")
            .hint_to("nobody can read or write it now; ask its owner or Hugging Face"),
        (451, _) => Error::new(ErrorKind::Forbidden, "the repository may not be served for legal reasons")
            .hint_to("hf2ms cannot change that; ask its owner or Hugging Face"),
        (403, _) => {
            Error::new(ErrorKind::Forbidden, MAY_NOT).hint_to("use a token with the `write` role, or with `repo.write` for this namespace")
        }
        // what is too much for one commit has no status of its own [?]
        (400 | 422, _) if words.to_lowercase().contains("too many") => Error::new(ErrorKind::TooLarge, "too much in one request"),
        (409, _) if words.contains("conflicting operation") => {
            Error::new(ErrorKind::Conflict, "another operation of this account is in progress").retry(Retry::Later(None))
        }
        (412, _) => Error::new(ErrorKind::Conflict, "the branch moved meanwhile").hint_to(
            "if nobody else writes to the repository, the token may only open pull requests: use one with the `write` role or `repo.write`",
        ),
        (429, _) => later(
            Error::new(ErrorKind::RateLimited, "too many requests to Hugging Face"),
            rate_limit_wait(answer).or_else(|| wait_in_words(&words)),
        ),
        // only a GET is sent on to the new name of a repository
        (301 | 302 | 307 | 308, _) => Error::new(ErrorKind::Conflict, "the repository has another name by now"),
        _ => refused("Hugging Face", answer.status, retry_after(&answer.headers)),
    };
    let error = error.with("status", answer.status.as_u16());
    let error = if words.is_empty() { error } else { error.with("says", format!("\"{words}\"")) };
    Err(with_request_id(error, &answer.headers))
}

/// The data of a good answer to a read.
pub(super) fn data<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T> {
    let answer = judge(answer)?;
    if answer.is_page() {
        return Err(later(web_page("Hugging Face").with("status", answer.status.as_u16()), retry_after(&answer.headers)));
    }
    answer.json()
}

/// The service's own words: from the header, else from any of the body's known shapes. A page of HTML says nothing.
fn words(answer: &Answer) -> String {
    if let Some(message) = answer.headers.get("x-error-message").and_then(|value| value.to_str().ok()) {
        return crate::hub::quoted(message);
    }
    match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(body) => {
            let list = |value: &serde_json::Value| {
                let text = |item: &serde_json::Value| item.as_str().or_else(|| item["message"].as_str()).map(str::to_owned);
                value.as_array().map(|items| items.iter().filter_map(text).collect::<Vec<_>>().join("; "))
            };
            let error = body["error"].as_str().map(str::to_owned).or_else(|| list(&body["error"])).or_else(|| list(&body["errors"]));
            let more = body["error_description"].as_str().map(|more| format!(": {more}")).unwrap_or_default();
            crate::hub::quoted(&format!("{}{more}", error.unwrap_or_default()))
        }
        Err(_) if answer.is_page() => String::new(),
        Err(_) => crate::hub::quoted(&String::from_utf8_lossy(&answer.body)),
    }
}

/// Texts seen with a locked storage; all permanent (facts, huggingface §2 "Storage locks").
fn is_storage_lock(words: &str) -> bool {
    ["storage limit reached", "storage patterns tripped", "exceeded your public storage", "credit recharge"]
        .iter()
        .any(|text| words.contains(text))
}

/// No wait is longer, whatever a header says: a day.
const LONGEST_WAIT: u64 = 86_400;

/// How long a 429 asks to wait: the window's rest when it is used up, else `Retry-After`; a second more, as the official client waits.
fn rate_limit_wait(answer: &Answer) -> Option<Duration> {
    let window = answer.headers.get("ratelimit").and_then(|value| value.to_str().ok());
    let field = |name: &str| window?.split(';').find_map(|field| field.trim().strip_prefix(name)?.parse::<u64>().ok());
    match (field("r="), field("t=")) {
        (Some(0), Some(rest)) => Some(Duration::from_secs(rest.min(LONGEST_WAIT) + 1)),
        _ => retry_after(&answer.headers).map(|wait| wait + Duration::from_secs(1)),
    }
}

/// How long the words of a 429 ask to wait: the limit of commits an hour says it nowhere else (facts, huggingface §2 "Rate limits").
fn wait_in_words(words: &str) -> Option<Duration> {
    let (_, after) = words.split_once("retry this action in about ")?;
    let mut after = after.split_whitespace();
    let count: u64 = after.next()?.parse().ok()?;
    let unit = after.next()?;
    let seconds = [("hour", 3600), ("minute", 60), ("second", 1)].iter().find(|(name, _)| unit.starts_with(name))?.1;
    Some(Duration::from_secs(count.saturating_mul(seconds).min(LONGEST_WAIT)))
}

/// There is a token and the hub does not know it.
pub(super) fn bad_token() -> Error {
    Error::new(ErrorKind::Unauthorized, "Hugging Face does not accept the token")
        .hint_to("make a new one at https://huggingface.co/settings/tokens and set HF_TOKEN")
}

/// There is no token.
pub(super) fn no_token() -> Error {
    Error::new(ErrorKind::Unauthorized, "no Hugging Face token is set")
        .hint_to("make one at https://huggingface.co/settings/tokens and set HF_TOKEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_may_be_named_in_words_alone() {
        let wait = |words: &str| wait_in_words(words).map(|wait| wait.as_secs());
        assert_eq!(wait("You can retry this action in about 1 hour."), Some(3_600));
        assert_eq!(wait("You can retry this action in about 25 minutes - see the docs"), Some(1_500));
        assert_eq!(wait("You can retry this action in about an hour"), None);
        assert_eq!(wait("slow down"), None);
    }

    #[test]
    fn every_text_of_a_locked_storage_is_known() {
        for words in [
            "Private repository storage limit reached, please upgrade your plan",
            "Your storage patterns tripped our internal systems! Please contact us",
            "You have exceeded your public storage space",
            "You need to setup automatic credit recharge",
        ] {
            assert!(is_storage_lock(words), "{words}");
        }
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next_link("<https://h/a?cursor=x>; rel=\"next\"").unwrap(), Some("https://h/a?cursor=x"));
        assert_eq!(next_link("<https://h/a>; rel=\"prev\", <https://h/b?c=1,2>; rel=next").unwrap(), Some("https://h/b?c=1,2"));
        assert_eq!(next_link("<https://h/a>; rel=\"prev\"").unwrap(), None);
        assert!(next_link("next: https://h/a").is_err());
    }
}
