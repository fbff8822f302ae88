//! Conductors whose containers come to their end before the migration does: another one goes on, and for its user nothing changes.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::modal::SandboxHandle;
use standins::modal::misfortunes::{status, status_after_work};
use tonic::Code;

use crate::cloud::Cloud;
use crate::trip::{Trip, Way, both_ways};
use crate::world::{MIB, Outcome, World, generated, wait_until};

/// Large files of the source, and their size.
const FILES: u64 = 8;
/// So large that workers carry them to either hub.
const SIZE: u64 = 10 * MIB;

/// A cloud whose containers live for some seconds, and a source that takes longer.
fn short_lived(way: Way) -> Cloud {
    let trip = Trip::new(way);
    let source = trip.source();
    for number in 0..FILES {
        source.lfs_file(&format!("data/{number:02}.bin"), generated(500 + number, SIZE + number));
    }
    source.file("config.json", "{}").file("vocab.txt", "a\nb\n").commit();
    let mut cloud = Cloud::over(trip);
    cloud.trip.world.set("HF2MS_CONTAINER_TIME", "6");
    cloud.trip.slow_uploads(5 * MIB);
    cloud
}

/// The conductors by their generation.
fn conductors(cloud: &Cloud) -> BTreeMap<u32, SandboxHandle> {
    let all = cloud.modal.sandboxes().into_iter().filter(|sandbox| sandbox.tags()["role"] == "conductor");
    let numbered: Vec<_> = all.map(|conductor| (conductor.tags()["generation"].parse().unwrap(), conductor)).collect();
    let count = numbered.len();
    let by_generation: BTreeMap<_, _> = numbered.into_iter().collect();
    assert_eq!(by_generation.len(), count, "one of each generation");
    by_generation
}

fn wait_for_the_second(cloud: &Cloud) {
    wait_until("another conductor goes on", || conductors(cloud).get(&2).is_some_and(|second| second.process().is_some()));
}

/// Verified by several conductors, one after the other, each ending well; in one commit, with nothing sent twice.
#[track_caller]
fn assert_succeeded(cloud: &Cloud, report: &Value) {
    cloud.assert_done(report);
    let all = conductors(cloud);
    assert!(all.len() > 1, "{all:?}");
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), (1..=all.len() as u32).collect::<Vec<_>>());
    for (generation, conductor) in &all {
        let ending = conductor.ended();
        assert_eq!((ending.status, ending.exitcode), (1, 0), "conductor {generation}: {ending:?}");
        assert!(conductor.environment().contains_key("MODAL_TOKEN_SECRET"));
        // two at once would make two commits
        if let Some(next) = all.get(&(generation + 1)) {
            assert!(told(conductor, "handed_over") <= told(next, "planned"), "conductor {generation} was still there");
        }
    }
    let twice = cloud.trip.destination_journal().sent_twice();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let bytes: u64 = (0..FILES).map(|number| SIZE + number).sum();
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
    assert!(report["bytes"]["moved"].as_u64().unwrap() >= bytes, "{report}");
    assert!(report["seconds"].as_f64().unwrap() >= 6.0, "the time of all of them");
    assert_eq!(report["destination"]["created"], true, "by the first of them");
}

