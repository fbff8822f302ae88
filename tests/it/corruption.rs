//! Broken connections, wrong bytes and refusals: each passes, and what is wrong is never committed.

use insta::assert_snapshot;
use standins::faults::{Fault, Rule};

use crate::trip::{Trip, Way, both_ways, stock};
use crate::world::{KIB, MIB, bytes, generated};

/// A trip of [`stock`] with one misfortune at the source that it must survive.
#[track_caller]
fn survives_source(way: Way, rule: Rule) {
    let trip = Trip::stocked(way);
    trip.source_fault(rule);
    trip.assert_done(trip.migrate(&[]));
    assert_eq!(trip.source_faults().fired(), 1, "the misfortune came");
}

/// The same at the destination.
#[track_caller]
fn survives_destination(way: Way, rule: Rule) {
    let trip = Trip::stocked(way);
    trip.destination_fault(rule);
    trip.assert_done(trip.migrate(&[]));
    assert_eq!(trip.destination_faults().fired(), 1, "the misfortune came");
}

/// A trip of one file whose bytes are wrong at the source, for good: nothing of it may be seen at the destination.
#[track_caller]
fn never_arrives(trip: &Trip, path: &str) -> String {
    let outcome = trip.world.run(&[&["migrate"], &trip.address()[..]].concat());
    assert_eq!(outcome.code, 1, "{}", outcome.shown(&trip.world));
    assert!(!trip.copy().has_blob(&trip.source().files()[path].sha256), "the blob was completed");
    assert!(!trip.copy().files().contains_key(path));
    assert!(trip.copy().ours().is_empty(), "{:?}", trip.copy().ours());
    let moved = |line: &str| match line.split_once(" moved, ") {
        // how much of a broken try was under way depends on the machine
        Some((_, rest)) => format!("bytes   [MOVED] moved, {rest}"),
        None => line.to_owned(),
    };
    outcome.shown(&trip.world).lines().map(moved).collect::<Vec<_>>().join("\n")
}

/// The next 429 that asks for a second.
fn throttled() -> Fault {
    Fault::status(429).header("retry-after", "1")
}

