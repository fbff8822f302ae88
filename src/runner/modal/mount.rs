//! Files that lie in a sandbox when it starts: stored by their hash, so that each goes up once (facts, modal §2.4).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::try_join_all;
use md5::Md5;
use reqwest::Method;
use reqwest::header::{ETAG, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::Url;

use super::ModalClient;
use super::channel::may_upload_to;
use super::failures;
use super::prepare::given;
use super::retry::delay;
use super::wire::client::blob_create_response::{UploadTypeOneof, UploadTypesOneof};
use super::wire::client::mount_put_file_request::DataOneof;
use super::wire::client::{BlobCreateRequest, BlobCreateResponse, MountFile, MountGetOrCreateRequest, MountPutFileRequest};
use super::wire::{OWNED_BY_APP, call};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Patience, Payload, Request, classify, later, retry_after};
use crate::secret::SafeUrl;

/// A file of this size or more goes up as a blob; a smaller one inside the call.
const BLOB_SIZE: usize = 4 << 20;
/// How long a stored file may take to turn up.
const MOST_WAIT: Duration = Duration::from_secs(10 * 60);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A file in a sandbox.
#[derive(Clone, Debug)]
pub struct MountedFile {
    /// Where it lies, absolute.
    pub path: String,
    /// What it holds.
    pub bytes: Bytes,
    /// Its permissions: `0o755` for what is to be run.
    pub mode: u32,
}

impl ModalClient {
    /// Makes sure that the files are stored and gives the id of a mount that holds them. Takes part in no sandbox by itself.
    pub async fn mount(&self, app: &str, files: &[MountedFile]) -> Result<String> {
        let stored = try_join_all(files.iter().map(|file| self.store(file))).await?;
        let files = files.iter().zip(stored).map(|(file, sha256_hex)| MountFile {
            filename: file.path.clone(),
            sha256_hex,
            mode: Some(file.mode & 0o7777),
        });
        let request = MountGetOrCreateRequest { object_creation_type: OWNED_BY_APP, files: files.collect(), app_id: app.to_owned() };
        let answer = call!(self.rpc, mount_get_or_create, request).await?;
        given(answer.mount_id, "a mount's id")
    }

    /// Whether what a file holds is stored already, so that making a mount of it sends nothing.
    pub async fn is_stored(&self, file: &MountedFile) -> Result<bool> {
        self.put_file(&hex::encode(Sha256::digest(&file.bytes)), None).await
    }

    /// Sends a file unless it is stored already; gives its hash.
    async fn store(&self, file: &MountedFile) -> Result<String> {
        let sha256_hex = hex::encode(Sha256::digest(&file.bytes));
        if self.put_file(&sha256_hex, None).await? {
            return Ok(sha256_hex);
        }
        let data = if file.bytes.len() < BLOB_SIZE {
            DataOneof::Data(file.bytes.to_vec())
        } else {
            DataOneof::DataBlobId(self.upload(&file.bytes).await.map_err(|error| error.during("upload").with("file", &file.path))?)
        };
        let began = Instant::now();
        let mut stored = self.put_file(&sha256_hex, Some(data)).await?;
        let mut looks = 0;
        while !stored {
            if began.elapsed() >= MOST_WAIT {
                return Err(failures::upload_late(&file.path, began.elapsed()));
            }
            tokio::time::sleep(delay(looks, LONGEST_PAUSE)).await;
            looks += 1;
            stored = self.put_file(&sha256_hex, None).await?;
        }
        Ok(sha256_hex)
    }

    /// Names a file, with what it holds or only to ask for it; says whether it is stored.
    async fn put_file(&self, sha256_hex: &str, data_oneof: Option<DataOneof>) -> Result<bool> {
        let request = MountPutFileRequest { sha256_hex: sha256_hex.to_owned(), data_oneof };
        Ok(call!(self.rpc, mount_put_file, request).await?.exists)
    }

    /// Stores bytes as a blob; gives its id.
    async fn upload(&self, bytes: &Bytes) -> Result<String> {
        let md5 = Md5::digest(bytes);
        let request = BlobCreateRequest {
            content_md5: STANDARD.encode(md5),
            content_sha256_base64: STANDARD.encode(Sha256::digest(bytes)),
            content_length: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        };
        let answer = call!(self.rpc, blob_create, request).await?;
        let mut last = None;
        for (url, blob) in places(answer) {
            match self.put(&url, bytes, &md5).await {
                Ok(()) => return Ok(blob),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::new(ErrorKind::Protocol, "Modal names no place to upload to in one piece").with("bytes", bytes.len())
        }))
    }

    async fn put(&self, url: &str, bytes: &Bytes, md5: &[u8]) -> Result<()> {
        let refused = || Error::new(ErrorKind::Protocol, "Modal names a place to upload to that is not https");
        let url = Url::parse(url).map_err(|_| refused())?;
        if !may_upload_to(&url, self.rpc.is_loopback()) {
            return Err(refused());
        }
        let digest = HeaderValue::from_str(&STANDARD.encode(md5))
            .map_err(|error| Error::new(ErrorKind::Local, "a digest is no header").because(error))?;
        let request = Request::new(Method::PUT, SafeUrl::new(url))
            .header(HeaderName::from_static("content-md5"), digest)
            .payload(Payload::Bytes(bytes.clone(), "application/octet-stream"));
        self.http.call(request, Patience::ATTENDED, |answer| judge(answer, md5)).await
    }
}

