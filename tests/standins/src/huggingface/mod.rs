//! Hugging Face: the hub's API, its LFS storage and its CDN, each on a port of its own.
//!
//! One file a subject: [`accounts`] and [`access`] (who may what) → [`repo`] (commits and files) → [`routes`] and [`hub`]
//! (a request's way) → [`api_repos`], [`api_read`], [`preupload`], [`lfs`] with [`storage`] and [`assembly`], [`commit`],
//! [`resolve`]. What a test turns is in [`behaviour`], what a client must not do in [`rules`].

mod access;
mod accounts;
mod answers;
mod api_list;
mod api_read;
mod api_repos;
mod assembly;
mod attributes;
mod behaviour;
mod calendar;
mod card;
mod commit;
mod git_door;
mod handle;
mod hub;
mod lfs;
mod licences;
mod limits;
pub mod misfortunes;
mod preupload;
mod repo;
mod resolve;
mod routes;
pub mod rules;
mod storage;

use std::sync::Arc;

pub use accounts::{Role, Scope};
pub use behaviour::{Behaviour, Quirks};
pub use card::Licences;
pub use handle::{CommitInfo, FileInfo, RepoHandle};
pub use repo::{Gated, RepoKind};

use crate::dials::Dials;
use crate::faults::{Faults, Rule};
use crate::journal::Journal;
use crate::marks::{Guard, Marks};
use crate::rig::{CommitMoment, Rig};
use crate::server::Server;
use crate::store::{Sink, Store};
use crate::strict::Strictness;
use hub::Hub;
use repo::{Repo, RepoKey};

/// The origin of the API and of small files.
pub const API: &str = "api";
/// The origin that takes LFS objects.
pub const STORAGE: &str = "storage";
/// The origin that serves large files.
pub const CDN: &str = "cdn";
const ORIGINS: [&str; 3] = [API, STORAGE, CDN];

/// Whose tokens these are.
const HUB: &str = "hf";

/// How a stand-in begins.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// What uploads leave behind.
    pub sink: Sink,
    /// The hub's own dials.
    pub behaviour: Behaviour,
    /// Whether official clients are the peers: what they do beyond our rules is not counted.
    pub lenient_peers: bool,
    /// Secrets, shared with the other hub of the test.
    pub marks: Marks,
}

/// A running hub. Dropping it ends all its connections.
#[derive(Debug)]
pub struct HuggingFace {
    server: Server,
    hub: Arc<Hub>,
}

/// An organisation being set up.
#[derive(Debug)]
pub struct OrgHandle<'h> {
    hf: &'h HuggingFace,
    name: String,
}

impl OrgHandle<'_> {
    /// Adds a member with a role: `admin`, `write`, `contributor`, `read` or `no_access`.
    pub fn member(&self, user: &str, role: &str) -> &Self {
        self.hf.hub.state().accounts.add_member(&self.name, user, role);
        self
    }
}

impl OrgHandle<'_> {
    /// Lets a member write only after a step that they still owe: `mfa`, `sso`, `ip` or `token-policy`.
    pub fn wants(&self, user: &str, step: &str) -> &Self {
        self.hf.hub.state().accounts.owe(&self.name, user, step);
        self
    }
}

impl HuggingFace {
    /// Starts a hub without users or repositories.
    pub fn start(setup: Setup) -> Self {
        let guard = Guard { marks: setup.marks, hub: HUB, homes: &[API], headers: &[("authorization", "Bearer ")], logins: &[] };
        let rig = Arc::new(Rig::new(&ORIGINS, guard));
        rig.strict.set_lenient_peers(setup.lenient_peers);
        let mut made = None;
        let server = Server::start(&rig, &ORIGINS, |addresses| {
            let hub = Arc::new(Hub::new(&rig, addresses));
            hub.store.set_sink(setup.sink);
            hub.set_behaviour(|behaviour| *behaviour = setup.behaviour.clone());
            made = Some(Arc::clone(&hub));
            hub
        });
        Self { server, hub: made.expect("the server makes its hub at once") }
    }

