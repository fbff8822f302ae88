//! The storage behind blobs: one PUT of all the bytes, checked against what was announced.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use tonic::Code;

use super::hub::{Blob, Hub};
use super::rules;
use crate::server::{Gone, Request, Response, Route, Service};

/// The route's name, for rules of misfortune and the journal.
pub const BLOB: &str = "blob";

impl Service for Hub {
    fn route(&self, _: &'static str, method: &str, path: &str) -> Route {
        if method == "PUT" && path.starts_with("/blobs/") { Route::upload(BLOB) } else { Route::talk("unknown") }
    }

    async fn answer(&self, request: &mut Request) -> Result<Response, Gone> {
        let id = request.path.rsplit('/').next().unwrap_or_default().to_owned();
        let blob = self.state().blobs.get(&id).cloned();
        let signed = |blob: &Blob| request.query.get("signature") == Some(&blob.signature);
        let Some(blob) = blob.filter(signed).filter(|_| request.route.name == BLOB) else {
            return Ok(error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match"));
        };
        if request.url_expired {
            return Ok(error(403, "AccessDenied", "Request has expired"));
        }
        self.inspect_put(request, &blob);
        if request.content_length() != Some(blob.length) {
            let status = self.refuse(rules::PUT_LENGTH, Code::InvalidArgument, format!("a PUT of {:?} bytes", request.content_length()));
            return Ok(error(400, "IncompleteBody", status.message()));
        }
        self.take(request, &id, &blob).await
    }
}

impl Hub {
    fn inspect_put(&self, request: &Request, blob: &Blob) {
        if request.header("content-type") != Some("application/octet-stream") {
            self.broken(rules::PUT_TYPE, format!("Content-Type {:?}", request.header("content-type")));
        }
        match request.header("content-md5") {
            None => self.broken(rules::NO_CONTENT_MD5, "a PUT without Content-MD5"),
            Some(md5) if md5 != blob.md5 => self.broken(rules::CONTENT_MD5, "Content-MD5 is not the announced one"),
            Some(_) => {}
        }
    }

    async fn take(&self, request: &mut Request, id: &str, blob: &Blob) -> Result<Response, Gone> {
        self.rig.journal.put_started(id, 0);
        let at = self.files.upload(id);
        let mut file = std::fs::File::create(&at).map_err(|_| Gone)?;
        let (mut md5, mut sha256, mut sieve) = (Md5::new(), Sha256::new(), crate::marks::Sieve::default());
        while let Some(chunk) = request.body.next().await? {
            md5.update(&chunk);
            sha256.update(&chunk);
            if let Some(found) = sieve.token_in(&self.rig.guard.marks, &chunk) {
                self.broken(rules::SECRET_OUTSIDE, format!("{found} in a blob"));
            }
            file.write_all(&chunk).map_err(|_| Gone)?;
        }
        let md5 = md5.finalize();
        let named = [Some(blob.md5.as_str()), request.header("content-md5")];
        if named.into_iter().flatten().any(|named| named != STANDARD.encode(md5)) {
            if request.header("content-md5").is_none_or(|named| named == blob.md5) {
                self.broken(rules::CONTENT_MD5, "the bytes have another MD5 than was announced");
            }
            return Ok(error(400, "BadDigest", "The Content-MD5 you specified did not match what we received."));
        }
        if let Some(blob) = self.state().blobs.get_mut(id) {
            blob.uploaded = Some(hex::encode(sha256.finalize()));
        }
        self.rig.journal.put_completed(id, 0);
        Ok(Response::empty(200).header("etag", format!("\"{}\"", hex::encode(md5))))
    }
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Response::bytes(status, body).header("content-type", "application/xml")
}
