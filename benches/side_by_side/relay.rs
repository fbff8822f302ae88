//! The floor: read → sha256 → write over plain sockets, with no more HTTP than one body down and one body up need.
//!
//! Blocking threads, reads of 1 MiB. Where to get and where to put is negotiated beforehand and not measured; whether the digest
//! is right is looked at before the last bytes go out, as everybody does who streams.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Streams at a time.
const THREADS: usize = 4;
const BUFFER: usize = 1 << 20;

/// One file to carry.
#[derive(Serialize, Deserialize)]
pub(crate) struct Errand {
    pub(crate) get: String,
    pub(crate) puts: Vec<Put>,
    pub(crate) sha256: String,
    /// Header lines of every PUT.
    pub(crate) headers: String,
}

/// A part of it, or all.
#[derive(Serialize, Deserialize)]
pub(crate) struct Put {
    pub(crate) url: String,
    pub(crate) length: u64,
}

/// The process: `ERRANDS ETAGS`, two files, the second to be written with a list for every errand.
pub(crate) fn run_relay(arguments: &[String]) -> ExitCode {
    let [errands, etags] = arguments else { return ExitCode::from(2) };
    let errands: Vec<Errand> = serde_json::from_slice(&std::fs::read(errands).unwrap()).unwrap();
    let next = AtomicUsize::new(0);
    let got = Mutex::new(vec![Vec::new(); errands.len()]);
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(errands.len()) {
            scope.spawn(|| {
                let mut lines = Lines { source: None, storage: None, buffer: vec![0; BUFFER] };
                loop {
                    let place = next.fetch_add(1, Relaxed);
                    let Some(errand) = errands.get(place) else { break };
                    let etags = lines.carry(errand).unwrap_or_else(|error| panic!("{}: {error}", errand.get));
                    got.lock().unwrap()[place] = etags;
                }
            });
        }
    });
    std::fs::write(Path::new(etags), serde_json::to_vec(&got.into_inner().unwrap()).unwrap()).unwrap();
    ExitCode::SUCCESS
}

/// One thread's two connections.
struct Lines {
    source: Option<Line>,
    storage: Option<Line>,
    buffer: Vec<u8>,
}

struct Line {
    host: String,
    stream: TcpStream,
}

impl Lines {
    fn carry(&mut self, errand: &Errand) -> io::Result<Vec<String>> {
        let (host, path) = split(&errand.get)?;
        let source = connect(&mut self.source, host)?;
        write!(source, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n\r\n")?;
        let (head, mut ahead) = read_head(source, &mut self.buffer)?;
        let total: u64 = errand.puts.iter().map(|put| put.length).sum();
        if field(&head, "content-length").and_then(|text| text.parse().ok()) != Some(total) {
            return Err(io::Error::other(format!("not the length expected: {head}")));
        }
        let (mut hasher, mut arrived) = (Sha256::new(), 0);
        let mut etags = Vec::new();
        for put in &errand.puts {
            let (host, path) = split(&put.url)?;
            let storage = connect(&mut self.storage, host)?;
            write!(storage, "PUT {path} HTTP/1.1\r\nHost: {host}\r\n{}Content-Length: {}\r\n\r\n", errand.headers, put.length)?;
            let mut left = put.length;
            while left > 0 {
                // what came with the head is in the buffer already
                let read = match std::mem::take(&mut ahead) {
                    0 => {
                        let most = left.min(BUFFER as u64) as usize;
                        source.read(&mut self.buffer[..most])?
                    }
                    ahead => ahead,
                };
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                hasher.update(&self.buffer[..read]);
                arrived += read as u64;
                left -= read as u64;
                if arrived == total && hex::encode(hasher.clone().finalize()) != errand.sha256 {
                    return Err(io::Error::other("other bytes than promised"));
                }
                storage.write_all(&self.buffer[..read])?;
            }
            let (head, rest) = read_head(storage, &mut self.buffer)?;
            drain(storage, &head, rest, &mut self.buffer)?;
            etags.push(field(&head, "etag").unwrap_or_default().to_owned());
        }
        Ok(etags)
    }
}

fn connect<'l>(line: &'l mut Option<Line>, host: &str) -> io::Result<&'l mut TcpStream> {
    if line.as_ref().is_none_or(|line| line.host != host) {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        *line = Some(Line { host: host.to_owned(), stream });
    }
    line.as_mut().map(|line| &mut line.stream).ok_or_else(|| io::ErrorKind::NotConnected.into())
}

fn split(url: &str) -> io::Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").ok_or(io::ErrorKind::InvalidInput)?;
    Ok(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

/// Reads a head. What came after it is moved to the front of the buffer; its length is returned.
fn read_head(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(String, usize)> {
    let mut filled = 0;
    loop {
        // a small first read: only the head is wanted
        let end = (filled + (16 << 10)).min(buffer.len());
        let read = stream.read(&mut buffer[filled..end])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        if !head.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(head));
        }
        buffer.copy_within(end + 4..filled, 0);
        return Ok((head, filled - end - 4));
    }
}

/// Takes the rest of an answer off the line, so that the next one begins at its head.
fn drain(stream: &mut TcpStream, head: &str, mut came: usize, buffer: &mut [u8]) -> io::Result<()> {
    let length = field(head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while came < length {
        came += stream.read(buffer)?;
    }
    Ok(())
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
