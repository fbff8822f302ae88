//! Reading what is there: info, tree, paths, refs, history.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::accounts::{Caller, id_of};
use super::hub::{Hub, State};
use super::repo::{Commit, Entry, Gated, Repo, RepoKey};
use super::{access, answers, calendar, card, rules};
use crate::server::{Gone, Query, Request, Response};

/// The hub refuses longer lists.
const MOST_PATHS: usize = 1_000;
/// With `expand=true`, pages are this short.
const EXPANDED_PAGE: usize = 50;
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'?')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    // no URL holds these as they are (RFC 3986)
    .add(b'\\')
    .add(b'^')
    .add(b'[')
    .add(b']')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl State {
    /// The repository, if the caller may see it.
    pub(super) fn visible(&mut self, caller: &Caller, key: &RepoKey) -> Result<&mut Repo, Response> {
        let Some(repo) = self.repos.get_mut(key).filter(|repo| !repo.quirks.gone) else {
            return Err(answers::repo_not_found(matches!(caller, Caller::Anonymous)));
        };
        repo.settle("Add files");
        access::may_see(&self.accounts, caller, repo)?;
        Ok(repo)
    }

    /// Like [`State::visible`], noting that the client has looked at the repository.
    fn looked_at(&mut self, caller: &Caller, key: &RepoKey) -> Result<&mut Repo, Response> {
        let repo = self.visible(caller, key)?;
        repo.manners.reads += 1;
        Ok(repo)
    }
}

/// Whether a revision is a full commit id.
pub(super) fn is_pinned(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn gated_json(gated: Option<Gated>) -> Value {
    match gated {
        None => json!(false),
        Some(Gated::Auto) => json!("auto"),
        Some(Gated::Manual) => json!("manual"),
    }
}

pub(super) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, IN_PATH).to_string()
}

fn is_true(query: &Query, name: &str) -> bool {
    query.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
}

impl Hub {
    pub(super) fn info(&self, caller: &Caller, request: &Request, key: &RepoKey, revision: Option<&str>) -> Response {
        let mut state = self.state();
        let repo = match state.looked_at(caller, key) {
            Ok(repo) => repo,
            Err(refusal) => return refusal,
        };
        repo.manners.awaits_read_back = false;
        let revision = revision.unwrap_or("main");
        let Some(mut commit) = repo.resolve(revision).map(Arc::clone) else { return answers::revision_not_found(revision) };
        if repo.stale_infos > 0 && commit.oid == repo.head().oid {
            repo.stale_infos -= 1;
            if let Some(parent) = commit.parent.as_ref().and_then(|parent| repo.commits.get(parent)) {
                commit = Arc::clone(parent);
            }
        }
        let full = info_json(repo, &commit, is_true(&request.query, "blobs"));
        let expanded: Vec<&str> =
            request.query.iter().filter(|(name, _)| name.trim_end_matches("[]") == "expand").map(|(_, value)| value).collect();
        if expanded.is_empty() {
            return Response::json(200, &full);
        }
        let kept = ["_id", "id"].into_iter().chain(expanded).map(|name| (name.to_owned(), full[name].clone()));
        Response::json(200, &Value::Object(kept.filter(|(_, value)| !value.is_null()).collect()))
    }

    fn watch_pin(&self, what: &str, key: &RepoKey, revision: &str) {
        if !is_pinned(revision) {
            self.rig.strict.broken(rules::UNPINNED_READ, format!("{what} of {key} at `{revision}`"));
        }
    }

    pub(super) fn tree(&self, caller: &Caller, request: &Request, key: &RepoKey, revision: &str, folder: &str) -> Response {
        self.watch_pin("tree", key, revision);
        let page = self.tree_page(&request.query);
        let mut state = self.state();
        let repo = match state.looked_at(caller, key) {
            Ok(repo) => repo,
            Err(refusal) => return refusal,
        };
        let start = request.query.get("cursor").and_then(read_cursor);
        // Later pages belong to the commit of the first, whatever happened since.
        let commit = match &start {
            Some((oid, _)) => repo.commits.get(oid).cloned(),
            None => repo.listed(revision),
        };
        let Some(commit) = commit else { return answers::revision_not_found(revision) };
        let selected = select(&commit, folder, is_true(&request.query, "recursive"));
        if selected.is_empty() && !folder.is_empty() {
            return answers::entry_not_found(folder);
        }
        let from = start.map_or(0, |(_, at)| at).min(selected.len());
        let to = (from + page).min(selected.len());
        let entries: Vec<Value> = selected[from..to].iter().map(|node| node_json(repo, &commit, node)).collect();
        let response = Response::json(200, &Value::Array(entries));
        if to == selected.len() {
            return response;
        }
        let kept = request.query.iter().filter(|(name, _)| *name != "cursor");
        let mut query: Vec<String> = kept.map(|(name, value)| format!("{name}={}", encode_query(value))).collect();
        query.push(format!("cursor={}", write_cursor(&commit.oid, to)));
        response.header("link", format!("<{}{}?{}>; rel=\"next\"", self.api, request.path, query.join("&")))
    }

