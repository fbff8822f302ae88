//! A request's body: metered, throttled, and broken off on demand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::dials::Bucket;
use crate::faults::BodyFaults;
use crate::journal::Flow;
use crate::marks::{Sieve, TOKEN_ASTRAY};
use crate::rig::Rig;
use crate::server::{Gone, Route};
use crate::socket::Cut;

/// A request's body, read chunk by chunk.
#[derive(Debug)]
pub struct Upload {
    incoming: Incoming,
    rig: Arc<Rig>,
    origin: &'static str,
    flow: Flow,
    /// Where no token may be in it.
    sieve: Option<Sieve>,
    bucket: Bucket,
    received: Arc<AtomicU64>,
    faults: BodyFaults,
    cut: Cut,
    /// Read ahead by [`Upload::gather`].
    gathered: VecDeque<Bytes>,
    damaged: bool,
}

impl Upload {
    pub(crate) fn new(incoming: Incoming, rig: Arc<Rig>, origin: &'static str, route: Route, faults: BodyFaults, cut: Cut) -> Self {
        // file bytes need no look: their digest is that of the source's
        let sieve = (route.flow != Flow::Upload && !rig.guard.logins.contains(&route.name)).then(Sieve::default);
        let (bucket, received, gathered) = Default::default();
        Self { incoming, rig, origin, flow: route.flow, sieve, bucket, received, faults, cut, gathered, damaged: false }
    }

    pub(crate) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// Whether a fault changed bytes on their way in, which is not the client's doing.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Reads all of it ahead, so that it outlives its connection.
    pub(crate) async fn gather(&mut self) -> Result<(), Gone> {
        let mut all = VecDeque::new();
        while let Some(chunk) = self.next().await? {
            all.push_back(chunk);
        }
        self.gathered = all;
        Ok(())
    }

    /// Flips the byte that a fault names, once it comes by.
    fn with_flipped_byte(&mut self, chunk: Bytes, start: u64) -> Bytes {
        let place = self.faults.flip_upload.and_then(|at| at.checked_sub(start)).and_then(|place| usize::try_from(place).ok());
        match place {
            Some(place) if place < chunk.len() => {
                let mut damaged = chunk.to_vec();
                damaged[place] ^= 1;
                self.damaged = true;
                damaged.into()
            }
            _ => chunk,
        }
    }

    /// The next bytes, or `None` at the end. Not reading holds the client back.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Gone> {
        if let Some(chunk) = self.gathered.pop_front() {
            return Ok(Some(chunk));
        }
        loop {
            let Some(frame) = self.incoming.frame().await else { return Ok(None) };
            let Ok(chunk) = frame.map_err(|_| Gone)?.into_data() else { continue };
            let received = self.received.fetch_add(chunk.len() as u64, Relaxed) + chunk.len() as u64;
            if self.flow == Flow::Upload {
                self.rig.journal.uploaded.add(chunk.len() as u64);
            }
            if let Some(found) = self.sieve.as_mut().and_then(|sieve| sieve.token_in(&self.rig.guard.marks, &chunk)) {
                self.rig.strict.broken(TOKEN_ASTRAY, format!("{found} in a body to the {} host", self.origin));
            }
            if self.faults.reset_upload.is_some_and(|at| received >= at) {
                self.cut.cut();
                return Err(Gone);
            }
            if let Some((_, time)) = self.faults.stall_upload.take_if(|(at, _)| received >= *at) {
                tokio::time::sleep(time).await;
            }
            if let Some(wait) = self.rig.dials.origin(self.origin).upload_wait(&self.bucket, chunk.len()) {
                tokio::time::sleep(wait).await;
            }
            let start = received - chunk.len() as u64;
            return Ok(Some(self.with_flipped_byte(chunk, start)));
        }
    }

    /// The whole body, which must be small. `Err` when the client broke off; `Ok(None)` when it is longer than `limit`.
    pub async fn read_all(&mut self, limit: usize) -> Result<Option<Bytes>, Gone> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if all.len() + chunk.len() > limit {
                return Ok(None);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(Some(all.freeze()))
    }
}
