//! What Modal keeps, and what its rooms share.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tonic::{Code, Status};

use super::behaviour::{Behaviour, Generation};
use super::files::Files;
use super::gate::Keys;
use super::ids::{self, Ids};
use super::misfortunes::retry_policy;
use super::process::{Doze, Reaper};
use super::rules;
use super::sandbox::{Ending, Mounted, Sandbox};
use super::serve::Lines;
use super::tokens::Tokens;
use crate::rig::Rig;
use crate::strict::RuleName;

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// An app that was made.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) environment: String,
    pub(super) stopped: bool,
}

/// An image, once per recipe.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) id: String,
    pub(super) recipe: Vec<u8>,
    pub(super) begun: Instant,
    /// Whether somebody was told that it is built.
    pub(super) seen: bool,
}

/// A blob that was announced.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) md5: String,
    pub(super) length: u64,
    pub(super) signature: String,
    /// The SHA-256 of what was uploaded.
    pub(super) uploaded: Option<String>,
}

/// How the next sandbox of some name ends.
#[derive(Clone, Debug)]
pub(super) struct Doom {
    pub(super) name: String,
    pub(super) after: u64,
    pub(super) ending: Ending,
}

/// Everything under one lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tokens: Tokens,
    pub(super) environments: BTreeSet<String>,
    pub(super) apps: Vec<App>,
    pub(super) images: Vec<Image>,
    pub(super) blobs: HashMap<String, Blob>,
    pub(super) mounts: HashMap<String, Vec<Mounted>>,
    pub(super) secrets: HashMap<String, BTreeMap<String, String>>,
    pub(super) sandboxes: Vec<Arc<Sandbox>>,
    pub(super) dooms: Vec<Doom>,
    /// How the next sandbox of some name is let run.
    pub(super) dozes: Vec<(String, Doze)>,
    /// Contents that are there and that so many more questions hear nothing of.
    pub(super) late: HashMap<String, u32>,
    /// How often a content was said not to be there, less what was sent since: so many clients may send it, whoever is first.
    pub(super) wanted: HashMap<String, u32>,
    last_created: f64,
}

impl State {
    /// A moment of creation, later than every one before.
    pub(super) fn moment(&mut self) -> f64 {
        self.last_created = now().max(self.last_created + 1e-5);
        self.last_created
    }

    /// The sandboxes that have not ended.
    pub(super) fn living(&self) -> impl Iterator<Item = &Arc<Sandbox>> {
        self.sandboxes.iter().filter(|sandbox| sandbox.ending().is_none())
    }

    /// The living sandbox of this name.
    pub(super) fn named(&self, app_id: &str, name: &str) -> Option<&Arc<Sandbox>> {
        self.living().find(|sandbox| sandbox.app_id == app_id && sandbox.name().as_deref() == Some(name))
    }

    /// What the next sandbox of this name is doomed to, once.
    pub(super) fn doom(&mut self, name: &str) -> Option<(u64, Ending)> {
        let at = self.dooms.iter().position(|doom| name.contains(&doom.name))?;
        let doom = self.dooms.remove(at);
        Some((doom.after, doom.ending))
    }

    /// How the next sandbox of this name is let run, once.
    pub(super) fn doze(&mut self, name: &str) -> Option<Doze> {
        let at = self.dozes.iter().position(|(part, _)| name.contains(part))?;
        Some(self.dozes.remove(at).1)
    }
}

/// How many containers there are, and those who wait for one to go.
#[derive(Debug, Default)]
pub(super) struct Room {
    taken: Mutex<usize>,
    freed: Notify,
}

/// The room of one container, given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap() -= 1;
        self.0.freed.notify_waiters();
    }
}

impl Room {
    /// A place, if one is free.
    pub(super) fn take(self: &Arc<Self>, capacity: Option<usize>) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap();
        if capacity.is_some_and(|capacity| *taken >= capacity) {
            return None;
        }
        *taken += 1;
        Some(Place(Arc::clone(self)))
    }

    /// A place as soon as one is free.
    pub(super) async fn wait(self: &Arc<Self>, capacity: impl Fn() -> Option<usize>) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.take(capacity()) {
                return place;
            }
            freed.await;
        }
    }

    /// Lets those who wait look again.
    pub(super) fn look_again(&self) {
        self.freed.notify_waiters();
    }
}

