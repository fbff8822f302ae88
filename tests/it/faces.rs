//! What scripts rely on: detach, status, cancel, the shapes of `--json`, plans, selections and consent.

use std::collections::BTreeSet;

use serde_json::Value;
use standins::huggingface::{self, RepoKind};
use standins::modelscope;

use crate::usage::assert_untouched;
use crate::world::{KIB, MIB, World, bytes, generated, wait_until};

fn with_model() -> (World, huggingface::RepoHandle) {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("model.safetensors", bytes(1, 2 * MIB)).file("config.json", "{}").file("README.md", "# bert\n").commit("all");
    (world, source)
}

/// A world whose migration begins soon and takes much longer than any test, once [`bytes_arrive`] has seen it.
fn slow_world() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, 24 * MIB)).file("config.json", "{}").commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB);
    world
}

/// Waits until bytes reach ModelScope, and lets hardly any follow.
#[track_caller]
fn bytes_arrive(world: &World) {
    wait_until("bytes arrive", || world.ms.journal().bytes_uploaded() > 0);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
}

/// The keys of an object.
#[track_caller]
fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap_or_else(|| panic!("no object: {object}")).keys().map(String::as_str).collect()
}

/// `--json` of `migrate`, as scripts rely on it.
#[track_caller]
fn assert_report(report: &Value) {
    let expected = [
        ("", "id state source destination files bytes verification changes changes_count warnings warnings_count seconds runner workers"),
        ("source", "platform repo type revision"),
        ("destination", "platform repo url revision created"),
        ("files", "total copied reused skipped left_out refused"),
        ("bytes", "total moved reused compared"),
        ("verification", "matched differing differing_count missing missing_count extra extra_count unproven unproven_count how"),
    ];
    for (name, names) in expected {
        let object = if name.is_empty() { report } else { &report[name] };
        assert_eq!(keys(object), names.split(' ').collect::<BTreeSet<_>>(), "{name}");
    }
    assert_eq!(keys(&report["verification"]["how"]), BTreeSet::from(["streamed", "reference", "read_back"]));
}

/// The id that `migrate --detach` prints alone on standard output.
#[track_caller]
fn detached(world: &World, arguments: &[&str]) -> String {
    let outcome = world.run(&[&["migrate", "--detach"], arguments].concat()).exits(0);
    let id = outcome.stdout.trim().to_owned();
    assert!(id.starts_with('m') && !id.contains(char::is_whitespace), "{}", outcome.stdout);
    id
}

#[test]
fn the_report_has_the_keys_that_scripts_rely_on() {
    let (world, source) = with_model();
    let outcome = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0);
    assert_eq!(outcome.stdout.trim().lines().count(), 1, "one object on one line");
    assert_eq!(outcome.stderr, "", "progress is left out");
    let report = outcome.json();
    assert_report(&report);
    assert_eq!((&report["source"]["revision"], &report["destination"]["created"]), (&source.head().into(), &true.into()));
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    assert_eq!(report["destination"]["revision"], copy.head());
    assert_eq!((&report["runner"], &report["workers"]), (&"local".into(), &1.into()));
    let mut again = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
    assert_eq!(again.as_object_mut().unwrap().remove("up_to_date"), Some(true.into()));
    assert_report(&again);
    assert_eq!((&again["files"]["skipped"], &again["bytes"]["moved"]), (&3.into(), &0.into()));
}

#[test]
fn a_migration_for_people_says_what_it_does_and_what_it_did() {
    let (world, _) = with_model();
    insta::assert_snapshot!("migrate", world.run(&["migrate", "hf:alice/bert"]).exits(0).shown(&world));
    insta::assert_snapshot!("migrate_again", world.run(&["migrate", "hf:alice/bert"]).exits(0).shown(&world));
}

#[test]
fn a_detached_migration_is_followed_by_its_id() {
    let (world, _) = with_model();
    assert_eq!(world.run(&["status"]).exits(0).stdout, "no migrations on this machine yet\n");
    let outcome = world.run(&["migrate", "hf:alice/bert", "--detach"]).exits(0);
    insta::assert_snapshot!("detach", outcome.shown(&world));
    let id = outcome.stdout.trim();
    let followed = world.run(&["status", id, "--follow"]).exits(0);
    insta::assert_snapshot!("follow", followed.shown(&world));
    insta::assert_snapshot!("status", world.run(&["status", id]).exits(0).shown(&world));
    insta::assert_snapshot!("recent", world.run(&["status"]).exits(0).shown(&world));
    let report = world.run(&["status", id, "--follow", "--json"]).exits(0).json();
    assert_report(&report);
    assert_eq!(world.run(&["status", id, "--json"]).exits(0).json(), report);
    let recent = world.run(&["status", "--json"]).exits(0).json();
    assert_eq!(keys(&recent), BTreeSet::from(["migrations"]));
    assert_eq!((&recent["migrations"][0]["id"], &recent["migrations"][0]["state"]), (&id.into(), &"verified".into()));
}

