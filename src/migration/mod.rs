//! The story: prepare → start → follow → report; and status, cancel, verify. What a face needs, and nothing that is about a face.

mod batch;
mod elsewhere;
pub mod figures;
mod glanced;
mod how;
mod inventory;
mod member;
mod permission;
mod picks;
mod planned;
mod proof;
mod quota;
mod reckoning;
mod resolve;
mod smoke;
mod up_to_date;
mod validate;

use std::collections::HashSet;
use std::time::Duration;

pub use crate::http::log_requests;
pub use batch::{Batch, Counts};
pub use how::{How, choose_runner, time_limit};
pub use inventory::{CopyState, Entry as InventoryEntry, Inquiry, Inventory, inventory};
pub use member::{Member, Stage};
pub use picks::{Pick, Picks, list, rename};
pub use planned::{KeptPlan, Manner};
pub use proof::{ProofDocument, proof, verify_proof};
pub use reckoning::Reckoning;
pub use resolve::{Asked, Wanted};
pub use smoke::{Smoke, Step, smoke};
pub use up_to_date::up_to_date;
pub use validate::{PlatformCheck, Verdict, destination, validate};

use crate::conductor::{self, Purpose, Survey, Traces};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Patience;
use crate::hub::{Hub, ReadBy};
use crate::journal::{Entry, Folder, Glance, Journal};
use crate::plan::TransferPlan;
use crate::plan::fan_out::{FanOut, Load};
use crate::plan::modal::Container;
use crate::plan::rates::Way;
use crate::progress::Progress;
use crate::protocol::{Before, Consent, Job, Limits, PROTOCOL, Report, Request, Role, RunnerKind, State};
use crate::repo::{Digests, FileEntry, Platform, Sha256};
use crate::runner::{Runners, Started};

/// How long a cancelled conductor may take to look at the destination and report.
const CANCEL_WAIT: Duration = Duration::from_secs(150);

/// What a migration would do, ready to start.
pub struct Prepared {
    /// What would happen.
    pub plan: TransferPlan,
    /// What is known of contents by hashing, so that the conductor need not read them again.
    known: Vec<Digests>,
    /// Bytes read to learn what is new of that.
    compared: u64,
    /// What it would replace.
    replaces: Vec<FileEntry>,
    /// What it would delete.
    removes: Vec<FileEntry>,
    /// What there is to carry.
    pub load: Load,
    /// The contents that surely go as blobs.
    pub contents: HashSet<Sha256>,
}

impl Prepared {
    /// Forgets the single files, which starting it does not need: of many plans that wait for their turn, some may be large.
    fn slim(&mut self) {
        self.plan.items = Vec::new();
        self.plan.extra = Vec::new();
        self.plan.deletes = Vec::new();
    }

    /// Fails with `NotMigrated` where the destination is there and something in it would change: for who wants to leave such ones alone.
    pub fn leaves_existing(&self) -> Result<()> {
        let plan = &self.plan;
        if plan.create || plan.totals.copy + self.removes.len() as u64 == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotMigrated, "the destination is there with other content, and is left as it is")
            .with("destination", &plan.request.destination)
            .hint_to("run without --skip-existing to bring it up to date"))
    }

    /// Who carries it.
    pub fn fan_out(&self, how: How) -> FanOut {
        how.fan_out(self.load, way(&self.plan.request))
    }

    /// The job that does it.
    pub fn job(&self, config: &Config, id: &str, consent: Consent, how: How) -> Job {
        let limits = match how.runner {
            RunnerKind::Local => Limits::default().shared_by(how.share),
            RunnerKind::Modal => Container::of(way(&self.plan.request)).limits(),
        };
        Job {
            protocol: PROTOCOL,
            id: id.to_owned(),
            role: Role::Conductor,
            request: self.plan.request.clone(),
            source_commit: self.plan.source_commit.clone(),
            consent,
            replaces: self.replaces.clone(),
            removes: self.removes.clone(),
            endpoints: config.endpoints.clone(),
            known: self.known.clone(),
            compared: self.compared,
            limits: Limits { idle_seconds: config.idle_seconds, commit_millis: config.commit_gap.map(millis), ..limits },
            runner: how.runner,
            workers: self.fan_out(how).workers,
            max_seconds: how.max_time.map(|time| time.as_secs()),
            container_seconds: (how.runner == RunnerKind::Modal).then_some(config.container_seconds),
            before: Before::default(),
            files: Vec::new(),
            modal: None,
        }
    }
}

/// Whole milliseconds, of an hour at most.
fn millis(gap: Duration) -> u64 {
    u64::try_from(gap.as_millis()).unwrap_or(u64::MAX)
}

/// From which hub to which.
pub(crate) fn way(request: &Request) -> Way {
    Way { from: request.source.platform, to: request.destination.platform }
}

/// The client for one platform, with its token.
pub fn hub(config: &Config, platform: Platform) -> Result<Hub> {
    hub_by(config, platform, ReadBy::Api)
}

