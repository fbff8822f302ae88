//! The official client keeps the stand-in honest: it does with it all that hf2ms does, in both generations.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use standins::modal::{BLOB, Generation, Modal, Setup, StreamEnd};

/// The environment with the official clients, made when it is not there yet.
fn peers() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    // tests are processes of their own: one sets up, the others wait
    lock.lock().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/setup.sh");
    let made = Command::new(script).arg(&folder).status().unwrap();
    assert!(made.success(), "tests/peers/setup.sh failed: the tests need python3 with venv, and PyPI");
    folder
}

/// Runs the official client; gives the object it prints.
fn run(modal: &Modal, generation: Generation) -> Value {
    // tests of one generation may run beside each other
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("standins-modal-peer-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../peers/modal_peer.py");
    let mut command = Command::new(peers().join("bin/python"));
    command.arg(script).arg("--folder").arg(&folder).args(["--secret", "a secret of the peer"]);
    command.env_clear().envs(modal.environment("alice")).env("HOME", &folder).env("NO_PROXY", "127.0.0.1");
    command.env("PATH", std::env::var("PATH").unwrap());
    if generation == Generation::V1 {
        command.env("MODAL_SANDBOX_V2", "0");
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let _ = std::fs::remove_dir_all(&folder);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the official client ended with {}:\n{words}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the client must have seen, whatever befell it.
fn saw_everything(modal: &Modal, generation: Generation) {
    let seen = run(modal, generation);

    let sandboxes = modal.sandboxes();
    let ids: Vec<&str> = sandboxes.iter().map(standins::modal::SandboxHandle::id).collect();
    assert_eq!(json!(ids), json!([seen["staying"], seen["ending"]]));
    assert!(sandboxes.iter().all(|sandbox| sandbox.generation() == generation));
    assert_eq!(sandboxes[0].environment()["PEER_SECRET"], "a secret of the peer");
    assert_eq!(sandboxes[0].resources(), (512, 1_000));
    assert_eq!(seen["greeting"], "secret has 20 characters\n");
    assert_eq!((&seen["listed"], &seen["not_listed"]), (&json!([ids[0]]), &json!([])));
    assert_eq!((&seen["by_name"], &seen["running"]), (&seen["staying"], &Value::Null));
    assert_eq!(seen["tags"], json!({ "peer": "1", "kind": "staying" }));
    assert_eq!((&seen["twice"], &seen["terminated"]), (&json!("AlreadyExistsError"), &json!(137)));
    let mut lines = vec!["secret has 20 characters".to_owned()];
    lines.extend((1..=200).map(|number| format!("line {number} of 8388608 bytes")));
    assert_eq!(seen["lines"], json!(lines));
    assert_eq!((&seen["aside"], &seen["returncode"]), (&json!("a word on the side\n"), &json!(7)));
    assert_eq!(seen["after"], json!([]));
    assert_eq!((modal.journal().requests(BLOB), modal.processes()), (1, 0));
    modal.strict().assert_clean();
}

fn start() -> Modal {
    let modal = Modal::start(Setup { lenient_peers: true, ..Setup::default() });
    modal.strict().assert_clean();
    modal
}

#[test]
fn the_official_client_does_it_all_in_the_second_generation() {
    saw_everything(&start(), Generation::V2);
}

#[test]
fn the_official_client_does_it_all_in_the_first_generation() {
    saw_everything(&start(), Generation::V1);
}

#[test]
fn the_official_client_lives_through_misfortunes() {
    for generation in [Generation::V2, Generation::V1] {
        let modal = start();
        modal.behaviour(|behaviour| {
            behaviour.image_build.takes = Duration::from_millis(300);
            behaviour.image_build.log = vec!["#1 FROM debian\n".to_owned()];
            behaviour.image_stream_messages = 1;
            behaviour.exists_late = 1;
            behaviour.page_size = 1;
            behaviour.output_piece = 700;
            behaviour.stream_messages = Some(1);
            // the first generation's reader rests after every error
            behaviour.stream_end = if generation == Generation::V2 { StreamEnd::Unavailable } else { StreamEnd::Clean };
            behaviour.sandbox_tokens = true;
            behaviour.warnings = vec!["a word to the client".to_owned()];
        });
        let create = if generation == Generation::V2 { "SandboxCreateV2" } else { "SandboxCreate" };
        modal.fault(standins::faults::Rule::route(create, standins::faults::Fault::DropAnswer));
        modal.fault(standins::faults::Rule::route(create, standins::modal::misfortunes::throttled(0.1)).skip(1));
        saw_everything(&modal, generation);
        assert_eq!(modal.faults().fired(), 2);
    }
}
