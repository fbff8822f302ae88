//! A conductor of many workers that is lost at any moment: whoever comes next finds the fleet, and makes one commit.

use std::time::Duration;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::modal::Ending;
use standins::modal::misfortunes::status;
use standins::rig::CommitMoment;
use tonic::Code;

use crate::fan_out::{Cloud, shards};
use crate::kill::{Numbers, finish_with, settle};
use crate::trip::{Way, both_ways};
use crate::world::{KIB, MIB, Outcome, wait_until};

/// A create that Modal never answers, and that makes nothing.
const NEVER: Duration = Duration::from_secs(600);

/// What befalls calls that create a sandbox, the conductor's own among them.
fn creates(fault: Fault) -> Rule {
    Rule::route("SandboxCreateV2", fault)
}

/// What a lost conductor leaves to say: to the one who was attached, and to one who comes from elsewhere.
#[track_caller]
fn interrupted(cloud: &Cloud, outcome: Outcome) -> Value {
    let error = outcome.exits(1).json();
    assert_eq!(error["error"]["kind"], "interrupted", "{error}");
    let id = cloud.conductors()[0].tags()["id"].clone();
    cloud.trip.world.forget_state();
    let status = cloud.trip.world.run(&["status", &id, "--json"]).exits(0).json();
    assert_eq!((&status["state"], &status["id"]), (&"interrupted".into(), &id.as_str().into()), "{status}");
    cloud.trip.world.forget_state();
    status
}

/// Twelve workers are to be started. Their conductor ends when five are there; if `lost`, without having heard of the fifth.
fn five_of_twelve(way: Way, lost: bool) {
    let (cloud, bytes) = Cloud::with_shared(way, 24);
    // so slow that none of them is done before the next conductor comes, on whatever machine
    cloud.trip.slow_uploads(bytes / 150);
    if lost {
        // after the others are through: the connection that ends is theirs as well
        for fault in [Fault::Delay(Duration::from_millis(500)), Fault::DropAnswer] {
            cloud.modal.fault(creates(fault).skip(5));
        }
    }
    // after the conductor and five workers
    for fault in [Fault::Delay(NEVER), status(Code::Unavailable)] {
        cloud.modal.fault(creates(fault).skip(6).always());
    }
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| cloud.trip.migrate(&["--workers", "12"]));
        wait_until("five workers are created", || cloud.workers().len() == 5);
        cloud.modal.killing("-g1", Ending::killed())();
        run.join().unwrap()
    });
    interrupted(&cloud, outcome);
    assert_eq!((cloud.modal.living().len(), cloud.workers().len()), (5, 5), "the workers go on");

    cloud.modal.faults().clear();
    if lost {
        cloud.modal.fault(creates(Fault::DropAnswer).skip(1).times(3));
    }
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| cloud.trip.migrate(&["--workers", "12"]));
        wait_until("the others are created", || cloud.workers().len() >= 12);
        cloud.trip.slow_uploads(0);
        run.join().unwrap()
    });
    cloud.assert_done(outcome);
    let workers = cloud.workers();
    assert_eq!((workers.len(), cloud.conductors().len()), (12, 2), "{workers:?}");
    assert_eq!(shards(&workers), (0..12).map(|shard| (shard, 0)).collect(), "no shard had two");
    assert!(workers.iter().all(|worker| worker.ended().status == 1), "each carried to its end: {workers:?}");
    assert!(cloud.trip.destination_journal().sent_twice().is_empty());
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
}

both_ways! {
    fn a_conductor_that_is_lost_with_five_of_twelve_workers_started_is_followed_by_one_with_the_same_fleet(way) {
        five_of_twelve(way, false);
    }

    fn so_it_is_where_answers_to_creates_are_lost_as_well(way) {
        five_of_twelve(way, true);
    }

    fn two_machines_that_start_at_the_same_time_have_one_fleet(way) {
        let (cloud, bytes) = Cloud::with_shared(way, 8);
        let start = |home: &str| {
            let words = ["migrate", "--json", cloud.trip.address()[0], "--workers", "4"];
            let mut command = cloud.trip.world.command(&words);
            command.env("HF2MS_HOME", cloud.trip.world.home.join(home)).spawn().unwrap()
        };
        let both = [start("state/one"), start("state/two")];
        for child in both {
            cloud.assert_done(cloud.trip.world.finish(child));
        }
        assert_eq!((cloud.conductors().len(), shards(&cloud.workers())), (1, (0..4).map(|shard| (shard, 0)).collect()));
        assert_eq!(cloud.workers().len(), 4, "{:?}", cloud.workers());
        assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
    }
}

