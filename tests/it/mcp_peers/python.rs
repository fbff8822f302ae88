//! The official Python client: with the handshake, without it, and finding out by itself. It checks every result against its schema.

use std::process::Command;

use serde_json::{Value, json};
use standins::{huggingface, modelscope};

use crate::plugin::tree;
use crate::trip::{Trip, Way};
use crate::world::{KIB, Outcome, World, bytes};

/// How the client comes to terms with the server, and the protocol's version that they speak then.
const MODES: [(&str, &str); 3] = [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")];
const TOOLS: [&str; 7] = ["cancel_migration", "inventory", "migrate", "plan_migration", "status", "validate_tokens", "verify_migration"];

fn run(world: &World, mode: &str, arguments: &[&str]) -> Outcome {
    let venv = super::set_up("setup-mcp.sh", "peers-mcp", "python3 with venv, and PyPI");
    let mut command = Command::new(venv.join("bin/python"));
    command.arg(tree().join("tests/peers/mcp_peer.py")).args(["--mode", mode]).args(arguments);
    super::run(world, command)
}

/// What the client found, which knows all tools.
#[track_caller]
fn found(world: &World, mode: &str, version: &str, arguments: &[&str]) -> Value {
    let outcome = run(world, mode, arguments);
    assert_eq!(outcome.code, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    let found = outcome.json();
    let mut tools: Vec<_> = found["tools"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    tools.sort_unstable();
    assert_eq!((found["version"].as_str(), tools.as_slice()), (Some(version), &TOOLS[..]), "{found}");
    assert_eq!(found["schemas"], true, "every tool says what it gives");
    found
}

#[test]
fn it_moves_a_repository_and_is_told_how_far_it_is() {
    for (mode, version) in MODES {
        let trip = Trip::stocked(Way::HfToMs);
        trip.slow_uploads(4_000_000);
        let found = found(&trip.world, mode, version, &["migrate", "--source", trip.address()[0]]);
        assert_eq!((&found["status"]["report"]["state"], &found["document"]), (&json!("verified"), &json!("verified")), "{found}");
        let told = found["progress"].as_array().unwrap();
        assert!(!told.is_empty(), "{mode}: nothing was told");
        assert!(
            told.iter().all(|word| word["total"].is_number() && word["message"].as_str().is_some_and(|text| !text.is_empty())),
            "{told:?}"
        );
        let steps: Vec<_> = told.iter().map(|word| word["progress"].as_f64().unwrap()).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
        assert_eq!(found["asked"], json!([]), "there was nothing to ask");
        trip.assert_identical();
        assert_eq!(trip.copy().ours().len(), 1);
    }
}

#[test]
fn it_stops_waiting_and_the_migration_goes_on_until_it_is_cancelled() {
    for (mode, version) in MODES {
        let trip = Trip::stocked(Way::MsToHf);
        trip.slow_uploads(1_000_000);
        let found = found(&trip.world, mode, version, &["cancel", "--source", trip.address()[0]]);
        assert_eq!((&found["given_up"], &found["after"]["migration"]["state"]), (&json!(true), &json!("running")), "{found}");
        assert_eq!(found["cancelled"]["migration"]["state"], "cancelled", "{found}");
        assert!(trip.copy().ours().is_empty(), "nothing is visible");
        trip.slow_uploads(0);
    }
}

/// A migration of which the plan says that it replaces a file.
fn world_with_a_risk() -> World {
    let world = World::start();
    world.hf.repo(huggingface::RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).file("config.json", "{}").commit("all");
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("config.json", "{\"other\":1}").commit("somebody's");
    world
}

#[test]
fn it_asks_its_user_and_carries_the_answer() {
    for (mode, version) in MODES {
        for (answer, state) in [("decline", "declined"), ("cancel", "declined"), ("accept", "running")] {
            let world = world_with_a_risk();
            let found = found(&world, mode, version, &["--answer", answer, "migrate", "--source", "hf:alice/bert"]);
            let asked = found["asked"].as_array().unwrap();
            assert!(asked.len() == 1 && asked[0]["message"].as_str().unwrap().contains("overwrites 1 file"), "{found}");
            assert_eq!(found["started"]["state"], state, "{mode} {answer}: {found}");
            assert_eq!(world.home.join("state/migrations").exists(), answer == "accept", "{mode} {answer}");
            let ended = if answer == "accept" { json!("verified") } else { Value::Null };
            assert_eq!(found["status"]["report"]["state"], ended, "{found}");
        }
    }
}

#[test]
fn a_client_that_cannot_ask_is_told_what_has_to_be_confirmed() {
    for (mode, version) in MODES {
        let world = world_with_a_risk();
        let found = found(&world, mode, version, &["migrate", "--source", "hf:alice/bert"]);
        assert_eq!((&found["started"]["state"], &found["asked"]), (&json!("needs_confirmation"), &json!([])), "{found}");
        assert!(!world.home.join("state/migrations").exists(), "nothing was started");
    }
}

#[test]
fn a_call_that_is_refused_reads_as_what_is_wrong() {
    let world = World::start();
    for (mode, _) in MODES {
        let outcome = run(&world, mode, &["migrate", "--source", "hf:alice/nothing"]).exits(1);
        let error = outcome.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("plan_migration") && error.contains("not_found") && error.contains("hint"), "{error}");
    }
}
