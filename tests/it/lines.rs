//! What keeps a sandbox's output keeps only so many lines, so many files are told in few.

use std::collections::BTreeSet;

use serde_json::Value;
use standins::modal::SandboxHandle;

use crate::cloud::Cloud;
use crate::trip::{Trip, Way};
use crate::world::{KIB, generated};

const FILES: u64 = 3_000;

/// What a sandbox printed.
fn events(sandbox: &SandboxHandle) -> Vec<Value> {
    let text = String::from_utf8(sandbox.stdout()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The paths of the blobs that were told, each once, in few lines: many a line, and whatever comes every second.
fn told_in_few_lines(sandbox: &SandboxHandle) -> BTreeSet<String> {
    let events = events(sandbox);
    let at = |event: &Value| event["at"].as_u64().unwrap();
    let seconds = (at(events.last().unwrap()) - at(&events[0])).div_ceil(1000);
    let blobs = events.iter().filter(|event| event["event"] == "blobs").flat_map(|event| event["blobs"].as_array().unwrap());
    let paths: Vec<_> = blobs.map(|blob| blob["path"].as_str().unwrap().to_owned()).collect();
    let told: BTreeSet<_> = paths.iter().cloned().collect();
    assert_eq!(told.len(), paths.len(), "none is told twice");
    let (lines, files) = (events.len() as u64, told.len() as u64);
    eprintln!("{:?}: {files} blobs in {lines} lines, {seconds} s", sandbox.name());
    // twice: as a blob, and, by the conductor, as a proven file
    assert!(lines <= files / 5 + 3 * seconds + 20, "{lines} lines for {files} files in {seconds} s");
    told
}

#[test]
fn a_conductor_and_its_workers_tell_of_thousands_of_files_in_few_lines() {
    let trip = Trip::new(Way::HfToMs);
    let source = trip.source();
    // smaller ones travel inside the commit
    for number in 0..FILES {
        source.lfs_file(&format!("data/{}/{number:04}.bin", number % 10), generated(1_000 + number, 65 * KIB + number % 7));
    }
    source.commit();
    // the hub's own quotas are another matter
    trip.world.hf.behaviour(|behaviour| (behaviour.api_quota, behaviour.resolve_quota) = (1_000_000, 1_000_000));
    let cloud = Cloud::over(trip);
    let report = cloud.trip.migrate(&["--workers", "2"]).exits(0).json();
    assert_eq!((&report["state"], &report["workers"]), (&"verified".into(), &2.into()), "{report}");
    cloud.trip.assert_identical();
    cloud.assert_empty();
    let (conductors, workers): (Vec<_>, Vec<_>) =
        cloud.modal.sandboxes().into_iter().partition(|sandbox| sandbox.tags()["role"] == "conductor");
    assert_eq!((conductors.len(), workers.len()), (1, 2));
    let all = told_in_few_lines(&conductors[0]);
    assert_eq!(all.len() as u64, FILES);
    let shares: Vec<_> = workers.iter().map(told_in_few_lines).collect();
    assert_eq!(shares.iter().map(BTreeSet::len).sum::<usize>() as u64, FILES, "nobody carries what another one has");
    assert_eq!(shares.into_iter().flatten().collect::<BTreeSet<_>>(), all);
}
