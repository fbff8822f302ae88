//! Carries one file: source stream → hash → destination, with the digest as the gate.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::part_hash::PartHash;
use super::parts::{Part, by_put};
use super::{Flight, Reader, Stream, Worker};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Request, UploadSender, upload_body};
use crate::hub::{Destination, Source};
use crate::repo::{Digests, FileEntry, Hasher};
use crate::secret::SafeUrl;

/// Of a single PUT, this much of the end is kept back until the digest of the whole file is known to be right.
const WITHHELD: u64 = 1 << 20;
/// Chunks between reading and sending. One, because bytes that wait have left the processor's cache when they are sent.
pub(super) const DEPTH: usize = 1;

/// A file that moves this many bytes a second is held back by this machine and not by its line: a part ahead would only be held in memory,
/// and hashed after it has left the processor's cache.
const FAST: u64 = 500_000_000;
/// Parts over which that is the mean. One late part says nothing, and in a file of ten thousand parts some are late.
const RECENT: usize = 64;

/// Compares what was hashed with what the source says of the file.
///
/// Fails with `Corrupted`, to be tried again: a byte that flipped on the way does not flip twice.
pub fn check(file: &FileEntry, found: Digests) -> Result<Digests> {
    if found.same(&file.digests) == Some(false) {
        let expected = file.digests.sha256.map(|digest| digest.to_string()).or(file.digests.git_sha1.map(|digest| digest.to_string()));
        let got = match file.digests.sha256 {
            Some(_) => found.sha256.map(|digest| digest.to_string()),
            None => found.git_sha1.map(|digest| digest.to_string()),
        };
        return Err(Error::new(ErrorKind::Corrupted, "the bytes do not match the source's digest")
            .with("file", &file.path)
            .with("expected", expected.unwrap_or_default())
            .with("got", got.unwrap_or_default())
            .hint_to("the source gives other bytes than it lists, and none of them were committed; run again later, or leave the file out with --exclude")
            .retry(Retry::Later(None)));
    }
    Ok(found)
}

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// One PUT of the whole file, its end withheld until everything before and in it is proven. Leaves in `hashed` what was found
    /// when all of it was read, even if the PUT fails then.
    pub(super) async fn carry_whole(
        &self,
        file: &FileEntry,
        request: &Request,
        flight: &Flight,
        hashed: &mut Option<Digests>,
    ) -> Result<Digests> {
        let Stream { lease, _memory } = self.stream(file.size).await?;
        let mut reader = Reader::new(self.source.as_ref(), &self.manifest, file, 0..file.size).at_pace(Some(lease));
        reader.begin().await?;
        let (sender, body) = upload_body(file.size, DEPTH);
        let (pumped, put) = together(pump(file, reader, sender, flight), self.destination.put(request, body)).await;
        if let Ok(Some(digests)) = &pumped {
            *hashed = Some(*digests);
        }
        // a refusal of the destination is why the pump's other end was gone
        match (pumped, put) {
            (Ok(Some(digests)), Ok(_)) => Ok(digests),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(None), Ok(_)) => Err(early()),
        }
    }

    /// A multipart upload. Parts go up in parallel, each from its own ranged read, unless the file is as fast as this machine; the whole
    /// file is hashed in order. A part ahead of the hash is held whole, so parts in flight are one plus what fits into memory. Returns the parts' tags; the caller completes the
    /// upload with them, which it never comes to when the digest is wrong.
    pub(super) async fn carry_parts(
        self: &Arc<Self>,
        file: &FileEntry,
        part_size: u64,
        urls: &[SafeUrl],
        complete: &SafeUrl,
        flight: &Arc<Flight>,
    ) -> Result<(Digests, Vec<String>)> {
        let mut flying = JoinSet::new();
        let mut tags = vec![String::new(); urls.len()];
        let (first, mut previous) = oneshot::channel();
        // the receiver is at hand, so it arrives
        let _infallible = first.send(Hasher::new(file.size, file.digests));
        let mut launched = 0;
        let mut starts = Starts::default();
        while launched < urls.len() || !flying.is_empty() {
            let is_first = flying.is_empty();
            tokio::select! {
                biased;
                Some(ended) = flying.join_next(), if !is_first => {
                    let (index, tag): (usize, String) =
                        ended.map_err(|error| Error::new(ErrorKind::Local, "a part died").because(error)).flatten()?;
                    tags[index] = tag;
                }
                memory = self.room_for_part(part_size, is_first, starts.slow_at(part_size)), if launched < urls.len() => {
                    let start = launched as u64 * part_size;
                    let range = start..(start + part_size).min(file.size);
                    let part = Part { range, index: launched, request: by_put(urls[launched].clone()), complete: complete.clone() };
                    let (pass_on, next) = oneshot::channel();
                    let mut hash = PartHash::new(std::mem::replace(&mut previous, next), memory?, self.pool.clone());
                    let (worker, file, flight) = (self.clone(), file.clone(), flight.clone());
                    flying.spawn(async move {
                        let index = part.index;
                        let tag = worker.carry_part(&file, part, &mut hash, &flight).await?;
                        // nobody waits for it any more where another part has failed
                        let _gone = pass_on.send(hash.finish().await);
                        Ok((index, tag))
                    });
                    launched += 1;
                    starts.one_now();
                    // lets it ask for its place in flight before the next part does
                    tokio::task::yield_now().await;
                }
            }
        }
        let hasher = previous.await.map_err(|error| Error::new(ErrorKind::Local, "the hash got lost").because(error))?;
        check(file, hasher.finish()).map(|digests| (digests, tags))
    }

    /// Waits until a part may start: at once when all before it are done, else when it is `slow_at` and the part fits into memory as a whole.
    async fn room_for_part(&self, part_size: u64, is_first: bool, slow_at: Instant) -> Result<Option<OwnedSemaphorePermit>> {
        if is_first {
            return Ok(None);
        }
        tokio::time::sleep_until(slow_at).await;
        match u32::try_from(part_size.div_ceil(1024)) {
            Ok(kib) if part_size <= self.memory_total / 3 * 2 => {
                let permit = self.parts.clone().acquire_many_owned(kib).await;
                permit.map(Some).map_err(|error| Error::new(ErrorKind::Local, "no memory budget").because(error))
            }
            // never fits: this part starts when it is the next to be hashed
            _ => std::future::pending().await,
        }
    }
}

