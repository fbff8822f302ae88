//! What may befall a call or a sandbox, and what is dialled.

use std::time::{Duration, Instant};

use prost::Message as _;
use standins::faults::{Fault, Rule};
use standins::modal::proto::*;
use standins::modal::{CONTROL, Ending, Generation, ImageBuild, ROUTER, Setup, Terminate, misfortunes};
use tonic::Code;

use crate::world::{World, key};

fn hello(world: &World) -> Result<ClientHelloResponse, tonic::Status> {
    world.call("ClientHello", ())
}

#[test]
fn a_status_befalls_as_many_calls_as_it_should() {
    let world = World::start();
    world.modal.fault(Rule::route("ClientHello", misfortunes::status(Code::Unavailable)).skip(1).times(2));
    let codes: Vec<Code> = (0..4).map(|_| hello(&world).map_or_else(|status| status.code(), |_| Code::Ok)).collect();
    assert_eq!(codes, [Code::Ok, Code::Unavailable, Code::Unavailable, Code::Ok]);
    assert_eq!((world.modal.faults().fired(), world.modal.journal().failed("ClientHello")), (2, 2));
}

#[test]
fn a_throttle_says_when_to_come_back_and_a_limit_does_not() {
    let world = World::start();
    world.modal.fault(Rule::route("ClientHello", misfortunes::throttled(2.5)));
    let throttled = hello(&world).unwrap_err();
    let status = RpcStatus::decode(throttled.details()).unwrap();
    assert!(status.details[0].type_url.ends_with("/modal.client.RPCRetryPolicy"));
    assert_eq!(RpcRetryPolicy::decode(&*status.details[0].value).unwrap().retry_after_secs, 2.5);
    world.modal.fault(Rule::route("ClientHello", misfortunes::spend_limit()));
    let limited = hello(&world).unwrap_err();
    assert_eq!((limited.code(), limited.details()), (Code::ResourceExhausted, &[][..]));
}

#[test]
fn a_create_whose_answer_was_lost_has_happened_once() {
    for fault in [Fault::DropAnswer, misfortunes::status_after_work(Code::DeadlineExceeded)] {
        let world = World::start();
        world.modal.fault(Rule::route("SandboxCreateV2", fault));
        let headers = world.headers_v2();
        let request = world.request(world.definition("exec sleep 600"));
        world.call_with::<_, SandboxCreateV2Response>("SandboxCreateV2", request.clone(), &headers).unwrap_err();
        assert_eq!(world.modal.sandboxes().len(), 1);
        let made: SandboxCreateV2Response = world.call_with("SandboxCreateV2", request.clone(), &headers).unwrap();
        assert_eq!(made.sandbox_id, world.modal.sandboxes()[0].id());
        // another key is another sandbox
        assert_ne!(world.create(request).unwrap().sandbox_id, made.sandbox_id);
        world.modal.strict().assert_clean();
    }
}

#[test]
fn a_failed_call_may_be_tried_again_under_its_key() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.capacity = Some(0));
    let headers = world.headers_v2();
    let request = world.request(world.definition("exit 0"));
    let create = || world.call_with::<_, SandboxCreateV2Response>("SandboxCreateV2", request.clone(), &headers);
    assert_eq!(create().unwrap_err().code(), Code::ResourceExhausted);
    world.modal.behaviour(|behaviour| behaviour.capacity = None);
    create().unwrap();
    world.modal.strict().assert_clean();
}

#[test]
fn an_origin_is_unreachable_and_comes_back() {
    let world = World::start();
    world.modal.unreachable_for(CONTROL, Duration::from_secs(3_600));
    hello(&world).unwrap_err();
    world.modal.unreachable_for(CONTROL, Duration::ZERO);
    hello(&world).unwrap();
    let (made, sandbox) = world.run("hf2ms-1", "echo words");
    sandbox.ended();
    world.modal.unreachable_for(ROUTER, Duration::from_secs(3_600));
    let jwt = made.command_router_access.unwrap().jwt;
    world.read(&jwt, &made.task_id, 0).1.unwrap_err();
    world.modal.unreachable_for(ROUTER, Duration::ZERO);
    world.read(&jwt, &made.task_id, 0).1.unwrap();
}

#[test]
fn one_generation_may_be_withdrawn() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.withdrawn = Some(Generation::V2));
    let refused = world.create(world.request(world.definition("exit 0")));
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    assert_eq!(world.run_v1("hf2ms-1", "exit 0").ended().status, 1);
}

