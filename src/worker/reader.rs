//! A download that continues by itself.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;

use super::pace::Lease;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience};
use crate::hub::{Location, Opened, Source};
use crate::repo::{FileEntry, Manifest};

/// Reads a range of a file, chunk by chunk. When the connection breaks it asks the hub for the rest against the same validator; a
/// server that ignores the range is read from the start and what is known already is skipped.
///
/// Ends with the first error once the budget of tries is used up; a chunk that arrives gives all tries back. It yields exactly the
/// bytes of the range or an error; that they are the right bytes is the caller's to check by digest.
pub struct Reader<'a, S> {
    source: &'a S,
    manifest: &'a Manifest,
    file: &'a FileEntry,
    position: u64,
    end: u64,
    opened: Option<Opened>,
    /// Bytes of the answer before `position`.
    skip: u64,
    validator: Option<String>,
    location: Location,
    backoff: Backoff,
    first_error: Option<Error>,
    /// When the last bytes came.
    quiet: Instant,
    /// How often something else than the file came.
    corrupted: u32,
    /// Its place in flight, where that is counted.
    lease: Option<Lease>,
}

impl<'a, S: Source> Reader<'a, S> {
    /// A reader of `range`; nothing is asked for yet.
    pub fn new(source: &'a S, manifest: &'a Manifest, file: &'a FileEntry, range: Range<u64>) -> Self {
        Self {
            source,
            manifest,
            file,
            position: range.start,
            end: range.end,
            opened: None,
            skip: 0,
            validator: None,
            location: Location::Recent,
            backoff: Backoff::new(Patience::PATIENT),
            first_error: None,
            quiet: Instant::now(),
            corrupted: 0,
            lease: None,
        }
    }

    /// Reads only while it holds this place in flight; while it waits for another try, somebody else may have it.
    pub(super) fn at_pace(self, lease: Option<Lease>) -> Self {
        Self { lease, ..self }
    }

    /// Opens the source, so that nobody waits with an upload for one that does not answer.
    pub(super) async fn begin(&mut self) -> Result<()> {
        while self.opened.is_none() && self.position < self.end {
            if let Err(error) = self.open().await {
                self.mend(error).await?;
            }
        }
        Ok(())
    }

    /// The next bytes, or `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.position == self.end {
                return Ok(None);
            }
            match self.step().await {
                Ok(Some(chunk)) => {
                    self.backoff.reset();
                    self.first_error = None;
                    self.quiet = Instant::now();
                    return Ok(Some(chunk));
                }
                Ok(None) => {}
                Err(error) => self.mend(error).await?,
            }
        }
    }

    /// Opens if needed and reads a chunk; `None` when the chunk held nothing new.
    async fn step(&mut self) -> Result<Option<Bytes>> {
        if self.opened.is_none() {
            self.open().await?;
        }
        let Some(opened) = &mut self.opened else { return Ok(None) };
        let Some(mut chunk) = opened.response.chunk().await? else { return Err(broken("the download ended early")) };
        if let Some(lease) = &self.lease {
            lease.worked(chunk.len() as u64);
        }
        if self.skip > 0 {
            let known = self.skip.min(chunk.len() as u64);
            self.skip -= known;
            chunk = chunk.slice(usize::try_from(known).unwrap_or(chunk.len())..);
            if chunk.is_empty() {
                return Ok(None);
            }
        }
        let room = self.end - self.position;
        if chunk.len() as u64 > room {
            // a whole file may be longer than the part of it that was asked for, if the range was ignored; anything else is too long
            if self.end == self.file.size {
                return Err(Error::new(ErrorKind::Corrupted, "the download is longer than the file")
                    .with("size", self.file.size)
                    .retry(Retry::Later(None)));
            }
            chunk.truncate(usize::try_from(room).unwrap_or_default());
        }
        self.position += chunk.len() as u64;
        if self.position == self.end && self.end == self.file.size {
            self.check_end().await?;
        }
        Ok(Some(chunk))
    }

    /// A good body ends with the file. The last chunk is only given out once that is seen, so a longer one is not taken for the file.
    async fn check_end(&mut self) -> Result<()> {
        let Some(opened) = &mut self.opened else { return Ok(()) };
        match opened.response.chunk().await {
            Ok(Some(more)) if !more.is_empty() => {
                Err(Error::new(ErrorKind::Corrupted, "the download is longer than the file").with("size", self.file.size))
            }
            // whatever else happens after the last byte does not change it
            _ => Ok(()),
        }
    }

    async fn open(&mut self) -> Result<()> {
        if let Some(lease) = &mut self.lease {
            let asked = Instant::now();
            lease.take().await;
            // the source is not to blame for the time spent at the gate
            self.quiet += asked.elapsed();
        }
        let opened = self.source.open(self.manifest, self.file, self.position..self.end, self.location).await?;
        if let Some(total) = opened.total.filter(|total| *total != self.file.size) {
            return Err(Error::new(ErrorKind::Corrupted, "the download has another size than the listing says")
                .with("expected", self.file.size)
                .with("got", total)
                .retry(Retry::Later(None)));
        }
        match (&self.validator, &opened.validator) {
            (Some(before), Some(now)) if before != now => {
                return Err(Error::new(ErrorKind::Conflict, "the file changed while it was read").with("before", before).with("now", now));
            }
            (None, Some(now)) => self.validator = Some(now.clone()),
            _ => {}
        }
        if opened.start > self.position {
            return Err(Error::new(ErrorKind::Protocol, "the download starts too late"));
        }
        self.skip = self.position - opened.start;
        self.opened = Some(opened);
        Ok(())
    }

    /// Waits for another try, or gives the first error up.
    async fn mend(&mut self, error: Error) -> Result<()> {
        self.opened = None;
        self.location = Location::Fresh;
        self.corrupted += u32::from(error.kind() == ErrorKind::Corrupted);
        let wait = match error.retryable() {
            Retry::Never => None,
            Retry::Later(_) if self.corrupted >= super::CORRUPTED_TRIES => None,
            // a source that stays silent is given up before the destination takes its own side for stalled
            Retry::Later(_) if self.quiet.elapsed() > Patience::PATIENT.time => None,
            Retry::Later(asked) => self.backoff.next(asked),
        };
        let error = error.during("read").with("file", &self.file.path);
        match wait {
            // what is final is worth showing itself, and so are wrong bytes; a used-up budget shows how it began. Either way nobody above need try again
            None if error.retryable() == Retry::Never => Err(error),
            None if error.kind() == ErrorKind::Corrupted => Err(error.retry(Retry::Never)),
            None => Err(self.first_error.take().unwrap_or(error).retry(Retry::Never)),
            Some(wait) => {
                if let Some(lease) = &mut self.lease {
                    lease.give_back();
                }
                self.source.tell_wait(&error, wait);
                self.first_error.get_or_insert(error);
                tokio::time::sleep(wait).await;
                Ok(())
            }
        }
    }
}

fn broken(message: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, message).retry(Retry::Later(None))
}
