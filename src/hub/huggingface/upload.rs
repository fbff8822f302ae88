//! Writing to Hugging Face: create, preupload, LFS batch, completion, commit. Facts: `huggingface` §3.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::wire::judge;
use super::{HuggingFace, api, prefixed};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Patience, Payload, Piece, Request};
use crate::hub::{Action, Blob, Commit, Created, RepoInfo, Route, Sample, Source, Ticket, Upload, lfs};
use crate::repo::{Platform, RepoRef, Visibility};

const LFS_MEDIA: &str = "application/vnd.git-lfs+json";

#[derive(Deserialize)]
struct PreuploadAnswer {
    files: Vec<PreuploadFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PreuploadFile {
    path: String,
    upload_mode: String,
    #[serde(default)]
    should_ignore: bool,
}

/// What a batch answers. It may hold thousands of addresses, which are read where they stand.
#[derive(Deserialize)]
struct BatchAnswer<'a> {
    #[serde(borrow)]
    objects: Vec<BatchObject<'a>>,
}

#[derive(Deserialize)]
struct BatchObject<'a> {
    oid: String,
    #[serde(borrow)]
    actions: Option<Actions<'a>>,
    #[serde(default)]
    error: Value,
}

#[derive(Deserialize)]
struct Actions<'a> {
    #[serde(borrow)]
    upload: Option<Link<'a>>,
    #[serde(borrow)]
    verify: Option<Link<'a>>,
}

#[derive(Deserialize)]
struct Link<'a> {
    href: String,
    #[serde(borrow, default)]
    header: HashMap<String, Entry<'a>>,
}

/// A header, a part's address, or the size of a part, which is written as text or as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Number(u64),
    Other(IgnoredAny),
}

impl Entry<'_> {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Other(_) => None,
        }
    }

    fn number(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Some(*number),
            Self::Other(_) => None,
        }
    }
}

/// Reads a batch answer. It borrows what is long, because one file may have ten thousand part addresses.
fn batch_answer(body: &[u8]) -> Result<BatchAnswer<'_>> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the answer is not the JSON that the service documents").during("batch").because(error)
    })
}

impl HuggingFace {
    pub(super) async fn create_repo(&self, repo: &RepoRef, visibility: Visibility) -> Result<Created> {
        let open = if visibility == Visibility::Public { "public" } else { "private" };
        let body = json!({
            "name": repo.id.name(), "organization": repo.id.namespace(), "type": repo.repo_type.to_string(), "visibility": open,
        });
        let request = self.request(Method::POST, self.url("/api/repos/create")?)?.json(&body);
        // a second create answers 409, which is looked into below
        let outcome = self
            .http
            .call(request, Patience::PATIENT, |answer| match answer.status {
                StatusCode::CONFLICT if !String::from_utf8_lossy(&answer.body).contains("conflicting operation") => Ok(false),
                _ => judge(answer).map(|_| true),
            })
            .await;
        let made = outcome.map_err(|error| error.during("create").with("repo", repo))?;
        // a server that ignores an unknown field creates a public repository silently
        let info = self.info(repo, None).await.map_err(|error| if made { error } else { crate::hub::taken(error, repo) });
        Ok(Created { info: info.map_err(|error| error.during("create"))?, made })
    }

    pub(super) async fn validate_yaml(&self, repo: &RepoRef, card: &str) -> Result<()> {
        let body = json!({ "content": card, "repoType": repo.repo_type.to_string() });
        let request = self.request(Method::POST, self.url("/api/validate-yaml")?)?.json(&body);
        self.http.call(request, self.patience, |answer| judge(answer).map(|_| ())).await.map_err(|error| error.during("check card"))
    }

