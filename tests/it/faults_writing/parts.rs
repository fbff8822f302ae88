//! Uploads in parts, their completion and their verification: Hugging Face alone.

use std::time::Duration;

use standins::faults::{Fault, Rule};
use standins::modelscope;

use super::case::{Case, down, on_hugging_face};
use crate::world::MIB;

/// This befalls the second part of the large file.
fn second(fault: Fault) -> Rule {
    Rule::route("storage.part", fault).path("partNumber=2")
}

on_hugging_face! {
    fn a_part_that_is_refused_for_a_moment_is_sent_again_alone(case) {
        case.fault(second(Fault::status(500)));
        case.fault(second(Fault::status(503)).skip(1));
        case.survives();
        let dataset = case.of_dataset();
        dataset.fault(second(Fault::HtmlError(502)));
        dataset.survives();
    }

    fn a_part_that_never_works_ends_with_nothing_committed(case) {
        case.fault(second(down(503)).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_part_that_is_throttled_is_waited_for(case) {
        case.fault(second(Fault::status(429).header("retry-after", "1")));
        case.survives();
    }

    fn a_part_that_breaks_in_the_middle_is_sent_again_alone(case) {
        case.fault(second(Fault::ResetUpload(2 * MIB)));
        case.survives();
    }

    fn a_part_that_stalls_for_a_moment_goes_on(case) {
        case.fault(second(Fault::StallUpload(2 * MIB, Duration::from_secs(2))));
        case.survives();
    }

    fn a_part_whose_answer_is_lost_is_sent_again_alone(case) {
        case.fault(second(Fault::DropAnswer));
        case.survives_but_for_parts();
    }

    fn a_good_answer_to_a_part_before_all_bytes_were_sent_is_not_believed(case) {
        // the answer comes before the part's end: a system may take 8 MiB at once, but not what has not arrived yet
        case.trip.world.ms.dials().origin(modelscope::CDN).set_download_per_stream(4 * MIB);
        case.fault(Rule::route("storage.part", Fault::status(200).header("etag", "\"0123\"")).path("partNumber=1"));
        case.survives();
    }

    fn an_answer_to_a_part_without_its_tag_is_no_answer(case) {
        case.fault(Rule::route("storage.part", Fault::status(200)).path("partNumber=2"));
        case.survives();
    }

    fn a_part_whose_body_came_too_slowly_is_sent_again(case) {
        case.fault(second(Fault::status(400).body("<Error><Code>RequestTimeout</Code></Error>")));
        case.survives();
    }

    fn an_address_of_a_part_that_has_expired_is_asked_for_anew(case) {
        case.fault(second(Fault::ExpireUrl));
        case.survives_but_for_parts();
    }

    fn a_part_of_an_upload_that_is_gone_goes_up_by_a_new_ticket(case) {
        case.fault(second(Fault::status(404).body("<Error><Code>NoSuchUpload</Code></Error>")));
        case.survives_but_for_parts();
    }

    fn an_address_of_a_part_that_has_expired_goes_on_with_the_same_upload(case) {
        case.trip.world.hf.behaviour(|behaviour| behaviour.resumes_uploads = true);
        case.fault(second(Fault::ExpireUrl));
        case.survives();
    }

    fn a_byte_of_a_part_that_flips_on_the_way_is_found_at_the_completion(case) {
        case.fault(second(Fault::FlipUpload(MIB)));
        case.survives_but_for_parts();
    }

    fn a_completion_that_fails_for_a_moment_is_asked_for_again(case) {
        case.fault(Rule::route("lfs.complete", Fault::status(500)));
        case.fault(Rule::route("lfs.complete", Fault::HtmlError(503)).skip(1));
        case.survives_but_for_parts();
    }

    fn a_completion_that_never_works_names_its_file(case) {
        case.fault(Rule::route("lfs.complete", down(503)).always());
        case.fails(1);
        assert!(!case.trip.copy().has_blob(&case.large()));
        case.then_arrives();
    }

    fn a_completion_whose_answer_is_lost_is_asked_about(case) {
        case.fault(Rule::route("lfs.complete", Fault::DropAnswer));
        case.survives();
    }

    fn a_completion_whose_address_has_expired_is_made_by_a_new_ticket(case) {
        case.fault(Rule::route("lfs.complete", Fault::ExpireUrl));
        case.survives_but_for_parts();
    }

    fn a_completion_of_an_upload_that_is_gone_starts_the_file_over(case) {
        case.fault(Rule::route("lfs.complete", Fault::status(404)));
        case.survives_but_for_parts();
    }

    fn a_completion_that_is_throttled_is_waited_for(case) {
        case.fault(Rule::route("lfs.complete", Fault::status(429).header("retry-after", "1")));
        case.fault(Rule::route("lfs.complete", Fault::status(429)).skip(1));
        case.survives();
    }

    fn a_verification_that_fails_for_a_moment_is_asked_for_again(case) {
        case.fault(Rule::route("lfs.verify", Fault::status(500)).times(2));
        case.survives();
    }

    fn a_verification_that_never_works_names_its_file(case) {
        case.fault(Rule::route("lfs.verify", down(503)).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_verification_that_does_not_find_the_object_sends_it_again(case) {
        case.fault(Rule::route("lfs.verify", Fault::status(404)).times(1));
        case.survives_but_for_parts();
    }

    fn a_verification_that_finds_another_size_names_its_file(case) {
        case.fault(Rule::route("lfs.verify", Fault::status(422).body(r#"{"message":"The object has 5 bytes"}"#)).always());
        case.fails(1);
    }
}