both_ways! {
    fn one_flipped_byte_of_a_large_file_is_noticed_and_read_again(way) {
        let trip = Trip::stocked(way);
        trip.source_fault(Rule::route(way.large(), Fault::FlipByte(1_000)));
        trip.assert_done_but_for_parts(trip.migrate(&[]));
        assert_eq!(trip.source_faults().fired(), 1);
    }

    fn one_flipped_byte_in_the_last_part_is_noticed_and_read_again(way) {
        let trip = Trip::new(way);
        let file = generated(21, 20 * MIB + 3);
        trip.source().file("model.bin", file.clone()).commit();
        // Hugging Face is read in one stream, ModelScope by the parts of the upload
        let (skip, at) = if way == Way::HfToMs { (0, file.len() - 1) } else { (2, 4 * MIB) };
        trip.source_fault(Rule::route(way.large(), Fault::FlipByte(at)).skip(skip));
        trip.assert_done_but_for_parts(trip.migrate(&[]));
        assert_eq!(trip.source_faults().fired(), 1);
    }

    fn one_flipped_byte_of_a_small_file_is_noticed_and_read_again(way) {
        survives_source(way, Rule::route(way.small(), Fault::FlipByte(1)).path("vocab.txt"));
    }

    fn one_flipped_byte_of_the_card_is_noticed_and_read_again(way) {
        // it is read to plan, and again to carry
        for reading in 0..2 {
            survives_source(way, Rule::route(way.small(), Fault::FlipByte(1)).path("README.md").skip(reading));
        }
    }

    fn one_flipped_byte_of_a_small_blob_is_noticed_and_read_again(way) {
        let trip = Trip::stocked(way);
        let sha256 = trip.source().files()["small.bin"].sha256.clone();
        trip.source_fault(Rule::route(way.large(), Fault::FlipByte(100)).path(way.blob_path(&sha256)));
        trip.assert_done(trip.migrate(&[]));
        assert_eq!(trip.source_faults().fired(), 1);
    }

    fn a_reset_in_the_middle_of_a_download_is_continued(way) {
        let trip = Trip::new(way);
        trip.world.hf.behaviour(|behaviour| behaviour.part_size = 64 * MIB);
        trip.source().file("model.safetensors", generated(22, 60 * MIB)).commit();
        trip.source_fault(Rule::route(way.large(), Fault::ResetDownload(50 * MIB)));
        trip.assert_done(trip.migrate(&[]));
        let journal = if way == Way::HfToMs { trip.world.hf.journal() } else { trip.world.ms.journal() };
        // what lay in the buffers of the broken connection is lost
        assert!(journal.bytes_downloaded() < 80 * MIB, "it went on where it was: {}", journal.bytes_downloaded());
    }

    fn a_download_that_ends_early_is_continued(way) {
        survives_source(way, Rule::route(way.large(), Fault::Truncate(2 * MIB + 7)));
    }

    fn a_download_that_promises_less_than_the_file_is_not_taken_for_it(way) {
        survives_source(way, Rule::route(way.large(), Fault::ShortLength(MIB)));
    }

    fn a_download_that_is_longer_than_the_file_is_not_taken_for_it(way) {
        survives_source(way, Rule::route(way.large(), Fault::OverLong(100)));
    }

    fn a_small_file_that_comes_too_long_is_not_taken_for_it(way) {
        survives_source(way, Rule::route(way.small(), Fault::OverLong(10)).path("vocab.txt"));
    }

    fn a_page_instead_of_a_large_file_is_not_taken_for_it(way) {
        survives_source(way, Rule::route(way.large(), Fault::HtmlError(200)));
    }

    fn a_page_instead_of_a_small_file_is_not_taken_for_it(way) {
        survives_source(way, Rule::route(way.small(), Fault::HtmlError(200)).path("vocab.txt"));
    }

    fn an_error_page_instead_of_a_file_is_asked_past(way) {
        survives_source(way, Rule::route(way.large(), Fault::HtmlError(502)));
    }

    fn an_error_page_instead_of_a_listing_is_asked_past(way) {
        survives_source(way, Rule::route(way.listing(), Fault::HtmlError(502)));
    }

    fn a_range_that_is_ignored_when_a_download_goes_on_is_skipped_over(way) {
        let trip = Trip::stocked(way);
        let sha256 = trip.source().files()["model-00002.safetensors"].sha256.clone();
        let of_one = |fault| Rule::route(way.large(), fault).path(way.blob_path(&sha256));
        trip.source_fault(of_one(Fault::ResetDownload(MIB)));
        trip.source_fault(of_one(Fault::IgnoreRange).skip(1).always());
        trip.assert_done(trip.migrate(&[]));
        assert!(trip.source_faults().fired() >= 2);
    }

    fn an_address_that_has_expired_is_asked_for_anew(way) {
        survives_source(way, Rule::route(way.large(), Fault::ExpireUrl));
    }

    fn a_reset_in_the_middle_of_an_upload_is_sent_again(way) {
        survives_destination(way, Rule::route(way.put(), Fault::ResetUpload(2 * MIB)));
    }

    fn a_server_error_on_an_upload_is_sent_again(way) {
        survives_destination(way, Rule::route(way.put(), Fault::status(500)));
    }

    fn an_upload_whose_answer_was_lost_is_not_sent_again_needlessly(way) {
        let trip = Trip::stocked(way);
        trip.destination_fault(Rule::route(way.put(), Fault::DropAnswer));
        // a part whose tag was lost has to go again, a whole blob that landed has not
        trip.assert_done_but_for_parts(trip.migrate(&[]));
    }

    fn a_commit_that_the_service_could_not_make_is_made_again(way) {
        survives_destination(way, Rule::route("commit", Fault::status(503)));
    }

    fn a_commit_whose_answer_was_lost_is_found_and_not_made_again(way) {
        let trip = Trip::stocked(way);
        trip.destination_fault(Rule::route("commit", Fault::DropAnswer));
        trip.assert_done(trip.migrate(&[]));
        assert_eq!(trip.destination_journal().requests("commit"), 1);
    }

    fn a_commit_that_broke_off_while_it_was_sent_is_made_again(way) {
        let trip = Trip::stocked(way);
        trip.source().file("long.txt", "a long text\n".repeat(5_000).as_str()).commit();
        trip.destination_fault(Rule::route("commit", Fault::ResetUpload(10_000)));
        trip.assert_done(trip.migrate(&[]));
        assert_eq!(trip.destination_faults().fired(), 1);
    }

    fn a_listing_that_is_throttled_is_waited_for(way) {
        survives_source(way, Rule::route(way.listing(), throttled()));
    }

    fn a_negotiation_that_is_throttled_is_waited_for(way) {
        survives_destination(way, Rule::route(way.batch(), throttled()));
    }

    fn a_commit_that_is_throttled_is_waited_for(way) {
        survives_destination(way, Rule::route("commit", throttled()));
    }

    fn a_creation_whose_answer_was_lost_is_looked_into(way) {
        let rule = if way == Way::HfToMs { Rule::route("create", Fault::DropAnswer) } else { Rule::route("repo.create", Fault::DropAnswer) };
        survives_destination(way, rule);
    }

    fn wrong_bytes_of_a_dataset_are_not_committed_either(way) {
        let trip = Trip::of_dataset(way);
        stock(&trip.source());
        trip.source_fault(Rule::route(way.large(), Fault::FlipByte(5)).always());
        trip.migrate(&[]).exits(1);
        assert!(trip.copy().ours().is_empty());
        for file in trip.source().files().values().filter(|file| file.lfs) {
            assert!(!trip.copy().has_blob(&file.sha256));
        }
    }
}

