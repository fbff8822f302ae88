//! Opening a file for reading, as both hubs do it: the hub answers with the bytes or sends on to a CDN, which gets no credentials.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE};
use url::Url;

use super::{Location, Opened};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Http, Incoming, Request, later, retry_after, with_request_id};
use crate::secret::SafeUrl;

/// Past this size Hugging Face's own client takes no file over plain HTTP. Ranges of it may be given where the whole is not, so such a
/// file is always asked for by range (facts, huggingface §2).
pub const PLAIN_LIMIT: u64 = 50_000_000_000;
/// Redirects followed for one download.
const MOST_HOPS: usize = 5;
/// How long a location may be used again. Signed URLs live 20 minutes and more (facts, modelscope §2.4).
const REMEMBERED: Duration = Duration::from_secs(300);
/// A storage that refuses new addresses of a file so often, and for so long, has been meant.
const REFUSALS: u32 = 5;
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How many locations are remembered.
const MOST_REMEMBERED: usize = 1024;

/// Where files were found lately, so that the parts of one file share a resolve call; after any failure the hub is asked anew.
pub(super) struct Downloads {
    http: Http,
    /// The hub's name, for people.
    title: &'static str,
    endpoint: Url,
    found: Mutex<HashMap<String, Found>>,
    /// Since when, and how often, the storage refused the addresses that the hub had just given.
    refusals: Mutex<HashMap<String, (Instant, u32)>>,
}

/// Where a file's bytes are, and what the hub said of them when it sent on.
#[derive(Clone)]
struct Found {
    url: SafeUrl,
    /// Sent to that address alone.
    headers: HeaderMap,
    validator: Option<String>,
    total: Option<u64>,
    at: Instant,
    /// Whether nobody has tried it yet.
    is_new: bool,
}

/// Where a hub said beforehand that a file lies.
pub(super) struct Given {
    pub(super) url: SafeUrl,
    /// For that address alone.
    pub(super) headers: HeaderMap,
    pub(super) validator: String,
    pub(super) total: u64,
}

/// Which bytes of which file.
pub(super) struct Wanted<'a> {
    /// The file's address below the endpoint.
    pub(super) path: &'a str,
    pub(super) range: Range<u64>,
    /// Of the whole file.
    pub(super) size: u64,
    pub(super) location: Location,
}

impl Downloads {
    pub(super) fn new(http: Http, title: &'static str, endpoint: Url) -> Self {
        Self { http, title, endpoint, found: Mutex::default(), refusals: Mutex::default() }
    }

    /// Opens a file. `request` makes a request to an address, with credentials if it is the hub's own; `refusal` says what a refusal of
    /// the hub means.
    pub(super) async fn open(
        &self,
        wanted: Wanted<'_>,
        request: impl Fn(SafeUrl) -> Result<Request> + Send + Sync,
        refusal: impl Fn(&Answer) -> Error + Send + Sync,
    ) -> Result<Opened> {
        let found = if wanted.location == Location::Recent { self.recent(wanted.path) } else { None };
        let url = match &found {
            Some(found) => found.url.clone(),
            None => SafeUrl::join(&self.endpoint, wanted.path)?,
        };
        self.follow(wanted, url, found, request, refusal).await
    }

    /// Whether it is known where this is, well enough for who asks so.
    pub(super) fn knows(&self, key: &str, location: Location) -> bool {
        location == Location::Recent && self.recent(key).is_some()
    }

