//! The story: prepare → start → follow → report; and status, cancel, verify. What a face needs, and nothing that is about a face.

mod batch;
mod begin;
mod elsewhere;
mod end;
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
pub use begin::{running_for, start};
pub use end::cancel;
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

use crate::conductor::{self, Purpose, Survey};
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
use crate::runner::Runners;

/// How often it is looked whether what is being started runs.
const STARTS: Duration = Duration::from_secs(1);

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
    /// Whose token writes, where that was asked.
    pub writes_as: Option<String>,
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
    let accounts = resolve::Accounts::default();
    let request = resolve::resolve(config, resolve::read(config, wanted)?, Purpose::Migrate, &accounts).await?;
    let writes_as = accounts.lock().await.get(&request.destination.platform).map(|account| account.name.clone());
    Ok(Prepared { writes_as, ..prepare_request(config, request).await? })
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
    Ok(Prepared { contents, replaces, removes, load: Load::of_plan(&plan, &survey.blobs), plan, known, compared, writes_as: None })
}

/// Follows a migration to its end, showing each change. Fails with `Interrupted` when the process that carried it is gone.
pub async fn follow(config: &Config, folder: &Folder, mut show: impl FnMut(&Progress)) -> Result<Report> {
    let mut progress = Progress::default();
    let mut tail = folder.tail();
    let runners = Runners::new(config);
    let mut watch = runners.watch(folder);
    loop {
        // alive first: what it wrote before it died is read after. Of one that has ended all is here
        let alive = !folder.has_report() && watch.look().await?;
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
        match alive {
            true => watch.rest().await?,
            false if folder.is_being_started() => tokio::time::sleep(STARTS).await,
            false => return Err(interrupted(&runners, folder).await),
        }
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
    // what is just being started is nowhere yet
    if !alive && entry.progress.report.is_none() && !folder.is_being_started() {
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
        // what is wrong with one hides no other
        let entry = match look(&runners, &folder).await {
            Ok(entry) => Ok(entry),
            Err(error) => {
                (config.say)(&format!("warning: {} is shown as it was last seen: {error}", folder.id()));
                folder.entry()
            }
        };
        match entry {
            Ok(entry) => glances.push(glance(folder.id(), &entry)),
            Err(error) => (config.say)(&format!("warning: {} is not shown: {error}", folder.id())),
        }
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

/// Compares two repositories by hash, without moving anything; with `deep` the destination is read back whole.
pub async fn verify(config: &Config, wanted: &Wanted, deep: bool) -> Result<Report> {
    let request = resolve::resolve(config, resolve::read(config, wanted)?, Purpose::Compare, &resolve::Accounts::default()).await?;
    verify_request(config, &request, None, deep).await
}

/// The same for a migration, of this machine or in the cloud: against the commit it was made from.
pub async fn verify_migration(config: &Config, id: &str, deep: bool) -> Result<Report> {
    let folder = elsewhere::open(config, &Runners::new(config), id).await?;
    let job = folder.job()?;
    end::same_sites(config, &job)?;
    verify_request(config, &job.request, job.source_commit.as_deref(), deep).await
}

async fn verify_request(config: &Config, request: &Request, commit: Option<&str>, deep: bool) -> Result<Report> {
    let source = hub_by(config, request.source.platform, ReadBy::wish(request.use_git))?;
    let destination = hub(config, request.destination.platform)?;
    let known = Journal::new(&config.home).known(request);
    conductor::compare(&source, &destination, request, commit, &known, deep).await
}
