//! The proof of a migration as one document: what it says, where it goes, and that there is none without a verified migration.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use standins::huggingface::{self, RepoKind};
use standins::modelscope;

use crate::world::{KIB, MIB, World, bytes, generated};

/// A world with a model of three files that is migrated; and the report.
fn migrated() -> (World, Value) {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("model.safetensors", bytes(1, MIB)).file("config.json", "{}").file("README.md", "# bert\n").commit("all");
    let report = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
    (world, report)
}

fn id(report: &Value) -> &str {
    report["id"].as_str().unwrap()
}

#[track_caller]
fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_proof_names_every_file_with_its_digests_and_how_it_was_proven() {
    let (world, report) = migrated();
    let proof = world.run(&["proof", id(&report)]).exits(0).json();
    let names = "proof program migration verified_at source destination totals changes changes_count files";
    assert_eq!(keys(&proof), names.split(' ').collect());
    assert_eq!((&proof["proof"], &proof["migration"]), (&1.into(), &report["id"]));
    assert_eq!(proof["program"], format!("hf2ms {}", env!("CARGO_PKG_VERSION")));
    let time = proof["verified_at"].as_str().unwrap();
    assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    let mut read = report["source"].clone();
    read["endpoint"] = world.hf.endpoint().into();
    assert_eq!(proof["source"], read);
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    let there = serde_json::json!({ "platform": "ms", "repo": "alice/bert", "type": "model", "revision": copy.head(), "endpoint": world.ms.endpoint() });
    assert_eq!(proof["destination"], there);
    assert_eq!(proof["totals"]["files"], report["verification"]["matched"]);
    assert_eq!(proof["totals"]["how"], report["verification"]["how"]);
    assert_eq!((&proof["totals"]["bytes"], &proof["totals"]["left_out"]), (&report["bytes"]["total"], &report["files"]["left_out"]));
    let files = proof["files"].as_array().unwrap();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["README.md", "config.json", "model.safetensors"]);
    let source = world.hf.repo(RepoKind::Model, "alice/bert").files();
    for file in files {
        let path = file["path"].as_str().unwrap();
        assert_eq!((&file["sha256"], &file["size"]), (&source[path].sha256.as_str().into(), &source[path].size.into()), "{path}");
        assert_eq!(file["how"], "streamed");
        // what Hugging Face keeps in git has an object id, and it is known
        assert_eq!(file["git_sha1"].as_str(), (!source[path].lfs).then_some(source[path].git_oid.as_str()).or(file["git_sha1"].as_str()));
        assert!(source[path].lfs || file["git_sha1"].is_string(), "{path}");
    }
    // it does not need the hubs: what was verified then is in the migration's folder
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("config.json", "[]").commit("theirs");
    assert_eq!(world.run(&["proof", id(&report)]).exits(0).json(), proof);
}

#[test]
fn a_card_that_was_changed_is_proven_as_it_is_at_the_destination() {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    source.file("README.md", "---\nlicense: MIT License\n---\n").file("config.json", "{}").commit("all");
    let report = world.run(&["migrate", "ms:alice/bert", "--json"]).exits(0).json();
    let proof = world.run(&["proof", id(&report)]).exits(0).json();
    let copy = world.hf.repo(RepoKind::Model, "alice/bert").files();
    assert_ne!(copy["README.md"].sha256, source.files()["README.md"].sha256);
    assert_eq!(proof["files"][0]["sha256"], copy["README.md"].sha256);
    assert_eq!((&proof["changes"], &proof["changes_count"]), (&report["changes"], &2.into()));
    assert!(proof["changes"][1].as_str().unwrap().contains("`MIT License` → `mit`"), "{proof}");
}

#[test]
fn a_second_run_has_a_proof_of_its_own_by_reference_or_read_back() {
    let (world, _) = migrated();
    world.forget_state();
    let again = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
    let proof = world.run(&["proof", id(&again)]).exits(0).json();
    assert_eq!(proof["totals"]["how"], serde_json::json!({ "streamed": 0, "reference": 1, "read_back": 2 }));
    assert_eq!(proof["totals"]["how"], again["verification"]["how"]);
}

