//! One hub, whichever it is, and by which way its files are read.

use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use super::git::GitReader;
use super::{
    Account, Blob, Commit, CommitLimits, Created, Destination, GATED, HuggingFace, LOCKED, Location, ModelScope, Opened, RepoInfo, Route,
    Sample, Source, Ticket,
};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Patience, Request, Troubles, UploadBody};
use crate::repo::{FileEntry, Manifest, Platform, RepoPath, RepoRef, Visibility};
use crate::secret::Token;

/// The closed set of hubs.
pub(super) enum Shore {
    /// Hugging Face.
    HuggingFace(HuggingFace),
    /// ModelScope.
    ModelScope(ModelScope),
}

macro_rules! each {
    ($self:ident, $hub:ident => $call:expr) => {
        match &$self.shore {
            Shore::HuggingFace($hub) => $call,
            Shore::ModelScope($hub) => $call,
        }
    };
}

/// The ways to read a repository's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBy {
    /// Over the hub's API alone: of a destination.
    Api,
    /// Over the API; by git from the moment on when that says that the account's storage is locked.
    ApiThenGit,
    /// By git. The API is asked for no more than who may read the repository.
    Git,
}

impl ReadBy {
    /// How a source is read, if by git is or is not wished for.
    pub fn wish(use_git: bool) -> Self {
        if use_git { Self::Git } else { Self::ApiThenGit }
    }
}

/// A hub.
pub struct Hub {
    pub(super) shore: Shore,
    by: ReadBy,
    /// The way round the API; none for what is only written.
    git: Option<GitReader>,
    /// Why it is read by git, once it is.
    why: OnceLock<String>,
}

impl Hub {
    /// A client for the hub of this platform at `endpoint`. `patience` is for the calls that look something up: a person waits less
    /// long than a migration. Fails with `Usage` when the endpoint is not https, or http on loopback.
    pub fn read_by(by: ReadBy, platform: Platform, endpoint: &str, token: Option<Token>, patience: Patience) -> Result<Self> {
        let shore = match platform {
            Platform::HuggingFace => HuggingFace::new(endpoint, token.clone(), patience).map(Shore::HuggingFace),
            Platform::ModelScope => ModelScope::new(endpoint, token.clone(), patience).map(Shore::ModelScope),
        };
        let shore = shore.map_err(|error| error.with("hub", platform.title()))?;
        let (http, endpoint) = match &shore {
            Shore::HuggingFace(hub) => (hub.http.clone(), hub.endpoint.clone()),
            Shore::ModelScope(hub) => (hub.http.clone(), hub.endpoint.clone()),
        };
        let git = (by != ReadBy::Api).then(|| GitReader::new(platform, http, endpoint, token, patience));
        let why = OnceLock::new();
        if by == ReadBy::Git {
            why.get_or_init(|| "it was asked for with --use-git".to_owned());
        }
        Ok(Self { shore, by, git, why })
    }

    /// Tells of every wait that is long enough for a person to wonder, with its reason.
    pub fn tell_waits_to(&self, listener: impl Fn(String) + Send + Sync + 'static) {
        each!(self, hub => hub.http.tell_waits_to(listener));
    }

    /// The address of a repository's page.
    pub fn page(&self, repo: &RepoRef) -> String {
        each!(self, hub => hub.page(repo))
    }

    /// The way by git, if that is how files are read by now.
    fn by_git_now(&self) -> Option<&GitReader> {
        self.git.as_ref().filter(|_| self.why.get().is_some())
    }

    /// The way by git, if this refusal of the API means that git may still read: a lock of the account's storage. A gate, a bad token and what
    /// is not there mean the same to git.
    fn way_round(&self, error: &Error) -> Option<&GitReader> {
        let git = self.git.as_ref()?;
        let forbidden = error.kind() == ErrorKind::Forbidden;
        if forbidden && error.message() == LOCKED {
            self.why.get_or_init(|| format!("its hub's API does not give the files: {LOCKED}"));
            return Some(git);
        }
        // who asks for git knows of a refusal that this version does not
        (forbidden && self.by == ReadBy::Git && error.message() != GATED).then_some(git)
    }

