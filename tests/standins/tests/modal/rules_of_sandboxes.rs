//! Rules about sandboxes and their output, each broken once.

use standins::modal::proto::*;
use standins::modal::rules;
use tonic::{Code, Status};

use crate::world::{MARKED, World, secret, tag};

fn create(world: &World, change: impl FnOnce(&mut SandboxCreateV2Request, &mut Sandbox)) -> Result<(), Status> {
    let mut definition = world.definition("exit 0");
    let mut request = world.request(Sandbox::default());
    change(&mut request, &mut definition);
    request.definition = Some(definition);
    world.create(request).map(drop)
}

#[track_caller]
fn refused(world: &World, rule: standins::strict::RuleName, change: impl FnOnce(&mut SandboxCreateV2Request, &mut Sandbox)) {
    let refusal = world.breaks(rule, || create(world, change)).unwrap_err();
    assert!(matches!(refusal.code(), Code::InvalidArgument | Code::FailedPrecondition), "{refusal:?}");
}

#[test]
fn a_sandbox_says_how_long_it_may_live() {
    let world = World::start();
    refused(&world, rules::TIMEOUT_SECS, |_, definition| definition.timeout_secs = 0);
    refused(&world, rules::TIMEOUT_SECS, |_, definition| definition.timeout_secs = 86_401);
    create(&world, |_, definition| definition.timeout_secs = 86_400).unwrap();
}

#[test]
fn an_idle_timeout_is_no_good() {
    let world = World::start();
    world.breaks(rules::IDLE_TIMEOUT, || create(&world, |_, definition| definition.idle_timeout_secs = Some(60))).unwrap();
}

#[test]
fn an_entrypoint_has_words_but_not_too_many() {
    let world = World::start();
    refused(&world, rules::ENTRYPOINT_SIZE, |_, definition| definition.entrypoint_args.clear());
    refused(&world, rules::ENTRYPOINT_SIZE, |_, definition| definition.entrypoint_args.push("x".repeat(65_536)));
}

#[test]
fn a_working_directory_is_absolute() {
    let world = World::start();
    refused(&world, rules::BAD_WORKDIR, |_, definition| definition.workdir = Some("work".to_owned()));
}

#[test]
fn a_sandbox_has_no_disk() {
    let world = World::start();
    let disk = Resources { ephemeral_disk_mb: 1, ..Default::default() };
    world.breaks(rules::EPHEMERAL_DISK, || create(&world, |_, definition| definition.resources = Some(disk))).unwrap();
}

