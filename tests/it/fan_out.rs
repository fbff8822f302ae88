//! Many sandboxes carry, one commits: shared work, workers and conductors that are killed, and nobody left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::modal::misfortunes::{status, status_after_work};
use standins::modal::{CONTROL, Ending, Generation, Modal, ROUTER, SandboxHandle, Setup};
use tonic::Code;

use crate::kill::Numbers;
use crate::trip::{Trip, Way, both_ways};
use crate::world::{KIB, MIB, Outcome, generated, wait_until};

/// A trip through Modal.
pub struct Cloud {
    pub trip: Trip,
    pub modal: Arc<Modal>,
}

impl Cloud {
    pub fn new(way: Way) -> Self {
        let mut trip = Trip::new(way);
        let modal = Modal::start(Setup { marks: trip.world.marks.clone(), ..Setup::default() });
        for (name, value) in modal.environment("alice") {
            trip.world.set(name, value);
        }
        trip.world.unset("HF2MS_RUNNER");
        // the static program, built beforehand
        trip.world.set("HF2MS_WORKER_BIN", crate::static_worker::path());
        Self { trip, modal: Arc::new(modal) }
    }

    /// With a source of so many files of a size that workers carry this way: on Hugging Face smaller ones may go inside the commit. Says how
    /// many bytes they have.
    pub fn with_shared(way: Way, count: u64) -> (Self, u64) {
        Self::with_files(way, count, if way == Way::HfToMs { 640 * KIB } else { 10 * MIB })
    }

    /// With a source of so many large files; says how many bytes they have.
    pub fn with_files(way: Way, count: u64, size: u64) -> (Self, u64) {
        let cloud = Self::new(way);
        let source = cloud.trip.source();
        for number in 0..count {
            source.lfs_file(&format!("data/{number:03}.bin"), generated(1000 + number, size + number));
        }
        source.file("config.json", "{}").file("vocab.txt", "a\nb\n").commit();
        (cloud, (0..count).map(|number| size + number).sum())
    }

    /// `migrate` in the background, until `cancel` or its end.
    pub fn detach(&self, workers: &str) -> String {
        let started = self.trip.migrate(&["--workers", workers, "--detach"]).exits(0).json();
        started["id"].as_str().unwrap().to_owned()
    }

    pub fn workers(&self) -> Vec<SandboxHandle> {
        self.modal.sandboxes().into_iter().filter(|sandbox| sandbox.tags()["role"] == "worker").collect()
    }

    pub fn conductors(&self) -> Vec<SandboxHandle> {
        self.modal.sandboxes().into_iter().filter(|sandbox| sandbox.tags()["role"] == "conductor").collect()
    }

    pub fn wait_for_workers(&self, count: usize) {
        wait_until("the workers run", || self.workers().iter().filter(|worker| worker.process().is_some()).count() == count);
    }

    /// Nobody carries any more.
    #[track_caller]
    pub fn assert_nobody_left(&self) {
        assert_eq!(self.modal.living().iter().filter(|sandbox| sandbox.tags()["role"] == "worker").count(), 0);
    }

    /// Verified, in one commit, and nobody is left.
    #[track_caller]
    pub fn assert_done(&self, outcome: Outcome) -> Value {
        let report = outcome.exits(0).json();
        assert_eq!(report["state"], "verified", "{report}");
        self.trip.assert_identical();
        assert_eq!(self.trip.copy().ours().len(), 1, "one commit");
        self.assert_nobody_left();
        report
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.modal.strict().assert_clean();
        }
    }
}

/// The shards and attempts of workers.
pub fn shards(workers: &[SandboxHandle]) -> BTreeSet<(u32, u32)> {
    let number = |worker: &SandboxHandle, tag: &str| worker.tags()[tag].parse().unwrap();
    workers.iter().map(|worker| (number(worker, "shard"), number(worker, "attempt"))).collect()
}

#[test]
fn twelve_workers_carry_two_hundred_files_into_one_commit() {
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, 200, 80 * KIB);
    let outcome = cloud.trip.migrate(&["--workers", "12"]);
    let report = cloud.assert_done(outcome);
    assert_eq!((&report["workers"], &report["runner"]), (&12.into(), &"modal".into()));
    assert_eq!(report["verification"]["how"]["streamed"], 203);
    assert!(report["bytes"]["moved"].as_u64().unwrap() >= bytes, "{report}");
    assert_eq!(shards(&cloud.workers()), (0..12).map(|shard| (shard, 0)).collect());
    assert_eq!(cloud.conductors().len(), 1);
    assert!(cloud.trip.destination_journal().sent_twice().is_empty());
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
}

