//! A source that changes between runs: what moves is what changed, and with `--delete` the copy loses what the source lost.

use serde_json::{Value, json};
use standins::faults::{Fault, Rule};
use standins::rig::CommitMoment;

use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::{KIB, MIB, World, bytes, generated};

/// A trip whose copy has everything, as after a run yesterday.
fn done(way: Way) -> Trip {
    let trip = Trip::stocked(way);
    trip.assert_done(trip.migrate(&[]));
    trip
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect()
}

fn has(repo: &Repo, path: &str) -> bool {
    repo.files().contains_key(path)
}

both_ways! {
    fn a_source_that_gains_loses_renames_and_changes_files_moves_exactly_what_changed(way) {
        let trip = done(way);
        let source = trip.source();
        let old = source.content("optimizer.bin").unwrap();
        let (sent, puts) = (trip.destination_journal().bytes_uploaded(), trip.destination_journal().puts());
        source.remove("copy/small.bin");
        source.remove("optimizer.bin");
        source.file("renamed/optimizer.bin", old).file("gained.bin", generated(71, 2 * MIB));
        source.file("model-00002.safetensors", generated(72, 3 * MIB)).commit();

        let report = trip.migrate(&["--delete", "--yes"]).exits(0).json();

        assert_eq!(report["state"], "verified");
        assert_eq!(report["bytes"]["moved"], 5 * MIB);
        assert_eq!(trip.destination_journal().bytes_uploaded() - sent, 5 * MIB);
        assert_eq!(trip.destination_journal().puts() - puts, 2, "the renamed file is not sent");
        assert_eq!((&report["files"]["copied"], &report["files"]["reused"], &report["files"]["deleted"]), (&json!(2), &json!(1), &json!(2)));
        assert_eq!(report["changes_count"], report["changes"].as_array().unwrap().len());
        for path in ["copy/small.bin", "optimizer.bin"] {
            assert!(report["changes"].to_string().contains(&format!("deleted: {path}")), "{}", report["changes"]);
            assert!(!has(&trip.copy(), path), "{path}");
        }
        assert_eq!(trip.copy().ours().len(), 2, "one commit for all of it");
        trip.assert_identical();
        crate::again::idle(&trip);
        trip.world.forget_state();
        crate::again::idle(&trip);
        assert_eq!(trip.verify(&["--deep"]).exits(0).json()["state"], "verified");
    }

    fn a_source_that_only_loses_files_makes_one_commit_and_moves_nothing(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        let report = trip.migrate(&["--delete"]).exits(0).json();
        assert_eq!((&report["bytes"]["moved"], &report["files"]["deleted"]), (&json!(0), &json!(1)));
        assert!(!has(&trip.copy(), "vocab.txt"));
        assert_eq!(trip.copy().ours().len(), 2);
        crate::again::idle(&trip);
        trip.world.forget_state();
        assert_eq!(trip.migrate(&["--delete"]).exits(0).json()["files"]["deleted"], Value::Null);
        assert_eq!(trip.copy().ours().len(), 2);
    }

    fn without_the_flag_what_the_source_lost_stays(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        let report = trip.migrate(&["--yes"]).exits(0).json();
        assert!(paths(&report["verification"]["extra"]).contains(&"vocab.txt"));
        assert!(has(&trip.copy(), "vocab.txt"));
        // and is deleted by the run that says so, though the two heads have not moved since
        trip.migrate(&["--delete"]).exits(0);
        assert!(!has(&trip.copy(), "vocab.txt"));
    }

    fn the_plan_lists_what_would_be_deleted_and_deletes_nothing(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        trip.copy().file("theirs.bin", bytes(5, KIB)).commit();
        let plan = trip.migrate(&["--delete", "--dry-run"]).exits(0).json();
        assert_eq!(paths(&plan["deletes"]), ["theirs.bin", "vocab.txt"]);
        assert!(!paths(&plan["extra"]).iter().any(|path| ["theirs.bin", "vocab.txt", ".gitattributes"].contains(path)));
        assert_eq!(plan["risks"][0]["risk"], "delete");
        assert_eq!(plan["risks"][0]["files"], 2);
        assert!(has(&trip.copy(), "vocab.txt"));
        let shown = trip.world.run(&[&["plan"], &trip.address()[..], &["--delete"]].concat()).exits(0).stdout;
        assert!(shown.contains("deletes 2 files that only the destination has: theirs.bin, vocab.txt"), "{shown}");
        assert!(shown.contains("delete       2 files only at the destination\n  theirs.bin\n  vocab.txt\n"), "{shown}");
    }

    fn a_mass_deletion_is_refused_whoever_allows_it(way) {
        let trip = done(way);
        for number in 0..60 {
            trip.copy().file(&format!("theirs/{number:02}.bin"), bytes(number, KIB));
        }
        trip.copy().commit();
        let head = trip.copy().head();

        let refused = trip.migrate(&["--delete", "--yes"]).exits(3);
        insta::assert_snapshot!("mass_deletion", refused.shown(&trip.world).replace("ms:", "hf:"));
        trip.migrate(&["--delete", "--max-delete", "59", "--yes"]).exits(3);
        assert_eq!(trip.copy().head(), head);
        assert!(!trip.world.home.join("state/migrations").read_dir().unwrap().any(|folder| !folder.unwrap().path().join("report.json").exists()));

        let report = trip.migrate(&["--delete", "--max-delete", "60"]).exits(0).json();
        assert_eq!((&report["files"]["deleted"], &report["changes_count"]), (&json!(60), &json!(60 + i64::from(has(&trip.copy(), ".gitattributes")))));
        trip.assert_identical();
    }

    fn only_what_the_globs_select_is_deleted(way) {
        let trip = done(way);
        let source = trip.source();
        source.remove("vocab.txt");
        source.remove("copy/small.bin");
        let plan = trip.migrate(&["--delete", "--exclude", "*.txt", "--dry-run"]).exits(0).json();
        assert_eq!((paths(&plan["deletes"]), paths(&plan["extra"]).contains(&"vocab.txt")), (vec!["copy/small.bin"], true));
        trip.migrate(&["--delete", "--exclude", "*.txt"]).exits(0);
        assert!(has(&trip.copy(), "vocab.txt") && !has(&trip.copy(), "copy/small.bin"));
        // a glob that selects nothing of the source deletes nothing either
        trip.migrate(&["--delete", "--include", "vocab.*"]).exits(2);
        assert!(has(&trip.copy(), "vocab.txt"));
    }

    fn a_source_without_files_empties_nothing(way) {
        let trip = done(way);
        let paths: Vec<_> = trip.source().files().into_keys().collect();
        for path in paths.iter().filter(|path| *path != ".gitattributes") {
            trip.source().remove(path);
        }
        let refused = trip.migrate(&["--delete", "--max-delete", "1000", "--yes"]).exits(3);
        insta::assert_snapshot!("empty_source", refused.shown(&trip.world).replace("ms:", "hf:"));
        assert!(has(&trip.copy(), "optimizer.bin"));
    }

    fn a_file_that_somebody_adds_before_the_commit_is_not_deleted(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        trip.source().file("gained.bin", generated(71, MIB)).commit();
        let copy = trip.copy();
        trip.when_uploaded(trip.destination_journal().bytes_uploaded() + MIB / 2, move || {
            copy.file("theirs.bin", bytes(9, KIB)).commit();
        });
        let refused = trip.migrate(&["--delete"]).exits(3).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("theirs.bin"), "{refused}");
        assert!(has(&trip.copy(), "theirs.bin") && has(&trip.copy(), "vocab.txt"));
        assert_eq!(trip.copy().ours().len(), 1);
        // asked again, it is among what was shown
        trip.migrate(&["--delete"]).exits(0);
        assert!(!has(&trip.copy(), "theirs.bin") && !has(&trip.copy(), "vocab.txt"));
    }

    fn a_file_that_becomes_another_one_before_the_commit_is_not_deleted(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        trip.source().file("gained.bin", generated(71, MIB)).commit();
        let copy = trip.copy();
        trip.when_uploaded(trip.destination_journal().bytes_uploaded() + MIB / 2, move || {
            copy.file("vocab.txt", "by somebody else").commit();
        });
        let refused = trip.migrate(&["--delete"]).exits(3).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("vocab.txt"), "{refused}");
        assert!(has(&trip.copy(), "vocab.txt"));
    }

    fn a_hub_that_does_not_delete_is_not_believed(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        trip.source().file("gained.bin", generated(71, MIB)).commit();
        trip.copy().drops("vocab.txt");
        let report = trip.migrate(&["--delete"]).exits(4).json();
        assert_eq!(report["state"], "unproven");
        assert_eq!(paths(&report["verification"]["unproven"]), ["vocab.txt"]);
    }

    fn a_commit_whose_answer_is_lost_has_deleted(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        trip.destination_fault(Rule::route("commit", Fault::DropAnswer));
        trip.migrate(&["--delete"]).exits(0);
        assert!(!has(&trip.copy(), "vocab.txt"));
        assert_eq!(trip.copy().ours().len(), 2);
    }

    fn yes_does_not_delete_where_a_job_comes_without_the_word_for_it(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        let job = trip.world.run(&[&["plan", "--job", "--yes", "--delete"], &trip.address()[..]].concat()).exits(0).json();
        assert_eq!(job["consent"], json!({ "risks": true, "loosened_visibility": false, "deletion": true }));
        assert_eq!(job["request"]["delete"], json!({ "most": null }));
        assert_eq!(job["removes"][0]["path"], "vocab.txt");
    }

    fn where_limits_force_several_commits_deletions_are_in_the_last(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        for number in 0..12 {
            trip.source().file(&format!("gained/{number:02}.bin"), bytes(number + 50, 100 * KIB));
        }
        trip.source().commit();
        trip.destination_fault(Rule::route("commit", Fault::status(413)));
        let (copy, seen) = (trip.copy(), std::sync::Arc::new(std::sync::Mutex::new(None)));
        let note = seen.clone();
        trip.when_commit(CommitMoment::AfterApplyBeforeAnswer, move || {
            *note.lock().unwrap() = Some((has(&copy, "gained/00.bin"), has(&copy, "vocab.txt")));
        });
        assert_eq!(trip.migrate(&["--delete"]).exits(0).json()["files"]["deleted"], 1);
        assert_eq!(*seen.lock().unwrap(), Some((true, true)), "after the first of them");
        assert!(trip.copy().ours().len() >= 3);
        trip.assert_identical();
        crate::again::idle(&trip);
    }

    fn a_file_that_became_a_folder_and_a_folder_that_became_a_file_are_followed(way) {
        let trip = done(way);
        let source = trip.source();
        source.file("parts", "one file\n").file("notes/a.txt", "a\n").commit();
        trip.migrate(&[]).exits(0);
        source.remove("parts");
        source.remove("notes/a.txt");
        source.file("parts/one.txt", "1\n").file("notes", "now a file\n").commit();
        // without the wish to delete they stand in the way
        trip.migrate(&[]).exits(3);
        let report = trip.migrate(&["--delete"]).exits(0).json();
        assert_eq!((&report["files"]["deleted"], &report["files"]["copied"], &report["files"]["refused"]), (&json!(2), &json!(2), &json!(0)));
        trip.assert_identical();
    }

    fn the_proof_tells_what_was_deleted(way) {
        let trip = done(way);
        trip.source().remove("vocab.txt");
        let id = trip.migrate(&["--delete"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        let proof = trip.world.run(&["proof", &id]).exits(0).json();
        assert_eq!(proof["totals"]["deleted"], 1);
        assert!(proof["changes"].to_string().contains("deleted: vocab.txt"), "{}", proof["changes"]);
        assert!(!proof["files"].to_string().contains("vocab.txt"));
    }
}

#[test]
fn what_modelscope_itself_put_there_is_never_deleted() {
    let trip = Trip::new(Way::HfToMs);
    trip.world.ms.behaviour(|behaviour| behaviour.fresh_configuration_json = true);
    trip.source().remove("README.md");
    trip.source().file("model.bin", bytes(1, 300 * KIB)).commit();
    trip.migrate(&[]).exits(0);
    let own: Vec<_> = trip.copy().files().into_keys().filter(|path| path != "model.bin").collect();
    assert!(own.len() >= 3, "{own:?}");
    // so many commits that nobody can tell the first one any more
    for number in 0..60 {
        trip.copy().file("theirs.bin", bytes(number, KIB)).commit();
    }
    trip.migrate(&["--delete"]).exits(0);
    assert!(!has(&trip.copy(), "theirs.bin"));
    for path in own {
        assert!(has(&trip.copy(), &path), "{path}");
    }
}

#[test]
fn a_listing_at_no_commit_is_not_good_enough_to_delete_by() {
    let trip = done(Way::HfToMs);
    trip.source().remove("vocab.txt");
    trip.world.ms.behaviour(|behaviour| behaviour.listing_by_commit = false);
    trip.destination_fault(Rule::route("commits", Fault::status(404)).always());
    let refused = trip.migrate(&["--delete"]).exits(2);
    insta::assert_snapshot!("no_commits", refused.shown(&trip.world));
    trip.migrate(&[]).exits(0);
    assert!(has(&trip.copy(), "vocab.txt"));
}

#[test]
fn a_listing_that_is_cut_off_deletes_nothing() {
    let world = World::start();
    let source = world.ms.repo(standins::modelscope::RepoKind::Model, "alice/many");
    for number in 0..3_000 {
        source.file(&format!("{number:04}.txt"), "x");
    }
    source.commit("many");
    let copy = world.hf.repo(standins::huggingface::RepoKind::Model, "alice/many");
    copy.file("theirs.bin", bytes(1, KIB)).commit("theirs");
    let refused = world.run(&["migrate", "--json", "ms:alice/many", "--delete", "--yes"]);
    assert_ne!(refused.code, 0);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("cannot list"), "{}", refused.stdout);
    assert!(copy.files().contains_key("theirs.bin"));
}

