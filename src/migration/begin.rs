//! Starting a migration, or finding the one that does the same already.

use std::time::{Duration, Instant};

use super::{How, Prepared, elsewhere, look};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Folder, Journal};
use crate::protocol::{Consent, Job, Request};
use crate::runner::{Runners, Started};

/// How long a process that has said its last word may take to end.
const ENDING: Duration = Duration::from_secs(60);

/// Starts a prepared migration, or finds the one that already runs for the same request and the same commit of the source. Returns its
/// folder, and whether it ran already.
///
/// Fails with `NeedsConfirmation` when the plan has a risk that is not confirmed, and with `Conflict` when another migration writes to
/// the same destination, be it of another commit.
pub async fn start(config: &Config, prepared: &Prepared, consent: Consent, how: How) -> Result<(Folder, bool)> {
    prepared.plan.check(consent)?;
    let journal = Journal::new(&config.home);
    let _lock = journal.lock().await?;
    let runners = Runners::new(config);
    let wish = Wish { config, request: &prepared.plan.request, source_commit: prepared.plan.source_commit.as_deref() };
    if let Some(running) = running(&journal, &runners, wish).await? {
        return Ok((running, true));
    }
    let job = prepared.job(config, &Journal::new_id(), consent, how);
    let folder = journal.create(&job)?;
    match started(config, &runners, &job, &folder).await {
        Ok(None) => Ok((folder, false)),
        Ok(Some(other)) => {
            folder.discard()?;
            Ok((other, true))
        }
        Err(error) => {
            // nothing runs, so there is nothing to look up later; where that is not certain its place stays known
            if error.kind() != ErrorKind::Unavailable || folder.place().is_none() {
                folder.discard()?;
            }
            Err(error)
        }
    }
}

/// Starts a job; the folder of the migration that does the same already, where there is one. One that has said its last word does nothing more:
/// its process is waited for, and then it is started.
async fn started(config: &Config, runners: &Runners, job: &Job, folder: &Folder) -> Result<Option<Folder>> {
    let until = Instant::now() + ENDING;
    loop {
        let Started::Already { id, same } = runners.start(job, &config.tokens(), folder).await? else { return Ok(None) };
        let other = elsewhere::found(config, runners, &id).await;
        let has_ended = match &other {
            Ok(other) => look(runners, other).await?.progress.report.is_some(),
            Err(_) => false,
        };
        match (has_ended, same) {
            (true, _) => {}
            (false, true) => return other.map(Some),
            (false, false) => return Err(busy("another migration writes to this destination", &id, &job.request)),
        }
        if Instant::now() >= until {
            return Err(Error::new(ErrorKind::Conflict, "the migration before this one has ended, and its container does not")
                .with("id", id)
                .hint_to("end it at https://modal.com/apps, in the app hf2ms, and run the same command again"));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What is to be migrated, and between which sites.
#[derive(Clone, Copy)]
struct Wish<'a> {
    config: &'a Config,
    request: &'a Request,
    source_commit: Option<&'a str>,
}

impl Wish<'_> {
    /// Whether a job writes to the same repository. No hub has two whose names differ in case alone; two sites of one hub have.
    fn has_destination_of(&self, job: &Job) -> bool {
        let (ours, theirs) = (&self.request.destination, &job.request.destination);
        let platform = ours.platform;
        (platform, ours.repo_type) == (theirs.platform, theirs.repo_type)
            && ours.id.to_string().to_lowercase() == theirs.id.to_string().to_lowercase()
            && self.config.endpoints.of(platform) == job.endpoints.of(platform)
    }

    /// Whether a job does all of it and nothing else.
    fn is_of(&self, job: &Job) -> bool {
        job.request == *self.request && job.endpoints == self.config.endpoints && job.source_commit.as_deref() == self.source_commit
    }
}

/// The migration that runs for this.
async fn running(journal: &Journal, runners: &Runners, wish: Wish<'_>) -> Result<Option<Folder>> {
    for folder in journal.all() {
        let (Ok(job), Some(place)) = (folder.job(), folder.place()) else { continue };
        // its last word is said, though its process may take a moment to end
        if !wish.has_destination_of(&job) || folder.has_report() || !runners.is_alive(&place).await? {
            continue;
        }
        if folder.entry()?.progress.report.is_some() {
            continue;
        }
        if wish.is_of(&job) {
            return Ok(Some(folder));
        }
        let what = match job.request == *wish.request && job.endpoints == wish.config.endpoints {
            true => "a migration of another commit of the source writes to this destination",
            false => "another migration writes to this destination",
        };
        return Err(busy(what, folder.id(), wish.request));
    }
    Ok(None)
}

/// The migration of this machine that runs for this request and this commit of the source, if one does.
///
/// Fails with `Conflict` when another one writes to the same destination.
pub async fn running_for(config: &Config, request: &Request, source_commit: Option<&str>) -> Result<Option<Folder>> {
    running(&Journal::new(&config.home), &Runners::new(config), Wish { config, request, source_commit }).await
}

fn busy(what: &'static str, id: &str, request: &Request) -> Error {
    Error::new(ErrorKind::Conflict, what)
        .with("id", id)
        .with("destination", &request.destination)
        .hint_to(format!("follow it with `hf2ms status {id} --follow`, or stop it with `hf2ms cancel {id}`"))
}