#[test]
fn names_and_tags_are_of_plain_characters() {
    let world = World::start();
    refused(&world, rules::BAD_NAME, |_, definition| definition.name = Some("alice/bert".to_owned()));
    refused(&world, rules::BAD_TAG, |request, _| request.tags = vec![tag("repo", "alice/bert")]);
    refused(&world, rules::BAD_TAG, |request, _| request.tags = vec![tag("repo", &"x".repeat(64))]);
    refused(&world, rules::BAD_TAG, |request, _| request.tags = vec![tag("", "x")]);
    for name in ["", "a b", "ap-0123456789012345678901", &"x".repeat(65)] {
        let app = AppGetOrCreateRequest { app_name: name.to_owned(), object_creation_type: 1, ..Default::default() };
        let refused = world.breaks(rules::BAD_NAME, || world.call::<_, AppGetOrCreateResponse>("AppGetOrCreate", app));
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn an_image_is_built_before_it_is_used() {
    let world = World::start();
    let mut recipe = world.recipe();
    recipe.image.as_mut().unwrap().dockerfile_commands.push("RUN true".to_owned());
    let image_id = world.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", recipe).unwrap().image_id;
    refused(&world, rules::IMAGE_NOT_READY, |_, definition| definition.image_id = image_id);
}

#[test]
fn a_secret_outside_its_fields_is_seen_wherever_it_is() {
    let world = World::start();
    let seen = |change: &dyn Fn(&mut SandboxCreateV2Request, &mut Sandbox)| {
        world.breaks(rules::SECRET_OUTSIDE, || create(&world, change)).unwrap();
    };
    seen(&|_, definition| definition.entrypoint_args.push(format!("--token={MARKED}")));
    seen(&|request, _| request.tags = vec![tag("token", MARKED)]);
    seen(&|_, definition| definition.name = Some(MARKED.to_owned()));
    seen(&|_, definition| definition.cloud_provider_str = MARKED.to_owned());
    create(&world, |request, _| request.secret_sources = vec![secret(&[("HF_TOKEN", MARKED)])]).unwrap();
    world.modal.strict().assert_clean();
}

#[test]
fn a_secret_that_is_printed_is_seen() {
    let world = World::start();
    let mut request = world.request(world.definition("echo my token is $HF_TOKEN"));
    request.secret_sources = vec![secret(&[("HF_TOKEN", MARKED)])];
    let sandbox = world.breaks(rules::SECRET_PRINTED, || {
        let sandbox = world.handle(&world.create(request).unwrap().sandbox_id);
        sandbox.ended();
        sandbox
    });
    assert_eq!(sandbox.stdout(), format!("my token is {MARKED}\n").into_bytes());
}

#[test]
fn a_sandbox_is_called_in_its_own_generation() {
    let world = World::start();
    let (made, _) = world.run("hf2ms-1", "exit 0");
    let one = world.run_v1("hf2ms-2", "exit 0");
    let wait = |id: &str| SandboxWaitRequest { sandbox_id: id.to_owned(), timeout: 0.0 };
    let calls = [("SandboxWait", wait(&made.sandbox_id)), ("SandboxWaitV2", wait(one.id()))];
    for (name, request) in calls {
        let refused = world.breaks(rules::WRONG_GENERATION, || world.call::<_, SandboxWaitResponse>(name, request));
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    }
}

#[test]
fn a_listing_names_its_app() {
    let world = World::start();
    let list = SandboxListRequest::default();
    world.breaks(rules::LIST_WITHOUT_APP, || world.call::<_, SandboxListResponse>("SandboxListV2", list)).unwrap();
}

#[test]
fn history_is_read_in_bounds() {
    let world = World::start();
    let fetch = |limit, days: i64| {
        let now = std::time::SystemTime::now();
        let since = now - std::time::Duration::from_secs(86_400 * days as u64);
        let request = AppFetchLogsRequest { app_id: world.app_id(), limit, since: Some(since.into()), ..Default::default() };
        world.call::<_, AppFetchLogsResponse>("AppFetchLogs", request)
    };
    fetch(20_000, 34).unwrap();
    for (limit, days) in [(20_001, 1), (0, 1), (10, 36)] {
        assert_eq!(world.breaks(rules::LOG_RANGE, || fetch(limit, days)).unwrap_err().code(), Code::InvalidArgument);
    }
}

#[test]
fn the_router_wants_the_token_of_the_task() {
    let world = World::start();
    let (one, _) = world.run("hf2ms-1", "exit 0");
    let (other, _) = world.run("hf2ms-2", "exit 0");
    let jwt = one.command_router_access.unwrap().jwt;
    let (_, foreign) = world.breaks(rules::FOREIGN_TASK, || world.read(&jwt, &other.task_id, 0));
    assert_eq!(foreign.unwrap_err().code(), Code::PermissionDenied);
    let (_, made_up) = world.breaks(rules::ROUTER_TOKEN, || world.read("a.b.c", &other.task_id, 0));
    assert_eq!(made_up.unwrap_err().code(), Code::Unauthenticated);
    let (_, none) = world.breaks(rules::ROUTER_TOKEN, || world.read_with(&Default::default(), &other.task_id, 0));
    assert_eq!(none.unwrap_err().code(), Code::Unauthenticated);
}
