//! Downloads that break off, stall, lie about what they are, or bring something else: healed where they stopped, or refused before anything
//! of them is seen.

use std::time::Duration;

use standins::faults::{Fault, Rule};

use super::{LARGE, SIZE, Way, arrives_after_all, arrives_once, arrives_with_words, datasets, fails, large, models, small, snapshot};
use crate::trip::{Repo, both_ways};
use crate::world::MIB;

/// In the middle of the large file, and of either part in which it goes to Hugging Face.
const MIDDLE: u64 = 3 * MIB;
/// Longer than anybody waits: without another request such a download never ends.
const SILENCE: Duration = Duration::from_secs(600);

/// A trip whose one misfortune befalls the large file's bytes.
fn once(way: Way, fault: Fault) -> crate::trip::Trip {
    let trip = models(way);
    trip.source_fault(large(way, fault));
    trip
}

/// The same for a small file.
fn once_small(way: Way, fault: Fault) -> crate::trip::Trip {
    let trip = models(way);
    trip.source_fault(small(way, fault));
    trip
}

/// A misfortune that befalls the large file's bytes for ever.
fn for_ever(way: Way, fault: &Fault) {
    fails(1, || {
        let trip = models(way);
        trip.source_fault(large(way, fault.clone()).always());
        trip
    });
}

/// The same for a small file.
fn for_ever_small(way: Way, fault: &Fault) {
    fails(1, || {
        let trip = models(way);
        trip.source_fault(small(way, fault.clone()).always());
        trip
    });
}

