//! Limits, in every form in which the services word them, at every place where they may: waited for as long as was asked, or said.

use standins::faults::{Fault, Rule};

use super::{LARGE, Way, an_hour, arrived, arrives_once, arrives_with_words, fails, large, models, source_journal};
use crate::trip::{Trip, both_ways};

/// The names of Hugging Face's header for a window, where what is left of it is said.
fn window(left: u64, seconds: u64) -> Fault {
    let fault = Fault::status(429).header("ratelimit", &format!("\"api\";r={left};t={seconds}"));
    fault.header("ratelimit-policy", "\"fixed window\";\"api\";q=1000;w=300")
}

fn after(seconds: u64) -> Fault {
    Fault::status(429).header("retry-after", &seconds.to_string())
}

/// ModelScope's word for it in other answers than a 429.
fn e1021(status: u16) -> Fault {
    let body = r#"{"Code":10990101021,"Success":false,"Message":"E1021: request is too frequent, please try again later"}"#;
    Fault::status(status).body(body)
}

/// One refusal on this route: everything arrives, every byte once, and nobody came back before `seconds` had passed.
#[track_caller]
fn is_waited_for(way: Way, rule: Rule, route: &str, seconds: u64) {
    let trip = models(way);
    trip.source_fault(rule);
    arrives_once(&trip);
    let records = source_journal(&trip, way).records();
    let mut refused = records.iter().skip_while(|record| record.route != route || record.status != 429);
    if let Some(first) = refused.next().filter(|_| seconds > 0) {
        let again = refused.find(|record| record.path == first.path).unwrap();
        assert!((again.at - first.at).as_secs() >= seconds, "{first:?} {again:?}");
    }
}

/// A test for each form of a limit at each place.
macro_rules! waited_for {
    ($($name:ident: $way:ident, $place:ident, $fault:expr, $seconds:expr;)*) => { $(
        #[test]
        fn $name() {
            let way = Way::$way;
            let rule = match stringify!($place) {
                "lookup" => Rule::route(way.lookup(), $fault),
                "listing" => Rule::route(way.listing(), $fault),
                "resolve" => Rule::route(way.resolve(), $fault).path(LARGE),
                "storage" => Rule::route(way.large(), $fault),
                "history" => Rule::route("commits", $fault),
                other => panic!("{other}"),
            };
            let route = match stringify!($place) {
                "lookup" => way.lookup(),
                "listing" => way.listing(),
                "resolve" => way.resolve(),
                "storage" => way.large(),
                _ => "commits",
            };
            is_waited_for(way, rule, route, $seconds);
        }
    )* };
}

waited_for! {
    // a second more than was asked for, as the official client waits
    hugging_face_lookup_with_retry_after: HfToMs, lookup, after(1), 2;
    hugging_face_lookup_with_a_window_used_up: HfToMs, lookup, window(0, 1), 2;
    hugging_face_lookup_with_a_window_used_up_and_a_retry_after_that_is_longer: HfToMs, lookup, window(0, 1).header("retry-after", "3600"), 2;
    hugging_face_lookup_with_a_window_not_used_up: HfToMs, lookup, window(3, 3600), 0;
    hugging_face_lookup_with_a_window_not_used_up_and_a_retry_after: HfToMs, lookup, window(3, 3600).header("retry-after", "1"), 2;
    hugging_face_lookup_with_no_header: HfToMs, lookup, Fault::status(429), 0;
    hugging_face_listing_with_retry_after: HfToMs, listing, after(1), 2;
    hugging_face_listing_with_a_window_used_up: HfToMs, listing, window(0, 1), 2;
    hugging_face_listing_with_a_window_not_used_up: HfToMs, listing, window(3, 3600), 0;
    hugging_face_listing_with_no_header: HfToMs, listing, Fault::status(429), 0;
    hugging_face_resolve_with_retry_after: HfToMs, resolve, after(1), 2;
    hugging_face_resolve_with_a_window_used_up: HfToMs, resolve, window(0, 1), 2;
    hugging_face_resolve_with_a_window_not_used_up: HfToMs, resolve, window(3, 3600), 0;
    hugging_face_resolve_with_no_header: HfToMs, resolve, Fault::status(429), 0;
    hugging_face_storage_with_retry_after: HfToMs, storage, after(1), 1;
    hugging_face_storage_with_no_header: HfToMs, storage, Fault::status(429), 0;

    modelscope_lookup_with_retry_after: MsToHf, lookup, after(1), 1;
    modelscope_lookup_with_no_header: MsToHf, lookup, Fault::status(429), 0;
    modelscope_lookup_with_e1021_in_a_400: MsToHf, lookup, e1021(400), 0;
    modelscope_lookup_with_e1021_in_a_200: MsToHf, lookup, e1021(200), 0;
    modelscope_history_with_retry_after: MsToHf, history, after(1), 1;
    modelscope_history_with_e1021_in_a_400: MsToHf, history, e1021(400), 0;
    modelscope_listing_with_retry_after: MsToHf, listing, after(1), 1;
    modelscope_listing_with_no_header: MsToHf, listing, Fault::status(429), 0;
    modelscope_listing_with_e1021_in_a_400: MsToHf, listing, e1021(400), 0;
    modelscope_listing_with_e1021_in_a_200: MsToHf, listing, e1021(200), 0;
    modelscope_redirect_with_retry_after: MsToHf, resolve, after(1), 0;
    modelscope_redirect_with_no_header: MsToHf, resolve, Fault::status(429), 0;
    modelscope_redirect_with_e1021_in_a_400: MsToHf, resolve, e1021(400), 0;
    modelscope_redirect_with_e1021_in_a_200: MsToHf, resolve, e1021(200), 0;
    modelscope_storage_with_retry_after: MsToHf, storage, after(1), 0;
    modelscope_storage_with_no_header: MsToHf, storage, Fault::status(429), 0;
}

