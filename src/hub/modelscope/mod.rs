//! ModelScope. Facts: `modelscope` §1–§3.

mod glance;
mod listing;
mod namespace;
mod upload;
mod wire;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use url::{Host, Url};

use super::download::{Downloads, Wanted};
use super::{
    Account, Blob, Commit, CommitLimits, Created, Destination, Location, Opened, RepoInfo, Route, Sample, Source, Ticket, at_the_gate,
    endpoint, since_listed, unexpected,
};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Http, Patience, Request, Troubles, UploadBody};
use crate::repo::{FileEntry, Manifest, Platform, RepoPath, RepoRef, RepoType, Visibility, encode};
use crate::secret::{SafeUrl, Token};
use wire::judge;

/// A client for one ModelScope site.
pub struct ModelScope {
    pub(super) http: Http,
    pub(super) endpoint: Url,
    token: Option<Token>,
    downloads: Downloads,
    patience: Patience,
}

/// The endpoint when none is configured. The international site, `https://www.modelscope.ai`, has accounts and tokens of its own.
pub const ENDPOINT: &str = "https://modelscope.cn";

impl ModelScope {
    /// A client for the site at `endpoint`. Fails with `Usage` when that is not https, or http on loopback.
    pub fn new(endpoint_text: &str, token: Option<Token>, patience: Patience) -> Result<Self> {
        let (endpoint, loopback) = endpoint(endpoint_text)?;
        let http = Http::new(loopback, patience.idle)?;
        let downloads = Downloads::new(http.clone(), Platform::ModelScope.title(), endpoint.clone());
        Ok(Self { http, endpoint, token, downloads, patience })
    }

    /// The address of a repository's page.
    pub fn page(&self, repo: &RepoRef) -> String {
        format!("{}/{}/{}", self.endpoint.as_str().trim_end_matches('/'), repo.repo_type.plural(), repo.id)
    }

    fn url(&self, path: &str) -> Result<SafeUrl> {
        SafeUrl::join(&self.endpoint, path)
    }

    /// A call to the site, with token and cookie: the legacy routes want both (facts, modelscope §1.3).
    fn request(&self, method: Method, url: SafeUrl) -> Result<Request> {
        let own = url.expose().origin() == self.endpoint.origin();
        let mut request = Request::new(method, url);
        if self.endpoint.host_str().is_some_and(|host| host.ends_with(".ai")) {
            // English error texts (facts, modelscope §1.1)
            request = request.header(HeaderName::from_static("x-modelscope-accept-language"), HeaderValue::from_static("en_US"));
        }
        if own { self.signed(request) } else { Ok(request) }
    }

    fn signed(&self, request: Request) -> Result<Request> {
        match &self.token {
            Some(token) => Ok(request.header(AUTHORIZATION, token.bearer()?).header(COOKIE, token.cookie("m_session_id")?)),
            None => Ok(request),
        }
    }

    fn get(&self, path: &str) -> Result<Request> {
        self.request(Method::GET, self.url(path)?)
    }

    /// The user and their organisations, where the site tells them to who has a token alone (facts, modelscope §1.3 [?]).
    async fn organisations(&self, name: &str) -> Option<Vec<String>> {
        let request = self.get("/api/v1/users/login/info").ok()?;
        let info: wire::LoginInfo = self.http.call(request, Patience::ONCE, judge).await.ok()?;
        (info.name.as_deref() == Some(name)).then(|| std::iter::once(name.to_owned()).chain(info.org_role_map.into_keys()).collect())
    }

    /// Whether an upload address is the site's own gateway, which wants the token: the endpoint's host, or `lfs.` or `pre-lfs.` before
    /// its base (facts, modelscope §1.3).
    fn trusts(&self, url: &Url) -> bool {
        if url.scheme() != self.endpoint.scheme() {
            return false;
        }
        match (url.host(), self.endpoint.host()) {
            (Some(Host::Domain(host)), Some(Host::Domain(own))) => {
                let base = if own.split('.').count() >= 3 { own.split_once('.').map_or(own, |(_, rest)| rest) } else { own };
                host == own || host.strip_suffix(base).is_some_and(|label| matches!(label, "lfs." | "pre-lfs."))
            }
            (host, own) => host == own,
        }
    }
}

/// `/api/v1/models/alice/bert`
fn api(repo: &RepoRef) -> String {
    format!("/api/v1/{}/{}", repo.repo_type.plural(), repo.id)
}

impl Source for ModelScope {
    async fn info(&self, repo: &RepoRef, revision: Option<&str>) -> Result<RepoInfo> {
        if repo.repo_type == RepoType::Space {
            return Err(Error::new(ErrorKind::Unsupported, "ModelScope studios are not read").with("repo", repo));
        }
        let named = |error: Error| at_the_gate(error.with("repo", repo), &self.page(repo));
        let about: wire::About = self.http.call(self.get(&api(repo))?, self.patience, judge).await.map_err(named)?;
        let visibility = about.visibility()?;
        let wanted = revision.unwrap_or(Platform::ModelScope.default_branch());
        let head = self.head(repo, wanted).await.map_err(named)?;
        Ok(RepoInfo {
            repo: repo.clone(),
            commit: head.commit,
            revision: wanted.to_owned(),
            visibility,
            first_commit: head.first,
            names: Arc::default(),
        })
    }

    async fn manifest(&self, info: &RepoInfo) -> Result<Manifest> {
        self.list(info).await.map_err(|error| at_the_gate(error, &self.page(&info.repo)))
    }

