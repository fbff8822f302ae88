//! Looking at a migration from here. What runs on this machine writes into the folder itself; what runs in the cloud is read, and its
//! events are put there. Where a conductor's container came to its end, its successor is read after it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::modal::{Lines, Output, Sandbox};
use super::sandboxed::Found;
use super::{Place, Runners, names};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Folder, Sink};
use crate::protocol::{Event, RunnerKind, What};

/// How often a folder on this machine is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// How long a process of this machine that was seen alive is taken to be: a look at it costs more than one at what it wrote.
const SEEN: Duration = Duration::from_secs(1);
/// How long a look waits for the first line from the cloud, and for each that follows: then all that was written has come.
const FIRST: Duration = Duration::from_secs(2);
const NEXT: Duration = Duration::from_millis(100);
/// How long lines are taken that come without a pause: then what they say is shown.
const MOST: Duration = Duration::from_secs(1);
/// How long it may take to read out what has ended.
const LAST: Duration = Duration::from_secs(30);
/// How long one rest waits for a line.
const REST: Duration = Duration::from_secs(1);

/// One who looks. Dropping it leaves the migration as it is.
pub struct Watch {
    runners: Runners,
    folder: Folder,
    sandbox: Option<String>,
    reading: Option<Reading>,
    looked: bool,
    /// When a process of this machine was last seen alive.
    seen: Option<Instant>,
    /// Since when it is waited for another process that reads what has ended.
    waits: Option<Instant>,
}

/// The output of a sandbox, and the way into the folder. One process at a time has it; others read the folder.
struct Reading {
    lines: Lines,
    sink: Sink,
    /// Everything it printed was read.
    over: bool,
    /// It said its last word.
    reported: bool,
    /// It said where the migration goes on.
    handed_over: Option<(String, String)>,
}

impl Watch {
    pub(super) fn new(runners: Runners, folder: Folder) -> Self {
        Self { runners, folder, sandbox: None, reading: None, looked: false, seen: None, waits: None }
    }

    /// Brings what was said until now into the folder, and tells whether it still runs; of one on this machine, whether
    /// it did at most a second ago.
    pub async fn look(&mut self) -> Result<bool> {
        if self.seen.is_some_and(|seen| seen.elapsed() < SEEN) {
            return Ok(true);
        }
        loop {
            let Some(place) = self.folder.place() else { return Ok(false) };
            if place.kind() == RunnerKind::Local {
                let alive = self.runners.is_alive(&place).await?;
                self.seen = alive.then(Instant::now);
                return Ok(alive);
            }
            if self.look_at(&place).await? {
                return Ok(true);
            }
            match self.successor(&place).await? {
                None => return Ok(false),
                Some(next) => {
                    // who does not read waits for who does
                    let Some(reading) = &mut self.reading else { return Ok(true) };
                    reading.sink.move_to(&next)?;
                }
            }
        }
    }

    async fn look_at(&mut self, place: &Place) -> Result<bool> {
        if !self.connect(place).await? {
            return Ok(false);
        }
        let is_first = !std::mem::replace(&mut self.looked, true);
        // asked before it is read: whoever has ended has said everything
        let has_ended = is_first && !self.runners.is_alive(place).await?;
        match &mut self.reading {
            Some(reading) => {
                reading.read(if is_first { FIRST } else { Duration::ZERO }).await?;
                if has_ended {
                    reading.read_out().await?;
                }
                if reading.over { self.runners.is_alive(place).await } else { Ok(true) }
            }
            None if self.runners.is_alive(place).await? => Ok(true),
            None => self.wait_for_reader(),
        }
    }

    /// What ended has said everything, and another process of this machine brings it to the folder: not yet, as far as is known here.
    ///
    /// Fails with `Conflict` when that does not come to its end either.
    fn wait_for_reader(&mut self) -> Result<bool> {
        let waits = *self.waits.get_or_insert_with(Instant::now);
        if waits.elapsed() < LAST {
            return Ok(true);
        }
        Err(Error::new(ErrorKind::Conflict, "another process of this machine reads what the migration said, and does not get on")
            .with("id", self.folder.id())
            .hint_to("it is a `hf2ms migrate` or `hf2ms status` that was stopped: let it go on, or end it"))
    }

