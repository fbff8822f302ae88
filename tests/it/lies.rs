//! A destination that says one thing and does another is found out, or the limits of finding out are known.

use serde_json::{Value, json};

use crate::trip::{Repo, Trip, Way, both_ways, stock};
use crate::world::{MIB, bytes, generated};

const OTHER_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8ff";
const OTHER_GIT: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c53ff";

/// Runs a migration that must end unproven, with the file named in this list.
#[track_caller]
fn unproven(trip: &Trip, list: &str, path: &str) -> Value {
    let report = trip.migrate(&[]).exits(4).json();
    assert_eq!(report["state"], "unproven");
    assert!(report["verification"][list].as_array().unwrap().contains(&json!(path)), "{}", report["verification"]);
    assert_eq!(report["error"]["kind"], "unproven");
    assert!(report["error"]["message"].as_str().unwrap().contains(path), "{}", report["error"]);
    let id = report["id"].as_str().unwrap();
    assert_eq!(trip.world.run(&["status", id, "--json"]).exits(0).json()["state"], "unproven");
    report
}

both_ways! {
    fn a_large_file_that_was_acknowledged_and_dropped_is_missed(way) {
        let trip = Trip::stocked(way);
        trip.copy().drops("model-00002.safetensors");
        let report = unproven(&trip, "missing", "model-00002.safetensors");
        assert_eq!(report["verification"]["matched"], 10);
    }

    fn a_small_file_that_was_acknowledged_and_dropped_is_missed(way) {
        let trip = Trip::of_dataset(way);
        stock(&trip.source());
        trip.copy().drops("vocab.txt");
        unproven(&trip, "missing", "vocab.txt");
    }

    fn other_bytes_than_were_sent_are_seen_in_the_listing(way) {
        let trip = Trip::stocked(way);
        trip.copy().lists_instead("model-00001.safetensors", OTHER_SHA256);
        unproven(&trip, "differing", "model-00001.safetensors");
    }

    fn other_bytes_of_a_small_file_are_seen_in_the_listing(way) {
        let trip = Trip::stocked(way);
        trip.copy().lists_instead("vocab.txt", if way == Way::HfToMs { OTHER_SHA256 } else { OTHER_GIT });
        unproven(&trip, "differing", "vocab.txt");
    }

    fn a_listing_that_stays_stale_proves_nothing(way) {
        let trip = Trip::stocked(way);
        trip.copy().stale_listings(u32::MAX);
        let report = unproven(&trip, "missing", "config.json");
        assert_eq!(report["verification"]["matched"], 0);
        assert_eq!(trip.copy().ours().len(), 1, "it was committed once and not again");
    }

    fn a_listing_that_is_late_is_waited_for(way) {
        let trip = Trip::stocked(way);
        trip.copy().stale_listings(2);
        trip.assert_done(trip.migrate(&[]));
    }

    fn an_unproven_migration_is_proven_by_the_next_run_once_the_destination_is_sane(way) {
        let trip = Trip::stocked(way);
        trip.copy().drops("optimizer.bin");
        unproven(&trip, "missing", "optimizer.bin");
        match trip.copy() {
            Repo::Hf(repo) => drop(repo.misbehave(|quirks| quirks.drops.clear())),
            Repo::Ms(repo) => drop(repo.misbehave(|quirks| quirks.drops.clear())),
        }
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!((&report["bytes"]["moved"], &report["files"]["reused"]), (&json!(0), &json!(1)), "its blob was there");
        trip.assert_arrived();
    }

    fn other_bytes_under_the_right_name_are_only_seen_by_reading_them(way) {
        let trip = Trip::stocked(way);
        trip.migrate(&[]).exits(0);
        trip.copy().serves_instead("optimizer.bin", generated(7, 4 * MIB + 1));

        let plain = trip.verify(&[]).exits(0).json();
        assert_eq!(plain["verification"]["matched"], 11, "a listing repeats what it was told");
        let deep = trip.verify(&["--deep"]).exits(4).json();

        assert_eq!(deep["state"], "unproven");
        assert_eq!(deep["verification"]["differing"], json!(["optimizer.bin"]));
        assert_eq!(deep["verification"]["how"]["read_back"], 10);
    }

    fn bytes_of_another_length_are_seen_without_reading_all_of_them(way) {
        let trip = Trip::stocked(way);
        trip.migrate(&[]).exits(0);
        trip.copy().serves_instead("optimizer.bin", generated(7, 3 * MIB));
        let report = trip.verify(&[]).exits(4).json();
        assert_eq!(report["verification"]["unproven"], json!(["optimizer.bin"]));
    }

    fn a_good_pair_is_verified_plainly_and_deeply_and_by_id(way) {
        let trip = Trip::of_dataset(way);
        stock(&trip.source());
        let id = trip.migrate(&[]).exits(0).json()["id"].as_str().unwrap().to_owned();
        let moved = trip.destination_journal().bytes_uploaded();
        assert_eq!(trip.verify(&[]).exits(0).json()["verification"]["matched"], 11);
        let deep = trip.verify(&["--deep"]).exits(0).json();
        assert_eq!(deep["verification"]["how"], json!({ "streamed": 0, "reference": 0, "read_back": 11 }));
        trip.world.run(&["verify", &id, "--deep"]).exits(0);
        assert_eq!(trip.destination_journal().bytes_uploaded(), moved, "verify moves nothing");
        assert_eq!(trip.copy().ours().len(), 1, "verify commits nothing");
    }

    fn verify_names_what_is_missing_what_differs_and_what_is_extra(way) {
        let trip = Trip::stocked(way);
        trip.migrate(&[]).exits(0);
        trip.copy().file("notes.txt", "mine").commit();
        let extra = trip.verify(&[]).exits(0).json();
        assert_eq!(extra["verification"]["extra"], json!(["notes.txt"]));

        trip.copy().remove("vocab.txt");
        trip.copy().file("small.bin", bytes(15, 1_000)).file("config.json", "[]").commit();
        let report = trip.verify(&[]).exits(4).json();

        assert_eq!(report["verification"]["missing"], json!(["vocab.txt"]));
        assert_eq!(report["verification"]["differing"], json!(["config.json", "small.bin"]));
        assert_eq!(report["verification"]["extra"], json!(["notes.txt"]));
        assert_eq!(report["verification"]["matched"], 8);
    }

    fn verify_of_a_destination_that_is_not_there_is_an_error(way) {
        let trip = Trip::stocked(way);
        let report = trip.verify(&[]).exits(1).json();
        assert_eq!(report["error"]["kind"], "not_found");
    }
}

#[test]
fn a_modelscope_listing_without_a_digest_is_made_up_for_by_reading_back() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.copy().lists_instead("optimizer.bin", "");
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!(report["verification"]["how"], json!({ "streamed": 10, "reference": 0, "read_back": 1 }));
}

#[test]
fn a_head_that_is_late_on_hugging_face_is_waited_for() {
    let trip = Trip::stocked(Way::MsToHf);
    match trip.copy() {
        Repo::Hf(repo) => drop(repo.misbehave(|quirks| quirks.stale_infos = 2)),
        Repo::Ms(_) => unreachable!("the destination is Hugging Face"),
    }
    trip.assert_done(trip.migrate(&[]));
}
