//! The hub itself: what it keeps, and the way from a request to the call that answers it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use super::accounts::{Accounts, Caller, Credentials};
use super::behaviour::{Behaviour, Dedup};
use super::envelope::{Refusal, Stop};
use super::keys::Keys;
use super::repo::{ReadBack, Repo, RepoKey, RepoKind, Visibility};
use super::routes::{Address, CDN, Call, LFS};
use super::watch::Watch;
use super::{api, rules};
use crate::git::Shelf;
use crate::rig::Rig;
use crate::server::{Gone, Request, Response, Route, Service};
use crate::store::{Intake, Store};

/// Everything under one lock: who is who and what is where.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) accounts: Accounts,
    pub(super) repos: BTreeMap<RepoKey, Repo>,
    pub(super) watch: Watch,
    /// Broken uploads whose bytes were kept, by oid.
    pub(super) partial: HashMap<String, Intake>,
    /// Objects that arrived without their sender hearing of it, or that were collected since.
    pub(super) unheard: HashSet<String>,
    /// Objects that were collected, and which nobody has missed yet.
    pub(super) collected: HashSet<String>,
    /// Whether a test has added files that no commit holds yet.
    pub(super) unsettled: bool,
    next_id: u64,
}

impl State {
    /// The number of the next repository.
    pub(super) fn number(&mut self) -> u64 {
        self.next_id += 1;
        100_000 + self.next_id
    }

    /// Commits what a test has added, before anybody looks.
    fn settle(&mut self) {
        if std::mem::take(&mut self.unsettled) {
            self.repos.values_mut().for_each(|repo| repo.settle("Add files"));
        }
    }

    pub(super) fn key_of(&self, address: &Address) -> Option<RepoKey> {
        match address {
            Address::Named(kind, name) => Some((*kind, name.clone())),
            Address::Numbered(id) => {
                let found = self.repos.values().find(|repo| repo.kind == RepoKind::Dataset && repo.id == *id);
                found.map(Repo::key)
            }
        }
    }

    /// The repository if the caller may see it. Otherwise it does not exist (facts/modelscope §2.1, 404).
    pub(super) fn readable(&self, address: &Address, caller: &Caller) -> Result<&Repo, Refusal> {
        caller.reader()?;
        let repo = self.key_of(address).and_then(|key| self.repos.get(&key));
        repo.filter(|repo| !repo.quirks.gone && self.may_see(repo, caller)).ok_or_else(|| Refusal::missing("the repository"))
    }

    /// The repository if the caller may write to it.
    pub(super) fn writable(&mut self, address: &Address, caller: &Caller) -> Result<&mut Repo, Refusal> {
        let owner = self.readable(address, caller)?.owner.clone();
        let known = caller.writer()?;
        if !self.accounts.belongs(&known.user, &owner) {
            return Err(Refusal::forbidden("no write permission to repository"));
        }
        let key = self.key_of(address);
        key.and_then(|key| self.repos.get_mut(&key)).ok_or_else(|| Refusal::missing("the repository"))
    }

    /// Whether the repository shows itself at all to this caller.
    pub(super) fn may_see(&self, repo: &Repo, caller: &Caller) -> bool {
        match repo.visibility {
            Visibility::Public => true,
            Visibility::Internal => caller.name().is_some(),
            // A gated repository can be found by everyone; only its files wait for approval.
            Visibility::Private => repo.gated || self.owns(repo, caller),
        }
    }

    /// Whether the repository's files are open to this caller.
    pub(super) fn opens(&self, repo: &Repo, caller: &Caller) -> Result<(), Refusal> {
        if repo.gated && !self.owns(repo, caller) {
            return Err(Refusal::forbidden("access to this repository must be approved by its owner"));
        }
        Ok(())
    }

    fn owns(&self, repo: &Repo, caller: &Caller) -> bool {
        caller.name().is_some_and(|name| self.accounts.belongs(name, &repo.owner))
    }
}