/// The same, for a source.
fn hub_by(config: &Config, platform: Platform, by: ReadBy) -> Result<Hub> {
    let patience = Patience { idle: Duration::from_secs(config.idle_seconds), ..Patience::ATTENDED };
    let token = config.found(platform).map(|found| found.token.clone());
    let hub = Hub::read_by(by, platform, config.endpoints.of(platform), token, patience)?;
    let say = config.say;
    hub.tell_waits_to(move |words| say(&words));
    Ok(hub)
}

/// Looks at both shores and plans. Moves nothing, creates nothing.
pub async fn prepare(config: &Config, wanted: &Wanted) -> Result<Prepared> {
    let request = resolve::resolve(config, resolve::read(config, wanted)?, Purpose::Migrate, &resolve::Accounts::default()).await?;
    prepare_request(config, request).await
}

async fn prepare_request(config: &Config, request: Request) -> Result<Prepared> {
    let journal = Journal::new(&config.home);
    let mut known = journal.known(&request);
    let source = hub_by(config, request.source.platform, ReadBy::wish(request.use_git))?;
    let destination = hub(config, request.destination.platform)?;
    let survey = Survey::new(&source, &destination, &request, None, &known, Purpose::Migrate).await?;
    known.extend(&survey.learned);
    let plan = survey.plan()?.paced(config.commit_gap);
    quota::check(&destination, &plan).await?;
    // the card is read again by the conductor, and counted there
    let compared = survey.compared - survey.card.as_ref().map_or(0, |card| card.original.len() as u64);
    let (replaces, removes) = (survey.replaced(&plan), survey.removed(&plan));
    let copied: HashSet<_> = plan.copies().filter_map(|item| item.file.digests.sha256).collect();
    let contents = survey.blobs.iter().map(|blob| blob.sha256).filter(|sha256| copied.contains(sha256)).collect();
    Ok(Prepared { contents, replaces, removes, load: Load::of_plan(&plan, &survey.blobs), plan, known, compared })
}

