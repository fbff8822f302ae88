//! From files to a sandbox that runs, once and only once.

use std::collections::BTreeMap;
use std::time::Duration;

use hf2ms::error::ErrorKind;
use hf2ms::runner::modal::{EndedHow, MountedFile};
use hf2ms::secret::Token;
use standins::faults::Rule;
use standins::modal::misfortunes::{status, status_after_work};
use standins::modal::{BlobFields, Generation, ImageBuild};
use tonic::Code;

use crate::world::{GENERATIONS, SCRIPT, World, of, read, script, spec};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_sandbox_runs_what_was_mounted_and_ends() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, sandbox) = world.run("job", "echo out; echo err >&2; exit 3").await;
        let ended = client.wait(&sandbox.id, LONG).await.unwrap().unwrap();
        assert_eq!((ended.how, ended.exit), (EndedHow::Failed, Some(3)));
        assert_eq!(ended.failure().unwrap().kind(), ErrorKind::Interrupted);
        assert_eq!(read(&mut client.lines(&sandbox, None)).await, ["out"]);
        assert_eq!(client.started(&sandbox).await.unwrap(), world.modal.sandboxes()[0].task_id());
        world.clean();
    }
}

#[tokio::test]
async fn a_cold_start_asks_for_each_thing_once_and_a_warm_one_sends_nothing() {
    let world = World::start();
    let (client, sandbox) = world.run("job", "exit 0").await;
    client.wait(&sandbox.id, LONG).await.unwrap().unwrap();
    for (call, times) in
        [("AppGetOrCreate", 1), ("EnvironmentGetOrCreate", 1), ("ImageGetOrCreate", 1), ("MountGetOrCreate", 1), ("SandboxCreateV2", 1)]
    {
        assert_eq!(world.calls(call), times, "{call}");
    }
    assert_eq!((world.calls("MountPutFile"), world.calls("BlobCreate")), (2, 0));
    let (_, warm) = world.ready("exit 0").await;
    assert_eq!((world.calls("MountPutFile"), world.calls("ImageJoinStreaming")), (3, 1));
    assert!(!warm.mount.is_empty());
    world.clean();
}

#[tokio::test]
async fn a_large_file_goes_up_as_a_blob_whatever_form_the_answer_has() {
    for fields in [BlobFields::Both, BlobFields::New, BlobFields::Old] {
        let world = World::start();
        world.modal.behaviour(|behaviour| {
            behaviour.blob_fields = fields;
            behaviour.exists_late = 2;
        });
        let client = world.client().await.unwrap();
        let bytes: Vec<u8> = (0..5u32 << 20).map(|number| (number / 7) as u8).collect();
        let large = MountedFile { path: "/job/large".to_owned(), bytes: bytes.into(), mode: 0o644 };
        let prepared = client.prepare(&[script("wc -c < job/large"), large]).await.unwrap();
        let sandbox = client.create(&prepared, &spec("job")).await.unwrap();
        assert_eq!(read(&mut client.lines(&sandbox, None)).await, ["5242880"]);
        assert_eq!(world.calls("BlobCreate"), 1, "{fields:?}");
        let mounted = world.modal.sandboxes()[0].mounted();
        assert_eq!(mounted, BTreeMap::from([("/job/large".to_owned(), 0o644), (SCRIPT.to_owned(), 0o755)]));
        world.clean();
    }
}

