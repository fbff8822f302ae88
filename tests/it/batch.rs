//! Several sources at once: each its own migration, all looked at before the first byte moves, one summary and one exit code.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::huggingface::{self, RepoKind};
use standins::modelscope;

use crate::usage::{assert_untouched, refused};
use crate::world::{KIB, MIB, Outcome, World, bytes, generated, wait_until};

/// A world whose Hugging Face has two models, `alice/bert` and `alice/gpt`.
fn two_models() -> World {
    let world = World::start();
    for (seed, id) in [(1, "alice/bert"), (2, "alice/gpt")] {
        let repo = world.hf.repo(RepoKind::Model, id);
        repo.file("model.safetensors", bytes(seed, MIB)).file("config.json", "{}").commit("all");
    }
    world
}

/// The files of a copy at ModelScope are those of its source.
#[track_caller]
fn assert_copied(world: &World, source: &str, copy: &str) {
    let there = world.ms.repo(modelscope::RepoKind::Model, copy).files();
    for (path, file) in world.hf.repo(RepoKind::Model, source).files() {
        if path != ".gitattributes" {
            assert_eq!(there[&path].sha256, file.sha256, "{path}");
        }
    }
}

/// The one object, whose counts agree with its list.
#[track_caller]
fn summary(outcome: &Outcome) -> Value {
    assert_eq!(outcome.stdout.trim().lines().count(), 1, "one object on one line");
    let object = outcome.json();
    let keys: BTreeSet<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["migrations", "succeeded", "failed", "skipped"]));
    let count = |key: &str| object[key].as_u64().unwrap();
    let states: Vec<_> = object["migrations"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(count("succeeded"), states.iter().filter(|state| **state == "verified").count() as u64);
    assert_eq!(count("skipped"), states.iter().filter(|state| **state == "skipped").count() as u64);
    assert_eq!(count("succeeded") + count("failed") + count("skipped"), states.len() as u64);
    object
}

fn states(summary: &Value) -> Vec<&str> {
    summary["migrations"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect()
}

#[test]
fn several_sources_are_each_a_migration_of_its_own() {
    let world = two_models();
    world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus").file("train.csv", "a,b\n").commit("all");
    let outcome = world.run(&["migrate", "hf:alice/bert, hf:alice/gpt", "--source", "ms:alice/corpus"]).exits(0);
    insta::assert_snapshot!("three", outcome.shown(&world));
    assert_copied(&world, "alice/bert", "alice/bert");
    assert_copied(&world, "alice/gpt", "alice/gpt");
    assert!(world.hf.repo_exists(RepoKind::Dataset, "alice/corpus"));
    let recent = world.run(&["status", "--json"]).exits(0).json();
    let ids: BTreeSet<_> = recent["migrations"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    world.forget_state();
    let again = world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "ms:alice/corpus", "--json"]).exits(0);
    assert_eq!(again.stderr, "", "progress is left out");
    let again = summary(&again);
    assert_eq!(states(&again), ["verified"; 3]);
    for (report, kind) in again["migrations"].as_array().unwrap().iter().zip(["model", "model", "dataset"]) {
        let alone = world.run(&["status", report["id"].as_str().unwrap(), "--json"]).exits(0).json();
        assert_eq!(*report, alone, "the same report as by itself");
        assert_eq!((&report["bytes"]["moved"], &report["source"]["type"]), (&0.into(), &kind.into()));
    }
}

#[test]
fn whose_a_token_is_is_asked_once_for_all() {
    let world = World::start();
    for id in ["alice/bert", "alice/gpt", "alice/elmo"] {
        world.ms.repo(modelscope::RepoKind::Model, id).file("config.json", id).commit("all");
    }
    world.run(&["migrate", "ms:alice/bert", "ms:alice/gpt", "ms:alice/elmo"]).exits(0);
    assert_eq!(world.hf.journal().requests("whoami"), 1);
}

#[test]
fn a_token_that_is_missing_stops_the_plans_once() {
    let mut world = two_models();
    world.unset("MODELSCOPE_API_TOKEN");
    insta::assert_snapshot!("plans_without_token", world.run(&["plan", "hf:alice/bert", "hf:alice/gpt"]).exits(3).shown(&world));
}

