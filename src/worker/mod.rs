//! Carries blobs from one hub to the other: one pass, bounded memory, as many at a time as both sides bear.

mod carry;
mod meter;
mod pace;
mod part_hash;
mod parts;
mod queue;
mod reader;
mod send;
mod slabs;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

pub use carry::check;
pub use meter::{Flight, Meter};
pub use reader::Reader;
pub use send::{Content, Contents};

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience, retry};
use crate::hub::{Blob, Destination, RepoInfo, Source, Ticket};
use crate::protocol::Limits;
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, Hasher, Manifest};
use pace::{Lease, Pace};

/// A source that gave wrong bytes this often has wrong bytes.
const CORRUPTED_TRIES: u32 = 3;
/// For reading what came wrong again. A [`Reader`] has tried all else itself.
const REREAD: Patience = Patience { tries: CORRUPTED_TRIES, ..Patience::PATIENT };
/// What one transfer holds on the way: what is withheld, and chunks in the buffers of both connections.
const STREAM_MEMORY: u64 = 2 << 20;
/// Negotiations at once, where many blobs are only asked for.
const NEGOTIATIONS: usize = 4;

/// What carries. Cheap to share between tasks.
pub struct Worker<S, D> {
    source: Arc<S>,
    manifest: Arc<Manifest>,
    destination: Arc<D>,
    info: RepoInfo,
    /// Transfers at once.
    pace: Arc<Pace>,
    _follow: AbortOnDropHandle<()>,
    memory_total: u64,
    /// A third of it for chunks on their way, in KiB.
    streams: Arc<Semaphore>,
    /// Two thirds for parts that are held, in KiB.
    parts: Arc<Semaphore>,
    /// A quarter for small files that were read whole, before or after there are any parts; in KiB.
    small: Arc<Semaphore>,
    pool: Arc<slabs::Pool>,
    meter: Arc<Meter>,
}

/// One transfer in flight, with its share of the memory.
struct Stream {
    lease: Lease,
    _memory: OwnedSemaphorePermit,
}

/// A blob that is at the destination now.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The file it was carried for.
    pub file: FileEntry,
    /// What was found by hashing; what the source says where nothing was read.
    pub digests: Digests,
    /// Whether the destination had it already.
    pub reused: bool,
}

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// A worker that reads from `manifest`'s repository and writes blobs for `info`'s.
    pub fn new(source: Arc<S>, manifest: Arc<Manifest>, destination: Arc<D>, info: RepoInfo, limits: Limits, meter: Arc<Meter>) -> Self {
        let memory_total = limits.memory.max(16 << 20);
        let ceiling = limits.most_streams.min(source.most_streams()).min(destination.most_streams());
        let pace = Pace::new(limits.streams, ceiling, meter.clone());
        let (from, to) = (source.clone(), destination.clone());
        let follow = pace.follow(ceiling, move || [from.troubles(), to.troubles()]);
        Self {
            source,
            manifest,
            destination,
            info,
            pace,
            _follow: follow,
            memory_total,
            streams: kibibytes(memory_total / 3),
            parts: kibibytes(memory_total / 3 * 2),
            small: kibibytes(memory_total / 4),
            pool: Arc::default(),
            meter,
        }
    }

    /// Asks for these blobs and gives back the ones the destination lacks.
    pub async fn missing(&self, files: &[FileEntry]) -> Result<Vec<FileEntry>> {
        let mut waiting: VecDeque<_> = files.to_vec().into();
        let mut groups = Vec::new();
        while !waiting.is_empty() {
            groups.push(self.next_group(&mut waiting));
        }
        let asked = groups.into_iter().map(|group| self.negotiate(group));
        let mut answers = futures_util::stream::iter(asked).buffered(NEGOTIATIONS);
        let mut missing = Vec::new();
        while let Some(group) = answers.next().await {
            missing.extend(group?.into_iter().filter(|(_, ticket)| ticket.is_some()).map(|(file, _)| file));
        }
        Ok(missing)
    }

    async fn ticket(&self, blob: Blob) -> Result<Option<Ticket>> {
        let tickets = self.destination.negotiate(&self.info, &[blob]).await.map_err(|error| error.during("negotiate"))?;
        Ok(tickets.into_iter().next().flatten())
    }

    /// Finds the sha256 of a file that has none by reading it once, holding nothing.
    pub async fn hash(&self, file: &FileEntry) -> Result<Digests> {
        hashed(self.source.as_ref(), &self.manifest, file, Some(&self.pace)).await
    }

    /// Bytes of content it may hold.
    pub fn memory(&self) -> u64 {
        self.memory_total
    }

    /// Waits until one more transfer, of so many bytes, may be in flight and fits into memory.
    async fn stream(&self, bytes: u64) -> Result<Stream> {
        let kib = u32::try_from(bytes.min(STREAM_MEMORY).div_ceil(1024)).unwrap_or(u32::MAX);
        let memory = self.streams.clone().acquire_many_owned(kib).await;
        let memory = memory.map_err(|error| Error::new(ErrorKind::Local, "no memory budget").because(error))?;
        let mut lease = self.pace.lease();
        lease.take().await;
        Ok(Stream { lease, _memory: memory })
    }
}