    /// What to say where git refuses as well: who did not ask for it hears the API's reason too.
    fn both(&self, by_api: Error, by_git: Error) -> Error {
        let refused = matches!(by_git.kind(), ErrorKind::Forbidden | ErrorKind::NotFound | ErrorKind::Unauthorized);
        match refused && self.by != ReadBy::Git {
            true => by_api.with("by git", format!("\"{}\"", by_git.message())),
            false => by_git,
        }
    }
}

impl Source for Hub {
    async fn info(&self, repo: &RepoRef, revision: Option<&str>) -> Result<RepoInfo> {
        match each!(self, hub => hub.info(repo, revision).await) {
            Err(error) => match self.way_round(&error) {
                Some(git) => git.info(repo, revision).await.map_err(|by_git| self.both(error, by_git)),
                None => Err(error),
            },
            found => found,
        }
    }

    async fn manifest(&self, info: &RepoInfo) -> Result<Manifest> {
        if let Some(git) = self.by_git_now() {
            return git.manifest(info).await;
        }
        match each!(self, hub => hub.manifest(info).await) {
            Err(error) => match self.way_round(&error) {
                Some(git) => git.manifest(info).await.map_err(|by_git| self.both(error, by_git)),
                None => Err(error),
            },
            found => found,
        }
    }

    async fn message(&self, info: &RepoInfo) -> Result<Option<String>> {
        each!(self, hub => hub.message(info).await)
    }

    async fn open(&self, manifest: &Manifest, file: &FileEntry, range: Range<u64>, location: Location) -> Result<Opened> {
        if let Some(git) = self.by_git_now() {
            return git.open(manifest, file, range, location).await;
        }
        match each!(self, hub => hub.open(manifest, file, range.clone(), location).await) {
            Err(error) => match self.way_round(&error) {
                Some(git) => git.open(manifest, file, range, location).await.map_err(|by_git| self.both(error, by_git)),
                None => Err(error),
            },
            opened => opened,
        }
    }

    fn by_git(&self) -> Option<&str> {
        self.git.as_ref().and(self.why.get()).map(String::as_str)
    }

    fn troubles(&self) -> Troubles {
        each!(self, hub => hub.troubles())
    }

    fn tell_wait(&self, error: &Error, wait: Duration) {
        each!(self, hub => hub.tell_wait(error, wait));
    }

    fn most_streams(&self) -> usize {
        each!(self, hub => hub.most_streams())
    }

    async fn account(&self) -> Result<Account> {
        each!(self, hub => hub.account().await)
    }
}

impl Destination for Hub {
    async fn create(&self, repo: &RepoRef, visibility: Visibility, licence: Option<&str>) -> Result<Created> {
        each!(self, hub => hub.create(repo, visibility, licence).await)
    }

    async fn check_card(&self, repo: &RepoRef, card: &str) -> Result<()> {
        each!(self, hub => hub.check_card(repo, card).await)
    }

    async fn route(&self, info: &RepoInfo, samples: &[Sample]) -> Result<Vec<Route>> {
        each!(self, hub => hub.route(info, samples).await)
    }

    async fn negotiate(&self, info: &RepoInfo, blobs: &[Blob]) -> Result<Vec<Option<Ticket>>> {
        each!(self, hub => hub.negotiate(info, blobs).await)
    }

    async fn put(&self, request: &Request, body: UploadBody) -> Result<Option<String>> {
        each!(self, hub => hub.put(request, body).await)
    }

    async fn complete(&self, ticket: &Ticket, tags: &[String]) -> Result<()> {
        each!(self, hub => hub.complete(ticket, tags).await)
    }

    async fn commit(&self, info: &RepoInfo, commit: &Commit) -> Result<String> {
        each!(self, hub => hub.commit(info, commit).await)
    }

    fn limits(&self) -> CommitLimits {
        each!(self, hub => hub.limits())
    }

    fn is_surely_lfs(&self, path: &RepoPath, size: u64) -> bool {
        each!(self, hub => hub.is_surely_lfs(path, size))
    }
}