#[test]
fn a_full_house_lets_the_first_generation_wait_and_refuses_the_second() {
    let world = World::start();
    let (_, first) = world.run("hf2ms-1", "exec sleep 600");
    first.started();
    world.modal.behaviour(|behaviour| behaviour.capacity = Some(1));
    let refused = world.create(world.request(world.definition("exit 0"))).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(!refused.details().is_empty());
    world.modal.behaviour(|behaviour| behaviour.capacity_retry_after = None);
    let refused = world.create(world.request(world.definition("exit 0"))).unwrap_err();
    assert!(refused.details().is_empty());
    let waiting = world.run_v1("hf2ms-2", "exit 0");
    let asks = SandboxGetTaskIdRequest { sandbox_id: waiting.id().to_owned(), timeout: Some(0.1), ..Default::default() };
    let task: SandboxGetTaskIdResponse = world.call("SandboxGetTaskId", asks.clone()).unwrap();
    assert_eq!((task.task_id, task.task_result), (None, None));
    assert!(waiting.is_waiting());
    first.end(Ending::killed());
    assert_eq!(waiting.ended().status, 1);
}

/// What its process does: `T` while it is stopped.
fn state_of(process: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().next().unwrap().to_owned()
}

fn until(so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "never");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_sandbox_that_dozes_runs_in_turns_and_can_be_ended_in_any() {
    let world = World::start();
    let turn = Duration::from_millis(40);
    world.modal.doze("hf2ms-1", turn, turn);
    let (_, dozing) = world.run("hf2ms-1", "while :; do echo on; sleep 0.01; done");
    let (_, other) = world.run("hf2ms-2", "exec sleep 600");
    let process = dozing.started().process().unwrap();
    for round in 1..=2 {
        until(|| state_of(process) == "T");
        let printed = dozing.stdout().len() as u64;
        until(|| state_of(process) != "T");
        dozing.printed(printed + 3 * round);
    }
    assert_ne!(state_of(other.started().process().unwrap()), "T");
    until(|| state_of(process) == "T");
    let terminate = SandboxTerminateRequest { sandbox_id: dozing.id().to_owned() };
    world.call::<_, SandboxTerminateResponse>("SandboxTerminateV2", terminate).unwrap();
    assert_eq!((dozing.ended().status, dozing.processes()), (3, 0));
    // the next one of that name has all its time
    let (_, next) = world.run("hf2ms-1", "echo done");
    assert_eq!(next.ended().status, 1);
    world.modal.strict().assert_clean();
}

#[test]
fn a_waiting_sandbox_can_be_terminated() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.capacity = Some(0));
    let waiting = world.run_v1("hf2ms-1", "exit 0");
    let terminate = SandboxTerminateRequest { sandbox_id: waiting.id().to_owned() };
    world.call::<_, SandboxTerminateResponse>("SandboxTerminate", terminate).unwrap();
    assert_eq!(waiting.ended().status, 3);
    let asks = SandboxGetTaskIdRequest { sandbox_id: waiting.id().to_owned(), ..Default::default() };
    let task: SandboxGetTaskIdResponse = world.call("SandboxGetTaskId", asks).unwrap();
    assert_eq!((task.task_id, task.task_result.unwrap().status), (None, 3));
}

#[test]
fn a_workspace_has_a_limit_of_containers() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.max_containers = Some(1));
    let (_, _first) = world.run("hf2ms-1", "exec sleep 600");
    let refused = world.create(world.request(world.definition("exit 0"))).unwrap_err();
    assert_eq!((refused.code(), refused.details()), (Code::ResourceExhausted, &[][..]));
}

#[test]
fn an_image_is_built_slowly_by_streams_that_end_early() {
    let mut setup = Setup::default();
    let log = vec!["#1 FROM debian\n".to_owned(), "#2 done\n".to_owned()];
    setup.behaviour.image_build = ImageBuild { takes: Duration::from_millis(50), log, ..ImageBuild::default() };
    setup.behaviour.image_stream_messages = 1;
    let world = World::begin(setup);
    let image = world.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", world.recipe()).unwrap();
    assert_eq!(image.result, None);
    let (mut last_entry_id, mut log, mut streams, mut result) = (String::new(), String::new(), 0, None);
    while result.is_none() {
        let join = ImageJoinStreamingRequest { image_id: image.image_id.clone(), timeout: 5.0, last_entry_id: last_entry_id.clone() };
        let (messages, end) = world.stream::<_, ImageJoinStreamingResponse>("ImageJoinStreaming", join);
        end.unwrap();
        streams += 1;
        for message in messages {
            log.extend(message.task_logs.iter().map(|line| line.data.as_str()));
            (last_entry_id, result) = (message.entry_id, result.or(message.result));
        }
    }
    assert_eq!((log.as_str(), streams, result.unwrap().status), ("#1 FROM debian\n#2 done\n", 3, 1));
    let again = world.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", world.recipe()).unwrap();
    assert_eq!((again.image_id, again.result.unwrap().status), (image.image_id, 1));
    world.modal.strict().assert_clean();
}