    /// Takes what a hub said beforehand of where something lies.
    pub(super) fn give(&self, key: &str, given: Given) {
        let Given { url, headers, validator, total } = given;
        let mut found = self.found();
        while found.len() >= MOST_REMEMBERED {
            let oldest = found.iter().min_by_key(|(_, found)| found.at).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| found.remove(&oldest));
        }
        let place = Found { url, headers, validator: Some(validator), total: Some(total), at: Instant::now(), is_new: true };
        found.insert(key.to_owned(), place);
    }

    /// Opens what lies where a hub said beforehand.
    pub(super) async fn open_given(
        &self,
        wanted: Wanted<'_>,
        request: impl Fn(SafeUrl) -> Result<Request> + Send + Sync,
        refusal: impl Fn(&Answer) -> Error + Send + Sync,
    ) -> Result<Opened> {
        let found = self.found().get_mut(wanted.path).map(|found| {
            let place = found.clone();
            found.is_new = false;
            place
        });
        // others may have asked for so many meanwhile that this one was forgotten
        let found =
            found.ok_or_else(|| Error::new(ErrorKind::Unavailable, "where the file lies is forgotten").retry(Retry::Later(None)))?;
        self.follow(wanted, found.url.clone(), Some(found), request, refusal).await
    }

    /// Asks there, and wherever that sends on to.
    async fn follow(
        &self,
        wanted: Wanted<'_>,
        mut url: SafeUrl,
        mut found: Option<Found>,
        request: impl Fn(SafeUrl) -> Result<Request> + Send + Sync,
        refusal: impl Fn(&Answer) -> Error + Send + Sync,
    ) -> Result<Opened> {
        let Wanted { path, range, size, location: _ } = wanted;
        // whether the hub gave the storage's address just now
        let mut is_new = found.as_ref().is_some_and(|found| found.is_new);
        let mut ranged = range.start > 0 || range.end < size || size > PLAIN_LIMIT;
        for _hop in 0..MOST_HOPS {
            let own = self.is_own(&url);
            let mut request = request(url.clone())?;
            if let Some(found) = found.as_ref().filter(|found| found.url.expose() == url.expose()) {
                request.headers.extend(found.headers.clone());
            }
            request.headers.extend(download_headers(ranged.then_some(&range))?);
            let mut response = self.http.open(&request).await?;
            match response.status() {
                status if status.is_redirection() => {
                    let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                    let target = target.ok_or_else(|| Error::new(ErrorKind::Protocol, "a redirect without a target"))?;
                    url = SafeUrl::join(url.expose(), target)?;
                    if own && !self.is_own(&url) {
                        found = Some(self.remember(path, url.clone(), response.headers()));
                        is_new = true;
                    }
                }
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    if let Some(error) = something_else(&mut response, own, size, &refusal).await {
                        return Err(error.with("url", &url));
                    }
                    let opened = opened(response, &range, found.as_ref()).map_err(|error| error.with("url", &url));
                    self.refusals().remove(path);
                    return opened;
                }
                status => {
                    let error = match own {
                        true => refusal(&Http::answer_of(&mut response).await),
                        false => self.refused(path, &url, is_new, status, response.headers()),
                    };
                    if error.kind() == ErrorKind::TooLarge && !ranged {
                        // what is not given whole may be given in ranges, and one range may be all of it (facts, huggingface §2 [?])
                        ranged = true;
                        continue;
                    }
                    return Err(error.with("url", &url));
                }
            }
        }
        Err(Error::new(ErrorKind::Protocol, "too many redirects").with("path", path))
    }

    fn is_own(&self, url: &SafeUrl) -> bool {
        url.expose().origin() == self.endpoint.origin()
    }

    fn found(&self) -> MutexGuard<'_, HashMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, HashMap<String, (Instant, u32)>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal of an address that is new. One that has expired helps itself by another; several in a row, for a while, will not.
    fn is_for_good(&self, path: &str, status: StatusCode) -> bool {
        if !matches!(status.as_u16(), 400..=407 | 409..=415 | 417..=428 | 451) {
            return false;
        }
        let mut refusals = self.refusals();
        let (since, count) = refusals.entry(path.to_owned()).or_insert((Instant::now(), 0));
        *count += 1;
        *count >= REFUSALS && since.elapsed() >= REFUSED_FOR
    }

    fn recent(&self, path: &str) -> Option<Found> {
        self.found().get(path).filter(|found| found.at.elapsed() < REMEMBERED).cloned()
    }

    /// The metadata stands on the redirect that leaves the hub, not on the CDN's answer (facts, huggingface §2).
    fn remember(&self, path: &str, url: SafeUrl, headers: &HeaderMap) -> Found {
        let total = headers.get("x-linked-size").and_then(|value| value.to_str().ok()?.parse().ok());
        let place = Found { url, headers: HeaderMap::new(), validator: validator(headers), total, at: Instant::now(), is_new: false };
        let mut found = self.found();
        if found.len() >= MOST_REMEMBERED {
            found.retain(|_, found| found.at.elapsed() < REMEMBERED);
        }
        if found.len() < MOST_REMEMBERED {
            found.insert(path.to_owned(), place.clone());
        }
        place
    }

    /// What a storage or CDN answered instead of the content. Such hosts say no more than a status; a refused URL has mostly expired, so
    /// the hub is asked for a new one, unless new ones are refused as well.
    fn refused(&self, path: &str, url: &SafeUrl, is_new: bool, status: StatusCode, headers: &HeaderMap) -> Error {
        self.forget(path, url);
        let (kind, message) = match status.as_u16() {
            416 => (ErrorKind::Corrupted, format!("the file in {}'s storage is shorter than the listing says", self.title)),
            429 => (ErrorKind::RateLimited, format!("too many requests to {}'s storage", self.title)),
            500..600 => (ErrorKind::Unavailable, format!("{}'s storage is not working right now", self.title)),
            _ => (ErrorKind::Unavailable, format!("{}'s storage refuses the file", self.title)),
        };
        let error = with_request_id(Error::new(kind, message).with("status", status.as_u16()), headers);
        let error = match status.as_u16() {
            // it will not grow
            416 => return error,
            _ => later(error, retry_after(headers)),
        };
        let error = match status.as_u16() {
            400..=415 | 417..=428 => error.hint_to(
                "the hub lists the file and its storage does not give it; run the same command again later, or leave the file out with --exclude",
            ),
            _ => error,
        };
        if is_new && self.is_for_good(path, status) { error.retry(Retry::Never) } else { error }
    }

    /// Drops a location that was refused, so that nobody else tries it.
    fn forget(&self, path: &str, url: &SafeUrl) {
        let mut found = self.found();
        if found.get(path).is_some_and(|found| found.url.expose() == url.expose()) {
            found.remove(path);
        }
    }
}

