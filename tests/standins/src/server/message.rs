//! Requests and answers as the hubs see them.

use std::ops::Range;

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Version};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Gone, Route, Upload};
use crate::content::Content;

/// The values of a query string, decoded, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`; `+` is a space.
    pub fn parse(text: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect())
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// A request: its head, and its body still to be read.
#[derive(Debug)]
pub struct Request {
    /// Which origin was asked.
    pub origin: &'static str,
    /// Its route.
    pub route: Route,
    /// The method, upper case.
    pub method: String,
    /// The protocol's version: HTTP/1.1, or 1.0.
    pub version: Version,
    /// The path without query, percent-encoded as it came.
    pub path: String,
    /// The query.
    pub query: Query,
    /// The headers. A fault may have removed `Range`.
    pub headers: HeaderMap,
    /// Whether a fault wants a signed URL to count as expired.
    pub url_expired: bool,
    /// Whether a fault will lose the answer: the client cannot know that the work was done.
    pub answer_lost: bool,
    /// The body.
    pub body: Upload,
}

impl Request {
    /// A header's value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// The promised length of the body; `None` when it comes in chunks of unknown total.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length").and_then(|text| text.parse().ok())
    }

    /// The path's segments, decoded one by one, so that an encoded `/` stays inside its segment.
    pub fn segments(&self) -> Vec<String> {
        let parts = self.path.split('/').skip(1);
        parts.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
    }

    /// The body as JSON. The inner error is the answer to give: 413 when longer than `limit`, 400 when it is no JSON.
    pub async fn json(&mut self, limit: usize) -> Result<Result<Value, Response>, Gone> {
        let Some(body) = self.body.read_all(limit).await? else {
            return Ok(Err(Response::json(413, &serde_json::json!({ "error": "Payload Too Large" }))));
        };
        let parsed = serde_json::from_slice(&body);
        Ok(parsed.map_err(|error| Response::json(400, &serde_json::json!({ "error": error.to_string() }))))
    }
}

/// An answer. `Content-Length` is set by the server from the body; to HEAD, only the length is sent.
#[derive(Debug)]
pub struct Response {
    pub(crate) status: u16,
    /// Boxed: an answer is also the error of many functions, and errors should be small.
    pub(crate) headers: Box<HeaderMap>,
    pub(crate) content: Content,
    pub(crate) range: Range<u64>,
    pub(crate) chunked: bool,
    pub(crate) sent_bytes_are_payload: bool,
}

impl Response {
    /// A status and nothing else.
    pub fn empty(status: u16) -> Self {
        Self::file(status, Content::bytes(Bytes::new()), 0..0)
    }

    /// A JSON body.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::bytes(status, value.to_string()).header("content-type", "application/json; charset=utf-8")
    }

    /// A plain text body.
    pub fn text(status: u16, text: &str) -> Self {
        Self::bytes(status, text.to_owned()).header("content-type", "text/plain; charset=utf-8")
    }

    /// Any bytes, without a content type.
    pub fn bytes(status: u16, bytes: impl Into<Bytes>) -> Self {
        let content = Content::bytes(bytes.into());
        let len = content.len();
        Self::file(status, content, 0..len)
    }

    /// A range of a content, streamed.
    pub fn file(status: u16, content: Content, range: Range<u64>) -> Self {
        let headers = Box::default();
        Self { status, headers, content, range, chunked: false, sent_bytes_are_payload: status < 300 }
    }

    /// Adds a header, replacing one of the same name. Panics when name or value cannot be a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        self.headers.insert(name, HeaderValue::from_str(value.as_ref()).expect("a header value"));
        self
    }

    /// Sends the body in chunks, without saying its length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }
}
