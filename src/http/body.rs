//! Bodies that are made while they are sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::request::Piece;

/// How long a service may think after the last byte. Some hash gigabytes before they answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// How long it may wait for more to send: longer than a source may take to heal ([`super::Patience::PATIENT`]).
const SOURCE_PATIENCE: Duration = Duration::from_secs(780);
/// How long the service may leave what is there to be sent. The slowest line takes a few chunks in that time.
const SERVICE_PATIENCE: Duration = Duration::from_secs(120);

/// A body of known length, fed chunk by chunk through [`UploadSender`].
pub struct UploadBody {
    chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    length: u64,
    sent: Arc<Sent>,
}

/// How much of a body was handed to the connection, and whether that waits for more.
#[derive(Debug, Default)]
struct Sent {
    bytes: AtomicU64,
    hungry: AtomicBool,
}

/// The feeding end of an [`UploadBody`].
pub struct UploadSender {
    chunks: mpsc::Sender<std::io::Result<Bytes>>,
}

/// A body of `length` bytes; at most `depth` chunks wait in between.
pub fn upload_body(length: u64, depth: usize) -> (UploadSender, UploadBody) {
    let (sender, chunks) = mpsc::channel(depth);
    (UploadSender { chunks: sender }, UploadBody { chunks, length, sent: Arc::default() })
}

impl UploadSender {
    /// Hands over the next chunk, as soon as there is room. `false` when the other end is gone.
    pub async fn send(&self, chunk: Bytes) -> bool {
        self.chunks.send(Ok(chunk)).await.is_ok()
    }

    /// Breaks the connection off, so that what was sent so far cannot count as a whole.
    pub async fn abort(self) {
        // a closed channel means that the connection is gone already
        let _gone = self.chunks.send(Err(std::io::Error::other("the upload was called off"))).await;
    }
}

impl UploadBody {
    /// A body of bytes at hand.
    pub fn of(bytes: Bytes) -> Self {
        let length = bytes.len() as u64;
        let (sender, chunks) = mpsc::channel(1);
        if length > 0 {
            // there is room for one
            let _always = sender.try_send(Ok(bytes));
        }
        Self { chunks, length, sent: Arc::default() }
    }

    /// How many bytes it will have.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn watch(&self) -> Watch {
        Watch { sent: self.sent.clone(), length: self.length }
    }

    pub(super) fn into_reqwest(self) -> reqwest::Body {
        reqwest::Body::wrap_stream(self)
    }
}

impl Stream for UploadBody {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.chunks.poll_recv(context);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            self.sent.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        self.sent.hungry.store(next.is_pending(), Ordering::Relaxed);
        next
    }
}

/// Watches whether a body still moves.
pub(super) struct Watch {
    sent: Arc<Sent>,
    length: u64,
}

impl Watch {
    /// Whether all of it was handed over.
    pub(super) fn is_complete(&self) -> bool {
        self.sent.bytes.load(Ordering::Relaxed) >= self.length
    }

    /// Returns when nothing moved for too long.
    pub(super) async fn stalled(&self) {
        let tick = Duration::from_secs(1);
        let (mut last, mut idle) = (0, Duration::ZERO);
        loop {
            tokio::time::sleep(tick).await;
            let sent = self.sent.bytes.load(Ordering::Relaxed);
            idle = if sent == last { idle + tick } else { Duration::ZERO };
            last = sent;
            let limit = match self.sent.hungry.load(Ordering::Relaxed) {
                _ if sent >= self.length => ANSWER_TIMEOUT,
                // the source may heal itself meanwhile, which takes a while
                true => SOURCE_PATIENCE,
                false => SERVICE_PATIENCE,
            };
            if idle >= limit {
                return;
            }
        }
    }
}

/// Encoded at a time. A multiple of three, so that no padding falls inside.
const BASE64_STEP: usize = 48 << 10;

/// The length of a body made of pieces, and the body.
pub(super) fn pieces(pieces: Vec<Piece>) -> (u64, reqwest::Body) {
    let length = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Plain(bytes) => bytes.len() as u64,
            Piece::Base64(bytes) => bytes.len().div_ceil(3) as u64 * 4,
        })
        .sum();
    let chunks = stream::iter(pieces).flat_map(|piece| match piece {
        Piece::Plain(bytes) => stream::iter(vec![Piece::Plain(bytes)]),
        Piece::Base64(bytes) => {
            let steps = (0..bytes.len()).step_by(BASE64_STEP);
            stream::iter(steps.map(|start| Piece::Base64(bytes.slice(start..(start + BASE64_STEP).min(bytes.len())))).collect::<Vec<_>>())
        }
    });
    let encoded = chunks.map(|piece| {
        Ok::<_, std::io::Error>(match piece {
            Piece::Plain(bytes) => bytes,
            Piece::Base64(bytes) => base64::engine::general_purpose::STANDARD.encode(&bytes).into(),
        })
    });
    (length, reqwest::Body::wrap_stream(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn base64_made_in_steps_is_the_base64_of_the_whole() {
        let bytes = Bytes::from((0..200_001u32).map(|number| number as u8).collect::<Vec<_>>());
        let (length, body) = pieces(vec![Piece::Plain("x".into()), Piece::Base64(bytes.clone())]);
        let mut sent = Vec::new();
        let mut chunks = http_body_util::BodyExt::into_data_stream(body);
        while let Some(chunk) = chunks.next().await {
            sent.extend_from_slice(&chunk.unwrap());
        }
        assert_eq!(sent.len() as u64, length);
        assert_eq!(&sent[1..], base64::engine::general_purpose::STANDARD.encode(&bytes).as_bytes());
    }
}
