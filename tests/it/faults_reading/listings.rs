//! Listings that are refused halfway, repeat themselves, fail inside a success, or are no listings: read past, or never taken for whole.

use standins::faults::{Fault, Rule};
use standins::modelscope::misfortunes;

use super::{Way, an_hour, arrives_once, datasets, fails, models};
use crate::trip::{Trip, both_ways};

/// Both hubs give so few entries on a page that there are several.
fn paged(way: Way) -> Trip {
    let trip = datasets(way);
    trip.world.hf.behaviour(|behaviour| behaviour.tree_page = 2);
    trip.world.ms.behaviour(|behaviour| behaviour.page_limit = 2);
    trip
}

/// A rule for the second page of the source's listing.
fn second_page(way: Way, fault: Fault) -> Rule {
    Rule::route("tree", fault).path(if way == Way::HfToMs { "cursor=" } else { "PageNumber=2" })
}

/// ModelScope's overloaded code, with other words each time.
fn overloaded(status: u16, words: &str) -> Fault {
    let id = "0123456789abcdef0123456789abcdef";
    Fault::status(status).body(&format!(r#"{{"Code":10030000001,"Success":false,"Message":"{words}","RequestId":"{id}"}}"#))
}

/// One answer to the listing that is something else.
fn once(trip: &Trip, way: Way, fault: Fault) {
    trip.source_fault(Rule::route(way.listing(), fault));
    arrives_once(trip);
}

/// The same for good.
fn for_ever(code: i32, way: Way, fault: &Fault) {
    fails(code, || {
        let trip = models(way);
        trip.source_fault(Rule::route(way.listing(), fault.clone()).always());
        trip
    });
}

/// Only a header says that more pages come, and a mirror may not pass it on: what is left looks whole.
#[test]
fn a_listing_whose_later_pages_are_lost_on_the_way_is_not_taken_for_whole() {
    fails(1, || {
        let trip = models(Way::HfToMs);
        let first_page = |tree: &mut serde_json::Value| {
            if let Some(entries) = tree.as_array_mut() {
                entries.truncate(2);
            }
        };
        trip.source_fault(Rule::route("tree", Fault::edit(first_page)).always());
        trip
    });
}

both_ways! {
    fn a_second_page_that_fails_for_a_moment_is_asked_for_again(way) {
        let trip = paged(way);
        trip.source_fault(second_page(way, Fault::status(500)));
        trip.source_fault(second_page(way, Fault::status(503)));
        trip.source_fault(second_page(way, Fault::DropAnswer));
        arrives_once(&trip);
    }

    fn a_second_page_that_is_limited_is_waited_for(way) {
        let trip = paged(way);
        trip.source_fault(second_page(way, Fault::status(429).header("retry-after", "1")));
        arrives_once(&trip);
    }

    fn a_second_page_that_stays_down_moves_nothing(way) {
        fails(1, || {
            let trip = paged(way);
            trip.source_fault(second_page(way, an_hour(503)).always());
            trip
        });
    }

    fn a_page_of_a_gateway_in_place_of_a_listing_is_asked_past(way) {
        once(&models(way), way, Fault::HtmlError(502));
    }

    fn a_listing_that_breaks_off_is_read_again(way) {
        once(&models(way), way, Fault::Truncate(100));
    }

    fn a_web_page_in_place_of_a_listing_is_no_listing(way) {
        fails(1, || {
            let trip = models(way);
            let page = Fault::status(200).body("<!DOCTYPE html><html><body>Please sign in to the network.</body></html>");
            trip.source_fault(Rule::route(way.listing(), page.header("retry-after", "3600")).always());
            trip
        });
    }

    fn a_listing_that_repeats_a_page_is_not_followed(way) {
        fails(1, || {
            let trip = paged(way);
            // the second page points to itself, or is the first one again
            let again = match way {
                Way::HfToMs => Fault::Header("link", format!("<{}/api/datasets/alice/bert/tree/x?cursor=same>; rel=\"next\"", trip.world.hf.endpoint())),
                Way::MsToHf => return repeats(trip),
            };
            trip.source_fault(Rule::route("tree", again).always());
            trip.source_fault(Rule::route("tree", Fault::status(200).body("[]")).path("cursor=same").always());
            trip
        });
    }
}

/// ModelScope gives every page as if the first had been asked for.
fn repeats(trip: Trip) -> Trip {
    let entry = r#"{"Path":"a.txt","Name":"a.txt","Type":"blob","Size":1,"Sha256":"","IsLFS":false,"Revision":"x","CommittedDate":1}"#;
    let body = format!(r#"{{"Code":200,"Success":true,"Data":{{"Files":[{entry}]}}}}"#);
    trip.source_fault(Rule::route("tree", Fault::status(200).body(&body)).always());
    trip
}

#[test]
fn a_link_that_is_not_understood_is_no_end() {
    fails(1, || {
        let trip = models(Way::HfToMs);
        trip.source_fault(Rule::route("tree", Fault::Header("link", "next page: 2".to_owned())).always());
        trip
    });
}

#[test]
fn an_entry_without_a_size_is_not_guessed_at() {
    fails(1, || {
        let trip = models(Way::HfToMs);
        let body = r#"[{"type":"file","path":"a.txt","oid":"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}]"#;
        trip.source_fault(Rule::route("tree", Fault::status(200).body(body)).always());
        trip
    });
}

#[test]
fn an_entry_of_an_unknown_kind_is_not_left_out() {
    fails(1, || {
        let trip = models(Way::HfToMs);
        let body = r#"[{"type":"link","path":"a.txt","size":1,"oid":"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}]"#;
        trip.source_fault(Rule::route("tree", Fault::status(200).body(body)).always());
        trip
    });
}

#[test]
fn a_failure_inside_a_success_is_asked_past() {
    once(&models(Way::MsToHf), Way::MsToHf, misfortunes::failure_in_success());
}

#[test]
fn a_failure_inside_a_success_for_ever_is_a_failure() {
    for_ever(1, Way::MsToHf, &misfortunes::failure_in_success().header("retry-after", "3600"));
}

#[test]
fn a_failure_inside_a_success_of_a_lookup_is_asked_past() {
    let trip = models(Way::MsToHf);
    trip.source_fault(Rule::route("info", misfortunes::failure_in_success()));
    trip.source_fault(Rule::route("commits", misfortunes::failure_in_success()));
    arrives_once(&trip);
}

#[test]
fn the_overloaded_code_with_a_plea_to_come_again_is_asked_past() {
    let trip = models(Way::MsToHf);
    trip.source_fault(Rule::route("files", overloaded(409, "could not read refs, please retry")));
    trip.source_fault(Rule::route("files", overloaded(400, "internal busy")));
    arrives_once(&trip);
}

#[test]
fn the_overloaded_code_for_ever_does_not_speak_of_commits() {
    for_ever(1, Way::MsToHf, &overloaded(400, "internal busy").header("retry-after", "3600"));
}

#[test]
fn the_overloaded_code_of_who_is_not_logged_in_asks_for_a_token() {
    for_ever(3, Way::MsToHf, &overloaded(400, "user not logged in"));
}

#[test]
fn a_spurious_refusal_of_a_later_page_is_asked_past() {
    let trip = paged(Way::MsToHf);
    trip.source_fault(second_page(Way::MsToHf, misfortunes::spurious_denial()).times(2));
    arrives_once(&trip);
}

#[test]
fn a_refusal_of_a_later_page_for_ever_is_meant() {
    fails(3, || {
        let trip = paged(Way::MsToHf);
        trip.source_fault(second_page(Way::MsToHf, misfortunes::spurious_denial()).always());
        trip
    });
}

#[test]
fn a_refusal_of_the_first_page_is_meant() {
    for_ever(3, Way::MsToHf, &misfortunes::spurious_denial());
}

/// A model that one listing cannot hold, so that its folder is listed by itself.
#[test]
fn a_spurious_refusal_of_a_folder_is_asked_past() {
    let trip = models(Way::MsToHf);
    for number in 0..2_998 {
        trip.source().file(&format!("a/{number}.txt"), "");
    }
    trip.source().commit();
    trip.source_fault(Rule::route("files", misfortunes::spurious_denial()).path("Recursive=False"));
    trip.source_fault(Rule::route("files", misfortunes::spurious_denial()).path("Root=a").times(2));
    let plan = trip.world.run(&["plan", "ms:alice/bert", "--json"]).exits(0).json();
    assert_eq!(plan["totals"]["files"], 3_002, "{}", plan["totals"]);
    assert_eq!(trip.source_faults().fired(), 3);
}

#[test]
fn a_dataset_without_a_route_for_revisions_is_read_all_the_same() {
    let trip = datasets(Way::MsToHf);
    trip.world.ms.behaviour(|behaviour| behaviour.dataset_revisions = false);
    trip.source_fault(Rule::route("tree", Fault::DropAnswer));
    arrives_once(&trip);
}