/// Where the origins listen.
#[derive(Debug)]
pub(super) struct Urls {
    pub(super) control: String,
    pub(super) router: String,
    pub(super) blobs: String,
}

/// One Modal.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) rig: Arc<Rig>,
    pub(super) urls: Urls,
    pub(super) workspace: String,
    pub(super) ids: Ids,
    pub(super) keys: Keys,
    pub(super) lines: Lines,
    pub(super) room: Arc<Room>,
    // before the folder, so that nothing runs in it any more when it goes
    pub(super) reaper: Reaper,
    pub(super) files: Files,
    state: Mutex<State>,
    behaviour: Mutex<Behaviour>,
}

impl Hub {
    pub(super) fn new(rig: &Arc<Rig>, urls: Urls, workspace: String, files: Files, behaviour: Behaviour) -> Self {
        let reaper = Reaper::start(files.folder());
        let (ids, keys, lines, room, state) = Default::default();
        Self { rig: Arc::clone(rig), urls, workspace, ids, keys, lines, room, reaper, files, state, behaviour: Mutex::new(behaviour) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }

    pub(super) fn set_behaviour(&self, turn: impl FnOnce(&mut Behaviour)) {
        turn(&mut self.behaviour.lock().unwrap());
        self.room.look_again();
    }

    /// Counts a broken rule.
    pub(super) fn broken(&self, rule: RuleName, detail: impl Into<String>) {
        self.rig.strict.broken(rule, detail);
    }

    /// Counts a broken rule and gives the status that refuses it.
    pub(super) fn refuse(&self, rule: RuleName, code: Code, why: impl Into<String>) -> Status {
        let why = why.into();
        self.broken(rule, why.as_str());
        Status::new(code, why)
    }

    /// Counts an id that nobody has given out.
    pub(super) fn unknown(&self, what: &str, id: &str) -> Status {
        self.refuse(rules::UNKNOWN_ID, Code::NotFound, format!("{what} `{id}` not found"))
    }

    /// The status of a full house.
    pub(super) fn full(&self) -> Status {
        let message = "no capacity for another sandbox";
        match self.behaviour().capacity_retry_after {
            Some(seconds) => Status::with_details(Code::ResourceExhausted, message, retry_policy(message, seconds).into()),
            None => Status::resource_exhausted(message),
        }
    }

    /// The environment meant by a name; none is the default one.
    pub(super) fn environment(&self, name: &str) -> Result<String, Status> {
        let name = if name.is_empty() { super::DEFAULT_ENVIRONMENT } else { name };
        let known = self.state().environments.contains(name);
        if known { Ok(name.to_owned()) } else { Err(Status::not_found(format!("Environment '{name}' not found"))) }
    }

    /// An app that was made and not stopped.
    pub(super) fn app(&self, id: &str) -> Result<App, Status> {
        let app = self.state().apps.iter().find(|app| app.id == id).cloned();
        match app {
            None => Err(self.unknown("app", id)),
            Some(app) if app.stopped => Err(Status::failed_precondition(format!("App {id} is stopped"))),
            Some(app) => Ok(app),
        }
    }

    /// A sandbox, asked for with a call of this generation.
    pub(super) fn sandbox(&self, id: &str, generation: Generation) -> Result<Arc<Sandbox>, Status> {
        let shape = if ids::is_v1_sandbox(id) { Generation::V1 } else { Generation::V2 };
        if shape != generation {
            let why = format!("{generation:?} call for the {shape:?} sandbox {id}");
            return Err(self.refuse(rules::WRONG_GENERATION, Code::NotFound, why));
        }
        let found = self.state().sandboxes.iter().find(|sandbox| sandbox.id == id).cloned();
        found.ok_or_else(|| Status::not_found(format!("Sandbox {id} not found")))
    }

    /// A sandbox by its task.
    pub(super) fn task(&self, id: &str) -> Result<Arc<Sandbox>, Status> {
        let found = self.state().sandboxes.iter().find(|sandbox| sandbox.task_id == id).cloned();
        found.ok_or_else(|| Status::not_found(format!("Task {id} not found")))
    }
}