both_ways! {
    fn three_workers_share_large_files(way) {
        let (cloud, bytes) = Cloud::with_files(way, 6, 10 * MIB);
        let outcome = cloud.trip.migrate(&["--workers", "3"]);
        let report = cloud.assert_done(outcome);
        assert_eq!(report["workers"], 3);
        assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
        for worker in cloud.workers() {
            assert!(String::from_utf8(worker.stdout()).unwrap().contains("\"event\":\"blobs\""), "{worker:?} carried nothing");
        }
    }
}

#[test]
fn sandboxes_of_the_older_generation_carry_as_well() {
    let (mut cloud, _) = Cloud::with_files(Way::HfToMs, 12, 90 * KIB);
    cloud.trip.world.set("MODAL_SANDBOX_V2", "0");
    let outcome = cloud.trip.migrate(&["--workers", "3"]);
    cloud.assert_done(outcome);
    assert!(cloud.modal.sandboxes().iter().all(|sandbox| sandbox.generation() == Generation::V1));
    assert_eq!(cloud.workers().len(), 3);
}

#[test]
fn modals_tokens_are_given_to_a_conductor_that_has_workers_and_to_nobody_else() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 6, 90 * KIB);
    let outcome = cloud.trip.migrate(&["--workers", "2"]);
    cloud.assert_done(outcome);
    let names = |sandbox: &SandboxHandle| sandbox.environment().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&cloud.conductors()[0]), ["HF_TOKEN", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODELSCOPE_TOKEN"]);
    assert!(cloud.workers().iter().all(|worker| names(worker) == ["HF_TOKEN", "MODELSCOPE_TOKEN"]));
    cloud.trip.world.forget_state();
    cloud.trip.source().file("more.bin", generated(7, 90 * KIB)).commit();
    cloud.trip.migrate(&[]).exits(0);
    assert_eq!(names(&cloud.conductors()[1]), ["HF_TOKEN", "MODELSCOPE_TOKEN"]);
}

/// What a seed's fleet carries.
const FILES: u64 = 40;
const SIZE: u64 = 80 * KIB;

/// Two of four workers end at byte counts of their own, in the middle of files; nobody is there but the sandboxes. Says how many were
/// replaced.
fn two_of_four_are_killed(seed: u64) -> usize {
    let mut numbers = Numbers(seed);
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, FILES, SIZE);
    // so that it takes more than the second after which those are told that have landed
    cloud.trip.slow_uploads(MIB);
    let endings = [Ending::killed(), Ending::out_of_memory(), Ending::lost(), Ending::terminated()];
    let killed: Vec<_> = (0..4).zip(endings).filter(|(shard, _)| (seed + shard) % 2 == 0).collect();
    for (shard, ending) in &killed {
        let after = numbers.below(bytes * 3 / 4);
        eprintln!("seed {seed}: worker {shard} ends after {after} of {bytes} bytes");
        cloud.trip.when_uploaded(after, cloud.modal.killing(&format!("-{shard}-0"), ending.clone()));
    }
    let id = cloud.detach("4");
    cloud.trip.world.forget_state();
    let report = cloud.assert_done(cloud.trip.world.run(&["status", &id, "--follow", "--json"]));
    let ended = cloud.workers().iter().filter(|worker| killed.iter().any(|(_, ending)| worker.ended() == *ending)).count();
    assert_eq!(ended, 2, "{:?}", cloud.workers());
    assert_eq!(report["warnings_count"], 2, "{report}");
    let journal = cloud.trip.destination_journal();
    assert!(journal.sent_twice().is_empty(), "{:?}", journal.sent_twice());
    let in_flight = (journal.puts() - FILES) * (SIZE + FILES);
    assert!(journal.bytes_uploaded() <= bytes + in_flight, "{} of {bytes}, and {in_flight}", journal.bytes_uploaded());
    cloud.workers().len() - 4
}

#[test]
fn thirty_workers_that_are_killed_with_the_starter_gone_are_replaced_and_what_they_landed_is_not_sent_again() {
    let replaced: usize = (0..15).map(two_of_four_are_killed).sum();
    // who had landed everything and was about to end needs nobody in its place
    assert!(replaced >= 20, "{replaced}");
}

#[test]
fn a_shard_whose_workers_die_time_and_again_is_given_up_by_name() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 8, 80 * KIB);
    for attempt in 0..120 {
        cloud.modal.doom(&format!("-1-{attempt}"), 0, Ending::out_of_memory());
    }
    let error = cloud.trip.migrate(&["--workers", "2"]).exits(1).json()["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("5 workers in a row") && message.contains("shard 1") && message.contains("ran out of memory"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("again"), "{error}");
    assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
    cloud.assert_nobody_left();
}

