//! ModelScope: the API, its upload gateway and its CDN, each on a port of its own.
//!
//! It speaks both surfaces, `/api/v1` and `/openapi/v1`, as facts/modelscope describes them. One file a subject:
//! [`accounts`] (who is who) → [`repo`] with [`tree`] (commits and files) → [`routes`] and [`hub`] (a request's way) →
//! [`api`], one file a group of calls, with [`action`] and [`judge`] behind the commit and [`keys`] behind the CDN. What a
//! test turns is in [`behaviour`], what a client must not do in [`rules`], ready-made failures in [`misfortunes`].

mod accounts;
mod action;
mod api;
mod behaviour;
mod envelope;
mod form;
mod handle;
mod hub;
mod judge;
mod keys;
pub mod misfortunes;
mod repo;
mod routes;
pub mod rules;
mod tree;
mod watch;

use std::sync::Arc;

pub use accounts::Tier;
pub use behaviour::{Behaviour, CreateOnExisting, Dedup, MissingFile, Quirks, Site, Throttle, Throttled};
pub use handle::{CommitInfo, FileInfo, RepoHandle};
pub use repo::{RepoKind, Visibility};
pub use routes::{API, CDN, LFS};

use crate::dials::Dials;
use crate::faults::{Faults, Rule};
use crate::journal::Journal;
use crate::marks::{Guard, Marks};
use crate::rig::{CommitMoment, Rig};
use crate::server::Server;
use crate::store::{Sink, Store};
use crate::strict::Strictness;
use hub::Hub;
use repo::Repo;
use routes::ORIGINS;

/// Whose tokens these are.
const HUB: &str = "ms";

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
pub struct ModelScope {
    server: Server,
    hub: Arc<Hub>,
}

/// An organisation being set up.
#[derive(Debug)]
pub struct OrgHandle<'m> {
    ms: &'m ModelScope,
    name: String,
}

impl OrgHandle<'_> {
    /// Adds a member, who may write in this namespace.
    pub fn member(&self, user: &str) -> &Self {
        self.ms.hub.state().accounts.add_member(&self.name, user);
        self
    }
}

impl ModelScope {
    /// Starts a hub without users or repositories.
    pub fn start(setup: Setup) -> Self {
        let guard = Guard {
            marks: setup.marks,
            hub: HUB,
            homes: &[API, LFS],
            headers: &[("authorization", "Bearer "), ("cookie", "m_session_id=")],
            logins: &["login"],
        };
        let rig = Arc::new(Rig::new(&ORIGINS, guard));
        rig.strict.set_lenient_peers(setup.lenient_peers);
        let mut made = None;
        let server = Server::start(&rig, &ORIGINS, |addresses| {
            let hub = Arc::new(Hub::new(&rig, addresses.url(LFS), addresses.url(CDN)));
            hub.store.set_sink(setup.sink);
            hub.set_behaviour(|behaviour| *behaviour = setup.behaviour.clone());
            made = Some(Arc::clone(&hub));
            hub
        });
        Self { server, hub: made.expect("the server makes its hub at once") }
    }

    /// The endpoint, for `MODELSCOPE_ENDPOINT`: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        self.server.addresses().url(API)
    }

    /// The base URL of an origin: [`API`], [`LFS`] or [`CDN`].
    pub fn origin(&self, origin: &str) -> String {
        self.server.addresses().url(origin)
    }

    /// Adds a user.
    pub fn user(&self, name: &str) -> &Self {
        self.hub.state().accounts.add_user(name);
        self
    }

    /// Adds an organisation.
    pub fn org(&self, name: &str) -> OrgHandle<'_> {
        self.hub.state().accounts.add_org(name);
        OrgHandle { ms: self, name: name.to_owned() }
    }

    /// Issues a token: `ms-` and a UUID. A user nobody knows is made.
    pub fn token(&self, user: &str, tier: Tier) -> String {
        let token = self.hub.state().accounts.issue(user, tier);
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

    /// A public repository `namespace/name`, created with the files a fresh one has (`.gitattributes`, `README.md`) unless
    /// it exists. A namespace nobody has becomes a user's.
    pub fn repo(&self, kind: RepoKind, id: &str) -> RepoHandle {
        let behaviour = self.hub.behaviour();
        let key = (kind, id.to_owned());
        let (owner, name) = id.split_once('/').expect("an id is `namespace/name`");
        let mut state = self.hub.state();
        if !state.accounts.is_namespace(owner) {
            state.accounts.add_user(owner);
        }
        if !state.repos.contains_key(&key) {
            let files = api::fresh_files(kind, name, &behaviour);
            let repo = Repo::new(state.number(), kind, id, Visibility::Public, &files);
            state.repos.insert(key.clone(), repo);
        }
        RepoHandle { hub: Arc::clone(&self.hub), key }
    }

    /// Whether a repository exists.
    pub fn repo_exists(&self, kind: RepoKind, id: &str) -> bool {
        self.hub.state().repos.contains_key(&(kind, id.to_owned()))
    }

    /// Turns the hub's own dials.
    pub fn behaviour(&self, turn: impl FnOnce(&mut Behaviour)) {
        self.hub.set_behaviour(turn);
    }

    /// Lets every `auth_key` given out so far run out.
    pub fn expire_auth_keys(&self) {
        self.hub.keys.expire_all();
    }

    /// Open connections to all origins.
    pub fn connections(&self) -> u64 {
        self.hub.rig.connections()
    }

    /// Bandwidth and latency by origin.
    pub fn dials(&self) -> &Dials {
        &self.hub.rig.dials
    }

    /// Misfortunes on demand. The routes: `login me organizations login-info brief acceleration index list-datasets
    /// open-info info create set-visibility delete revisions commits files tree download resolve tag batch commit`, on
    /// [`LFS`] `put`, on [`CDN`] `object`.
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

    /// Runs a closure once, on the hub's thread, when so many payload bytes have reached the gateway.
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
