//! Sandboxes for workers: creating one or attaching to it, reading what it prints, waiting for its end, ending it. What is seen goes by
//! mail to whoever drives.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::words;
use crate::conductor::replace::{Ending, WorkerId};
use crate::conductor::{Conductor, Survey};
use crate::error::{Error, ErrorKind, ErrorReport, Result};
use crate::plan::modal::Container;
use crate::plan::rates::Way;
use crate::protocol::{Before, Consent, Event, Job, Limits, Report, Request, Role, What};
use crate::repo::FileEntry;
use crate::runner::modal::{Ended, Mark, ModalClient, MountedFile, Output, Prepared, Sandbox, SandboxSpec, find_worker, is_full};
use crate::runner::names::{self, PROGRAM, SHARD_JOB, tag};
use crate::secret::Token;

/// Sandboxes that are created at a time.
const CREATES: usize = 8;
/// As long as Modal lets a sandbox live.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a sandbox may wait for a container, where it is created before it has one, until there seems to be no place.
const PLACE: Duration = Duration::from_secs(120);
/// Tries to get a name that a worker of another cut has.
const NAME_TRIES: u32 = 3;
/// How long a look at a sandbox lasts that has no more to say.
const LOOK: Duration = Duration::from_secs(10);
/// How long after a sandbox's end its last words may take.
const LAST_WORDS: Duration = Duration::from_secs(15);
/// Letters that wait to be read.
const WAITING: usize = 1024;

/// What is seen of a worker.
pub(super) enum News {
    /// It has a sandbox, of this id.
    Here(String),
    /// There is no place for it.
    Refused,
    /// It told something.
    Said(Box<What>),
    /// It is no more.
    Ended(Ending, Option<ErrorReport>),
    /// The destination was asked for what it left: the places asked for, and those that are lacking.
    Answered { asked: Vec<u32>, lacking: Vec<u32> },
    /// Something went wrong that ends the whole.
    Failed(Error),
}

/// News of one worker.
pub(super) type Letter = (WorkerId, News);

/// Both ends of the mail.
pub(super) fn mailbox() -> (mpsc::Sender<Letter>, mpsc::Receiver<Letter>) {
    mpsc::channel(WAITING)
}

/// Runs workers. Cloning shares it.
#[derive(Clone)]
pub(super) struct Engine(Arc<Shared>);

/// What all workers of a migration have in common.
pub(super) struct Shared {
    client: ModalClient,
    prepared: Prepared,
    /// The job of a worker, without files.
    job: Job,
    /// The sandbox of a worker, without name and job.
    spec: SandboxSpec,
    destination: String,
    cut: String,
    creates: Semaphore,
    mail: mpsc::Sender<Letter>,
}

impl Deref for Engine {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Engine {
    /// Makes sure of all that does not depend on the shard: app, image, this program.
    pub(super) async fn new(
        client: ModalClient,
        conductor: &Conductor<'_>,
        survey: &Survey,
        destination: String,
        cut: String,
        mail: mpsc::Sender<Letter>,
    ) -> Result<Self> {
        // in a sandbox it is this program itself, so nothing is ever fetched
        let program = find_worker(None).await?.mounted()?;
        let prepared = client.prepare(&[program]).await?;
        let (job, spec) = (job(conductor, survey), spec(conductor, &destination, &cut));
        Ok(Self(Arc::new(Shared { client, prepared, job, spec, destination, cut, creates: Semaphore::new(CREATES), mail })))
    }

    /// Has a worker carry these, and tells of it until its end.
    pub(super) async fn run(self, worker: WorkerId, files: Vec<FileEntry>) {
        match self.create(worker, files).await {
            Ok(Some(sandbox)) => self.follow(worker, sandbox).await,
            Ok(None) => self.tell(worker, News::Refused).await,
            Err(error) => self.tell(worker, News::Failed(error)).await,
        }
    }

    /// Tells of a worker that has a sandbox, from its first line to its end.
    pub(super) async fn follow(self, worker: WorkerId, sandbox: Sandbox) {
        self.tell(worker, News::Here(sandbox.id.clone())).await;
        let mut heard = Heard::default();
        loop {
            self.listen(worker, &sandbox, &mut heard).await;
            let ended = match self.client.wait(&sandbox.id, LOOK).await {
                // its lines broke off, or it takes a moment to go
                Ok(None) => continue,
                Ok(Some(ended)) => Some(ended),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return self.tell(worker, News::Failed(error)).await,
            };
            let (how, why) = how_it_ended(ended.as_ref(), heard.report);
            return self.tell(worker, News::Ended(how, why)).await;
        }
    }

    /// Ends a worker's sandbox. Its end is told here where it cannot be read.
    pub(super) async fn end(self, worker: WorkerId, sandbox: String) {
        // one that does not end is told to again
        if self.client.terminate(&sandbox).await.is_ok() {
            sleep(LAST_WORDS).await;
            self.tell(worker, News::Ended(Ending::Lost, None)).await;
        }
    }

    /// Tells by mail.
    pub(super) async fn tell(&self, worker: WorkerId, news: News) {
        // nobody reads it where all is over
        let _over = self.mail.send((worker, news)).await;
    }