#[test]
fn a_running_migration_is_shown_while_it_runs() {
    let world = slow_world();
    let outcome = world.run(&["migrate", "hf:alice/bert", "--detach", "--json"]).exits(0).json();
    assert_eq!(keys(&outcome), BTreeSet::from(["id", "state", "runner", "follow", "cancel"]));
    assert_eq!(outcome["state"], "running");
    let id = outcome["id"].as_str().unwrap();
    bytes_arrive(&world);
    let glance = || world.run(&["status", id, "--json"]).exits(0).json();
    wait_until("the first bytes are told", || glance()["moved"].as_u64().is_some_and(|moved| moved > 0));
    let now = glance();
    let names = "id state source destination files_done files bytes_done bytes moved rate seconds_left started";
    assert_eq!(keys(&now), names.split(' ').collect::<BTreeSet<_>>());
    assert_eq!((&now["state"], &now["files"]), (&"running".into(), &2.into()));
    let text = world.run(&["status", id]).exits(0).stdout;
    assert!(text.contains("running  hf:alice/bert → ms:alice/bert") && text.contains("model.safetensors"), "{text}");
    assert!(world.run(&["status"]).exits(0).stdout.contains(&format!("{id}  running")));
    // the same command finds it; another one to the same destination is refused
    assert_eq!(detached(&world, &["hf:alice/bert"]), id);
    let other = world.run(&["migrate", "hf:alice/bert", "--include", "*.json"]).exits(1);
    insta::assert_snapshot!("destination_is_busy", other.shown(&world));
    world.run(&["cancel", id]).exits(0);
}

#[test]
fn a_cancelled_migration_leaves_the_destination_as_it_was() {
    let world = slow_world();
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    let before = copy.head();
    let id = detached(&world, &["hf:alice/bert"]);
    let follower = world.command(&["status", &id, "--follow", "--json"]).spawn().unwrap();
    bytes_arrive(&world);
    let cancelled = world.run(&["cancel", &id, "--json"]).exits(0).json();
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(world.finish(follower).exits(130).json()["state"], "cancelled");
    insta::assert_snapshot!("cancelled_status", scrub_bytes(&world.run(&["status", &id]).exits(0).shown(&world)));
    assert_eq!((copy.head(), world.ms.journal().requests("commit")), (before, 0));
    insta::assert_snapshot!("cancelled_twice", scrub_bytes(&world.run(&["cancel", &id]).exits(0).shown(&world)));
    world.run(&["status", &id, "--follow"]).exits(130);
}

#[test]
fn an_attached_migration_that_is_cancelled_ends_with_130() {
    let world = slow_world();
    let attached = world.command(&["migrate", "hf:alice/bert"]).spawn().unwrap();
    bytes_arrive(&world);
    let recent = world.run(&["status", "--json"]).exits(0).json();
    let id = recent["migrations"][0]["id"].as_str().unwrap().to_owned();
    world.run(&["cancel", &id]).exits(0);
    insta::assert_snapshot!("cancelled_attached", scrub_bytes(&world.finish(attached).exits(130).shown(&world)));
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").commits().len(), 1, "the hub's own");
}

#[test]
fn ctrl_c_cancels_an_attached_migration() {
    let world = slow_world();
    let attached = world.command(&["migrate", "hf:alice/bert", "--json"]).spawn().unwrap();
    bytes_arrive(&world);
    std::process::Command::new("kill").args(["-INT", &attached.id().to_string()]).status().unwrap();
    let outcome = world.finish(attached).exits(130);
    assert_eq!((&outcome.json()["state"], &outcome.json()["error"]["kind"]), (&"cancelled".into(), &"cancelled".into()));
    assert_eq!(world.ms.journal().requests("commit"), 0);
}

#[test]
fn a_cancellation_that_comes_too_late_says_so() {
    let (world, _) = with_model();
    let id = detached(&world, &["hf:alice/bert"]);
    world.run(&["status", &id, "--follow"]).exits(0);
    let head = world.ms.repo(modelscope::RepoKind::Model, "alice/bert").head();
    insta::assert_snapshot!("cancelled_too_late", world.run(&["cancel", &id]).exits(0).shown(&world));
    assert_eq!(world.run(&["cancel", &id, "--json"]).exits(0).json()["state"], "verified");
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").head(), head);
}

#[test]
fn a_dry_run_and_a_plan_touch_nothing() {
    let (world, _) = with_model();
    let dry = world.run(&["migrate", "hf:alice/bert", "--dry-run", "--yes"]).exits(0);
    insta::assert_snapshot!("dry_run", dry.shown(&world));
    assert_eq!(world.run(&["plan", "hf:alice/bert"]).exits(0).stdout, dry.stdout);
    let json = world.run(&["plan", "hf:alice/bert", "--json"]).exits(0);
    assert_eq!(json.json(), world.run(&["migrate", "hf:alice/bert", "--dry-run", "--json"]).exits(0).json());
    let job = world.run(&["plan", "hf:alice/bert", "--job"]).exits(0).json();
    assert_eq!(job["source_commit"], json.json()["source_commit"]);
    assert_untouched(&world);
    assert!(!world.ms.repo_exists(modelscope::RepoKind::Model, "alice/bert"));
}