/// When the latest parts of a file were started.
#[derive(Default)]
struct Starts {
    recent: VecDeque<Instant>,
}

impl Starts {
    fn one_now(&mut self) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Instant::now());
    }

    /// From then on the file has moved less than [`FAST`] since the oldest of them.
    fn slow_at(&self, part_size: u64) -> Instant {
        let fast = Duration::from_secs_f64(self.recent.len() as f64 * part_size as f64 / FAST as f64);
        self.recent.front().map_or_else(Instant::now, |oldest| *oldest + fast)
    }
}

/// Reads, hashes and hands over. `None` when the destination stopped taking.
async fn pump<S: Source>(file: &FileEntry, mut reader: Reader<'_, S>, sender: UploadSender, flight: &Flight) -> Result<Option<Digests>> {
    let mut hasher = Hasher::new(file.size, file.digests);
    let mut tail = Tail::new(file.size);
    loop {
        match reader.next().await {
            Ok(Some(chunk)) => {
                hasher.update(&chunk);
                if let Some(chunk) = tail.push(chunk) {
                    let length = chunk.len() as u64;
                    if !sender.send(chunk).await {
                        return Ok(None);
                    }
                    flight.moved(length);
                }
            }
            Ok(None) => break,
            Err(error) => {
                sender.abort().await;
                return Err(error);
            }
        }
    }
    let digests = match check(file, hasher.finish()) {
        Ok(digests) => digests,
        Err(error) => {
            sender.abort().await;
            return Err(error);
        }
    };
    for chunk in tail.chunks {
        let length = chunk.len() as u64;
        if !sender.send(chunk).await {
            return Ok(None);
        }
        flight.moved(length);
    }
    Ok(Some(digests))
}

/// Runs a pump and the PUT it feeds. An answer that comes while bytes are still to be sent stops the pump, which then gives `None`.
pub(super) async fn together<T, A>(
    pump: impl Future<Output = Result<Option<T>>>,
    put: impl Future<Output = Result<A>>,
) -> (Result<Option<T>>, Result<A>) {
    tokio::pin!(pump);
    // looked at when it says so, and not with each chunk of the pump
    let mut put = FuturesUnordered::from_iter([put]);
    tokio::select! {
        // the pump first: when both are ready, all was sent before the answer came
        biased;
        pumped = &mut pump => match put.next().await {
            Some(put) => (pumped, put),
            None => (pumped, Err(early())),
        },
        Some(put) = put.next() => (Ok(None), put),
    }
}

/// A good answer that came too early cannot be about the whole file.
pub(super) fn early() -> Error {
    Error::new(ErrorKind::Protocol, "the destination answered before it had all bytes").retry(Retry::Later(None))
}

/// The end of a file, kept back.
struct Tail {
    chunks: Vec<Bytes>,
    /// Bytes that are still to come before it.
    before: u64,
}

impl Tail {
    fn new(size: u64) -> Self {
        Self { chunks: Vec::new(), before: size.saturating_sub(WITHHELD) }
    }

    /// Takes the next chunk and gives as much of it as may go at once.
    fn push(&mut self, mut chunk: Bytes) -> Option<Bytes> {
        let free = chunk.split_to(usize::try_from(self.before).map_or(chunk.len(), |before| before.min(chunk.len())));
        self.before -= free.len() as u64;
        if !chunk.is_empty() {
            self.chunks.push(chunk);
        }
        (!free.is_empty()).then_some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_end_goes_before_all_is_read() {
        for (size, chunk) in [(0, 1), (100, 7), (WITHHELD, 1000), (WITHHELD + 1, 1000), (WITHHELD * 3, 70_001)] {
            let whole = Bytes::from((0..size).map(|number| (number / 251) as u8).collect::<Vec<_>>());
            let mut tail = Tail::new(size);
            let mut sent = Vec::new();
            for chunk in whole.chunks(chunk) {
                sent.extend(tail.push(whole.slice_ref(chunk)).unwrap_or_default());
            }
            assert_eq!(sent.len() as u64, size.saturating_sub(WITHHELD), "all that may go has gone");
            sent.extend(tail.chunks.concat());
            assert_eq!(sent, whole);
        }
    }
}
