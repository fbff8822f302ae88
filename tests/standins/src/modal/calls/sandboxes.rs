//! One sandbox, once it is there.

use std::time::Duration;

use tonic::{Code, Status};

use super::create::{inspect_labels, metadata};
use crate::modal::behaviour::Generation;
use crate::modal::exchange::within;
use crate::modal::hub::Hub;
use crate::modal::proto::sandbox_get_command_router_access_request::Target;
use crate::modal::proto::{
    SandboxGetCommandRouterAccessRequest, SandboxGetCommandRouterAccessResponse, SandboxGetTaskIdRequest, SandboxGetTaskIdResponse,
    SandboxSetNameRequest, SandboxSetNameResponse, SandboxTagsGetRequest, SandboxTagsGetResponse, SandboxTagsSetRequest,
    SandboxTerminateRequest, SandboxTerminateResponse, SandboxWaitRequest, SandboxWaitResponse, TaskGetCommandRouterAccessRequest,
    TaskGetCommandRouterAccessResponse,
};
use crate::modal::rules;
use crate::modal::sandbox::{Ending, Order, Phase, Sandbox};
use crate::modal::tokens::Opens;

/// The longest that a call is held.
const HELD: f32 = 60.0;

fn seconds(timeout: f32) -> Duration {
    Duration::from_secs_f32(if timeout.is_finite() { timeout.clamp(0.0, HELD) } else { HELD })
}

/// The task of a sandbox that has found room, or how it ended without.
pub(super) async fn task_id(
    hub: &Hub,
    request: &SandboxGetTaskIdRequest,
    generation: Generation,
) -> Result<SandboxGetTaskIdResponse, Status> {
    let sandbox = hub.sandbox(&request.sandbox_id, generation)?;
    let mut phases = sandbox.phase.subscribe();
    let held = seconds(request.timeout.unwrap_or_default());
    let _ = within(held, phases.wait_for(|phase| !matches!(phase, Phase::Waiting))).await;
    Ok(match sandbox.phase() {
        // a V2 sandbox has its task from the start
        Phase::Waiting if generation == Generation::V1 => SandboxGetTaskIdResponse::default(),
        Phase::Ended { ending, began: 0.0, .. } => SandboxGetTaskIdResponse { task_id: None, task_result: Some(ending.result()) },
        Phase::Ended { ending, .. } => {
            SandboxGetTaskIdResponse { task_id: Some(sandbox.task_id.clone()), task_result: Some(ending.result()) }
        }
        _ => SandboxGetTaskIdResponse { task_id: Some(sandbox.task_id.clone()), task_result: None },
    })
}

/// How it ended, as soon as it has.
pub(super) async fn wait(hub: &Hub, request: &SandboxWaitRequest, generation: Generation) -> Result<SandboxWaitResponse, Status> {
    let sandbox = hub.sandbox(&request.sandbox_id, generation)?;
    let mut phases = sandbox.phase.subscribe();
    let _ = within(seconds(request.timeout), phases.wait_for(|phase| matches!(phase, Phase::Ended { .. }))).await;
    Ok(SandboxWaitResponse { result: sandbox.ending().map(|ending| ending.result()), metadata: Some(metadata(&sandbox)) })
}

/// Ends it. Answers before it is gone.
pub(super) fn terminate(hub: &Hub, request: &SandboxTerminateRequest, generation: Generation) -> Result<SandboxTerminateResponse, Status> {
    let sandbox = hub.sandbox(&request.sandbox_id, generation)?;
    let existing_result = sandbox.ending().map(|ending| ending.result());
    sandbox.end(Order { ending: Ending::terminated(), polite: true, certain: false });
    Ok(SandboxTerminateResponse { existing_result })
}

pub(super) fn tags(hub: &Hub, request: &SandboxTagsGetRequest, generation: Generation) -> Result<SandboxTagsGetResponse, Status> {
    Ok(SandboxTagsGetResponse { tags: hub.sandbox(&request.sandbox_id, generation)?.tags() })
}

/// Replaces all its tags.
pub(super) fn set_tags(hub: &Hub, request: SandboxTagsSetRequest, generation: Generation) -> Result<(), Status> {
    let sandbox = hub.sandbox(&request.sandbox_id, generation)?;
    inspect_labels(hub, None, &request.tags)?;
    sandbox.labels.lock().unwrap().tags = request.tags;
    Ok(())
}

/// Gives a name to a sandbox that has none.
pub(super) fn set_name(hub: &Hub, request: SandboxSetNameRequest) -> Result<SandboxSetNameResponse, Status> {
    let sandbox = hub.sandbox(&request.sandbox_id, Generation::V2)?;
    inspect_labels(hub, Some(&request.name), &[])?;
    let state = hub.state();
    if state.named(&sandbox.app_id, &request.name).is_some() {
        return Err(Status::already_exists(format!("Sandbox with name '{}' already exists", request.name)));
    }
    let mut labels = sandbox.labels.lock().unwrap();
    if labels.name.is_some() {
        return Err(Status::failed_precondition("Sandbox already has a name"));
    }
    labels.name = Some(request.name);
    Ok(SandboxSetNameResponse {})
}

/// The way to the output of a V2 sandbox.
pub(super) fn access(hub: &Hub, request: SandboxGetCommandRouterAccessRequest) -> Result<SandboxGetCommandRouterAccessResponse, Status> {
    let sandbox = match request.target {
        Some(Target::SandboxId(id)) => hub.sandbox(&id, Generation::V2)?,
        Some(Target::TaskId(id)) => hub.task(&id)?,
        None => return Err(hub.refuse(rules::UNKNOWN_ID, Code::InvalidArgument, "access to no sandbox")),
    };
    let (jwt, url) = open(hub, &sandbox)?;
    Ok(SandboxGetCommandRouterAccessResponse { jwt, url })
}

/// The same for a task of the first generation.
pub(super) fn access_of_task(hub: &Hub, request: &TaskGetCommandRouterAccessRequest) -> Result<TaskGetCommandRouterAccessResponse, Status> {
    let sandbox = hub.task(&request.task_id)?;
    let (jwt, url) = open(hub, &sandbox)?;
    Ok(TaskGetCommandRouterAccessResponse { jwt, url })
}

fn open(hub: &Hub, sandbox: &Sandbox) -> Result<(String, String), Status> {
    if is_gone(hub, sandbox) {
        return Err(Status::failed_precondition(format!("Sandbox {} has finished", sandbox.id)));
    }
    let lifetime = hub.behaviour().router_token_lifetime;
    let jwt = hub.state().tokens.issue(Opens::Task(sandbox.task_id.clone()), lifetime, true);
    Ok((jwt, hub.urls.router.clone()))
}

/// Whether the sandbox's host has forgotten it.
pub(in crate::modal) fn is_gone(hub: &Hub, sandbox: &Sandbox) -> bool {
    let served = hub.behaviour().router_after_exit;
    matches!(sandbox.phase(), Phase::Ended { since, .. } if since.elapsed() >= served)
}
