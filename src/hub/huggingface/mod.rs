//! Hugging Face. Facts: `huggingface` §1–§3.

mod glance;
mod namespace;
mod upload;
mod whoami;
mod wire;

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};
use url::Url;

use super::download::{Downloads, Wanted};
use super::{
    Account, Commit, CommitLimits, Created, Destination, Location, Opened, RepoInfo, Route, Sample, Source, Ticket, at_the_gate, endpoint,
    since_listed, unexpected,
};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Http, Patience, Request, Troubles, UploadBody, classify, retry_after};
use crate::repo::{FileEntry, Manifest, Platform, RepoPath, RepoRef, RepoType, Visibility, encode};
use crate::secret::{SafeUrl, Token};
use wire::judge;

/// A client for one Hugging Face endpoint.
pub struct HuggingFace {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    token: Option<Token>,
    downloads: Downloads,
    patience: Patience,
}

/// The endpoint when none is configured.
pub const ENDPOINT: &str = "https://huggingface.co";

impl HuggingFace {
    /// A client for the hub at `endpoint`. Fails with `Usage` when that is not https, or http on loopback.
    pub fn new(endpoint_text: &str, token: Option<Token>, patience: Patience) -> Result<Self> {
        let (endpoint, loopback) = endpoint(endpoint_text)?;
        let http = Http::new(loopback, patience.idle)?;
        let downloads = Downloads::new(http.clone(), Platform::HuggingFace.title(), endpoint.clone());
        Ok(Self { http, endpoint, token, downloads, patience })
    }

    /// The address of a repository's page.
    pub fn page(&self, repo: &RepoRef) -> String {
        format!("{}/{}", self.endpoint.as_str().trim_end_matches('/'), prefixed(repo))
    }

    /// A URL below the endpoint, of a path that is already encoded.
    fn url(&self, path: &str) -> Result<SafeUrl> {
        SafeUrl::join(&self.endpoint, path)
    }

    /// A call to the hub, with the token if the URL is the hub's own: never to a CDN or a storage (facts, huggingface §1).
    fn request(&self, method: Method, url: SafeUrl) -> Result<Request> {
        let own = url.expose().origin() == self.endpoint.origin();
        let request = Request::new(method, url);
        match &self.token {
            Some(token) if own => Ok(request.header(AUTHORIZATION, token.bearer()?)),
            _ => Ok(request),
        }
    }

    fn get(&self, path: &str) -> Result<Request> {
        self.request(Method::GET, self.url(path)?)
    }

    /// A refusal of a read. Limits are higher for those who are signed in.
    fn for_reader(&self, error: Error, repo: &RepoRef) -> Error {
        match error.kind() {
            ErrorKind::RateLimited if self.token.is_none() => {
                error.hint_to("set HF_TOKEN: who is signed in may ask more often; or run the same command again when the limit is over")
            }
            ErrorKind::Forbidden if self.token.is_none() => {
                let page = self.page(repo);
                error.hint_instead(format!("set HF_TOKEN; with its account open {page}, accept its terms or ask for access, and run again"))
            }
            _ => at_the_gate(error, &self.page(repo)),
        }
    }

    /// A URL the server gave; its default host stands for the endpoint in use (facts, huggingface §1).
    fn given(&self, text: &str) -> Result<SafeUrl> {
        match text.strip_prefix(ENDPOINT) {
            Some(path) if path.starts_with('/') => self.url(path),
            _ => SafeUrl::join(&self.endpoint, text),
        }
    }
}

/// `/api/models/alice/bert`
fn api(repo: &RepoRef) -> String {
    format!("/api/{}/{}", repo.repo_type.plural(), repo.id)
}

/// `alice/bert`, `datasets/alice/bert`: how pages, files and git remotes are addressed.
fn prefixed(repo: &RepoRef) -> String {
    match repo.repo_type {
        RepoType::Model => repo.id.to_string(),
        other => format!("{}/{}", other.plural(), repo.id),
    }
}