#[test]
fn a_listing_that_loses_files_on_the_way_deletes_nothing() {
    let trip = done(Way::HfToMs);
    let loses = |tree: &mut Value| {
        if let Some(entries) = tree.as_array_mut() {
            entries.retain(|entry| entry["path"] != "vocab.txt");
        }
    };
    trip.source_fault(Rule::route("tree", Fault::edit(loses)).always());
    trip.world.forget_state();
    let refused = trip.migrate(&["--delete"]).exits(1);
    insta::assert_snapshot!("listing_not_whole", trip.world.scrub(&refused.json()["error"].to_string()));
    assert!(has(&trip.copy(), "vocab.txt"));
    trip.source_faults().clear();
    trip.migrate(&["--delete"]).exits(0);
    assert!(has(&trip.copy(), "vocab.txt"));
}

#[test]
fn a_bound_without_the_wish_is_wrong_usage() {
    let world = World::start();
    insta::assert_snapshot!("bound_alone", world.run(&["migrate", "hf:alice/bert", "--max-delete", "3"]).exits(2).shown(&world));
    insta::assert_snapshot!("verify_deletes_nothing", world.run(&["verify", "hf:alice/bert", "--delete"]).exits(2).shown(&world));
}

#[test]
fn several_sources_are_mirrored_each_with_its_own_bound() {
    let world = World::start();
    for name in ["alice/one", "alice/two"] {
        let source = world.hf.repo(standins::huggingface::RepoKind::Model, name);
        source.file("README.md", "# one\n").file("model.bin", bytes(1, 300 * KIB)).commit("all");
    }
    let migrate = |more: &[&str]| world.run(&[&["migrate", "--json", "hf:alice/one,hf:alice/two"], more].concat());
    migrate(&[]).exits(0);
    let copies = ["alice/one", "alice/two"].map(|name| world.ms.repo(standins::modelscope::RepoKind::Model, name));
    for (copy, count) in copies.iter().zip([2, 12]) {
        for number in 0..count {
            copy.file(&format!("theirs/{number}.bin"), bytes(number, KIB));
        }
        copy.commit("theirs");
    }
    let report = migrate(&["--delete", "--yes"]).exits(3).json();
    assert_eq!(report["migrations"][0]["files"]["deleted"], 2);
    assert!(report["migrations"][1]["error"]["message"].as_str().unwrap().contains("deletes 12 files"), "{report}");
    assert!(copies[1].files().contains_key("theirs/0.bin") && !copies[0].files().contains_key("theirs/0.bin"));
}
