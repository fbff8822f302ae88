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

    /// The conductor that writes to the destination already, if there is one. Its own name would not tell: one that succeeds another has a
    /// name of its own.
    async fn writing(&self, client: &ModalClient, job: &Job, spec: &SandboxSpec) -> Result<Option<Started>> {
        let tags = names::of_conductors(&names::of_destination(&job.request.destination));
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
        let place = |sandbox| Place::Modal { name: name.clone(), sandbox, environment: self.environment() };
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
        let mut destination = names::destination_in(name).map(str::to_owned);
        // conductors first, because they would start others in the place of those that end
        if let Some(sandbox) = self.sandbox_at(place).await? {
            client.terminate(&sandbox).await?;
            let tags = match client.tags(&sandbox).await {
                // Modal does not know it any more; its workers may run all the same
                Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
                tags => tags?,
            };
            destination = destination.or_else(|| tags.get(tag::TO).cloned());
            // it may have started its successor a moment before
            if let Some((id, destination)) = tags.get(tag::ID).zip(destination.as_deref()) {
                let mut same = names::of_conductors(destination);
                same.insert(tag::ID.to_owned(), id.clone());
                for successor in client.list(&same, false).await? {
                    client.terminate(&successor.id).await?;
                }
            }
        }
        match destination {
            Some(destination) => workers::end_all(client, &destination).await,
            None => Ok(()),
        }
    }
}

fn found(sandbox: Listed, environment: &str) -> Option<Found> {
    let id = sandbox.tags.get(tag::ID)?.clone();
    let place = Place::Modal { name: sandbox.name.unwrap_or_default(), sandbox: Some(sandbox.id), environment: environment.to_owned() };
    let generation = sandbox.tags.get(tag::GENERATION).and_then(|number| number.parse().ok()).unwrap_or(1);
    Some(Found { id, generation, place, alive: sandbox.ended.is_none() })
}

/// What it means that a conductor with these tags writes to the destination.
fn already(job: &Job, spec: &SandboxSpec, tags: &BTreeMap<String, String>) -> Result<Started> {
    match (tags.get(tag::ID), tags.get(tag::REQUEST)) {
        (Some(id), request) if request == spec.tags.get(tag::REQUEST) => Ok(Started::Already(id.clone())),
        (id, _) => Err(busy(job, id.map(String::as_str))),
    }
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
