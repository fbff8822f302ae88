//! The conductor as a sandbox of Modal: its name is the lock of the destination, its job a mounted file, its tokens secrets, its
//! standard output the events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::modal::{Listed, ModalClient, MountedFile, SandboxSpec, Shelf, find_worker};
use super::names::{JOB, PROGRAM, tag};
use super::{Place, Runner, Started, names, workers};
use crate::config::{Config, ModalSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Folder;
use crate::plan::modal::Container;
use crate::plan::rates::Way;
use crate::protocol::{Job, Request};
use crate::secret::{Token, Tokens};

/// As long as Modal lets a sandbox live.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than its process may take a sandbox lives, so that a commit under way and the last word fit in.
const LAST_WORD: Duration = Duration::from_secs(15 * 60);

/// The runner in the cloud. Connects once it is used.
#[derive(Clone, Debug)]
pub struct Sandboxed {
    settings: Result<Box<ModalSettings>, Arc<Error>>,
    client: Arc<OnceCell<ModalClient>>,
    /// The state folder.
    home: PathBuf,
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
        Self {
            settings: config.modal_settings().map(Box::new).map_err(Arc::new),
            client: Arc::default(),
            home: config.home.clone(),
            say: config.say,
        }
    }

    /// The client, connected.
    ///
    /// Fails with `Unauthorized` without tokens, with `Usage` when what is configured is wrong, with `Unavailable` when Modal cannot be reached.
    pub async fn client(&self) -> Result<&ModalClient> {
        let settings = self.settings()?;
        let client = self.client.get_or_try_init(|| ModalClient::connect(settings)).await?;
        client.tell_to(self.say);
        Ok(client)
    }

    fn settings(&self) -> Result<&ModalSettings> {
        self.settings.as_deref().map_err(|error| Error::from(crate::error::ErrorReport::from(error.as_ref())))
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

    /// The sandbox of a conductor. Where it has workers to start it is given the pair of Modal's tokens, and only then.
    fn spec(job: &Job, tokens: &Tokens, settings: &ModalSettings) -> SandboxSpec {
        let way = Way { from: job.request.source.platform, to: job.request.destination.platform };
        let container = Container::of(way);
        let secret = |name: &str, token: &Option<Token>| token.clone().map(|token| (name.to_owned(), token));
        let mut secrets: BTreeMap<_, _> =
            [secret("HF_TOKEN", &tokens.hf), secret("MODELSCOPE_TOKEN", &tokens.ms)].into_iter().flatten().collect();
        if job.workers > 0 {
            secrets.insert("MODAL_TOKEN_ID".to_owned(), settings.token_id.clone());
            secrets.insert("MODAL_TOKEN_SECRET".to_owned(), settings.token_secret.clone());
        }
        SandboxSpec {
            name: Some(names::of_conductor(&job.request.destination)),
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
        let program = find_worker(Some(Shelf { home: &self.home, say: self.say })).await?.mounted()?;
        let client = self.client().await?;
        let settings = self.settings()?;
        let mounted = Job { modal: (job.workers > 0).then(|| settings.address()), ..job.clone() };
        let text = serde_json::to_vec(&mounted).map_err(|error| Error::new(ErrorKind::Local, "cannot write the job").because(error))?;
        let files = [program, MountedFile { path: JOB.to_owned(), bytes: text.into(), mode: 0o644 }];
        let prepared = client.prepare(&files).await?;
        let spec = Self::spec(job, tokens, settings);
        let place =
            |sandbox| Place::Modal { name: names::of_conductor(&job.request.destination), sandbox, environment: self.environment() };
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
        let Place::Modal { name, .. } = place else { return Ok(()) };
        let client = self.client().await?;
        // first, because it would start others in the place of those that end
        if let Some(sandbox) = self.sandbox_at(place).await? {
            client.terminate(&sandbox).await?;
        }
        match names::destination_in(name) {
            Some(destination) => workers::end_all(client, destination).await,
            None => Ok(()),
        }
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

fn digest_of(request: &Request) -> String {
    names::digest(serde_json::to_string(request).unwrap_or_default().as_bytes())
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