#[test]
fn a_proof_goes_into_a_file_of_its_owner_and_replaces_none_unasked() {
    let (world, report) = migrated();
    let file = world.home.join("proof.json");
    let outcome = world.run(&["proof", id(&report), "-o", "proof.json"]).exits(0);
    assert_eq!(outcome.stdout, "", "the document is in the file");
    assert!(outcome.stderr.starts_with("proof.json: 3 files, 1048585 bytes, proven 20"), "{}", outcome.stderr);
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, world.run(&["proof", id(&report)]).exits(0).stdout);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&file, "mine").unwrap();
    insta::assert_snapshot!("taken", world.run(&["proof", id(&report), "--output", "proof.json"]).exits(3).shown(&world));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    world.run(&["proof", id(&report), "--output", "proof.json", "--force"]).exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    insta::assert_snapshot!("no_folder", world.run(&["proof", id(&report), "-o", "no/such/proof.json"]).exits(1).shown(&world));
    world.run(&["proof", id(&report), "--force"]).exits(2);
    assert_eq!(world.run(&["proof", id(&report), "-o", "-"]).exits(0).stdout, written);
    let left: Vec<_> = std::fs::read_dir(&world.home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("draft")), "{left:?}");
}

#[test]
fn what_is_not_verified_has_no_proof() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, MIB)).file("a.txt", "a").commit("all");
    world.run(&["migrate", "hf:alice/bert", "--dest", "alice/copy"]).exits(0);
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/copy");
    copy.misbehave(|quirks| drop(quirks.serves_instead.insert("a.txt".to_owned(), b"b".to_vec().into())));
    world.forget_state();
    let report = world.run(&["migrate", "hf:alice/bert", "--dest", "alice/copy", "--json"]).exits(4).json();
    insta::assert_snapshot!("unproven", world.run(&["proof", id(&report), "-o", "proof.json"]).exits(1).shown(&world));
    assert!(!world.home.join("proof.json").exists());
    insta::assert_snapshot!("unknown", world.run(&["proof", "m1234567890-abcdef"]).exits(1).shown(&world));
    insta::assert_snapshot!("of_a_source", world.run(&["proof", "hf:alice/bert"]).exits(1).shown(&world));
}

#[test]
fn a_migration_that_runs_has_no_proof_yet() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, 24 * MIB)).commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    let id = world.run(&["migrate", "hf:alice/bert", "--detach"]).exits(0).stdout.trim().to_owned();
    insta::assert_snapshot!("running", world.run(&["proof", &id]).exits(1).shown(&world));
    world.run(&["cancel", &id]).exits(0);
    insta::assert_snapshot!("cancelled", world.run(&["proof", &id]).exits(1).shown(&world));
}

#[test]
fn proofs_that_do_not_add_up_are_not_given_away() {
    let (world, report) = migrated();
    let events = world.home.join("state/migrations").join(id(&report)).join("events.jsonl");
    let text = std::fs::read_to_string(&events).unwrap();
    let without = text.lines().map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if event["event"] == "proven" {
            event["files"].as_array_mut().unwrap().retain(|file| file["path"] != "config.json");
        }
        format!("{event}\n")
    });
    std::fs::write(&events, without.collect::<String>()).unwrap();
    insta::assert_snapshot!("damaged", world.run(&["proof", id(&report)]).exits(1).shown(&world));
}

#[test]
fn the_proofs_of_many_files_are_told_in_few_lines() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    for number in 0..1_000 {
        source.file(&format!("part-{:02}/{number:04}.txt", number % 10), number.to_string().as_str());
    }
    source.commit("all");
    let outcome = world.run_job(&[], &["hf:alice/corpus"]).exits(0);
    assert!(outcome.stdout.lines().all(|line| line.len() < 4096));
    let events = outcome.events();
    let lines: Vec<_> = events.iter().filter(|event| event["event"] == "proven").collect();
    let files: BTreeSet<_> =
        lines.iter().flat_map(|line| line["files"].as_array().unwrap()).map(|file| file["path"].as_str().unwrap()).collect();
    let report = events.last().unwrap();
    assert_eq!((files.len(), &report["verification"]["matched"]), (1_000, &1_000.into()));
    assert!(lines.len() <= 1_000 / 10, "{} lines", lines.len());
}

#[test]
fn what_an_earlier_version_told_proves_the_same() {
    let (world, report) = migrated();
    let proof = world.run(&["proof", id(&report)]).exits(0).json();
    let folder = world.home.join("state/migrations").join(id(&report));
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let mut old = String::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["event"] != "proven" {
            old.push_str(&format!("{line}\n"));
            continue;
        }
        for file in event["files"].as_array().unwrap() {
            let mut single = file.clone();
            for key in ["seq", "at", "event"] {
                single[key] = event[key].clone();
            }
            old.push_str(&format!("{single}\n"));
        }
    }
    assert_ne!(old, text);
    std::fs::write(folder.join("events.jsonl"), old).unwrap();
    for derived in ["report.json", "proof.jsonl"] {
        std::fs::remove_file(folder.join(derived)).unwrap();
    }
    assert_eq!(world.run(&["proof", id(&report)]).exits(0).json(), proof);
    assert_eq!(std::fs::read_to_string(folder.join("proof.jsonl")).unwrap().lines().count(), 3);
}
