//! Reading by git, where a hub's API gives no files: the listing and small files from one shallow fetch, large files from the LFS server.
//!
//! Hugging Face locks the API of accounts over their storage quota and lets git read on (facts, huggingface §2 "Storage locks").

mod blobs;
mod delta;
mod fetch;
mod pack;
mod packet;
mod pointer;
mod tree;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::download::Downloads;
use super::{Location, Opened, RepoInfo, quoted, refused};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Http, Incoming, Patience, Request, later, retry_after};
use crate::repo::{FileEntry, Manifest, Platform, RepoRef, RepoType, Visibility};
use crate::secret::{SafeUrl, Token};
use pack::Pack;

/// The git side of a hub.
pub(super) struct GitReader {
    platform: Platform,
    http: Http,
    endpoint: Url,
    token: Option<Token>,
    patience: Patience,
    /// What git is shown.
    credentials: OnceCell<Option<HeaderValue>>,
    /// The commit read last. Held while it is fetched, so that it is fetched once.
    held: Mutex<Option<Arc<Held>>>,
    /// Where large files lie, by sha256.
    downloads: Downloads,
    /// Held by who asks where.
    asking: Mutex<()>,
}

/// One commit in memory.
struct Held {
    repo: RepoRef,
    commit: String,
    pack: Pack,
    /// In the order of their paths.
    files: Vec<FileEntry>,
}

/// What a login to ModelScope answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Login {
    data: LoginData,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoginData {
    access_token: String,
}

impl GitReader {
    pub(super) fn new(platform: Platform, http: Http, endpoint: Url, token: Option<Token>, patience: Patience) -> Self {
        let downloads = Downloads::new(http.clone(), platform.title(), endpoint.clone());
        let (credentials, held, asking) = Default::default();
        Self { platform, http, endpoint, token, patience, credentials, held, downloads, asking }
    }

    /// Looks a repository up. Git does not tell who may read it, so it counts as private.
    ///
    /// Fails with `NotFound` when it, or the revision, does not exist or hides from this token.
    pub(super) async fn info(&self, repo: &RepoRef, revision: Option<&str>) -> Result<RepoInfo> {
        self.knock(repo).await?;
        let wanted = revision.unwrap_or(self.platform.default_branch());
        let commit = match is_commit(wanted) {
            true => Some(wanted.to_owned()),
            false => self.commit_at(repo, wanted).await?,
        };
        if commit.is_none() && revision.is_some() {
            return Err(no_such_revision(repo, wanted));
        }
        Ok(RepoInfo {
            repo: repo.clone(),
            commit,
            revision: wanted.to_owned(),
            visibility: Visibility::Private,
            first_commit: None,
            names: Arc::default(),
        })
    }

    /// Lists every file at the commit of `info`, in the order of their paths.
    pub(super) async fn manifest(&self, info: &RepoInfo) -> Result<Manifest> {
        // a hub without a route for its history names no commit
        let commit = match &info.commit {
            Some(commit) => Some(commit.clone()),
            None => self.commit_at(&info.repo, &info.revision).await?,
        };
        let files = match &commit {
            Some(commit) => self.hold(&info.repo, commit).await?.files.clone(),
            None => Vec::new(),
        };
        Ok(Manifest { repo: info.repo.clone(), commit, revision: info.revision.clone(), visibility: info.visibility, files })
    }

    /// Opens a file for reading.
    pub(super) async fn open(&self, manifest: &Manifest, file: &FileEntry, range: Range<u64>, location: Location) -> Result<Opened> {
        if let (true, Some(sha256)) = (file.lfs, file.digests.sha256) {
            return self.open_blob(manifest, file, sha256, range, location).await;
        }
        let commit = file.read_at.as_ref().or(manifest.commit.as_ref());
        let commit = commit.ok_or_else(|| Error::new(ErrorKind::Protocol, "no commit to read a file at").with("file", &file.path))?;
        let held = self.hold(&manifest.repo, commit).await?;
        let there = held.files.binary_search_by(|other| other.path.cmp(&file.path)).ok().map(|index| &held.files[index]);
        let there = there.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such file").with("file", &file.path))?;
        match (there.digests.git_sha1.and_then(|name| held.pack.known(&name)), there.digests.sha256) {
            (Some(known), _) => at_hand(held.pack.unpack(known)?.into(), range),
            (None, Some(sha256)) => self.open_blob(manifest, there, sha256, range, location).await,
            (None, None) => Err(Error::new(ErrorKind::Protocol, "a file of which nothing is known").with("file", &file.path)),
        }
    }