#[test]
fn what_no_other_try_mends_ends_the_migration_with_the_file() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 8, 80 * KIB);
    cloud.trip.source().serves_instead("data/003.bin", generated(5, 80 * KIB + 3));
    // the other worker is not through when this one ends
    cloud.trip.slow_uploads(20 * KIB);
    let error = cloud.trip.migrate(&["--workers", "2"]).exits(1).json()["error"].clone();
    assert_eq!(error["kind"], "corrupted", "{error}");
    assert!(error["message"].as_str().unwrap().contains("data/003.bin"), "{error}");
    assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
    cloud.assert_nobody_left();
}

#[test]
fn a_conductor_that_is_killed_is_followed_by_one_that_attaches_to_the_workers_that_live() {
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, 24, 2 * MIB);
    cloud.trip.slow_uploads(3 * MIB);
    cloud.trip.when_uploaded(bytes / 4, cloud.modal.killing("-g1", Ending::killed()));
    let error = cloud.trip.migrate(&["--workers", "3"]).exits(1).json()["error"].clone();
    assert_eq!(error["kind"], "interrupted", "{error}");
    assert_eq!(cloud.modal.living().len(), 3, "the workers go on");
    cloud.trip.world.forget_state();
    let outcome = cloud.trip.migrate(&["--workers", "3"]);
    cloud.assert_done(outcome);
    assert_eq!(shards(&cloud.workers()), [(0, 0), (1, 0), (2, 0)].into());
    assert_eq!((cloud.workers().len(), cloud.conductors().len()), (3, 2), "nobody was started anew but the conductor");
    assert!(cloud.trip.destination_journal().sent_twice().is_empty());
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
}

#[test]
fn a_conductor_that_is_killed_while_it_starts_workers_is_followed_and_no_shard_has_two() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 24, MIB);
    cloud.trip.slow_uploads(2 * MIB);
    let kill = Fault::Call(Arc::new(cloud.modal.killing("-g1", Ending::killed())));
    // the conductor's own, and two workers
    cloud.modal.fault(Rule::route("SandboxCreateV2", kill).skip(3));
    cloud.trip.migrate(&["--workers", "6"]).exits(1);
    cloud.trip.world.forget_state();
    let outcome = cloud.trip.migrate(&["--workers", "6"]);
    cloud.assert_done(outcome);
    assert_eq!(shards(&cloud.workers()), (0..6).map(|shard| (shard, 0)).collect());
    assert_eq!(cloud.workers().len(), 6, "{:?}", cloud.workers());
}

#[test]
fn a_lost_answer_makes_no_second_worker() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 12, 80 * KIB);
    cloud.modal.fault(Rule::route("SandboxCreateV2", status_after_work(Code::Unavailable)).skip(1).times(2));
    let outcome = cloud.trip.migrate(&["--workers", "3"]);
    cloud.assert_done(outcome);
    assert_eq!((cloud.workers().len(), cloud.modal.faults().fired()), (3, 2));
}

#[test]
fn modal_out_of_reach_for_a_while_costs_no_worker() {
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, 24, MIB);
    cloud.trip.slow_uploads(3 * MIB);
    let modal = Arc::clone(&cloud.modal);
    cloud
        .trip
        .when_uploaded(bytes / 4, move || [CONTROL, ROUTER].iter().for_each(|way| modal.unreachable_for(way, Duration::from_secs(3))));
    let outcome = cloud.trip.migrate(&["--workers", "3"]);
    let report = cloud.assert_done(outcome);
    assert_eq!(cloud.workers().len(), 3);
    assert_eq!(report["files"]["copied"], 27);
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
}

#[test]
fn workers_of_another_cut_are_ended_before_others_start() {
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, 24, 2 * MIB);
    cloud.trip.slow_uploads(3 * MIB);
    cloud.trip.when_uploaded(bytes / 4, cloud.modal.killing("-g1", Ending::killed()));
    cloud.trip.migrate(&["--workers", "3"]).exits(1);
    let old = cloud.modal.living();
    assert_eq!(old.len(), 3);
    // as slowly as before, so that the old ones are still at it
    let outcome = cloud.trip.migrate(&["--workers", "2"]);
    cloud.assert_done(outcome);
    assert!(old.iter().all(|worker| worker.ending() == Some(Ending::terminated())), "{old:?}");
    assert_eq!(cloud.workers().len(), 5);
    // what an ended worker had handed to its system may land after it was asked for
    let strict = cloud.trip.world.ms.strict();
    assert!(strict.violations().iter().all(|violation| violation.rule == "resent"), "{:?}", strict.violations());
    strict.forget();
}