/// When a conductor is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// When this byte has reached the destination.
    Byte(u64),
    /// Between its commit's sending and the answer.
    Commit(CommitMoment),
}

/// Kills it there, looks from elsewhere, and runs it again from there: with the workers that live, or with nobody left.
fn killed_at(way: Way, moment: Moment, with_workers: bool, (cloud, bytes): &(Cloud, u64)) {
    let (trip, kill) = (&cloud.trip, cloud.modal.killing("-g1", Ending::killed()));
    if !with_workers && matches!(moment, Moment::Byte(_)) {
        // so that workers are still at it when the next conductor comes
        trip.slow_uploads(bytes / 6);
    }
    match moment {
        Moment::Byte(at) => trip.when_uploaded(at, kill),
        Moment::Commit(at) => trip.when_commit(at, kill),
    }
    let outcome = trip.migrate(&["--workers", "3"]);
    if with_workers {
        let end = cloud.modal.killing("hf2ms-", Ending::lost());
        // one may have been created as its conductor ended
        wait_until("nobody is left", || {
            end();
            cloud.modal.living().is_empty()
        });
    }
    let status = interrupted(cloud, outcome);
    let left = |what: &str, of: &str| status[of].as_u64().unwrap() - status[what].as_u64().unwrap();
    let files = trip.source().files().into_keys().filter(|path| path != ".gitattributes").count();
    assert_eq!(status["files"], files, "{status}");
    match moment {
        Moment::Byte(_) => {
            assert!(left("files_done", "files") > 0 && left("bytes_done", "bytes") > 0, "it says what is left: {status}");
            assert!(trip.copy().ours().is_empty(), "nothing is visible");
        }
        // the hub goes on with what it was sent
        Moment::Commit(_) => wait_until("the commit is made", || !trip.copy().ours().is_empty()),
    }
    if with_workers {
        settle(trip);
        finish_with(trip, &["--workers", "3"]);
    } else {
        let report = cloud.assert_done(trip.migrate(&["--workers", "3"]));
        assert!(trip.destination_journal().sent_twice().is_empty(), "{report}");
        assert_eq!(trip.destination_journal().bytes_uploaded(), *bytes, "each blob once, {way:?}");
        assert_eq!(shards(&cloud.workers()), (0..3).map(|shard| (shard, 0)).collect());
        assert_eq!(cloud.workers().len(), 3, "no shard had two: {:?}", cloud.workers());
        let commits = matches!(moment, Moment::Commit(_));
        assert!(!commits || report["bytes"]["moved"] == 0, "all of it had landed: {report}");
    }
    cloud.assert_nobody_left();
}

both_ways! {
    fn a_conductor_that_is_killed_anywhere_is_followed_and_nothing_that_landed_is_sent_again(way) {
        let mut numbers = Numbers(if way == Way::HfToMs { 41 } else { 42 });
        for point in 0..10 {
            let cloud = Cloud::with_shared(way, 6);
            cloud.0.trip.world.hf.behaviour(|hub| (hub.part_size, hub.multipart_above) = (MIB, MIB));
            let moment = match point {
                8 => Moment::Commit(CommitMoment::BeforeApply),
                9 => Moment::Commit(CommitMoment::AfterApplyBeforeAnswer),
                _ => Moment::Byte(1 + numbers.below(cloud.1 - 64 * KIB)),
            };
            let with_workers = point < 8 && point % 2 == 1;
            eprintln!("killed at {moment:?} of {} bytes, {}", cloud.1, if with_workers { "with all workers" } else { "alone" });
            killed_at(way, moment, with_workers, &cloud);
        }
    }
}
