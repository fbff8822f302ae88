//! A repository with much in plain git: it is held in memory as it came, once, and not beyond a bound.

use serde_json::Value;

use super::refusals::{serve, working_copy};
use crate::trip::{Trip, Way};
use crate::world::{MIB, generated};

/// A source that git serves, with so many plain files of 8 MiB that nothing makes smaller.
fn plain(files: u64) -> Trip {
    let trip = Trip::new(Way::HfToMs);
    let work = working_copy(&trip);
    for number in 0..files {
        std::fs::write(work.join(format!("{number:02}.dat")), generated(number, 8 * MIB).to_bytes()).unwrap();
    }
    std::fs::write(work.join("README.md"), "# bert\n").unwrap();
    serve(&trip, &work);
    trip
}

#[test]
fn what_plain_git_holds_is_kept_in_memory_once() {
    let trip = plain(16);
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!((report["state"].as_str(), report["source"]["by_git"].as_bool()), (Some("verified"), Some(true)), "{report}");
    let copy = trip.copy();
    for number in 0..16 {
        assert_eq!(copy.content(&format!("{number:02}.dat")).unwrap().to_bytes(), generated(number, 8 * MIB).to_bytes());
    }
    let folder = trip.world.home.join("state/migrations").join(report["id"].as_str().unwrap());
    let kept: Value = serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    // a system without /proc does not tell
    let peak = kept["resources"]["peak_memory"].as_u64().unwrap_or_default() / MIB;
    eprintln!("128 MiB of plain files: {peak} MiB at most");
    // the pack, the budget of a process, and the program
    assert!(peak <= 128 + 96 + 32, "{peak} MiB");
}

#[test]
fn more_than_can_be_held_is_refused_by_name() {
    let trip = plain(34);
    let shown = trip.world.run(&["migrate", "hf:alice/bert"]).exits(2);
    insta::assert_snapshot!("pack_too_large", super::refusals::without_ids(&shown.shown(&trip.world)));
    assert!(!trip.copy_exists(), "nothing is created");
}