    /// Waits until there may be more.
    pub async fn rest(&mut self) -> Result<()> {
        match &mut self.reading {
            Some(reading) if !reading.over => return reading.read(REST).await,
            None if self.sandbox.is_some() => tokio::time::sleep(REST).await,
            Some(_) | None => tokio::time::sleep(LOOK).await,
        }
        Ok(())
    }

    /// Where the migration goes on after a conductor that ended without a last word.
    async fn successor(&self, place: &Place) -> Result<Option<Place>> {
        let Place::Modal { name, migration, environment, .. } = place else { return Ok(None) };
        if self.sandbox.is_none() || self.reading.as_ref().is_some_and(|reading| reading.reported) {
            return Ok(None);
        }
        if let Some((name, sandbox)) = self.reading.as_ref().and_then(|reading| reading.handed_over.clone()) {
            let (migration, environment) = (migration.clone(), environment.clone());
            return Ok(Some(Place::Modal { name, migration, sandbox: Some(sandbox), environment }));
        }
        // it may have told somebody else
        let generation = names::generation_in(name).unwrap_or(1);
        let conductors = self.runners.modal().conductors_of(place).await?;
        let newest = conductors.into_iter().max_by_key(|found| found.generation);
        // a list may leave out the names of what has ended, and then nothing else tells that it is the one that was read
        let is_next = |found: &Found| found.generation > generation && found.sandbox() != self.sandbox.as_deref();
        Ok(newest.filter(is_next).map(|found| found.place))
    }

    /// Begins to read, unless somebody else does. Says whether there is a sandbox.
    async fn connect(&mut self, place: &Place) -> Result<bool> {
        let modal = self.runners.modal();
        if let (Some(read), Place::Modal { sandbox: Some(sandbox), .. }) = (&self.sandbox, place)
            && read != sandbox
        {
            // another conductor succeeds the one that was read
            (self.sandbox, self.reading, self.looked) = (None, None, false);
        }
        if self.sandbox.is_none() {
            self.sandbox = modal.sandbox_at(place).await?;
        }
        let Some(sandbox) = &self.sandbox else { return Ok(false) };
        if self.reading.is_none()
            && let Some(sink) = self.folder.sink()?
        {
            let mark = sink.mark().and_then(|mark| serde_json::from_value(mark).ok());
            let lines = modal.client_at(place).await?.patient().lines(&Sandbox::known(sandbox), mark.as_ref());
            self.reading = Some(Reading { lines, sink, over: false, reported: false, handed_over: None });
            self.waits = None;
        }
        Ok(true)
    }
}

impl Reading {
    /// Takes all that is left of one that has ended. What does not come in time comes with the next look.
    async fn read_out(&mut self) -> Result<()> {
        let until = Instant::now() + LAST;
        while !self.over && Instant::now() < until {
            self.read(REST).await?;
        }
        Ok(())
    }

    /// Takes lines until none comes for a moment, or for as long as one look takes.
    async fn read(&mut self, first: Duration) -> Result<()> {
        let mut until = Instant::now() + first;
        let end = until + MOST;
        while Instant::now() < end
            && let Ok(line) = timeout_at(until, self.lines.next()).await
        {
            match line? {
                Some(Output::Line(line)) => {
                    // a line that is no event, from whatever wrapped the process, says nothing
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        self.take(event, &line)?;
                    }
                }
                // what is missing is only how it went: the report comes last
                Some(Output::Gap(_)) => {}
                None => {
                    self.over = true;
                    break;
                }
            }
            until = Instant::now() + NEXT;
        }
        let mark = serde_json::to_value(self.lines.mark()).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
        self.sink.keep(&mark)
    }

    fn take(&mut self, event: Event, line: &str) -> Result<()> {
        match event.what {
            // the last word of another migration is not this one's
            What::Report(report) if report.id != self.sink.id() => return Ok(()),
            What::Report(_) => self.reported = true,
            What::HandedOver { name, sandbox } => self.handed_over = Some((name, sandbox)),
            _ => {}
        }
        self.sink.take(event.seq, line)
    }
}
