//! Apps and environments.

use tonic::{Code, Status};

use super::creation;
use crate::modal::hub::{App, Hub};
use crate::modal::proto::{
    AppGetOrCreateRequest, AppGetOrCreateResponse, AppStopRequest, EnvironmentGetOrCreateRequest, EnvironmentGetOrCreateResponse,
    EnvironmentMetadata, EnvironmentSettings,
};
use crate::modal::sandbox::{Ending, Order};
use crate::modal::{ids, rules};

/// The app of this name. It is made deployed, with no functions: it needs no heartbeat and stays.
pub(super) fn get_or_create(hub: &Hub, request: AppGetOrCreateRequest) -> Result<AppGetOrCreateResponse, Status> {
    let name = request.app_name;
    if !ids::is_name(&name) || ids::is_app_id(&name) {
        return Err(hub.refuse(rules::BAD_NAME, Code::InvalidArgument, format!("app name `{name}`")));
    }
    let environment = hub.environment(&request.environment_name)?;
    let mut state = hub.state();
    let found = state.apps.iter().find(|app| !app.stopped && app.name == name && app.environment == environment);
    if let Some(app) = found {
        return Ok(AppGetOrCreateResponse { app_id: app.id.clone() });
    }
    match request.object_creation_type {
        creation::LOOKUP => Err(Status::not_found(format!("App '{name}' not found in environment '{environment}'"))),
        creation::IF_MISSING => {
            let id = hub.ids.make("ap");
            state.apps.push(App { id: id.clone(), name, environment, stopped: false });
            Ok(AppGetOrCreateResponse { app_id: id })
        }
        other => Err(hub.refuse(rules::CREATION_TYPE, Code::InvalidArgument, format!("an app of creation type {other}"))),
    }
}

/// Ends every sandbox of the app.
pub(super) fn stop(hub: &Hub, request: &AppStopRequest) -> Result<(), Status> {
    hub.app(&request.app_id)?;
    let mut state = hub.state();
    for sandbox in state.living().filter(|sandbox| sandbox.app_id == request.app_id) {
        sandbox.end(Order { ending: Ending::terminated(), polite: true, certain: false });
    }
    state.apps.iter_mut().filter(|app| app.id == request.app_id).for_each(|app| app.stopped = true);
    Ok(())
}

pub(super) fn environment(hub: &Hub, request: &EnvironmentGetOrCreateRequest) -> Result<EnvironmentGetOrCreateResponse, Status> {
    if request.object_creation_type != creation::LOOKUP {
        let why = format!("an environment of creation type {}", request.object_creation_type);
        return Err(hub.refuse(rules::CREATION_TYPE, Code::InvalidArgument, why));
    }
    let name = hub.environment(&request.deployment_name)?;
    let behaviour = hub.behaviour();
    let settings = EnvironmentSettings {
        image_builder_version: behaviour.image_builder_version,
        max_concurrent_tasks: behaviour.max_containers.and_then(|most| i32::try_from(most).ok()),
    };
    let metadata = EnvironmentMetadata { name: name.clone(), settings: Some(settings) };
    Ok(EnvironmentGetOrCreateResponse { environment_id: format!("en-{name}"), metadata: Some(metadata) })
}