/// Refuses a listing that leaves out a file which the hub named beside it. Only a header tells that a page is not the last one, so a cache or
/// mirror that does not pass it on cuts the listing short, and nothing in what is left shows it.
fn check_whole(manifest: &Manifest, names: &[String]) -> Result<()> {
    let listed: HashSet<_> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    match names.iter().find(|name| !listed.contains(name.as_str())) {
        None => Ok(()),
        Some(lost) => {
            Err(Error::new(ErrorKind::Protocol, "the listing is not whole: it leaves out a file that the hub names elsewhere")
                .with("file", format!("{lost:?}"))
                .with("repo", &manifest.repo)
                .hint_to("run the same command again; if it stays, what stands between loses the `Link` header of long listings: a proxy, or a mirror in HF_ENDPOINT"))
        }
    }
}

impl Source for HuggingFace {
    async fn info(&self, repo: &RepoRef, revision: Option<&str>) -> Result<RepoInfo> {
        let path = match revision {
            Some(revision) => format!("{}/revision/{}", api(repo), encode(revision)),
            None => api(repo),
        };
        let info = self.http.call(self.get(&path)?, self.patience, wire::data::<wire::Info>).await;
        let info = info.map_err(|error| self.for_reader(error, repo).with("repo", repo))?;
        if info.sha.is_none() {
            return Err(Error::new(ErrorKind::Protocol, "the hub names no commit").with("repo", repo));
        }
        Ok(RepoInfo {
            repo: RepoRef { id: info.id.clone(), ..repo.clone() },
            visibility: info.visibility(),
            commit: info.sha,
            revision: revision.unwrap_or(Platform::HuggingFace.default_branch()).to_owned(),
            // a fresh repository holds nothing but .gitattributes, which is not copied
            first_commit: None,
            names: info.siblings.into_iter().map(|sibling| sibling.rfilename).collect(),
        })
    }

    async fn manifest(&self, info: &RepoInfo) -> Result<Manifest> {
        let repo = &info.repo;
        let mut files = Vec::new();
        let mut seen = HashSet::new();
        if let Some(commit) = &info.commit {
            let mut next = Some(self.url(&format!("{}/tree/{commit}?recursive=true&expand=false", api(repo)))?);
            while let Some(url) = next {
                let request = self.request(Method::GET, url)?;
                let (page, link) = self
                    .http
                    .call(request, Patience::PATIENT, |answer| Ok((wire::data::<Vec<wire::TreeEntry>>(answer)?, wire::next_page(answer)?)))
                    .await
                    .map_err(|error| self.for_reader(error, repo).with("repo", repo))?;
                for entry in page {
                    files.extend(entry.into_file().map_err(|error| error.with("repo", repo))?);
                }
                next = link.map(|link| self.given(&link)).transpose()?;
                if next.as_ref().is_some_and(|url| !seen.insert(url.expose().clone())) {
                    return Err(Error::new(ErrorKind::Protocol, "the listing repeats a page").with("repo", repo));
                }
            }
        }
        let manifest = Manifest {
            repo: repo.clone(),
            commit: info.commit.clone(),
            revision: info.revision.clone(),
            visibility: info.visibility,
            files,
        }
        .in_order();
        check_whole(&manifest, &info.names)?;
        Ok(manifest)
    }

    async fn message(&self, info: &RepoInfo) -> Result<Option<String>> {
        let Some(commit) = &info.commit else { return Ok(None) };
        let request = self.get(&format!("{}/commits/{commit}?limit=1", api(&info.repo)))?;
        let history = self.http.call(request, self.patience, |answer| judge(answer)?.json::<Vec<wire::History>>()).await?;
        Ok(history.into_iter().find(|entry| entry.id == *commit).map(wire::History::whole))
    }

