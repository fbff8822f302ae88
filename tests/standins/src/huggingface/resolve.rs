//! Downloads: `resolve` on the API origin, and the CDN it sends large files to.

use std::io::Write as _;
use std::ops::Range;
use std::time::SystemTime;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::accounts::Caller;
use super::api_read::{encode_path, is_pinned};
use super::behaviour::Behaviour;
use super::hub::{Hub, State};
use super::repo::{Entry, RepoKey};
use super::{access, answers, calendar, lfs, rules};
use crate::content::Content;
use crate::range::{Wanted, wanted};
use crate::server::{Request, Response};

/// A file found, and how it may be served.
struct Found {
    commit: String,
    entry: Entry,
    /// What is served in its place, if the repository mixes things up.
    instead: Option<Content>,
}

impl Hub {
    fn find(&self, state: &mut State, caller: &Caller, key: &RepoKey, revision: &str, path: &str) -> Result<Found, Response> {
        state.visible(caller, key)?;
        access::may_download(&state.accounts, caller, &state.repos[key])?;
        let repo = &state.repos[key];
        let commit = repo.resolve(revision).ok_or_else(|| answers::revision_not_found(revision))?;
        let Some(entry) = commit.files.get(path) else {
            return Err(answers::entry_not_found(path).header("x-repo-commit", &commit.oid));
        };
        Ok(Found { commit: commit.oid.clone(), entry: entry.clone(), instead: repo.quirks.serves_instead.get(path).cloned() })
    }

    fn watch_reader(&self, state: &mut State, request: &Request, key: &RepoKey, revision: &str, path: &str) {
        if !is_pinned(revision) {
            self.rig.strict.broken(rules::UNPINNED_READ, format!("{path} of {key} at `{revision}`"));
        }
        self.watch_identity(request);
        if request.method == "HEAD"
            && let Some(repo) = state.repo(key)
        {
            repo.manners.headed.insert(format!("{revision} {path}"));
            if repo.manners.headed.len() > rules::HEAD_LIMIT {
                let detail = format!("{} files of {key}, last `{path}`", repo.manners.headed.len());
                repo.manners.headed.clear();
                self.rig.strict.broken(rules::HEAD_PER_FILE, detail);
            }
        }
    }

    fn watch_identity(&self, request: &Request) {
        let accepted = request.header("accept-encoding");
        if accepted.is_none_or(|value| !value.split(',').any(|one| one.trim() == "identity")) {
            self.rig.strict.broken(rules::NO_IDENTITY, format!("{} {}", request.method, request.route.name));
        }
    }

    pub(super) fn resolve(&self, caller: &Caller, request: &Request, key: &RepoKey, revision: &str, path: &str) -> Response {
        let behaviour = self.behaviour();
        let mut state = self.state();
        self.watch_reader(&mut state, request, key, revision, path);
        let found = match self.find(&mut state, caller, key, revision, path) {
            Ok(found) => found,
            Err(refusal) => return refusal,
        };
        match &found.entry {
            Entry::Lfs { .. } => self.to_cdn(&mut state, request, key, &found, &behaviour),
            Entry::Regular(_) if behaviour.small_files_redirect => to_cache(key, &found, path),
            Entry::Regular(content) => serve_small(request, &found, content),
        }
    }

    pub(super) fn resolve_cache(&self, caller: &Caller, request: &Request, key: &RepoKey, commit: &str, path: &str) -> Response {
        self.watch_identity(request);
        match self.find(&mut self.state(), caller, key, commit, path) {
            Ok(found) => match &found.entry {
                Entry::Regular(content) => serve_small(request, &found, content),
                Entry::Lfs { .. } => answers::entry_not_found(path),
            },
            Err(refusal) => refusal,
        }
    }

    /// A large file: everything worth knowing is on the redirect itself.
    fn to_cdn(&self, state: &mut State, request: &Request, key: &RepoKey, found: &Found, behaviour: &Behaviour) -> Response {
        let (oid, size) = (found.entry.etag(), found.entry.size());
        let by_range = request.header("range").is_some() && !behaviour.refuses_ranges_too;
        if size > behaviour.refuses_plain_above && request.method == "GET" && !by_range {
            let message = "The file is too large to be downloaded using the regular download method.";
            return answers::forbidden(message);
        }
        let url = self.cdn_url(key, &oid, behaviour);
        let path = format!("/repos/{}/{oid}", lfs::folder(key));
        match &found.instead {
            Some(other) => drop(state.mixed_up.insert(path, other.clone())),
            None => drop(state.mixed_up.remove(&path)),
        }
        Response::text(302, &format!("Found. Redirecting to {url}"))
            .header("location", url)
            .header("x-repo-commit", &found.commit)
            .header("x-linked-size", size.to_string())
            .header("x-linked-etag", format!("\"{oid}\""))
            .header("accept-ranges", "bytes")
            .header("vary", "Origin, Accept")
    }

