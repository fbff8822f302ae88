//! What the services' facts leave open is a switch on the stand-in, and hf2ms takes either answer.

use std::time::Duration;

use standins::faults::{Fault, Rule};
use standins::huggingface;
use standins::modelscope::{self, CreateOnExisting, Dedup, Site};

use crate::again::idle;
use crate::commits::migrate_into_theirs;
use crate::trip::{CARD, STOCK, Trip, Way, both_ways, stock};
use crate::world::{MIB, generated};

/// A trip with the switches of ModelScope turned.
fn on_modelscope(way: Way, turn: impl FnOnce(&mut modelscope::Behaviour)) -> Trip {
    let trip = Trip::stocked(way);
    trip.world.ms.behaviour(turn);
    trip
}

/// A trip with the switches of Hugging Face turned before its files are put there, as they decide what is LFS.
fn on_hugging_face(way: Way, turn: impl FnOnce(&mut huggingface::Behaviour)) -> Trip {
    let trip = Trip::new(way);
    trip.world.hf.behaviour(turn);
    stock(&trip.source());
    trip
}

/// The same on either side, for datasets.
fn of_dataset(way: Way) -> Trip {
    let trip = Trip::of_dataset(way);
    stock(&trip.source());
    trip
}

/// Everything arrives as one commit, and a second run finds nothing to do.
#[track_caller]
fn holds(trip: &Trip) {
    trip.assert_done(trip.migrate(&[]));
    idle(trip);
}

both_ways! {
    fn a_modelscope_that_lists_by_branch_only(way) {
        let models = on_modelscope(way, |behaviour| behaviour.listing_by_commit = false);
        holds(&models);
        let datasets = of_dataset(way);
        datasets.world.ms.behaviour(|behaviour| behaviour.listing_by_commit = false);
        holds(&datasets);
    }

    fn a_modelscope_that_shows_no_history(way) {
        for trip in [Trip::stocked(way), of_dataset(way)] {
            trip.world.ms.behaviour(|behaviour| behaviour.listing_by_commit = false);
            trip.world.ms.fault(Rule::route("commits", Fault::status(404)).always());
            holds(&trip);
        }
    }

    fn a_modelscope_without_revisions_of_datasets(way) {
        let trip = of_dataset(way);
        trip.world.ms.behaviour(|behaviour| behaviour.dataset_revisions = false);
        holds(&trip);
    }

    fn a_modelscope_that_lists_no_digests(way) {
        let trip = on_modelscope(way, |behaviour| behaviour.listing_shows_sha256 = false);
        trip.assert_done(trip.migrate(&[]));
        if way == Way::MsToHf {
            trip.assert_done(trip.migrate(&[]));
            return;
        }
        idle(&trip);
    }

    fn a_modelscope_that_names_no_digests_anywhere(way) {
        let trip = on_modelscope(way, |behaviour| (behaviour.listing_shows_sha256, behaviour.cdn_names_sha256) = (false, false));
        trip.assert_done(trip.migrate(&[]));
        if way == Way::MsToHf {
            trip.assert_done(trip.migrate(&[]));
            return;
        }
        // what is small is read and recognised; what is large could be anybody's, and is not replaced unasked
        let head = trip.copy().head();
        trip.world.forget_state();
        let refused = trip.migrate(&[]).exits(3).json()["error"]["message"].to_string();
        assert!(refused.contains("3 files") && refused.contains("model-00002.safetensors"), "{refused}");
        assert_eq!(trip.copy().head(), head);
    }

    fn a_modelscope_that_sends_small_files_without_a_length(way) {
        holds(&on_modelscope(way, |behaviour| behaviour.inline_chunked = true));
    }

    fn a_modelscope_with_the_codes_of_the_international_site(way) {
        holds(&on_modelscope(way, |behaviour| behaviour.site = Site::International));
    }

    fn a_hugging_face_that_keeps_binaries_in_git(way) {
        holds(&on_hugging_face(way, |behaviour| behaviour.binary_is_lfs_from = u64::MAX));
    }

    fn a_hugging_face_that_keeps_small_binaries_in_git(way) {
        holds(&on_hugging_face(way, |behaviour| behaviour.binary_is_lfs_from = MIB));
    }

    fn a_hugging_face_with_three_entries_on_a_page(way) {
        let trip = on_hugging_face(way, |behaviour| behaviour.tree_page = 3);
        for number in 0..20 {
            trip.source().file(&format!("notes/{number}.txt"), format!("{number}").as_str());
        }
        trip.source().commit();
        holds(&trip);
    }

    fn hubs_that_are_far_away(way) {
        let trip = Trip::stocked(way);
        let latency = Duration::from_millis(30);
        trip.world.hf.dials().each(|lane| lane.set_latency(latency));
        trip.world.ms.dials().each(|lane| lane.set_latency(latency));
        holds(&trip);
    }
}

