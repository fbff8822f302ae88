//! An answer's body: metered, throttled, and damaged on demand.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::Sleep;

use crate::content::Content;
use crate::dials::Bucket;
use crate::faults::BodyFaults;
use crate::journal::Flow;
use crate::rig::Rig;
use crate::socket::Cut;

/// What a body answers when it is asked for its next frame.
type Sent = Poll<Option<Result<Frame<Bytes>, io::Error>>>;

/// Time for what was written before a break to leave the process.
const DRAIN: Duration = Duration::from_millis(30);

/// The bytes of an answer on their way out. Never holds more than one chunk.
pub(crate) struct Outgoing {
    pub(crate) content: Content,
    pub(crate) at: u64,
    pub(crate) end: u64,
    pub(crate) rig: Arc<Rig>,
    pub(crate) origin: &'static str,
    pub(crate) flow: Flow,
    pub(crate) faults: BodyFaults,
    pub(crate) cut: Cut,
    pub(crate) recorded: Arc<AtomicU64>,
    pub(crate) pace: Pace,
    /// Held until the body is out, where the exchange counts as a transfer.
    pub(crate) _place: Option<Place>,
}

/// A transfer's place among those that an origin serves at once.
pub(crate) struct Place {
    rig: Arc<Rig>,
    origin: &'static str,
}

impl Place {
    /// A place, if there is one left.
    pub(crate) fn take(rig: &Arc<Rig>, origin: &'static str) -> Option<Self> {
        rig.dials.origin(origin).enter().then(|| Self { rig: Arc::clone(rig), origin })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.rig.dials.origin(self.origin).leave();
    }
}

/// Where a body stands in time.
#[derive(Default)]
pub(crate) struct Pace {
    bucket: Bucket,
    sent: u64,
    wait: Option<Pin<Box<Sleep>>>,
    ready: Option<Bytes>,
    drained: bool,
}

impl Outgoing {
    fn pause(&mut self, time: Duration) {
        self.pace.wait = Some(Box::pin(tokio::time::sleep(time)));
    }

    /// The nearest place at which something happens to the stream, if it lies ahead.
    fn next_event(&self) -> Option<u64> {
        let places = [self.faults.reset_download, self.faults.truncate, self.faults.stall_download.map(|(at, _)| at)];
        places.into_iter().flatten().filter(|at| *at > self.pace.sent).min()
    }

    fn next_chunk(&mut self) -> Bytes {
        let mut max = self.rig.dials.origin(self.origin).download_chunk() as u64;
        if let Some(event) = self.next_event() {
            max = max.min(event - self.pace.sent);
        }
        let chunk = if self.at < self.end {
            self.content.read(self.at, max.min(self.end - self.at) as usize)
        } else {
            let extra = max.min(self.faults.over_long);
            self.faults.over_long -= extra;
            return Bytes::from(vec![b'+'; extra as usize]);
        };
        self.at += chunk.len() as u64;
        self.with_flipped_byte(chunk)
    }

    fn with_flipped_byte(&self, chunk: Bytes) -> Bytes {
        let place = self.faults.flip.and_then(|at| at.checked_sub(self.pace.sent));
        match place {
            Some(place) if place < chunk.len() as u64 => {
                let mut damaged = chunk.to_vec();
                damaged[place as usize] ^= 1;
                damaged.into()
            }
            _ => chunk,
        }
    }

    fn count(&mut self, chunk: &Bytes) {
        let bytes = chunk.len() as u64;
        self.pace.sent += bytes;
        self.recorded.fetch_add(bytes, Relaxed);
        if self.flow == Flow::Download {
            self.rig.journal.downloaded.add(bytes);
        }
    }

    /// Ends the stream as the faults demand, after what was sent has had time to leave.
    fn break_off(&mut self) -> Option<Sent> {
        let reset = self.faults.reset_download.is_some_and(|at| self.pace.sent >= at);
        let truncated = self.faults.truncate.is_some_and(|at| self.pace.sent >= at);
        if !reset && !truncated {
            return None;
        }
        if !self.pace.drained {
            self.pace.drained = true;
            self.pause(DRAIN);
            return None;
        }
        if reset {
            self.cut.cut();
            return Some(Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))));
        }
        Some(Poll::Ready(None))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Sent {
        let this = &mut *self;
        loop {
            if let Some(wait) = &mut this.pace.wait {
                ready!(wait.as_mut().poll(cx));
                this.pace.wait = None;
            }
            if let Some(chunk) = this.pace.ready.take() {
                this.count(&chunk);
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            if let Some(end) = this.break_off() {
                return end;
            }
            if this.pace.wait.is_some() {
                continue;
            }
            if let Some((_, time)) = this.faults.stall_download.take_if(|(at, _)| this.pace.sent >= *at) {
                this.pause(time);
                continue;
            }
            let chunk = this.next_chunk();
            if chunk.is_empty() {
                return Poll::Ready(None);
            }
            let wait = this.rig.dials.origin(this.origin).download_wait(&this.pace.bucket, chunk.len());
            this.pace.ready = Some(chunk);
            if let Some(wait) = wait {
                this.pause(wait);
            }
        }
    }
}
