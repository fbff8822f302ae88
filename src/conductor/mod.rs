//! The one process that decides: survey → plan → carry → commit → verify → report.

mod advice;
mod aftermath;
mod events;
mod fit;
mod fleet;
mod pacer;
mod prove;
mod publish;
mod recheck;
mod removal;
pub mod replace;
mod shard_worker;
mod succession;
mod survey;
mod tally;
mod terms;
mod transfer;
mod versions;
mod wording;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

use aftermath::time_over;
pub use aftermath::{Traces, cancelled};
pub use events::{Events, Writer};
pub use prove::{Expected, Proof, prove};
pub use recheck::{Proven, recheck};
pub use shard_worker::carry_shard;
pub use survey::{Purpose, Survey};
pub use versions::versions;

use crate::config::ModalSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Patience;
use crate::hub::{Created, Destination, Hub, ReadBy, RepoInfo, Source};
use crate::plan::{Decision, LeftOut, TransferPlan};
use crate::protocol::{Job, PROTOCOL, ProvenFiles, Report, RunnerKind, What};
use crate::repo::{FileEntry, Platform};
use crate::runner::modal::ModalClient;
use crate::secret::Tokens;
use crate::worker::Meter;
use tally::Tally;

/// How long a commit under way may take after a cancellation.
const COMMIT_GRACE: Duration = Duration::from_secs(60);
/// How often a plan is made again because the destination changed under it.
const REPLANS: u32 = 3;

/// Runs a job to its end and reports, or starts a successor, and then there is no report. Never fails: what went wrong is in the report.
///
/// `modal` is how to start workers, for a job that has any.
pub async fn conduct(job: Job, tokens: &Tokens, modal: Option<ModalSettings>, events: Events, cancel: CancellationToken) -> Option<Report> {
    events.send(started(&job));
    let hub = |platform| open(&job, tokens, &events, platform, ReadBy::Api);
    let page = hub(job.request.destination.platform).map(|hub| hub.page(&job.request.destination)).unwrap_or_default();
    let mut tally = Tally::new(&job.id, &job.request, page, job.runner);
    tally.compared(job.compared);
    tally.goes_on_from(&job.before);
    let tally = Mutex::new(tally);
    let meter = Meter::default();
    meter.moved_before(job.before.moved, &job.before.workers);
    let meter = Arc::new(meter);
    let source = open(&job, tokens, &events, job.request.source.platform, ReadBy::wish(job.request.use_git));
    let conductor = source.and_then(|source| {
        Ok(Conductor {
            source: Arc::new(source),
            destination: Arc::new(hub(job.request.destination.platform)?),
            job: &job,
            tokens,
            modal: modal.as_ref(),
            cloud: OnceCell::new(),
            events: events.clone(),
            meter: meter.clone(),
            began: Instant::now(),
            tally: &tally,
            head: Mutex::default(),
            fresh: Mutex::default(),
            committing: Arc::new(watch::Sender::new(false)),
        })
    });
    let outcome = match &conductor {
        Ok(conductor) => conductor.run(cancel).await,
        Err(error) => Err(Error::from(crate::error::ErrorReport::from(error))),
    };
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let by_git = conductor.as_ref().ok().and_then(|conductor| conductor.source.by_git());
    if let Some(why) = by_git.filter(|_| !tally.tells_of_git()) {
        events.warn(format!("the source was read by git from some file on: {why}"));
    }
    tally.read_by_git(by_git.is_some());
    match outcome {
        Ok(End::HandedOver) => return None,
        Ok(End::Done) => {}
        Err(error) => {
            let committed = tally.has_commits();
            tally.failed(&advice::advised(error, committed, meter.moved()));
        }
    }
    tally.moved(meter.moved());
    Some(events.finish(tally.report()))
}

/// What a process says first.
fn started(job: &Job) -> What {
    What::Started {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL,
        request: Some(Box::new(job.request.clone())),
        source_commit: job.source_commit.clone(),
        endpoints: Some(job.endpoints.clone()),
    }
}

/// The client of one hub, as patient as nobody waits for it.
fn open(job: &Job, tokens: &Tokens, events: &Events, platform: Platform, by: ReadBy) -> Result<Hub> {
    let patience = Patience { idle: Duration::from_secs(job.limits.idle_seconds.max(1)), ..Patience::PATIENT };
    let hub = Hub::read_by(by, platform, job.endpoints.of(platform), tokens.of(platform).cloned(), patience)?;
    hub.tell_waits_to(events.faintly());
    Ok(hub)
}

/// Refuses a job that was written by another version.
fn check_protocol(job: &Job) -> Result<()> {
    if job.protocol == PROTOCOL {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "the job speaks another version of the protocol")
        .with("job", job.protocol)
        .with("program", PROTOCOL)
        .hint_to("use the same version of hf2ms to plan and to run"))
}

