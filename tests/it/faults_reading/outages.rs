//! Services that are down: for a moment, which is waited out, or for good, which is said with hub, address, request and next step.

use standins::faults::{Fault, Rule};

use super::{LARGE, SIZE, Way, an_hour, arrives_once, datasets, fails, large, models, small, snapshot};
use crate::trip::{Trip, both_ways};

/// One 500 and one 503, as a service gives them that restarts.
fn burst(trip: &Trip, rule: impl Fn(Fault) -> Rule) {
    trip.source_fault(rule(Fault::status(500)));
    trip.source_fault(rule(Fault::status(503)));
}

both_ways! {
    fn a_lookup_that_fails_for_a_moment_is_repeated(way) {
        let trip = models(way);
        burst(&trip, |fault| Rule::route(way.lookup(), fault));
        arrives_once(&trip);
    }

    fn a_lookup_whose_connection_breaks_is_repeated(way) {
        let trip = models(way);
        trip.source_fault(Rule::route(way.lookup(), Fault::DropAnswer));
        arrives_once(&trip);
    }

    fn a_lookup_that_never_works_names_hub_and_address(way) {
        fails(1, || {
            let trip = models(way);
            let fault = Fault::status(500).header("x-request-id", "0123456789abcdef0123456789abcdef");
            trip.source_fault(Rule::route(way.lookup(), fault).always());
            trip
        });
    }

    fn a_page_of_a_gateway_in_place_of_a_lookup_is_not_shown(way) {
        fails(1, || {
            let trip = models(way);
            let page = an_hour(502).body("<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>");
            trip.source_fault(Rule::route(way.lookup(), page).always());
            trip
        });
    }

    fn a_listing_that_fails_for_a_moment_is_repeated(way) {
        let trip = models(way);
        burst(&trip, |fault| Rule::route(way.listing(), fault));
        arrives_once(&trip);
    }

    fn a_listing_of_a_dataset_that_fails_for_a_moment_is_repeated(way) {
        let trip = datasets(way);
        burst(&trip, |fault| Rule::route("tree", fault));
        arrives_once(&trip);
    }

    fn a_listing_that_stays_down_says_so(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(Rule::route(way.listing(), an_hour(503)).always());
            trip
        });
    }

    fn a_redirect_that_fails_for_a_moment_is_asked_for_again(way) {
        let trip = models(way);
        burst(&trip, |fault| Rule::route(way.resolve(), fault).path(LARGE));
        arrives_once(&trip);
    }

    fn a_redirect_that_stays_down_says_so(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(Rule::route(way.resolve(), an_hour(503)).path(LARGE).always());
            trip
        });
    }

    fn a_small_file_that_fails_for_a_moment_is_asked_for_again(way) {
        let trip = models(way);
        burst(&trip, |fault| small(way, fault));
        arrives_once(&trip);
    }

    fn a_small_file_that_stays_down_says_so(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(small(way, an_hour(503)).always());
            trip
        });
    }

    fn a_storage_that_fails_for_a_moment_is_asked_again(way) {
        let trip = models(way);
        burst(&trip, |fault| large(way, fault));
        arrives_once(&trip);
    }

    fn a_storage_that_stays_down_says_so(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(large(way, an_hour(503)).always());
            trip
        });
    }

    fn a_storage_whose_connection_breaks_before_the_first_byte_is_asked_again(way) {
        let trip = models(way);
        trip.source_fault(large(way, Fault::DropAnswer));
        arrives_once(&trip);
    }
}

/// The proof reads the destination's listing once more after the commit.
fn proof(way: Way, fault: Fault) -> Rule {
    let listing = if way == Way::HfToMs { Way::MsToHf.listing() } else { Way::HfToMs.listing() };
    Rule::route(listing, fault).skip(1)
}

both_ways! {
    fn a_proof_that_cannot_be_read_for_a_moment_is_read_again(way) {
        let trip = models(way);
        trip.destination_fault(proof(way, Fault::status(500)));
        trip.destination_fault(proof(way, Fault::status(503)));
        arrives_once(&trip);
    }

    fn a_proof_that_cannot_be_read_says_what_is_there(way) {
        let trip = models(way);
        trip.destination_fault(proof(way, an_hour(503)).always());
        let outcome = trip.world.run(&[&["migrate"], &trip.address()[..]].concat());
        snapshot(&outcome.shown(&trip.world));
        assert_eq!((outcome.code, trip.copy().ours().len()), (4, 1), "it was committed, and is not proven");
        trip.destination_faults().clear();
        trip.migrate(&[]).exits(0);
        assert_eq!(trip.destination_journal().bytes_uploaded(), SIZE, "the next run proves it and sends nothing");
        assert_eq!(trip.copy().ours().len(), 1);
    }
}

/// Refusals as either hub words them: every shape of body, every header with an id.
#[test]
fn the_words_of_a_refusal_are_shown_whatever_shape_they_have() {
    let hf = [
        (r#"{"error":"in one string"}"#, "x-request-id"),
        (r#"{"error":["in a list","of two"]}"#, "x-amzn-trace-id"),
        (r#"{"errors":[{"message":"in a list of objects"}]}"#, "x-amz-cf-id"),
        (r#"{"error":"a_word","error_description":"and its description"}"#, "x-request-id"),
        ("plain text", "x-request-id"),
        ("<html><body>a page</body></html>", "x-request-id"),
    ];
    let ms = [
        (
            r#"{"Code":10990101500,"Success":false,"Message":"of the legacy routes","RequestId":"0123456789abcdef0123456789abcdef"}"#,
            "x-none",
        ),
        (r#"{"success":false,"code":"SomeWord","message":"of the open routes","request_id":"0123456789abcdef0123456789abcdef"}"#, "x-none"),
        ("<html><body>a page</body></html>", "x-request-id"),
    ];
    let mut shown = Vec::new();
    for (way, shapes) in [(Way::HfToMs, &hf[..]), (Way::MsToHf, &ms[..])] {
        for (body, header) in shapes {
            let trip = models(way);
            let fault = Fault::status(422).body(body).header(header, "0123456789abcdef0123456789abcdef");
            trip.source_fault(Rule::route(way.lookup(), fault).always());
            shown.push(trip.world.run(&[&["migrate"], &trip.address()[..]].concat()).exits(1).shown(&trip.world));
        }
    }
    snapshot(&shown.join("\n"));
}

#[test]
fn a_history_that_fails_for_a_moment_is_asked_for_again() {
    let trip = models(Way::MsToHf);
    burst(&trip, |fault| Rule::route("commits", fault));
    arrives_once(&trip);
}

#[test]
fn a_history_that_stays_down_says_so() {
    fails(1, || {
        let trip = models(Way::MsToHf);
        trip.source_fault(Rule::route("commits", an_hour(503)).always());
        trip
    });
}

#[test]
fn a_hub_that_does_not_answer_at_all_is_named() {
    fails(1, || {
        let mut trip = models(Way::HfToMs);
        trip.world.set("HF_ENDPOINT", "http://127.0.0.1:9");
        trip
    });
}
