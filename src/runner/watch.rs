//! Looking at a migration from here. What runs on this machine writes into the folder itself; what runs in the cloud is read, and its
//! events are put there.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::modal::{Lines, Output, Sandbox};
use super::{Place, Runners};
use crate::error::Result;
use crate::journal::{Folder, Sink};
use crate::protocol::{Event, RunnerKind};

/// How often a folder on this machine is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// How long a look waits for the first line from the cloud, and for each that follows: then all that was written has come.
const FIRST: Duration = Duration::from_secs(2);
const NEXT: Duration = Duration::from_millis(100);
/// How long one rest waits for a line.
const REST: Duration = Duration::from_secs(1);

/// One who looks. Dropping it leaves the migration as it is.
pub struct Watch {
    runners: Runners,
    folder: Folder,
    remote: Option<Remote>,
    looked: bool,
}

/// The output of a sandbox, and the way into the folder.
struct Remote {
    sandbox: String,
    lines: Lines,
    sink: Sink,
    /// Everything it printed was read.
    over: bool,
}

impl Watch {
    pub(super) fn new(runners: Runners, folder: Folder) -> Self {
        Self { runners, folder, remote: None, looked: false }
    }

    /// Brings what was said until now into the folder, and tells whether it still runs.
    pub async fn look(&mut self) -> Result<bool> {
        let Some(place) = self.folder.place() else { return Ok(false) };
        if place.kind() == RunnerKind::Local {
            return self.runners.is_alive(&place).await;
        }
        self.connect(&place).await?;
        let first = if std::mem::replace(&mut self.looked, true) { Duration::ZERO } else { FIRST };
        let Some(remote) = &mut self.remote else { return Ok(false) };
        remote.read(first).await?;
        if remote.over {
            return Ok(self.runners.modal().client().await?.poll(&remote.sandbox).await?.is_none());
        }
        Ok(true)
    }

    /// Waits until there may be more.
    pub async fn rest(&mut self) -> Result<()> {
        match &mut self.remote {
            Some(remote) if !remote.over => remote.read(REST).await,
            _ => {
                tokio::time::sleep(LOOK).await;
                Ok(())
            }
        }
    }

    async fn connect(&mut self, place: &Place) -> Result<()> {
        if self.remote.is_some() {
            return Ok(());
        }
        let modal = self.runners.modal();
        let Some(sandbox) = modal.sandbox_at(place).await? else { return Ok(()) };
        let sink = self.folder.sink()?;
        let lines = modal.client().await?.patient().lines(&Sandbox::known(&sandbox), sink.mark().as_ref());
        self.remote = Some(Remote { sandbox, lines, sink, over: false });
        Ok(())
    }
}

impl Remote {
    /// Takes lines until none comes for a moment.
    async fn read(&mut self, first: Duration) -> Result<()> {
        let mut until = Instant::now() + first;
        while let Ok(line) = timeout_at(until, self.lines.next()).await {
            match line? {
                Some(Output::Line(line)) => {
                    // a line that is no event, from whatever wrapped the process, says nothing
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        self.sink.take(&event, &line)?;
                    }
                }
                Some(Output::Gap(_)) => {}
                None => {
                    self.over = true;
                    break;
                }
            }
            until = Instant::now() + NEXT;
        }
        self.sink.keep(self.lines.mark())
    }
}