/// A change of a file that is there is refused unasked, and made with `--yes`.
fn overwrites(on_existing: CreateOnExisting) -> Trip {
    let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.create_on_existing = on_existing);
    trip.copy().file("vocab.txt", "theirs").file("optimizer.bin", generated(99, 5 * MIB)).file("README.md", CARD).commit();
    let head = trip.copy().head();
    trip.migrate(&[]).exits(3);
    assert_eq!(trip.copy().head(), head);
    assert_eq!(trip.migrate(&["--yes"]).exits(0).json()["state"], "verified");
    trip.assert_arrived();
    assert_eq!(trip.copy().ours().len(), 1);
    idle(&trip);
    trip
}

#[test]
fn a_modelscope_whose_create_replaces_a_file() {
    let trip = overwrites(CreateOnExisting::Overwrites);
    assert_eq!(trip.world.ms.journal().failed("commit"), 0);
}

#[test]
fn a_modelscope_whose_create_refuses_a_file_that_is_the_same() {
    overwrites(CreateOnExisting::RefusesIdentical);
}

#[test]
fn a_modelscope_whose_create_refuses_a_file_that_is_there() {
    let trip = overwrites(CreateOnExisting::Refuses);
    assert_eq!(trip.world.ms.journal().failed("commit"), 1, "`update` was the second word");
}

#[test]
fn a_modelscope_whose_create_refuses_its_own_card() {
    holds(&on_modelscope(Way::HfToMs, |behaviour| behaviour.create_on_existing = CreateOnExisting::Refuses));
}

#[test]
fn a_modelscope_whose_gateway_does_not_look_at_the_bytes() {
    holds(&on_modelscope(Way::HfToMs, |behaviour| behaviour.gateway_verifies_sha256 = false));
}

#[test]
fn a_gateway_that_does_not_look_is_given_no_wrong_bytes() {
    let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.gateway_verifies_sha256 = false);
    let sha256 = trip.source().files()["model-00002.safetensors"].sha256.clone();
    trip.source().serves_instead("model-00002.safetensors", generated(77, 11 * MIB + 5));
    let report = trip.migrate(&[]).exits(1).json();
    assert_eq!(report["error"]["kind"], "corrupted", "{report}");
    assert!(report["error"]["message"].as_str().unwrap().contains("model-00002.safetensors"), "{report}");
    assert!(trip.copy().ours().is_empty());
    assert!(!trip.copy().has_blob(&sha256));
}

/// A source whose small file is listed and, when it is read, said to be missing: nothing is committed.
fn loses_a_file(status: u16) {
    let said = r#"{"Code":10990101404,"Success":false,"Message":"vocab.txt does not exist"}"#;
    let trip = Trip::stocked(Way::MsToHf);
    trip.source_fault(Rule::route("download", Fault::status(status).body(said)).path("vocab.txt").always());
    let message = trip.migrate(&[]).exits(1).json()["error"]["message"].to_string();
    assert!(message.contains("vocab.txt"), "{message}");
    assert!(trip.copy().ours().is_empty());
}

#[test]
fn a_modelscope_that_says_404_for_a_missing_file() {
    loses_a_file(404);
}

#[test]
fn a_modelscope_that_says_200_for_a_missing_file() {
    loses_a_file(200);
}

#[test]
fn a_modelscope_where_uploads_start_elsewhere_gets_whole_files() {
    // without uploads that continue, an offset means nothing
    holds(&on_modelscope(Way::HfToMs, |behaviour| behaviour.upload_offset = 5));
}

