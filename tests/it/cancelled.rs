//! What `cancel` leaves in the cloud: no sandbox, no process, no connection, and not a byte more.

use std::time::{Duration, Instant};

use standins::modal::Terminate;

use crate::fan_out::Cloud;
use crate::kill::{finish_with, settle};
use crate::trip::{Way, both_ways};
use crate::world::wait_until;

/// Until the last connection must have ended: sooner than a server ends one on which nothing is asked.
const ENDS: Duration = Duration::from_secs(20);
/// Looks at what has stopped, to see that it has.
const LOOKS: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(100);

/// Nothing goes on anywhere.
#[track_caller]
fn assert_still(cloud: &Cloud) {
    let world = &cloud.trip.world;
    // what the ended had handed to their system is read quickly
    cloud.trip.slow_uploads(0);
    let connections = || [world.hf.connections(), world.ms.connections(), cloud.modal.connections()];
    let began = Instant::now();
    while connections() != [0, 0, 0] {
        assert!(began.elapsed() < ENDS, "connections to Hugging Face, ModelScope, Modal: {:?}", connections());
        std::thread::sleep(Duration::from_millis(20));
    }
    eprintln!("no connection is left after {:?}", began.elapsed());
    for dials in [world.hf.dials(), world.ms.dials(), cloud.modal.dials()] {
        dials.each(|lane| assert_eq!(lane.busy(), 0));
    }
    settle(&cloud.trip);
    let state = || {
        let moved = [world.hf.journal(), world.ms.journal()].map(|journal| (journal.bytes_uploaded(), journal.bytes_downloaded()));
        let asked = [world.hf.journal(), world.ms.journal(), cloud.modal.journal()].map(|journal| journal.total_requests());
        (moved, asked, connections(), cloud.modal.living().len(), cloud.modal.processes())
    };
    let before = state();
    for _ in 0..LOOKS {
        std::thread::sleep(BETWEEN);
        assert_eq!(state(), before);
    }
}

/// Cancels it in the middle; the same command goes on afterwards.
fn cancelled(way: Way, workers: &[&str], elsewhere: bool, terminate: Terminate) {
    let (cloud, bytes) = Cloud::with_shared(way, 12);
    cloud.modal.behaviour(|modal| modal.terminate = terminate);
    cloud.trip.slow_uploads(bytes / 60);
    let started = cloud.trip.migrate(&[&["--detach"], workers].concat()).exits(0).json();
    let id = started["id"].as_str().unwrap();
    let sandboxes = if workers.is_empty() { 1 } else { 1 + workers[1].parse::<usize>().unwrap() };
    wait_until("bytes arrive from all", || {
        let running = cloud.modal.sandboxes().iter().filter(|sandbox| sandbox.process().is_some()).count();
        running == sandboxes && cloud.trip.destination_journal().bytes_uploaded() > bytes / 100
    });
    if elsewhere {
        cloud.trip.world.forget_state();
    }
    let report = cloud.trip.world.run(&["cancel", id, "--json"]).exits(0).json();
    assert_eq!((cloud.modal.living().len(), cloud.modal.processes()), (0, 0), "{:?}", cloud.modal.living());
    assert_eq!((&report["state"], &report["runner"]), (&"cancelled".into(), &"modal".into()), "{report}");
    assert_still(&cloud);
    assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
    assert_eq!(cloud.modal.sandboxes().len(), sandboxes, "nobody was started");
    finish_with(&cloud.trip, workers);
}

both_ways! {
    fn a_cancelled_fleet_is_gone_and_nothing_goes_on(way) {
        cancelled(way, &["--workers", "4"], false, Terminate::Kill);
    }

    fn a_cancelled_sandbox_is_gone_and_nothing_goes_on(way) {
        cancelled(way, &[], false, Terminate::Kill);
    }

    fn a_fleet_that_is_cancelled_from_elsewhere_is_gone_and_nothing_goes_on(way) {
        cancelled(way, &["--workers", "4"], true, Terminate::Kill);
    }

    fn a_fleet_that_is_told_before_it_is_ended_is_gone_and_nothing_goes_on(way) {
        cancelled(way, &["--workers", "4"], false, Terminate::Politely(Duration::from_secs(30)));
    }
}