#[test]
fn one_that_fails_leaves_the_others_alone() {
    let world = two_models();
    world.hf.repo(RepoKind::Dataset, "alice/gpt").file("train.csv", "a\n").commit("of the same name");
    let sources = ["alice/none", "alice/gpt", "alice/bert", "alice/bert2@v9"];
    world.hf.repo(RepoKind::Model, "alice/bert2").file("config.json", "[]").commit("all");
    let outcome = world.run(&[&["migrate", "--to", "ms"], &sources[..]].concat()).exits(1);
    insta::assert_snapshot!("one_fails", outcome.shown(&world));
    let said = |text: &str| outcome.stderr.find(text).unwrap_or_else(|| panic!("{text}: {}", outcome.stderr));
    assert!(said("failed  hf:alice/bert2@v9") < said("hf:alice/bert runs as"), "known before anything moves");
    assert_copied(&world, "alice/bert", "alice/bert");
    let json = summary(&world.run(&[&["migrate", "--to", "ms", "--json"], &sources[..]].concat()).exits(1));
    assert_eq!(states(&json), ["failed", "failed", "verified", "failed"]);
    let none = &json["migrations"][0];
    assert_eq!(none["source"], serde_json::json!({ "platform": "hf", "repo": "alice/none", "type": null, "revision": null }));
    assert_eq!(none["destination"], serde_json::json!({ "platform": "ms", "repo": "alice/none" }));
    assert_eq!((&none["id"], &none["error"]["kind"]), (&Value::Null, &"not_found".into()));
    assert_eq!(json["migrations"][1]["error"]["kind"], "usage");
    assert_eq!(json["migrations"][3]["source"]["revision"], "v9");
}

#[test]
fn one_that_breaks_while_it_runs_leaves_the_others_alone() {
    let world = two_models();
    world.hf.repo(RepoKind::Model, "alice/bert").misbehave(|quirks| {
        quirks.serves_instead.insert("model.safetensors".to_owned(), bytes(9, MIB));
    });
    let json = summary(&world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "--json"]).exits(1));
    assert_eq!(states(&json), ["failed", "verified"]);
    assert_eq!(json["migrations"][0]["error"]["kind"], "corrupted");
    assert_copied(&world, "alice/gpt", "alice/gpt");
}

/// Two sources, of which the first takes much longer than any test once bytes of it have arrived; and the batch that carries both.
fn slow_batch(arguments: &[&str]) -> (World, std::process::Child) {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/a").file("model.safetensors", generated(1, 24 * MIB)).commit("all");
    world.hf.repo(RepoKind::Model, "alice/b").file("config.json", "{}").commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB);
    let attached = world.command(&[&["migrate", "hf:alice/a", "hf:alice/b", "--at-once", "1"], arguments].concat()).spawn().unwrap();
    wait_until("bytes arrive", || world.ms.journal().bytes_uploaded() > 0);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    (world, attached)
}

#[test]
fn one_whose_process_dies_leaves_the_others_alone() {
    let (world, attached) = slow_batch(&["--json"]);
    Command::new("kill").args(["-9", &world.carrier().unwrap().to_string()]).status().unwrap();
    let json = summary(&world.finish(attached).exits(1));
    assert_eq!(states(&json), ["interrupted", "verified"]);
    let first = &json["migrations"][0];
    assert!(first["id"].is_string() && first["error"]["kind"] == "interrupted", "{first}");
}

#[test]
fn one_that_is_cancelled_from_elsewhere_leaves_the_others_alone() {
    let (world, attached) = slow_batch(&[]);
    let id = world.run(&["status", "--json"]).exits(0).json()["migrations"][0]["id"].as_str().unwrap().to_owned();
    world.run(&["cancel", &id]).exits(0);
    let shown = world.finish(attached).exits(130).stdout;
    assert!(shown.contains("1 verified, 1 not verified, 0 skipped"), "{shown}");
}

#[test]
fn a_token_that_is_not_accepted_stops_the_batch_once() {
    let world = two_models();
    world.hf.revoke(&world.variables["HF_TOKEN"]);
    let outcome = world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "hf:alice/none"]).exits(3);
    insta::assert_snapshot!("rejected_token", outcome.shown(&world));
    let asked: BTreeSet<_> = world.hf.journal().records().into_iter().map(|record| record.path).collect();
    assert!(asked.iter().all(|path| path.contains("alice/bert")), "{asked:?}");
    assert_untouched(&world);
    let json = summary(&world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "--json"]).exits(3));
    assert_eq!(states(&json), ["refused", "skipped"]);
    assert_eq!(json["migrations"][1]["error"]["kind"], "unauthorized");
}

