//! A bare HTTP client over one TCP connection per request: adds nothing, hides nothing.
//!
//! For tests that break a hub's rules on purpose, where a real client's good manners would be in the way.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A request being put together.
#[derive(Clone, Debug)]
pub struct Probe {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

impl Probe {
    /// A request with this method to an absolute `http://host:port/…` URL.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new(), chunked: false }
    }

    /// A GET.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST of JSON.
    pub fn post(url: impl Into<String>, json: &Value) -> Self {
        Self::new("POST", url).header("Content-Type", "application/json").body(json.to_string())
    }

    /// A PUT of bytes.
    pub fn put(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("PUT", url).body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Authorization: Bearer`.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Asks for the bytes as they are, as a client of hubs should.
    #[must_use]
    pub fn identity(self) -> Self {
        self.header("Accept-Encoding", "identity")
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks of unknown total.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Sends it and reads the whole answer. Panics when there is no answer.
    pub fn send(&self) -> Reply {
        self.try_send().expect("an answer")
    }

    /// Sends it and reads the answer; a broken connection is an error unless the head had come.
    pub fn try_send(&self) -> io::Result<Reply> {
        let rest = self.url.strip_prefix("http://").ok_or(io::ErrorKind::InvalidInput)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, if path.is_empty() { "/" } else { path });
        head.push_str("Connection: close\r\n");
        self.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        let has_length = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if self.chunked {
            head.push_str("Transfer-Encoding: chunked\r\n");
        } else if !has_length && (!self.body.is_empty() || self.method != "GET" && self.method != "HEAD") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // A server may answer before it has read everything: then the answer counts, not the broken pipe.
        let _ = self.write_body(&mut stream);
        read_reply(&mut stream, self.method == "HEAD")
    }

    fn write_body(&self, stream: &mut TcpStream) -> io::Result<()> {
        if !self.chunked {
            return stream.write_all(&self.body);
        }
        for chunk in self.body.chunks(64 << 10) {
            stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            stream.write_all(chunk)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// Whether the body had the length that was promised.
    pub complete: bool,
}

impl Reply {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON. Panics when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

fn read_reply(stream: &mut TcpStream, head_only: bool) -> io::Result<Reply> {
    let mut raw = Vec::new();
    let broken = read_until_end(stream, &mut raw);
    let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Err(broken.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let split = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(split).collect();
    let mut reply = Reply { status: status.unwrap_or(0), headers, body: raw.split_off(end + 4), complete: true };
    if reply.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        reply.complete = unchunk(&mut reply.body);
    } else if let Some(length) = reply.header("content-length").and_then(|text| text.parse::<usize>().ok()) {
        reply.complete = head_only || reply.body.len() == length;
    }
    Ok(reply)
}

fn read_until_end(stream: &mut TcpStream, raw: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => raw.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Takes the chunk framing off; says whether the last chunk was there.
fn unchunk(body: &mut Vec<u8>) -> bool {
    let mut plain = Vec::new();
    let mut rest = body.as_slice();
    let complete = loop {
        let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { break false };
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size else { break false };
        if size == 0 {
            break true;
        }
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break false };
        plain.extend_from_slice(chunk);
        rest = rest.get(line + 4 + size..).unwrap_or_default();
    };
    *body = plain;
    complete
}
