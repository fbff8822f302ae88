//! A conductor whose container is near its end starts its successor, which goes on with the same migration, its workers and its id.
//!
//! Two at once would make two commits: the old one does nothing any more once it begins to hand over, and the new one waits until the old
//! one's sandbox is gone.

use std::time::Duration;

use super::Conductor;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Before, Job, What};
use crate::runner::conductor_spec;
use crate::runner::modal::find_worker;
use crate::runner::names::{self, tag};

/// How long the conductor before may take to be gone, until it is ended.
const FAREWELL: Duration = Duration::from_secs(120);

impl Conductor<'_> {
    /// Whether another container would get further than this one: what it did not send whole it sends anew, but for what workers carry.
    pub(super) fn gets_on(&self) -> bool {
        self.tally().has_sent() || !self.meter.goes_on_elsewhere().is_empty()
    }

    /// Starts the successor. Nothing may be carried or committed meanwhile or afterwards; workers go on.
    ///
    /// Fails when Modal cannot start one; then there is none.
    pub(super) async fn hand_over(&self) -> Result<()> {
        let Some(settings) = self.modal else { return Err(Error::new(ErrorKind::Local, "it has no workers, and so no access to Modal")) };
        let seconds = self.began.elapsed().as_secs();
        let job = Job {
            max_seconds: self.job.max_seconds.map(|most| most.saturating_sub(seconds).max(1)),
            before: Before {
                conductors: self.job.before.generation(),
                moved: self.meter.moved(),
                workers: self.meter.goes_on_elsewhere(),
                seconds: self.job.before.seconds + seconds,
                created: self.tally().report().destination.created,
            },
            ..self.job.clone()
        };
        let client = self.cloud().await?;
        let spec = conductor_spec::spec(&job, self.tokens, settings);
        let program = find_worker(None).await?.mounted()?;
        let prepared = client.prepare(&conductor_spec::files(&job, program)?).await?;
        let sandbox = client.create(&prepared, &spec).await?;
        // or created by a try whose answer was lost
        if sandbox.attached && client.tags(&sandbox.id).await?.get(tag::ID) != Some(&job.id) {
            return Err(Error::new(ErrorKind::Conflict, "another migration has the name").with("name", spec.name.unwrap_or_default()));
        }
        self.events.warn("the time of the container that conducts is nearly over: another one goes on");
        self.events.send(What::HandedOver { name: spec.name.unwrap_or_default(), sandbox: sandbox.id });
        Ok(())
    }

    /// Waits until the conductor before this one is gone, and ends it if it does not go.
    ///
    /// Fails with `Conflict` when another migration has begun in its place.
    pub(super) async fn take_over(&self) -> Result<()> {
        if self.job.before.conductors == 0 {
            return Ok(());
        }
        let client = self.cloud().await?;
        let name = names::of_conductor(self.job, self.job.before.conductors);
        let Some(sandbox) = client.running(&name).await? else { return Ok(()) };
        let tags = client.tags(&sandbox).await?;
        if let Some(id) = tags.get(tag::ID).filter(|id| **id != self.job.id) {
            return Err(Error::new(ErrorKind::Conflict, "another migration writes to this destination by now")
                .with("id", id)
                .hint_to(format!("follow it with `hf2ms status {id} --follow`: it goes on with what is there")));
        }
        if client.wait(&sandbox, FAREWELL).await?.is_none() {
            client.terminate(&sandbox).await?;
        }
        Ok(())
    }
}
