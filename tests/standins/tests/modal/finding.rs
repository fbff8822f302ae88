//! Finding sandboxes again: by app, tags and name, in both generations.

use standins::modal::proto::*;
use standins::modal::{Ending, Generation};
use tonic::{Code, Status};

use crate::world::{World, tag};

/// All rows, page by page.
fn all(world: &World, call: &str, tags: &[SandboxTag], include_finished: bool) -> Vec<SandboxInfo> {
    let (mut rows, mut before_timestamp) = (Vec::new(), 0.0);
    loop {
        let request =
            SandboxListRequest { app_id: world.app_id(), before_timestamp, include_finished, tags: tags.to_vec(), ..Default::default() };
        let page: SandboxListResponse = world.call(call, request).unwrap();
        let Some(last) = page.sandboxes.last() else { return rows };
        before_timestamp = last.created_at;
        rows.extend(page.sandboxes);
    }
}

fn ids(rows: &[SandboxInfo]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

fn by_name(world: &World, call: &str, name: &str, include_terminated: bool) -> Result<String, Status> {
    let (sandbox_name, app_name) = (name.to_owned(), "hf2ms".to_owned());
    let request = SandboxGetFromNameRequest { sandbox_name, app_name, include_terminated, ..Default::default() };
    world.call::<_, SandboxGetFromNameResponse>(call, request).map(|found| found.sandbox_id)
}

#[test]
fn a_listing_is_newest_first_and_page_by_page() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.page_size = 1);
    let made: Vec<String> = (0..3).map(|number| world.run(&format!("hf2ms-{number}"), "exec sleep 600").0.sandbox_id).collect();
    let old = world.run_v1("hf2ms-old", "exec sleep 600");
    let rows = all(&world, "SandboxListV2", &[], false);
    assert_eq!(ids(&rows), [old.id(), &made[2], &made[1], &made[0]]);
    assert_eq!((rows[1].name.as_str(), rows[1].timeout_secs), ("hf2ms-2", 600));
    // the first generation knows its own
    assert_eq!(ids(&all(&world, "SandboxList", &[], false)), [old.id()]);
    world.modal.strict().assert_clean();
}

#[test]
fn a_listing_shows_what_has_all_the_tags() {
    let world = World::start();
    let create = |tags: &[SandboxTag]| {
        let mut request = world.request(world.definition("exec sleep 600"));
        request.tags = tags.to_vec();
        world.create(request).unwrap().sandbox_id
    };
    let both = create(&[tag("hf2ms", "1"), tag("job", "a")]);
    let one = create(&[tag("hf2ms", "1")]);
    assert_eq!(ids(&all(&world, "SandboxListV2", &[tag("hf2ms", "1")], false)), [&one, &both]);
    assert_eq!(ids(&all(&world, "SandboxListV2", &[tag("hf2ms", "1"), tag("job", "a")], false)), [&both]);
    let set = SandboxTagsSetRequest { sandbox_id: both.clone(), tags: vec![tag("job", "b")], ..Default::default() };
    world.call::<_, ()>("SandboxTagsSetV2", set).unwrap();
    assert!(all(&world, "SandboxListV2", &[tag("job", "a")], false).is_empty());
    let tags: SandboxTagsGetResponse = world.call("SandboxTagsGetV2", SandboxTagsGetRequest { sandbox_id: both }).unwrap();
    assert_eq!(tags.tags, [tag("job", "b")]);
}

#[test]
fn finished_sandboxes_are_listed_when_asked_for() {
    let world = World::start();
    let (made, sandbox) = world.run("hf2ms-1", "exit 4");
    sandbox.ended();
    assert!(all(&world, "SandboxListV2", &[], false).is_empty());
    let rows = all(&world, "SandboxListV2", &[], true);
    assert_eq!(ids(&rows), [&made.sandbox_id]);
    let task = rows[0].task_info.clone().unwrap();
    assert_eq!(task.result.unwrap().exitcode, 4);
    assert!(task.finished_at >= task.started_at && task.started_at >= rows[0].created_at);
    assert_eq!(rows[0].name, "hf2ms-1");
    world.modal.behaviour(|behaviour| behaviour.lists_names_of_finished = false);
    assert_eq!(all(&world, "SandboxListV2", &[], true)[0].name, "");
    world.modal.behaviour(|behaviour| behaviour.lists_finished = false);
    assert!(all(&world, "SandboxListV2", &[], true).is_empty());
}

