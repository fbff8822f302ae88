//! The hub's mind: one state for all origins, and the way of every request through it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::accounts::{Accounts, Caller};
use super::behaviour::Behaviour;
use super::lfs::Uploads;
use super::limits::{Left, Limits};
use super::repo::{Repo, RepoKey};
use super::routes::{self, Target};
use super::{API, CDN, STORAGE, answers, rules};
use crate::content::Content;
use crate::git::{self, Shelf};
use crate::rig::Rig;
use crate::server::{Addresses, Gone, Request, Response, Route, Service};
use crate::signing::Signer;
use crate::store::Store;

/// Everything the hub remembers. Never locked across a wait.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) accounts: Accounts,
    pub(super) repos: BTreeMap<RepoKey, Repo>,
    /// Old address → new.
    pub(super) moved: HashMap<RepoKey, RepoKey>,
    pub(super) uploads: Uploads,
    pub(super) limits: Limits,
    /// Downloads that give other bytes than they should, by CDN path.
    pub(super) mixed_up: HashMap<String, Content>,
    /// When an expired URL was refused first, by signature.
    pub(super) expired: HashMap<String, Instant>,
}

impl State {
    /// The repository, with what a test has put there committed.
    pub(super) fn repo(&mut self, key: &RepoKey) -> Option<&mut Repo> {
        let repo = self.repos.get_mut(key)?;
        repo.settle("Add files");
        Some(repo)
    }
}

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) rig: Arc<Rig>,
    pub(super) api: String,
    pub(super) storage: String,
    pub(super) cdn: String,
    pub(super) signer: Signer,
    pub(super) store: Store,
    pub(super) shelf: Shelf,
    behaviour: Mutex<Behaviour>,
    state: Mutex<State>,
    serial: AtomicU64,
}

impl Hub {
    pub(super) fn new(rig: &Arc<Rig>, addresses: &Addresses) -> Self {
        Self {
            rig: Arc::clone(rig),
            api: addresses.url(API),
            storage: addresses.url(STORAGE),
            cdn: addresses.url(CDN),
            signer: Signer::new(&format!("{addresses:?} {:?}", std::time::SystemTime::now()), rig.guard.marks.clone()),
            store: Store::default(),
            shelf: Shelf::default(),
            behaviour: Mutex::default(),
            state: Mutex::default(),
            serial: AtomicU64::new(1),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }

    pub(super) fn set_behaviour(&self, turn: impl FnOnce(&mut Behaviour)) {
        turn(&mut self.behaviour.lock().unwrap());
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Relaxed)
    }

    pub(super) fn caller(&self, request: &Request) -> Caller {
        let password = git::password(request);
        if password.is_some() && !matches!(Self::target(request), Target::Git(..) | Target::Batch(_) | Target::Verify(_)) {
            // that a token stands there is counted already
            return Caller::Rejected;
        }
        self.state().accounts.caller(request.bearer().or(password.as_deref()))
    }

    fn target(request: &Request) -> Target {
        routes::parse(&request.segments())
    }

    async fn answer_api(&self, request: &mut Request) -> Result<Response, Gone> {
        let target = Self::target(request);
        let caller = self.caller(request);
        let (kind, left) = self.take_quota(&target, &caller);
        let response = if left.allowed {
            self.dispatch(target, &caller, request).await?
        } else {
            let message = format!("We had to rate limit you, you hit the quota of {kind} requests.");
            answers::refuse(429, None, &message).header("retry-after", left.seconds.to_string())
        };
        let behaviour = self.behaviour();
        let quota = if kind == "resolvers" { behaviour.resolve_quota } else { behaviour.api_quota };
        let policy = format!("\"fixed window\";\"{kind}\";q={quota};w={}", behaviour.quota_window.as_secs());
        Ok(response
            .header("ratelimit", format!("\"{kind}\";r={};t={}", left.requests, left.seconds))
            .header("ratelimit-policy", policy)
            .header("x-request-id", format!("Root=1-{:08x}", self.next_serial())))
    }

    /// Counts the request against the caller's quota: `resolvers` for files, `api` for the rest.
    fn take_quota(&self, target: &Target, caller: &Caller) -> (&'static str, Left) {
        let behaviour = self.behaviour();
        let who = caller.token().map_or("anonymous", |token| &token.user);
        let (kind, quota, cost) = match target {
            Target::Resolve(..) => ("resolvers", behaviour.resolve_quota, 1),
            // The second half of a `resolve` that was counted already; in reality a cache in front answers it.
            Target::ResolveCache(..) => ("resolvers", behaviour.resolve_quota, 0),
            _ => ("api", behaviour.api_quota, 1),
        };
        (kind, self.state().limits.look(kind, who, quota, behaviour.quota_window, cost))
    }