/// When a conductor said this, in milliseconds.
#[track_caller]
fn told(conductor: &SandboxHandle, event: &str) -> u64 {
    let text = String::from_utf8(conductor.stdout()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.into_iter().find(|line| line["event"] == event);
    line.unwrap_or_else(|| panic!("{conductor:?} said no {event}"))["at"].as_u64().unwrap()
}

#[track_caller]
fn verified(outcome: Outcome) -> Value {
    let report = outcome.exits(0).json();
    assert_eq!(report["state"], "verified", "{report}");
    report
}

both_ways! {
    fn an_attached_migration_outlives_its_containers(way) {
        let cloud = short_lived(way);
        let outcome = cloud.trip.migrate(&["--workers", "3"]);
        assert!(outcome.stderr.contains("another one goes on"), "{}", outcome.stderr);
        let report = verified(outcome);
        assert_succeeded(&cloud, &report);
        let id = report["id"].as_str().unwrap();
        assert_eq!(cloud.trip.world.run(&["status", id, "--json"]).exits(0).json(), report);
        cloud.trip.world.forget_state();
        assert_eq!(cloud.trip.world.run(&["status", id, "--json"]).exits(0).json()["state"], "verified");
    }

    fn a_detached_one_is_found_followed_and_not_begun_twice(way) {
        let cloud = short_lived(way);
        let id = cloud.trip.migrate(&["--workers", "3", "--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        wait_for_the_second(&cloud);
        // the machine that started it, which still knows the first container only
        assert_eq!(cloud.trip.world.run(&["status", &id, "--json"]).exits(0).json()["state"], "running");
        cloud.trip.world.forget_state();
        let list = cloud.trip.world.run(&["status", "--json"]).exits(0).json();
        assert_eq!((&list["migrations"][0]["id"], &list["migrations"][0]["state"]), (&id.as_str().into(), &"running".into()), "{list}");
        cloud.trip.world.forget_state();
        let again = verified(cloud.trip.migrate(&["--workers", "3"]));
        assert_eq!(again["id"], id.as_str(), "the same migration");
        assert_succeeded(&cloud, &again);
    }
}

#[test]
fn another_request_does_not_get_the_place_of_the_first_conductor() {
    let cloud = short_lived(Way::HfToMs);
    let id = cloud.trip.migrate(&["--workers", "3", "--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned();
    wait_for_the_second(&cloud);
    wait_until("the first is gone", || conductors(&cloud)[&1].ending().is_some());
    cloud.trip.world.forget_state();
    let error = cloud.trip.migrate(&["--exclude", "vocab.txt"]).exits(1).json();
    assert_eq!(error["error"]["kind"], "conflict", "{error}");
    assert!(error["error"]["hint"].as_str().unwrap().contains(&id), "{error}");
    let report = verified(cloud.follow_from_elsewhere(&id));
    assert_succeeded(&cloud, &report);
}

#[test]
fn one_that_was_handed_over_is_cancelled_whole() {
    let cloud = short_lived(Way::HfToMs);
    let id = cloud.trip.migrate(&["--workers", "3", "--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned();
    wait_for_the_second(&cloud);
    let cancelled = cloud.trip.world.run(&["cancel", &id, "--json"]).exits(0).json();
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert!(cloud.modal.living().is_empty(), "{:?}", cloud.modal.living());
    assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
    cloud.trip.slow_uploads(0);
    crate::kill::settle(&cloud.trip);
}

#[test]
fn a_successor_whose_creation_is_not_answered_is_created_once() {
    let cloud = short_lived(Way::HfToMs);
    // the conductor and three workers come before
    cloud.modal.fault(Rule::route("SandboxCreateV2", status_after_work(Code::Unavailable)).skip(4).times(1));
    let report = verified(cloud.trip.migrate(&["--workers", "3"]));
    assert_succeeded(&cloud, &report);
}

#[test]
fn where_no_other_container_is_to_be_had_it_stops_and_the_same_command_goes_on() {
    let mut cloud = short_lived(Way::HfToMs);
    cloud.modal.fault(Rule::route("SandboxCreateV2", status(Code::ResourceExhausted)).skip(4).always());
    let report = cloud.trip.migrate(&["--workers", "3"]).exits(1).json();
    assert_eq!(report["state"], "interrupted", "{report}");
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the container's time is over; "), "{message}");
    cloud.assert_empty();
    assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
    cloud.modal.faults().clear();
    cloud.trip.slow_uploads(0);
    crate::kill::settle(&cloud.trip);
    cloud.trip.world.unset("HF2MS_CONTAINER_TIME");
    let report = verified(cloud.trip.migrate(&["--workers", "3"]));
    cloud.assert_done(&report);
}

#[test]
fn one_without_workers_stops_and_the_same_command_goes_on() {
    let mut cloud = short_lived(Way::HfToMs);
    let outcome = cloud.trip.world.run(&["migrate", "hf:alice/bert"]).exits(1);
    let shown = outcome.shown(&cloud.trip.world);
    let telling: Vec<_> = shown.lines().filter(|line| line.starts_with("error") || line.starts_with("hint")).collect();
    assert!(telling[0].contains("the container's time is over; ") && telling[0].contains("nothing was committed"), "{shown}");
    assert!(telling[1].contains("run the same command again"), "{shown}");
    assert_eq!(conductors(&cloud).len(), 1);
    assert!(!conductors(&cloud)[&1].environment().contains_key("MODAL_TOKEN_SECRET"), "who starts nobody has no token for it");
    cloud.trip.slow_uploads(0);
    crate::kill::settle(&cloud.trip);
    cloud.trip.world.unset("HF2MS_CONTAINER_TIME");
    crate::kill::finish(&cloud.trip);
}

#[test]
fn one_that_gets_nowhere_is_not_succeeded() {
    let trip = Trip::new(Way::MsToHf);
    let source = trip.source();
    // so small that the conductor carries them itself, all at once, and none arrives before its container's end
    for number in 0..6 {
        source.lfs_file(&format!("data/{number}.bin"), generated(600 + number, 6 * MIB));
    }
    source.commit();
    let mut cloud = Cloud::over(trip);
    cloud.trip.world.set("HF2MS_CONTAINER_TIME", "5");
    cloud.trip.slow_uploads(MIB);
    let report = cloud.trip.migrate(&["--workers", "3"]).exits(1).json();
    assert!(report["error"]["message"].as_str().unwrap().starts_with("the container's time is over; "), "{report}");
    assert_eq!(conductors(&cloud).len(), 1, "another one would begin with the same files and get no further");
    cloud.trip.slow_uploads(0);
    crate::kill::settle(&cloud.trip);
}

#[test]
fn a_successor_that_fails_before_it_carries_leaves_no_worker() {
    let cloud = short_lived(Way::HfToMs);
    cloud.trip.slow_uploads(MIB);
    let id = cloud.trip.migrate(&["--workers", "3", "--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned();
    wait_until("all run", || cloud.modal.sandboxes().iter().filter(|sandbox| sandbox.process().is_some()).count() == 4);
    // the first one has read the source by now
    wait_until("something arrives", || cloud.trip.destination_journal().bytes_uploaded() > 0);
    cloud.trip.source_fault(Rule::route("repo.info", Fault::status(401)).always());
    let report = cloud.trip.world.run(&["status", &id, "--follow", "--json"]).exits(1).json();
    assert_eq!((&report["state"], &report["error"]["kind"]), (&"failed".into(), &"not_found".into()), "{report}");
    assert_eq!(conductors(&cloud).len(), 2);
    cloud.assert_empty();
    cloud.trip.slow_uploads(0);
    crate::kill::settle(&cloud.trip);
}

#[test]
fn a_time_of_the_whole_counts_for_all_its_containers() {
    let cloud = short_lived(Way::HfToMs);
    cloud.trip.slow_uploads(MIB);
    let report = cloud.trip.migrate(&["--workers", "3", "--max-time", "14"]).exits(1).json();
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the time is over; "), "{message}");
    assert!(conductors(&cloud).len() > 1);
    assert!(report["seconds"].as_f64().unwrap() >= 14.0, "{report}");
    cloud.assert_empty();
    cloud.trip.slow_uploads(0);
    crate::kill::settle(&cloud.trip);
}

#[test]
fn a_time_of_containers_that_is_none_is_refused_by_name() {
    for (name, text) in [("soon", "soon"), ("short", "4"), ("long", "84601"), ("negative", "-5")] {
        let mut world = World::start();
        world.set("HF2MS_CONTAINER_TIME", text);
        assert_snapshot!(format!("container_time_{name}"), crate::usage::refused(&world, 2, &["migrate", "hf:alice/bert"]));
    }
}