#[test]
fn a_name_is_taken_until_its_sandbox_has_ended() {
    let world = World::start();
    let (made, sandbox) = world.run("hf2ms-1", "exec sleep 600");
    let again = || world.create(world.request(Sandbox { name: Some("hf2ms-1".to_owned()), ..world.definition("exit 0") }));
    assert_eq!(again().unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(by_name(&world, "SandboxGetFromNameV2", "hf2ms-1", false).unwrap(), made.sandbox_id);
    sandbox.end(Ending::killed());
    assert_eq!(sandbox.ended(), Ending::killed());
    assert_eq!(by_name(&world, "SandboxGetFromNameV2", "hf2ms-1", false).unwrap_err().code(), Code::NotFound);
    assert_eq!(by_name(&world, "SandboxGetFromNameV2", "hf2ms-1", true).unwrap(), made.sandbox_id);
    let next = again().unwrap().sandbox_id;
    assert_eq!(by_name(&world, "SandboxGetFromNameV2", "hf2ms-1", true).unwrap(), next);
    world.modal.strict().assert_clean();
}

#[test]
fn a_sandbox_is_named_once() {
    let world = World::start();
    let made = world.create(world.request(world.definition("exec sleep 600"))).unwrap();
    let name = |name: &str| SandboxSetNameRequest { sandbox_id: made.sandbox_id.clone(), name: name.to_owned() };
    world.call::<_, SandboxSetNameResponse>("SandboxSetName", name("hf2ms-late")).unwrap();
    assert_eq!(by_name(&world, "SandboxGetFromNameV2", "hf2ms-late", false).unwrap(), made.sandbox_id);
    let again = world.call::<_, SandboxSetNameResponse>("SandboxSetName", name("other"));
    assert_eq!(again.unwrap_err().code(), Code::FailedPrecondition);
}

#[test]
fn the_first_generation_does_the_same_with_stored_secrets() {
    let world = World::start();
    let env_dict = [("GREETING".to_owned(), "hello".to_owned())].into();
    let secret = SecretGetOrCreateRequest { object_creation_type: 5, env_dict, ..Default::default() };
    let secret: SecretGetOrCreateResponse = world.call("SecretGetOrCreate", secret).unwrap();
    let mut definition = world.definition("echo $GREETING; exec sleep 600");
    (definition.name, definition.secret_ids) = (Some("hf2ms-1".to_owned()), vec![secret.secret_id]);
    let request = SandboxCreateRequest { app_id: world.app_id(), definition: Some(definition), ..Default::default() };
    let made: SandboxCreateResponse = world.call("SandboxCreate", request).unwrap();
    let sandbox = world.handle(&made.sandbox_id);
    assert_eq!((sandbox.generation(), made.sandbox_id.len()), (Generation::V1, "sb-".len() + 22));

    let asks = SandboxGetTaskIdRequest { sandbox_id: made.sandbox_id.clone(), timeout: Some(10.0), ..Default::default() };
    let task: SandboxGetTaskIdResponse = world.call("SandboxGetTaskId", asks).unwrap();
    assert_eq!(task.task_id(), sandbox.task_id());
    assert_eq!(sandbox.printed(6).stdout(), b"hello\n");
    assert_eq!(by_name(&world, "SandboxGetFromName", "hf2ms-1", false).unwrap(), made.sandbox_id);
    let terminate = SandboxTerminateRequest { sandbox_id: made.sandbox_id.clone() };
    world.call::<_, SandboxTerminateResponse>("SandboxTerminate", terminate).unwrap();
    let wait = SandboxWaitRequest { sandbox_id: made.sandbox_id, timeout: 10.0 };
    let ended: SandboxWaitResponse = world.call("SandboxWait", wait).unwrap();
    assert_eq!(ended.result.unwrap().status, 3);
    world.modal.strict().assert_clean();
}

#[test]
fn an_app_is_one_by_name_until_it_is_stopped() {
    let world = World::start();
    let (_, sandbox) = world.run("hf2ms-1", "exec sleep 600");
    let app = |creation: i32| {
        let request = AppGetOrCreateRequest { app_name: "hf2ms".to_owned(), object_creation_type: creation, ..Default::default() };
        world.call::<_, AppGetOrCreateResponse>("AppGetOrCreate", request).map(|app| app.app_id)
    };
    assert_eq!((app(0).unwrap(), app(1).unwrap()), (world.app_id(), world.app_id()));
    world.call::<_, ()>("AppStop", AppStopRequest { app_id: world.app_id(), source: 1 }).unwrap();
    assert_eq!(sandbox.ended().status, 3);
    assert_eq!(app(0).unwrap_err().code(), Code::NotFound);
    assert_ne!(app(1).unwrap(), world.app_id());
    let refused = world.create(world.request(Sandbox::default()));
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    world.modal.strict().assert_clean();
}

#[test]
fn a_caller_is_told_who_it_is_and_what_it_pays() {
    let world = World::start();
    let info: TokenInfoGetResponse = world.call("TokenInfoGet", TokenInfoGetRequest {}).unwrap();
    assert_eq!((info.token_id, info.workspace_name.as_str()), (world.token.id.clone(), "acme"));
    let workspace: WorkspaceNameLookupResponse = world.call("WorkspaceNameLookup", ()).unwrap();
    assert_eq!(workspace.username, "acme");
    let rates: WorkspaceBillingRatesResponse = world.call("WorkspaceBillingRates", WorkspaceBillingRatesRequest {}).unwrap();
    assert_eq!(rates.rates["CPU core-second"], "0.0000394");
    let environment: EnvironmentGetOrCreateResponse =
        world.call("EnvironmentGetOrCreate", EnvironmentGetOrCreateRequest::default()).unwrap();
    assert_eq!(environment.metadata.unwrap().settings.unwrap().image_builder_version, "2025.06");
    let other = EnvironmentGetOrCreateRequest { deployment_name: "staging".to_owned(), ..Default::default() };
    let missing = world.call::<_, EnvironmentGetOrCreateResponse>("EnvironmentGetOrCreate", other.clone());
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
    world.modal.add_environment("staging");
    world.call::<_, EnvironmentGetOrCreateResponse>("EnvironmentGetOrCreate", other).unwrap();
    world.modal.strict().assert_clean();
}
