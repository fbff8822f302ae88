//! Blobs that wait: asked for in groups, carried as many at a time as both sides bear.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Carried, Worker, blob_of, parts};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience};
use crate::hub::{Destination, Source, Ticket, Upload};
use crate::repo::FileEntry;

/// A ticket older than this is asked for anew before it is used; the shortest lived signed URL seen lasts 20 minutes (facts,
/// modelscope §2.4).
const TICKET_AGE: Duration = Duration::from_secs(600);
/// One negotiation is about no more bytes than this, so that its tickets are used while they are young, and because its answer names the
/// address of every part.
const NEGOTIATED_BYTES: u64 = 64 << 30;

/// A file whose blob the destination lacks, how to send it, and since when that is known.
type Ready = (FileEntry, Ticket, Instant);
/// What a negotiation under way will tell of its files.
type Negotiation<'a> = Pin<Box<dyn Future<Output = Result<Vec<(FileEntry, Option<Ticket>)>>> + Send + 'a>>;

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// Carries the blobs of these files, each blob once, largest first, and reports each as soon as it is there.
    ///
    /// Every file needs a sha256. Ends with the first error that retrying does not mend; what is in flight then is broken off.
    pub async fn carry_all(self: &Arc<Self>, mut files: Vec<FileEntry>, mut done: impl FnMut(Carried)) -> Result<()> {
        files.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
        let mut waiting: VecDeque<_> = files.into();
        let mut ready: VecDeque<Ready> = VecDeque::new();
        let mut flying = JoinSet::new();
        let mut negotiation: Option<Negotiation<'_>> = None;
        loop {
            // one more than may fly waits at the gate, which shows that more would
            let width = self.pace.allowed() + 1;
            while flying.len() < width {
                let Some((file, ticket, since)) = ready.pop_front() else { break };
                let worker = self.clone();
                flying.spawn(async move { worker.carry(file, ticket, since).await });
            }
            // asked while others still fly, so that nobody waits for the answer
            if negotiation.is_none() && ready.len() < width && !waiting.is_empty() {
                negotiation = Some(Box::pin(self.negotiate(self.next_group(&mut waiting))));
            }
            tokio::select! {
                Some(landed) = flying.join_next(), if !flying.is_empty() => {
                    done(landed.map_err(|error| Error::new(ErrorKind::Local, "a transfer died").because(error))??);
                }
                answers = answers(&mut negotiation), if negotiation.is_some() => {
                    negotiation = None;
                    let now = Instant::now();
                    for (file, ticket) in answers? {
                        match ticket {
                            Some(ticket) => ready.push_back((file, ticket, now)),
                            None => done(Carried { digests: file.digests, file, reused: true }),
                        }
                    }
                }
                () = self.pace.changed(), if !ready.is_empty() => {}
                else => return Ok(()),
            }
        }
    }

    /// The files that are asked for next, in one call.
    pub(super) fn next_group(&self, waiting: &mut VecDeque<FileEntry>) -> Vec<FileEntry> {
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

    pub(super) async fn negotiate(&self, group: Vec<FileEntry>) -> Result<Vec<(FileEntry, Option<Ticket>)>> {
        let blobs = group.iter().map(blob_of).collect::<Result<Vec<_>>>()?;
        let tickets = self.destination.negotiate(&self.info, &blobs).await.map_err(|error| error.during("negotiate"))?;
        Ok(group.into_iter().zip(tickets).collect())
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
            match super::wait(&error, corrupted, &mut backoff) {
                Some(wait) => {
                    self.destination.tell_wait(&error, wait);
                    tokio::time::sleep(wait).await;
                }
                None => return Err(named(error)),
            }
        }
    }

    /// Ends an upload. After a failure the destination is asked whether it ended after all; if not, what was sent is offered again, for as
    /// long as an outage is borne, because sending it again is dearer.
    pub(super) async fn complete(&self, ticket: &Ticket, tags: &[String]) -> Result<()> {
        let mut backoff = Backoff::new(Patience::PATIENT);
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
                Some(_) if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited) => return Err(error),
                Some(_) => {}
            }
            let Some(wait) = backoff.next(asked) else { return Err(error.retry(Retry::Never)) };
            self.destination.tell_wait(&error, wait);
            tokio::time::sleep(wait).await;
        }
    }
}

async fn answers<T>(negotiation: &mut Option<Pin<Box<dyn Future<Output = T> + Send + '_>>>) -> T {
    match negotiation {
        Some(negotiation) => negotiation.await,
        None => std::future::pending().await,
    }
}
