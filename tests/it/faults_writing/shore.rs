//! A destination that becomes another one while a migration runs, or has something in the way.

use std::sync::{Arc, Mutex};

use standins::faults::{Fault, Rule};

use super::case::{Case, SMALL, either_way, on_hugging_face, on_modelscope};
use crate::commits::migrate_into_theirs;
use crate::trip::{CARD, Repo};
use crate::world::MIB;

/// Deletes the destination.
fn deleting(case: &Case) -> impl Fn() + Send + Sync + 'static {
    let copy = case.trip.copy();
    move || match &copy {
        Repo::Hf(repo) => repo.delete(),
        Repo::Ms(repo) => repo.delete(),
    }
}

/// Puts this file at the destination before anything begins.
fn theirs(case: &Case, path: &str) {
    case.trip.copy().file("README.md", CARD).file(path, "theirs").commit();
}

either_way! {
    fn a_destination_that_is_deleted_while_files_go_up_is_named(case) {
        let delete = deleting(case);
        // one file alone, whose upload has begun
        case.trip.source().remove(SMALL);
        case.trip.when_uploaded(MIB, delete);
        case.fails(1).then_arrives();
    }

    fn a_destination_that_is_deleted_before_a_file_goes_up_is_named(case) {
        let whole = case.whole();
        case.trip.source().remove(SMALL);
        case.fault(Rule::route(whole, Fault::Call(Arc::new(deleting(case)))).times(1));
        case.fails(1).then_arrives();
    }

    fn a_destination_that_is_deleted_at_the_commit_is_named(case) {
        case.fault(Rule::route("commit", Fault::Call(Arc::new(deleting(case)))));
        case.fails(1).then_arrives();
    }

    fn a_destination_that_is_deleted_right_after_the_commit_is_not_proven(case) {
        case.trip.when_commit(standins::rig::CommitMoment::AfterApplyBeforeAnswer, deleting(case));
        case.ends(&[], 4);
        assert!(!case.exists());
    }

    fn a_destination_that_becomes_public_at_the_commit_gets_none(case) {
        private(&case.trip.source());
        private(&case.trip.copy());
        let copy = case.trip.copy();
        case.trip.when_uploaded(MIB, move || match &copy {
            Repo::Hf(repo) => _ = repo.public(),
            Repo::Ms(repo) => _ = repo.public(),
        });
        case.fails(3);
    }

    fn a_public_destination_that_somebody_else_creates_for_a_private_source_gets_no_byte(case) {
        private(&case.trip.source());
        let outcome = migrate_into_theirs(&case.trip, case.way, &[("theirs.txt", "theirs")]);
        assert_eq!(outcome.code, 3, "{outcome:?}");
        assert_eq!(case.trip.destination_journal().bytes_uploaded(), 0);
        case.snapshot(&outcome);
    }

    fn a_file_where_a_folder_is_needed_is_refused_before_anything_moves(case) {
        case.trip.source().file("data/one.txt", "one").commit();
        theirs(case, "data");
        case.fails(3);
        assert_eq!(case.trip.destination_journal().bytes_uploaded(), 0);
    }

    fn a_folder_where_a_file_is_needed_is_refused_before_anything_moves(case) {
        theirs(case, "vocab.txt/inner.txt");
        case.fails(3);
        assert_eq!(case.trip.destination_journal().bytes_uploaded(), 0);
    }

    fn a_file_with_a_folder_in_its_way_is_left_out_on_request(case) {
        theirs(case, "vocab.txt/inner.txt");
        case.ends(&["--yes"], 0);
        case.trip.assert_arrived_but(&["README.md", "vocab.txt"]);
    }

    fn a_file_of_the_same_path_with_other_content_is_not_overwritten_unasked(case) {
        theirs(case, "vocab.txt");
        case.fails(3);
        assert_eq!(case.trip.destination_journal().bytes_uploaded(), 0);
    }

    fn a_folder_that_comes_into_the_way_meanwhile_is_not_fought(case) {
        case.trip.copy().file("README.md", CARD).commit();
        let copy = case.trip.copy();
        case.trip.when_uploaded(MIB, move || _ = copy.file("vocab.txt/inner.txt", "theirs").commit());
        case.fails(3);
    }
}

on_hugging_face! {
    fn a_repository_that_is_renamed_while_files_go_up_is_followed(case) {
        let Repo::Hf(copy) = case.trip.copy() else { unreachable!("the destination is Hugging Face") };
        let renamed = Arc::new(Mutex::new(None));
        let keep = renamed.clone();
        case.trip.when_uploaded(MIB, move || *keep.lock().unwrap() = Some(copy.rename("alice/bertha")));
        case.ends(&[], 0);
        let copy = renamed.lock().unwrap().take().unwrap();
        let wanted = case.trip.source().files();
        assert!(wanted.keys().all(|path| path == ".gitattributes" || copy.files().contains_key(path)));
    }

    fn a_repository_that_is_renamed_at_the_commit_is_followed(case) {
        let Repo::Hf(copy) = case.trip.copy() else { unreachable!("the destination is Hugging Face") };
        case.fault(Rule::route("commit", Fault::Call(Arc::new(move || drop(copy.rename("alice/bertha"))))));
        case.ends(&[], 0);
    }
}

on_modelscope! {
    fn a_path_that_the_hub_says_is_there_already_ends_it(case) {
        let body = r#"{"Code":400,"Success":false,"Message":"A file with this name already exists"}"#;
        case.fault(Rule::route("commit", Fault::status(400).body(body)).always());
        case.fails(1).then_arrives();
    }
}

fn private(repo: &Repo) {
    match repo {
        Repo::Hf(repo) => _ = repo.private(),
        Repo::Ms(repo) => _ = repo.private(),
    }
}