    pub(super) async fn preupload(&self, info: &RepoInfo, samples: &[Sample]) -> Result<Vec<Route>> {
        let files: Vec<_> = samples
            .iter()
            .map(|sample| {
                let head = base64::engine::general_purpose::STANDARD.encode(&sample.head);
                json!({ "path": sample.path, "size": sample.size, "sample": head })
            })
            .collect();
        let url = self.url(&format!("{}/preupload/{}", api(&info.repo), crate::repo::encode(&info.revision)))?;
        let request = self.request(Method::POST, url)?.json(&json!({ "files": files }));
        let answer = self.http.call(request, Patience::PATIENT, |answer| judge(answer)?.json::<PreuploadAnswer>()).await;
        let answer = answer.map_err(|error| crate::hub::gone(error).during("preupload").with("repo", &info.repo))?;
        let modes: HashMap<_, _> = answer.files.iter().map(|file| (file.path.as_str(), file)).collect();
        samples
            .iter()
            .map(|sample| {
                let refuse = |message: &'static str| {
                    Err(Error::new(ErrorKind::Protocol, message)
                        .during("preupload")
                        .with("file", &sample.path)
                        .with("repo", &info.repo)
                        .hint_to("nothing was committed; leave the file out with --exclude, or run the same command again later"))
                };
                match modes.get(sample.path.as_str()) {
                    None => refuse("Hugging Face did not say how it wants a file"),
                    Some(file) if file.should_ignore => refuse("Hugging Face would leave a file out of the commit"),
                    // size 0 goes as regular always: the storage cannot take empty objects
                    Some(file) if file.upload_mode == "regular" || sample.size == 0 => Ok(Route::Inline),
                    Some(file) if file.upload_mode == "lfs" => Ok(Route::Lfs),
                    Some(_) => refuse("Hugging Face wants a file in a way that is not known"),
                }
            })
            .collect()
    }

    pub(super) async fn batch(&self, info: &RepoInfo, blobs: &[Blob]) -> Result<Vec<Option<Ticket>>> {
        let objects: Vec<_> = blobs.iter().map(|blob| json!({ "oid": blob.sha256, "size": blob.size })).collect();
        let body = json!({
            "operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256",
            "ref": { "name": info.revision }, "objects": objects,
        });
        let url = self.url(&format!("/{}.git/info/lfs/objects/batch", prefixed(&info.repo)))?;
        let request = self.request(Method::POST, url)?.header(ACCEPT, HeaderValue::from_static(LFS_MEDIA));
        let request = request.payload(Payload::Bytes(body.to_string().into(), LFS_MEDIA));
        let answer = self.http.call(request, Patience::PATIENT, |answer| {
            let answer = judge(answer)?;
            let objects = batch_answer(&answer.body)?.objects;
            lfs::passing(Platform::HuggingFace, objects.iter().map(|object| (object.oid.as_str(), &object.error)))?;
            Ok(answer.body.clone())
        });
        let answer = answer.await.map_err(|error| crate::hub::gone(error).with("repo", &info.repo))?;
        let objects = batch_answer(&answer)?.objects;
        let mut known: HashMap<_, _> = objects.into_iter().map(|object| (object.oid.clone(), object)).collect();
        blobs
            .iter()
            .map(|blob| match known.remove(&blob.sha256.to_string()) {
                // what the answer does not name is unknown, never "there already"
                None => Err(Error::new(ErrorKind::Protocol, "Hugging Face's answer leaves a blob out").with("oid", blob.sha256)),
                Some(object) => self.ticket(*blob, object),
            })
            .collect::<Result<_>>()
            .map_err(|error| error.with("repo", &info.repo))
    }

    /// No actions: stored already.
    fn ticket(&self, blob: Blob, object: BatchObject<'_>) -> Result<Option<Ticket>> {
        if !object.error.is_null() {
            return Err(lfs::refusal(Platform::HuggingFace, &object.error, &object.oid));
        }
        let Some(Actions { upload: Some(upload), verify }) = object.actions else { return Ok(None) };
        let verify = match verify {
            Some(link) => {
                let mut request = self.request(Method::POST, self.given(&link.href)?)?;
                request.headers.extend(headers(&link.header));
                request.headers.insert(ACCEPT, HeaderValue::from_static(LFS_MEDIA));
                let body = json!({ "oid": blob.sha256, "size": blob.size }).to_string();
                Some(request.payload(Payload::Bytes(body.into(), LFS_MEDIA)))
            }
            None => None,
        };
        let upload = match upload.header.get("chunk_size") {
            None => {
                let mut request = Request::new(Method::PUT, self.given(&upload.href)?);
                request.headers = headers(&upload.header);
                Upload::Single(request)
            }
            Some(size) => self.multipart(blob, size, &upload)?,
        };
        Ok(Some(Ticket { blob, upload, verify }))
    }

    /// The part URLs are header entries named `1` to `N`; their own order says nothing.
    fn multipart(&self, blob: Blob, part_size: &Entry<'_>, link: &Link<'_>) -> Result<Upload> {
        let refuse = |message: &'static str| Error::new(ErrorKind::Protocol, message).during("batch").with("oid", blob.sha256);
        let part_size = part_size.number().filter(|size| *size > 0);
        let part_size = part_size.ok_or_else(|| refuse("Hugging Face names a part size that is no number"))?;
        let count = blob.size.div_ceil(part_size);
        // some write `1`, some `00001`: sorted as numbers
        let urls: BTreeMap<u64, &str> =
            link.header.iter().filter_map(|(name, url)| Some((name.parse::<u64>().ok()?, url.text()?))).collect();
        if !urls.keys().copied().eq(1..=count) {
            return Err(refuse("Hugging Face gives not one URL for every part").with("expected", count).with("got", urls.len()));
        }
        let parts = urls.values().map(|url| self.given(url)).collect::<Result<_>>()?;
        Ok(Upload::Multipart { part_size, parts, complete: self.given(&link.href)? })
    }

    pub(super) async fn complete_upload(&self, ticket: &Ticket, tags: &[String]) -> Result<()> {
        if let Upload::Multipart { complete, .. } = &ticket.upload {
            let body = completion(ticket.blob, tags);
            // the URL is signed: the official client sends no token here either. The caller asks whether it happened before it tries again
            let request = Request::new(Method::POST, complete.clone())
                .header(ACCEPT, HeaderValue::from_static(LFS_MEDIA))
                .payload(Payload::Bytes(body.into(), LFS_MEDIA));
            let completed = self.http.call(request, Patience::ONCE, |answer| judge(answer).map(|_| ())).await;
            completed
                .map_err(|error| match error.kind() {
                    // a signed address that has expired, or an upload that is gone: a new ticket helps
                    ErrorKind::Forbidden | ErrorKind::InvalidInput | ErrorKind::NotFound => error.retry(Retry::Later(None)),
                    _ => error,
                })
                .map_err(|error| error.during("complete"))?;
        }
        match &ticket.verify {
            Some(request) => {
                let verified = self.http.call(request.clone(), Patience::PATIENT, |answer| judge(answer).map(|_| ())).await;
                verified
                    .map_err(|error| match error.kind() {
                        // it is not there after all: the batch says so too, or knows better
                        ErrorKind::NotFound => error.reword("Hugging Face does not find what was sent").retry(Retry::Later(None)),
                        _ => error,
                    })
                    .map_err(|error| error.during("verify upload"))
            }
            None => Ok(()),
        }
    }

    pub(super) async fn commit_once(&self, info: &RepoInfo, commit: &Commit) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Committed {
            commit_oid: String,
        }
        let url = self.url(&format!("{}/commit/{}", api(&info.repo), crate::repo::encode(&info.revision)))?;
        let request = self.request(Method::POST, url)?.payload(Payload::Pieces(ndjson(commit), "application/x-ndjson"));
        let committed = self.http.call(request, Patience::ONCE, |answer| judge(answer)?.json::<Committed>()).await;
        Ok(committed.map_err(|error| crate::hub::gone(error).during("commit").with("repo", &info.repo))?.commit_oid)
    }
}