#[test]
fn cancelling_leaves_no_sandbox_and_no_process() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 24, 2 * MIB);
    cloud.trip.slow_uploads(MIB);
    let id = cloud.detach("4");
    cloud.wait_for_workers(4);
    let report = cloud.trip.world.run(&["cancel", &id, "--json"]).exits(0).json();
    assert_eq!(report["state"], "cancelled", "{report}");
    assert_eq!((cloud.modal.living().len(), cloud.modal.processes()), (0, 0));
    assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
}

/// Cancels what has lost its conductor, whose workers carry on.
fn cancelled_without_a_conductor(before: impl FnOnce(&Cloud)) -> Cloud {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 24, 2 * MIB);
    cloud.trip.slow_uploads(MIB);
    let id = cloud.detach("3");
    cloud.wait_for_workers(3);
    cloud.modal.killing("-g1", Ending::lost())();
    wait_until("the conductor is gone", || cloud.conductors()[0].ending().is_some());
    assert_eq!(cloud.modal.living().len(), 3);
    before(&cloud);
    cloud.trip.world.run(&["cancel", &id, "--json"]).exits(0);
    assert_eq!((cloud.modal.living().len(), cloud.modal.processes()), (0, 0));
    cloud
}

#[test]
fn cancelling_what_lost_its_conductor_ends_its_workers() {
    cancelled_without_a_conductor(|_| ());
}

#[test]
fn cancelling_ends_the_workers_of_a_conductor_that_modal_does_not_know_any_more() {
    let cloud = cancelled_without_a_conductor(|cloud| {
        for call in ["SandboxTerminateV2", "SandboxTagsGetV2"] {
            cloud.modal.fault(Rule::route(call, status(Code::NotFound)).times(1));
        }
    });
    assert_eq!(cloud.modal.faults().fired(), 2);
}

#[test]
fn cancelling_from_elsewhere_ends_the_workers_of_a_conductor_that_is_listed_without_its_name() {
    cancelled_without_a_conductor(|cloud| {
        cloud.modal.behaviour(|modal| modal.lists_names_of_finished = false);
        cloud.trip.world.forget_state();
    });
}

#[test]
fn what_has_landed_needs_no_worker() {
    let (cloud, bytes) = Cloud::with_files(Way::HfToMs, 12, 80 * KIB);
    // the conductor ends before its workers do, so that everything is there but the commit
    cloud.trip.when_uploaded(bytes / 2, cloud.modal.killing("-g1", Ending::killed()));
    cloud.trip.migrate(&["--workers", "3"]).exits(1);
    wait_until("the workers are through", || cloud.modal.living().is_empty());
    cloud.trip.world.forget_state();
    let outcome = cloud.trip.migrate(&["--workers", "3"]);
    let report = cloud.assert_done(outcome);
    assert_eq!((&report["files"]["reused"], &report["workers"]), (&12.into(), &1.into()));
    assert_eq!(cloud.workers().len(), 3, "no second time");
    assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes);
}

#[test]
fn a_house_that_is_full_makes_a_smaller_fleet() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 12, 80 * KIB);
    cloud.modal.behaviour(|modal| modal.max_containers = Some(3));
    let outcome = cloud.trip.migrate(&["--workers", "4"]);
    cloud.assert_done(outcome);
    assert_eq!(cloud.workers().len(), 4, "one after another where there is no room");
}

#[test]
fn shards_that_would_be_too_many_are_made_larger_and_that_is_said() {
    let (cloud, _) = Cloud::with_files(Way::HfToMs, 3, 10 * MIB);
    let outcome = cloud.trip.world.run(&["migrate", "hf:alice/bert", "--chunk-size", "0.0002"]).exits(0);
    let said: Vec<_> = outcome.stderr.lines().filter(|line| line.starts_with("warning") || line.contains("workers carry")).collect();
    insta::assert_snapshot!(said.join("\n"));
    cloud.assert_nobody_left();
}

#[test]
fn workers_on_this_machine_are_refused() {
    let cloud = Cloud::new(Way::HfToMs);
    let outcome = cloud.trip.world.run(&["migrate", "hf:alice/bert", "--workers", "3", "--runner", "local"]);
    insta::assert_snapshot!(outcome.shown(&cloud.trip.world));
}
