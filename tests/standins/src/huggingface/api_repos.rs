//! Repositories as things: create, delete, move, settings, branches, tags.

use std::sync::Arc;

use serde_json::{Value, json};

use super::accounts::Caller;
use super::hub::Hub;
use super::repo::{Gated, Repo, RepoKey, RepoKind};
use super::{access, answers, card};
use crate::server::{Gone, Request, Response};

/// More than any request to these routes needs.
const SMALL: usize = 4 << 20;

/// Reads a small JSON body or returns the refusal.
macro_rules! json_body {
    ($request:expr) => {
        match $request.json(SMALL).await? {
            Ok(value) => value,
            Err(refusal) => return Ok(refusal),
        }
    };
}

impl Hub {
    fn key_of(body: &Value, owner: &str) -> Option<RepoKey> {
        let kind = RepoKind::named(body["type"].as_str().unwrap_or("model"))?;
        let name = body["name"].as_str().filter(|name| !name.is_empty())?;
        let id = match body["organization"].as_str() {
            Some(organization) => format!("{organization}/{name}"),
            None if name.contains('/') => name.to_owned(),
            None => format!("{owner}/{name}"),
        };
        is_valid_id(&id).then_some(RepoKey { kind, id })
    }

    fn repo_url(&self, key: &RepoKey) -> String {
        format!("{}/{}{}", self.api, key.kind.prefix(), key.id)
    }

    pub(super) async fn create(&self, caller: &Caller, request: &mut Request) -> Result<Response, Gone> {
        let body = json_body!(request);
        let Caller::Known(token) = caller else {
            return Ok(answers::refuse(401, None, "Invalid username or password."));
        };
        let Some(key) = Self::key_of(&body, &token.user) else {
            return Ok(answers::bad_request("Invalid repository name, namespace or type"));
        };
        let behaviour = self.behaviour();
        let mut state = self.state();
        if let Err(refusal) = access::may_create(&state.accounts, token, &key) {
            return Ok(refusal);
        }
        let url = self.repo_url(&key);
        if state.repos.contains_key(&key) {
            let message = format!("You already created this {} repo: {}", key.kind.name(), key.id);
            let conflict = Response::json(409, &json!({ "error": message, "url": url }));
            return Ok(conflict.header("x-error-message", message));
        }
        let private = body["visibility"].as_str() == Some("private") || body["private"].as_bool() == Some(true);
        let mut repo = Repo::new(key.clone(), &token.user, private && !behaviour.ignores_visibility || behaviour.creates_private);
        repo.sdk = body["sdk"].as_str().map(str::to_owned);
        if key.kind == RepoKind::Space && repo.sdk.is_none() {
            return Ok(answers::bad_request("\"sdk\" is required for a space"));
        }
        repo.manners.awaits_read_back = true;
        state.moved.remove(&key);
        state.repos.insert(key.clone(), repo);
        Ok(Response::json(200, &json!({ "url": url, "name": key.id, "id": super::accounts::id_of(&key.to_string()) })))
    }

    pub(super) async fn delete(&self, caller: &Caller, request: &mut Request) -> Result<Response, Gone> {
        let body = json_body!(request);
        let owner = caller.token().map_or("", |token| &token.user);
        let Some(key) = Self::key_of(&body, owner) else { return Ok(answers::repo_not_found(false)) };
        if let Err(refusal) = self.writable(caller, &key) {
            return Ok(refusal);
        }
        self.state().repos.remove(&key);
        Ok(Response::text(200, "OK"))
    }

    pub(super) async fn rename(&self, caller: &Caller, request: &mut Request) -> Result<Response, Gone> {
        let body = json_body!(request);
        let Some(kind) = RepoKind::named(body["type"].as_str().unwrap_or("model")) else {
            return Ok(answers::bad_request("Invalid repository type"));
        };
        let (Some(from), Some(to)) = (body["fromRepo"].as_str(), body["toRepo"].as_str().filter(|id| is_valid_id(id))) else {
            return Ok(answers::bad_request("\"fromRepo\" and \"toRepo\" are required"));
        };
        let (from, to) = (RepoKey::new(kind, from), RepoKey::new(kind, to));
        if let Err(refusal) = self.writable(caller, &from) {
            return Ok(refusal);
        }
        let mut state = self.state();
        if let Some(token) = caller.token()
            && let Err(refusal) = access::may_create(&state.accounts, token, &to)
        {
            return Ok(refusal);
        }
        if state.repos.contains_key(&to) {
            return Ok(answers::refuse(409, None, &format!("{to} exists already")));
        }
        let Some(mut repo) = state.repos.remove(&from) else { return Ok(answers::repo_not_found(false)) };
        repo.key = to.clone();
        state.moved.insert(from, to.clone());
        state.moved.remove(&to);
        state.repos.insert(to, repo);
        Ok(Response::text(200, "OK"))
    }