    async fn message(&self, info: &RepoInfo) -> Result<Option<String>> {
        match &info.commit {
            Some(commit) => self.message_of(&info.repo, commit).await,
            None => Ok(None),
        }
    }

    async fn open(&self, manifest: &Manifest, file: &FileEntry, range: Range<u64>, location: Location) -> Result<Opened> {
        let commit = file.read_at.as_deref().or(manifest.commit.as_deref()).unwrap_or(&manifest.revision);
        let path = format!("{}/repo?Revision={}&FilePath={}", api(&manifest.repo), encode(commit), encode(file.path.as_str()));
        let wanted = Wanted { path: &path, range, size: file.size, location };
        let refusal = |answer: &Answer| {
            let error = judge::<serde_json::Value>(answer).err();
            let page = self.page(&manifest.repo);
            since_listed(at_the_gate(error.unwrap_or_else(unexpected), &page), &page)
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
        // the official client starts up to 8 uploads (facts, modelscope §3.7); how many the site bears is not published [?]
        32
    }

    async fn account(&self) -> Result<Account> {
        if self.token.is_none() {
            return Err(wire::no_token(&self.endpoint));
        }
        let me: wire::Me = self
            .http
            .call(self.get("/openapi/v1/users/me")?, self.patience, judge)
            .await
            .map_err(|error| if error.kind() == ErrorKind::Unauthorized { wire::bad_token(&self.endpoint) } else { error })?;
        let name = me.handle().ok_or_else(|| Error::new(ErrorKind::Protocol, "the site does not say whose token it is"))?;
        // the permission tier of a token cannot be asked for (facts, modelscope §1.3)
        let permission = "not published by ModelScope".to_owned();
        Ok(Account { writable: self.organisations(&name).await, name, permission, ..Account::default() })
    }
}

impl Destination for ModelScope {
    async fn create(&self, repo: &RepoRef, visibility: Visibility, licence: Option<&str>) -> Result<Created> {
        self.create_repo(repo, visibility, licence).await
    }

    async fn check_card(&self, _repo: &RepoRef, _card: &str) -> Result<()> {
        // the site has no such check, and refuses no front matter as far as known (facts, modelscope §6)
        Ok(())
    }

    async fn route(&self, _info: &RepoInfo, samples: &[Sample]) -> Result<Vec<Route>> {
        Ok(samples.iter().map(|sample| if upload::is_lfs(&sample.path, sample.size) { Route::Lfs } else { Route::Inline }).collect())
    }

    async fn negotiate(&self, info: &RepoInfo, blobs: &[Blob]) -> Result<Vec<Option<Ticket>>> {
        self.batch(info, blobs).await
    }

    async fn put(&self, request: &Request, body: UploadBody) -> Result<Option<String>> {
        let answer = self.http.put(request, body).await?;
        wire::judge_put(&answer)
            .map_err(|error| match error.kind() {
                // whether the repository is gone, or only this address, is seen when the next ticket is asked for
                ErrorKind::NotFound => super::gone(error).retry(Retry::Later(None)),
                _ => error,
            })
            .map_err(|error| error.with("url", &request.url))?;
        Ok(None)
    }

    async fn complete(&self, ticket: &Ticket, _tags: &[String]) -> Result<()> {
        match &ticket.verify {
            Some(request) => self.http.call(request.clone(), Patience::PATIENT, wire::judge_put).await,
            None => Ok(()),
        }
    }

    async fn commit(&self, info: &RepoInfo, commit: &Commit) -> Result<String> {
        self.commit_once(info, commit).await
    }

    fn limits(&self) -> CommitLimits {
        // 2,000 actions are the server's limit, 64 objects a batch what the official client sends (facts, modelscope §3.3, §3.4)
        CommitLimits { actions: 2_000, inline: 64 << 20, negotiate: 64, route: usize::MAX }
    }

    fn is_surely_lfs(&self, path: &RepoPath, size: u64) -> bool {
        upload::is_lfs(path, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sites_own_gateway_gets_the_token() {
        let trusts = |endpoint: &str, url: &str| ModelScope::new(endpoint, None, Patience::ONCE).unwrap().trusts(&Url::parse(url).unwrap());
        assert!(trusts("https://modelscope.cn", "https://lfs.modelscope.cn/x"));
        assert!(trusts("https://www.modelscope.cn", "https://lfs.modelscope.cn/x"));
        assert!(trusts("https://www.modelscope.ai", "https://pre-lfs.modelscope.ai/x"));
        assert!(trusts("http://127.0.0.1:1", "http://127.0.0.1:2/x"));
        assert!(!trusts("https://modelscope.cn", "https://evil-lfs.modelscope.cn/x"));
        assert!(!trusts("https://modelscope.cn", "https://cdn-lfs-cn-1.modelscope.cn/x"));
        assert!(!trusts("https://modelscope.cn", "http://lfs.modelscope.cn/x"));
        assert!(!trusts("https://modelscope.cn", "https://modelscope.cn.evil.example/x"));
    }

    #[test]
    fn an_endpoint_in_the_clear_is_loopback_only() {
        assert!(ModelScope::new("http://127.0.0.1:9", None, Patience::ONCE).is_ok());
        assert!(ModelScope::new("http://modelscope.cn", None, Patience::ONCE).is_err());
        assert!(ModelScope::new("https://modelscope.cn/x", None, Patience::ONCE).is_err());
    }
}