/// Why it stops before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Somebody wants it.
    Cancelled,
    /// The job may take no longer.
    TimeOver,
    /// Its container is near its end.
    ContainerOver,
}

/// How a conductor ends where nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Everything is done.
    Done,
    /// Another conductor goes on.
    HandedOver,
}

struct Conductor<'a> {
    job: &'a Job,
    tokens: &'a Tokens,
    /// How to start workers.
    modal: Option<&'a ModalSettings>,
    /// Where they run, once there are any.
    cloud: OnceCell<ModalClient>,
    source: Arc<Hub>,
    destination: Arc<Hub>,
    events: Events,
    meter: Arc<Meter>,
    /// When it began.
    began: Instant,
    tally: &'a Mutex<Tally>,
    /// The destination's head before our first commit; nothing as long as nobody has looked.
    head: Mutex<Option<Option<String>>>,
    /// What the hub put into the repository that this migration created.
    fresh: Mutex<Vec<FileEntry>>,
    /// Whether a commit is under way.
    committing: Arc<watch::Sender<bool>>,
}

impl Conductor<'_> {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, cancel: CancellationToken) -> Result<End> {
        check_protocol(self.job)?;
        let mut migrate = Box::pin(async {
            self.take_over().await?;
            // from here on the destination's workers are this migration's, those too that a conductor before this one left
            let outcome = self.migrate().await;
            if outcome.is_err() {
                self.end_workers().await;
            }
            outcome.map(|()| End::Done)
        });
        let progress = self.events.tell(&self.meter);
        tokio::pin!(progress);
        let stop = tokio::select! {
            outcome = &mut migrate => return outcome,
            () = &mut progress => Stop::Cancelled,
            () = cancel.cancelled() => Stop::Cancelled,
            () = passed(self.job.max_seconds) => Stop::TimeOver,
            () = passed(self.job.container_seconds) => Stop::ContainerOver,
        };
        // a commit under way is let end, because nobody could say what became of it; who runs out of time is in no hurry
        let mut committing = self.committing.subscribe();
        let patience = async {
            if stop != Stop::Cancelled {
                cancel.cancelled().await;
            }
            tokio::time::sleep(COMMIT_GRACE).await;
        };
        tokio::select! {
            biased;
            outcome = &mut migrate, if *self.committing.borrow() => return outcome,
            () = &mut progress => {}
            _ = committing.wait_for(|committing| !committing) => {}
            () = patience => {}
        }
        // what is still in flight is broken off
        drop(migrate);
        if stop == Stop::ContainerOver && self.modal.is_some() && !cancel.is_cancelled() && self.gets_on() {
            match self.hand_over().await {
                Ok(()) => return Ok(End::HandedOver),
                Err(error) => self.events.warn(format!("no other container could take over: {error}")),
            }
        }
        self.end_workers().await;
        let (traces, landed) = (self.traces(), self.tally().landed());
        let (destination, repo) = (self.destination.as_ref(), &self.job.request.destination);
        Err(match stop {
            _ if cancel.is_cancelled() => cancelled(destination, repo, traces).await,
            Stop::Cancelled => cancelled(destination, repo, traces).await,
            Stop::TimeOver => time_over(destination, repo, traces, "the time", landed).await,
            Stop::ContainerOver => time_over(destination, repo, traces, "the container's time", landed).await,
        })
    }

    /// Plans and does it; again when the destination changed in between.
    async fn migrate(&self) -> Result<()> {
        let mut plans = 0;
        loop {
            match self.attempt().await {
                Err(error) if error.kind() == ErrorKind::Conflict && plans < REPLANS => {
                    plans += 1;
                    self.events.warn(format!("planning again: {error}"));
                    self.tally().again();
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self) -> Result<()> {
        let Job { request, source_commit, known, consent, .. } = self.job;
        let mut survey =
            Survey::new(self.source.as_ref(), self.destination.as_ref(), request, source_commit.as_deref(), known, Purpose::Migrate)
                .await?;
        survey.know_hubs_own(&self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        let plan = survey.plan()?;
        if !self.tally().has_commits() {
            self.set_head(plan.destination_head.clone());
        }
        self.meter.restart();
        {
            let mut tally = self.tally();
            tally.compared(survey.compared);
            tally.planned(&plan);
        }
        plan.check(*consent)?;
        survey.check_replaced(&plan, &self.job.replaces)?;
        survey.check_removed(&plan, &self.job.removes)?;
        self.events.send(What::Planned {
            source_commit: plan.source_commit.clone(),
            files: plan.totals.files,
            bytes: plan.totals.bytes,
            to_copy: plan.totals.copy,
            bytes_to_copy: plan.totals.copy_bytes,
            destination_head: plan.destination_head.clone(),
        });
        for item in plan.items.iter().filter(|item| item.decision == Decision::AlreadyThere) {
            self.meter.file_done(item.file.size);
        }
        let transferred = self.transfer(&survey, &plan).await;
        let (expected, committed) = transferred.map_err(|error| advice::with_file(error, &plan))?;
        self.tally().deleted(&plan.deletes);
        self.events.send(What::Verifying {});
        let proved = prove(self.destination.as_ref(), &request.destination, &expected, &plan.deletes, committed, false).await;
        let mut proof = proved.map_err(|error| if self.tally().has_commits() { advice::unproven(error) } else { error })?;
        proof.verification.extra.retain(|path| survey.source.file(path).is_none());
        for files in ProvenFiles::lines_of(&proof.proven) {
            self.events.send(What::Proven(files));
        }
        self.tally().verified(proof.commit.as_deref(), &proof.verification, &proof.proven, &proof.unproven);
        Ok(())
    }

    /// The destination's repository, created if it is not there, and whether it was. What the hub made of it is read back before the first byte.
    async fn open_destination(&self, survey: &Survey, plan: &TransferPlan) -> Result<(RepoInfo, bool)> {
        if let Some((info, _)) = &survey.destination {
            return Ok((info.clone(), false));
        }
        let repo = &plan.request.destination;
        let licence = crate::card::licence_for_creation(survey.card.as_ref().map(|card| card.original.as_slice()), repo.platform);
        let Created { info, made } = self.destination.create(repo, plan.destination_visibility, licence.as_deref()).await?;
        self.set_head(info.commit.clone());
        if made {
            self.tally().created();
            self.events.send(What::Created { visibility: info.visibility });
        }
        let (wanted, found) = (plan.destination_visibility.word(), info.visibility.word());
        let maker = if made { "the hub" } else { "somebody else" };
        if plan.source_visibility.is_loosened_by(info.visibility) && !self.job.consent.loosened_visibility {
            return Err(Error::new(ErrorKind::Forbidden, format!("asked for a private repository, {maker} made it {found}"))
                .with("repo", repo)
                .hint_to("nothing was sent to it; make it private on its page, or delete it, and run again"));
        }
        if !made && plan.totals.copy > 0 {
            return Err(Error::new(ErrorKind::Conflict, "the destination exists by now, and the plan was to create it").with("repo", repo));
        }
        if wanted != found {
            self.events.warn(format!("asked for a {wanted} repository, {maker} made it {found}: change it on its page if you like"));
        }
        Ok((info, made))
    }

    fn set_head(&self, head: Option<String>) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    /// What is known of it when it is broken off.
    fn traces(&self) -> Traces {
        let before = self.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tally = self.tally();
        let (created, committed) = (tally.report().destination.created, tally.has_commits());
        Traces { before, created, committed, commit_under_way: *self.committing.borrow() }
    }
}

/// Waits until so many seconds have passed, or for ever.
async fn passed(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// The report of a migration that was ended from outside, as far as its events told.
pub fn broken_off(job: &Job, page: String, moved: u64, created: bool, error: &Error) -> Report {
    let mut tally = Tally::new(&job.id, &job.request, page, job.runner);
    if created {
        tally.created();
    }
    tally.moved(moved);
    tally.failed(error);
    Report { resources: None, ..tally.report() }
}

/// Compares two repositories by hash, without moving anything; with `deep` the destination is read back whole.
///
/// Fails with `NotFound` when either does not exist. What is wrong with single files is in the report.
pub async fn compare(
    source: &Hub,
    destination: &Hub,
    request: &crate::protocol::Request,
    commit: Option<&str>,
    known: &[crate::repo::Digests],
    deep: bool,
) -> Result<Report> {
    let mut tally = Tally::new("verify", request, destination.page(&request.destination), RunnerKind::Local);
    // asked for by itself, so that a destination that is not there is an error and not an empty one
    destination.info(&request.destination, None).await.map_err(|error| error.during("destination"))?;
    let request = &crate::protocol::Request { delete: None, ..request.clone() };
    let survey = Survey::new(source, destination, request, commit, known, Purpose::Compare).await?;
    let plan = survey.plan()?;
    tally.compared(survey.compared);
    tally.planned(&plan);
    tally.read_by_git(source.by_git().is_some());
    // what a migration would leave out for the destination's sake is missing there all the same
    let refused = plan.items.iter().filter(|item| matches!(item.decision, Decision::LeftOut(LeftOut::Refused(_))));
    let expected: Vec<_> = plan.wanted().chain(refused).map(|item| Expected { file: item.file.clone(), streamed: false }).collect();
    let mut proof = prove(destination, &request.destination, &expected, &[], false, deep).await?;
    proof.verification.extra.retain(|path| survey.source.file(path).is_none());
    tally.verified(proof.commit.as_deref(), &proof.verification, &proof.proven, &proof.unproven);
    Ok(tally.report())
}