    /// The sandbox of a worker; `None` when there is no place for it.
    async fn create(&self, worker: WorkerId, files: Vec<FileEntry>) -> Result<Option<Sandbox>> {
        let turn = self.creates.acquire().await.map_err(|error| Error::new(ErrorKind::Local, "no more sandboxes").because(error))?;
        let job = Job { files, ..self.job.clone() };
        let text = serde_json::to_vec(&job).map_err(|error| Error::new(ErrorKind::Local, "cannot write the job").because(error))?;
        let file = MountedFile { path: SHARD_JOB.to_owned(), bytes: text.into(), mode: 0o644 };
        let mount = match self.client.mount(&self.prepared.app, &[file]).await {
            Err(error) if is_full(&error) => return Ok(None),
            answer => answer?,
        };
        let mut spec = SandboxSpec { name: Some(worker.name(&self.destination)), mounts: vec![mount], ..self.spec.clone() };
        spec.tags.insert(tag::SHARD.to_owned(), worker.shard.to_string());
        spec.tags.insert(tag::ATTEMPT.to_owned(), worker.attempt.to_string());
        let named = |error: Error| error.during("start a worker").with("shard", worker.shard);
        for _ in 0..NAME_TRIES {
            let sandbox = match self.client.create(&self.prepared, &spec).await {
                Err(error) if is_full(&error) => return Ok(None),
                answer => answer.map_err(named)?,
            };
            if !sandbox.attached || self.client.tags(&sandbox.id).await.map_err(named)?.get(tag::CUT) == Some(&self.cut) {
                drop(turn);
                return self.placed(sandbox).await.map_err(named);
            }
            // of a cut that is no more
            self.client.terminate(&sandbox.id).await.map_err(named)?;
        }
        Err(named(Error::new(ErrorKind::Conflict, "a worker that is not ours keeps its name")))
    }

    /// The older generation creates sandboxes before they have a container.
    async fn placed(&self, mut sandbox: Sandbox) -> Result<Option<Sandbox>> {
        match timeout(PLACE, self.client.started(&sandbox)).await {
            Ok(Ok(task)) => {
                sandbox.task = Some(task);
                Ok(Some(sandbox))
            }
            // whoever waits for its end finds out why
            Ok(Err(_)) => Ok(Some(sandbox)),
            Err(_) => {
                self.client.terminate(&sandbox.id).await?;
                Ok(None)
            }
        }
    }

    /// Passes on what a worker prints, each event once, until there is no more or the way to it breaks.
    async fn listen(&self, worker: WorkerId, sandbox: &Sandbox, heard: &mut Heard) {
        let mut lines = self.client.lines(sandbox, heard.mark.as_ref());
        // a broken way is gone again from where it broke
        while let Ok(Some(output)) = lines.next().await {
            heard.mark = Some(lines.mark().clone());
            let Output::Line(line) = output else { continue };
            // what is no event, from whatever wraps the process, says nothing
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            if event.seq < heard.next {
                continue;
            }
            heard.next = event.seq + 1;
            if let What::Report(report) = &event.what {
                heard.report = Some(report.clone());
            }
            self.tell(worker, News::Said(Box::new(event.what))).await;
        }
    }
}

/// How far a worker's lines were read.
#[derive(Default)]
struct Heard {
    mark: Option<Mark>,
    /// The next event's number.
    next: u64,
    report: Option<Report>,
}

/// What a worker's end means for what it left, and the reason, where there is one.
fn how_it_ended(ended: Option<&Ended>, report: Option<Report>) -> (Ending, Option<ErrorReport>) {
    let failure = ended.and_then(Ended::failure);
    match (report.and_then(|report| report.error), failure) {
        (Some(error), _) if words::is_final(error.kind) => (Ending::Failed, Some(error)),
        (Some(error), _) => (Ending::Lost, Some(error)),
        (None, Some(failure)) => (Ending::Lost, Some(ErrorReport::from(&failure))),
        (None, None) if ended.is_some() => (Ending::Done, None),
        (None, None) => (Ending::Lost, None),
    }
}

fn job(conductor: &Conductor<'_>, survey: &Survey) -> Job {
    let source = &survey.source;
    Job {
        role: Role::Worker,
        request: Request {
            source: source.repo.clone(),
            revision: Some(source.revision.clone()),
            include: Vec::new(),
            exclude: Vec::new(),
            delete: None,
            ..conductor.job.request.clone()
        },
        source_commit: source.commit.clone(),
        consent: Consent::default(),
        replaces: Vec::new(),
        removes: Vec::new(),
        known: Vec::new(),
        compared: 0,
        limits: Limits { idle_seconds: conductor.job.limits.idle_seconds, ..container(conductor).limits() },
        workers: 0,
        max_seconds: None,
        container_seconds: None,
        before: Before::default(),
        modal: None,
        ..conductor.job.clone()
    }
}

fn container(conductor: &Conductor<'_>) -> Container {
    let request = &conductor.job.request;
    Container::of(Way { from: request.source.platform, to: request.destination.platform })
}

/// A worker's sandbox: it is given the hubs' tokens, and none of Modal's.
fn spec(conductor: &Conductor<'_>, destination: &str, cut: &str) -> SandboxSpec {
    let secret = |name: &str, token: &Option<Token>| token.clone().map(|token| (name.to_owned(), token));
    let secrets = [secret("HF_TOKEN", &conductor.tokens.hf), secret("MODELSCOPE_TOKEN", &conductor.tokens.ms)];
    let mut tags: BTreeMap<_, _> = names::of_workers(destination);
    tags.insert(tag::ID.to_owned(), conductor.job.id.clone());
    tags.insert(tag::CUT.to_owned(), cut.to_owned());
    let Container { milli_cpu, memory_mib } = container(conductor);
    SandboxSpec {
        name: None,
        tags,
        args: [PROGRAM, "run-job", "--job", SHARD_JOB].map(str::to_owned).into(),
        secrets: secrets.into_iter().flatten().collect(),
        milli_cpu,
        memory_mib,
        timeout: LIFE,
        mounts: Vec::new(),
        regions: Vec::new(),
    }
}