/// The headers of every download: no compression, and the range where there is one.
fn download_headers(range: Option<&Range<u64>>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(range) = range {
        let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let value = HeaderValue::from_str(&value).map_err(|error| Error::new(ErrorKind::Local, "no range header").because(error))?;
        headers.insert(RANGE, value);
    }
    Ok(headers)
}

/// Reads where a download's body starts and how long the file is from its head.
///
/// Fails with a retryable `Corrupted` when the head contradicts the range asked for.
fn opened(response: Incoming, range: &Range<u64>, found: Option<&Found>) -> Result<Opened> {
    let text = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (start, total) = if response.status() == StatusCode::PARTIAL_CONTENT {
        let (start, total) = text(CONTENT_RANGE).and_then(content_range).ok_or_else(|| mismatch("a partial answer without a range"))?;
        if start != range.start {
            return Err(mismatch("the answer starts elsewhere than was asked for").with("asked", range.start).with("got", start));
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
fn validator(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get("x-linked-etag").or_else(|| headers.get("etag"))?.to_str().ok()?;
    Some(tag.trim_start_matches("W/").trim_matches('"').to_owned())
}

fn mismatch(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupted, message).retry(Retry::Later(None))
}

/// Says what came where it cannot be the file: a page of whoever stands in the way, or a hub's own "no" in a 200 (facts, modelscope §2.4).
async fn something_else(response: &mut Incoming, own: bool, size: u64, refusal: impl Fn(&Answer) -> Error) -> Option<Error> {
    let length = response.content_length().filter(|length| *length != size)?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let media = response.headers().get(CONTENT_TYPE).map(|media| media.as_bytes().to_vec()).unwrap_or_default();
    if media.starts_with(b"text/html") {
        return Some(mismatch("a web page came in place of the file").with("expected", size).with("got", length));
    }
    if !own || !media.starts_with(b"application/json") {
        return None;
    }
    // what is no refusal either is held to its size like any other answer
    Some(refusal(&Http::answer_of(response).await)).filter(|error| error.kind() != ErrorKind::Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_that_was_refused_is_not_given_out_again() {
        let url = |text: &str| SafeUrl::new(text.parse().unwrap());
        let downloads = Downloads::new(Http::new(true, REMEMBERED).unwrap(), "the hub", "https://hub.example".parse().unwrap());
        downloads.remember("file", url("https://cdn.example/new"), &HeaderMap::new());
        downloads.forget("file", &url("https://cdn.example/old"));
        assert!(downloads.recent("file").is_some(), "somebody found a new one meanwhile");
        downloads.forget("file", &url("https://cdn.example/new"));
        assert!(downloads.recent("file").is_none());
    }

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 10-19/100"), Some((10, Some(100))));
        assert_eq!(content_range("bytes 10-19/*"), Some((10, None)));
        assert_eq!(content_range("items 1-2/3"), None);
    }
}
