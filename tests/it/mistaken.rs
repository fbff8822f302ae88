//! What belongs to one migration is never taken for another's: its report, its sandbox, its workers, its site, its commit of the source.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::modal::Ending;
use standins::modelscope::{self, ModelScope, RepoKind, Tier};

use crate::cloud::Cloud;
use crate::fan_out;
use crate::trip::{Trip, Way, both_ways};
use crate::world::{MIB, generated, wait_until};

/// A create that Modal never answers, and that makes nothing.
const NEVER: Duration = Duration::from_secs(600);

/// The newest migration whose sandbox was noted before it was created.
fn being_created(home: &Path) -> Option<String> {
    let newest = std::fs::read_dir(home.join("state/migrations")).ok()?.filter_map(|entry| Some(entry.ok()?.path())).max()?;
    let place: Value = serde_json::from_slice(&std::fs::read(newest.join("place.json")).ok()?).ok()?;
    (place["runner"] == "modal" && place["sandbox"].is_null()).then(|| newest.file_name().unwrap().to_string_lossy().into_owned())
}

/// One migration is done; the source has changed, and the next one is just being created. Its id, and who starts it.
fn between_two(way: Way) -> (Cloud, Value, String, Child) {
    let cloud = Cloud::plenty(way);
    let first = cloud.trip.migrate(&[]).exits(0).json();
    cloud.assert_done(&first);
    cloud.trip.source().file("later.bin", generated(71, 3 * MIB)).commit();
    cloud.modal.fault(Rule::route("SandboxCreateV2", Fault::Delay(NEVER)).times(1));
    let starter = cloud.trip.world.command(&[&["migrate", "--json"], &cloud.trip.address()[..]].concat()).spawn().unwrap();
    wait_until("the next one is being created", || being_created(&cloud.trip.world.home).is_some());
    let second = being_created(&cloud.trip.world.home).unwrap();
    assert_ne!(first["id"], second.as_str());
    (cloud, first, second, starter)
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

both_ways! {
    fn the_report_of_the_migration_before_is_not_that_of_one_that_is_being_created(way) {
        let (cloud, first, second, starter) = between_two(way);
        let world = &cloud.trip.world;
        let status = |arguments: &[&str], code| world.run(&[&["status", "--json"], arguments].concat()).exits(code).json();
        assert_eq!(status(&[&second], 0)["state"], "running");
        assert_eq!(status(&[], 0)["migrations"][0]["state"], "running");
        killed(starter);
        assert_eq!(status(&[&second, "--follow"], 1)["error"]["kind"], "interrupted");
        assert_eq!(status(&[&second], 0)["state"], "interrupted");
        cloud.modal.faults().clear();
        let third = cloud.trip.migrate(&[]).exits(0).json();
        assert!(third["id"] != first["id"] && third["bytes"]["moved"] == 3 * MIB, "{third}");
        cloud.trip.assert_identical();
    }

    fn cancelling_one_that_was_never_created_leaves_the_next_one_alone(way) {
        let (cloud, _, second, starter) = between_two(way);
        killed(starter);
        cloud.modal.faults().clear();
        cloud.trip.slow_uploads(MIB);
        let third = cloud.detach();
        let cancelled = cloud.trip.world.run(&["cancel", &second, "--json"]).exits(0).json();
        assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
        assert_eq!(cloud.modal.living().len(), 1, "the third runs");
        cloud.trip.slow_uploads(0);
        assert_eq!(cloud.trip.world.run(&["status", &third, "--follow", "--json"]).exits(0).json()["state"], "verified");
        cloud.trip.assert_identical();
    }

    fn who_cancels_what_is_being_created_waits_to_know_what_it_became(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(MIB);
        cloud.modal.fault(Rule::route("SandboxCreateV2", Fault::Delay(Duration::from_secs(3))).times(1));
        let starter = cloud.trip.world.command(&[&["migrate", "--json", "--detach"], &cloud.trip.address()[..]].concat()).spawn().unwrap();
        wait_until("it is being created", || being_created(&cloud.trip.world.home).is_some());
        let id = being_created(&cloud.trip.world.home).unwrap();
        let cancelled = cloud.trip.world.run(&["cancel", &id, "--json"]).exits(0).json();
        cloud.trip.world.finish(starter).exits(0);
        assert_eq!((&cancelled["state"], cloud.modal.sandboxes().len()), (&"cancelled".into(), 1), "{cancelled}");
        cloud.assert_empty();
        assert!(cloud.trip.copy().ours().is_empty(), "nothing is visible");
        cloud.trip.slow_uploads(0);
        crate::kill::settle(&cloud.trip);
    }

    fn one_of_another_commit_of_the_source_is_another_one(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(8_000_000);
        let first = trip.migrate(&["--detach"]).exits(0).json();
        trip.source().file("later.bin", generated(71, 3 * MIB)).commit();
        another_commit(&trip, first["id"].as_str().unwrap());
    }

    fn so_it_is_in_the_cloud_for_a_machine_that_knows_only_the_tokens(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(8_000_000);
        let id = cloud.detach();
        cloud.trip.source().file("later.bin", generated(71, 3 * MIB)).commit();
        cloud.trip.world.forget_state();
        another_commit(&cloud.trip, &id);
    }

    fn ctrl_c_ends_the_sandbox_and_says_that_it_was_cancelled(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(2_000_000);
        let child = cloud.trip.world.command(&[&["migrate", "--json"], &cloud.trip.address()[..]].concat()).spawn().unwrap();
        wait_until("something arrives", || cloud.trip.destination_journal().bytes_uploaded() > MIB);
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let report = cloud.trip.world.finish(child).exits(130).json();
        assert_eq!(report["state"], "cancelled", "{report}");
        cloud.assert_empty();
        let status = cloud.trip.world.run(&["status", report["id"].as_str().unwrap(), "--json"]).exits(0).json();
        assert_eq!(status["state"], "cancelled", "{status}");
        cloud.trip.slow_uploads(0);
        crate::kill::settle(&cloud.trip);
    }

    fn who_follows_waits_for_a_stopped_process_that_reads_what_was_said(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(8_000_000);
        let world = &cloud.trip.world;
        let reader = world.command(&[&["migrate", "--json"], &cloud.trip.address()[..]].concat()).spawn().unwrap();
        wait_until("something arrives", || cloud.trip.destination_journal().bytes_uploaded() > MIB);
        let signal = |name: &str| Command::new("kill").args([name, &reader.id().to_string()]).status().unwrap();
        signal("-STOP");
        cloud.assert_empty();
        let id = cloud.modal.sandboxes()[0].tags()["id"].clone();
        let follower = world.command(&["status", &id, "--follow", "--json"]).spawn().unwrap();
        // longer than it takes to see that the sandbox has ended
        std::thread::sleep(Duration::from_secs(3));
        signal("-CONT");
        assert_eq!(world.finish(follower).exits(0).json()["state"], "verified");
        cloud.assert_done(&world.finish(reader).exits(0).json());
    }
}

/// The migration with this id runs, of a commit that is not the source's newest any more.
fn another_commit(trip: &Trip, id: &str) {
    let error = trip.migrate(&[]).exits(1).json();
    assert_eq!(error["error"]["kind"], "conflict", "{error}");
    assert!(error["error"]["hint"].as_str().unwrap().contains(id), "{error}");
    trip.slow_uploads(0);
    trip.world.run(&["status", id, "--follow", "--json"]).exits(0);
    assert!(!trip.copy().files().contains_key("later.bin"));
    // its container may take a moment to end
    let next = trip.migrate(&[]).exits(0).json();
    assert_ne!(next["id"], id);
    assert_eq!(next["bytes"]["moved"], 3 * MIB);
    trip.assert_identical();
}

#[test]
fn cancelling_one_that_lost_its_conductor_leaves_the_workers_of_the_next_one_alone() {
    let (cloud, _) = fan_out::Cloud::with_files(Way::HfToMs, 24, 2 * MIB);
    cloud.trip.slow_uploads(MIB);
    let first = cloud.detach("3");
    cloud.wait_for_workers(3);
    cloud.modal.killing("-g1", Ending::lost())();
    wait_until("the conductor is gone", || cloud.conductors()[0].ending().is_some());
    let second = cloud.detach("3");
    wait_until("the next conductor runs", || cloud.conductors().iter().any(|conductor| conductor.process().is_some()));
    cloud.trip.world.run(&["cancel", &first, "--json"]).exits(0);
    assert!(cloud.workers().iter().all(|worker| worker.ending().is_none()), "{:?}", cloud.workers());
    cloud.trip.slow_uploads(0);
    assert_eq!(cloud.trip.world.run(&["status", &second, "--follow", "--json"]).exits(0).json()["state"], "verified");
    assert_eq!(cloud.workers().len(), 3, "nobody was replaced");
    cloud.trip.assert_identical();
}

#[test]
fn what_runs_in_another_environment_is_cancelled_there() {
    let (mut cloud, _) = fan_out::Cloud::with_files(Way::HfToMs, 24, 2 * MIB);
    cloud.modal.add_environment("dev");
    cloud.trip.world.set("MODAL_ENVIRONMENT", "dev");
    cloud.trip.slow_uploads(MIB);
    let id = cloud.detach("3");
    cloud.wait_for_workers(3);
    cloud.trip.world.unset("MODAL_ENVIRONMENT");
    let report = cloud.trip.world.run(&["cancel", &id, "--json"]).exits(0).json();
    assert_eq!(report["state"], "cancelled", "{report}");
    assert_eq!((cloud.modal.living().len(), cloud.modal.processes()), (0, 0));
}

#[test]
fn the_same_name_at_another_site_is_another_destination() {
    let mut trip = Trip::stocked(Way::HfToMs);
    trip.slow_uploads(8_000_000);
    let first = trip.migrate(&["--detach"]).exits(0).json();
    let id = first["id"].as_str().unwrap();
    let other = ModelScope::start(modelscope::Setup { marks: trip.world.marks.clone(), ..Default::default() });
    other.user("alice");
    let (site, token) = (trip.world.ms.endpoint(), trip.world.variables["MODELSCOPE_API_TOKEN"].clone());
    trip.world.set("MODELSCOPE_ENDPOINT", other.endpoint());
    trip.world.set("MODELSCOPE_API_TOKEN", other.token("alice", Tier::Write));
    let second = trip.migrate(&[]).exits(0).json();
    assert_ne!(second["id"], first["id"]);
    let source = trip.source().files();
    let there = other.repo(RepoKind::Model, "alice/bert").files();
    assert!(source.iter().filter(|(path, _)| *path != ".gitattributes").all(|(path, file)| there[path].sha256 == file.sha256));
    let again = trip.migrate(&[]).exits(0).json();
    assert_eq!((&again["up_to_date"], &again["id"]), (&true.into(), &second["id"]));

    // what is asked about the first one is not answered by the other site
    trip.world.run(&["status", id, "--follow", "--json"]).exits(0);
    let elsewhere = trip.world.run(&["verify", id, "--json"]).exits(2).json();
    assert!(elsewhere["error"]["hint"].as_str().unwrap().contains(&site), "{elsewhere}");
    trip.world.run(&["proof", id, "-o", "proof.json"]).exits(0);
    let elsewhere = trip.world.run(&["verify", "proof.json", "--json"]).exits(2).json();
    assert!(elsewhere["error"]["hint"].as_str().unwrap().contains(&site), "{elsewhere}");
    trip.world.set("MODELSCOPE_ENDPOINT", site);
    trip.world.set("MODELSCOPE_API_TOKEN", token);
    for what in [id, "proof.json"] {
        assert_eq!(trip.world.run(&["verify", what, "--json"]).exits(0).json()["state"], "verified");
    }
    trip.slow_uploads(0);
    trip.assert_identical();
    other.strict().assert_clean();
}

#[test]
fn what_is_wrong_with_one_folder_hides_no_other_and_what_was_lost_is_read_again() {
    let mut cloud = Cloud::plenty(Way::HfToMs);
    let report = cloud.trip.migrate(&[]).exits(0).json();
    let id = report["id"].as_str().unwrap();
    let folder = cloud.trip.world.home.join("state/migrations").join(id);
    cloud.assert_empty();

    // as after a loss of power: the end of the events is gone, and the note of how far they were read is not
    let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let first: String = events.lines().take(2).map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.join("events.jsonl"), first).unwrap();
    std::fs::remove_file(folder.join("report.json")).unwrap();
    assert!(folder.join("mark.json").is_file());
    let again = cloud.trip.world.run(&["status", id, "--follow", "--json"]).exits(0).json();
    assert_eq!((&again["state"], &again["files"]), (&"verified".into(), &report["files"]));
    std::fs::remove_file(folder.join("report.json")).unwrap();
    std::fs::write(folder.join("mark.json"), "").unwrap();
    assert_eq!(cloud.trip.world.run(&["status", id, "--json"]).exits(0).json()["state"], "verified");

    // what has ended needs nobody to be asked
    for name in ["MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"] {
        cloud.trip.world.unset(name);
    }
    assert_eq!(cloud.trip.world.run(&["status", id, "--follow", "--json"]).exits(0).json()["state"], "verified");
    cloud.trip.source().file("later.txt", "later").commit();
    cloud.trip.migrate(&["--runner", "local"]).exits(0);

    let damaged = cloud.trip.world.home.join("state/migrations/m0000000001-000001");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("job.json"), "{").unwrap();
    let listed = cloud.trip.world.run(&["status", "--json"]).exits(0);
    assert_eq!(listed.json()["migrations"].as_array().unwrap().len(), 2);
    assert!(listed.stderr.contains("m0000000001-000001 is not shown"), "{}", listed.stderr);
}
