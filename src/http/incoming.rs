//! An answer whose body is read as it comes, and the count of what went wrong on the way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, Sleep};

use super::{IDLE_TIMEOUT, transport};
use crate::error::{Error, ErrorKind, Result, Retry};

/// How often transfers were asked for less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Answers 429 and 503.
    pub refused: u64,
    /// Connections that broke or stood still.
    pub broken: u64,
}

/// Counts the troubles of one client's transfers.
#[derive(Clone, Debug, Default)]
pub(super) struct Count(Arc<[AtomicU64; 2]>);

impl Count {
    pub(super) fn so_far(&self) -> Troubles {
        let [refused, broken] = &*self.0;
        Troubles { refused: refused.load(Ordering::Relaxed), broken: broken.load(Ordering::Relaxed) }
    }

    pub(super) fn broke(&self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }

    /// One more if the status is a plea for less.
    pub(super) fn see(&self, status: StatusCode) {
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            self.0[0].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The head of an answer, its body unread.
pub struct Incoming {
    response: Response,
    idle: Duration,
    /// Ends at the earliest when nothing came for that long. It is not set anew for each of a hundred thousand chunks.
    alarm: Pin<Box<Sleep>>,
    troubles: Count,
}

/// An answer whose troubles nobody counts.
impl From<Response> for Incoming {
    fn from(response: Response) -> Self {
        Self::new(response, IDLE_TIMEOUT, Count::default())
    }
}

impl Incoming {
    pub(super) fn new(response: Response, idle: Duration, troubles: Count) -> Self {
        Self { response, idle, alarm: Box::pin(tokio::time::sleep(idle)), troubles }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// How many bytes are to come, when it says so.
    pub fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next bytes, or `None` at the end. Fails with a retryable `Unavailable` when the connection breaks or nothing comes for
    /// too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let waits = Instant::now();
        let chunk = loop {
            tokio::select! {
                biased;
                chunk = self.response.chunk() => break chunk.map_err(transport),
                () = &mut self.alarm => {}
            }
            let end = waits + self.idle;
            if end <= Instant::now() {
                break Err(Error::new(ErrorKind::Unavailable, "nothing came any more").retry(Retry::Later(None)));
            }
            self.alarm.as_mut().reset(end);
        };
        if chunk.is_err() {
            self.troubles.broke();
        }
        chunk
    }
}