/// How long to wait before another try of a blob; `None` when there is no more to hope for.
fn wait(error: &Error, corrupted: u32, backoff: &mut Backoff) -> Option<Duration> {
    match error.retryable() {
        Retry::Later(asked) if corrupted < CORRUPTED_TRIES => backoff.next(asked),
        _ => None,
    }
}

fn kibibytes(bytes: u64) -> Arc<Semaphore> {
    let kib = usize::try_from(bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
    Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS)))
}

/// Reads a small file whole and checks it against what the source says of it.
///
/// Fails with `Corrupted` when it does not match time and again, and with `TooLarge` past 10 MB, which nothing holds in memory.
pub async fn read_whole<S: Source>(source: &S, manifest: &Manifest, file: &FileEntry) -> Result<Bytes> {
    whole(source, manifest, file, None).await.map(|(content, _)| content)
}

/// The same with its digests, at the pace of all transfers.
async fn whole<S: Source>(source: &S, manifest: &Manifest, file: &FileEntry, pace: Option<&Arc<Pace>>) -> Result<(Bytes, Digests)> {
    if file.size > GIT_FILE_LIMIT {
        return Err(Error::new(ErrorKind::TooLarge, "too large to be read into memory").with("file", &file.path).with("size", file.size));
    }
    retry(REREAD, || async move {
        let mut content = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default());
        let mut reader = Reader::new(source, manifest, file, 0..file.size).at_pace(pace.map(Pace::lease));
        while let Some(chunk) = reader.next().await? {
            content.extend_from_slice(&chunk);
        }
        let content = Bytes::from(content);
        let digests = carry::check(file, Digests::of(&content))?;
        Ok((content, digests))
    })
    .await
}

fn blob_of(file: &FileEntry) -> Result<Blob> {
    let sha256 = file.digests.sha256.ok_or_else(|| Error::new(ErrorKind::Local, "a blob without sha256").with("file", &file.path))?;
    Ok(Blob { sha256, size: file.size })
}

fn no_tag() -> Error {
    Error::new(ErrorKind::Protocol, "the storage gave no tag for a part").retry(Retry::Later(None))
}

/// Finds the sha256 of a file, and its git digest where that may be known of it, by reading it and holding nothing.
///
/// Fails with `Corrupted` when they are time and again not what the source says.
pub async fn digests_of<S: Source>(source: &S, manifest: &Manifest, file: &FileEntry) -> Result<Digests> {
    hashed(source, manifest, file, None).await
}

/// The same, at the pace of all transfers.
async fn hashed<S: Source>(source: &S, manifest: &Manifest, file: &FileEntry, pace: Option<&Arc<Pace>>) -> Result<Digests> {
    retry(REREAD, || async move {
        let mut reader = Reader::new(source, manifest, file, 0..file.size).at_pace(pace.map(Pace::lease));
        let mut hasher = Hasher::new(file.size, file.digests);
        while let Some(chunk) = reader.next().await? {
            hasher.update(&chunk);
        }
        carry::check(file, hasher.finish())
    })
    .await
}