/// One ModelScope.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) rig: Arc<Rig>,
    pub(super) lfs: String,
    pub(super) cdn: String,
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) shelf: Shelf,
    state: Mutex<State>,
    behaviour: Mutex<Behaviour>,
}

impl Hub {
    pub(super) fn new(rig: &Arc<Rig>, lfs: String, cdn: String) -> Self {
        let (store, keys, shelf, state, behaviour) = Default::default();
        Self { rig: Arc::clone(rig), lfs, cdn, store, keys, shelf, state, behaviour }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How the hub behaves now.
    pub(super) fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }

    pub(super) fn set_behaviour(&self, turn: impl FnOnce(&mut Behaviour)) {
        turn(&mut self.behaviour.lock().unwrap());
    }

    /// Whether an upload to this repository would be of something stored already: same oid, same size, and close enough.
    pub(super) fn has_object(&self, state: &State, repo: &RepoKey, oid: &str, size: u64) -> bool {
        if self.store.get(oid).is_none_or(|blob| blob.size != size) {
            return false;
        }
        let holds = |repo: &Repo| repo.objects.contains(oid);
        let owner = |key: &RepoKey| key.1.split('/').next().unwrap_or_default().to_owned();
        match self.behaviour().dedup {
            Dedup::Global => true,
            Dedup::PerOwner => state.repos.iter().any(|(key, other)| owner(key) == owner(repo) && holds(other)),
            Dedup::PerRepo => state.repos.get(repo).is_some_and(holds),
        }
    }

    /// Counts a write to a fresh repository whose visibility nobody has read back, once.
    pub(super) fn expect_read_back(&self, repo: &mut Repo) {
        if repo.read_back == ReadBack::Pending {
            repo.read_back = ReadBack::Done;
            self.rig.strict.broken(rules::NO_READ_BACK, repo.full_name());
        }
    }

    /// Counts an action that trusts a listing which may have been cut off, once.
    pub(super) fn expect_full_listing(&self, state: &mut State, repo: &RepoKey) {
        if state.watch.trusts_capped(repo) {
            self.rig.strict.broken(rules::CAPPED_LISTING_TRUSTED, &repo.1);
        }
    }

    /// What every request is held to, whatever it wants.
    fn inspect(&self, request: &Request) {
        let mut state = self.state();
        state.settle();
        let mut parts = request.query.iter().flat_map(|(name, value)| [name, value]).chain([request.path.as_str()]);
        if parts.any(|part| state.accounts.gives_away(part)) {
            self.rig.strict.broken(rules::TOKEN_IN_URL, request.route.name);
        }
        let is_legacy = request.origin == LFS || request.path.starts_with("/api/v1/");
        if is_legacy && Credentials::of(request).are_half() {
            self.rig.strict.broken(rules::HALF_CREDENTIALS, request.route.name);
        }
    }
}

impl Service for Hub {
    fn route(&self, origin: &'static str, method: &str, path: &str) -> Route {
        Call::of(origin, method, path).route()
    }

    fn unreadable(&self, origin: &'static str, why: &str) {
        if origin == LFS {
            self.rig.strict.broken(rules::PUT_PROTOCOL, why);
        }
    }

    async fn answer(&self, request: &mut Request) -> Result<Response, Gone> {
        self.inspect(request);
        let call = Call::of(request.origin, &request.method, &request.path);
        if let (CDN, Call::Object(sha256)) = (request.origin, &call) {
            return Ok(api::cdn::object(self, request, sha256));
        }
        if let Some(refusal) = api::git_door::locked(self, &call) {
            return Ok(refusal.legacy());
        }
        let caller = self.state().accounts.caller(&Credentials::of(request));
        let is_open = request.path.starts_with("/openapi/");
        match api::answer(self, request, call, &caller).await {
            Ok(response) => Ok(response),
            Err(Stop::Gone) => Err(Gone),
            Err(Stop::Refused(refusal)) if is_open => Ok(refusal.openapi()),
            Err(Stop::Refused(refusal)) => Ok(refusal.legacy()),
        }
    }
}