    async fn open(&self, manifest: &Manifest, file: &FileEntry, range: Range<u64>, location: Location) -> Result<Opened> {
        let commit = manifest.commit.as_deref().unwrap_or(&manifest.revision);
        let path = format!("/{}/resolve/{}/{}", prefixed(&manifest.repo), encode(commit), file.path.url_path());
        let wanted = Wanted { path: &path, range, size: file.size, location };
        let refusal = |answer: &Answer| {
            let error = judge(answer).err().unwrap_or_else(unexpected);
            since_listed(self.for_reader(error, &manifest.repo), &self.page(&manifest.repo))
        };
        self.downloads.open(wanted, |url| self.request(Method::GET, url), refusal).await
    }

    fn troubles(&self) -> Troubles {
        self.http.troubles()
    }

    fn tell_wait(&self, error: &Error, wait: Duration) {
        self.http.tell_wait(error, wait);
    }

    fn most_streams(&self) -> usize {
        // the resolver's quota of 5,000 calls in five minutes is met long before the CDN minds (facts, huggingface §2)
        64
    }

    async fn account(&self) -> Result<Account> {
        if self.token.is_none() {
            return Err(wire::no_token());
        }
        let request = self.get("/api/whoami-v2")?;
        let me = self
            .http
            .call(request, self.patience, |answer| match answer.status {
                StatusCode::UNAUTHORIZED => Err(wire::bad_token()),
                _ => wire::data::<whoami::WhoAmI>(answer),
            })
            .await?;
        Ok(me.account())
    }
}

impl Destination for HuggingFace {
    async fn create(&self, repo: &RepoRef, visibility: Visibility, _licence: Option<&str>) -> Result<Created> {
        self.create_repo(repo, visibility).await
    }

    async fn check_card(&self, repo: &RepoRef, card: &str) -> Result<()> {
        self.validate_yaml(repo, card).await
    }

    async fn route(&self, info: &RepoInfo, samples: &[Sample]) -> Result<Vec<Route>> {
        self.preupload(info, samples).await
    }

    async fn negotiate(&self, info: &RepoInfo, blobs: &[super::Blob]) -> Result<Vec<Option<Ticket>>> {
        self.batch(info, blobs).await
    }

    async fn put(&self, request: &Request, body: UploadBody) -> Result<Option<String>> {
        let answer = self.http.put(request, body).await?;
        if !answer.status.is_success() {
            let (kind, retry) = classify(answer.status, retry_after(&answer.headers));
            // a signed part URL that has expired is refused with 403, a part of an upload that is gone with 404: a new ticket helps. 400 is S3's word for a body that came too slowly
            // or not whole, too
            let (kind, retry) = match kind {
                ErrorKind::Forbidden | ErrorKind::NotFound => (kind, Retry::Later(None)),
                ErrorKind::InvalidInput => (ErrorKind::Unavailable, Retry::Later(None)),
                _ => (kind, retry),
            };
            return Err(Error::new(kind, "Hugging Face's storage refused")
                .with("status", answer.status.as_u16())
                .retry(retry)
                .with("url", &request.url));
        }
        Ok(answer.header(reqwest::header::ETAG).map(str::to_owned))
    }

    async fn complete(&self, ticket: &Ticket, tags: &[String]) -> Result<()> {
        self.complete_upload(ticket, tags).await
    }

    async fn commit(&self, info: &RepoInfo, commit: &Commit) -> Result<String> {
        self.commit_once(info, commit).await
    }

    fn limits(&self) -> CommitLimits {
        // 25,000 LFS files (facts, huggingface §3); 256 objects and samples a call are the server's own limits
        CommitLimits { actions: 25_000, inline: 64 << 20, negotiate: 256, route: 256 }
    }

    fn is_surely_lfs(&self, _path: &RepoPath, size: u64) -> bool {
        // regular git files end at 10 MB (facts, huggingface §3 "Sizes"); below, only preupload knows
        size > crate::repo::GIT_FILE_LIMIT
    }
}