#[tokio::test]
async fn secrets_reach_the_process_and_nothing_else() {
    for generation in GENERATIONS {
        let world = of(generation);
        world.marks.token("hf", "hf_abcdefghijklmnopqrst");
        let (client, prepared) = world.ready("echo ${#HF_TOKEN} ${#MS_TOKEN}").await;
        let mut with = spec("job");
        with.secrets.insert("HF_TOKEN".to_owned(), Token::new("hf_abcdefghijklmnopqrst").unwrap());
        let sandbox = client.create(&prepared, &with).await.unwrap();
        assert_eq!(read(&mut client.lines(&sandbox, None)).await, ["23 0"]);
        let shown = world.modal.sandboxes()[0].environment().clone();
        assert_eq!(shown.keys().collect::<Vec<_>>(), ["HF_TOKEN"]);
        with.args.push("hf_abcdefghijklmnopqrst".to_owned());
        assert_eq!(client.create(&prepared, &with).await.unwrap_err().kind(), ErrorKind::Usage);
        world.clean();
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_attached_to() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, first) = world.run("job", "exec sleep 600").await;
        let prepared = client.prepare(&[script("exec sleep 600")]).await.unwrap();
        let second = client.create(&prepared, &spec("job")).await.unwrap();
        assert_eq!((first.attached, second.attached), (false, true));
        assert_eq!(first.id, second.id);
        client.terminate(&first.id).await.unwrap();
        let third = client.create(&prepared, &spec("job")).await.unwrap();
        assert!(!third.attached && third.id != first.id);
        world.clean();
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_sandbox() {
    for (generation, call) in [("1", "SandboxCreateV2"), ("0", "SandboxCreate")] {
        // answered on the second try, and on none
        for times in [1, 4] {
            let world = of(generation);
            let (client, prepared) = world.ready("exec sleep 600").await;
            world.modal.fault(Rule::route(call, status_after_work(Code::Unavailable)).times(times));
            let sandbox = client.create(&prepared, &spec("job")).await.unwrap();
            assert_eq!(world.modal.sandboxes().len(), 1, "{call} {times}");
            assert_eq!((world.modal.sandboxes()[0].id(), sandbox.attached), (sandbox.id.as_str(), times == 4));
            world.clean();
        }
    }
}

#[tokio::test]
async fn creating_that_never_answers_says_that_nobody_knows() {
    let world = World::start();
    let (client, prepared) = world.ready("exit 0").await;
    world.modal.fault(Rule::route("SandboxCreateV2", status(Code::Unavailable)).always());
    let error = client.create(&prepared, &spec("job")).await.unwrap_err();
    assert_eq!((error.message(), error.fact("name")), ("whether the sandbox was created is not known", Some("job")));
    world.clean();
}

#[tokio::test]
async fn the_older_calls_are_used_where_the_newer_ones_are_gone() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.withdrawn = Some(Generation::V2));
    let (client, sandbox) = world.run("job", "echo older").await;
    assert_eq!(world.modal.sandboxes()[0].generation(), Generation::V1);
    assert_eq!(read(&mut client.lines(&sandbox, None)).await, ["older"]);
    assert_eq!(client.list(&BTreeMap::new(), true).await.unwrap().len(), 1);
    let prepared = client.prepare(&[script("echo older")]).await.unwrap();
    client.create(&prepared, &spec("job-2")).await.unwrap();
    // asked for once
    assert_eq!(world.calls("SandboxCreateV2"), 1);
    world.clean();
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_told_from_one_that_fails() {
    for generation in GENERATIONS {
        let world = of(generation);
        let client = world.client().await.unwrap();
        let without_bit = MountedFile { mode: 0o644, ..script("exit 0") };
        let prepared = client.prepare(&[without_bit]).await.unwrap();
        let sandbox = client.create(&prepared, &spec("job")).await.unwrap();
        let ended = client.wait(&sandbox.id, LONG).await.unwrap().unwrap();
        assert!(ended.failure().is_some() && ended.how != EndedHow::Done, "{ended:?}");
        world.clean();
    }
}

#[tokio::test]
async fn an_image_is_waited_for_and_one_that_fails_shows_its_log() {
    let world = World::start();
    let log = vec!["pulling\n".to_owned(), "unpacking\n".to_owned(), "no space left\n".to_owned()];
    world.modal.behaviour(|behaviour| {
        behaviour.image_stream_messages = 1;
        behaviour.image_build = ImageBuild { takes: Duration::from_millis(300), log: log.clone(), ..ImageBuild::default() };
    });
    world.ready("exit 0").await;
    world.clean();
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.image_build = ImageBuild { log, fails: true, ..ImageBuild::default() });
    let error = world.client().await.unwrap().prepare(&[script("exit 0")]).await.unwrap_err();
    assert!(error.fact("log").unwrap().starts_with("pulling | unpacking | no space left"), "{error}");
    world.clean();
}

#[tokio::test]
async fn room_is_waited_for() {
    for generation in GENERATIONS {
        let world = of(generation);
        world.modal.behaviour(|behaviour| behaviour.capacity = Some(1));
        let (client, first) = world.run("job-1", "exec sleep 600").await;
        client.started(&first).await.unwrap();
        let prepared = client.prepare(&[script("exec sleep 600")]).await.unwrap();
        let second = async {
            let sandbox = client.create(&prepared, &spec("job-2")).await.unwrap();
            client.started(&sandbox).await.unwrap()
        };
        let room = async {
            // asked at least once before there is room
            while world.calls(if generation == "1" { "SandboxCreateV2" } else { "SandboxCreate" }) < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            client.terminate(&first.id).await.unwrap();
        };
        let (task, ()) = tokio::join!(second, room);
        assert_eq!(task, world.modal.sandbox_named("job-2").unwrap().task_id());
        world.clean();
    }
}

#[tokio::test]
async fn the_limit_of_the_workspace_is_told_at_once() {
    for generation in GENERATIONS {
        let world = of(generation);
        world.modal.behaviour(|behaviour| behaviour.max_containers = Some(0));
        let (client, prepared) = world.ready("exit 0").await;
        let error = client.create(&prepared, &spec("job")).await.unwrap_err();
        assert_eq!((error.kind(), error.fact("tries")), (ErrorKind::Forbidden, None));
        assert!(error.hint().unwrap().contains("spend limit"), "{error}");
        world.clean();
    }
}
