//! What both hubs share of uploading by digest: the ticket, and the way a ranged download is opened.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Response, StatusCode};

use super::{Blob, Opened};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::Request;
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
        /// Where each part goes, in order.
        parts: Vec<Request>,
        /// Where the list of parts goes; equal for equal uploads.
        complete: SafeUrl,
    },
}

/// Where files were found lately, so that the parts of one file share a resolve call. Signed URLs live 20 minutes and more (facts,
/// modelscope §2.4), so five are safe; after any failure the hub is asked anew.
#[derive(Default)]
pub(super) struct Locations(Mutex<HashMap<String, Found>>);

/// Where a file's bytes are.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) url: SafeUrl,
    pub(super) validator: Option<String>,
    pub(super) total: Option<u64>,
    at: Instant,
}

impl Found {
    pub(super) fn new(url: SafeUrl, validator: Option<String>, total: Option<u64>) -> Self {
        Self { url, validator, total, at: Instant::now() }
    }
}

const REMEMBERED: Duration = Duration::from_secs(300);

impl Locations {
    pub(super) fn get(&self, key: &str) -> Option<Found> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|found| found.at.elapsed() < REMEMBERED).cloned()
    }

    /// Drops a location that was refused, so that nobody else tries it.
    pub(super) fn forget(&self, key: &str, url: &SafeUrl) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(key).is_some_and(|found| found.url.expose() == url.expose()) {
            known.remove(key);
        }
    }

    pub(super) fn put(&self, key: String, found: Found) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= 256 {
            known.retain(|_, found| found.at.elapsed() < REMEMBERED);
        }
        if known.len() < 256 {
            known.insert(key, found);
        }
    }
}

/// The headers of every download: no compression, and a range unless the whole file is wanted.
pub(super) fn download_headers(range: &Range<u64>, size: u64) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if range.start > 0 || range.end < size {
        let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let value = HeaderValue::from_str(&value).map_err(|error| Error::new(ErrorKind::Local, "no range header").because(error))?;
        headers.insert(RANGE, value);
    }
    Ok(headers)
}

/// Reads where a download's body starts and how long the file is from its head.
///
/// Fails with a retryable `Protocol` when the head contradicts the range asked for.
pub(super) fn opened(response: Response, range: &Range<u64>, found: Option<&Found>) -> Result<Opened> {
    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (start, total) = if response.status() == StatusCode::PARTIAL_CONTENT {
        let (start, total) = text(CONTENT_RANGE).and_then(content_range).ok_or_else(|| mismatch("a partial answer without a range"))?;
        if start != range.start {
            return Err(mismatch("a range that was not asked for"));
        }
        (start, total)
    } else {
        (0, text(CONTENT_LENGTH).and_then(|length| length.parse().ok()))
    };
    let validator = found.and_then(|found| found.validator.clone()).or_else(|| validator(response.headers()));
    let total = total.or_else(|| found.and_then(|found| found.total));
    Ok(Opened { start, total, validator, response })
}

/// `bytes 10-19/100` → 10, 100.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = span.split_once('-')?.0.parse().ok()?;
    Some((start, total.parse().ok()))
}

/// The tag of the content: the linked one where there is one, since the plain one may be the redirect's.
pub(super) fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get("x-linked-etag").or_else(|| headers.get("etag"))?.to_str().ok()?;
    Some(tag.trim_start_matches("W/").trim_matches('"').to_owned())
}

fn mismatch(message: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, message).retry(Retry::Later(None))
}

/// What a storage or CDN answered instead of the content. Such hosts say no more than a status; a refused URL has mostly expired, so
/// the hub is asked for a new one.
pub(super) fn storage_refusal(status: StatusCode, retry_after: Option<Duration>) -> Error {
    let error = Error::new(ErrorKind::Unavailable, "the storage refused").with("status", status.as_u16());
    match status.as_u16() {
        416 => error.retry(Retry::Never),
        _ => error.retry(Retry::Later(retry_after)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_that_was_refused_is_not_given_out_again() {
        let url = |text: &str| SafeUrl::new(text.parse().unwrap());
        let locations = Locations::default();
        locations.put("file".to_owned(), Found::new(url("https://cdn.example/new"), None, None));
        locations.forget("file", &url("https://cdn.example/old"));
        assert!(locations.get("file").is_some(), "somebody found a new one meanwhile");
        locations.forget("file", &url("https://cdn.example/new"));
        assert!(locations.get("file").is_none());
    }

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 10-19/100"), Some((10, Some(100))));
        assert_eq!(content_range("bytes 10-19/*"), Some((10, None)));
        assert_eq!(content_range("items 1-2/3"), None);
    }
}