#[test]
fn a_token_that_is_revoked_while_one_runs_stops_the_batch_once() {
    let world = World::start();
    for id in ["alice/a", "alice/b", "alice/c"] {
        world.hf.repo(RepoKind::Model, id).file("config.json", id).commit("all");
    }
    world.ms.fault(Rule::route("commit", Fault::status(401)).always());
    let json = summary(&world.run(&["migrate", "hf:alice/a", "hf:alice/b", "hf:alice/c", "--json", "--at-once", "1"]).exits(3));
    assert_eq!(states(&json), ["refused", "skipped", "skipped"]);
}

#[test]
fn with_several_sources_dest_is_a_namespace() {
    let world = two_models();
    world.ms.org("acme").member("alice");
    let both = ["migrate", "hf:alice/bert", "hf:alice/gpt", "--dest"];
    insta::assert_snapshot!("dest_names_one", refused(&world, 2, &[&both[..], &["acme/bert"]].concat()));
    insta::assert_snapshot!("dest_names_the_hub_read", refused(&world, 2, &[&both[..], &["hf:acme"]].concat()));
    insta::assert_snapshot!("dest_alone", refused(&world, 2, &["migrate", "hf:alice/bert", "--dest", "acme"]));
    assert_eq!(world.hf.journal().total_requests() + world.ms.journal().total_requests(), 0, "a hub was asked");
    world.run(&[&both[..], &["acme"]].concat()).exits(0);
    assert_copied(&world, "alice/bert", "acme/bert");
    assert_copied(&world, "alice/gpt", "acme/gpt");
    let again = summary(&world.run(&[&both[..], &["ms:acme/", "--json"]].concat()).exits(0));
    assert!(again["migrations"].as_array().unwrap().iter().all(|one| one["files"]["copied"] == 0), "{again}");
    let alone = world.run(&["migrate", "hf:alice/bert", "--dest", "acme/", "--json"]).exits(0).json();
    assert_eq!((&alone["destination"]["repo"], &alone["files"]["copied"]), (&"acme/bert".into(), &0.into()));
}

#[test]
fn words_that_are_wrong_stop_everything_before_a_hub_is_asked() {
    let world = two_models();
    insta::assert_snapshot!("wrong_words", refused(&world, 2, &["migrate", "hf:alice/bert", "gpt", "--to", "ms"]));
    refused(&world, 2, &["migrate", "hf:alice/bert", "alice/gpt"]);
    refused(&world, 2, &["plan", "hf:alice/bert", "hf:alice/gpt", "--job"]);
    assert_eq!(world.hf.journal().total_requests() + world.ms.journal().total_requests(), 0, "a hub was asked");
}

#[test]
fn a_source_named_twice_is_done_once() {
    let world = two_models();
    let page = format!("{}/alice/bert", world.hf.endpoint());
    let outcome = world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "huggingface:alice/bert", &page, "--json"]).exits(0);
    assert_eq!(states(&summary(&outcome)), ["verified"; 2]);
    insta::assert_snapshot!("twice", world.scrub(&outcome.stderr));
    // a list of one repository is a list all the same
    assert_eq!(states(&summary(&world.run(&["migrate", "hf:alice/bert,hf:alice/bert", "--json"]).exits(0))), ["verified"]);
}

#[test]
fn two_sources_with_one_destination_are_refused_before_anything_moves() {
    let world = two_models();
    let head = world.hf.repo(RepoKind::Model, "alice/bert").head();
    let older = format!("hf:alice/bert@{head}");
    insta::assert_snapshot!("same_destination", refused(&world, 2, &["migrate", "hf:alice/gpt", "hf:alice/bert", &older]));
    refused(&world, 2, &["migrate", "hf:alice/bert", &older, "--detach"]);
    // of another kind it is another repository
    world.hf.repo(RepoKind::Dataset, "alice/gpt").file("train.csv", "a\n").commit("all");
    let dataset = format!("{}/datasets/alice/gpt", world.hf.endpoint());
    let model = format!("{}/alice/gpt", world.hf.endpoint());
    world.run(&["migrate", &dataset, &model]).exits(0);
}

