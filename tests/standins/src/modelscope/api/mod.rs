//! The calls, by what they are about.

pub(super) mod cdn;
pub(super) mod git_door;

mod batch;
mod commit;
mod create;
mod download;
mod gateway;
mod history;
mod info;
mod listing;
mod people;

pub(super) use create::fresh_files;

use super::accounts::Caller;
use super::envelope::{Refusal, Stop, legacy};
use super::hub::Hub;
use super::routes::Call;
use crate::server::{Request, Response};

/// Answers a call of the API or the upload gateway.
pub(super) async fn answer(hub: &Hub, request: &mut Request, call: Call, caller: &Caller) -> Result<Response, Stop> {
    let response = match call {
        Call::Login => people::login(hub, request).await?,
        Call::Me => people::me(caller)?,
        Call::Organizations => people::organizations(hub, caller)?,
        Call::LoginInfo => people::login_info(hub, caller)?,
        Call::Brief(name) => people::brief(hub, &name)?,
        Call::Index(kind) => info::index(hub, request, kind, caller)?,
        Call::ListDatasets => info::list_datasets(hub, request, caller)?,
        Call::OpenInfo(address) => info::open(hub, &address, caller)?,
        Call::Info(address) => info::legacy_info(hub, request, &address, caller)?,
        Call::Create(kind) => create::create(hub, request, kind, caller).await?,
        Call::SetVisibility(address) => create::set_visibility(hub, request, &address, caller).await?,
        Call::Delete => return Err(deletion().into()),
        Call::Revisions(address) => history::revisions(hub, &address, caller)?,
        Call::Commits(address) => history::commits(hub, request, &address, caller)?,
        Call::Tag(address) => history::tag(hub, request, &address, caller).await?,
        Call::Files(address) => listing::files(hub, request, &address, caller)?,
        Call::Tree(address) => listing::tree(hub, request, &address, caller)?,
        Call::Download(address) => download::by_query(hub, request, &address, caller)?,
        Call::Resolve(address, revision, path) => download::download(hub, request, &address, caller, &revision, &path)?,
        Call::Batch(address) => batch::batch(hub, request, &address, caller).await?,
        Call::Commit(address, branch) => commit::commit(hub, request, &address, caller, &branch).await?,
        Call::Put(address, oid, size) => gateway::put(hub, request, &address, caller, &oid, &size).await?,
        Call::Git(address, path) => git_door::git(hub, request, &address, path).await?,
        Call::GitBatch(address) => git_door::batch(hub, request, &address).await?,
        // The official client asks once, within 0.2 s; outside Alibaba Cloud there is nothing to gain (§2.4).
        Call::Acceleration => legacy(serde_json::json!({ "InternalRegionQueryAddress": "" })),
        Call::Looped => return Err(Refusal::new(421, 421, "mirror self-forwarded loop detected").into()),
        Call::Object(_) | Call::Unknown => return Err(Refusal::missing("the page").into()),
    };
    Ok(response)
}

/// Tokens delete nothing: not a repository, and a file only as an action of a commit (§3.6).
fn deletion() -> Refusal {
    Refusal::new(
        400,
        400,
        "the current token no longer supports deletion operations. \
         Please go to the site page : https://www.modelscope.cn to delete",
    )
}

/// Reads a JSON body, or refuses it in the service's words.
async fn json_body(request: &mut Request, limit: usize) -> Result<serde_json::Value, Stop> {
    let body = request.body.read_all(limit).await?;
    let body = body.ok_or_else(|| Refusal::new(413, 413, "request entity too large"))?;
    serde_json::from_slice(&body).map_err(|error| Refusal::bad(format!("the body is not JSON: {error}")).into())
}