#[test]
fn a_stream_of_wrong_bytes_is_never_completed_on_modelscope() {
    let trip = Trip::new(Way::HfToMs);
    trip.source().file("model.safetensors", generated(31, 5 * MIB)).commit();
    trip.source_fault(Rule::route("cdn", Fault::FlipByte(1_000)).always());
    assert_snapshot!(never_arrives(&trip, "model.safetensors"));
}

#[test]
fn parts_of_wrong_bytes_are_never_completed_on_hugging_face() {
    let trip = Trip::new(Way::MsToHf);
    trip.source().file("model.safetensors", generated(32, 20 * MIB)).commit();
    trip.source_fault(Rule::route("object", Fault::FlipByte(1_000)).always());
    assert_snapshot!(never_arrives(&trip, "model.safetensors"));
    assert_eq!(trip.destination_journal().requests("lfs.complete"), 0);
}

#[test]
fn a_single_put_of_wrong_bytes_is_never_completed_on_hugging_face() {
    let trip = Trip::new(Way::MsToHf);
    trip.world.hf.behaviour(|behaviour| behaviour.multipart_above = 64 * MIB);
    trip.source().file("model.safetensors", generated(33, 12 * MIB)).commit();
    trip.source_fault(Rule::route("object", Fault::FlipByte(12 * MIB - 1)).always());
    never_arrives(&trip, "model.safetensors");
}

#[test]
fn a_large_file_goes_to_hugging_face_in_one_put_where_the_hub_wants_it() {
    let trip = Trip::stocked(Way::MsToHf);
    trip.world.hf.behaviour(|behaviour| behaviour.multipart_above = 64 * MIB);
    trip.destination_fault(Rule::route("storage.put", Fault::ResetUpload(3 * MIB)));
    trip.assert_done(trip.migrate(&[]));
    assert_eq!(trip.destination_journal().requests("storage.part"), 0);
}

#[test]
fn a_small_file_of_wrong_bytes_is_never_committed_to_modelscope() {
    let trip = Trip::new(Way::HfToMs);
    trip.source().file("vocab.txt", "a\nb\n").commit();
    trip.source_fault(Rule::route("resolve-cache", Fault::FlipByte(0)).path("vocab.txt").always());
    assert_snapshot!(never_arrives(&trip, "vocab.txt"));
}

