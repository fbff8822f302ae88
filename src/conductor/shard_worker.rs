//! A worker: carries the blobs that its job names and tells of each as it lands. It lists, creates and commits nothing; what becomes of the
//! blobs is the conductor's.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::events::Events;
use super::tally::Tally;
use super::{check_protocol, open, started};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{ReadBy, Source};
use crate::protocol::{Job, LandedBlob, Report};
use crate::repo::{Manifest, Visibility};
use crate::secret::Tokens;
use crate::worker::{Carried, Meter, Worker};

/// Runs a worker's job to its end and reports: `verified` means here that every blob is at the destination, with the digest that the source
/// lists. Never fails: what went wrong is in the report, with the file.
pub async fn carry_shard(job: Job, tokens: &Tokens, events: Events, cancel: CancellationToken) -> Report {
    events.send(started(&job));
    let tally = Mutex::new(Tally::new(&job.id, &job.request, String::new(), job.runner));
    let meter = Arc::<Meter>::default();
    let outcome = tokio::select! {
        outcome = carry(&job, tokens, &events, &meter, &tally) => outcome,
        () = events.tell(&meter) => Ok(()),
        () = cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the worker was told to end")),
    };
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.moved(meter.moved());
    match outcome {
        Ok(()) => tally.carried(),
        Err(error) => tally.failed(&error),
    }
    events.finish(tally.report())
}

async fn carry(job: &Job, tokens: &Tokens, events: &Events, meter: &Arc<Meter>, tally: &Mutex<Tally>) -> Result<()> {
    check_protocol(job)?;
    let source = Arc::new(open(job, tokens, events, job.request.source.platform, ReadBy::wish(job.request.use_git))?);
    let destination = Arc::new(open(job, tokens, events, job.request.destination.platform, ReadBy::Api)?);
    let info = destination.info(&job.request.destination, None).await.map_err(|error| error.during("destination"))?;
    // the conductor has listed it: to read a file takes its name and its commit
    let manifest = Manifest {
        repo: job.request.source.clone(),
        commit: job.source_commit.clone(),
        revision: job.request.revision.clone().unwrap_or_default(),
        visibility: Visibility::Private,
        files: job.files.clone(),
    };
    let worker = Arc::new(Worker::new(source, Arc::new(manifest), destination, info, job.limits, meter.clone()));
    let landed = |carried: Carried| {
        let Carried { file, digests, reused } = carried;
        meter.file_done(file.size);
        tally.lock().unwrap_or_else(PoisonError::into_inner).file(file.size, reused);
        events.landed(LandedBlob { path: file.path, size: file.size, digests: file.digests.or(digests), reused });
    };
    worker.carry_all(job.files.clone(), landed).await
}
