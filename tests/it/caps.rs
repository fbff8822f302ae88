//! Listings that end early, pages, and commits that a hub caps: nothing is lost to a limit, and nothing moves that could not be listed.

use std::collections::BTreeSet;

use standins::huggingface;
use standins::modelscope;

use crate::again::idle;
use crate::commits::{LOADABLE, watch};
use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::{KIB, bytes};

/// So many entries ModelScope lists of a model in one answer.
const CAP: usize = 3_000;

/// Puts so many tiny files into a folder, each of another content.
fn fill(repo: &Repo, folder: &str, count: usize) {
    for number in 0..count {
        repo.file(&format!("{folder}/{number:04}.txt"), format!("{folder} {number}\n").as_str());
    }
}

/// Whether the destination was touched.
fn is_untouched(trip: &Trip, way: Way) -> bool {
    let exists = match way {
        Way::HfToMs => trip.world.ms.repo_exists(modelscope::RepoKind::Model, "alice/bert"),
        Way::MsToHf => trip.world.hf.repo_exists(huggingface::RepoKind::Model, "alice/bert"),
    };
    !exists && trip.destination_journal().requests("commit") == 0 && trip.destination_journal().puts() == 0
}

/// Lets ModelScope give no more than so many entries on a page, which nobody asked for.
fn short_pages(trip: &Trip, limit: u64) {
    trip.world.ms.behaviour(|behaviour| behaviour.page_limit = limit);
}

both_ways! {
    fn a_model_that_one_listing_cannot_hold_arrives_folder_by_folder(way) {
        let trip = Trip::new(way);
        let source = trip.source();
        fill(&source, "a", 1_500);
        fill(&source, "b/inner", 1_500);
        fill(&source, "b/other one", 20);
        source.file("config.json", "{}").file("weights.bin", bytes(1, 100 * KIB)).commit();
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["state"], "verified");
        assert_eq!(report["verification"]["missing"].as_array().map(Vec::len), Some(0), "{}", report["verification"]);
        assert!(report["files"]["total"].as_u64().unwrap() as usize > CAP);
        trip.assert_arrived();
        idle(&trip);
    }

    fn a_folder_that_no_listing_can_hold_is_refused_before_anything_moves(way) {
        let trip = Trip::new(way);
        fill(&trip.source(), "deep/folder", CAP);
        trip.source().commit();
        let report = trip.migrate(&[]).exits(2).json();
        assert_eq!(report["error"]["kind"], "unsupported");
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains("3,000") && message.contains("deep/folder"), "{message}");
        assert!(is_untouched(&trip, way));
    }

    fn a_root_that_no_listing_can_hold_is_refused_as_well(way) {
        let trip = Trip::new(way);
        for number in 0..CAP {
            trip.source().file(&format!("{number:04}.txt"), format!("{number}").as_str());
        }
        trip.source().commit();
        let message = trip.migrate(&[]).exits(2).json()["error"]["message"].to_string();
        assert!(message.contains("3,000"), "{message}");
        assert!(is_untouched(&trip, way));
    }

    fn a_folder_just_below_the_cap_arrives(way) {
        let trip = Trip::new(way);
        fill(&trip.source(), "folder", CAP - 1);
        trip.source().commit();
        assert_eq!(trip.migrate(&[]).exits(0).json()["state"], "verified");
        trip.assert_arrived();
    }

    fn a_dataset_of_many_pages_is_read_to_its_end(way) {
        // one, exactly two pages, a bit more; the card counts, and ModelScope's own `.gitattributes` and the folder
        for count in [197, 397, 450] {
            let trip = Trip::of_dataset(way);
            fill(&trip.source(), "data", count);
            trip.source().commit();
            trip.assert_done(trip.migrate(&[]));
            idle(&trip);
        }
    }

    fn a_site_that_gives_shorter_pages_than_asked_for_loses_nothing(way) {
        // the last page is short, full, or empty
        for limit in [1, 7, 10, 50] {
            let trip = Trip::of_dataset(way);
            short_pages(&trip, limit);
            fill(&trip.source(), "data", 97);
            trip.source().commit();
            trip.assert_done(trip.migrate(&[]));
            idle(&trip);
        }
    }
}

#[test]
fn a_hub_that_takes_fewer_large_files_at_once_gets_several_commits_and_what_loads_last() {
    let trip = Trip::new(Way::MsToHf);
    trip.world.hf.behaviour(|behaviour| behaviour.lfs_files_per_commit = 5);
    let source = trip.source();
    for number in 0..12 {
        source.file(&format!("model-{number:05}.safetensors"), bytes(number, 100 * KIB));
    }
    source.file("config.json", "{}").file("model.safetensors.index.json", "{\"weight_map\":{}}").commit();
    let copy = trip.copy();
    let seen = watch(&trip, &copy);

    let report = trip.migrate(&[]).exits(0).json();

    assert_eq!(report["state"], "verified");
    trip.assert_arrived();
    assert!(copy.ours().len() > 2, "{:?}", copy.ours());
    let seen = seen.lock().unwrap();
    let early: BTreeSet<_> = LOADABLE.iter().filter(|path| seen.iter().any(|files| files.contains(**path))).collect();
    assert!(early.is_empty(), "visible before the last commit: {early:?}");
    assert!(trip.destination_journal().sent_twice().is_empty());
    drop(seen);
    idle(&trip);
}
