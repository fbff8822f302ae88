//! A request that can be built again for another try.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorKind, Result};
use crate::secret::SafeUrl;

/// What a request carries.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Nothing.
    Empty,
    /// Bytes of the given media type.
    Bytes(Bytes, &'static str),
    /// Form fields as `multipart/form-data`.
    Form(Vec<(&'static str, String)>),
    /// Pieces that together make a body of the given media type. Sent with its length, never gathered.
    Pieces(Vec<Piece>, &'static str),
}

/// A piece of a body that is made while it is sent.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Goes as it is.
    Plain(Bytes),
    /// Goes as base64, encoded a little at a time.
    Base64(Bytes),
}

/// A request with everything that is needed to send it, and to send it again.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: SafeUrl,
    /// Headers besides length and type. Credentials are marked sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Payload,
}

impl Payload {
    /// How long a slow line, of 256 KiB/s, takes to send it.
    pub(super) fn sending_time(&self) -> Duration {
        let bytes = match self {
            Self::Empty | Self::Form(_) => 0,
            Self::Bytes(bytes, _) => bytes.len(),
            Self::Pieces(pieces, _) => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Plain(bytes) => bytes.len(),
                    Piece::Base64(bytes) => bytes.len() / 3 * 4,
                })
                .sum(),
        };
        Duration::from_secs(bytes as u64 >> 18)
    }
}

impl Request {
    /// A request without body.
    pub fn new(method: Method, url: SafeUrl) -> Self {
        Self { method, url, headers: HeaderMap::new(), payload: Payload::Empty }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.payload = Payload::Bytes(body.to_string().into(), "application/json");
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Makes the request as the client sends it.
    pub(super) fn build(&self) -> Result<reqwest::Request> {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.expose().clone());
        *request.headers_mut() = self.headers.clone();
        match &self.payload {
            Payload::Empty => {}
            Payload::Bytes(bytes, media) => {
                content_type(&mut request, HeaderValue::from_static(media));
                *request.body_mut() = Some(bytes.clone().into());
            }
            Payload::Form(fields) => {
                let (boundary, body) = form(fields);
                let media = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
                    .map_err(|error| Error::new(ErrorKind::Local, "no form boundary").because(error))?;
                content_type(&mut request, media);
                *request.body_mut() = Some(body.into());
            }
            Payload::Pieces(pieces, media) => {
                content_type(&mut request, HeaderValue::from_static(media));
                let (length, body) = super::body::pieces(pieces.clone());
                request.headers_mut().insert(reqwest::header::CONTENT_LENGTH, length.into());
                *request.body_mut() = Some(body);
            }
        }
        Ok(request)
    }
}

/// A form without files. The values are names and numbers of ours, so a fixed boundary cannot occur in them.
fn form(fields: &[(&'static str, String)]) -> (&'static str, String) {
    let boundary = "hf2ms-5a1f0c7e9b3d";
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    (boundary, body)
}

fn content_type(request: &mut reqwest::Request, media: HeaderValue) {
    request.headers_mut().insert(CONTENT_TYPE, media);
}
