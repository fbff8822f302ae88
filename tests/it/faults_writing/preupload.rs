//! Asking Hugging Face which files it wants as blobs. ModelScope has no such call.

use serde_json::json;
use standins::faults::{Fault, Rule};
use standins::huggingface::misfortunes as hf;

use super::case::{Case, down, on_hugging_face, set};

/// The answer says this of the small text instead.
fn says(edit: impl Fn(&mut Vec<serde_json::Value>) + Send + Sync + 'static) -> Rule {
    Rule::route("preupload", Fault::edit(move |body| edit(body["files"].as_array_mut().unwrap())))
}

on_hugging_face! {
    fn a_preupload_that_fails_for_a_moment_is_asked_for_again(case) {
        case.fault(Rule::route("preupload", Fault::status(500)));
        case.fault(Rule::route("preupload", Fault::HtmlError(503)).skip(1));
        case.survives();
        let dataset = case.of_dataset();
        dataset.fault(Rule::route("preupload", Fault::status(502)));
        dataset.survives();
    }

    fn a_preupload_that_never_works_keeps_the_blobs_that_went_before(case) {
        case.fault(Rule::route("preupload", down(503)).always());
        case.fails(1);
        assert!(case.trip.copy().has_blob(&case.large()));
        case.then_arrives();
    }

    fn a_preupload_that_is_throttled_is_waited_for(case) {
        case.fault(Rule::route("preupload", hf::other_limit(Some(0))));
        case.fault(Rule::route("preupload", hf::quota_used_up(1)).skip(1));
        case.survives();
    }

    fn a_preupload_whose_answer_is_lost_is_asked_for_again(case) {
        case.fault(Rule::route("preupload", Fault::DropAnswer));
        case.survives();
    }

    fn a_preupload_by_an_account_whose_public_storage_is_full_ends_at_once(case) {
        case.fault(Rule::route("preupload", hf::public_storage_full()).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("preupload"), 1);
        case.then_arrives();
    }

    fn a_file_that_the_hub_would_ignore_is_named(case) {
        case.fault(says(|files| {
            let text = files.iter_mut().find(|file| file["path"] == "vocab.txt");
            text.into_iter().for_each(|file| set(file, "shouldIgnore", json!(true)));
        }).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_file_that_a_preupload_leaves_out_is_named(case) {
        case.fault(says(|files| files.retain(|file| file["path"] != "vocab.txt")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_file_that_the_hub_wants_in_an_unknown_way_is_named(case) {
        case.fault(says(|files| {
            let text = files.iter_mut().find(|file| file["path"] == "vocab.txt");
            text.into_iter().for_each(|file| set(file, "uploadMode", json!("xet")));
        }).always());
        case.fails(1);
    }

    fn a_card_check_that_fails_for_a_moment_is_asked_for_again(case) {
        case.fault(Rule::route("validate-yaml", Fault::status(503)));
        case.survives();
    }

    fn a_card_check_that_never_works_ends_before_anything_moves(case) {
        case.fault(Rule::route("validate-yaml", down(503)).always());
        case.fails(1);
        assert!(!case.exists());
    }
}