    pub(super) fn cdn_url(&self, key: &RepoKey, oid: &str, behaviour: &Behaviour) -> String {
        let path = format!("/repos/{}/{oid}", lfs::folder(key));
        format!("{}{path}?{}", self.cdn, self.signer.sign("GET", &path, behaviour.url_lifetime))
    }

    pub(super) fn answer_cdn(&self, request: &Request) -> Response {
        if request.headers.contains_key("authorization") {
            return answers::storage_error(400, "InvalidArgument", "Only one auth mechanism allowed");
        }
        if request.method != "GET" && request.method != "HEAD" {
            return answers::storage_error(405, "MethodNotAllowed", "The specified method is not allowed.");
        }
        self.watch_identity(request);
        let mut state = self.state();
        if let Err(refusal) = self.check_signature(&mut state, request, "GET", &request.path) {
            return refusal;
        }
        let oid = request.path.rsplit('/').next().unwrap_or_default();
        let Some(blob) = self.store.get(oid) else {
            return answers::storage_error(404, "NoSuchKey", "The specified key does not exist.");
        };
        let Some(content) = state.mixed_up.get(&request.path).cloned().or(blob.content) else {
            return answers::storage_error(500, "InternalError", "The sink let these bytes go.");
        };
        serve_range(request, content, &format!("\"{oid}\"")).header("content-type", "application/octet-stream")
    }
}

/// A small file lives behind a second, cacheable path of the same origin. The lengths here are those of the redirect.
fn to_cache(key: &RepoKey, found: &Found, path: &str) -> Response {
    let target = format!("/api/resolve-cache/{}/{}/{}/{}", key.kind.plural(), key.id, found.commit, encode_path(path));
    let etag = found.entry.etag();
    let location = format!("{target}?etag=%22{etag}%22");
    Response::text(307, &format!("Temporary Redirect. Redirecting to {location}"))
        .header("location", location)
        .header("x-repo-commit", &found.commit)
        .header("x-linked-size", found.entry.size().to_string())
        .header("x-linked-etag", format!("\"{etag}\""))
}

fn serve_small(request: &Request, found: &Found, content: &Content) -> Response {
    let content = found.instead.as_ref().unwrap_or(content);
    let etag = format!("\"{}\"", found.entry.etag());
    let response = if takes_gzip(request) && request.header("range").is_none() && !content.is_empty() {
        // Compressed on the fly: the length is not known when the head is sent.
        Response::bytes(200, gzip(content)).chunked().header("content-encoding", "gzip").header("etag", format!("W/{etag}"))
    } else {
        serve_range(request, content.clone(), &etag)
    };
    response
        .header("x-repo-commit", &found.commit)
        .header("content-type", "text/plain; charset=utf-8")
        .header("content-disposition", "inline")
        .header("cache-control", "no-cache")
        .header("vary", "Accept-Encoding")
}

fn takes_gzip(request: &Request) -> bool {
    let accepted = request.header("accept-encoding").unwrap_or_default();
    accepted.split(',').any(|one| one.split(';').next().is_some_and(|name| name.trim() == "gzip"))
}

fn gzip(content: &Content) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    content.range(0..content.len()).for_each(|chunk| encoder.write_all(&chunk).expect("a vector takes everything"));
    encoder.finish().expect("a vector takes everything")
}

/// The file or the range asked for, as an object store answers.
fn serve_range(request: &Request, content: Content, etag: &str) -> Response {
    let len = content.len();
    if request.header("if-match").is_some_and(|tag| tag != "*" && tag != etag) {
        return answers::storage_error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
    }
    let same = request.header("if-range").is_none_or(|tag| tag == etag);
    let asked = if same { wanted(request.header("range"), len) } else { Wanted::Whole };
    let part = |range: Range<u64>| {
        let shown = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        Response::file(206, content.clone(), range).header("content-range", shown)
    };
    let response = match asked {
        Wanted::Whole => Response::file(200, content.clone(), 0..len),
        Wanted::Part(range) => part(range),
        Wanted::Unsatisfiable => {
            let refusal = answers::storage_error(416, "InvalidRange", "The requested range is not satisfiable");
            return refusal.header("content-range", format!("bytes */{len}"));
        }
    };
    response.header("etag", etag).header("accept-ranges", "bytes").header("last-modified", calendar::http(SystemTime::UNIX_EPOCH))
}
