//! Cancelling a migration, and the last word of one that cannot say it itself.

use std::time::{Duration, Instant};

use super::{elsewhere, follow, hub, look};
use crate::conductor::{self, Traces};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Entry, Folder, Journal};
use crate::protocol::{Job, RunnerKind, State};
use crate::repo::Platform;
use crate::runner::{Place, Runners};

/// How long a cancelled conductor may take to look at the destination and report.
const CANCEL_WAIT: Duration = Duration::from_secs(150);
/// How long another process may go on reading what was said.
const READING: Duration = Duration::from_secs(60);

/// Cancels a migration and waits for its last word. One that has ended already is only reported.
pub async fn cancel(config: &Config, id: &str) -> Result<(Folder, Entry)> {
    let runners = Runners::new(config);
    let folder = elsewhere::open(config, &runners, id).await?;
    if matches!(folder.place(), Some(Place::Modal { sandbox: None, .. })) {
        // whoever is starting it notes what it became; then it is known what is to be ended
        drop(Journal::new(&config.home).lock().await?);
    }
    let running = look(&runners, &folder).await?;
    if let Some(place) = folder.place() {
        // where the conductor is gone its workers may still run
        let left_workers = running.progress.state == State::Interrupted && place.kind() == RunnerKind::Modal;
        if !running.progress.state.is_final() || left_workers {
            runners.cancel(&place).await?;
        }
    }
    let waited = tokio::time::timeout(CANCEL_WAIT, follow(config, &folder, |_| {})).await;
    match waited {
        Ok(Ok(_)) => {}
        // it was ended from outside, so it could not say what it leaves
        Ok(Err(error))
            if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Conflict)
                && folder.place().is_some_and(|place| place.kind() == RunnerKind::Modal) =>
        {
            close(config, &folder).await?;
        }
        Ok(Err(_)) => {}
        Err(_) => {
            return Err(Error::new(ErrorKind::Unavailable, "the process that carries does not end").with("id", id));
        }
    }
    let entry = look(&runners, &folder).await?;
    Ok((folder, entry))
}

/// Writes the last word of a migration that was ended from outside: what is at the destination.
///
/// Fails with `Conflict` where another process goes on writing down what it said.
async fn close(config: &Config, folder: &Folder) -> Result<()> {
    let Entry { job, progress, .. } = folder.entry()?;
    same_sites(config, &job)?;
    let destination = hub(config, job.request.destination.platform)?;
    let traces = Traces {
        before: progress.head.clone(),
        created: progress.created,
        committed: !progress.commits.is_empty(),
        commit_under_way: progress.state == State::Committing,
    };
    let error = conductor::cancelled(&destination, &job.request.destination, traces).await;
    let report = conductor::broken_off(&job, destination.page(&job.request.destination), progress.moved, progress.created, &error);
    let until = Instant::now() + READING;
    while !folder.close(report.clone())? {
        if Instant::now() >= until {
            return Err(Error::new(ErrorKind::Conflict, "it was ended, and another process of this machine still reads what it said")
                .with("id", folder.id())
                .hint_to("end that one, a `hf2ms migrate` or `hf2ms status`, and run the same command again"));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Refuses to ask one site of a hub about a migration that was between others.
pub(super) fn same_sites(config: &Config, job: &Job) -> Result<()> {
    let is_same = |platform| same_site(config, platform, job.endpoints.of(platform)).map_err(|error| error.with("id", &job.id));
    [Platform::HuggingFace, Platform::ModelScope].into_iter().try_for_each(is_same)
}

/// Refuses to ask one site of a hub about what lies at another.
pub(super) fn same_site(config: &Config, platform: Platform, then: &str) -> Result<()> {
    let now = config.endpoints.of(platform);
    if then == now {
        return Ok(());
    }
    let variable = match platform {
        Platform::HuggingFace => "HF_ENDPOINT",
        Platform::ModelScope => "MODELSCOPE_ENDPOINT",
    };
    let hint = format!("set {variable}={then}, and the token that it wants");
    Err(Error::usage("the migration was with another site of the hub than is set now", hint).with("then", then).with("now", now))
}
