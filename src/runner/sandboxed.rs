//! The conductor as a sandbox of Modal: its name is the lock of the destination, its job a mounted file, its tokens secrets, its
//! standard output the events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::modal::{Listed, ModalClient, SandboxSpec, Shelf, find_worker};
use super::names::tag;
use super::{Place, Runner, Started, conductor_spec, names, workers};
use crate::config::{Config, ModalSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Folder;
use crate::protocol::Job;
use crate::secret::Tokens;

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
    /// Which conductor of its migration it is, counted from 1.
    pub generation: u32,
    /// Where it runs or ran.
    pub place: Place,
    /// Whether it runs.
    pub alive: bool,
}

impl Found {
    /// The id of its sandbox.
    pub(super) fn sandbox(&self) -> Option<&str> {
        match &self.place {
            Place::Modal { sandbox, .. } => sandbox.as_deref(),
            Place::Local { .. } => None,
        }
    }
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
        listed(self.client().await?, id, &self.environment()).await
    }

    /// The conductors of the migration that runs or ran at a place, the newest first.
    pub(super) async fn conductors_of(&self, place: &Place) -> Result<Vec<Found>> {
        match place {
            Place::Modal { migration, environment, .. } => listed(&self.client_at(place).await?, Some(migration), environment).await,
            Place::Local { .. } => Ok(Vec::new()),
        }
    }

    /// The client for what runs at a place, which may be in another environment than the one that is configured now.
    pub(super) async fn client_at(&self, place: &Place) -> Result<ModalClient> {
        let client = self.client().await?;
        Ok(match place {
            Place::Modal { environment, .. } => client.of_environment(environment),
            Place::Local { .. } => client.clone(),
        })
    }

    fn environment(&self) -> String {
        self.settings.as_ref().map(|settings| settings.environment.clone()).unwrap_or_default()
    }

    /// The id of the sandbox at a place; looked up where the process that created it did not live to note it. Its name follows from the
    /// destination, so it may be that of another migration before or after this one: that is no answer.
    pub(super) async fn sandbox_at(&self, place: &Place) -> Result<Option<String>> {
        let Place::Modal { name, migration, sandbox, .. } = place else { return Ok(None) };
        if sandbox.is_some() {
            return Ok(sandbox.clone());
        }
        let client = self.client_at(place).await?;
        if let Some(named) = client.find(name).await?
            && tags_of(&client, &named).await?.get(tag::ID) == Some(migration)
        {
            return Ok(Some(named));
        }
        let generation = names::generation_in(name).unwrap_or(1);
        let found = self.conductors_of(place).await?.into_iter().find(|found| found.generation == generation);
        Ok(found.and_then(|found| found.sandbox().map(str::to_owned)))
    }

    /// What ended the sandbox at a place, if it ended badly.
    pub(super) async fn failure(&self, place: &Place) -> Result<Option<Error>> {
        match self.sandbox_at(place).await? {
            Some(sandbox) => Ok(self.client_at(place).await?.poll(&sandbox).await?.and_then(|ended| ended.failure())),
            None => Ok(None),
        }
    }

    /// The conductor that writes to the destination already, if there is one. Its own name would not tell: one that succeeds another has a
    /// name of its own.
    async fn writing(&self, client: &ModalClient, job: &Job, spec: &SandboxSpec) -> Result<Option<Started>> {
        let tags = names::of_conductors(&names::of_destination(job));
        match client.list(&tags, false).await?.into_iter().next() {
            Some(conductor) => already(job, spec, &conductor.tags).map(Some),
            None => Ok(None),
        }
    }
}

