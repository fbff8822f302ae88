//! Finding sandboxes: by app and tags, page by page, and by name.

use std::sync::Arc;

use tonic::{Code, Status};

use super::create::{inspect_labels, metadata};
use crate::modal::behaviour::Generation;
use crate::modal::hub::Hub;
use crate::modal::proto::{
    SandboxGetFromNameRequest, SandboxGetFromNameResponse, SandboxInfo, SandboxListRequest, SandboxListResponse, TaskInfo,
};
use crate::modal::rules;
use crate::modal::sandbox::{Phase, Sandbox};

/// One page, newest first, of what was created before a moment. The first generation's call knows its own sandboxes only.
pub(super) fn list(hub: &Hub, request: &SandboxListRequest, generation: Generation) -> Result<SandboxListResponse, Status> {
    let behaviour = hub.behaviour();
    let of_app = match request.app_id.as_str() {
        "" => {
            hub.broken(rules::LIST_WITHOUT_APP, "a listing of a whole environment");
            let environment = hub.environment(&request.environment_name)?;
            hub.state().apps.iter().filter(|app| app.environment == environment).map(|app| app.id.clone()).collect()
        }
        id if hub.state().apps.iter().any(|app| app.id == id) => vec![id.to_owned()],
        id => return Err(hub.unknown("app", id)),
    };
    inspect_labels(hub, None, &request.tags)?;
    let state = hub.state();
    let listed = state.sandboxes.len().saturating_sub(behaviour.list_lags);
    let wanted = |sandbox: &&Arc<Sandbox>| {
        of_app.contains(&sandbox.app_id)
            && (generation == Generation::V2 || sandbox.generation == Generation::V1)
            && (request.before_timestamp == 0.0 || sandbox.created_at < request.before_timestamp)
            && (sandbox.ending().is_none() || request.include_finished && behaviour.lists_finished)
            && sandbox.has_tags(&request.tags)
    };
    // the newest stands last where they are kept
    let rows = state.sandboxes[..listed].iter().rev().filter(wanted).take(behaviour.page_size.max(1));
    Ok(SandboxListResponse { sandboxes: rows.map(|sandbox| row(sandbox, behaviour.lists_names_of_finished)).collect() })
}

fn row(sandbox: &Sandbox, finished_named: bool) -> SandboxInfo {
    let (started_at, finished_at, result) = match sandbox.phase() {
        Phase::Waiting => (0.0, 0.0, None),
        Phase::Running { since, .. } => (since, 0.0, None),
        Phase::Ended { ending, began, at, .. } => (began, at, Some(ending.result())),
    };
    let named = finished_named || finished_at == 0.0;
    SandboxInfo {
        id: sandbox.id.clone(),
        created_at: sandbox.created_at,
        task_info: Some(TaskInfo { id: sandbox.task_id.clone(), started_at, finished_at, result }),
        app_id: sandbox.app_id.clone(),
        tags: sandbox.tags(),
        name: sandbox.name().filter(|_| named).unwrap_or_default(),
        image_id: sandbox.definition.image_id.clone(),
        timeout_secs: sandbox.definition.timeout_secs,
        metadata: Some(metadata(sandbox)),
    }
}

/// The running sandbox of a name; failing that, if asked for, the last finished one.
pub(super) fn from_name(
    hub: &Hub,
    request: &SandboxGetFromNameRequest,
    generation: Generation,
) -> Result<SandboxGetFromNameResponse, Status> {
    let environment = hub.environment(&request.environment_name)?;
    inspect_labels(hub, Some(&request.sandbox_name), &[])?;
    let state = hub.state();
    let app = state.apps.iter().rev().find(|app| app.name == request.app_name && app.environment == environment);
    let app = app.ok_or_else(|| Status::not_found(format!("App '{}' not found", request.app_name)))?;
    let of_name = |sandbox: &&Arc<Sandbox>| {
        sandbox.app_id == app.id
            && sandbox.name().as_deref() == Some(&request.sandbox_name)
            && (generation == Generation::V2 || sandbox.generation == Generation::V1)
    };
    let running = state.living().find(of_name);
    let finished = state.sandboxes.iter().rev().find(of_name).filter(|_| request.include_terminated && generation == Generation::V2);
    let found = running.or(finished);
    let missing = || Status::new(Code::NotFound, format!("Sandbox with name '{}' not found", request.sandbox_name));
    let sandbox = found.ok_or_else(missing)?;
    Ok(SandboxGetFromNameResponse { sandbox_id: sandbox.id.clone(), metadata: Some(metadata(sandbox)) })
}
