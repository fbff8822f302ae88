//! Killed anywhere, run again: one commit, and nothing is sent again that had landed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use standins::rig::CommitMoment;

use crate::trip::{Repo, STOCK, Trip, Way, both_ways, stock};
use crate::world::{MIB, Outcome, World, carrier_in, generated, started_at, wait_until};

/// What [`plenty`] sends: every content once.
const PLENTY: u64 = STOCK + 7 * MIB + 5 * MIB + 9;

fn plenty(repo: &Repo) {
    stock(repo);
    repo.file("data/one.bin", generated(61, 7 * MIB)).file("data/two.bin", generated(62, 5 * MIB + 9)).commit();
}

fn trip(way: Way) -> Trip {
    let trip = Trip::new(way);
    plenty(&trip.source());
    trip
}

/// Kills the process that carries. It may be so early that its number is not written down yet.
pub fn kill(home: &Path) {
    let started = Instant::now();
    let pid = loop {
        match carrier_in(home) {
            Some(pid) => break pid,
            None => assert!(started.elapsed() < Duration::from_secs(20), "nobody carries"),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// What a killed run says, and what `status` says of it.
#[track_caller]
pub fn interrupted(trip: &Trip, outcome: Outcome) {
    let error = outcome.exits(1).json();
    assert_eq!(error["error"]["kind"], "interrupted", "{error}");
    let list = trip.world.run(&["status", "--json"]).exits(0).json();
    assert_eq!(list["migrations"][0]["state"], "interrupted");
    let id = list["migrations"][0]["id"].as_str().unwrap();
    assert_eq!(trip.world.run(&["status", id, "--json"]).exits(0).json()["state"], "interrupted");
}

/// Waits until what the dead process still had in its sockets has been read.
pub fn settle(trip: &Trip) {
    let mut last = u64::MAX;
    wait_until("the destination has read what was sent to it", || {
        let before = std::mem::replace(&mut last, trip.destination_journal().bytes_uploaded());
        std::thread::sleep(Duration::from_millis(80));
        let mut busy = 0;
        trip.destination_dials().each(|lane| busy += lane.busy());
        before == last && busy == 0
    });
}

/// Runs again to the end. What had landed before is not sent again.
#[track_caller]
pub fn finish(trip: &Trip) -> Value {
    let journal = trip.destination_journal();
    let started = |trip: &Trip| -> Vec<(String, u64)> {
        let landed = trip.source().files().into_values().filter(|file| trip.copy().has_blob(&file.sha256));
        landed.map(|file| (file.sha256.clone(), journal.puts_started(&file.sha256))).collect()
    };
    let before = started(trip);
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!(report["state"], "verified");
    trip.assert_identical();
    assert_eq!(trip.copy().ours().len(), 1, "one commit in all");
    for (sha256, puts) in before {
        assert_eq!(journal.puts_started(&sha256), puts, "{sha256} had landed");
    }
    report
}

/// Numbers that are the same in every run (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % end
    }
}

both_ways! {
    fn killed_at_any_byte_it_goes_on_where_it_was(way) {
        let mut numbers = Numbers(if way == Way::HfToMs { 1 } else { 2 });
        for _ in 0..10 {
            let at = numbers.below(PLENTY - 64 * 1024);
            eprintln!("killed at byte {at} of {PLENTY}");
            let trip = trip(way);
            let home: PathBuf = trip.world.home.clone();
            trip.when_uploaded(at, move || kill(&home));
            let outcome = trip.migrate(&[]);
            settle(&trip);
            interrupted(&trip, outcome);
            assert!(trip.copy().ours().is_empty(), "nothing is visible");
            finish(&trip);
        }
    }

    fn killed_again_and_again_it_arrives_all_the_same(way) {
        let trip = trip(way);
        trip.slow_uploads(60_000_000);
        for kills in 1..=4 {
            let home = trip.world.home.clone();
            let at = trip.destination_journal().bytes_uploaded() + 9 * MIB;
            trip.when_uploaded(at, move || kill(&home));
            let outcome = trip.migrate(&[]);
            settle(&trip);
            if outcome.code == 0 {
                assert!(kills > 2, "each run moved something on");
                break;
            }
            interrupted(&trip, outcome);
        }
        trip.slow_uploads(0);
        finish(&trip);
    }

    fn killed_from_another_machine_it_goes_on_as_well(way) {
        let trip = Trip::of_dataset(way);
        plenty(&trip.source());
        let home = trip.world.home.clone();
        trip.when_uploaded(PLENTY / 2, move || kill(&home));
        trip.migrate(&[]).exits(1);
        settle(&trip);
        trip.world.forget_state();
        finish(&trip);
    }

    fn killed_while_the_commit_is_made_it_finds_it(way) {
        let trip = trip(way);
        let home = trip.world.home.clone();
        trip.when_commit(CommitMoment::BeforeApply, move || kill(&home));
        let outcome = trip.migrate(&[]);
        interrupted(&trip, outcome);
        while trip.copy().ours().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let report = finish(&trip);
        assert_eq!(report["bytes"]["moved"], 0);
    }

    fn killed_before_the_answer_to_the_commit_it_finds_it(way) {
        let trip = trip(way);
        let home = trip.world.home.clone();
        trip.when_commit(CommitMoment::AfterApplyBeforeAnswer, move || kill(&home));
        let outcome = trip.migrate(&[]);
        interrupted(&trip, outcome);
        let report = finish(&trip);
        assert_eq!(report["bytes"]["moved"], 0);
        assert_eq!(report["files"]["skipped"], report["files"]["total"]);
    }

    fn a_second_migrate_while_one_runs_attaches_to_it(way) {
        let trip = trip(way);
        trip.slow_uploads(15_000_000);
        let first = trip.migrate(&["--detach"]).exits(0).json();
        assert_eq!(first["state"], "running");
        let second = trip.migrate(&[]).exits(0).json();
        assert_eq!(second["id"], first["id"]);
        assert_eq!(second["state"], "verified");
        assert_eq!(trip.world.run(&["status", "--json"]).json()["migrations"].as_array().unwrap().len(), 1);
        trip.assert_identical();
        assert_eq!(trip.copy().ours().len(), 1);
        assert!(trip.destination_journal().sent_twice().is_empty());
    }

    #[cfg(target_os = "linux")]
    fn a_migration_that_has_said_its_last_word_is_over_while_its_process_still_ends(way) {
        let trip = trip(way);
        let first = trip.migrate(&[]).exits(0).json();
        let id = first["id"].as_str().unwrap();
        // this process stands for the one that takes its time
        let mut lingering = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let started = started_at(lingering.id()).unwrap();
        let place = serde_json::json!({ "runner": "local", "pid": lingering.id(), "started": started });
        std::fs::write(trip.world.home.join("state/migrations").join(id).join("place.json"), place.to_string()).unwrap();
        trip.source().file("later.txt", "more").commit();
        let second = trip.migrate(&[]).exits(0).json();
        assert_ne!(second["id"], first["id"]);
        trip.assert_arrived();
        let narrow = trip.migrate(&["--include", "*.txt"]).exits(0).json();
        assert_eq!(narrow["bytes"]["moved"], 0);
        lingering.kill().unwrap();
        lingering.wait().unwrap();
    }

    fn another_request_for_a_destination_that_is_written_to_is_refused(way) {
        let trip = trip(way);
        trip.slow_uploads(15_000_000);
        let first = trip.migrate(&["--detach"]).exits(0).json();
        let id = first["id"].as_str().unwrap();
        let error = trip.migrate(&["--include", "*.txt"]).exits(1).json();
        assert_eq!(error["error"]["kind"], "conflict");
        assert!(error["error"]["message"].as_str().unwrap().contains(id), "{error}");
        trip.world.run(&["status", id, "--follow", "--json"]).exits(0);
        assert_eq!(trip.copy().ours().len(), 1);
    }

    fn a_closed_terminal_does_not_end_it(way) {
        let trip = trip(way);
        trip.slow_uploads(20_000_000);
        let arguments = [&["migrate", "--json"], &trip.address()[..]].concat();
        let mut attached = trip.world.command(&arguments).spawn().unwrap();
        let started = Instant::now();
        while trip.destination_journal().bytes_uploaded() < MIB && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        attached.kill().unwrap();
        attached.wait().unwrap();
        let report = follow_the_only_one(&trip.world);
        assert_eq!(report["state"], "verified");
        trip.assert_identical();
        assert_eq!(trip.copy().ours().len(), 1);
    }
}

fn follow_the_only_one(world: &World) -> Value {
    let list = world.run(&["status", "--json"]).exits(0).json();
    assert_eq!(list["migrations"][0]["state"], "running");
    let id = list["migrations"][0]["id"].as_str().unwrap();
    world.run(&["status", id, "--follow", "--json"]).exits(0).json()
}
