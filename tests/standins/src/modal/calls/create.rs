//! Creating a sandbox, in either generation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tonic::{Code, Status};

use crate::modal::behaviour::Generation;
use crate::modal::hub::{Hub, Place, State};
use crate::modal::output::Output;
use crate::modal::proto::secret_source::Source;
use crate::modal::proto::{
    CommandRouterAccess, Sandbox as Definition, SandboxCreateRequest, SandboxCreateResponse, SandboxCreateV2Request,
    SandboxCreateV2Response, SandboxHandleMetadata, SandboxTag,
};
use crate::modal::sandbox::{self, Labels, Mounted, Phase, Sandbox};
use crate::modal::tokens::Opens;
use crate::modal::{ids, rules};

/// What a sandbox is made of, found good.
struct Wanted {
    generation: Generation,
    app_id: String,
    definition: Definition,
    tags: Vec<SandboxTag>,
    environment: BTreeMap<String, String>,
    mounted: Vec<Mounted>,
}

pub(super) fn v1(hub: &Arc<Hub>, request: SandboxCreateRequest) -> Result<SandboxCreateResponse, Status> {
    hub.app(&request.app_id)?;
    let definition = request.definition.unwrap_or_default();
    let environment = stored(hub, &definition.secret_ids)?;
    let wanted = wanted(hub, Generation::V1, request.app_id, definition, request.tags, environment)?;
    // whoever comes too many waits: the place is taken later
    let sandbox = make(hub, wanted, None)?;
    Ok(SandboxCreateResponse { sandbox_id: sandbox.id.clone(), metadata: Some(metadata(&sandbox)) })
}

pub(super) fn v2(hub: &Arc<Hub>, request: SandboxCreateV2Request) -> Result<SandboxCreateV2Response, Status> {
    hub.app(&request.app_id)?;
    let definition = request.definition.unwrap_or_default();
    let mut environment = stored(hub, &definition.secret_ids)?;
    environment.extend(request.ephemeral_secrets.unwrap_or_default().contents);
    for source in request.secret_sources.into_iter().filter_map(|source| source.source) {
        match source {
            Source::SecretId(id) => environment.extend(stored(hub, &[id])?),
            Source::Env(map) => environment.extend(map.contents),
        }
    }
    let wanted = wanted(hub, Generation::V2, request.app_id, definition, request.tags, environment)?;
    let place = hub.room.take(hub.behaviour().capacity).ok_or_else(|| hub.full())?;
    let sandbox = make(hub, wanted, Some(place))?;
    let jwt = hub.state().tokens.issue(Opens::Task(sandbox.task_id.clone()), hub.behaviour().router_token_lifetime, true);
    Ok(SandboxCreateV2Response {
        sandbox_id: sandbox.id.clone(),
        task_id: sandbox.task_id.clone(),
        metadata: Some(metadata(&sandbox)),
        command_router_access: Some(CommandRouterAccess { jwt, url: hub.urls.router.clone() }),
        sandbox_token: sandbox.token.clone(),
    })
}

pub(super) fn metadata(sandbox: &Sandbox) -> SandboxHandleMetadata {
    SandboxHandleMetadata { result: sandbox.ending().map(|ending| ending.result()), app_id: sandbox.app_id.clone() }
}

/// The variables of stored secrets.
fn stored(hub: &Hub, ids: &[String]) -> Result<BTreeMap<String, String>, Status> {
    let mut environment = BTreeMap::new();
    for id in ids {
        let secret = hub.state().secrets.get(id).cloned();
        environment.extend(secret.ok_or_else(|| hub.unknown("secret", id))?);
    }
    Ok(environment)
}

fn wanted(
    hub: &Hub,
    generation: Generation,
    app_id: String,
    definition: Definition,
    tags: Vec<SandboxTag>,
    environment: BTreeMap<String, String>,
) -> Result<Wanted, Status> {
    inspect_process(hub, &definition)?;
    inspect_labels(hub, definition.name.as_deref(), &tags)?;
    inspect_image(hub, &definition.image_id)?;
    let mut mounted = Vec::new();
    for id in &definition.mount_ids {
        let files = hub.state().mounts.get(id).cloned();
        mounted.extend(files.ok_or_else(|| hub.unknown("mount", id))?);
    }
    Ok(Wanted { generation, app_id, definition, tags, environment, mounted })
}

