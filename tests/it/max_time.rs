//! `--max-time`: when it is over, a migration stops without breaking a commit, and the same command goes on.

use std::time::Duration;

use standins::faults::{Fault, Rule};
use standins::huggingface::{self, RepoKind};
use standins::modelscope;
use standins::rig::CommitMoment;

use crate::kill::finish;
use crate::trip::{Trip, Way, both_ways};
use crate::usage::refused;
use crate::world::{KIB, MIB, World, bytes, generated};

/// A trip with two files that land soon and one whose download stands still: long enough for the time, not for its patience to end.
fn slow_trip(way: Way) -> Trip {
    let trip = Trip::new(way);
    let source = trip.source();
    source.lfs_file("large.bin", generated(1, 24 * MIB)).file("config.json", "{}");
    source.lfs_file("data/1.bin", generated(2, 11 * MIB)).lfs_file("data/2.bin", generated(3, 11 * MIB)).commit();
    let large = source.files()["large.bin"].sha256.clone();
    trip.source_fault(Rule::route(way.large(), Fault::StallDownload(0, Duration::from_secs(60))).path(way.blob_path(&large)).always());
    trip
}

both_ways! {
    fn when_the_time_is_over_it_stops_and_the_same_command_goes_on(way) {
        let trip = slow_trip(way);
        let report = trip.migrate(&["--max-time", "6"]).exits(1).json();
        assert_eq!((&report["state"], &report["error"]["kind"]), (&"interrupted".into(), &"interrupted".into()));
        let (message, hint) = (report["error"]["message"].as_str().unwrap(), report["error"]["hint"].as_str().unwrap());
        assert!(message.starts_with("the time is over; ") && message.ends_with("the repository was created, nothing was committed"), "{message}");
        assert!(message.contains("the contents of 2 files (23.1 MB) have landed"), "{message}");
        assert!(hint.contains("run the same command again"), "{hint}");
        assert!(trip.copy().ours().is_empty(), "nothing is visible");
        assert_eq!(trip.world.carrier(), None, "nobody carries any more");
        let id = report["id"].as_str().unwrap();
        assert_eq!(trip.world.run(&["status", id, "--json"]).exits(0).json(), report);
        trip.world.run(&["status", id, "--follow"]).exits(1);
        trip.source_faults().clear();
        let again = finish(&trip);
        assert_eq!((&again["files"]["reused"], &again["files"]["total"]), (&2.into(), &5.into()));
    }

    fn a_commit_under_way_when_the_time_is_over_is_let_end(way) {
        let trip = Trip::new(way);
        trip.source().lfs_file("a.bin", bytes(1, 70 * KIB)).file("config.json", "{}").commit();
        // asked for before the time is over, made after
        trip.when_commit(CommitMoment::BeforeApply, || std::thread::sleep(Duration::from_secs(9)));
        let report = trip.migrate(&["--max-time", "8"]).exits(1).json();
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains("already published: the destination's head is "), "{message}");
        assert_eq!((trip.copy().ours().len(), &report["state"]), (1, &"interrupted".into()));
        assert_eq!(trip.destination_journal().requests("commit"), 1);
        let again = finish(&trip);
        assert_eq!(again["bytes"]["moved"], 0);
        assert_eq!(trip.destination_journal().requests("commit"), 1);
    }

    fn a_time_that_is_long_enough_changes_nothing(way) {
        let trip = Trip::stocked(way);
        trip.assert_done(trip.migrate(&["--max-time", "1h30m"]));
    }
}

#[test]
fn a_person_is_told_what_the_end_of_the_time_leaves() {
    let trip = slow_trip(Way::HfToMs);
    let outcome = trip.world.run(&["migrate", "hf:alice/bert", "--max-time", "6s"]).exits(1);
    insta::assert_snapshot!(outcome.shown(&trip.world));
}

#[test]
fn the_time_of_a_batch_is_that_of_all_its_sources() {
    let world = World::start();
    for (seed, id) in [(1, "alice/bert"), (2, "alice/gpt")] {
        world.hf.repo(RepoKind::Model, id).lfs_file("a.bin", generated(seed, 24 * MIB)).commit("all");
    }
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    let batch = ["migrate", "hf:alice/bert", "hf:alice/gpt", "--at-once", "1", "--max-time", "3", "--json"];
    let summary = world.run(&batch).exits(1).json();
    let states: Vec<_> = summary["migrations"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["interrupted", "skipped"]);
    let skipped = &summary["migrations"][1]["error"];
    assert_eq!((&skipped["kind"], &skipped["message"]), (&"interrupted".into(), &"not begun: the time is over".into()));
    assert_eq!(world.ms.journal().requests("commit"), 0);
    assert!(!world.ms.repo_exists(modelscope::RepoKind::Model, "alice/gpt"));
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(0);
    world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt"]).exits(0);
}

#[test]
fn one_that_runs_already_keeps_its_own_time() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").lfs_file("a.bin", generated(1, 24 * MIB)).commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    let id = world.run(&["migrate", "hf:alice/bert", "--detach"]).exits(0).stdout.trim().to_owned();
    let second = world.run(&["migrate", "hf:alice/bert", "--detach", "--max-time", "2s"]).exits(0);
    assert_eq!(second.stdout.trim(), id);
    assert!(second.stderr.contains("--max-time does not change how long it may run"), "{}", second.stderr);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(0);
    world.run(&["status", &id, "--follow"]).exits(0);
}

#[test]
fn a_time_that_is_none_is_refused_by_name() {
    for (name, text) in [
        ("soon", "soon"),
        ("zero", "0"),
        ("short", "200ms"),
        ("negative", "-5"),
        ("unit", "3 parsecs"),
        ("huge", "99999999999999999999h"),
        ("empty", ""),
    ] {
        let world = World::start();
        insta::assert_snapshot!(
            format!("max_time_{name}"),
            refused(&world, 2, &["migrate", "hf:alice/bert", &format!("--max-time={text}")])
        );
    }
}
