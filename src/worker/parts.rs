//! One part of a multipart upload: read, held as far as needed until the hash has caught up, sent.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::carry::{early, together};
use super::slabs::Slabs;
use super::{Flight, Reader, Stream, Worker, no_tag};
use crate::error::{ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience, Request, upload_body};
use crate::hub::{Destination, Source, Upload};
use crate::repo::FileEntry;
use crate::secret::SafeUrl;

/// How often one part asks for a new ticket.
const RENEWALS: u32 = 3;
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
    pub(super) index: usize,
    pub(super) request: Request,
    /// The upload it is a part of.
    pub(super) complete: SafeUrl,
    pub(super) buffer: Arc<PartBuffer>,
}

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// Sends one part, again if its connection breaks. A refused URL has expired: a new ticket for the same upload goes on from there, one
    /// for another ends the file's try.
    pub(super) async fn carry_part(self: Arc<Self>, file: FileEntry, mut part: Part, flight: Arc<Flight>) -> Result<()> {
        let mut backoff = Backoff::new(Patience::PATIENT);
        let mut renewals = 0;
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
            let error = error.with("part", part.index + 1);
            let wait = match error.retryable() {
                // the URL has expired: only a new ticket helps, and only if it names the same upload
                Retry::Later(_) if error.kind() == ErrorKind::Forbidden => match self.renewed(&file, &part).await? {
                    Some(request) if renewals < RENEWALS => {
                        renewals += 1;
                        part.request = request;
                        Some(Duration::ZERO)
                    }
                    _ => return Err(error),
                },
                Retry::Later(asked) => backoff.next(asked),
                Retry::Never => return Err(error),
            };
            let Some(wait) = wait else { return Err(error.retry(Retry::Never)) };
            part.buffer.start_over();
            self.destination.tell_wait(&error, wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Where the part goes by a new ticket; `None` when that is another upload, or none is needed any more.
    async fn renewed(&self, file: &FileEntry, part: &Part) -> Result<Option<Request>> {
        let Some(ticket) = self.ticket(super::blob_of(file)?).await? else { return Ok(None) };
        match ticket.upload {
            Upload::Multipart { parts, complete, .. } if is_same_upload(&complete, &part.complete) => {
                Ok(parts.get(part.index).cloned().map(by_put))
            }
            _ => Ok(None),
        }
    }

    /// One try, with how much of it was sent.
    async fn try_part(&self, file: &FileEntry, part: &Part, flight: &Flight) -> (Result<String>, u64) {
        let length = part.range.end - part.range.start;
        let Stream { lease, _memory } = match self.stream(length).await {
            Ok(stream) => stream,
            Err(error) => return (Err(error), 0),
        };
        let mut reader = Reader::new(self.source.as_ref(), &self.manifest, file, part.range.clone()).at_pace(Some(lease));
        if let Err(error) = reader.begin().await {
            return (Err(error), 0);
        }
        let (sender, body) = upload_body(length, super::carry::DEPTH);
        let mut sent = 0;
        let pump = async {
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

/// The request that sends a part.
pub(super) fn by_put(url: SafeUrl) -> Request {
    Request::new(reqwest::Method::PUT, url)
}

/// Whether two tickets are for one upload in parts.
pub(super) fn same_upload(one: &Upload, other: &Upload) -> bool {
    match (one, other) {
        (Upload::Multipart { complete: one, .. }, Upload::Multipart { complete: other, .. }) => is_same_upload(one, other),
        _ => false,
    }
}

/// Whether two completion addresses are of one upload: they name the same upload id, or, where they name none, are the same. How the
/// parameter is called is not published [?]: any name that starts with `upload` is taken for it.
fn is_same_upload(one: &SafeUrl, other: &SafeUrl) -> bool {
    let is_id = |name: &str| name.to_ascii_lowercase().starts_with("upload");
    let id = |url: &SafeUrl| url.expose().query_pairs().find(|(name, _)| is_id(name)).map(|(_, id)| id.into_owned());
    match (id(one), id(other)) {
        (None, None) => one.expose() == other.expose(),
        (one_id, other_id) => one_id == other_id && one.expose().path() == other.expose().path(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_known_by_its_id_whatever_the_signature() {
        let url = |text: &str| SafeUrl::new(text.parse().unwrap());
        let same = |one: &str, other: &str| is_same_upload(&url(one), &url(other));
        assert!(same("https://h/c?uploadId=a&sig=1", "https://h/c?uploadId=a&sig=2"));
        assert!(!same("https://h/c?uploadId=a", "https://h/c?uploadId=b"));
        assert!(!same("https://h/c?uploadId=a", "https://h/d?uploadId=a"));
        assert!(same("https://h/c/1", "https://h/c/1"));
        assert!(!same("https://h/c/1", "https://h/c/2"));
    }
}