    /// The endpoint, for `HF_ENDPOINT`: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        self.server.addresses().url(API)
    }

    /// The base URL of an origin: [`API`], [`STORAGE`] or [`CDN`].
    pub fn origin(&self, origin: &str) -> String {
        self.server.addresses().url(origin)
    }

    /// Adds a user.
    pub fn user(&self, name: &str) -> &Self {
        self.hub.state().accounts.add_user(name);
        self
    }

    /// Makes a user pay for PRO.
    pub fn pro(&self, name: &str) -> &Self {
        self.hub.state().accounts.set_pro(name);
        self
    }

    /// Adds an organisation.
    pub fn org(&self, name: &str) -> OrgHandle<'_> {
        self.hub.state().accounts.add_org(name);
        OrgHandle { hf: self, name: name.to_owned() }
    }

    /// Issues a token: `hf_` and 34 characters.
    pub fn token(&self, user: &str, role: Role) -> String {
        let token = self.hub.state().accounts.issue(user, role);
        self.hub.rig.guard.marks.token(HUB, &token);
        token
    }

    /// Makes a token worthless.
    pub fn revoke(&self, token: &str) {
        self.hub.state().accounts.revoke(token);
    }

    /// The same, to be called later, from a fault or at a moment.
    pub fn revoking(&self, token: &str) -> impl Fn() + Send + Sync + 'static {
        let (hub, token) = (Arc::clone(&self.hub), token.to_owned());
        move || hub.state().accounts.revoke(&token)
    }

    /// A public repository `namespace/name`, created with its first commit unless it exists. A namespace nobody has becomes
    /// a user's.
    pub fn repo(&self, kind: RepoKind, id: &str) -> RepoHandle {
        let key = RepoKey::new(kind, id);
        let mut state = self.hub.state();
        if !key.namespace().is_empty() && !state.accounts.exists(key.namespace()) {
            state.accounts.add_user(key.namespace());
        }
        let make = || Repo::new(key.clone(), key.namespace(), false);
        state.repos.entry(key.clone()).or_insert_with(make);
        RepoHandle { hub: Arc::clone(&self.hub), key }
    }

    /// Whether a repository exists.
    pub fn repo_exists(&self, kind: RepoKind, id: &str) -> bool {
        self.hub.state().repos.contains_key(&RepoKey::new(kind, id))
    }

    /// Turns the hub's own dials.
    pub fn behaviour(&self, turn: impl FnOnce(&mut Behaviour)) {
        self.hub.set_behaviour(turn);
    }

    /// Open connections to all origins.
    pub fn connections(&self) -> u64 {
        self.hub.rig.connections()
    }

    /// Bandwidth and latency by origin.
    pub fn dials(&self) -> &Dials {
        &self.hub.rig.dials
    }

    /// Misfortunes on demand.
    pub fn faults(&self) -> &Faults {
        &self.hub.rig.faults
    }

    /// Adds a rule for a misfortune.
    pub fn fault(&self, rule: Rule) -> &Self {
        self.hub.rig.faults.add(rule);
        self
    }

    /// Broken rules.
    pub fn strict(&self) -> &Strictness {
        &self.hub.rig.strict
    }

    /// What happened.
    pub fn journal(&self) -> &Journal {
        &self.hub.rig.journal
    }

    /// The blobs of all repositories.
    pub fn store(&self) -> &Store {
        &self.hub.store
    }

    /// Runs a closure once, on the hub's thread, when so many payload bytes have reached the storage.
    pub fn when_uploaded_bytes(&self, bytes: u64, call: Box<dyn FnOnce() + Send>) {
        self.hub.rig.journal.when_uploaded(bytes, call);
    }

    /// Runs a closure once, on the hub's thread, when so many file bytes were served.
    pub fn when_downloaded_bytes(&self, bytes: u64, call: Box<dyn FnOnce() + Send>) {
        self.hub.rig.journal.when_downloaded(bytes, call);
    }

    /// Runs a closure once, on the hub's thread, at a moment of the next commit.
    pub fn when_commit(&self, moment: CommitMoment, call: Box<dyn FnOnce() + Send>) {
        self.hub.rig.moments.when(moment, call);
    }
}
