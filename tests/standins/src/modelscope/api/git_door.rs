//! Reading by git (facts/modelscope §3.5): a real git server over the repository's commits, and where its large files lie.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::batch::is_sha256;
use super::json_body;
use crate::git::{self, Snapshot};
use crate::modelscope::accounts::Caller;
use crate::modelscope::envelope::{Refusal, Stop};
use crate::modelscope::hub::{Hub, State};
use crate::modelscope::keys::Opened;
use crate::modelscope::repo::RepoKey;
use crate::modelscope::routes::{Address, Call};
use crate::modelscope::rules::{self, BATCH_LIMIT};
use crate::server::{Request, Response};

const MEDIA: &str = "application/vnd.git-lfs+json";

/// The refusal of a repository whose API gives nothing, which git does not meet.
pub(in crate::modelscope) fn locked(hub: &Hub, call: &Call) -> Option<Refusal> {
    let (address, is_download) = match call {
        Call::Download(address) | Call::Resolve(address, ..) => (address, true),
        Call::Info(address) | Call::OpenInfo(address) | Call::Files(address) | Call::Tree(address) | Call::Commits(address) => {
            (address, false)
        }
        _ => return None,
    };
    let state = hub.state();
    let quirks = &state.key_of(address).and_then(|key| state.repos.get(&key))?.quirks;
    let text = quirks.api_locked.as_ref().or(quirks.downloads_locked.as_ref().filter(|_| is_download))?;
    Some(Refusal::forbidden(text))
}

pub(super) async fn git(hub: &Hub, request: &mut Request, address: &Address, path: &str) -> Result<Response, Stop> {
    let caller = caller(hub, request);
    let folder = match bare(hub, address, &caller) {
        Ok(folder) => folder,
        Err(refusal) => return Ok(refusal),
    };
    let Some(body) = request.body.read_all(git::LONGEST).await? else { return Ok(Response::empty(413)) };
    if git::is_deep(&body) {
        hub.rig.strict.broken(rules::GIT_NOT_SHALLOW, format!("{address:?}"));
    }
    Ok(git::answer(request, &body, &folder, path).await)
}

/// Who shows this password: the token that a login gave, and perhaps any token.
fn caller(hub: &Hub, request: &Request) -> Caller {
    let Some(password) = git::password(request) else { return Caller::Nobody };
    let state = hub.state();
    let session = password.strip_prefix("git-").and_then(|session| state.accounts.find(session));
    let token = state.accounts.find(&password).filter(|_| hub.behaviour().git_takes_api_tokens);
    session.or(token).map_or(Caller::Rejected, |known| Caller::User(known.clone()))
}

/// The repository, for who may read its files. Whoever may not is asked for a password.
fn opened(state: &State, address: &Address, caller: &Caller) -> Result<RepoKey, Response> {
    let repo = state.readable(address, caller).map_err(|_| match caller {
        Caller::User(_) => Response::text(404, "The project you were looking for could not be found."),
        _ => Response::text(401, "HTTP Basic: Access denied").header("www-authenticate", "Basic realm=\"GitLab\""),
    })?;
    state.opens(repo, caller).map_err(|_| Response::text(403, "You are not allowed to download code from this project."))?;
    Ok(repo.key())
}

fn bare(hub: &Hub, address: &Address, caller: &Caller) -> Result<PathBuf, Response> {
    let state = hub.state();
    let key = opened(&state, address, caller)?;
    let repo = &state.repos[&key];
    if let Some(folder) = &repo.elsewhere {
        return Ok(folder.clone());
    }
    let id = |index: usize| repo.commits[index].id.clone();
    let heads = repo.branches.iter().map(|(name, index)| (format!("refs/heads/{name}"), id(*index)));
    let refs: Vec<_> = heads.chain(repo.tags.iter().map(|(name, (index, _))| (format!("refs/tags/{name}"), id(*index)))).collect();
    let commits: Vec<_> = repo.commits.iter().map(|commit| (commit.id.clone(), commit.text.clone(), commit.tree.clone())).collect();
    drop(state);
    let snapshots = commits.into_iter().map(|(id, text, tree)| {
        let files: BTreeMap<_, _> = tree.iter().map(|(path, node)| (path.to_string(), node.in_git())).collect();
        (id, Snapshot { text, files })
    });
    Ok(hub.shelf.repository(&format!("{}/{}", key.0.plural(), key.1), &refs, "master", snapshots))
}

/// Where git-lfs is told to fetch each object.
pub(super) async fn batch(hub: &Hub, request: &mut Request, address: &Address) -> Result<Response, Stop> {
    let caller = caller(hub, request);
    let body = json_body(request, 8 << 20).await?;
    let behaviour = hub.behaviour();
    let (elsewhere, answer) = {
        let mut state = hub.state();
        let key = match opened(&state, address, &caller) {
            Ok(key) => key,
            Err(refusal) => return Ok(refusal),
        };
        let answer = places(hub, &mut state, &key, &body, behaviour.auth_key_lifetime)?;
        (state.repos[&key].quirks.lfs_server.clone(), answer)
    };
    Ok(match elsewhere {
        Some(server) => crate::git::elsewhere::pass_on(&server, &body).await,
        None => answer,
    })
}

fn places(hub: &Hub, state: &mut State, key: &RepoKey, body: &Value, lifetime: std::time::Duration) -> Result<Response, Stop> {
    if body["operation"] != "download" {
        return Err(Refusal::bad("operation must be download").into());
    }
    let objects = body["objects"].as_array().ok_or_else(|| Refusal::bad("objects are required"))?;
    let oids: Vec<&str> = objects.iter().filter_map(|object| object["oid"].as_str()).filter(|oid| is_sha256(oid)).collect();
    if oids.len() != objects.len() {
        return Err(Refusal::bad("every object needs an oid and a size").into());
    }
    // git-lfs asks for a hundred at a time, whoever it asks
    if oids.len() > BATCH_LIMIT.max(100) {
        hub.rig.strict.broken(rules::BATCH_TOO_LONG, format!("{} objects", oids.len()));
    }
    if state.watch.batch(key, &oids) {
        hub.rig.strict.broken(rules::BATCH_ONE_BY_ONE, &key.1);
    }
    let answers: Vec<Value> = oids.iter().map(|oid| place(hub, state, key, oid, lifetime)).collect();
    Ok(Response::json(200, &json!({ "transfer": "basic", "objects": answers })).header("content-type", MEDIA))
}

fn place(hub: &Hub, state: &State, key: &RepoKey, oid: &str, lifetime: std::time::Duration) -> Value {
    let has = state.repos[key].objects.contains(oid);
    let Some(content) = hub.store.get(oid).filter(|_| has).and_then(|blob| blob.content) else {
        return json!({ "oid": oid, "size": 0, "error": { "code": 404, "message": "Object does not exist" } });
    };
    let size = content.len();
    let signed = hub.keys.issue(Opened { sha256: oid.to_owned(), content }, lifetime);
    hub.rig.guard.marks.signature(&signed);
    let href = format!("{}/prod/lfs-objects/{}/{}/{}?auth_key={signed}", hub.cdn, &oid[..2], &oid[2..4], &oid[4..]);
    json!({ "oid": oid, "size": size, "authenticated": true, "actions": { "download": { "href": href, "header": {} } } })
}
