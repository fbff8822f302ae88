//! Files that are too large for somebody: known before anything is created, or at least said.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::store::Sink;

use crate::trip::{Trip, Way};
use crate::usage::assert_untouched;
use crate::world::{KIB, MIB, Outcome, bytes, generated};

const GB: u64 = 1_000_000_000;

/// A model of a small and a huge file, whose digest is made up: nobody reads it to its end here.
fn huge(way: Way, size: u64) -> Trip {
    let trip = Trip::new(way);
    trip.source().lfs_file("model.safetensors", Content::claimed(1, size)).lfs_file("small.bin", bytes(1, 100 * KIB)).commit();
    trip
}

/// Hugging Face with a file of this size, which it does not give over plain HTTP: neither whole nor, perhaps, in ranges.
fn ungiven(size: u64, ranges_too: bool) -> Trip {
    let trip = huge(Way::HfToMs, size);
    trip.world.hf.behaviour(|behaviour| {
        behaviour.refuses_plain_above = 50 * GB;
        behaviour.refuses_ranges_too = ranges_too;
    });
    trip
}

#[track_caller]
fn snapshot(trip: &Trip, name: &str, outcome: &Outcome) {
    insta::assert_snapshot!(name, outcome.shown(&trip.world));
}

#[test]
fn what_hugging_face_gives_over_xet_only_is_known_before_anything_is_created() {
    let trip = ungiven(80 * GB, true);
    snapshot(&trip, "xet_only_plan", &trip.world.run(&["plan", "hf:alice/bert"]).exits(0));
    snapshot(&trip, "xet_only_refused", &trip.world.run(&["migrate", "hf:alice/bert"]).exits(3));
    assert_untouched(&trip.world);
    assert_eq!(trip.world.ms.journal().requests("create"), 0);
    snapshot(&trip, "xet_only_left_out", &trip.world.run(&["migrate", "hf:alice/bert", "--yes"]).exits(0));
    assert_eq!(trip.copy().files().into_keys().collect::<Vec<_>>(), [".gitattributes", "README.md", "small.bin"]);
}

#[test]
fn what_is_not_asked_for_need_not_be_given() {
    let trip = ungiven(80 * GB, true);
    assert_eq!(trip.migrate(&["--exclude", "model.*"]).exits(0).json()["files"]["total"], 2);
}

#[test]
fn only_the_files_that_are_not_given_are_left_out() {
    let trip = ungiven(80 * GB, true);
    trip.source().lfs_file("larger.bin", Content::claimed(2, 90 * GB)).lfs_file("large.bin", Content::claimed(3, 51 * GB)).commit();
    trip.world.hf.behaviour(|behaviour| behaviour.refuses_plain_above = 70 * GB);
    let plan = trip.world.run(&["plan", "hf:alice/bert", "--json"]).exits(0).json();
    let copied: Vec<_> = plan["items"].as_array().unwrap().iter().filter(|item| item["decision"] == "copy").collect();
    let copied: Vec<_> = copied.iter().map(|item| item["path"].as_str().unwrap()).collect();
    assert_eq!(copied, ["README.md", "large.bin", "small.bin"]);
}

#[test]
fn what_the_destination_has_already_is_not_asked_for() {
    let trip = ungiven(80 * GB, true);
    trip.copy().lfs_file("model.safetensors", Content::claimed(1, 80 * GB)).commit();
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!((&report["files"]["skipped"], &report["verification"]["how"]["reference"]), (&1.into(), &1.into()));
    assert_eq!(trip.world.hf.journal().failed("resolve"), 0);
}

#[test]
fn what_is_given_in_ranges_alone_is_read_in_ranges() {
    let trip = ungiven(80 * GB, false);
    trip.world.hf.dials().each(|lane| lane.set_download_per_host(64 << 20));
    // the plan and the process that carries ask for a byte each; then the address that both found is good for nothing any more
    let sha256 = trip.source().files()["model.safetensors"].sha256.clone();
    trip.source_fault(Rule::route("cdn", Fault::status(403)).path(&sha256).skip(2));
    let id = trip.world.run(&["migrate", "hf:alice/bert", "--detach"]).exits(0).stdout.trim().to_owned();
    let started = Instant::now();
    while trip.world.ms.journal().bytes_uploaded() < 1 << 20 {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing arrives");
        std::thread::sleep(Duration::from_millis(20));
    }
    trip.world.run(&["cancel", &id]).exits(0);
    assert_eq!((trip.world.hf.journal().failed("cdn"), trip.world.hf.journal().failed("resolve")), (1, 0));
    assert!(trip.copy().ours().is_empty());
}