/// Where a blob may go, and its id then. A service of today gives both forms, an older one the second (facts, modal §2.4).
fn places(answer: BlobCreateResponse) -> Vec<(String, String)> {
    let mut places: Vec<_> = match answer.upload_types_oneof {
        Some(UploadTypesOneof::UploadUrls(urls)) => urls.items.into_iter().zip(answer.blob_ids).collect(),
        // in parts, for files over a gigabyte
        Some(UploadTypesOneof::Multiparts(_)) | None => Vec::new(),
    };
    if let (Some(UploadTypeOneof::UploadUrl(url)), true) = (answer.upload_type_oneof, places.is_empty()) {
        places.push((url, answer.blob_id));
    }
    places.retain(|(url, blob)| !url.is_empty() && !blob.is_empty());
    places
}

fn judge(answer: &Answer, md5: &[u8]) -> Result<()> {
    if answer.status != reqwest::StatusCode::OK {
        let asked = retry_after(&answer.headers);
        let (kind, retry) = classify(answer.status, asked);
        let error = Error::new(kind, "the storage does not take the upload").with("status", answer.status.as_u16());
        return Err(if matches!(retry, crate::error::Retry::Later(_)) { later(error, asked) } else { error });
    }
    match answer.header(ETAG).map(|etag| etag.trim().trim_matches('"')) {
        Some(etag) if etag.eq_ignore_ascii_case(&hex::encode(md5)) => Ok(()),
        // sent again as a whole
        got => Err(later(
            Error::new(ErrorKind::Corrupted, "the storage has other bytes than were sent").with("etag", got.unwrap_or("none")),
            None,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::client::{MultiPartUpload, MultiPartUploadList, UploadUrlList};
    use super::*;

    fn answer(new: Option<UploadTypesOneof>, old: Option<UploadTypeOneof>) -> BlobCreateResponse {
        let blob_ids = vec!["bl-1".to_owned(), "bl-2".to_owned()];
        BlobCreateResponse { blob_id: "bl-0".to_owned(), blob_ids, upload_type_oneof: old, upload_types_oneof: new }
    }

    #[test]
    fn the_newer_form_of_places_is_preferred_and_the_older_taken() {
        let new = || Some(UploadTypesOneof::UploadUrls(UploadUrlList { items: vec!["https://a".to_owned(), "https://b".to_owned()] }));
        let old = || Some(UploadTypeOneof::UploadUrl("https://c".to_owned()));
        let pair = |url: &str, blob: &str| (url.to_owned(), blob.to_owned());
        assert_eq!(places(answer(new(), old())), [pair("https://a", "bl-1"), pair("https://b", "bl-2")]);
        assert_eq!(places(answer(None, old())), [pair("https://c", "bl-0")]);
        let parts = Some(UploadTypesOneof::Multiparts(MultiPartUploadList { items: vec![MultiPartUpload::default()] }));
        assert_eq!(places(answer(parts, None)), []);
    }

    #[test]
    fn an_upload_counts_when_the_storage_has_the_same_digest() {
        let reply = |status: u16, etag: Option<&'static str>| {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.extend(etag.map(|etag| (ETAG, HeaderValue::from_static(etag))));
            Answer { status: reqwest::StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() }
        };
        assert!(judge(&reply(200, Some("\"0aff\"")), &[0x0a, 0xff]).is_ok());
        assert_eq!(judge(&reply(200, Some("\"0afe\"")), &[0x0a, 0xff]).unwrap_err().kind(), ErrorKind::Corrupted);
        assert_eq!(judge(&reply(200, None), &[0x0a, 0xff]).unwrap_err().kind(), ErrorKind::Corrupted);
        let slow = judge(&reply(503, None), &[]).unwrap_err();
        assert_eq!(slow.retryable(), crate::error::Retry::Later(None));
        assert_eq!(judge(&reply(403, None), &[]).unwrap_err().retryable(), crate::error::Retry::Never);
    }
}