    async fn dispatch(&self, target: Target, caller: &Caller, request: &mut Request) -> Result<Response, Gone> {
        if matches!(caller, Caller::Rejected) {
            return Ok(answers::bad_credentials());
        }
        if let Some(elsewhere) = self.redirect_if_moved(&target, request) {
            return Ok(elsewhere);
        }
        if let Some(refusal) = self.locked(&target) {
            return Ok(refusal);
        }
        match target {
            Target::Git(key, path) => self.git(caller, request, &key, path).await,
            Target::WhoAmI => Ok(self.whoami(caller)),
            Target::Create => self.create(caller, request).await,
            Target::Delete => self.delete(caller, request).await,
            Target::Move => self.rename(caller, request).await,
            Target::ValidateYaml => self.validate_yaml(request).await,
            Target::List(kind) => Ok(self.list(caller, request, kind)),
            Target::Complete => self.complete(request).await,
            Target::ResolveCache(key, commit, path) => Ok(self.resolve_cache(caller, request, &key, &commit, &path)),
            Target::Resolve(key, revision, path) => Ok(self.resolve(caller, request, &key, &revision, &path)),
            Target::Batch(key) => self.batch(caller, request, &key).await,
            Target::Verify(key) => self.verify(caller, request, &key).await,
            Target::Repo(key, verb, rest) => self.on_repo(caller, request, &key, verb, &rest).await,
            Target::Unknown => Ok(answers::refuse(404, None, "Sorry, we can't find the page you are looking for.")),
        }
    }

    async fn on_repo(&self, caller: &Caller, request: &mut Request, key: &RepoKey, verb: &str, rest: &[String]) -> Result<Response, Gone> {
        let revision = rest.first().map(String::as_str);
        match (request.method.as_str(), verb) {
            ("GET" | "HEAD", "revision") => Ok(self.info(caller, request, key, revision)),
            ("GET", "tree") => {
                let path = rest.get(1..).unwrap_or_default().join("/");
                Ok(self.tree(caller, request, key, revision.unwrap_or("main"), &path))
            }
            ("POST", "paths-info") => self.paths_info(caller, request, key, revision.unwrap_or("main")).await,
            ("GET", "refs") => Ok(self.refs(caller, key)),
            ("GET", "commits") => Ok(self.commits(caller, request, key, revision.unwrap_or("main"))),
            ("GET", "auth-check") => Ok(self.auth_check(caller, key)),
            ("POST" | "DELETE", "branch") => self.branch(caller, request, key, &rest.join("/")).await,
            ("POST" | "DELETE", "tag") => self.tag(caller, request, key, &rest.join("/")).await,
            ("POST", "preupload") => self.preupload(caller, request, key, revision.unwrap_or("main")).await,
            ("POST", "commit") => self.commit(caller, request, key, revision.unwrap_or("main")).await,
            ("PUT", "settings") => self.settings(caller, request, key).await,
            // This hub takes and gives large files over LFS only.
            (_, "xet-read-token" | "xet-write-token") => Ok(answers::refuse(404, None, "Xet is not enabled here")),
            _ => Ok(answers::refuse(405, None, "Method Not Allowed")),
        }
    }

    fn whoami(&self, caller: &Caller) -> Response {
        let Caller::Known(token) = caller else { return answers::refuse(401, None, "Invalid username or password.") };
        let minute = Duration::from_secs(60);
        let quota = self.behaviour().whoami_per_minute;
        let mut state = self.state();
        if !state.limits.take("whoami", &token.id, quota, minute).allowed {
            self.rig.strict.broken(rules::WHOAMI_TOO_OFTEN, format!("{}, more than {quota} in a minute", token.id));
            return answers::refuse(429, None, "You are calling whoami too often. Cache its answer.").header("retry-after", "60");
        }
        Response::json(200, &state.accounts.whoami(token))
    }

    fn redirect_if_moved(&self, target: &Target, request: &Request) -> Option<Response> {
        let (Target::Repo(key, ..) | Target::Resolve(key, ..) | Target::Batch(key)) = target else { return None };
        let new = self.state().moved.get(key)?.clone();
        let path = request.path.replacen(&key.id, &new.id, 1);
        let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let location = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        Some(Response::text(307, &format!("Temporary Redirect. Redirecting to {location}")).header("location", location))
    }

    /// Rules that hold for every request, wherever it goes.
    fn watch_secrets(&self, request: &Request) {
        let in_url = |(_, value): (&str, &str)| value.starts_with("hf_") && value.len() > 20;
        if request.query.iter().any(in_url) || request.path.contains("/hf_") {
            self.rig.strict.broken(rules::TOKEN_IN_URL, format!("{} {}", request.method, request.route.name));
        }
        if request.origin != API && ["authorization", "cookie"].iter().any(|name| request.headers.contains_key(*name)) {
            let detail = format!("{} to the {} host", request.method, request.origin);
            self.rig.strict.broken(rules::TOKEN_OFF_HUB, detail);
        }
    }
}

impl Service for Hub {
    fn route(&self, origin: &'static str, method: &str, path: &str) -> Route {
        match (origin, method) {
            (STORAGE, "PUT") if path.ends_with("/part") => Route::upload("storage.part"),
            (STORAGE, "PUT") => Route::upload("storage.put"),
            (STORAGE, _) => Route::talk("storage.other"),
            (CDN, _) => Route::download("cdn"),
            _ => {
                let segments: Vec<String> = path
                    .split('/')
                    .skip(1)
                    .map(|word| percent_encoding::percent_decode_str(word).decode_utf8_lossy().into_owned())
                    .collect();
                routes::parse(&segments).route()
            }
        }
    }

    async fn answer(&self, request: &mut Request) -> Result<Response, Gone> {
        self.watch_secrets(request);
        match request.origin {
            STORAGE => self.answer_storage(request).await,
            CDN => Ok(self.answer_cdn(request)),
            _ => self.answer_api(request).await,
        }
    }
}
