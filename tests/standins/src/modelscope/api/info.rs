//! What a repository is, on both surfaces, and which an owner has (facts/modelscope §2.2).

use serde_json::{Value, json};

use crate::modelscope::accounts::Caller;
use crate::modelscope::envelope::{Refusal, legacy, legacy_with, openapi};
use crate::modelscope::hub::{Hub, State};
use crate::modelscope::repo::{ReadBack, Repo, RepoKind, Visibility};
use crate::modelscope::routes::Address;
use crate::server::{Request, Response};

/// Pages of the index end here, and are no longer than 50.
const INDEX_END: u64 = 3000;
const INDEX_PAGE: u64 = 50;

pub(super) fn open(hub: &Hub, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let mut state = hub.state();
    let data = open_json(state.readable(address, caller)?);
    note_read_back(&mut state, address);
    Ok(openapi(data))
}

pub(super) fn legacy_info(hub: &Hub, request: &Request, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let mut state = hub.state();
    let repo = state.readable(address, caller)?;
    if let Some(revision) = request.query.get("Revision")
        && repo.resolve(revision).is_none()
    {
        return Err(Refusal::missing("the revision"));
    }
    let data = match repo.kind {
        RepoKind::Model => model_json(repo, request.query.get("Revision")),
        RepoKind::Dataset => dataset_json(repo),
    };
    note_read_back(&mut state, address);
    Ok(legacy(data))
}

pub(super) fn index(hub: &Hub, request: &Request, kind: RepoKind, caller: &Caller) -> Result<Response, Refusal> {
    caller.reader()?;
    let (page, size) = (number(request, "page_number", 1), number(request, "page_size", 10));
    if page == 0 || size == 0 || size > INDEX_PAGE || page * size > INDEX_END {
        return Err(Refusal::bad("page_size is at most 50 and page_number * page_size at most 3000"));
    }
    let behaviour = hub.behaviour();
    let state = hub.state();
    let (owner, search) = (request.query.get("owner"), request.query.get("search").unwrap_or_default());
    let listed: Vec<&Repo> = visible(&state, kind, owner, caller)
        .filter(|repo| repo.name.contains(search))
        .filter(|repo| !(behaviour.index_misses_private && kind == RepoKind::Dataset && is_private(repo)))
        .collect();
    let items: Vec<Value> = paged(&listed, page, size).iter().map(|repo| open_json(repo)).collect();
    let mut data = json!({ "total_count": listed.len(), "page_number": page, "page_size": size });
    data[kind.plural()] = json!(items);
    Ok(openapi(data))
}

pub(super) fn list_datasets(hub: &Hub, request: &Request, caller: &Caller) -> Result<Response, Refusal> {
    caller.reader()?;
    let (page, size) =
        (number(request, "PageNumber", 1).max(1), number(request, "PageSize", 10).clamp(1, hub.behaviour().page_limit.max(1)));
    let state = hub.state();
    let listed: Vec<&Repo> = visible(&state, RepoKind::Dataset, request.query.get("owner"), caller).collect();
    let items: Vec<Value> = paged(&listed, page, size).iter().map(|repo| dataset_json(repo)).collect();
    let beside = json!({ "TotalCount": listed.len(), "PageNumber": page, "PageSize": size });
    Ok(legacy_with(json!(items), beside))
}

/// A number of the query, or what it is by default.
pub(super) fn number(request: &Request, name: &str, default: u64) -> u64 {
    request.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One page of a list; pages count from 1.
pub(super) fn paged<T>(all: &[T], page: u64, size: u64) -> &[T] {
    let start = ((page.max(1) - 1).saturating_mul(size)).min(all.len() as u64) as usize;
    &all[start..(start.saturating_add(size as usize)).min(all.len())]
}

fn visible<'a>(state: &'a State, kind: RepoKind, owner: Option<&'a str>, caller: &'a Caller) -> impl Iterator<Item = &'a Repo> {
    let mine = move |repo: &&Repo| repo.kind == kind && owner.is_none_or(|owner| owner == repo.owner);
    state.repos.values().filter(mine).filter(move |repo| state.may_see(repo, caller))
}

fn note_read_back(state: &mut State, address: &Address) {
    if let Some(repo) = state.key_of(address).and_then(|key| state.repos.get_mut(&key)) {
        repo.read_back = ReadBack::Done;
    }
}

fn is_private(repo: &Repo) -> bool {
    repo.visibility == Visibility::Private
}

/// What a visibility of 3 looks like in this surface's `private` is not known; only `Visibility` tells it apart. `[?]`
fn open_json(repo: &Repo) -> Value {
    json!({
        "id": repo.full_name(),
        "display_name": repo.display_name,
        "description": repo.description,
        "private": is_private(repo),
        "gated": repo.gated,
        "login_required": repo.visibility == Visibility::Internal,
        "license": repo.license,
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "tasks": [],
        "file_size": size(repo),
        "created_at": repo.created,
        "last_modified": last_change(repo),
    })
}

fn model_json(repo: &Repo, revision: Option<&str>) -> Value {
    json!({
        "Id": repo.id,
        "Path": repo.owner,
        "Name": repo.name,
        "ChineseName": repo.display_name,
        "Description": repo.description,
        "Visibility": repo.visibility.number(),
        "ProtectedMode": if repo.gated { 1 } else { 2 },
        "ApprovalMode": 2,
        "License": repo.license,
        "ModelFramework": "Pytorch",
        "IsPublished": 1,
        "IsOnline": 1,
        "IsAccessible": 1,
        "Tasks": [],
        "Tags": [],
        "Revision": revision.unwrap_or("master"),
        "ReadMeContent": "",
        "CreatedBy": repo.owner,
        "CreatedTime": repo.created,
        "LastUpdatedTime": last_change(repo),
    })
}

fn dataset_json(repo: &Repo) -> Value {
    json!({
        "Id": repo.id,
        // The formation: 1 is a repository in git.
        "Type": 1,
        "Owner": repo.owner,
        "Namespace": repo.owner,
        "Name": repo.name,
        "ChineseName": repo.display_name,
        "Description": repo.description,
        "Visibility": repo.visibility.number(),
        "ProtectedMode": if repo.gated { 1 } else { 2 },
        "License": repo.license,
        "Tags": [],
        "GmtCreate": repo.created,
        "GmtModified": last_change(repo),
    })
}

fn size(repo: &Repo) -> u64 {
    repo.master().tree.values().map(|node| node.size).sum()
}

fn last_change(repo: &Repo) -> i64 {
    repo.commits.last().map_or(repo.created, |commit| commit.at)
}
