//! Migrations that this machine knows nothing of: found in the cloud by their tags, and what they do by the first line they printed.

use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Folder, Journal};
use crate::protocol::{Before, Consent, Event, Job, Limits, PROTOCOL, Role, RunnerKind, What};
use crate::runner::modal::{Output, Sandbox};
use crate::runner::{Place, Runners};

/// How long the first line may take; a container that is still being brought up has printed none.
const FIRST_LINE: Duration = Duration::from_secs(60);

/// The folder of a migration; made anew from what runs or ran in the cloud when this machine has none.
///
/// Fails with `NotFound` when neither knows it.
pub(super) async fn open(config: &Config, runners: &Runners, id: &str) -> Result<Folder> {
    match Journal::new(&config.home).open(id) {
        Err(error) if error.kind() == ErrorKind::NotFound && config.modal.is_some() => match found(config, runners, id).await {
            Err(other) if other.kind() == ErrorKind::NotFound => Err(error),
            answer => answer,
        },
        answer => answer,
    }
}

/// Makes folders for the migrations that run in the cloud and that this machine knows nothing of. Nothing to do without Modal tokens.
pub(super) async fn find_running(config: &Config, runners: &Runners) -> Result<()> {
    if config.modal.is_none() {
        return Ok(());
    }
    let journal = Journal::new(&config.home);
    for conductor in runners.modal().conductors(None).await? {
        if conductor.alive && journal.open(&conductor.id).is_err() {
            found(config, runners, &conductor.id).await?;
        }
    }
    Ok(())
}

/// The same for one that is known to be in the cloud.
pub(super) async fn found(config: &Config, runners: &Runners, id: &str) -> Result<Folder> {
    let journal = Journal::new(&config.home);
    if let Ok(folder) = journal.open(id) {
        return Ok(folder);
    }
    let unknown = || Error::new(ErrorKind::NotFound, "no such migration in the cloud").with("id", id);
    let conductor = runners.modal().conductors(Some(id)).await?.into_iter().next().ok_or_else(unknown)?;
    let Place::Modal { sandbox: Some(sandbox), .. } = &conductor.place else { return Err(unknown()) };
    let first = tokio::time::timeout(FIRST_LINE, first_words(config, runners, sandbox)).await;
    let job = match first {
        Ok(job) => job?,
        Err(_) => {
            return Err(Error::new(ErrorKind::Unavailable, "the migration's container has not said yet what it does")
                .with("id", id)
                .hint_to("ask again in a minute"));
        }
    };
    let folder = journal.create(&Job { id: id.to_owned(), ..job })?;
    folder.set_place(&conductor.place)?;
    Ok(folder)
}

/// The job as far as the first event tells it.
async fn first_words(config: &Config, runners: &Runners, sandbox: &str) -> Result<Job> {
    let mut lines = runners.modal().client().await?.lines(&Sandbox::known(sandbox), None);
    while let Some(output) = lines.next().await? {
        let Output::Line(line) = output else { break };
        if let Ok(Event { what: What::Started { request: Some(request), source_commit, endpoints, .. }, .. }) = serde_json::from_str(&line)
        {
            return Ok(Job {
                protocol: PROTOCOL,
                id: String::new(),
                role: Role::Conductor,
                request: *request,
                source_commit,
                consent: Consent::default(),
                replaces: Vec::new(),
                removes: Vec::new(),
                // an earlier version did not say; then it is taken to be where this machine works
                endpoints: endpoints.unwrap_or_else(|| config.endpoints.clone()),
                known: Vec::new(),
                compared: 0,
                limits: Limits::default(),
                runner: RunnerKind::Modal,
                workers: 0,
                max_seconds: None,
                container_seconds: None,
                before: Before::default(),
                files: Vec::new(),
                modal: None,
            });
        }
    }
    Err(Error::new(ErrorKind::NotFound, "the migration's first words are not kept any more")
        .hint_to("what is at a destination tells `hf2ms verify SOURCE`; running the same command again goes on with what is missing"))
}