#[test]
fn a_modelscope_whose_uploads_may_or_may_not_continue() {
    for resumable in [false, true] {
        let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.resumable_puts = resumable);
        trip.destination_fault(Rule::route("put", Fault::ResetUpload(2 * MIB)));
        holds(&trip);
    }
}

#[test]
fn a_modelscope_that_spares_uploads_for_one_owner() {
    for (older, sent) in [("alice/older", 0), ("bob/older", STOCK)] {
        let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.dedup = Dedup::PerOwner);
        trip.world.ms.user("bob");
        stock(&trip.copy_named(older));
        holds(&trip);
        assert_eq!(trip.destination_journal().bytes_uploaded(), sent, "{older}");
    }
}

#[test]
fn a_modelscope_that_spares_uploads_for_everybody() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.world.ms.user("bob");
    stock(&trip.copy_named("bob/older"));
    holds(&trip);
    assert_eq!(trip.destination_journal().bytes_uploaded(), 0);
}

#[test]
fn an_international_site_says_in_its_own_words_that_a_name_is_taken() {
    let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.site = Site::International);
    let report = migrate_into_theirs(&trip, Way::HfToMs, &[("theirs.txt", "theirs"), ("README.md", CARD)]).exits(0).json();
    assert_eq!(report["state"], "verified");
    assert!(trip.copy().files().contains_key("theirs.txt"));
    trip.assert_arrived();

    let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.site = Site::International);
    migrate_into_theirs(&trip, Way::HfToMs, &[("vocab.txt", "theirs")]).exits(3);
    assert!(trip.copy().ours().is_empty());
}

#[test]
fn an_international_site_with_a_repository_that_is_there() {
    let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.site = Site::International);
    trip.copy().file("theirs.txt", "theirs").commit();
    holds(&trip);
    assert!(trip.copy().files().contains_key("theirs.txt"));
}

#[test]
fn a_fresh_model_with_a_configuration() {
    for own in [false, true] {
        let trip = on_modelscope(Way::HfToMs, |behaviour| behaviour.fresh_configuration_json = true);
        if own {
            trip.source().file("configuration.json", "{\"task\":\"fill-mask\"}").commit();
        }
        holds(&trip);
        assert!(trip.copy().files().contains_key("configuration.json"));
    }
}

#[test]
fn a_fresh_dataset_with_infos() {
    for own in [false, true] {
        let trip = of_dataset(Way::HfToMs);
        trip.world.ms.behaviour(|behaviour| behaviour.fresh_dataset_infos = true);
        if own {
            trip.source().file("dataset_infos.json", "{\"default\":{}}").commit();
        }
        holds(&trip);
        assert!(trip.copy().files().contains_key("dataset_infos.json"));
    }
}

#[test]
fn a_hugging_face_that_serves_small_files_itself_or_elsewhere() {
    for redirect in [false, true] {
        let trip = on_hugging_face(Way::HfToMs, |behaviour| behaviour.small_files_redirect = redirect);
        holds(&trip);
        assert_eq!(trip.world.hf.journal().requests("resolve-cache") > 0, redirect);
    }
}

#[test]
fn a_hugging_face_that_refuses_whole_downloads_of_large_files_is_asked_for_one_range() {
    let trip = on_hugging_face(Way::HfToMs, |behaviour| behaviour.refuses_plain_above = 11 * MIB + 5);
    holds(&trip);
}

#[test]
fn a_hugging_face_that_continues_uploads_or_starts_anew() {
    for resumes in [false, true] {
        let trip = on_hugging_face(Way::MsToHf, |behaviour| behaviour.resumes_uploads = resumes);
        trip.destination_fault(Rule::route("storage.part", Fault::ResetUpload(MIB)).times(2));
        trip.assert_done_but_for_parts(trip.migrate(&[]));
        idle(&trip);
    }
}

#[test]
fn a_hugging_face_that_spares_uploads_across_repositories_or_does_not() {
    for (spares, sent) in [(false, STOCK), (true, 0)] {
        let trip = on_hugging_face(Way::MsToHf, |behaviour| behaviour.dedupes_across_repositories = spares);
        stock(&trip.copy_named("alice/older"));
        holds(&trip);
        assert_eq!(trip.destination_journal().bytes_uploaded(), sent);
    }
}
