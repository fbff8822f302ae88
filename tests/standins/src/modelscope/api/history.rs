//! Branches, tags and commits (facts/modelscope §2.2, §3.1).

use serde_json::{Value, json};

use super::info::{number, paged};
use super::json_body;
use crate::modelscope::accounts::Caller;
use crate::modelscope::envelope::{Refusal, Stop, legacy, legacy_with};
use crate::modelscope::hub::Hub;
use crate::modelscope::repo::{Commit, RepoKind, now};
use crate::modelscope::routes::Address;
use crate::server::{Request, Response};

pub(super) fn revisions(hub: &Hub, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let state = hub.state();
    let repo = state.readable(address, caller)?;
    if repo.kind == RepoKind::Dataset && !hub.behaviour().dataset_revisions {
        return Err(Refusal::missing("the page"));
    }
    let at = |index: &usize| repo.commits[*index].at;
    let branches: Vec<Value> = repo.branches.iter().map(|(name, index)| json!({ "Revision": name, "CreatedAt": at(index) })).collect();
    // Ordered by creation, the newest first: the official client takes the first as the latest.
    let mut tags: Vec<_> = repo.tags.iter().map(|(name, (_, created))| (*created, name)).collect();
    tags.sort_by(|one, other| other.cmp(one));
    let tags: Vec<Value> = tags.iter().map(|(at, name)| json!({ "Revision": name, "CreatedAt": at })).collect();
    Ok(legacy(json!({ "RevisionMap": { "Branches": branches, "Tags": tags } })))
}

pub(super) fn commits(hub: &Hub, request: &Request, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let state = hub.state();
    let repo = state.readable(address, caller)?;
    state.opens(repo, caller)?;
    let (from, _) = repo.resolve(request.query.get("Ref").unwrap_or("master")).ok_or_else(|| Refusal::missing("the revision"))?;
    let history = repo.history(from);
    let page = paged(&history, number(request, "PageNumber", 1), number(request, "PageSize", 50));
    let listed: Vec<Value> = page.iter().map(|commit| commit_json(commit)).collect();
    // The official client reads `TotalCount` beside `Data`, not in it.
    Ok(legacy_with(json!({ "Commit": listed }), json!({ "TotalCount": history.len() })))
}

pub(super) async fn tag(hub: &Hub, request: &mut Request, address: &Address, caller: &Caller) -> Result<Response, Stop> {
    let body = json_body(request, 1 << 20).await?;
    let mut state = hub.state();
    let repo = state.writable(address, caller)?;
    let name = body["TagName"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::bad("参数错误：版本名称不能为空"))?;
    if name == "main" || name == "master" || repo.branches.contains_key(name) {
        return Err(Refusal::bad(format!("{name} is a branch")).into());
    }
    if repo.tags.contains_key(name) {
        return Err(Refusal::bad(format!("tag {name} already exists")).into());
    }
    let (index, _) = repo.resolve(body["Ref"].as_str().unwrap_or("master")).ok_or_else(|| Refusal::missing("the revision"))?;
    repo.tags.insert(name.to_owned(), (index, now()));
    Ok(legacy(json!({ "Revision": name })))
}

/// A commit as the official 1.37 client reads it.
pub(super) fn commit_json(commit: &Commit) -> Value {
    json!({
        "Id": commit.id,
        "ShortId": &commit.id[..8],
        "Title": commit.message.lines().next().unwrap_or_default(),
        "Message": commit.message,
        "AuthorName": commit.author,
        "AuthorEmail": format!("{}@example.com", commit.author),
        "AuthoredDate": commit.at,
        "CommitterName": commit.author,
        "CommitterEmail": format!("{}@example.com", commit.author),
        "CommittedDate": commit.at,
        "CreatedAt": commit.at,
    })
}
