//! Events that come from elsewhere, on their way into a migration's folder: each once, by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Folder, at};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Event, Report, What};
use crate::runner::Place;

/// Where the place is noted from which reading goes on.
const MARK: &str = "mark.json";

/// The only writer of a folder's events. Others may be it once this one is dropped.
#[derive(Debug)]
pub struct Sink {
    folder: Folder,
    events: File,
    /// Every event before this one is there.
    next: u64,
    mark: Option<Value>,
    _lock: File,
}

/// Where reading goes on, as it is noted.
#[derive(Serialize, Deserialize)]
struct Noted {
    /// Every event before this one had been written.
    next: u64,
    mark: Value,
}

impl Folder {
    /// The writer of this folder's events; `None` while another process is it.
    pub fn sink(&self) -> Result<Option<Sink>> {
        let path = self.path.join("events.lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = lock.map_err(|error| at(error, "open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at(error, "lock", &path)),
        }
        let mut next = 0;
        self.tail().read(|event| next = next.max(event.seq + 1))?;
        let mut events = self.events()?;
        // a process that was killed while it wrote left a piece of a line
        if !self.ends_whole()? {
            events.write_all(b"\n").map_err(|error| at(error, "write", &self.path))?;
        }
        // one that cannot be read, or is ahead of what is there after a loss of power, only means to read from the beginning
        let mark = self.read::<Noted>(MARK).ok().filter(|noted| noted.next <= next).map(|noted| noted.mark);
        Ok(Some(Sink { folder: self.clone(), events, next, mark, _lock: lock }))
    }
}

impl Folder {
    fn ends_whole(&self) -> Result<bool> {
        let path = self.path.join("events.jsonl");
        let ends = || {
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            let mut last = [b'\n'];
            if length > 0 {
                file.seek(SeekFrom::Start(length - 1))?;
                file.read_exact(&mut last)?;
            }
            Ok(last == [b'\n'])
        };
        ends().map_err(|error| at(error, "read", &path))
    }
}

impl Folder {
    /// Adds the last word to the events of a migration that could not say it itself. Says whether it did: not while another process is the
    /// writer.
    pub fn close(&self, report: Report) -> Result<bool> {
        let Some(mut sink) = self.sink()? else { return Ok(false) };
        // said meanwhile after all
        if self.entry()?.progress.report.is_some() {
            return Ok(true);
        }
        let at_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let event = Event { seq: sink.next, at: u64::try_from(at_now).unwrap_or_default(), what: What::Report(report) };
        let line = serde_json::to_string(&event).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
        sink.take(event.seq, &line)?;
        Ok(true)
    }
}

impl Sink {
    /// The migration's id.
    pub fn id(&self) -> &str {
        self.folder.id()
    }

    /// Where reading goes on.
    pub fn mark(&self) -> Option<Value> {
        self.mark.clone()
    }

    /// Takes an event, as the line it came as. One that is there already is passed over.
    pub fn take(&mut self, seq: u64, line: &str) -> Result<()> {
        if seq < self.next {
            return Ok(());
        }
        self.events.write_all(format!("{line}\n").as_bytes()).map_err(|error| at(error, "write", &self.folder.path))?;
        self.next = seq + 1;
        Ok(())
    }

    /// Goes on with what another process prints, which is read from its beginning: its events have higher numbers than all before.
    pub fn move_to(&mut self, place: &Place) -> Result<()> {
        match std::fs::remove_file(self.folder.path.join(MARK)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(error, "remove", &self.folder.path.join(MARK))),
            Ok(()) | Err(_) => {}
        }
        self.mark = None;
        self.folder.set_place(place)
    }

    /// Notes where reading goes on. Everything before was taken.
    pub fn keep(&mut self, mark: &Value) -> Result<()> {
        if self.mark.as_ref() != Some(mark) {
            self.folder.write(MARK, &Noted { next: self.next, mark: mark.clone() })?;
            self.mark = Some(mark.clone());
        }
        Ok(())
    }
}