    fn tree_page(&self, query: &Query) -> usize {
        let page = self.behaviour().tree_page.max(1);
        let asked = query.get("limit").and_then(|text| text.parse::<usize>().ok()).unwrap_or(page).max(1);
        page.min(asked).min(if is_true(query, "expand") { EXPANDED_PAGE } else { usize::MAX })
    }

    pub(super) async fn paths_info(&self, caller: &Caller, request: &mut Request, key: &RepoKey, revision: &str) -> Result<Response, Gone> {
        let Some(body) = request.body.read_all(8 << 20).await? else {
            return Ok(answers::refuse(413, None, "Payload Too Large"));
        };
        let paths = paths_of(&body, request.header("content-type").unwrap_or_default());
        if paths.len() > MOST_PATHS {
            return Ok(answers::refuse(413, None, "Too many paths"));
        }
        let mut state = self.state();
        let repo = match state.looked_at(caller, key) {
            Ok(repo) => repo,
            Err(refusal) => return Ok(refusal),
        };
        repo.manners.single_paths = if paths.len() == 1 { repo.manners.single_paths + 1 } else { 0 };
        if repo.manners.single_paths > rules::ONE_BY_ONE_LIMIT {
            repo.manners.single_paths = 0;
            self.rig.strict.broken(rules::PATHS_ONE_BY_ONE, format!("{key}, last `{}`", paths[0]));
        }
        let Some(commit) = repo.listed(revision) else { return Ok(answers::revision_not_found(revision)) };
        let listing = commit.listing();
        let find = |path: &String| listing.iter().find(|(listed, _)| listed == path.trim_matches('/'));
        let found: Vec<Value> = paths.iter().filter_map(find).map(|node| node_json(repo, &commit, node)).collect();
        Ok(Response::json(200, &Value::Array(found)))
    }

    pub(super) fn refs(&self, caller: &Caller, key: &RepoKey) -> Response {
        let mut state = self.state();
        let repo = match state.looked_at(caller, key) {
            Ok(repo) => repo,
            Err(refusal) => return refusal,
        };
        let list = |names: &std::collections::BTreeMap<String, String>, kind: &str| -> Value {
            let one = |(name, oid): (&String, &String)| json!({ "name": name, "ref": format!("refs/{kind}/{name}"), "targetCommit": oid });
            names.iter().map(one).collect()
        };
        let (branches, tags) = (list(&repo.branches, "heads"), list(&repo.tags, "tags"));
        Response::json(200, &json!({ "branches": branches, "tags": tags, "converts": [], "pullRequests": [] }))
    }

    pub(super) fn commits(&self, caller: &Caller, request: &Request, key: &RepoKey, revision: &str) -> Response {
        let page_size = self.behaviour().commits_page.max(1);
        let mut state = self.state();
        let repo = match state.looked_at(caller, key) {
            Ok(repo) => repo,
            Err(refusal) => return refusal,
        };
        let Some(head) = repo.resolve(revision) else { return answers::revision_not_found(revision) };
        let history: Vec<&Arc<Commit>> =
            std::iter::successors(Some(head), |commit| commit.parent.as_ref().and_then(|parent| repo.commits.get(parent))).collect();
        let page: usize = request.query.get("p").and_then(|text| text.parse().ok()).unwrap_or(0);
        let size = request.query.get("limit").and_then(|text| text.parse::<usize>().ok()).unwrap_or(page_size).max(1);
        let shown: Vec<Value> = history.iter().skip(page * size).take(size).map(|commit| commit_json(commit)).collect();
        let response = Response::json(200, &Value::Array(shown)).header("x-total-count", history.len().to_string());
        if (page + 1) * size >= history.len() {
            return response;
        }
        response.header("link", format!("<{}{}?p={}&limit={size}>; rel=\"next\"", self.api, request.path, page + 1))
    }