/// The list of parts. Up to 10,000 of them: written out one by one, since a tree of values would take ten times as much memory.
fn completion(blob: Blob, tags: &[String]) -> String {
    let mut body = format!("{{\"oid\":\"{}\",\"parts\":[", blob.sha256);
    for (index, tag) in tags.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        body.push_str(&format!("{comma}{{\"partNumber\":{},\"etag\":{}}}", index + 1, json!(tag)));
    }
    body.push_str("]}");
    body
}

/// One JSON object a line; contents are encoded while they are sent.
fn ndjson(commit: &Commit) -> Vec<Piece> {
    let mut header = json!({ "summary": commit.title, "description": commit.trailers });
    if let Some(parent) = &commit.parent {
        header["parentCommit"] = json!(parent);
    }
    let mut pieces = vec![Piece::Plain(format!("{}\n", json!({ "key": "header", "value": header })).into())];
    for action in &commit.actions {
        match action {
            Action::Blob { path, blob } => {
                let value = json!({ "path": path, "algo": "sha256", "oid": blob.sha256, "size": blob.size });
                pieces.push(Piece::Plain(format!("{}\n", json!({ "key": "lfsFile", "value": value })).into()));
            }
            Action::Inline { path, content } => {
                let start = format!("{{\"key\":\"file\",\"value\":{{\"path\":{},\"encoding\":\"base64\",\"content\":\"", json!(path));
                pieces.push(Piece::Plain(start.into()));
                pieces.push(Piece::Base64(content.clone()));
                pieces.push(Piece::Plain("\"}}\n".into()));
            }
            Action::Delete { path } => {
                let line = json!({ "key": "deletedFile", "value": { "path": path } });
                pieces.push(Piece::Plain(format!("{line}\n").into()));
            }
        }
    }
    pieces
}

/// The headers a link wants sent along. Part URLs and the part size stand there too and are not headers.
fn headers(map: &HashMap<String, Entry<'_>>) -> HeaderMap {
    map.iter()
        .filter(|(name, _)| *name != "chunk_size" && name.parse::<u64>().is_err())
        .filter_map(|(name, value)| {
            let name: HeaderName = name.parse().ok()?;
            let mut value = HeaderValue::from_str(value.text()?).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_sorted_as_numbers_however_they_are_written() {
        let hub = HuggingFace::new("http://127.0.0.1:9", None, Patience::ONCE).unwrap();
        let blob = Blob { sha256: crate::repo::Sha256::of(b""), size: 23 };
        let parts = |keys: &[&str]| {
            let address = |key: &str| Entry::Text(format!("https://s/{}", key.trim_start_matches('0')).into());
            let header = keys.iter().map(|key| ((*key).to_owned(), address(key)));
            let link = Link { href: "https://h/complete".to_owned(), header: header.collect() };
            hub.multipart(blob, &Entry::Text("2".into()), &link)
        };
        for keys in [
            ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"],
            ["00001", "00002", "00003", "00004", "00005", "00006", "00007", "00008", "00009", "00010", "00011", "00012"],
        ] {
            let Upload::Multipart { parts, .. } = parts(&keys).unwrap() else { panic!("one PUT") };
            let paths: Vec<_> = parts.iter().map(|part| part.expose().path().to_owned()).collect();
            assert_eq!(paths[1], "/2");
            assert_eq!(paths[11], "/12");
        }
        assert!(parts(&["1", "2"]).is_err(), "a part without URL");
        assert!(parts(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]).is_err());
    }
}