#[test]
fn a_failed_build_says_so_every_time() {
    let mut setup = Setup::default();
    setup.behaviour.image_build = ImageBuild { fails: true, log: vec!["E: no such package\n".to_owned()], ..ImageBuild::default() };
    let world = World::begin(setup);
    for _ in 0..2 {
        let image = world.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", world.recipe()).unwrap();
        assert_eq!(image.result, None);
        let join = ImageJoinStreamingRequest { image_id: image.image_id, timeout: 5.0, ..Default::default() };
        let (messages, _) = world.stream::<_, ImageJoinStreamingResponse>("ImageJoinStreaming", join);
        assert_eq!(messages[1].result.as_ref().unwrap().status, 2);
    }
}

#[test]
fn an_upload_may_be_known_late() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.exists_late = 2);
    let bytes = b"late".to_vec();
    let sha256_hex = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes));
    let put = MountPutFileRequest { sha256_hex, data_oneof: Some(mount_put_file_request::DataOneof::Data(bytes)) };
    let exists: Vec<bool> = (0..3).map(|_| world.call::<_, MountPutFileResponse>("MountPutFile", put.clone()).unwrap().exists).collect();
    assert_eq!(exists, [false, false, true]);
    world.modal.strict().assert_clean();
}

#[test]
fn a_sandbox_that_stays_too_long_is_out_of_time() {
    let world = World::start();
    let made = world.create(world.request(Sandbox { timeout_secs: 1, ..world.definition("exec sleep 600") })).unwrap();
    assert_eq!(world.handle(&made.sandbox_id).ended().status, 4);
}

#[test]
fn a_polite_end_lets_the_process_say_a_last_word() {
    let world = World::start();
    let script = "trap 'echo goodbye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let end = |name: &str| {
        let (made, sandbox) = world.run(name, script);
        sandbox.printed(6);
        let terminate = SandboxTerminateRequest { sandbox_id: made.sandbox_id };
        world.call::<_, SandboxTerminateResponse>("SandboxTerminateV2", terminate).unwrap();
        assert_eq!(sandbox.ended().status, 3);
        String::from_utf8(sandbox.stdout()).unwrap()
    };
    assert_eq!(end("hf2ms-1"), "ready\n");
    world.modal.behaviour(|behaviour| behaviour.terminate = Terminate::Politely(Duration::from_secs(30)));
    assert_eq!(end("hf2ms-2"), "ready\ngoodbye\n");
}

#[test]
fn a_sandbox_killed_by_an_outside_hand_ends_as_chosen() {
    let world = World::start();
    for ending in [Ending::killed(), Ending::out_of_memory(), Ending::terminated(), Ending::lost()] {
        let (_, sandbox) = world.run("hf2ms-1", "exec sleep 600");
        sandbox.started();
        world.modal.killing("hf2ms", ending.clone())();
        assert_eq!(sandbox.ended(), ending);
    }
}

#[test]
fn a_slow_answer_comes_all_the_same() {
    let world = World::start();
    world.modal.fault(Rule::route("ClientHello", Fault::Delay(Duration::from_millis(20))));
    hello(&world).unwrap();
    assert_eq!(world.modal.faults().fired(), 1);
}

#[test]
fn warnings_travel_in_the_trailer() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.warnings = vec!["this client is old".to_owned()]);
    assert_eq!(hello(&world).unwrap().server_warnings[0].message, "this client is old");
}

#[test]
fn nothing_is_left_when_the_stand_in_goes() {
    let world = World::start();
    let (_, sandbox) = world.run("hf2ms-1", "setsid sh -c 'echo ready; exec sleep 600' & wait");
    sandbox.printed(6);
    assert!(sandbox.processes() >= 2);
    drop(world);
    assert_eq!(sandbox.processes(), 0);
}

#[test]
fn a_key_is_random_each_time() {
    assert_ne!(key(), key());
}
