//! The conductor as a sandbox of Modal: its name is the lock of the destination, its job a mounted file, its tokens secrets, its
//! standard output the events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::modal::{Listed, ModalClient, MountedFile, SandboxSpec, find_worker};
use super::{Place, Runner, Started};
use crate::config::{Config, ModalSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Folder;
use crate::plan::modal::Container;
use crate::plan::rates::Way;
use crate::protocol::{Job, Request};
use crate::repo::RepoRef;
use crate::secret::{Token, Tokens};

/// Where the program and its job lie in the container.
const PROGRAM: &str = "/hf2ms/hf2ms";
const JOB: &str = "/hf2ms/job.json";
/// As long as Modal lets a sandbox live.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than its process may take a sandbox lives, so that a commit under way and the last word fit in.
const LAST_WORD: Duration = Duration::from_secs(15 * 60);

/// Tags by which sandboxes are found again (facts, modal §3). Their values are words without `/`, so names of repositories do not go in.
mod tag {
    /// Every sandbox of this program has it.
    pub(super) const OURS: &str = "hf2ms";
    /// The migration's id.
    pub(super) const ID: &str = "id";
    /// What the process is in it.
    pub(super) const ROLE: &str = "role";
    /// A digest of the request.
    pub(super) const REQUEST: &str = "request";
}

/// The runner in the cloud. Connects once it is used.
#[derive(Clone, Debug)]
pub struct Sandboxed {
    settings: Result<Box<ModalSettings>, Arc<Error>>,
    client: Arc<OnceCell<ModalClient>>,
    say: fn(&str),
}

/// A conductor that was found in the cloud.
#[derive(Clone, Debug)]
pub struct Found {
    /// The migration's id.
    pub id: String,
    /// Where it runs or ran.
    pub place: Place,
    /// Whether it runs.
    pub alive: bool,
}

impl Sandboxed {
    /// Keeps how to reach Modal. What is wrong with that is said when it is needed.
    pub(super) fn new(config: &Config) -> Self {
        Self { settings: config.modal_settings().map(Box::new).map_err(Arc::new), client: Arc::default(), say: config.say }
    }

    /// The client, connected.
    ///
    /// Fails with `Unauthorized` without tokens, with `Usage` when what is configured is wrong, with `Unavailable` when Modal cannot be reached.
    pub async fn client(&self) -> Result<&ModalClient> {
        let settings = self.settings.as_ref().map_err(|error| Error::from(crate::error::ErrorReport::from(error.as_ref())))?;
        let client = self.client.get_or_try_init(|| ModalClient::connect(settings)).await?;
        client.tell_to(self.say);
        Ok(client)
    }

    /// Conductors of this program in the cloud, the newest first; of one migration, or of all.
    pub async fn conductors(&self, id: Option<&str>) -> Result<Vec<Found>> {
        let mut tags = BTreeMap::from([(tag::OURS.to_owned(), "1".to_owned()), (tag::ROLE.to_owned(), "conductor".to_owned())]);
        tags.extend(id.map(|id| (tag::ID.to_owned(), id.to_owned())));
        let environment = self.environment();
        let listed = self.client().await?.list(&tags, true).await?;
        Ok(listed.into_iter().filter_map(|sandbox| found(sandbox, &environment)).collect())
    }

    fn environment(&self) -> String {
        self.settings.as_ref().map(|settings| settings.environment.clone()).unwrap_or_default()
    }

    /// The id of the sandbox at a place; looked up by its name where the process that created it did not live to note it.
    pub(super) async fn sandbox_at(&self, place: &Place) -> Result<Option<String>> {
        match place {
            Place::Modal { sandbox: Some(sandbox), .. } => Ok(Some(sandbox.clone())),
            Place::Modal { name, .. } => self.client().await?.find(name).await,
            Place::Local { .. } => Ok(None),
        }
    }

    /// What ended the sandbox at a place, if it ended badly.
    pub(super) async fn failure(&self, place: &Place) -> Result<Option<Error>> {
        match self.sandbox_at(place).await? {
            Some(sandbox) => Ok(self.client().await?.poll(&sandbox).await?.and_then(|ended| ended.failure())),
            None => Ok(None),
        }
    }

    fn spec(&self, job: &Job, tokens: &Tokens) -> SandboxSpec {
        let way = Way { from: job.request.source.platform, to: job.request.destination.platform };
        let container = Container::of(way);
        let secret = |name: &str, token: &Option<Token>| token.clone().map(|token| (name.to_owned(), token));
        let secrets = [secret("HF_TOKEN", &tokens.hf), secret("MODELSCOPE_TOKEN", &tokens.ms)].into_iter().flatten().collect();
        SandboxSpec {
            name: Some(name_of(&job.request.destination)),
            tags: BTreeMap::from([
                (tag::OURS.to_owned(), "1".to_owned()),
                (tag::ID.to_owned(), job.id.clone()),
                (tag::ROLE.to_owned(), "conductor".to_owned()),
                (tag::REQUEST.to_owned(), digest_of(&job.request)),
            ]),
            args: [PROGRAM, "run-job", "--job", JOB].map(str::to_owned).into(),
            secrets,
            milli_cpu: container.milli_cpu,
            memory_mib: container.memory_mib,
            timeout: life(job.max_seconds),
            mounts: Vec::new(),
            regions: Vec::new(),
        }
    }
}

impl Runner for Sandboxed {
    async fn start(&self, job: &Job, tokens: &Tokens, folder: &Folder) -> Result<Started> {
        let worker = find_worker()?;
        let text = serde_json::to_vec(job).map_err(|error| Error::new(ErrorKind::Local, "cannot write the job").because(error))?;
        let client = self.client().await?;
        let files = [
            MountedFile { path: PROGRAM.to_owned(), bytes: worker.bytes, mode: 0o755 },
            MountedFile { path: JOB.to_owned(), bytes: text.into(), mode: 0o644 },
        ];
        let prepared = client.prepare(&files).await?;
        let spec = self.spec(job, tokens);
        let place = |sandbox| Place::Modal { name: name_of(&job.request.destination), sandbox, environment: self.environment() };
        // noted before it is created: should this process end now, it is found by its name
        folder.set_place(&place(None))?;
        let sandbox = client.create(&prepared, &spec).await?;
        if sandbox.attached {
            let tags = client.tags(&sandbox.id).await?;
            match (tags.get(tag::ID), tags.get(tag::REQUEST)) {
                // created by an earlier try of this very start
                (Some(id), _) if *id == job.id => {}
                (Some(id), request) if request == spec.tags.get(tag::REQUEST) => return Ok(Started::Already(id.clone())),
                (id, _) => return Err(busy(job, id.map(String::as_str))),
            }
        }
        let place = place(Some(sandbox.id));
        folder.set_place(&place)?;
        Ok(Started::Here(place))
    }

    async fn is_alive(&self, place: &Place) -> Result<bool> {
        match self.sandbox_at(place).await? {
            Some(sandbox) => match self.client().await?.poll(&sandbox).await {
                Ok(ended) => Ok(ended.is_none()),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
            None => Ok(false),
        }
    }

    async fn cancel(&self, place: &Place) -> Result<()> {
        if let Some(sandbox) = self.sandbox_at(place).await? {
            self.client().await?.terminate(&sandbox).await?;
        }
        Ok(())
    }
}

/// How long a sandbox may live whose process stops by itself after so many seconds: longer than these, as far as Modal lets it.
fn life(max_seconds: Option<u64>) -> Duration {
    max_seconds.map_or(LIFE, |seconds| Duration::from_secs(seconds).saturating_add(LAST_WORD).min(LIFE))
}

fn found(sandbox: Listed, environment: &str) -> Option<Found> {
    let id = sandbox.tags.get(tag::ID)?.clone();
    let place = Place::Modal { name: sandbox.name.unwrap_or_default(), sandbox: Some(sandbox.id), environment: environment.to_owned() };
    Some(Found { id, place, alive: sandbox.ended.is_none() })
}

fn busy(job: &Job, id: Option<&str>) -> Error {
    let error =
        Error::new(ErrorKind::Conflict, "another migration writes to this destination").with("destination", &job.request.destination);
    match id {
        Some(id) => {
            error.with("id", id).hint_to(format!("follow it with `hf2ms status {id} --follow`, or stop it with `hf2ms cancel {id}`"))
        }
        None => error.hint_to("wait until it has ended; its sandbox is in the app hf2ms on Modal's dashboard"),
    }
}

/// The name that everybody who writes to this destination would take: one of them gets it.
fn name_of(destination: &RepoRef) -> String {
    format!("hf2ms-{}-g1", short_digest(destination.to_string().to_lowercase().as_bytes()))
}

fn digest_of(request: &Request) -> String {
    short_digest(serde_json::to_string(request).unwrap_or_default().as_bytes())
}

fn short_digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..10])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_outlives_the_time_of_its_process_as_far_as_modal_lets_it() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(life(None), LIFE);
        assert_eq!(life(Some(7_200)), hours(2) + LAST_WORD);
        for seconds in [1, 60, 3_600, 23 * 3_600, 24 * 3_600 - 1] {
            assert!((Duration::from_secs(seconds)..=LIFE).contains(&life(Some(seconds))), "{seconds}");
        }
        assert_eq!([life(Some(90_000)), life(Some(u64::MAX))], [LIFE, LIFE]);
    }
}
