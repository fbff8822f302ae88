//! What a sandbox is and does.

use standins::modal::proto::*;

use crate::world::{World, secret, tag};

/// The bytes of a read.
fn text(messages: &[router::SandboxStdioReadV2Response]) -> String {
    String::from_utf8(messages.iter().flat_map(|message| message.data.clone()).collect()).unwrap()
}

#[test]
fn a_sandbox_runs_what_was_mounted_with_its_secrets_and_nothing_else() {
    let world = World::start();
    let mut definition = world.definition("env; echo \"$1 $2\"; cat \"$2\"; pwd; cat; exit 3");
    definition.mount_ids.push(world.mount(&[("/box/job.json", 0o600, "{\"job\":1}\n")]));
    definition.entrypoint_args.extend(["--job".to_owned(), "/box/job.json".to_owned()]);
    let mut request = world.request(definition);
    request.secret_sources = vec![secret(&[("HF_TOKEN", "hf_0123456789012345678901234567890123")])];
    request.tags = vec![tag("hf2ms", "1")];
    let made = world.create(request).unwrap();

    let (messages, end) = world.read(&made.command_router_access.clone().unwrap().jwt, &made.task_id, 0);
    let sandbox = world.handle(&made.sandbox_id);
    let wait = SandboxWaitRequest { sandbox_id: made.sandbox_id.clone(), timeout: 10.0 };
    let result = world.call::<_, SandboxWaitResponse>("SandboxWaitV2", wait).unwrap().result.unwrap();

    assert_eq!(String::from_utf8(sandbox.stderr()).unwrap(), "");
    end.unwrap();
    let printed = text(&messages);
    let mut lines: Vec<&str> = printed.lines().collect();
    // the shell adds two of its own
    lines
        .retain(|line| !line.starts_with("PWD=") && !line.starts_with("_=") && !line.starts_with("OLDPWD=") && !line.starts_with("SHLVL="));
    assert_eq!(lines[0], "HF_TOKEN=hf_0123456789012345678901234567890123");
    let folder = lines[3].to_owned();
    assert_eq!(lines[1..], [format!("--job {folder}/box/job.json"), "{\"job\":1}".to_owned(), folder.clone()]);
    assert_eq!((result.status, result.exitcode), (2, 3));
    assert!(!std::path::Path::new(&folder).exists());
    world.modal.strict().assert_clean();
}

#[test]
fn a_file_without_its_exec_bit_does_not_start() {
    let world = World::start();
    let mut definition = world.definition("echo never");
    definition.mount_ids = vec![world.mount(&[(crate::world::SCRIPT, 0o644, "#!/bin/sh\n")])];
    let made = world.create(world.request(definition)).unwrap();
    let ending = world.handle(&made.sandbox_id).ended();
    assert_eq!(ending.status, 5);
    assert!(ending.exception.contains("Permission denied"), "{ending:?}");
}

#[test]
fn a_program_of_the_image_is_not_there() {
    let world = World::start();
    let mut definition = world.definition("echo never");
    definition.entrypoint_args = vec!["/bin/sh".to_owned(), "-c".to_owned(), "echo never".to_owned()];
    let made = world.create(world.request(definition)).unwrap();
    assert_eq!(world.handle(&made.sandbox_id).ended().status, 5);
}

#[test]
fn a_terminated_sandbox_takes_everything_with_it() {
    let world = World::start();
    let script = "setsid sh -c 'sleep 600' & sleep 600 & echo ready; wait";
    let (made, sandbox) = world.run("hf2ms-1", script);
    sandbox.printed(6);
    assert!(sandbox.processes() >= 3, "{sandbox:?}");
    let terminate = SandboxTerminateRequest { sandbox_id: made.sandbox_id };
    let answer: SandboxTerminateResponse = world.call("SandboxTerminateV2", terminate).unwrap();
    assert_eq!(answer.existing_result, None);
    assert_eq!(sandbox.ended().status, 3);
    assert_eq!(world.modal.processes(), 0);
    assert!(world.modal.living().is_empty());
    world.modal.strict().assert_clean();
}
