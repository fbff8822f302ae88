//! A source that moves, loses its name or goes away while it is read: what was planned is what arrives, or nothing.

use std::sync::Arc;

use standins::faults::{Fault, Rule};

use super::{LARGE, LATER, Way, arrived, fails, large, models, snapshot};
use crate::trip::{Repo, Trip, both_ways};
use crate::world::{MIB, generated};

/// Commits to the source: a new file, and another content of a small one.
fn moving(trip: &Trip) -> impl Fn() + Send + Sync + 'static {
    let source = trip.source();
    move || {
        source.file(LATER, "later").commit();
    }
}

/// Calls this when the process that carries looks the source up: after the plan was made and shown.
fn after_the_plan(trip: &Trip, way: Way, act: impl Fn() + Send + Sync + 'static) {
    // the kind of the name, the survey of the plan, and then the carrier's
    let rule = Rule::route(way.lookup(), Fault::Call(Arc::new(act))).path("/models/").skip(2);
    trip.source_fault(rule);
}

/// Calls this in the middle of the large file.
fn in_mid_file(trip: &Trip, way: Way, act: impl FnOnce() + Send + 'static) {
    match way {
        Way::HfToMs => trip.world.hf.when_downloaded_bytes(2 * MIB, Box::new(act)),
        Way::MsToHf => trip.world.ms.when_downloaded_bytes(2 * MIB, Box::new(act)),
    }
    trip.source_fault(large(way, Fault::ResetDownload(3 * MIB)).always());
}

/// Answers from now on as if the source had been deleted.
fn deleting(trip: &Trip) -> impl Fn() + Send + Sync + 'static {
    let source = trip.source();
    move || match &source {
        Repo::Hf(repo) => drop(repo.misbehave(|quirks| quirks.gone = true)),
        Repo::Ms(repo) => drop(repo.misbehave(|quirks| quirks.gone = true)),
    }
}

both_ways! {
    fn a_source_that_moves_after_the_plan_is_copied_as_it_was_planned(way) {
        let trip = models(way);
        after_the_plan(&trip, way, moving(&trip));
        snapshot(&arrived(&trip));
        assert!(trip.source().files().contains_key(LATER), "it moved");
    }

    fn a_source_that_moves_in_the_middle_of_a_file_is_copied_as_it_was_planned(way) {
        let trip = models(way);
        let act = moving(&trip);
        in_mid_file(&trip, way, act);
        snapshot(&arrived(&trip));
        assert!(trip.source().files().contains_key(LATER), "it moved");
    }

    fn a_source_that_is_deleted_after_the_plan_says_so(way) {
        fails(1, || {
            let trip = models(way);
            after_the_plan(&trip, way, deleting(&trip));
            trip
        });
    }

    fn a_source_that_is_deleted_in_the_middle_of_a_file_says_so(way) {
        fails(1, || {
            let trip = models(way);
            let act = deleting(&trip);
            in_mid_file(&trip, way, act);
            trip
        });
    }

    fn a_source_that_is_deleted_before_the_small_files_says_so(way) {
        fails(1, || {
            let trip = models(way);
            let rule = Rule::route(way.resolve(), Fault::Call(Arc::new(deleting(&trip)))).path("vocab.txt");
            trip.source_fault(rule);
            trip
        });
    }
}

/// A model on Hugging Face that is renamed: before anything, or in the middle of its large file.
fn is_renamed(early: bool) {
    let trip = models(Way::HfToMs);
    let Repo::Hf(source) = trip.source() else { panic!("the source is Hugging Face") };
    let sha256 = source.files()[LARGE].sha256.clone();
    if early {
        source.rename("alice/roberta");
    } else {
        in_mid_file(&trip, Way::HfToMs, move || drop(source.rename("alice/roberta")));
    }
    let outcome = trip.world.run(&["migrate", "hf:alice/bert"]).exits(0);
    snapshot(&outcome.shown(&trip.world));
    assert_eq!(trip.copy().files()[LARGE].sha256, sha256);
    assert_eq!(trip.copy().ours().len(), 1);
    assert!(trip.world.hf.repo_exists(standins::huggingface::RepoKind::Model, "alice/roberta"));
}

#[test]
fn a_source_that_has_another_name_by_now_is_found() {
    is_renamed(true);
}

#[test]
fn a_source_that_is_renamed_in_the_middle_of_a_file_is_found() {
    is_renamed(false);
}

/// A ModelScope that lists by branch only, and perhaps shows no history.
fn without_commits(history: bool) -> Trip {
    let trip = models(Way::MsToHf);
    trip.world.ms.behaviour(|behaviour| behaviour.listing_by_commit = false);
    if !history {
        trip.world.ms.fault(Rule::route("commits", Fault::status(404)).always());
    }
    trip
}

#[test]
fn a_branch_that_moves_after_the_plan_is_refused_where_only_branches_are_listed() {
    fails(3, || {
        let trip = without_commits(true);
        after_the_plan(&trip, Way::MsToHf, moving(&trip));
        trip
    });
}

#[test]
fn a_branch_that_moves_after_the_plan_is_refused_where_there_is_no_history_either() {
    fails(3, || {
        let trip = without_commits(false);
        let source = trip.source();
        // what has a later date is the newest; within one second nobody could tell
        after_the_plan(&trip, Way::MsToHf, move || {
            std::thread::sleep(std::time::Duration::from_millis(1_100));
            source.file(LATER, "later").commit();
        });
        trip
    });
}

#[test]
fn a_branch_that_moves_in_the_middle_of_a_file_is_copied_as_it_was_listed() {
    let trip = without_commits(true);
    let source = trip.source();
    let sha256 = source.files()[LARGE].sha256.clone();
    in_mid_file(&trip, Way::MsToHf, move || {
        source.file(LATER, "later").file(LARGE, generated(63, MIB)).commit();
    });
    let outcome = trip.world.run(&["migrate", "ms:alice/bert"]).exits(0);
    snapshot(&outcome.shown(&trip.world));
    assert_eq!(trip.copy().files()[LARGE].sha256, sha256, "the file of the plan");
    assert!(!trip.copy().files().contains_key(LATER));
}

#[test]
fn a_branch_that_never_stays_the_same_while_it_is_listed_says_so() {
    fails(1, || {
        let trip = without_commits(true);
        let source = trip.source();
        let count = std::sync::atomic::AtomicU32::new(0);
        let act = move || {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            source.file("log.txt", format!("{number}").as_str()).commit();
        };
        trip.source_fault(Rule::route("files", Fault::Call(Arc::new(act))).always());
        trip
    });
}
