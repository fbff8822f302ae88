//! `HF2MS_LOG=debug`: what was asked of the hubs, without anything that is secret.

use std::process::Command;

use standins::faults::{Fault, Rule};
use standins::huggingface::{self, RepoKind};

use crate::tokens::assert_hidden;
use crate::world::{MIB, World, bytes, carrier_in, generated};

/// The log of the newest migration.
fn log(world: &World) -> String {
    let newest = std::fs::read_dir(world.home.join("state/migrations")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    std::fs::read_to_string(newest.join("log")).unwrap()
}

fn world_with_a_model() -> World {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("model.safetensors", bytes(1, MIB)).file("config.json", "{}").commit("all");
    world
}

#[test]
fn every_request_is_written_down_without_tokens_and_queries() {
    let mut world = world_with_a_model();
    world.set("HF2MS_LOG", "debug");
    world.hf.fault(Rule::route("tree", Fault::status(503)));
    let outcome = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0);
    assert_eq!(outcome.json()["state"], "verified", "results stay alone on standard output");
    let (looked, carried) = (world.scrub(&outcome.stderr), world.scrub(&log(&world)));
    assert!(looked.contains("request: GET [HF]/api/models/alice/bert 200 in "), "{looked}");
    assert!(looked.lines().any(|line| line.contains("/tree/") && line.contains(" 503 in ") && !line.contains("try")), "{looked}");
    assert!(looked.lines().any(|line| line.contains("/tree/") && line.contains(" 200 in ") && line.ends_with(", try 2")), "{looked}");
    for part in ["request: POST [MS]/", "request: PUT http", "request: GET [HF]/alice/bert/resolve/"] {
        assert!(carried.contains(part), "{part}: {carried}");
    }
    for line in looked.lines().chain(carried.lines()) {
        // that there is a query is shown, and nothing of it
        let without = line.replace("?…", "");
        assert!(line.starts_with("request: ") && !without.contains('?') && !without.contains("ignature"), "{line}");
    }
    let all = world.hf.journal().total_requests() + world.ms.journal().total_requests();
    assert_eq!((looked.lines().count() + carried.lines().count()) as u64, all, "every one");
    assert_hidden(&world, &outcome);
}

#[test]
fn nothing_is_written_down_unasked() {
    let mut world = world_with_a_model();
    let outcome = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0);
    assert_eq!((outcome.stderr.as_str(), log(&world).as_str()), ("", ""));
    world.set("HF2MS_LOG", "everything");
    let outcome = world.run(&["plan", "hf:alice/bert", "--json"]).exits(0);
    assert_eq!(outcome.stderr, "warning: HF2MS_LOG is ignored; it knows `debug` alone, which writes down every request\n");
}

#[test]
fn requests_are_not_taken_for_last_words() {
    let mut world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, 24 * MIB)).commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB);
    world.set("HF2MS_LOG", "debug");
    let home = world.home.clone();
    world.ms.when_uploaded_bytes(
        MIB,
        Box::new(move || {
            let pid = carrier_in(&home).unwrap().to_string();
            Command::new("kill").args(["-9", &pid]).status().unwrap();
        }),
    );
    let outcome = world.run(&["migrate", "hf:alice/bert"]).exits(1);
    let error = outcome.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains("the process that carried the migration is gone") && !error.contains("said"), "{error}");
}
