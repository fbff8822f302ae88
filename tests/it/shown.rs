//! What a person sees: bars on a terminal, lines without one, the words of a proof that failed, and the proof that is kept.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::world::{MIB, World, generated};

fn slow_world(size: u64) -> World {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("model.safetensors", generated(1, size)).file("README.md", "# bert\n").commit("all");
    world.hf.dials().each(|lane| lane.set_download_per_host(size / 4));
    world
}

#[test]
fn a_terminal_sees_bars_with_rate_and_time_left_and_the_files_in_flight() {
    let world = slow_world(24 * MIB);
    let command = format!("{} migrate hf:alice/bert", env!("CARGO_BIN_EXE_hf2ms"));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).env_clear().envs(&world.variables).env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
    let child = terminal.current_dir(&world.home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let seen = world.finish(child).exits(0).stdout;
    for part in ["█", "MB/s", "left", "model.safetensors", "verified"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
}

#[test]
fn without_a_terminal_there_is_a_line_now_and_then() {
    let world = slow_world(8 * MIB);
    let outcome = world.run(&["migrate", "hf:alice/bert"]).exits(0);
    assert!(outcome.stderr.lines().any(|line| line.contains("/2 files") && line.contains("of 8.4 MB")), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains('█') && !outcome.stderr.contains('█'));
}

#[test]
fn a_file_that_is_not_proven_is_named_with_what_to_do() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, 2 * MIB)).file("a.txt", "a").commit("all");
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/copy");
    copy.misbehave(|quirks| quirks.drops.push("a.txt".to_owned()));
    insta::assert_snapshot!("unproven", world.run(&["migrate", "hf:alice/bert", "--dest", "alice/copy"]).exits(4).shown(&world));
    insta::assert_snapshot!("unproven_verify", world.run(&["verify", "hf:alice/bert", "--dest", "alice/copy"]).exits(4).shown(&world));
    let id = world.run(&["status", "--json"]).exits(0).json()["migrations"][0]["id"].as_str().unwrap().to_owned();
    let told = crate::mcp::Client::start(&world, crate::mcp::Era::Stateless).tool("status", json!({ "migration_id": id }));
    assert_eq!(told["report"]["missing"], json!(["a.txt"]), "{told}");
    assert!(told["report"]["hint"].as_str().unwrap().contains("plan and migrate again"), "{told}");
}

#[test]
fn the_proof_of_every_file_is_kept_and_saves_reading_again() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("model.safetensors", generated(1, 2 * MIB)).file("vocab.txt", "a\nb\n").file("empty.txt", "").commit("all");
    let id = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json()["id"].as_str().unwrap().to_owned();
    let proof = std::fs::read_to_string(world.home.join("state/migrations").join(&id).join("proof.jsonl")).unwrap();
    let lines: Vec<Value> = proof.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let paths: Vec<_> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["empty.txt", "model.safetensors", "vocab.txt"]);
    for line in &lines {
        assert_eq!(line["how"], "streamed");
        assert_eq!(line["sha256"], source.content(line["path"].as_str().unwrap()).unwrap().sha256());
    }
    let again = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
    assert_eq!((&again["bytes"]["moved"], &again["bytes"]["compared"]), (&Value::from(0), &Value::from(0)));
    // without proof and with another head, only reading tells
    world.forget_state();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("theirs.txt", "by somebody else").commit("theirs");
    let again = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
    assert_eq!((&again["bytes"]["moved"], &again["bytes"]["compared"]), (&Value::from(0), &Value::from(4)));
}

#[test]
fn a_gated_source_never_reaches_a_public_destination_unasked() {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus");
    source.file("data.parquet", generated(2, MIB)).gated().commit("all");
    world.hf.repo(RepoKind::Dataset, "alice/corpus").public().commit("theirs");
    let outcome = world.run(&["migrate", "ms:alice/corpus", "--yes"]).exits(3);
    assert!(outcome.stderr.contains("--allow-public"), "{}", outcome.stderr);
    assert_eq!(world.hf.journal().bytes_uploaded(), 0);
}

#[test]
fn cancelled_while_it_plans_it_does_not_take_what_was_there_for_its_own() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, MIB)).commit("all");
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("theirs.txt", "theirs").commit("theirs");
    // every call takes so long that the process that carries is still looking when it is told to stop
    world.hf.dials().each(|lane| lane.set_latency(Duration::from_millis(700)));
    let id = world.run(&["migrate", "hf:alice/bert", "--detach"]).exits(0).stdout.trim().to_owned();
    std::thread::sleep(Duration::from_millis(300));
    let cancelled = world.run(&["cancel", &id, "--json"]).exits(0).json();
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    let message = cancelled["error"]["message"].as_str().unwrap();
    assert!(message.contains("nothing was committed"), "{message}");
}
