//! Carries blobs from one hub to the other: one pass, bounded memory, several at a time.

mod carry;
mod meter;
mod parts;
mod reader;
mod slabs;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use carry::check;
pub use meter::{Flight, Meter};
pub use reader::Reader;

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience, UploadBody, retry};
use crate::hub::{Blob, Destination, RepoInfo, Source, Ticket, Upload};
use crate::protocol::Limits;
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, Hasher, Manifest};

/// A ticket older than this is asked for anew before it is used; the shortest lived signed URL seen lasts 20 minutes (facts,
/// modelscope §2.4).
const TICKET_AGE: Duration = Duration::from_secs(600);
/// One negotiation is about no more bytes than this, so that its tickets are used while they are young.
const NEGOTIATED_BYTES: u64 = 64 << 30;
/// A source that gave wrong bytes this often has wrong bytes.
const CORRUPTED_TRIES: u32 = 3;
/// For reading what came wrong again. A [`Reader`] has tried all else itself.
const REREAD: Patience = Patience { tries: CORRUPTED_TRIES, ..Patience::PATIENT };

/// What carries. Cheap to share between tasks.
pub struct Worker<S, D> {
    source: Arc<S>,
    manifest: Arc<Manifest>,
    destination: Arc<D>,
    info: RepoInfo,
    /// Transfers at once.
    streams: Arc<Semaphore>,
    width: usize,
    /// Bytes of content held at once, in KiB.
    memory: Arc<Semaphore>,
    memory_total: u64,
    pool: Arc<slabs::Pool>,
    meter: Arc<Meter>,
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
        let streams = limits.streams.clamp(1, 256);
        let memory_total = limits.memory.max(16 << 20);
        let kib = usize::try_from(memory_total / 1024).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self {
            source,
            manifest,
            destination,
            info,
            streams: Arc::new(Semaphore::new(streams)),
            width: streams,
            memory: Arc::new(Semaphore::new(kib)),
            memory_total,
            pool: Arc::default(),
            meter,
        }
    }

    /// Carries the blobs of these files, each blob once, largest first, and reports each as soon as it is there.
    ///
    /// Every file needs a sha256. Ends with the first error that retrying does not mend; what is in flight then is broken off.
    pub async fn carry_all(self: &Arc<Self>, mut files: Vec<FileEntry>, mut done: impl FnMut(Carried)) -> Result<()> {
        files.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        let mut waiting: VecDeque<_> = files.into();
        let mut ready: VecDeque<(FileEntry, Ticket, Instant)> = VecDeque::new();
        let mut flying = JoinSet::new();
        loop {
            while flying.len() < self.width {
                let Some((file, ticket, since)) = ready.pop_front() else { break };
                let worker = self.clone();
                flying.spawn(async move { worker.carry(file, ticket, since).await });
            }
            if flying.len() < self.width && !waiting.is_empty() {
                let group = self.next_group(&mut waiting);
                self.negotiate(group, &mut ready, &mut done).await?;
                continue;
            }
            match flying.join_next().await {
                None => return Ok(()),
                Some(Ok(carried)) => done(carried?),
                Some(Err(error)) => return Err(Error::new(ErrorKind::Local, "a transfer died").because(error)),
            }
        }
    }

    fn next_group(&self, waiting: &mut VecDeque<FileEntry>) -> Vec<FileEntry> {
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(file) = waiting.pop_front() {
            bytes += file.size;
            group.push(file);
            if group.len() >= self.destination.limits().negotiate || bytes >= NEGOTIATED_BYTES {
                break;
            }
        }
        group
    }

    async fn negotiate(
        &self,
        group: Vec<FileEntry>,
        ready: &mut VecDeque<(FileEntry, Ticket, Instant)>,
        done: &mut impl FnMut(Carried),
    ) -> Result<()> {
        let blobs = group.iter().map(blob_of).collect::<Result<Vec<_>>>()?;
        let tickets = self.destination.negotiate(&self.info, &blobs).await.map_err(|error| error.during("negotiate"))?;
        let now = Instant::now();
        for (file, ticket) in group.into_iter().zip(tickets) {
            match ticket {
                Some(ticket) => ready.push_back((file, ticket, now)),
                None => done(Carried { digests: file.digests, file, reused: true }),
            }
        }
        Ok(())
    }

    /// Asks for these blobs and gives back the ones the destination lacks.
    pub async fn missing(&self, files: &[FileEntry]) -> Result<Vec<FileEntry>> {
        let mut missing = Vec::new();
        for group in files.chunks(self.destination.limits().negotiate) {
            let blobs = group.iter().map(blob_of).collect::<Result<Vec<_>>>()?;
            let tickets = self.destination.negotiate(&self.info, &blobs).await.map_err(|error| error.during("negotiate"))?;
            missing.extend(group.iter().zip(tickets).filter(|(_, ticket)| ticket.is_some()).map(|(file, _)| file.clone()));
        }
        Ok(missing)
    }

    /// Carries one blob. After a broken try the destination is asked first whether it landed after all; if not, the file starts over
    /// with a new ticket.
    async fn carry(self: Arc<Self>, file: FileEntry, ticket: Ticket, since: Instant) -> Result<Carried> {
        let named = |error: Error| error.during("carry").with("file", &file.path);
        let blob = blob_of(&file)?;
        let mut backoff = Backoff::new(Patience::PATIENT);
        let mut corrupted = 0;
        let mut hashed = None;
        let mut next = if since.elapsed() < TICKET_AGE { Some(ticket) } else { None };
        loop {
            let ticket = match next.take() {
                Some(ticket) => ticket,
                None => match self.ticket(blob).await.map_err(named)? {
                    Some(ticket) => ticket,
                    // it landed after all; but if no try hashed all of it, it came from elsewhere
                    None => return Ok(Carried { reused: hashed.is_none(), digests: hashed.unwrap_or(file.digests), file }),
                },
            };
            let flight = Arc::new(self.meter.takes_off(&file.path, file.size));
            let tried = match &ticket.upload {
                Upload::Single(request) => {
                    self.carry_whole(&file, request, &flight, &mut hashed).await.map(|digests| (digests, Vec::new()))
                }
                Upload::Multipart { part_size, parts, complete } => self.carry_parts(&file, *part_size, parts, complete, &flight).await,
            };
            let ended = match tried {
                Ok((digests, tags)) => {
                    hashed = Some(digests);
                    self.complete(&ticket, &tags).await.map(|()| digests)
                }
                Err(error) => Err(error),
            };
            drop(flight);
            let error = match ended {
                Ok(digests) => return Ok(Carried { file, digests, reused: false }),
                Err(error) => error,
            };
            corrupted += u32::from(error.kind() == ErrorKind::Corrupted);
            let wait = match error.retryable() {
                Retry::Later(asked) if corrupted < CORRUPTED_TRIES => backoff.next(asked),
                _ => None,
            };
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(named(error)),
            }
        }
    }

    async fn ticket(&self, blob: Blob) -> Result<Option<Ticket>> {
        let tickets = self.destination.negotiate(&self.info, &[blob]).await.map_err(|error| error.during("negotiate"))?;
        Ok(tickets.into_iter().next().flatten())
    }

    /// Ends an upload. After a failure the destination is asked whether it ended after all; if not, what was sent is offered once more,
    /// because sending it again is dearer.
    async fn complete(&self, ticket: &Ticket, tags: &[String]) -> Result<()> {
        let mut backoff = Backoff::new(Patience::ATTENDED);
        let mut ticket = ticket.clone();
        loop {
            let error = match self.destination.complete(&ticket, tags).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let Retry::Later(asked) = error.retryable() else { return Err(error) };
            match self.ticket(ticket.blob).await? {
                None => return Ok(()),
                Some(fresh) if parts::same_upload(&fresh.upload, &ticket.upload) => ticket = fresh,
                // the address is of no use any more and there is no other for what was sent: the file starts over
                Some(_) if error.kind() != ErrorKind::Unavailable => return Err(error),
                Some(_) => {}
            }
            let Some(wait) = backoff.next(asked) else { return Err(error) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Puts contents at hand as blobs, each once: those the destination has are only reported.
    pub async fn send_all(self: &Arc<Self>, contents: Vec<(FileEntry, Bytes)>, mut done: impl FnMut(Carried)) -> Result<()> {
        let mut flying = JoinSet::new();
        let mut contents: VecDeque<_> = contents.into();
        while !contents.is_empty() || !flying.is_empty() {
            let count = contents.len().min(self.destination.limits().negotiate);
            let group: Vec<_> = contents.drain(..count).collect();
            let blobs = group.iter().map(|(file, _)| blob_of(file)).collect::<Result<Vec<_>>>()?;
            let tickets = match blobs.is_empty() {
                true => Vec::new(),
                false => self.destination.negotiate(&self.info, &blobs).await.map_err(|error| error.during("negotiate"))?,
            };
            for ((file, content), ticket) in group.into_iter().zip(tickets) {
                match ticket {
                    None => done(Carried { digests: file.digests, file, reused: true }),
                    Some(ticket) => {
                        let worker = self.clone();
                        flying.spawn(async move { worker.send(file, content, ticket).await });
                    }
                }
            }
            while let Some(landed) = flying.join_next().await {
                done(landed.map_err(|error| Error::new(ErrorKind::Local, "a transfer died").because(error))??);
            }
        }
        Ok(())
    }

    /// Puts one content at hand.
    async fn send(&self, file: FileEntry, content: Bytes, ticket: Ticket) -> Result<Carried> {
        let named = |error: Error| error.during("carry").with("file", &file.path);
        let blob = blob_of(&file)?;
        let mut backoff = Backoff::new(Patience::PATIENT);
        let mut next = Some(ticket);
        loop {
            let ticket = match next.take() {
                Some(ticket) => ticket,
                None => match self.ticket(blob).await.map_err(named)? {
                    Some(ticket) => ticket,
                    None => return Ok(Carried { digests: file.digests, file, reused: false }),
                },
            };
            let flight = self.meter.takes_off(&file.path, file.size);
            match self.send_once(&content, &ticket, &flight).await {
                Ok(()) => return Ok(Carried { digests: file.digests, file, reused: false }),
                Err(error) => {
                    let Retry::Later(asked) = error.retryable() else { return Err(named(error)) };
                    let Some(wait) = backoff.next(asked) else { return Err(named(error)) };
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn send_once(&self, content: &Bytes, ticket: &Ticket, flight: &Flight) -> Result<()> {
        let _stream = self.stream().await?;
        let mut tags = Vec::new();
        match &ticket.upload {
            Upload::Single(request) => {
                self.destination.put(request, UploadBody::of(content.clone())).await?;
                flight.moved(content.len() as u64);
            }
            Upload::Multipart { part_size, parts, .. } => {
                let size = usize::try_from(*part_size).unwrap_or(usize::MAX);
                for (request, part) in parts.iter().zip(content.chunks(size).map(|part| content.slice_ref(part))) {
                    let length = part.len() as u64;
                    let tag = self.destination.put(request, UploadBody::of(part)).await?;
                    tags.push(tag.ok_or_else(no_tag)?);
                    flight.moved(length);
                }
            }
        }
        self.complete(ticket, &tags).await
    }

    /// Reads these files whole, several at a time, and checks each against what the source says of it. In the order given.
    ///
    /// The caller sees to it that they fit into memory together.
    pub async fn read_all(self: &Arc<Self>, files: &[FileEntry]) -> Result<Vec<Bytes>> {
        let mut reading = JoinSet::new();
        for (index, file) in files.iter().cloned().enumerate() {
            let worker = self.clone();
            reading.spawn(async move {
                let _stream = worker.stream().await?;
                let content = read_whole(worker.source.as_ref(), &worker.manifest, &file).await?;
                Ok::<_, Error>((index, content))
            });
        }
        let mut contents = vec![Bytes::new(); files.len()];
        while let Some(read) = reading.join_next().await {
            let (index, content) = read.map_err(|error| Error::new(ErrorKind::Local, "a read died").because(error))??;
            contents[index] = content;
        }
        Ok(contents)
    }

    /// Finds the sha256 of a file that has none by reading it once, holding nothing.
    pub async fn hash(&self, file: &FileEntry) -> Result<Digests> {
        let _stream = self.stream().await?;
        digests_of(self.source.as_ref(), &self.manifest, file).await
    }

    /// Bytes of content it may hold.
    pub fn memory(&self) -> u64 {
        self.memory_total
    }

    async fn stream(&self) -> Result<tokio::sync::OwnedSemaphorePermit> {
        self.streams.clone().acquire_owned().await.map_err(|error| Error::new(ErrorKind::Local, "no streams").because(error))
    }
}

/// Reads a small file whole and checks it against what the source says of it.
///
/// Fails with `Corrupted` when it does not match time and again, and with `TooLarge` past 10 MB, which nothing holds in memory.
pub async fn read_whole<S: Source>(source: &S, manifest: &Manifest, file: &FileEntry) -> Result<Bytes> {
    if file.size > GIT_FILE_LIMIT {
        return Err(Error::new(ErrorKind::TooLarge, "too large to be read into memory").with("file", &file.path).with("size", file.size));
    }
    retry(REREAD, || async move {
        let mut content = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default());
        let mut reader = Reader::new(source, manifest, file, 0..file.size);
        while let Some(chunk) = reader.next().await? {
            content.extend_from_slice(&chunk);
        }
        let content = Bytes::from(content);
        carry::check(file, Digests::of(&content))?;
        Ok(content)
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
    retry(REREAD, || async move {
        let mut reader = Reader::new(source, manifest, file, 0..file.size);
        let mut hasher = Hasher::new(file.size, file.digests);
        while let Some(chunk) = reader.next().await? {
            hasher.update(&chunk);
        }
        carry::check(file, hasher.finish())
    })
    .await
}