#[test]
fn a_file_over_the_limit_of_hugging_face_is_left_out_with_consent_only() {
    let trip = huge(Way::MsToHf, 501 * GB);
    snapshot(&trip, "over_the_limit_plan", &trip.world.run(&["plan", "ms:alice/bert"]).exits(0));
    snapshot(&trip, "over_the_limit_refused", &trip.world.run(&["migrate", "ms:alice/bert"]).exits(3));
    assert_eq!(trip.world.hf.journal().requests("repo.create") + trip.world.hf.journal().requests("commit"), 0);
    assert_eq!(trip.migrate(&["--yes"]).exits(0).json()["files"]["total"], 2);
}

#[test]
fn a_file_larger_than_is_advised_is_planned_with_a_warning() {
    let warnings = |way, size| {
        let trip = huge(way, size);
        trip.world.run(&["plan", trip.address()[0], "--json"]).exits(0).json()["warnings"].to_string()
    };
    let none = "[]";
    assert_eq!((warnings(Way::MsToHf, 200 * GB), warnings(Way::HfToMs, 100 * GB)), (none.to_owned(), none.to_owned()));
    insta::assert_snapshot!("large_to_hugging_face", warnings(Way::MsToHf, 300 * GB));
    insta::assert_snapshot!("large_to_modelscope", warnings(Way::HfToMs, 150 * GB));
}

#[test]
fn folders_fuller_than_is_advised_are_planned_with_a_warning() {
    let trip = Trip::of_dataset(Way::MsToHf);
    for number in 0..10_001 {
        trip.source().file(&format!("data/{number:05}.txt"), "x");
    }
    trip.source().commit();
    let plan = trip.world.run(&["plan", "ms:alice/bert", "--json"]).exits(0).json();
    insta::assert_snapshot!("full_folder_to_hugging_face", plan["warnings"].to_string());
}

/// The peak memory, in MiB, of a process that may hold 16 MiB of content and sends one file in so many parts of 48 KiB.
fn peak_of_parts(count: u64) -> u64 {
    let part = 48 * KIB;
    let trip = Trip::new(Way::MsToHf);
    trip.world.hf.store().set_sink(Sink::HashOnly);
    trip.world.hf.behaviour(|behaviour| (behaviour.part_size, behaviour.multipart_above) = (part, part));
    trip.source().lfs_file("model.safetensors", generated(1, count * part)).commit();
    let mut job = trip.world.run(&["plan", "--job", "ms:alice/bert"]).exits(0).json();
    job["limits"]["memory"] = (16 * MIB).into();
    let mut child = trip.world.command(&["run-job"]).stdin(Stdio::piped()).spawn().unwrap();
    let tokens = json!({ "hf": trip.world.variables["HF_TOKEN"], "ms": trip.world.variables["MODELSCOPE_API_TOKEN"] });
    let mut stdin = child.stdin.take().unwrap();
    write!(stdin, "{tokens}\n{job}\n").unwrap();
    drop(stdin);
    let report: Value = trip.world.finish(child).exits(0).events().pop().unwrap();
    assert_eq!(report["state"], "verified");
    let puts = trip.world.hf.journal().puts();
    assert!(puts >= count, "{puts} parts");
    report["resources"]["peak_memory"].as_u64().unwrap() / MIB
}

/// A storage takes 10,000 parts at most, and every part has an address of its own that must be at hand.
#[test]
fn ten_thousand_parts_take_hardly_more_memory_than_a_thousand() {
    if !cfg!(target_os = "linux") {
        // elsewhere the system does not tell
        return;
    }
    let (few, many) = (peak_of_parts(1_000), peak_of_parts(9_900));
    eprintln!("1,000 parts: {few} MiB, 9,900 parts: {many} MiB");
    assert!(many <= few + 12, "{few} MiB, {many} MiB");
}
