//! Sending a whole file in one PUT: always to ModelScope, to Hugging Face where it wants no parts.

use std::time::Duration;

use standins::faults::{Fault, Rule};
use standins::modelscope::misfortunes as ms;

use super::case::{Case, LARGE, SMALL, down, either_way, on_hugging_face, on_modelscope};
use crate::world::MIB;

/// This befalls the PUT of the large file.
fn at_large(case: &Case, fault: Fault) -> Rule {
    Rule::route(case.whole(), fault).path(&case.large())
}

/// This befalls the PUT of the small blob. A refusal that comes before a large body is sent whole may be lost with the connection, and
/// then all is tried once more, after a while: for refusals without end a small one is as good.
fn at_small(case: &Case, fault: Fault) -> Rule {
    Rule::route(case.whole(), fault).path(&case.trip.source().files()[SMALL].sha256)
}

either_way! {
    fn a_put_that_is_refused_for_a_moment_is_made_again(case) {
        case.fault(at_large(case, Fault::status(500)));
        case.fault(at_large(case, Fault::HtmlError(503)).skip(1));
        case.survives();
        let dataset = case.of_dataset();
        dataset.fault(at_large(&dataset, Fault::status(502)));
        dataset.survives();
    }

    fn a_put_that_never_works_keeps_what_landed(case) {
        case.fault(at_small(case, down(503)).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_put_that_is_throttled_is_waited_for(case) {
        case.fault(at_large(case, Fault::status(429).header("retry-after", "1")));
        case.survives();
    }

    fn a_put_that_breaks_in_the_middle_starts_over(case) {
        case.fault(at_large(case, Fault::ResetUpload(5 * MIB)));
        case.survives();
    }

    fn a_put_that_breaks_before_its_first_byte_starts_over(case) {
        case.fault(at_large(case, Fault::ResetUpload(0)));
        case.survives();
    }

    fn a_put_that_stalls_for_a_moment_goes_on(case) {
        case.fault(at_large(case, Fault::StallUpload(5 * MIB, Duration::from_secs(2))));
        case.survives();
        assert_eq!(case.trip.destination_journal().puts_started(&case.large()), 1);
    }

    fn a_put_whose_answer_is_lost_is_asked_about_and_not_made_again(case) {
        case.fault(at_large(case, Fault::DropAnswer));
        case.survives();
        assert_eq!(case.trip.destination_journal().puts_started(&case.large()), 1);
    }

    fn a_put_whose_answer_comes_after_a_gateway_lost_patience_is_not_made_again(case) {
        case.fault(at_large(case, Fault::Late(504, Duration::ZERO)));
        case.survives();
        assert_eq!(case.trip.destination_journal().puts_started(&case.large()), 1);
    }

    fn a_good_answer_before_all_bytes_were_sent_is_not_believed(case) {
        let good = r#"{"Code":200,"Success":true,"Message":"success","Data":{}}"#;
        case.fault(at_large(case, Fault::status(200).body(good)));
        case.survives();
    }

    fn a_byte_that_flips_on_the_way_is_refused_and_sent_again(case) {
        case.fault(at_large(case, Fault::FlipUpload(3 * MIB)));
        // it arrives whole twice, and once as it was
        case.arrives_by(&[]);
        assert_eq!(case.trip.copy().ours().len(), 1);
    }

    fn a_byte_that_flips_unseen_by_the_storage_is_found_by_reading_back(case) {
        case.trip.world.ms.behaviour(|behaviour| behaviour.gateway_verifies_sha256 = false);
        case.trip.world.hf.behaviour(|behaviour| behaviour.storage_verifies = false);
        case.fault(at_large(case, Fault::FlipUpload(3 * MIB)));
        assert_eq!(case.trip.migrate(&[]).exits(0).json()["state"], "verified", "a listing repeats what it was told");
        let deep = case.trip.verify(&["--deep"]).exits(4).json();
        assert_eq!(deep["verification"]["differing"], serde_json::json!([LARGE]));
    }

    fn a_put_that_is_too_large_is_final_and_named(case) {
        case.fault(at_small(case, Fault::status(413)).always());
        case.fails(1);
        assert_eq!(case.trip.destination_faults().fired(), 1);
        case.then_arrives();
    }
}

on_hugging_face! {
    fn an_address_of_a_whole_put_that_has_expired_is_asked_for_anew(case) {
        case.fault(at_large(case, Fault::ExpireUrl));
        case.survives();
    }

    fn a_body_that_came_too_slowly_for_the_storage_is_sent_again(case) {
        let slow = "<Error><Code>RequestTimeout</Code><Message>Your socket connection was not read from in time</Message></Error>";
        case.fault(at_large(case, Fault::status(400).body(slow)));
        case.survives();
    }
}

on_modelscope! {
    fn bytes_that_flip_time_and_again_end_it(case) {
        case.fault(at_small(case, Fault::FlipUpload(3_000)).always());
        case.fails(1);
        assert!(!case.trip.copy().has_blob(&case.trip.source().files()[SMALL].sha256), "wrong bytes are not stored");
        case.then_arrives();
    }

    fn a_failure_in_a_200_of_a_put_is_sent_again(case) {
        case.fault(at_large(case, ms::failure_in_success()));
        case.survives();
    }

    fn failures_in_a_200_of_a_put_without_end_are_reported(case) {
        case.fault(at_small(case, ms::failure_in_success().header("retry-after", "0")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_put_without_credentials_by_the_overloaded_code_ends_at_once(case) {
        let body = r#"{"Code":10030000001,"Success":false,"Message":"user not logged in"}"#;
        case.fault(at_small(case, Fault::status(400).body(body)).always());
        case.fails(3);
        case.then_arrives();
    }

    fn a_put_that_is_asked_to_come_again_by_the_overloaded_code_comes_again(case) {
        let body = r#"{"Code":10030000001,"Success":false,"Message":"system busy, please retry"}"#;
        case.fault(at_large(case, Fault::status(400).body(body)));
        case.survives();
    }

    fn a_put_without_permission_is_named(case) {
        let body = r#"{"Code":403,"Success":false,"Message":"no write permission to repository"}"#;
        case.fault(at_small(case, Fault::status(403).body(body)).always());
        case.fails(3);
        case.then_arrives();
    }

    fn a_put_over_the_quota_ends_at_once(case) {
        case.fault(at_small(case, ms::quota()).always());
        case.fails(3);
        case.then_arrives();
    }

    fn a_put_that_is_answered_with_nothing_at_all_is_believed_and_then_looked_after(case) {
        // plain storages answer so; this one had taken nothing, which the last question before the commit finds out
        case.fault(at_small(case, Fault::status(200).body("")));
        case.survives();
    }
}
