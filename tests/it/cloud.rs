//! A conductor in a sandbox, on good days and bad ones: the same journeys as on this machine, with a Modal in between.

use std::time::Duration;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::modal::{self, Ending, Generation, Modal, Setup, StreamEnd};
use standins::rig::CommitMoment;

use crate::kill::Numbers;
use crate::static_worker;
use crate::trip::{Repo, STOCK, Trip, Way, both_ways, stock};
use crate::world::{MIB, Outcome, World, generated, wait_until};

/// What [`plenty`] sends: every content once.
const PLENTY: u64 = STOCK + 7 * MIB + 5 * MIB + 9;

/// A journey and the Modal that it goes through.
pub struct Cloud {
    pub trip: Trip,
    pub modal: Modal,
}

impl Cloud {
    pub fn over(mut trip: Trip) -> Self {
        let modal = attach(&mut trip.world);
        Self { trip, modal }
    }

    /// Between two hubs, with plenty to carry.
    pub fn plenty(way: Way) -> Self {
        let trip = Trip::new(way);
        plenty(&trip.source());
        Self::over(trip)
    }

    /// Starts it and gives its id.
    pub fn detach(&self) -> String {
        self.trip.migrate(&["--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned()
    }

    /// Follows it from a machine that knows nothing but the tokens.
    pub fn follow_from_elsewhere(&self, id: &str) -> Outcome {
        self.trip.world.forget_state();
        self.trip.world.run(&["status", id, "--follow", "--json"])
    }

    /// Everything arrived, in one commit, proven, and nothing runs any more.
    #[track_caller]
    pub fn assert_done(&self, report: &Value) {
        assert_eq!((&report["state"], &report["runner"]), (&"verified".into(), &"modal".into()), "{report}");
        self.trip.assert_identical();
        assert_eq!(self.trip.copy().ours().len(), 1, "one commit");
        self.assert_empty();
    }

    /// No sandbox and no process of one is left.
    #[track_caller]
    pub fn assert_empty(&self) {
        wait_until("every sandbox ends", || self.modal.living().is_empty() && self.modal.processes() == 0);
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.modal.strict().assert_clean();
        }
    }
}

/// Starts a Modal whose tokens the commands of this world have.
pub fn attach(world: &mut World) -> Modal {
    let modal = Modal::start(Setup { marks: world.marks.clone(), ..Setup::default() });
    for (name, value) in modal.environment("alice") {
        world.set(name, value);
    }
    world.unset("HF2MS_RUNNER");
    world.set("HF2MS_WORKER_BIN", static_worker::path());
    modal
}

fn plenty(repo: &Repo) {
    stock(repo);
    repo.file("data/one.bin", generated(61, 7 * MIB)).file("data/two.bin", generated(62, 5 * MIB + 9)).commit();
}

both_ways! {
    fn a_sandbox_carries_everything(way) {
        let cloud = Cloud::plenty(way);
        let report = cloud.trip.migrate(&[]).exits(0).json();
        cloud.assert_done(&report);
        let sandboxes = cloud.modal.sandboxes();
        assert_eq!(sandboxes.len(), 1, "what one container carries one container carries");
        assert!(!sandboxes[0].environment().keys().any(|name| name.starts_with("MODAL_TOKEN")), "it has no business with Modal");
        let again = cloud.trip.migrate(&[]).exits(0).json();
        assert_eq!((&again["bytes"]["moved"], cloud.trip.copy().ours().len()), (&0.into(), 1), "{again}");
    }

    fn the_older_generation_does_as_well(way) {
        let mut cloud = Cloud::plenty(way);
        cloud.trip.world.set("MODAL_SANDBOX_V2", "0");
        let report = cloud.trip.migrate(&[]).exits(0).json();
        cloud.assert_done(&report);
        assert_eq!(cloud.modal.sandboxes()[0].generation(), Generation::V1);
    }

    fn where_the_newer_generation_is_withdrawn_the_older_one_is_taken(way) {
        let cloud = Cloud::plenty(way);
        cloud.modal.behaviour(|behaviour| behaviour.withdrawn = Some(Generation::V2));
        let id = cloud.detach();
        let report = cloud.follow_from_elsewhere(&id).exits(0).json();
        cloud.assert_done(&report);
        assert_eq!(cloud.modal.sandboxes()[0].generation(), Generation::V1);
    }

    fn detached_it_is_followed_from_a_machine_that_knows_only_the_tokens(way) {
        let cloud = Cloud::plenty(way);
        let id = cloud.detach();
        let report = cloud.follow_from_elsewhere(&id).exits(0).json();
        assert_eq!(report["id"], id.as_str());
        cloud.assert_done(&report);
        // afterwards too, when the sandbox is gone
        let after = cloud.follow_from_elsewhere(&id).exits(0).json();
        assert_eq!(after["state"], "verified");
    }

    fn a_killed_conductor_is_known_elsewhere_and_the_same_command_goes_on(way) {
        let mut numbers = Numbers(if way == Way::HfToMs { 11 } else { 12 });
        for _ in 0..5 {
            let at = numbers.below(PLENTY - 64 * 1024);
            eprintln!("killed at byte {at} of {PLENTY}");
            let cloud = Cloud::plenty(way);
            cloud.trip.when_uploaded(at, cloud.modal.killing("-g1", Ending::killed()));
            let error = cloud.trip.migrate(&[]).exits(1).json();
            assert_eq!(error["error"]["kind"], "interrupted", "{error}");
            assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
            cloud.assert_empty();
            let id = cloud.modal.sandboxes()[0].tags()["id"].clone();
            cloud.trip.world.forget_state();
            let status = cloud.trip.world.run(&["status", &id, "--json"]).exits(0).json();
            assert_eq!(status["state"], "interrupted", "{status}");
            crate::kill::settle(&cloud.trip);
            cloud.trip.world.forget_state();
            crate::kill::finish(&cloud.trip);
        }
    }

    fn killed_around_its_commit_it_commits_once(way) {
        for moment in [CommitMoment::BeforeApply, CommitMoment::AfterApplyBeforeAnswer] {
            let cloud = Cloud::plenty(way);
            cloud.trip.when_commit(moment, cloud.modal.killing("-g1", Ending::killed()));
            cloud.trip.migrate(&[]).exits(1);
            cloud.assert_empty();
            cloud.trip.world.forget_state();
            let report = cloud.trip.migrate(&[]).exits(0).json();
            cloud.assert_done(&report);
        }
    }

    fn cancelled_from_elsewhere_it_is_gone_and_what_is_left_is_said(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(2_000_000);
        let id = cloud.detach();
        wait_until("something arrives", || cloud.trip.destination_journal().bytes_uploaded() > MIB);
        cloud.trip.world.forget_state();
        let cancelled = cloud.trip.world.run(&["cancel", &id, "--json"]).exits(0).json();
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        cloud.assert_empty();
        assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
        cloud.trip.slow_uploads(0);
        crate::kill::settle(&cloud.trip);
        let report = cloud.trip.migrate(&[]).exits(0).json();
        cloud.assert_done(&report);
    }

    fn a_second_start_from_another_machine_attaches(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(4_000_000);
        let id = cloud.detach();
        cloud.trip.world.forget_state();
        let report = cloud.trip.migrate(&[]).exits(0).json();
        assert_eq!(report["id"], id.as_str());
        cloud.assert_done(&report);
        assert_eq!(cloud.modal.sandboxes().len(), 1);
    }

    fn two_machines_that_start_at_the_same_time_are_one_migration(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(8_000_000);
        let start = |home: &str| {
            let mut command = cloud.trip.world.command(&["migrate", "--json", cloud.trip.address()[0]]);
            command.env("HF2MS_HOME", cloud.trip.world.home.join(home)).spawn().unwrap()
        };
        let both = [start("state/one"), start("state/two")];
        for child in both {
            let report = cloud.trip.world.finish(child).exits(0).json();
            cloud.assert_done(&report);
        }
        assert_eq!(cloud.modal.sandboxes().len(), 1);
    }

    fn a_control_plane_that_is_away_for_a_minute_delays_nothing_but_the_news(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(4_000_000);
        let modal = &cloud.modal;
        let report = std::thread::scope(|scope| {
            let run = scope.spawn(|| cloud.trip.migrate(&[]));
            wait_until("something arrives", || cloud.trip.destination_journal().bytes_uploaded() > MIB);
            modal.unreachable_for(modal::CONTROL, Duration::from_secs(60));
            run.join().unwrap()
        });
        cloud.assert_done(&report.exits(0).json());
        assert_eq!(cloud.modal.sandboxes().len(), 1);
    }

    fn an_output_that_is_cut_after_every_message_is_read_to_its_end(way) {
        for end in [StreamEnd::Unavailable, StreamEnd::Clean] {
            let cloud = Cloud::plenty(way);
            cloud.modal.behaviour(|behaviour| (behaviour.stream_messages, behaviour.stream_end) = (Some(1), end));
            let report = cloud.trip.migrate(&[]).exits(0).json();
            cloud.assert_done(&report);
        }
    }

    fn output_that_is_gone_with_its_host_is_read_from_the_history(way) {
        let cloud = Cloud::plenty(way);
        cloud.modal.behaviour(|behaviour| behaviour.router_after_exit = Duration::ZERO);
        let id = cloud.detach();
        cloud.assert_empty();
        let report = cloud.follow_from_elsewhere(&id).exits(0).json();
        cloud.assert_done(&report);
    }

    fn a_create_answer_that_is_lost_makes_no_second_sandbox(way) {
        let cloud = Cloud::plenty(way);
        cloud.modal.fault(Rule::route("SandboxCreateV2", Fault::DropAnswer));
        let report = cloud.trip.migrate(&[]).exits(0).json();
        cloud.assert_done(&report);
        assert_eq!(cloud.modal.sandboxes().len(), 1);
    }

    fn from_a_cold_start_to_the_sandbox_nothing_is_asked_twice(way) {
        let cloud = Cloud::plenty(way);
        cloud.detach();
        let count = |call: &str| cloud.modal.journal().requests(call);
        assert_eq!(["ImageGetOrCreate", "MountGetOrCreate", "SandboxCreateV2"].map(count), [1, 1, 1]);
        assert!(count("MountPutFile") <= 4, "a check and an upload of two files");
        cloud.assert_empty();
    }
}
