//! Contents at hand: small files that were read whole before anybody knew how they go.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::parts::by_put;
use super::{Carried, Flight, Worker, blob_of, no_tag, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Backoff, Patience, UploadBody};
use crate::hub::{Destination, Source, Ticket, Upload};
use crate::repo::{Digests, FileEntry};

/// Small files read ahead of who takes them.
const READ_AHEAD: usize = 64;

/// The content of a small file. Its share of the memory is given back when it is dropped.
pub struct Content {
    /// Its file, with both digests of what was read.
    pub file: FileEntry,
    /// All of it.
    pub bytes: Bytes,
    /// Bytes that were read only to see whether the first read was right.
    pub compared: u64,
    room: Option<Arc<OwnedSemaphorePermit>>,
}

impl Content {
    /// A content that takes no share of the memory.
    pub fn at_hand(file: FileEntry, bytes: Bytes) -> Self {
        Self { file: FileEntry { digests: Digests::of(&bytes), ..file }, bytes, compared: 0, room: None }
    }

    /// Bytes of [`Worker::room`] that it takes.
    pub fn held(&self) -> u64 {
        (self.bytes.len() as u64).next_multiple_of(1024)
    }

    /// The same content for another path.
    #[must_use]
    pub fn under(&self, file: FileEntry) -> Self {
        let file = FileEntry { digests: self.file.digests, ..file };
        Self { file, bytes: self.bytes.clone(), compared: 0, room: self.room.clone() }
    }
}

/// Small files as they are read, in order.
pub struct Contents {
    read: mpsc::Receiver<Result<Content>>,
    _reading: AbortOnDropHandle<()>,
}

impl Contents {
    /// The next one; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Content>> {
        self.read.recv().await.transpose()
    }
}

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// Reads these files whole, several at a time, and checks each against what the source says of it. They come in the order given.
    ///
    /// Together they take no more than [`Worker::room`]; who collects half of it, by [`Content::held`], and wants more waits for ever.
    pub fn read_ahead(self: &Arc<Self>, files: Vec<FileEntry>) -> Contents {
        let (sender, read) = mpsc::channel(READ_AHEAD);
        let worker = self.clone();
        let reading = async move {
            // a list of reads, each begun as soon as there is room for it
            let (order, mut begun) = mpsc::channel(READ_AHEAD);
            let begin = async {
                for file in files {
                    let worker = worker.clone();
                    let room = worker.room_for(file.size).await;
                    let task = AbortOnDropHandle::new(tokio::spawn(async move { worker.content(file, room?).await }));
                    if order.send(task).await.is_err() {
                        break;
                    }
                }
                drop(order);
            };
            let pass_on = async {
                while let Some(task) = begun.recv().await {
                    let content = task.await.map_err(|error| Error::new(ErrorKind::Local, "a read died").because(error)).flatten();
                    if sender.send(content).await.is_err() {
                        break;
                    }
                }
            };
            tokio::join!(begin, pass_on);
        };
        Contents { read, _reading: AbortOnDropHandle::new(tokio::spawn(reading)) }
    }

    /// Bytes of small files that are held at once.
    pub fn room(&self) -> u64 {
        self.memory_total / 4
    }

    async fn room_for(&self, size: u64) -> Result<OwnedSemaphorePermit> {
        let kib = size.min(self.room() / 2).div_ceil(1024);
        let permit = self.small.clone().acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX)).await;
        permit.map_err(|error| Error::new(ErrorKind::Local, "no memory budget").because(error))
    }

    async fn content(&self, file: FileEntry, room: OwnedSemaphorePermit) -> Result<Content> {
        let (bytes, known) = whole(self.source.as_ref(), &self.manifest, &file, Some(&self.pace)).await?;
        let mut compared = 0;
        if file.digests == Digests::default() && file.size > 0 {
            // the source lists no digest at all: only a second read can tell that the first one was right
            let again = FileEntry { digests: known, ..file.clone() };
            whole(self.source.as_ref(), &self.manifest, &again, Some(&self.pace)).await?;
            compared = file.size;
        }
        Ok(Content { file: FileEntry { digests: known, ..file }, bytes, compared, room: Some(Arc::new(room)) })
    }

    /// Starts to put contents at hand as blobs, each once. Those the destination has are given back at once, the others as they land
    /// in `flying`.
    pub async fn send_all(self: &Arc<Self>, contents: Vec<Content>, flying: &mut JoinSet<Result<Carried>>) -> Result<Vec<Carried>> {
        let mut there = Vec::new();
        let mut contents = contents.into_iter();
        loop {
            let group: Vec<_> = contents.by_ref().take(self.destination.limits().negotiate).collect();
            if group.is_empty() {
                return Ok(there);
            }
            let blobs = group.iter().map(|content| blob_of(&content.file)).collect::<Result<Vec<_>>>()?;
            let tickets = self.destination.negotiate(&self.info, &blobs).await.map_err(|error| error.during("negotiate"))?;
            for (content, ticket) in group.into_iter().zip(tickets) {
                match ticket {
                    None => there.push(Carried { digests: content.file.digests, file: content.file, reused: true }),
                    Some(ticket) => {
                        let worker = self.clone();
                        flying.spawn(async move { worker.send(content, ticket).await });
                    }
                }
            }
        }
    }

    /// Puts one content at hand.
    async fn send(&self, content: Content, ticket: Ticket) -> Result<Carried> {
        let file = &content.file;
        let named = |error: Error| error.during("carry").with("file", &file.path);
        let blob = blob_of(file)?;
        let mut backoff = Backoff::new(Patience::PATIENT);
        let mut corrupted = 0;
        let mut next = Some(ticket);
        loop {
            let ticket = match next.take() {
                Some(ticket) => Some(ticket),
                None => self.ticket(blob).await.map_err(named)?,
            };
            let landed = Carried { digests: file.digests, file: file.clone(), reused: false };
            let Some(ticket) = ticket else { return Ok(landed) };
            let flight = self.meter.takes_off(&file.path, file.size);
            match self.send_once(&content.bytes, &ticket, &flight).await {
                Ok(()) => return Ok(landed),
                Err(error) => {
                    corrupted += u32::from(error.kind() == ErrorKind::Corrupted);
                    let Some(wait) = super::wait(&error, corrupted, &mut backoff) else { return Err(named(error)) };
                    self.destination.tell_wait(&error, wait);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn send_once(&self, content: &Bytes, ticket: &Ticket, flight: &Flight) -> Result<()> {
        let mut lease = self.pace.lease();
        lease.take().await;
        let mut tags = Vec::new();
        match &ticket.upload {
            Upload::Single(request) => {
                self.destination.put(request, UploadBody::of(content.clone())).await?;
                flight.moved(content.len() as u64);
            }
            Upload::Multipart { part_size, parts, .. } => {
                let size = usize::try_from(*part_size).unwrap_or(usize::MAX);
                for (url, part) in parts.iter().zip(content.chunks(size).map(|part| content.slice_ref(part))) {
                    let length = part.len() as u64;
                    let tag = self.destination.put(&by_put(url.clone()), UploadBody::of(part)).await?;
                    tags.push(tag.ok_or_else(no_tag)?);
                    flight.moved(length);
                }
            }
        }
        lease.worked(content.len() as u64);
        drop(lease);
        self.complete(ticket, &tags).await
    }
}