both_ways! {
    fn a_lookup_that_is_limited_for_an_hour_says_for_how_long(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(Rule::route(way.lookup(), an_hour(429)).always());
            trip
        });
    }

    fn a_listing_that_is_limited_for_an_hour_says_for_how_long(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(Rule::route(way.listing(), an_hour(429)).always());
            trip
        });
    }

    fn a_redirect_that_is_limited_for_an_hour_says_for_how_long(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(Rule::route(way.resolve(), an_hour(429)).path(LARGE).always());
            trip
        });
    }

    fn a_storage_that_is_limited_for_an_hour_says_for_how_long(way) {
        fails(1, || {
            let trip = models(way);
            trip.source_fault(large(way, an_hour(429)).always());
            trip
        });
    }

    fn the_account_of_the_destination_that_is_limited_is_waited_for(way) {
        let trip = models(way);
        let route = if way == Way::HfToMs { "me" } else { "whoami" };
        trip.destination_fault(Rule::route(route, after(1)));
        arrives_once(&trip);
    }
}

#[test]
fn a_limit_for_those_who_are_not_signed_in_names_the_token() {
    fails(1, || {
        let mut trip = models(Way::HfToMs);
        trip.world.unset("HF_TOKEN");
        trip.source_fault(Rule::route("repo.info", window(0, 300)).always());
        trip
    });
}

/// A hub that counts: this many requests a second and a half, and says on each answer what is left.
fn counts(turn: impl FnOnce(&mut standins::huggingface::Behaviour)) -> Trip {
    let trip = models(Way::HfToMs);
    trip.world.hf.behaviour(|behaviour| {
        behaviour.quota_window = std::time::Duration::from_millis(1_500);
        turn(behaviour);
    });
    trip
}

#[test]
fn a_quota_of_calls_that_is_used_up_is_waited_for() {
    let trip = counts(|behaviour| behaviour.api_quota = 7);
    arrived(&trip);
    let failed = trip.world.hf.journal().failed("repo.info") + trip.world.hf.journal().failed("tree");
    assert!((1..=8).contains(&failed), "refused {failed} times");
}

#[test]
fn a_quota_of_downloads_that_is_used_up_is_waited_for() {
    let trip = counts(|behaviour| behaviour.resolve_quota = 2);
    arrived(&trip);
    assert!((1..=8).contains(&trip.world.hf.journal().failed("resolve")), "{}", trip.world.hf.journal().failed("resolve"));
}

#[test]
fn a_lookup_that_is_limited_for_ever_without_a_word_is_given_up() {
    fails(1, || {
        let trip = models(Way::MsToHf);
        trip.source_fault(Rule::route("info", Fault::status(429)).always());
        trip
    });
}

#[test]
fn a_long_wait_in_the_plan_is_told() {
    let trip = models(Way::HfToMs);
    trip.source_fault(Rule::route("tree", after(9)));
    arrives_with_words(&trip);
}

#[test]
fn a_long_wait_in_the_middle_is_told_and_stands_in_the_report() {
    let trip = models(Way::MsToHf);
    trip.source_fault(Rule::route("download", after(10)).path(LARGE));
    arrives_with_words(&trip);
}
