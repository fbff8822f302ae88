//! Listings: models at once and cut off, datasets in pages (facts/modelscope §2.3).

use serde_json::{Value, json};

use super::history::commit_json;
use super::info::number;
use crate::modelscope::accounts::Caller;
use crate::modelscope::envelope::{Refusal, legacy};
use crate::modelscope::hub::{Hub, State};
use crate::modelscope::repo::{Named, Repo, RepoKey, RepoKind};
use crate::modelscope::routes::Address;
use crate::modelscope::rules;
use crate::modelscope::tree::Scope;
use crate::server::{Request, Response};

/// Entries on a page unless the request says otherwise.
const PAGE: u64 = 100;

/// What is to be listed.
struct Wanted {
    repo: RepoKey,
    commit: usize,
    scope: Scope,
}

/// `repo/files`: everything that fits under the cap, without a word about the rest.
pub(super) fn files(hub: &Hub, request: &Request, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let behaviour = hub.behaviour();
    let mut state = hub.state();
    let wanted = wanted(hub, &mut state, request, address, caller, 1)?;
    let repo = &state.repos[&wanted.repo];
    if repo.kind != RepoKind::Model {
        return Err(Refusal::missing("the page"));
    }
    let all = repo.commits[wanted.commit].entries();
    let shown = all.iter().filter(|entry| wanted.scope.shows(&entry.path)).take(behaviour.listing_cap);
    let entries: Vec<Value> = shown.map(|entry| entry.json(repo, behaviour.listing_shows_sha256)).collect();
    if entries.is_empty() && !wanted.scope.root.is_empty() {
        return Err(Refusal::missing("the folder"));
    }
    let at_cap = entries.len() == behaviour.listing_cap;
    let answer = envelope(repo, &wanted, &entries);
    state.watch.listed(&wanted.repo, &wanted.scope.root, at_cap);
    Ok(answer)
}

/// `repo/tree`: page by page; the last page is the one that is not full.
pub(super) fn tree(hub: &Hub, request: &Request, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let page = number(request, "PageNumber", 1).max(1);
    let behaviour = hub.behaviour();
    let size = number(request, "PageSize", PAGE).min(behaviour.page_limit).max(1);
    let mut state = hub.state();
    let wanted = wanted(hub, &mut state, request, address, caller, page)?;
    let repo = &state.repos[&wanted.repo];
    if repo.kind != RepoKind::Dataset {
        return Err(Refusal::missing("the page"));
    }
    let skipped = ((page - 1).saturating_mul(size)) as usize;
    let shown = repo.commits[wanted.commit].entries();
    let listed: Vec<Value> = shown
        .iter()
        .filter(|entry| wanted.scope.shows(&entry.path))
        .skip(skipped)
        .take(size as usize)
        .map(|entry| entry.json(repo, behaviour.listing_shows_sha256))
        .collect();
    Ok(envelope(repo, &wanted, &listed))
}

fn wanted(hub: &Hub, state: &mut State, request: &Request, address: &Address, caller: &Caller, page: u64) -> Result<Wanted, Refusal> {
    let by_commit = hub.behaviour().listing_by_commit;
    let repo = state.readable(address, caller)?;
    state.opens(repo, caller)?;
    let revision = request.query.get("Revision").filter(|text| !text.is_empty()).unwrap_or("master");
    let (mut commit, named) = repo.resolve(revision).ok_or_else(|| Refusal::missing("the revision"))?;
    if named == Named::Commit && !by_commit {
        return Err(Refusal::missing("the revision"));
    }
    let scope = Scope::new(request.query.get("Root"), request.query.get("Recursive"));
    let (key, head) = (repo.key(), repo.commits[commit].id.clone());
    if named == Named::Branch && by_commit {
        let finds_head = page == 1 && scope.root.is_empty();
        if !finds_head || state.watch.head_listing(&key, &head) {
            hub.rig.strict.broken(rules::UNPINNED_READ, format!("listing of {} by branch", key.1));
        }
    }
    let newest = state.repos[&key].commits.len() - 1;
    if let Some(repo) = state.repos.get_mut(&key).filter(|repo| repo.stale_left > 0 && commit == newest) {
        repo.stale_left -= 1;
        commit = repo.commits[commit].parent.unwrap_or(commit);
    }
    Ok(Wanted { repo: key, commit, scope })
}

/// `LatestCommitter` marks the state of the tree; clients compare it and read nothing else from it.
fn envelope(repo: &Repo, wanted: &Wanted, entries: &[Value]) -> Response {
    legacy(json!({ "Files": entries, "LatestCommitter": commit_json(&repo.commits[wanted.commit]) }))
}
