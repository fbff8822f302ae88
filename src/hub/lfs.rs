//! Uploading by digest, as both hubs do it: the ticket.

use std::sync::Arc;

use serde_json::Value;

use super::{Blob, quoted};
use crate::error::{Error, ErrorKind, Retry};
use crate::http::Request;
use crate::repo::Platform;
use crate::secret::SafeUrl;

/// A hub's answer on how to send one blob.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Which blob.
    pub blob: Blob,
    /// How to send it.
    pub upload: Upload,
    /// What to call once it is sent.
    pub verify: Option<Request>,
}

/// How a blob is sent.
#[derive(Clone, Debug)]
pub enum Upload {
    /// In one PUT.
    Single(Request),
    /// In parts of `part_size` bytes, the last one shorter, and one call that ends it.
    Multipart {
        /// Bytes of every part but the last.
        part_size: u64,
        /// Where each part goes by PUT, in order. Shared, because a large file has ten thousand.
        parts: Arc<[SafeUrl]>,
        /// Where the list of parts goes. It names the upload.
        complete: SafeUrl,
    },
}

/// What the `error` of one object in a batch answer means; its codes are those of a whole answer.
pub(super) fn refusal(platform: Platform, error: &Value, oid: &str) -> Error {
    let hub = platform.title();
    let code = error["code"].as_u64();
    let refused = match code {
        Some(413) => Error::new(ErrorKind::TooLarge, format!("{hub} refuses a blob of this size"))
            .hint_to("nothing was committed; leave the file out with --exclude, or split it"),
        // 507 is the word of WebDAV for a full storage
        Some(507) => Error::new(ErrorKind::Forbidden, format!("{hub} has no storage left for a blob"))
            .hint_to("free or get more storage, then run the same command again; what was sent need not be sent again"),
        Some(429 | 500 | 502..=504) => {
            Error::new(ErrorKind::Unavailable, format!("{hub} cannot take a blob right now")).retry(Retry::Later(None))
        }
        _ => Error::new(ErrorKind::InvalidInput, format!("{hub} refuses a blob")),
    };
    let refused = code.into_iter().fold(refused, |refused, code| refused.with("code", code)).with("oid", oid);
    refused.with("says", format!("\"{}\"", quoted(error["message"].as_str().unwrap_or(&error.to_string()))))
}

/// Fails when the hub cannot say of some blob right now, so that it is asked again.
pub(super) fn passing<'a>(platform: Platform, errors: impl Iterator<Item = (&'a str, &'a Value)>) -> Result<(), Error> {
    let refusals = errors.filter(|(_, error)| !error.is_null()).map(|(oid, error)| refusal(platform, error, oid));
    let mut passing = refusals.filter(|refusal| matches!(refusal.retryable(), Retry::Later(_)));
    passing.next().map_or(Ok(()), Err)
}
