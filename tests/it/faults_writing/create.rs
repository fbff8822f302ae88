//! Creating the destination.

use standins::faults::{Fault, Rule};
use standins::huggingface::misfortunes as hf;
use standins::modelscope::misfortunes as ms;

use super::case::{Case, down, either_way, on_hugging_face, on_modelscope};
use crate::trip::Way;

either_way! {
    fn a_creation_that_fails_for_a_moment_is_asked_for_again(case) {
        case.fault(Rule::route(case.create(), Fault::status(500)));
        case.fault(Rule::route(case.create(), Fault::HtmlError(503)).skip(1));
        case.survives();
        let dataset = case.of_dataset();
        dataset.fault(Rule::route(case.create(), Fault::status(503)));
        dataset.survives();
    }

    fn a_creation_that_never_works_ends_with_nothing_made(case) {
        case.fault(Rule::route(case.create(), down(503)).always());
        case.fails(1);
        assert!(!case.exists());
        case.then_arrives();
    }

    fn a_creation_that_is_throttled_is_waited_for(case) {
        case.fault(Rule::route(case.create(), Fault::status(429).header("retry-after", "1")));
        case.survives();
    }

    fn a_creation_that_is_throttled_for_long_ends_at_once(case) {
        case.fault(Rule::route(case.create(), Fault::status(429).header("retry-after", "7200")).always());
        case.fails(1);
    }

    fn a_creation_whose_answer_is_lost_is_not_made_twice(case) {
        case.fault(Rule::route(case.create(), Fault::DropAnswer));
        case.survives();
    }

    fn a_creation_that_happens_after_its_timeout_is_found(case) {
        case.fault(Rule::route(case.create(), Fault::Late(504, std::time::Duration::from_millis(100))));
        case.survives();
    }

    fn a_name_that_is_taken_by_something_nobody_sees_is_refused(case) {
        let taken = r#"{"Code":10010101001,"Success":false,"Message":"该名称已被注册使用，请重新命名"}"#;
        let fault = match case.way {
            Way::HfToMs => Fault::status(400).body(taken),
            Way::MsToHf => Fault::status(409).body(r#"{"error":"You already created this model repo"}"#),
        };
        case.fault(Rule::route(case.create(), fault).always());
        case.fails(3);
        assert!(!case.exists());
    }
}

on_hugging_face! {
    fn a_creation_beside_another_of_the_account_is_asked_for_again(case) {
        case.fault(Rule::route("repo.create", hf::conflicting_operation()).times(2));
        case.survives();
    }

    fn a_creation_over_the_quota_of_the_window_waits_for_its_end(case) {
        case.fault(Rule::route("repo.create", hf::quota_used_up(1)));
        case.survives();
    }

    fn a_creation_over_another_limit_waits_as_it_says(case) {
        case.fault(Rule::route("repo.create", hf::other_limit(Some(1))));
        case.fault(Rule::route("repo.create", hf::other_limit(None)).skip(1));
        case.survives();
    }

    fn a_creation_by_an_account_whose_storage_is_full_ends_at_once(case) {
        case.trip.source();
        case.fault(Rule::route("repo.create", hf::private_storage_full()).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("repo.create"), 1);
    }

    fn a_repository_that_the_hub_made_private_against_the_request_is_named(case) {
        case.trip.world.hf.behaviour(|behaviour| behaviour.creates_private = true);
        case.survives();
    }
}

on_modelscope! {
    fn a_failure_in_a_200_of_a_creation_is_asked_for_again(case) {
        case.fault(Rule::route("create", ms::failure_in_success()));
        case.survives();
    }

    fn failures_in_a_200_of_a_creation_without_end_are_reported(case) {
        case.fault(Rule::route("create", ms::failure_in_success().header("retry-after", "0")).always());
        case.fails(1);
        assert!(!case.exists());
    }

    fn a_creation_that_is_asked_to_come_again_by_the_overloaded_code_comes_again(case) {
        let busy = r#"{"Code":10030000001,"Success":false,"Message":"system busy, please retry"}"#;
        case.fault(Rule::route("create", Fault::status(400).body(busy)));
        case.survives();
    }

    fn a_creation_by_an_account_whose_quota_is_used_up_ends_at_once(case) {
        case.fault(Rule::route("create", ms::quota()).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("create"), 1);
    }
}
