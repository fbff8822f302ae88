//! Reading back what was committed.

use standins::faults::Rule;

use super::case::{Case, LARGE, down, either_way, on_modelscope};
use crate::trip::Way;
use crate::world::{MIB, generated};

const OTHER: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8ff";

either_way! {
    fn a_listing_that_is_late_is_waited_for(case) {
        case.trip.copy().stale_listings(2);
        case.survives();
    }

    fn a_listing_that_stays_behind_proves_nothing(case) {
        case.trip.copy().stale_listings(u32::MAX);
        case.ends(&[], 4);
        assert_eq!(case.trip.copy().ours().len(), 1, "committed once");
    }

    fn a_file_that_was_dropped_and_one_that_is_another_are_named(case) {
        case.trip.copy().drops("vocab.txt");
        case.trip.copy().lists_instead(LARGE, OTHER);
        case.ends(&[], 4);
    }

    fn a_listing_that_never_comes_after_the_commit_leaves_it_not_proven(case) {
        // the first listing is that of the fresh repository
        case.fault(Rule::route(case.listing(), down(503)).skip(1).always());
        case.ends(&[], 4);
        case.then_arrives();
    }

    fn a_listing_that_fails_for_a_moment_after_the_commit_is_asked_for_again(case) {
        case.fault(Rule::route(case.listing(), down(500)).skip(1).times(2));
        case.survives();
    }

    fn an_info_that_fails_for_a_moment_after_the_commit_is_asked_for_again(case) {
        let route = if case.way == Way::HfToMs { "info" } else { "repo.info" };
        case.fault(Rule::route(route, down(502)).skip(3).times(2));
        case.survives();
    }

    fn a_file_that_was_there_and_cannot_be_read_back_is_not_proven(case) {
        // its blob is there by another path: then a read has to find it
        case.trip.copy().lfs_file("older.bin", generated(71, 12 * MIB + 7)).commit();
        let route = if case.way == Way::HfToMs { "object" } else { "cdn" };
        case.fault(Rule::route(route, down(500)).always());
        case.ends(&[], 4);
    }
}

on_modelscope! {
    fn a_file_listed_without_a_digest_that_cannot_be_read_back_is_not_proven(case) {
        case.trip.copy().lists_instead(LARGE, "");
        case.fault(Rule::route("object", down(500)).always());
        case.ends(&[], 4);
    }
}