#[test]
fn a_small_file_of_wrong_bytes_is_never_committed_to_hugging_face() {
    let trip = Trip::new(Way::MsToHf);
    trip.source().file("vocab.txt", "a\nb\n").commit();
    trip.source_fault(Rule::route("download", Fault::FlipByte(0)).path("vocab.txt").always());
    assert_snapshot!(never_arrives(&trip, "vocab.txt"));
}

#[test]
fn a_plain_text_over_ten_megabytes_is_held_to_its_git_digest() {
    let trip = Trip::new(Way::HfToMs);
    trip.source().regular_file("a.txt", "0123456789+".repeat(950_000).as_str()).commit();
    trip.source_fault(Rule::route("resolve-cache", Fault::FlipByte(0)).path("a.txt").always());
    never_arrives(&trip, "a.txt");
}

#[test]
fn a_lost_answer_of_a_completion_is_asked_about_and_nothing_is_sent_again() {
    let trip = Trip::stocked(Way::MsToHf);
    trip.destination_fault(Rule::route("lfs.complete", Fault::DropAnswer));
    trip.assert_done(trip.migrate(&[]));
    assert_eq!(trip.destination_faults().fired(), 1);
}

#[test]
fn a_completion_that_the_service_could_not_do_is_done_over() {
    let trip = Trip::stocked(Way::MsToHf);
    trip.destination_fault(Rule::route("lfs.complete", Fault::status(503)));
    trip.assert_done(trip.migrate(&[]));
}

#[test]
fn a_verification_of_an_upload_that_failed_once_is_repeated() {
    survives_destination(Way::MsToHf, Rule::route("lfs.verify", Fault::status(500)));
}

#[test]
fn a_part_whose_address_has_expired_goes_by_a_new_ticket() {
    let trip = Trip::stocked(Way::MsToHf);
    trip.destination_fault(Rule::route("storage.part", Fault::ExpireUrl).path("partNumber=2"));
    trip.assert_done_but_for_parts(trip.migrate(&[]));
}

#[test]
fn a_part_whose_address_has_expired_goes_alone_where_the_new_ticket_names_the_same_upload() {
    let trip = Trip::stocked(Way::MsToHf);
    trip.world.hf.behaviour(|behaviour| behaviour.resumes_uploads = true);
    trip.destination_fault(Rule::route("storage.part", Fault::ExpireUrl).path("partNumber=2"));
    trip.assert_done(trip.migrate(&[]));
}

#[test]
fn an_address_that_has_expired_is_not_shown_again_by_other_parts() {
    let trip = Trip::new(Way::MsToHf);
    trip.source().file("model.safetensors", generated(41, 200 * MIB)).commit();
    // more parts than are in flight at once, so that later ones start from the address that earlier ones found
    trip.source_fault(Rule::route("object", Fault::ExpireUrl).skip(16));
    trip.assert_done(trip.migrate(&[]));
    assert_eq!(trip.source_faults().fired(), 1);
}

#[test]
fn many_misfortunes_at_once_are_survived() {
    for way in [Way::HfToMs, Way::MsToHf] {
        let trip = Trip::stocked(way);
        trip.source().file("more.bin", bytes(51, 700 * KIB)).file("model-00003.safetensors", generated(52, 17 * MIB)).commit();
        for (skip, fault) in
            [Fault::ResetDownload(MIB), Fault::FlipByte(9), Fault::ExpireUrl, Fault::HtmlError(503)].into_iter().enumerate()
        {
            trip.source_fault(Rule::route(way.large(), fault).skip(2 * skip as u64));
        }
        trip.destination_fault(Rule::route(way.put(), Fault::status(500)).skip(1));
        trip.destination_fault(Rule::route(way.put(), Fault::ResetUpload(MIB)).skip(3));
        trip.destination_fault(Rule::route("commit", Fault::DropAnswer));
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["state"], "verified");
        trip.assert_arrived();
        assert_eq!(trip.copy().ours().len(), 1);
    }
}