both_ways! {
    fn a_reset_is_gone_on_from(way) {
        arrives_once(&once(way, Fault::ResetDownload(MIDDLE)));
    }

    fn a_line_that_breaks_every_few_megabytes_is_gone_on_with(way) {
        let trip = datasets(way);
        trip.source_fault(large(way, Fault::ResetDownload(3 * MIB)).always());
        arrives_once(&trip);
    }

    fn a_body_that_ends_early_is_gone_on_from(way) {
        arrives_once(&once(way, Fault::Truncate(MIDDLE)));
    }

    fn a_body_that_goes_silent_is_given_up_and_gone_on_from(way) {
        let mut trip = once(way, Fault::StallDownload(MIDDLE, SILENCE));
        trip.world.set("HF2MS_IDLE_TIMEOUT", "1");
        arrives_once(&trip);
    }

    fn a_short_silence_is_waited_out(way) {
        arrives_once(&once(way, Fault::StallDownload(MIDDLE, Duration::from_secs(1))));
    }

    fn a_storage_that_does_not_begin_to_answer_is_asked_again(way) {
        let mut trip = once(way, Fault::Delay(SILENCE));
        trip.world.set("HF2MS_IDLE_TIMEOUT", "1");
        arrives_once(&trip);
    }

    fn a_hub_that_does_not_begin_to_answer_a_download_is_asked_again(way) {
        let mut trip = models(way);
        trip.source_fault(Rule::route(way.resolve(), Fault::Delay(SILENCE)).path(LARGE));
        trip.world.set("HF2MS_IDLE_TIMEOUT", "1");
        arrives_once(&trip);
    }

    fn a_small_file_that_goes_silent_is_read_again(way) {
        let mut trip = once_small(way, Fault::StallDownload(1, SILENCE));
        trip.world.set("HF2MS_IDLE_TIMEOUT", "1");
        arrives_once(&trip);
    }

    fn a_small_file_that_breaks_off_is_read_again(way) {
        arrives_once(&once_small(way, Fault::ResetDownload(2)));
    }

    fn a_body_that_is_too_long_is_not_taken(way) {
        arrives_after_all(&once(way, Fault::OverLong(100)));
    }

    fn a_small_file_that_is_always_too_long_is_refused(way) {
        for_ever_small(way, &Fault::OverLong(10));
    }

    fn a_body_that_promises_too_little_is_not_taken(way) {
        arrives_once(&once(way, Fault::ShortLength(MIB)));
    }

    fn a_body_of_nothing_is_not_taken(way) {
        arrives_once(&once(way, Fault::ShortLength(0)));
    }

    fn a_small_file_that_is_always_too_short_is_refused(way) {
        for_ever_small(way, &Fault::ShortLength(2));
    }

    fn a_flipped_byte_is_found_and_the_file_read_again(way) {
        arrives_after_all(&once(way, Fault::FlipByte(1_000)));
    }

    fn bytes_that_are_always_wrong_are_refused(way) {
        for_ever(way, &Fault::FlipByte(1_000));
    }

    fn a_page_in_place_of_a_file_is_not_taken(way) {
        arrives_after_all(&once(way, Fault::HtmlError(200)));
    }

    fn a_page_in_place_of_a_file_for_ever_is_refused(way) {
        for_ever(way, &Fault::HtmlError(200));
    }

    fn a_page_in_place_of_a_small_file_for_ever_is_refused(way) {
        for_ever_small(way, &Fault::HtmlError(200));
    }

    fn a_page_as_long_as_the_file_is_not_taken(way) {
        arrives_after_all(&once(way, Fault::PageOfSameLength));
    }

    fn a_page_as_long_as_the_file_for_ever_is_refused(way) {
        for_ever(way, &Fault::PageOfSameLength);
    }

    fn a_page_as_long_as_a_small_file_is_not_taken(way) {
        arrives_once(&once_small(way, Fault::PageOfSameLength));
    }

    fn other_bytes_of_the_right_size_for_ever_are_refused(way) {
        fails(1, || {
            let trip = models(way);
            trip.source().serves_instead(LARGE, crate::world::generated(62, SIZE));
            trip
        });
    }

    fn an_address_that_has_expired_before_its_first_use_is_asked_for_anew(way) {
        arrives_once(&once(way, Fault::ExpireUrl));
    }

    fn an_address_that_has_expired_when_a_download_goes_on_is_asked_for_anew(way) {
        let trip = once(way, Fault::ResetDownload(MIDDLE));
        // to Hugging Face two parts are read at once
        trip.source_fault(large(way, Fault::ExpireUrl).skip(if way == Way::HfToMs { 1 } else { 2 }));
        arrives_once(&trip);
    }

    fn a_file_that_is_shorter_in_the_storage_than_in_the_listing_is_refused(way) {
        for_ever(way, &Fault::status(416));
    }

    fn a_range_that_is_ignored_when_a_download_goes_on_is_skipped_over(way) {
        let trip = once(way, Fault::ResetDownload(MIDDLE));
        trip.source_fault(large(way, Fault::IgnoreRange).skip(1).always());
        arrives_once(&trip);
    }

    fn another_range_than_was_asked_for_is_not_taken(way) {
        let trip = once(way, Fault::ResetDownload(MIDDLE));
        trip.source_fault(large(way, Fault::Header("content-range", "bytes 0-9/12582912".to_owned())).skip(if way == Way::HfToMs { 1 } else { 2 }));
        arrives_once(&trip);
    }

    fn a_range_of_a_file_of_another_size_is_not_taken(way) {
        let trip = once(way, Fault::ResetDownload(MIDDLE));
        let other = Fault::Header("content-range", "bytes 0-9/4711".to_owned());
        trip.source_fault(large(way, other).skip(if way == Way::HfToMs { 1 } else { 2 }));
        arrives_once(&trip);
    }

    fn a_file_that_changes_while_it_is_read_is_read_from_the_start(way) {
        let trip = once(way, Fault::ResetDownload(MIDDLE));
        let (route, skip) = if way == Way::HfToMs { ("resolve", 1) } else { ("object", 2) };
        let other = Fault::Header("x-linked-etag", format!("\"{}\"", "b".repeat(64)));
        let rule = Rule::route(route, other).skip(skip);
        trip.source_fault(if way == Way::HfToMs { rule.path(LARGE) } else { rule });
        arrives_with_words(&trip);
    }

    fn a_listed_file_that_is_not_there_is_named(way) {
        fails(1, || {
            let trip = models(way);
            let body = format!(r#"{{"Code":10990101404,"Success":false,"Message":"{LARGE} does not exist","RequestId":"0123456789abcdef0123456789abcdef"}}"#);
            let fault = Fault::status(404).header("x-error-code", "EntryNotFound").body(&body);
            trip.source_fault(Rule::route(way.resolve(), fault).path(LARGE).always());
            trip
        });
    }
}

/// Parts are ranges from their first byte on.
#[test]
fn another_range_than_was_asked_for_for_ever_is_refused() {
    for_ever(Way::MsToHf, &Fault::Header("content-range", "bytes 77-99/12582912".to_owned()));
}

#[test]
fn another_range_for_ever_is_what_is_said_although_a_connection_broke_before() {
    let error = fails(1, || {
        let trip = once(Way::HfToMs, Fault::ResetDownload(MIDDLE));
        trip.source_fault(large(Way::HfToMs, Fault::Header("content-range", "bytes 77-99/12582912".to_owned())).skip(1).always());
        trip
    });
    assert_eq!(error["kind"], "corrupted", "{error}");
}

#[test]
fn a_listed_file_that_modelscope_denies_in_a_success_is_named() {
    fails(1, || {
        let trip = models(Way::MsToHf);
        let body =
            r#"{"Code":10990101404,"Success":false,"Message":"vocab.txt does not exist","RequestId":"0123456789abcdef0123456789abcdef"}"#;
        trip.source_fault(small(Way::MsToHf, Fault::status(200).body(body)).always());
        trip
    });
}

#[test]
fn a_storage_that_refuses_every_address_is_given_up() {
    for_ever(Way::MsToHf, &Fault::HtmlError(403));
}

#[test]
fn a_storage_that_has_lost_the_file_is_given_up() {
    for_ever(Way::HfToMs, &Fault::status(404).header("x-amz-request-id", "0123456789abcdef"));
}

#[test]
fn a_file_under_review_on_modelscope_says_what_it_waits_for() {
    fails(3, || {
        let trip = models(Way::MsToHf);
        let Repo::Ms(repo) = trip.source() else { panic!("the source is ModelScope") };
        repo.misbehave(|quirks| quirks.in_check.push(LARGE.to_owned()));
        trip
    });
}

#[test]
fn a_large_file_that_is_not_given_whole_comes_as_one_range() {
    let trip = models(Way::HfToMs);
    trip.world.hf.behaviour(|behaviour| behaviour.refuses_plain_above = MIB);
    trip.source_fault(Rule::route("cdn", Fault::ResetDownload(MIDDLE)));
    arrives_once(&trip);
}

#[test]
fn a_large_file_that_is_for_xet_alone_says_so() {
    let words = "The file is too large to be downloaded using the regular download method. Use hf_xet.";
    fails(1, || {
        let trip = models(Way::HfToMs);
        trip.source_fault(Rule::route("resolve", Fault::status(403).header("x-error-message", words)).path(LARGE).always());
        trip
    });
}

#[test]
fn a_time_of_silence_that_is_none_is_refused() {
    let mut trip = models(Way::HfToMs);
    trip.world.set("HF2MS_IDLE_TIMEOUT", "0");
    snapshot(&trip.world.run(&["migrate", "hf:alice/bert"]).exits(2).shown(&trip.world));
}