#[test]
fn a_space_among_others_is_skipped_with_a_warning() {
    let world = two_models();
    world.hf.repo(RepoKind::Space, "alice/demo").file("app.py", "print(1)\n").commit("all");
    let outcome = world.run(&["migrate", "hf:alice/demo", "hf:alice/bert"]).exits(0);
    insta::assert_snapshot!("space_skipped", outcome.shown(&world));
    let json = summary(&world.run(&["migrate", "hf:alice/demo", "hf:alice/bert", "--json"]).exits(0));
    assert_eq!(states(&json), ["skipped", "verified"]);
    assert_eq!(json["migrations"][0]["error"]["kind"], "not_migrated");
    let page = format!("{}/spaces/alice/demo", world.hf.endpoint());
    assert_eq!(states(&summary(&world.run(&["migrate", "hf:alice/demo", &page, "--json"]).exits(3))), ["skipped", "skipped"]);
}

/// The copy of `alice/bert` differs, so overwriting it wants a consent; that of `alice/gpt` does not exist.
fn one_differs() -> World {
    let world = two_models();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("config.json", "[]").commit("theirs");
    world
}

#[test]
fn one_that_wants_a_confirmation_does_not_stop_the_others() {
    let world = one_differs();
    let outcome = world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt"]).exits(3);
    insta::assert_snapshot!("unconfirmed", outcome.shown(&world));
    assert_copied(&world, "alice/gpt", "alice/gpt");
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").content("config.json").unwrap().to_bytes().as_ref(), b"[]");
    let json = summary(&world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "--json"]).exits(3));
    assert_eq!(states(&json), ["refused", "verified"]);
    assert_eq!(json["migrations"][0]["error"]["kind"], "needs_confirmation");
    world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "--yes"]).exits(0);
    assert_copied(&world, "alice/bert", "alice/bert");
}

/// Runs it on a terminal where somebody types this.
fn on_a_terminal(world: &World, arguments: &str, typed: &str) -> Outcome {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_hf2ms"));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).env_clear().envs(&world.variables).env("TERM", "xterm").env("PATH", "/usr/bin:/bin");
    let mut child = terminal.current_dir(&world.home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).unwrap();
    let outcome = world.finish(child);
    drop(stdin);
    outcome
}

#[test]
fn a_person_is_asked_once_for_all() {
    let world = one_differs();
    world.ms.repo(modelscope::RepoKind::Model, "alice/gpt").file("config.json", "[1]").commit("theirs");
    world.hf.repo(RepoKind::Model, "alice/new").file("config.json", "{}").commit("all");
    let arguments = "migrate hf:alice/bert hf:alice/gpt hf:alice/new";
    let refusing = on_a_terminal(&world, arguments, "n\n").exits(3).stdout;
    assert_eq!(refusing.matches("[y/N]").count(), 1, "{refusing}");
    for part in [
        "! hf:alice/bert: overwrites a file that differs at the destination: config.json",
        "! hf:alice/gpt: overwrites a file that differs at the destination: config.json",
        "Allow this for 2 of 3 sources? (the other one goes on either way; Ctrl-C begins nothing) [y/N]",
        "1 verified, 2 not verified, 0 skipped",
    ] {
        assert!(refusing.contains(part), "{part}: {refusing}");
    }
    let agreeing = on_a_terminal(&world, arguments, "y\n").exits(0).stdout;
    assert!(agreeing.contains("3 verified, 0 not verified, 0 skipped"), "{agreeing}");
    assert_copied(&world, "alice/bert", "alice/bert");
}

#[test]
fn the_exit_code_is_that_of_the_gravest() {
    let world = one_differs();
    // published, but a file of it is served wrong: graver than what failed, and that graver than what was refused
    world.hf.repo(RepoKind::Model, "alice/odd").file("a.txt", "a").file("b.txt", "b").commit("all");
    world.run(&["migrate", "hf:alice/odd"]).exits(0);
    let odd = world.ms.repo(modelscope::RepoKind::Model, "alice/odd");
    odd.misbehave(|quirks| drop(quirks.serves_instead.insert("a.txt".to_owned(), b"b".to_vec().into())));
    world.forget_state();
    let (refused, failed, odd) = ("hf:alice/bert", "hf:alice/none", "hf:alice/odd");
    world.run(&["migrate", refused, failed]).exits(1);
    let outcome = world.run(&["migrate", refused, failed, odd, "hf:alice/gpt"]).exits(4);
    insta::assert_snapshot!("gravest", outcome.shown(&world));
    assert_copied(&world, "alice/gpt", "alice/gpt");
}