    pub(super) fn auth_check(&self, caller: &Caller, key: &RepoKey) -> Response {
        let mut state = self.state();
        if let Err(refusal) = state.visible(caller, key) {
            return refusal;
        }
        match access::may_download(&state.accounts, caller, &state.repos[key]) {
            Ok(()) => Response::text(200, "OK"),
            Err(refusal) => refusal,
        }
    }
}

pub(super) fn info_json(repo: &Repo, commit: &Commit, blobs: bool) -> Value {
    let sibling = |(path, entry): (&String, &Entry)| {
        if !blobs {
            return json!({ "rfilename": path });
        }
        let mut full = json!({ "rfilename": path, "size": entry.size(), "blobId": entry.git_oid() });
        if let Some(lfs) = lfs_json(entry, "sha256") {
            full["lfs"] = lfs;
        }
        full
    };
    let siblings: Vec<Value> = commit.files.iter().map(sibling).collect();
    let card = match commit.files.get("README.md") {
        Some(Entry::Regular(readme)) => card::metadata(&String::from_utf8_lossy(&readme.to_bytes())),
        _ => json!({}),
    };
    let used: u64 = commit.files.values().map(Entry::size).sum();
    let mut info = json!({ "_id": id_of(&repo.key.to_string()), "id": repo.key.id, "author": repo.key.namespace(),
        "sha": commit.oid, "lastModified": calendar::iso(commit.date), "createdAt": calendar::iso(repo.created),
        "private": repo.private, "gated": gated_json(repo.gated), "disabled": repo.disabled, "tags": [], "downloads": 0,
        "likes": 0, "cardData": card, "siblings": siblings, "usedStorage": used });
    if let Some(sdk) = &repo.sdk {
        info["sdk"] = json!(sdk);
    }
    if repo.key.kind == super::RepoKind::Model {
        info["modelId"] = json!(repo.key.id);
    }
    info
}

fn lfs_json(entry: &Entry, digest: &str) -> Option<Value> {
    let pointer = entry.pointer()?.len();
    Some(json!({ digest: entry.etag(), "size": entry.size(), "pointerSize": pointer }))
}

fn commit_json(commit: &Commit) -> Value {
    json!({ "id": commit.oid, "title": commit.summary, "message": commit.description,
        "authors": [{ "user": commit.author, "avatar": "" }], "date": calendar::iso(commit.date) })
}

type Node = (String, bool);

fn select<'c>(commit: &'c Commit, folder: &str, recursive: bool) -> Vec<&'c Node> {
    let inside = |path: &str| match folder {
        "" => Some(path.to_owned()),
        _ => path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned),
    };
    let wanted = |node: &&Node| inside(&node.0).is_some_and(|rest| recursive || !rest.contains('/'));
    commit.listing().iter().filter(wanted).collect()
}

fn node_json(repo: &Repo, commit: &Commit, node: &Node) -> Value {
    let (path, is_folder) = node;
    if *is_folder {
        let oid = hex::encode(Sha1::digest(format!("{} {path}", commit.oid)));
        return json!({ "type": "directory", "oid": oid, "size": 0, "path": path });
    }
    let entry = &commit.files[path];
    let mut shown = json!({ "type": "file", "oid": entry.git_oid(), "size": entry.size(), "path": path });
    if let Some(lfs) = lfs_json(entry, "oid") {
        shown["lfs"] = lfs;
    }
    if let Some(other) = repo.quirks.lists_instead.get(path) {
        match entry {
            Entry::Lfs { .. } => shown["lfs"]["oid"] = json!(other),
            Entry::Regular(_) => shown["oid"] = json!(other),
        }
    }
    shown
}

fn write_cursor(oid: &str, at: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{oid} {at}"))
}

fn read_cursor(text: &str) -> Option<(String, usize)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (oid, at) = text.split_once(' ')?;
    Some((oid.to_owned(), at.parse().ok()?))
}

pub(super) fn encode_query(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

/// `paths` from JSON or from a form, one or many.
fn paths_of(body: &[u8], content_type: &str) -> Vec<String> {
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let form = Query::parse(&String::from_utf8_lossy(body));
        return form.iter().filter(|(name, _)| name.trim_end_matches("[]") == "paths").map(|(_, v)| v.to_owned()).collect();
    }
    match serde_json::from_slice::<Value>(body).map(|body| body["paths"].clone()) {
        Ok(Value::String(one)) => vec![one],
        Ok(Value::Array(many)) => many.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}
