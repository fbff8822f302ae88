//! Asking which blobs the destination lacks.

use serde_json::{Value, json};
use standins::faults::{Fault, Rule};
use standins::huggingface::misfortunes as hf;
use standins::modelscope::misfortunes as ms;

use super::case::{Case, down, either_way, on_hugging_face, on_modelscope, set, take};

/// The objects of a batch answer of either hub.
fn objects(body: &mut Value) -> &mut Vec<Value> {
    let body = if body.get("Data").is_some() { &mut body["Data"] } else { body };
    body["objects"].as_array_mut().unwrap()
}

/// The first batch answer that names the large file says this of it instead.
fn says(case: &Case, edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Rule {
    let large = case.large();
    let edit = move |body: &mut Value| objects(body).iter_mut().filter(|object| object["oid"] == large.as_str()).for_each(&edit);
    Rule::route(case.way.batch(), Fault::edit(edit))
}

/// The error of one object, in place of where to send it.
fn object_error(code: u16, message: &'static str) -> impl Fn(&mut Value) + Send + Sync + 'static {
    move |object| {
        take(object, "actions");
        set(object, "error", json!({ "code": code, "message": message }));
    }
}

either_way! {
    fn a_negotiation_that_fails_for_a_moment_is_asked_for_again(case) {
        case.fault(Rule::route(case.way.batch(), Fault::status(500)));
        case.fault(Rule::route(case.way.batch(), Fault::HtmlError(502)).skip(1));
        case.survives();
        let dataset = case.of_dataset();
        dataset.fault(Rule::route(case.way.batch(), Fault::status(503)).times(2));
        dataset.survives();
    }

    fn a_negotiation_that_never_works_ends_with_nothing_committed(case) {
        case.fault(Rule::route(case.way.batch(), down(503)).always());
        case.fails(1);
        assert_eq!(case.trip.destination_journal().bytes_uploaded(), 0);
        case.then_arrives();
    }

    fn a_negotiation_that_is_throttled_is_waited_for(case) {
        case.fault(Rule::route(case.way.batch(), Fault::status(429).header("retry-after", "1")));
        case.survives();
    }

    fn a_negotiation_that_is_throttled_for_long_says_for_how_long(case) {
        case.fault(Rule::route(case.way.batch(), Fault::status(429).header("retry-after", "3600")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_negotiation_whose_answer_is_lost_is_asked_for_again(case) {
        case.fault(Rule::route(case.way.batch(), Fault::DropAnswer));
        case.survives();
    }

    fn a_negotiation_that_is_answered_with_nothing_is_not_taken_for_all_there(case) {
        case.fault(Rule::route(case.way.batch(), Fault::edit(|body| {
            let body = if body.get("Data").is_some() { &mut body["Data"] } else { body };
            take(body, "objects");
        })).always());
        case.fails(1);
        case.then_arrives();
    }

    fn an_object_named_twice_is_sent_once(case) {
        case.fault(Rule::route(case.way.batch(), Fault::edit(|body| {
            let twice = objects(body).clone();
            objects(body).extend(twice);
        })));
        case.survives();
    }

    fn an_object_that_is_refused_is_named_with_its_file(case) {
        case.fault(says(case, object_error(422, "the object is not acceptable")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn an_object_that_is_missing_by_its_own_error_is_named_with_its_file(case) {
        case.fault(says(case, object_error(404, "the repository of the object does not exist")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn an_object_that_is_too_large_is_named_with_its_file(case) {
        case.fault(says(case, object_error(413, "the object is too large")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn an_object_for_which_there_is_no_storage_left_ends_it(case) {
        case.fault(says(case, object_error(507, "insufficient storage")).always());
        case.fails(3);
        case.then_arrives();
    }

    fn an_object_that_cannot_be_taken_for_a_moment_is_asked_for_again(case) {
        case.fault(says(case, object_error(503, "try again")));
        case.survives();
    }
}

on_hugging_face! {
    fn an_object_that_the_answer_leaves_out_is_not_taken_for_there(case) {
        let large = case.large();
        let leave_out = move |body: &mut Value| objects(body).retain(|object| object["oid"] != large.as_str());
        case.fault(Rule::route("lfs.batch", Fault::edit(leave_out)).always());
        case.fails(1);
        case.then_arrives();
    }

    fn an_object_nobody_asked_about_changes_nothing(case) {
        case.fault(Rule::route("lfs.batch", Fault::edit(|body| {
            objects(body).push(json!({ "oid": "f".repeat(64), "size": 5 }));
        })).always());
        case.survives();
    }

    fn a_ticket_without_an_address_for_every_part_is_no_ticket(case) {
        case.fault(says(case, |object| drop(take(&mut object["actions"]["upload"]["header"], "2"))).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_ticket_whose_part_size_is_no_number_is_no_ticket(case) {
        case.fault(says(case, |object| set(&mut object["actions"]["upload"]["header"], "chunk_size", json!("many"))).always());
        case.fails(1);
    }

    fn a_negotiation_over_the_quota_of_the_window_waits_for_its_end(case) {
        case.fault(Rule::route("lfs.batch", hf::quota_used_up(1)));
        case.survives();
    }

    fn a_wait_of_more_than_a_moment_is_told(case) {
        case.fault(Rule::route("lfs.batch", hf::quota_used_up(4)));
        case.survives();
    }

    fn a_negotiation_over_another_limit_waits_as_it_says(case) {
        case.fault(Rule::route("lfs.batch", hf::other_limit(Some(0))));
        case.survives();
    }

    fn a_negotiation_by_an_account_that_was_locked_ends_at_once(case) {
        case.fault(Rule::route("lfs.batch", hf::storage_patterns()).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("lfs.batch"), 1);
        case.then_arrives();
    }
}

on_modelscope! {
    fn an_object_that_is_said_to_be_there_and_is_not_is_carried_before_the_commit(case) {
        let large = case.large();
        let leave_out = move |body: &mut Value| objects(body).retain(|object| object["oid"] != large.as_str());
        case.fault(Rule::route("batch", Fault::edit(leave_out)));
        case.survives();
    }

    fn an_object_nobody_offered_is_an_odd_answer(case) {
        case.fault(Rule::route("batch", Fault::edit(|body| {
            let foreign = json!({ "oid": "f".repeat(64), "size": 5, "actions": { "upload": { "href": "http://127.0.0.1:9/x" } } });
            objects(body).push(foreign);
        })).always());
        case.fails(1);
        case.then_arrives();
    }

    fn an_object_to_send_without_an_address_is_an_odd_answer(case) {
        case.fault(says(case, |object| drop(take(object, "actions"))).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_failure_in_a_200_of_a_negotiation_is_asked_for_again(case) {
        case.fault(Rule::route("batch", ms::failure_in_success()));
        case.survives();
    }

    fn a_negotiation_that_is_asked_to_come_again_by_the_overloaded_code_comes_again(case) {
        case.fault(Rule::route("batch", Fault::status(400).body(r#"{"Code":10030000001,"Success":false,"Message":"please retry"}"#)));
        case.survives();
    }

    fn a_negotiation_without_credentials_by_the_overloaded_code_ends_at_once(case) {
        let body = r#"{"Code":10030000001,"Success":false,"Message":"user not logged in"}"#;
        case.fault(Rule::route("batch", Fault::status(400).body(body)).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("batch"), 1);
    }

    fn a_negotiation_by_an_account_whose_quota_is_used_up_ends_at_once(case) {
        case.fault(Rule::route("batch", ms::quota()).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("batch"), 1);
        case.then_arrives();
    }

    fn a_verification_that_a_ticket_asks_for_is_made(case) {
        // no such action was seen yet, and it is to be honoured if it comes
        let gateway = case.trip.world.ms.endpoint();
        case.fault(says(case, move |object| {
            set(&mut object["actions"], "verify", json!({ "href": format!("{gateway}/openapi/v1/models/alice/bert") }));
        }));
        // this hub has no such route: what it answers is the trace of the call
        case.fails(1);
    }
}
