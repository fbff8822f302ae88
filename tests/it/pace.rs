//! How many transfers are in flight follows what the hosts bear.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use standins::huggingface::{self, RepoKind};
use standins::modelscope;

use crate::world::{KIB, MIB, Outcome, World, generated};

/// The last few records of transfers in flight, the newest last.
fn in_flight(world: &World) -> Vec<u64> {
    let folder = std::fs::read_dir(world.home.join("state/migrations")).into_iter().flatten().flatten().next();
    let events: PathBuf = folder.map(|folder| folder.path().join("events.jsonl")).unwrap_or_default();
    let text = std::fs::read_to_string(events).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let counts: Vec<u64> = events.filter(|event| event["event"] == "progress").map(|event| event["allowed"].as_u64().unwrap()).collect();
    counts[counts.len().saturating_sub(4)..].to_vec()
}

/// Waits until the number that may be in flight has been within these bounds for a few seconds.
#[track_caller]
fn settles(world: &World, bounds: std::ops::RangeInclusive<u64>) {
    let started = Instant::now();
    loop {
        let last = in_flight(world);
        if last.len() == 4 && last.iter().all(|count| bounds.contains(count)) {
            return;
        }
        // ends what hangs: it takes half a minute at most on a quiet machine
        assert!(started.elapsed() < Duration::from_secs(90), "never within {bounds:?}: {last:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_host_that_bears_four_then_one_then_four_gets_no_more() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    for number in 0..1200 {
        source.lfs_file(&format!("{number:04}.safetensors"), generated(number, 128 * KIB));
    }
    source.commit("many");
    // the hub's own quotas are another matter
    world.hf.behaviour(|behaviour| (behaviour.api_quota, behaviour.resolve_quota) = (1_000_000, 1_000_000));
    let cdn = world.hf.dials().origin(huggingface::CDN);
    cdn.set_download_per_stream(MIB / 2);
    cdn.set_capacity(4);
    let started = world.run(&["migrate", "hf:alice/bert", "--detach", "--json"]);
    assert_eq!(started.code, 0, "{}", started.shown(&world));
    settles(&world, 3..=6);
    cdn.set_capacity(1);
    settles(&world, 1..=2);
    cdn.set_capacity(4);
    settles(&world, 3..=6);
    cdn.set_capacity(0);
    cdn.set_download_per_stream(0);
    let outcome = follow(&world, &started);
    assert_eq!(outcome.code, 0, "{}", outcome.shown(&world));
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").commits().len(), 2);
}

fn follow(world: &World, started: &Outcome) -> Outcome {
    let id = started.json()["id"].as_str().unwrap().to_owned();
    world.run(&["status", &id, "--follow"])
}

#[test]
fn a_download_that_stands_still_is_continued_over_another_connection() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.safetensors", generated(1, 4 * MIB)).commit("one");
    let stall = standins::faults::Fault::StallDownload(MIB, Duration::from_secs(600));
    world.hf.faults().add(standins::faults::Rule::route("cdn", stall));
    let outcome = world.run(&["migrate", "hf:alice/bert", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.shown(&world));
    assert_eq!(outcome.json()["bytes"]["moved"], 4 * MIB);
    assert_eq!(world.ms.journal().bytes_uploaded(), 4 * MIB);
}