#[test]
fn a_plan_of_many_files_is_short_for_people_and_whole_for_programs() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    for number in 0..5_000 {
        source.regular_file(&format!("part-{:02}/{number:04}.txt", number % 50), number.to_string().as_str());
    }
    source.commit("all");
    let shown = world.run(&["plan", "hf:alice/corpus"]).exits(0).shown(&world);
    insta::assert_snapshot!("plan_of_many", shown);
    let plan = world.run(&["plan", "hf:alice/corpus", "--json"]).exits(0).json();
    assert_eq!((&plan["totals"]["files"], &plan["totals"]["copy"]), (&5_000.into(), &5_000.into()));
    let paths: BTreeSet<_> = plan["items"].as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 5_001, "and .gitattributes");
    assert!(plan["items"].as_array().unwrap().iter().all(|item| item["decision"].is_string() && item["size"].is_u64()));
}

#[test]
fn globs_select_what_goes() {
    let (world, source) = with_model();
    source.file("onnx/model.onnx", bytes(2, 200 * KIB)).file("onnx/config.json", "[]").commit("more");
    let report = world
        .run(&["migrate", "hf:alice/bert", "--include", "*.json", "--include", "onnx/", "--exclude", "*.onnx", "--json"])
        .exits(0)
        .json();
    assert_eq!((&report["files"]["total"], &report["files"]["left_out"]), (&2.into(), &4.into()));
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert").files();
    let paths: BTreeSet<_> = copy.keys().map(String::as_str).collect();
    assert_eq!(paths, BTreeSet::from([".gitattributes", "README.md", "config.json", "onnx/config.json"]));
    assert_ne!(copy["README.md"].sha256, source.files()["README.md"].sha256, "the hub's own: the source's was not selected");
}

#[test]
fn an_older_commit_is_carried_as_it_was() {
    let (world, source) = with_model();
    let old = source.head();
    source.file("model.safetensors", bytes(9, 2 * MIB)).file("later.txt", "later").commit("later");
    let report = world.run(&["migrate", "hf:alice/bert", "--revision", &old, "--json"]).exits(0).json();
    assert_eq!(report["source"]["revision"], old);
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    assert_eq!(copy.files()["model.safetensors"].sha256, bytes(1, 2 * MIB).sha256());
    assert!(!copy.files().contains_key("later.txt"));
    assert!(copy.commits()[0].message.contains(&old), "{}", copy.commits()[0].message);
}

#[test]
fn an_older_commit_of_modelscope_is_carried_as_it_was() {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    source.file("model.bin", bytes(1, 200 * KIB)).commit("first").tag("v1");
    source.file("model.bin", bytes(2, 200 * KIB)).file("later.txt", "later").commit("later");
    let report = world.run(&["migrate", "ms:alice/bert@v1", "--json"]).exits(0).json();
    assert_eq!(report["source"]["revision"], source.commits()[1].oid);
    let copy = world.hf.repo(RepoKind::Model, "alice/bert").files();
    assert_eq!(copy["model.bin"].sha256, bytes(1, 200 * KIB).sha256());
    assert!(!copy.contains_key("later.txt"));
}

#[test]
fn files_that_differ_are_overwritten_with_consent_only_and_others_stay() {
    let (world, source) = with_model();
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    copy.file("model.safetensors", bytes(7, MIB)).file("config.json", "[]").file("notes/mine.txt", "mine").commit("mine");
    let before = copy.head();
    insta::assert_snapshot!("overwrite_refused", world.run(&["migrate", "hf:alice/bert"]).exits(3).shown(&world));
    let json = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(3).json();
    assert_eq!(json["error"]["kind"], "needs_confirmation");
    assert_untouched(&world);
    assert_eq!(copy.head(), before);
    insta::assert_snapshot!("overwrite_plan", world.run(&["plan", "hf:alice/bert"]).exits(0).shown(&world));
    insta::assert_snapshot!("overwrite_done", world.run(&["migrate", "hf:alice/bert", "--yes"]).exits(0).shown(&world));
    for path in ["model.safetensors", "config.json", "README.md"] {
        assert_eq!(copy.files()[path].sha256, source.files()[path].sha256, "{path}");
    }
    assert_eq!(copy.content("notes/mine.txt").unwrap().to_bytes().as_ref(), b"mine");
    let again = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
    assert_eq!(again["verification"]["extra"], serde_json::json!(["notes/mine.txt"]));
}

/// Without the numbers that tell how far it came.
fn scrub_bytes(text: &str) -> String {
    text.lines().map(|line| if line.starts_with("bytes ") { "bytes   [BYTES]" } else { line }).collect::<Vec<_>>().join("\n")
}
