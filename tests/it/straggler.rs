//! A container on a host that has no time for it: the others carry what it has not.

use std::time::Duration;

use standins::modal::Ending;

use crate::fan_out::{Cloud, shards};
use crate::trip::Way;
use crate::world::KIB;

/// Workers.
const WORKERS: u32 = 3;
/// Files of each.
const FILES: u64 = 400;
/// Until any answer of either hub. Every file takes a few of them, one after the other.
const LATENCY: Duration = Duration::from_millis(200);
/// The slow one runs for a moment, in which each of its transfers hears one answer and asks for the next.
const AWAKE: Duration = Duration::from_millis(60);
/// Meanwhile those of the others hear ten, and the others have found out that twice as many transfers are faster.
const ASLEEP: Duration = Duration::from_millis(2_000);

#[test]
fn a_worker_that_is_twenty_times_slower_than_the_others_is_ended_and_they_carry_its_files() {
    // more than is committed inline
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, u64::from(WORKERS) * FILES, 65 * KIB);
    let world = &cloud.trip.world;
    // the hub's own quotas are another matter
    world.hf.behaviour(|hub| (hub.api_quota, hub.resolve_quota) = (1_000_000, 1_000_000));
    for dials in [world.hf.dials(), world.ms.dials()] {
        dials.each(|lane| lane.set_latency(LATENCY));
    }
    cloud.modal.doze("-1-0", AWAKE, ASLEEP);
    let outcome = cloud.trip.migrate(&["--workers", &WORKERS.to_string()]);
    let report = cloud.assert_done(outcome);
    let workers = cloud.workers();
    let ended: Vec<_> = workers.iter().filter(|worker| worker.ended() == Ending::terminated()).collect();
    assert_eq!(ended.len(), 1, "{workers:?}");
    assert_eq!((&*ended[0].tags()["shard"], &*ended[0].tags()["attempt"]), ("1", "0"), "{workers:?}");
    assert!(shards(&workers).contains(&(1, 1)), "{workers:?}");
    assert!(shards(&workers).iter().all(|(shard, attempt)| *shard == 1 || *attempt == 0), "nobody else was replaced: {workers:?}");
    let warnings = report["warnings"].as_array().unwrap();
    let told = |warning: &str| warning.starts_with("worker 1 left ") && warning.ends_with("it was slow beside the others and was ended");
    assert!(warnings.iter().any(|warning| told(warning.as_str().unwrap())), "{report}");
    assert!(cloud.trip.destination_journal().sent_twice().is_empty(), "{:?}", cloud.trip.destination_journal().sent_twice());
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
}
