//! Datasets: images by the ten thousand, what a viewer reads of a card, and a hub that takes commits slowly.

use std::time::Duration;

use standins::modelscope::{Throttle, Throttled};

use crate::again::idle;
use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::{KIB, bytes};

/// A card as datasets have them: what the viewer shows, how the parts are made up, how large they are. Not one byte of it is ours to change.
const CONFIGS: &str = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: \"data/train-*\"\n  - split: test\n    path: data/test-*\n\
    dataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': cat\n          '1': \"dog\"\n\
    \x20 splits:\n  - name: train\n    num_bytes: 123456789\n    num_examples: 30000\n  download_size: 5\n  dataset_size: 6\n";

const INFOS: &str =
    "{\"default\": {\"description\": \"\", \"features\": {\"label\": {\"names\": [\"cat\", \"dog\"], \"_type\": \"ClassLabel\"}}}}";

fn card(licence: &str) -> String {
    format!("---\n{licence}pretty_name: 'Cats & dogs'\n{CONFIGS}---\n\n# Pictures\n\nlicense: Apache License 2.0\n")
}

/// ModelScope as the destination of a trip, committed to so seldom.
fn throttled(trip: &Trip, throttle: Throttle) {
    trip.world.ms.behaviour(|behaviour| behaviour.commit_throttle = Some(throttle));
}

/// So many pictures, most of which travel inside commits, some of which are blobs.
fn put_pictures(repo: &Repo, count: u64) {
    for number in 0..count {
        let size = if number % 50 == 7 { 66 * KIB + number % 100 } else { 300 + number % 1_000 };
        let path = format!("images/{:03}/{number:05}.jpg", number / 1_000);
        // the stand-in decides by name as the hub does: pictures are LFS files on Hugging Face
        repo.file(&path, bytes(number, size));
    }
    for shard in 0..8 {
        repo.file(&format!("data/train-{shard:05}-of-00008.parquet"), bytes(100_000 + shard, 200 * KIB));
    }
    repo.file("README.md", card("license: mit\n").as_str()).file("dataset_infos.json", INFOS).commit();
}

#[test]
fn thirty_thousand_pictures_reach_a_modelscope_that_throttles_commits() {
    let mut trip = Trip::of_dataset(Way::HfToMs);
    // an account that may download as much as it likes: what is looked at here is the other side
    trip.world.hf.behaviour(|behaviour| (behaviour.resolve_quota, behaviour.api_quota) = (200_000, 200_000));
    let throttle = Throttle { commits: 1, window: Duration::from_secs(3), answer: Throttled::Told };
    throttled(&trip, throttle);
    put_pictures(&trip.source(), 30_000);
    trip.world.set("HF2MS_COMMIT_GAP", "3");

    let plan = trip.world.run(&["plan", "hf:alice/bert", "--json"]).exits(0).json();
    let estimate = &plan["estimate"];
    assert_eq!(estimate["uploads"], 608);
    let child = trip.world.command(&["migrate", "hf:alice/bert", "--json"]).spawn().unwrap();
    let report = trip.world.finish_within(child, Duration::from_secs(1_500)).exits(0).json();

    assert_eq!((&report["state"], &report["files"]["total"]), (&"verified".into(), &30_010.into()));
    trip.assert_identical();
    let journal = trip.destination_journal();
    assert!(journal.sent_twice().is_empty());
    assert_eq!(journal.puts(), 608, "each blob once");
    // within the limit: not one commit was refused, and what the throttle makes so many take is what the plan said
    let commits = trip.copy().ours().len() as u64;
    assert_eq!((journal.failed("commit"), journal.requests("commit")), (0, commits));
    let (said, takes) = (estimate["commit_seconds"].as_f64().unwrap(), throttle.takes(commits).as_secs_f64());
    eprintln!("{commits} commits, planned {}: {said} s planned, {takes} s at the throttle", estimate["commits"]);
    assert!((said - takes).abs() <= takes * 0.2, "{said} s planned, {takes} s at the throttle");
}

#[test]
fn a_throttle_that_nobody_knew_is_found_out_and_kept_to() {
    for answer in [Throttled::Told, Throttled::TooManyRequests(None), Throttled::Policy] {
        let mut trip = Trip::of_dataset(Way::HfToMs);
        throttled(&trip, Throttle { commits: 1, window: Duration::from_secs(2), answer });
        // the hub takes few files at once here, so that there are many commits
        trip.world.ms.behaviour(|behaviour| behaviour.policy_above = 300);
        trip.world.set("HF2MS_COMMIT_GAP", "0.3");
        for number in 0..1_500 {
            trip.source().file(&format!("text/{number:04}.txt"), format!("{number}").as_str());
        }
        trip.source().commit();
        trip.migrate(&[]).exits(0);
        trip.assert_arrived();
        assert!(trip.destination_journal().sent_twice().is_empty());
        let commits = trip.copy().ours().len();
        eprintln!("{answer:?}: {commits} commits, {} refused", trip.destination_journal().failed("commit"));
        assert!((5..=8).contains(&commits), "{commits}");
    }
}

both_ways! {
    fn what_a_viewer_reads_of_a_dataset_arrives_byte_for_byte(way) {
        for fresh in [false, true] {
            let trip = Trip::of_dataset(way);
            // the hub puts one of its own into a new repository, perhaps
            trip.world.ms.behaviour(|behaviour| behaviour.fresh_dataset_infos = fresh);
            let card = card("license: apache-2.0\n");
            trip.source().file("README.md", card.as_str()).file("dataset_infos.json", INFOS).file("data/train-0.parquet", bytes(1, 100 * KIB)).commit();
            let report = trip.assert_done(trip.migrate(&[]));
            let changes = report["changes"].to_string();
            assert!(!changes.contains("README"), "{changes}");
            assert_eq!(trip.copy().content("README.md").unwrap().to_bytes(), card);
            assert_eq!(trip.copy().content("dataset_infos.json").unwrap().to_bytes(), INFOS);
            idle(&trip);
        }
    }
}

#[test]
fn of_a_card_that_must_change_the_licence_changes_and_no_other_line() {
    let trip = Trip::of_dataset(Way::MsToHf);
    let before = card("license: Apache License 2.0\n");
    trip.source().file("README.md", before.as_str()).file("dataset_infos.json", INFOS).commit();
    let report = trip.migrate(&[]).exits(0).json();
    let after = String::from_utf8(trip.copy().content("README.md").unwrap().to_bytes().to_vec()).unwrap();
    let differing: Vec<_> = before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
    assert_eq!(differing, [("license: Apache License 2.0", "license: apache-2.0")]);
    assert_eq!(before.len() - after.len(), "Apache License 2.0".len() - "apache-2.0".len());
    assert_eq!(trip.copy().content("dataset_infos.json").unwrap().to_bytes(), INFOS);
    assert_eq!(report["changes"].as_array().unwrap().iter().filter(|line| line.as_str().unwrap().starts_with("README.md")).count(), 1);
}
