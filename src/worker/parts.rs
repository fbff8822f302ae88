//! One part of a multipart upload: read, held as far as needed until the hash has caught up, sent.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::carry::{early, together};
use super::slabs::Slabs;
use super::{Flight, Reader, Worker, no_tag};
use crate::error::{ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience, Request, upload_body};
use crate::hub::{Destination, Source};
use crate::repo::FileEntry;

/// How far a part without memory of its own may be ahead of the hash.
const AHEAD: usize = 2 << 20;

/// The bytes of a part on their way to the hash.
///
/// A part that holds a memory permit queues whole; one without waits for the hash.
pub(super) struct PartBuffer {
    state: Mutex<State>,
    arrived: Notify,
    taken: Notify,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Bytes>,
    queued: usize,
    attempt: u32,
    tag: Option<String>,
    memory: Option<OwnedSemaphorePermit>,
}

/// What the hash sees next of a part.
pub(super) enum Step {
    /// More bytes.
    Chunk(Bytes),
    /// The part starts over: what was hashed of it does not count.
    Again,
    /// All of it is hashed, and stored under this tag.
    Done(String),
}

impl PartBuffer {
    pub(super) fn new(memory: Option<OwnedSemaphorePermit>) -> Self {
        Self { state: Mutex::new(State { memory, ..State::default() }), arrived: Notify::new(), taken: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all of it may be held.
    fn is_held(&self) -> bool {
        self.state().memory.is_some()
    }

    async fn push(&self, chunk: Bytes) {
        loop {
            {
                let mut state = self.state();
                if state.memory.is_some() || state.queued < AHEAD {
                    state.queued += chunk.len();
                    state.chunks.push_back(chunk);
                    break;
                }
            }
            self.taken.notified().await;
        }
        self.arrived.notify_one();
    }

    fn start_over(&self) {
        let mut state = self.state();
        state.chunks.clear();
        state.queued = 0;
        state.attempt += 1;
        drop(state);
        self.arrived.notify_one();
    }

    fn finish(&self, tag: String) {
        self.state().tag = Some(tag);
        self.arrived.notify_one();
    }

    /// The next step for a hash that has seen `attempt`.
    pub(super) async fn next(&self, attempt: &mut u32) -> Step {
        loop {
            {
                let mut state = self.state();
                if state.attempt != *attempt {
                    *attempt = state.attempt;
                    return Step::Again;
                }
                if let Some(chunk) = state.chunks.pop_front() {
                    state.queued -= chunk.len();
                    drop(state);
                    self.taken.notify_one();
                    return Step::Chunk(chunk);
                }
                if let Some(tag) = state.tag.take() {
                    state.memory = None;
                    return Step::Done(tag);
                }
            }
            self.arrived.notified().await;
        }
    }
}

/// One part: which bytes, where to, and the way to the hash.
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) request: Request,
    pub(super) buffer: Arc<PartBuffer>,
}

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// Sends one part, again if its connection breaks. A refused URL ends the file's try, because it has expired.
    pub(super) async fn carry_part(self: Arc<Self>, file: FileEntry, part: Part, flight: Arc<Flight>) -> Result<()> {
        let mut backoff = Backoff::new(Patience::PATIENT);
        loop {
            let (outcome, sent) = self.try_part(&file, &part, &flight).await;
            let error = match outcome {
                Ok(tag) => {
                    part.buffer.finish(tag);
                    return Ok(());
                }
                Err(error) => error,
            };
            flight.back(sent);
            let error = error.with("part", part.range.start);
            let wait = match error.retryable() {
                // the URL has expired: only a new ticket helps
                Retry::Later(_) if error.kind() == ErrorKind::Forbidden => return Err(error),
                Retry::Later(asked) => backoff.next(asked),
                Retry::Never => return Err(error),
            };
            let Some(wait) = wait else { return Err(error.retry(Retry::Never)) };
            part.buffer.start_over();
            tokio::time::sleep(wait).await;
        }
    }

    /// One try, with how much of it was sent.
    async fn try_part(&self, file: &FileEntry, part: &Part, flight: &Flight) -> (Result<String>, u64) {
        let _stream = match self.stream().await {
            Ok(stream) => stream,
            Err(error) => return (Err(error), 0),
        };
        let (sender, body) = upload_body(part.range.end - part.range.start, super::carry::DEPTH);
        let mut sent = 0;
        let pump = async {
            let mut reader = Reader::new(self.source.as_ref(), &self.manifest, file, part.range.clone());
            let mut slabs = Slabs::new(part.buffer.is_held().then(|| self.pool.clone()));
            loop {
                let (pieces, is_last) = match reader.next().await {
                    Ok(Some(chunk)) => (slabs.fill(chunk), false),
                    Ok(None) => (slabs.rest().into_iter().collect(), true),
                    Err(error) => {
                        sender.abort().await;
                        return Err(error);
                    }
                };
                for piece in pieces {
                    part.buffer.push(piece.clone()).await;
                    let length = piece.len() as u64;
                    if !sender.send(piece).await {
                        return Ok(None);
                    }
                    sent += length;
                    flight.moved(length);
                }
                if is_last {
                    return Ok(Some(()));
                }
            }
        };
        let (pumped, put) = together(pump, self.destination.put(&part.request, body)).await;
        let outcome = match (pumped, put) {
            (Ok(Some(())), Ok(tag)) => tag.ok_or_else(no_tag),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(None), Ok(_)) => Err(early()),
        };
        (outcome, sent)
    }
}