    pub(super) async fn settings(&self, caller: &Caller, request: &mut Request, key: &RepoKey) -> Result<Response, Gone> {
        let body = json_body!(request);
        if let Err(refusal) = self.writable(caller, key) {
            return Ok(refusal);
        }
        let mut state = self.state();
        let Some(repo) = state.repo(key) else { return Ok(answers::repo_not_found(false)) };
        match (body["visibility"].as_str(), body["private"].as_bool()) {
            (Some(visibility), _) => repo.private = visibility == "private",
            (None, Some(private)) => repo.private = private,
            (None, None) => {}
        }
        match &body["gated"] {
            Value::Bool(false) => repo.gated = None,
            Value::String(text) if text == "auto" => repo.gated = Some(Gated::Auto),
            Value::String(text) if text == "manual" => repo.gated = Some(Gated::Manual),
            Value::Null => {}
            _ => return Ok(answers::bad_request("\"gated\" must be one of [auto, manual, false]")),
        }
        Ok(Response::json(200, &json!({ "private": repo.private, "gated": super::api_read::gated_json(repo.gated) })))
    }

    pub(super) async fn branch(&self, caller: &Caller, request: &mut Request, key: &RepoKey, name: &str) -> Result<Response, Gone> {
        let body = if request.method == "POST" { optional_json(request).await? } else { Value::Null };
        if let Err(refusal) = self.writable(caller, key) {
            return Ok(refusal);
        }
        let mut state = self.state();
        let Some(repo) = state.repo(key) else { return Ok(answers::repo_not_found(false)) };
        if request.method == "DELETE" {
            let removed = name != "main" && repo.branches.remove(name).is_some();
            return Ok(if removed { Response::text(200, "OK") } else { answers::revision_not_found(name) });
        }
        if repo.branches.contains_key(name) {
            return Ok(answers::refuse(409, None, &format!("Reference already exists: {name}")));
        }
        let start = body["startingPoint"].as_str().unwrap_or("main");
        let Some(commit) = repo.resolve(start).map(Arc::clone) else { return Ok(answers::revision_not_found(start)) };
        repo.branches.insert(name.to_owned(), commit.oid.clone());
        Ok(Response::text(201, "Created"))
    }

    pub(super) async fn tag(&self, caller: &Caller, request: &mut Request, key: &RepoKey, revision: &str) -> Result<Response, Gone> {
        let body = if request.method == "POST" { optional_json(request).await? } else { Value::Null };
        if let Err(refusal) = self.writable(caller, key) {
            return Ok(refusal);
        }
        let mut state = self.state();
        let Some(repo) = state.repo(key) else { return Ok(answers::repo_not_found(false)) };
        if request.method == "DELETE" {
            let removed = repo.tags.remove(revision).is_some();
            return Ok(if removed { Response::text(200, "OK") } else { answers::revision_not_found(revision) });
        }
        let Some(tag) = body["tag"].as_str() else { return Ok(answers::bad_request("\"tag\" is required")) };
        if repo.tags.contains_key(tag) {
            return Ok(answers::refuse(409, None, &format!("Tag reference exists already: {tag}")));
        }
        let Some(commit) = repo.resolve(revision).map(Arc::clone) else { return Ok(answers::revision_not_found(revision)) };
        repo.tags.insert(tag.to_owned(), commit.oid.clone());
        Ok(Response::text(200, "OK"))
    }

    pub(super) async fn validate_yaml(&self, request: &mut Request) -> Result<Response, Gone> {
        let body = json_body!(request);
        let Some(content) = body["content"].as_str() else { return Ok(answers::bad_request("\"content\" is required")) };
        Ok(card::judge(content, &self.behaviour().licences).answer())
    }

    /// Whether the repository exists and the caller may change it.
    pub(super) fn writable(&self, caller: &Caller, key: &RepoKey) -> Result<(), Response> {
        let mut state = self.state();
        state.repo(key);
        match state.repos.get(key) {
            None => Err(answers::repo_not_found(matches!(caller, Caller::Anonymous))),
            Some(repo) => {
                access::may_write(&state.accounts, caller, repo)?;
                repo.quirks.locked.as_ref().map_or(Ok(()), |text| Err(answers::forbidden(text)))
            }
        }
    }
}

async fn optional_json(request: &mut Request) -> Result<Value, Gone> {
    let body = request.body.read_all(SMALL).await?.unwrap_or_default();
    Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// The hub's naming rules: a name of 96 characters, letters, digits, `-_.`, no `--` or `..`, no `-` or `.` at the ends, not `….git`.
fn is_valid_id(id: &str) -> bool {
    let fine = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !part.contains("--")
            && !part.contains("..")
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
    };
    let mut parts = id.split('/');
    let both = parts.next().is_some_and(fine) && parts.next().is_some_and(|name| fine(name) && name.len() <= 96);
    both && parts.next().is_none() && !id.ends_with(".git")
}