/// Starts a prepared migration, or finds the one that already runs for the same request. Returns its folder, and
/// whether it ran already.
///
/// Fails with `NeedsConfirmation` when the plan has a risk that is not confirmed, and with `Conflict` when another migration writes to
/// the same destination.
pub async fn start(config: &Config, prepared: &Prepared, consent: Consent, how: How) -> Result<(Folder, bool)> {
    prepared.plan.check(consent)?;
    let journal = Journal::new(&config.home);
    let _lock = journal.lock().await?;
    let runners = Runners::new(config);
    if let Some(running) = running(&journal, &runners, &prepared.plan.request).await? {
        return Ok((running, true));
    }
    let job = prepared.job(config, &Journal::new_id(), consent, how);
    let folder = journal.create(&job)?;
    match runners.start(&job, &config.tokens(), &folder).await {
        Ok(Started::Here(_)) => Ok((folder, false)),
        Ok(Started::Already(id)) => {
            folder.discard()?;
            Ok((elsewhere::found(config, &runners, &id).await?, true))
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

/// The migration that runs for this request.
async fn running(journal: &Journal, runners: &Runners, request: &Request) -> Result<Option<Folder>> {
    for folder in journal.all() {
        let (Ok(job), Some(place)) = (folder.job(), folder.place()) else { continue };
        if job.request.destination != request.destination || !runners.is_alive(&place).await? {
            continue;
        }
        // its last word is said, though its process may take a moment to end
        if folder.entry()?.progress.report.is_some() {
            continue;
        }
        if job.request == *request {
            return Ok(Some(folder));
        }
        return Err(Error::new(ErrorKind::Conflict, "another migration writes to this destination")
            .with("id", folder.id())
            .with("destination", &request.destination)
            .hint_to(format!("follow it with `hf2ms status {0} --follow`, or stop it with `hf2ms cancel {0}`", folder.id())));
    }
    Ok(None)
}

/// The migration of this machine that runs for this request, if one does.
///
/// Fails with `Conflict` when another one writes to the same destination.
pub async fn running_for(config: &Config, request: &Request) -> Result<Option<Folder>> {
    running(&Journal::new(&config.home), &Runners::new(config), request).await
}

/// Follows a migration to its end, showing each change. Fails with `Interrupted` when the process that carried it is gone.
pub async fn follow(config: &Config, folder: &Folder, mut show: impl FnMut(&Progress)) -> Result<Report> {
    let mut progress = Progress::default();
    let mut tail = folder.tail();
    let runners = Runners::new(config);
    let mut watch = runners.watch(folder);
    loop {
        // alive first: what it wrote before it died is read after
        let alive = watch.look().await?;
        let mut changed = false;
        tail.read(|event| {
            progress.apply(event);
            changed = true;
        })?;
        if changed {
            show(&progress);
        }
        if let Some(report) = &progress.report {
            folder.finish(&progress)?;
            return Ok(report.clone());
        }
        if !alive {
            return Err(interrupted(&runners, folder).await);
        }
        watch.rest().await?;
    }
}

/// Why there is no last word.
async fn interrupted(runners: &Runners, folder: &Folder) -> Error {
    if let Some(place) = folder.place()
        && let Ok(Some(failure)) = runners.failure(&place).await
    {
        return failure.with("id", folder.id());
    }
    let words = folder.last_words();
    let error = Error::new(ErrorKind::Interrupted, "the process that carried the migration is gone").with("id", folder.id());
    let error = if words.is_empty() { error } else { error.with("said", format!("\"{words}\"")) };
    error.hint_to("run the same command again: it goes on with what the destination has not got")
}

/// One migration, with the state it is really in.
pub async fn status(config: &Config, id: &str) -> Result<(Folder, Entry)> {
    let runners = Runners::new(config);
    let folder = elsewhere::open(config, &runners, id).await?;
    let entry = look(&runners, &folder).await?;
    Ok((folder, entry))
}

async fn look(runners: &Runners, folder: &Folder) -> Result<Entry> {
    let ended = folder.has_report();
    let alive = !ended && runners.watch(folder).look().await?;
    let mut entry = folder.entry()?;
    if !alive && entry.progress.report.is_none() {
        entry.progress.state = State::Interrupted;
    }
    folder.finish(&entry.progress)?;
    Ok(entry)
}

/// The recent migrations, the newest first: those of this machine, and those that run in the cloud.
pub async fn recent(config: &Config, most: usize) -> Result<Vec<Glance>> {
    let runners = Runners::new(config);
    if let Err(error) = elsewhere::find_running(config, &runners).await {
        (config.say)(&format!("what runs in the cloud and was started elsewhere is not shown: {error}"));
    }
    let mut glances = Vec::new();
    for folder in Journal::new(&config.home).all().into_iter().take(most) {
        glances.push(glance(folder.id(), &look(&runners, &folder).await?));
    }
    Ok(glances)
}

/// A migration at a glance.
pub fn glance(id: &str, entry: &Entry) -> Glance {
    let progress = &entry.progress;
    let done = progress.report.as_ref().is_some_and(|report| report.state == State::Verified);
    Glance {
        id: id.to_owned(),
        state: progress.state,
        source: entry.job.request.source.to_string(),
        destination: entry.job.request.destination.to_string(),
        files_done: if done { progress.files } else { progress.files_done },
        files: progress.files,
        bytes_done: if done { progress.bytes } else { progress.position() },
        bytes: progress.bytes,
        moved: progress.moved,
        rate: if progress.state.is_final() { None } else { progress.rate() },
        seconds_left: if progress.state.is_final() { None } else { progress.seconds_left() },
        started: progress.span.map(|(first, _)| first / 1000),
    }
}

/// Cancels a migration and waits for its last word. One that has ended already is only reported.
pub async fn cancel(config: &Config, id: &str) -> Result<(Folder, Entry)> {
    let runners = Runners::new(config);
    let folder = elsewhere::open(config, &runners, id).await?;
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
            if error.kind() == ErrorKind::Interrupted && folder.place().is_some_and(|place| place.kind() == RunnerKind::Modal) =>
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
async fn close(config: &Config, folder: &Folder) -> Result<()> {
    let Entry { job, progress, .. } = folder.entry()?;
    let destination = hub(config, job.request.destination.platform)?;
    let traces = Traces {
        before: progress.head.clone(),
        created: progress.created,
        committed: !progress.commits.is_empty(),
        commit_under_way: progress.state == State::Committing,
    };
    let error = conductor::cancelled(&destination, &job.request.destination, traces).await;
    let report = conductor::broken_off(&job, destination.page(&job.request.destination), progress.moved, progress.created, &error);
    folder.close(report)
}

/// Compares two repositories by hash, without moving anything; with `deep` the destination is read back whole.
pub async fn verify(config: &Config, wanted: &Wanted, deep: bool) -> Result<Report> {
    let request = resolve::resolve(config, resolve::read(config, wanted)?, Purpose::Compare, &resolve::Accounts::default()).await?;
    verify_request(config, &request, None, deep).await
}

/// The same for a migration, of this machine or in the cloud: against the commit it was made from.
pub async fn verify_migration(config: &Config, id: &str, deep: bool) -> Result<Report> {
    let folder = elsewhere::open(config, &Runners::new(config), id).await?;
    let job = folder.job()?;
    verify_request(config, &job.request, job.source_commit.as_deref(), deep).await
}

async fn verify_request(config: &Config, request: &Request, commit: Option<&str>, deep: bool) -> Result<Report> {
    let source = hub_by(config, request.source.platform, ReadBy::wish(request.use_git))?;
    let destination = hub(config, request.destination.platform)?;
    let known = Journal::new(&config.home).known(request);
    conductor::compare(&source, &destination, request, commit, &known, deep).await
}