impl Runner for Sandboxed {
    async fn start(&self, job: &Job, tokens: &Tokens, folder: &Folder) -> Result<Started> {
        let program = find_worker(Some(Shelf { home: &self.home, say: self.say })).await?.mounted()?;
        let client = self.client().await?;
        let settings = self.settings()?;
        let spec = conductor_spec::spec(job, tokens, settings);
        if let Some(started) = self.writing(client, job, &spec).await? {
            return Ok(started);
        }
        let mounted = Job { modal: (job.workers > 0).then(|| settings.address()), ..job.clone() };
        let prepared = client.prepare(&conductor_spec::files(&mounted, program)?).await?;
        let name = spec.name.clone().unwrap_or_default();
        let place = |sandbox| Place::Modal { name: name.clone(), migration: job.id.clone(), sandbox, environment: self.environment() };
        // noted before it is created: should this process end now, it is found by its name
        folder.set_place(&place(None))?;
        let sandbox = client.create(&prepared, &spec).await?;
        if sandbox.attached {
            let tags = client.tags(&sandbox.id).await?;
            // or created by an earlier try of this very start
            if tags.get(tag::ID) != Some(&job.id) {
                return already(job, &spec, &tags);
            }
        }
        let place = place(Some(sandbox.id));
        folder.set_place(&place)?;
        Ok(Started::Here(place))
    }

    async fn is_alive(&self, place: &Place) -> Result<bool> {
        match self.sandbox_at(place).await? {
            Some(sandbox) => match self.client_at(place).await?.poll(&sandbox).await {
                Ok(ended) => Ok(ended.is_none()),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
            None => Ok(false),
        }
    }

    async fn cancel(&self, place: &Place) -> Result<()> {
        let Place::Modal { name, migration, .. } = place else { return Ok(()) };
        let client = self.client_at(place).await?;
        let mut destination = names::destination_in(name).map(str::to_owned);
        // conductors first, because they would start others in the place of those that end
        if let Some(sandbox) = self.sandbox_at(place).await? {
            client.terminate(&sandbox).await?;
            let tags = tags_of(&client, &sandbox).await?;
            destination = destination.or_else(|| tags.get(tag::TO).cloned());
        }
        let Some(destination) = destination else { return Ok(()) };
        let mut others = false;
        for conductor in client.list(&names::of_conductors(&destination), false).await? {
            // it may have started its successor a moment before
            match conductor.tags.get(tag::ID) == Some(migration) {
                true => client.terminate(&conductor.id).await.map(|_| ())?,
                false => others = true,
            }
        }
        // where another migration has begun in its place, the workers are that one's
        if others { Ok(()) } else { workers::end_all(&client, &destination).await }
    }
}

/// A sandbox's tags; none where Modal does not know it any more.
async fn tags_of(client: &ModalClient, sandbox: &str) -> Result<BTreeMap<String, String>> {
    match client.tags(sandbox).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        tags => tags,
    }
}

/// The conductors of one migration, or of all, the newest first, finished ones too.
async fn listed(client: &ModalClient, id: Option<&str>, environment: &str) -> Result<Vec<Found>> {
    let mut tags = BTreeMap::from([(tag::OURS.to_owned(), "1".to_owned()), (tag::ROLE.to_owned(), "conductor".to_owned())]);
    tags.extend(id.map(|id| (tag::ID.to_owned(), id.to_owned())));
    Ok(client.list(&tags, true).await?.into_iter().filter_map(|sandbox| found(sandbox, environment)).collect())
}

fn found(sandbox: Listed, environment: &str) -> Option<Found> {
    let id = sandbox.tags.get(tag::ID)?.clone();
    let place = Place::Modal {
        name: sandbox.name.unwrap_or_default(),
        migration: id.clone(),
        sandbox: Some(sandbox.id),
        environment: environment.to_owned(),
    };
    let generation = sandbox.tags.get(tag::GENERATION).and_then(|number| number.parse().ok()).unwrap_or(1);
    Some(Found { id, generation, place, alive: sandbox.ended.is_none() })
}

/// What it means that a conductor with these tags writes to the destination.
fn already(job: &Job, spec: &SandboxSpec, tags: &BTreeMap<String, String>) -> Result<Started> {
    let same = tags.get(tag::REQUEST) == spec.tags.get(tag::REQUEST);
    match tags.get(tag::ID) {
        Some(id) => Ok(Started::Already { id: id.clone(), same }),
        None => Err(Error::new(ErrorKind::Conflict, "another migration writes to this destination")
            .with("destination", &job.request.destination)
            .hint_to("wait until it has ended; its sandbox is in the app hf2ms on Modal's dashboard")),
    }
}