fn inspect_process(hub: &Hub, definition: &Definition) -> Result<(), Status> {
    let length: usize = definition.entrypoint_args.iter().map(String::len).sum();
    if definition.entrypoint_args.is_empty() || length > rules::ENTRYPOINT_LIMIT {
        let why = format!("an entrypoint of {} words and {length} bytes", definition.entrypoint_args.len());
        return Err(hub.refuse(rules::ENTRYPOINT_SIZE, Code::InvalidArgument, why));
    }
    if definition.timeout_secs == 0 || definition.timeout_secs > rules::TIMEOUT_LIMIT {
        let why = format!("timeout_secs {}", definition.timeout_secs);
        return Err(hub.refuse(rules::TIMEOUT_SECS, Code::InvalidArgument, why));
    }
    if definition.workdir.as_deref().is_some_and(|path| !path.starts_with('/') || path.contains("..")) {
        let why = format!("workdir `{}`", definition.workdir());
        return Err(hub.refuse(rules::BAD_WORKDIR, Code::InvalidArgument, why));
    }
    if definition.idle_timeout_secs.is_some() {
        hub.broken(rules::IDLE_TIMEOUT, "idle_timeout_secs is set");
    }
    if definition.resources.as_ref().is_some_and(|resources| resources.ephemeral_disk_mb > 0) {
        hub.broken(rules::EPHEMERAL_DISK, "ephemeral_disk_mb is set");
    }
    Ok(())
}

pub(super) fn inspect_labels(hub: &Hub, name: Option<&str>, tags: &[SandboxTag]) -> Result<(), Status> {
    if let Some(name) = name.filter(|name| !ids::is_name(name)) {
        return Err(hub.refuse(rules::BAD_NAME, Code::InvalidArgument, format!("sandbox name `{name}`")));
    }
    let bad = tags.iter().find(|tag| !ids::is_tag(&tag.tag_name) || !ids::is_tag(&tag.tag_value));
    let why = |tag: &SandboxTag| format!("tag `{}={}`", tag.tag_name, tag.tag_value);
    bad.map_or(Ok(()), |tag| Err(hub.refuse(rules::BAD_TAG, Code::InvalidArgument, why(tag))))
}

fn inspect_image(hub: &Hub, id: &str) -> Result<(), Status> {
    let image = hub.state().images.iter().find(|image| image.id == id).cloned();
    let image = image.ok_or_else(|| hub.unknown("image", id))?;
    if !image.seen {
        return Err(hub.refuse(rules::IMAGE_NOT_READY, Code::FailedPrecondition, format!("image {id} is not built")));
    }
    Ok(())
}

/// Makes the sandbox and lets it live.
fn make(hub: &Arc<Hub>, wanted: Wanted, place: Option<Place>) -> Result<Arc<Sandbox>, Status> {
    let behaviour = hub.behaviour();
    let mut state = hub.state();
    if behaviour.max_containers.is_some_and(|most| state.living().count() >= most) {
        return Err(Status::resource_exhausted("workspace has reached its limit of containers"));
    }
    let name = wanted.definition.name.clone().filter(|name| !name.is_empty());
    if let Some(taken) = name.as_deref().and_then(|name| state.named(&wanted.app_id, name)) {
        let why = format!("Sandbox with name '{}' already exists: {}", taken.name().unwrap_or_default(), taken.id);
        return Err(Status::already_exists(why));
    }
    let sandbox = Arc::new(assemble(hub, &mut state, wanted, name, behaviour.sandbox_tokens));
    state.sandboxes.push(Arc::clone(&sandbox));
    drop(state);
    tokio::spawn(sandbox::live(Arc::clone(hub), Arc::clone(&sandbox), place));
    Ok(sandbox)
}

fn assemble(hub: &Hub, state: &mut State, wanted: Wanted, name: Option<String>, with_token: bool) -> Sandbox {
    let id = match wanted.generation {
        Generation::V1 => hub.ids.make("sb"),
        Generation::V2 => hub.ids.v2_sandbox(),
    };
    let doom = state.doom(name.as_deref().unwrap_or_default());
    let doze = state.doze(name.as_deref().unwrap_or_default());
    Sandbox {
        task_id: hub.ids.make("ta"),
        token: if with_token && wanted.generation == Generation::V2 { hub.ids.make("stk") } else { String::new() },
        generation: wanted.generation,
        app_id: wanted.app_id,
        created_at: state.moment(),
        environment: wanted.environment,
        mounted: wanted.mounted,
        root: hub.files.root_of(&id),
        labels: Mutex::new(Labels { name, tags: wanted.tags }),
        definition: wanted.definition,
        output: Output::default(),
        phase: watch::Sender::new(Phase::Waiting),
        order: watch::Sender::new(None),
        doom: Mutex::new(doom),
        doze,
        id,
    }
}