#[test]
fn detached_migrations_all_run_by_themselves() {
    let world = two_models();
    let outcome = world.run(&["migrate", "hf:alice/bert", "hf:alice/none", "hf:alice/gpt", "--detach"]).exits(1);
    insta::assert_snapshot!("detached", outcome.shown(&world));
    let ids: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(ids.len(), 2, "an id a line");
    for id in &ids {
        world.run(&["status", id, "--follow"]).exits(0);
    }
    world.forget_state();
    let json = world.run(&["migrate", "hf:alice/bert", "hf:alice/none", "hf:alice/gpt", "--detach", "--json"]).exits(1).json();
    assert_eq!((&json["started"], &json["succeeded"], &json["failed"]), (&2.into(), &0.into(), &1.into()));
    for index in [0, 2] {
        let one = &json["migrations"][index];
        let id = one["id"].as_str().unwrap();
        assert_eq!((&one["state"], &one["runner"]), (&"running".into(), &"local".into()));
        assert_eq!(one["follow"], format!("hf2ms status {id} --follow"));
        world.run(&["status", id, "--follow"]).exits(0);
    }
}

#[test]
fn plans_of_several_sources_touch_nothing() {
    let world = two_models();
    let sources = ["hf:alice/bert", "hf:alice/none", "hf:alice/gpt"];
    let shown = world.run(&[&["plan"], &sources[..]].concat()).exits(1);
    insta::assert_snapshot!("plans", shown.shown(&world));
    assert_eq!(world.run(&[&["migrate", "--dry-run"], &sources[..]].concat()).exits(1).stdout, shown.stdout);
    let json = world.run(&[&["plan", "--json"], &sources[..]].concat()).exits(1).json();
    let plans = json["plans"].as_array().unwrap();
    assert_eq!(plans.len(), 3);
    assert_eq!(plans[0], world.run(&["plan", "hf:alice/bert", "--json"]).exits(0).json());
    assert_eq!(plans[1]["error"]["kind"], "not_found");
    world.run(&["plan", "hf:alice/bert", "hf:alice/gpt"]).exits(0);
    assert_untouched(&world);
}

#[test]
fn several_are_compared_and_all_must_match() {
    let world = two_models();
    world.run(&["migrate", "hf:alice/bert"]).exits(0);
    let outcome = world.run(&["verify", "hf:alice/bert", "hf:alice/gpt"]).exits(1);
    insta::assert_snapshot!("verify_one_missing", outcome.shown(&world));
    world.run(&["migrate", "hf:alice/gpt"]).exits(0);
    insta::assert_snapshot!("verify_all", world.run(&["verify", "hf:alice/bert", "hf:alice/gpt", "--deep"]).exits(0).shown(&world));
    world.ms.repo(modelscope::RepoKind::Model, "alice/gpt").file("config.json", "[]").commit("theirs");
    let json = world.run(&["verify", "hf:alice/bert,hf:alice/gpt", "--json"]).exits(4).json();
    assert_eq!((&json["succeeded"], &json["failed"], &json["skipped"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(json["comparisons"][1]["verification"]["differing"], serde_json::json!(["config.json"]));
    let id = world.run(&["status", "--json"]).exits(0).json()["migrations"][0]["id"].as_str().unwrap().to_owned();
    world.run(&["verify", &id, "hf:alice/bert"]).exits(2);
}

#[test]
fn ctrl_c_cancels_the_one_that_runs_and_skips_the_rest() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/a").file("config.json", "{}").commit("all");
    world.hf.repo(RepoKind::Model, "alice/b").file("model.safetensors", generated(1, 24 * MIB)).commit("all");
    world.hf.repo(RepoKind::Model, "alice/c").file("config.json", "{}").commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB);
    let attached = world.command(&["migrate", "hf:alice/a", "hf:alice/b", "hf:alice/c", "--at-once", "1"]).spawn().unwrap();
    wait_until("bytes arrive", || world.ms.journal().bytes_uploaded() > 100 * KIB);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    Command::new("kill").args(["-INT", &attached.id().to_string()]).status().unwrap();
    let outcome = world.finish(attached).exits(130);
    insta::assert_snapshot!("cancelled", outcome.shown(&world));
    assert!(!world.ms.repo_exists(modelscope::RepoKind::Model, "alice/c"));
}