    /// The commit, fetched if it is not the one that was read last.
    async fn hold(&self, repo: &RepoRef, commit: &str) -> Result<Arc<Held>> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| held.repo == *repo && held.commit == commit) {
            return Ok(held.clone());
        }
        // the other one is let go first: both may be large
        *held = None;
        let bytes = self.pack(repo, commit).await?;
        let (named, at) = (repo.clone(), commit.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let pack = Pack::new(bytes)?;
            let mut files = tree::files(&pack, &at)?;
            files.sort_by(|a, b| a.path.cmp(&b.path));
            match files.windows(2).find(|pair| pair[0].path == pair[1].path) {
                Some(pair) => Err(Error::new(ErrorKind::Protocol, "the commit names a file twice").with("file", &pair[0].path)),
                None => Ok(Held { repo: named, commit: at, pack, files }),
            }
        });
        let read = read.await.map_err(|error| Error::new(ErrorKind::Local, "the pack could not be read").because(error))?;
        let read = Arc::new(read.map_err(|error| error.during("read by git").with("repo", repo))?);
        Ok(held.insert(read).clone())
    }

    /// `…/alice/bert.git`, and what follows.
    fn remote(&self, repo: &RepoRef, path: &str) -> Result<SafeUrl> {
        let prefix = if repo.repo_type == RepoType::Model { String::new() } else { format!("/{}", repo.repo_type.plural()) };
        SafeUrl::join(&self.endpoint, &format!("{prefix}/{}.git{path}", repo.id))
    }

    /// What git is shown: the token. On ModelScope nothing where nothing is needed, and what a login gives where the token itself opens
    /// nothing (facts, modelscope §3.5); logins are refused to tokens that may only read, and many of them are not liked.
    async fn credentials(&self, repo: &RepoRef) -> Result<Option<HeaderValue>> {
        let make = async || {
            let Some(token) = &self.token else { return Ok(None) };
            if self.platform == Platform::HuggingFace {
                return token.basic("hf2ms").map(Some);
            }
            let plain = token.basic("oauth2")?;
            for credentials in [None, Some(plain.clone())] {
                match self.knock_with(repo, credentials.clone()).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    opened => return opened.map(|()| credentials),
                }
            }
            match self.log_in(token).await {
                Ok(git) => git.basic("oauth2").map(Some),
                Err(error) if matches!(error.retryable(), Retry::Later(_)) => Err(error),
                Err(_) => Ok(Some(plain)),
            }
        };
        self.credentials.get_or_try_init(make).await.cloned()
    }

    async fn log_in(&self, token: &Token) -> Result<Token> {
        let request = Request::new(Method::POST, SafeUrl::join(&self.endpoint, "/api/v1/login")?);
        let request = request.json(&json!({ "AccessToken": token.expose_to_secret() }));
        let login: Login = self.http.call(request, self.patience, |answer| judge(self.platform, answer)?.json()).await?;
        Token::new(&login.data.access_token)
    }
}

/// A body that is here already.
fn at_hand(content: Bytes, range: Range<u64>) -> Result<Opened> {
    let total = content.len() as u64;
    let part = content.slice(range.start.min(total) as usize..range.end.min(total) as usize);
    let response = http::Response::builder().header(CONTENT_LENGTH, part.len()).body(part);
    let response = response.map_err(|error| Error::new(ErrorKind::Local, "no answer of our own").because(error))?;
    Ok(Opened {
        response: Incoming::from(reqwest::Response::from(response)),
        start: range.start.min(total),
        total: Some(total),
        validator: None,
    })
}

/// Whether a revision is a commit's whole id.
fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_such_revision(repo: &RepoRef, revision: &str) -> Error {
    Error::new(ErrorKind::NotFound, "no such revision")
        .with("repo", repo)
        .with("revision", quoted(revision))
        .hint_to("name a branch, a tag or a commit that the repository has")
}

/// Passes a good answer on and says what a refusal of the git or LFS server means.
fn judge(platform: Platform, answer: &Answer) -> Result<&Answer> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let title = platform.title();
    let error = match answer.status {
        // git servers answer so for what is not there as well: only who is signed in may know
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => {
            Error::new(ErrorKind::NotFound, format!("{title} has no such repository for git, or it is hidden from this token"))
                .hint_to("check name and type; for a private repository set a token that may read it")
        }
        StatusCode::FORBIDDEN => Error::new(ErrorKind::Forbidden, format!("{title} does not let this token read the repository by git"))
            .hint_to("open the repository's page while signed in, accept its terms or ask for access, or use a token that may read it"),
        StatusCode::TOO_MANY_REQUESTS => {
            later(Error::new(ErrorKind::RateLimited, format!("too many requests to {title}")), retry_after(&answer.headers))
        }
        status => refused(title, status, retry_after(&answer.headers)),
    };
    let words = match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(body) => ["error", "message", "Message"].iter().find_map(|field| body[field].as_str()).map(quoted).unwrap_or_default(),
        Err(_) if answer.is_page() => String::new(),
        Err(_) => quoted(&String::from_utf8_lossy(&answer.body)),
    };
    let error = error.with("status", answer.status.as_u16());
    Err(if words.is_empty() { error } else { error.with("says", format!("\"{words}\"")) })
}
