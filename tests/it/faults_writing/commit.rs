//! Making what was sent visible.

use std::time::Duration;

use standins::faults::{Fault, Rule};
use standins::huggingface::misfortunes as hf;
use standins::modelscope::misfortunes as ms;
use standins::rig::CommitMoment;

use super::case::{Case, down, either_way, on_hugging_face, on_modelscope, take};
use crate::trip::{CARD, Repo, Way};
use crate::world::KIB;

/// Commits everything of the source by hand, as if an earlier try had come through.
fn all_at_once(case: &Case) -> impl FnOnce() + Send + 'static {
    let (source, copy) = (case.trip.source(), case.trip.copy());
    move || {
        for (path, file) in source.files().into_iter().filter(|(path, _)| path != ".gitattributes") {
            let content = source.content(&path).unwrap();
            if file.size > 100 * KIB {
                copy.lfs_file(&path, content)
            } else {
                copy.file(&path, content)
            };
        }
        copy.commit();
    }
}

/// Forgets what no commit names, once.
fn collect(case: &Case) -> Fault {
    let copy = case.trip.copy();
    Fault::Call(std::sync::Arc::new(move || assert!(copy.collect_garbage() > 0, "there was something to collect")))
}

either_way! {
    fn a_commit_that_fails_for_a_moment_is_made_again(case) {
        case.fault(Rule::route("commit", Fault::status(500)));
        case.fault(Rule::route("commit", Fault::HtmlError(503)).skip(1));
        case.survives();
        let dataset = case.of_dataset();
        dataset.fault(Rule::route("commit", Fault::status(503)));
        dataset.survives();
    }

    fn a_commit_that_never_works_keeps_what_was_sent(case) {
        case.fault(Rule::route("commit", down(503)).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_commit_whose_answer_is_lost_is_found(case) {
        case.fault(Rule::route("commit", Fault::DropAnswer));
        case.survives();
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
    }

    fn a_commit_that_a_gateway_gave_up_on_and_that_happened_is_found(case) {
        case.fault(Rule::route("commit", Fault::Late(504, Duration::ZERO)));
        case.survives();
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
    }

    fn a_commit_that_happens_seconds_after_a_gateway_gave_up_on_it_is_found(case) {
        case.fault(Rule::route("commit", Fault::Late(502, Duration::from_secs(4))));
        case.survives();
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
    }

    fn a_commit_that_happens_while_the_next_try_begins_is_found(case) {
        // after the last look, before the next one
        case.fault(Rule::route("commit", Fault::Late(500, Duration::from_millis(1_600))));
        case.survives();
    }

    fn a_commit_that_a_gateway_gave_up_on_and_that_did_not_happen_is_made_again(case) {
        case.fault(Rule::route("commit", Fault::HtmlError(504)));
        case.survives();
    }

    fn a_commit_that_broke_off_and_did_not_happen_is_made_again(case) {
        case.fault(Rule::route("commit", Fault::ResetUpload(0)));
        case.survives();
    }

    fn a_commit_that_is_throttled_is_waited_for(case) {
        case.fault(Rule::route("commit", Fault::status(429).header("retry-after", "1")));
        case.survives();
    }

    fn a_commit_that_is_too_large_is_halved(case) {
        case.fault(Rule::route("commit", Fault::status(413)));
        case.arrives_by(&[]);
        assert_eq!(case.trip.copy().ours().len(), 2);
    }

    fn a_commit_that_is_too_large_however_small_ends_it(case) {
        case.fault(Rule::route("commit", Fault::status(413)).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_second_commit_that_is_refused_says_that_the_first_is_visible(case) {
        let refusal = if case.way == Way::HfToMs { ms::quota() } else { hf::public_storage_full() };
        case.fault(Rule::route("commit", Fault::status(413)));
        case.fault(Rule::route("commit", refusal).skip(2).always());
        case.ends(&[], 3);
        assert_eq!(case.trip.copy().ours().len(), 1);
        assert!(!case.trip.copy().files().contains_key("config.json"), "what makes it loadable is not there yet");
    }

    fn a_commit_of_blobs_that_were_collected_carries_them_again(case) {
        let collect = collect(case);
        case.fault(Rule::route("commit", collect));
        case.arrives_by(&[]);
        assert_eq!(case.trip.copy().ours().len(), 1);
    }

    fn a_commit_that_is_refused_for_its_content_ends_it(case) {
        let body = r#"{"Code":"InputParameterError","Success":false,"Message":"E3021: invalid commit action","error":"invalid commit"}"#;
        case.fault(Rule::route("commit", Fault::status(400).body(body)).always());
        case.fails(1);
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
        case.then_arrives();
    }

    fn a_commit_that_is_answered_without_its_id_is_looked_for(case) {
        let key = if case.way == Way::HfToMs { "oid" } else { "commitOid" };
        case.fault(Rule::route("commit", Fault::edit(move |body| {
            let body = if body.get("Data").is_some() { &mut body["Data"] } else { body };
            take(body, key);
        })));
        case.survives();
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
    }

    fn a_branch_that_moves_between_plan_and_commit_is_planned_anew(case) {
        case.trip.copy().file("README.md", CARD).commit();
        let copy = case.trip.copy();
        case.trip.when_uploaded(1 << 20, move || _ = copy.file("theirs.txt", "theirs").commit());
        let outcome = case.ends(&[], 0);
        outcome.trip.assert_arrived();
        assert!(case.trip.copy().files().contains_key("theirs.txt"));
        assert!(case.trip.destination_journal().sent_twice().is_empty());
    }

    fn a_branch_that_moves_with_a_file_of_ours_is_not_overwritten(case) {
        case.trip.copy().file("README.md", CARD).commit();
        let copy = case.trip.copy();
        case.trip.when_uploaded(1 << 20, move || _ = copy.file("vocab.txt", "theirs").commit());
        case.fails(3);
        assert_eq!(case.trip.copy().content("vocab.txt").unwrap().to_bytes(), "theirs");
    }
}

on_hugging_face! {
    fn a_branch_that_moves_inside_the_commit_is_planned_anew(case) {
        let copy = case.trip.copy();
        case.trip.when_commit(CommitMoment::BeforeApply, move || _ = copy.file("theirs.txt", "theirs").commit());
        case.ends(&[], 0);
        case.trip.assert_arrived();
        assert_eq!(case.trip.copy().ours().len(), 1);
    }

    fn a_repeated_commit_that_is_refused_because_the_first_came_through_is_found(case) {
        case.fault(Rule::route("commit", Fault::status(500)));
        case.trip.when_commit(CommitMoment::BeforeApply, all_at_once(case));
        case.ends(&[], 0);
        case.trip.assert_identical();
        assert_eq!(case.trip.destination_journal().requests("commit"), 2);
    }

    fn a_branch_that_always_seems_to_move_is_given_up_with_a_suspicion(case) {
        let Repo::Hf(copy) = case.trip.copy() else { unreachable!("the destination is Hugging Face") };
        copy.misbehave(|quirks| quirks.always_conflicts = true);
        case.fails(1);
        assert!(case.trip.destination_journal().requests("commit") <= 4, "bounded");
        copy.misbehave(|quirks| quirks.always_conflicts = false);
        case.then_arrives();
    }

    fn a_commit_over_the_limit_of_an_hour_ends_at_once_and_says_when_to_come_again(case) {
        case.fault(Rule::route("commit", hf::commits_per_hour()).always());
        case.fails(1);
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
        case.then_arrives();
    }

    fn a_commit_over_the_limit_of_an_hour_that_says_so_in_words_alone_ends_at_once_too(case) {
        case.trip.world.hf.behaviour(|behaviour| behaviour.commits_per_hour = 0);
        case.fails(1);
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
        case.trip.world.hf.behaviour(|behaviour| behaviour.commits_per_hour = 128);
        case.then_arrives();
    }

    fn a_commit_over_the_quota_of_the_window_waits_for_its_end(case) {
        case.fault(Rule::route("commit", hf::quota_used_up(1)));
        case.survives();
    }

    fn a_commit_over_another_limit_waits_as_it_says(case) {
        case.fault(Rule::route("commit", hf::other_limit(Some(0))));
        case.survives();
    }

    fn a_commit_beside_another_operation_of_the_account_is_made_again(case) {
        case.fault(Rule::route("commit", hf::conflicting_operation()));
        case.survives();
    }

    fn a_commit_of_too_many_files_at_once_is_halved(case) {
        let body = r#"{"error":"Too many LFS files in a commit: 30000, at most 25000"}"#;
        case.fault(Rule::route("commit", Fault::status(422).body(body)));
        case.arrives_by(&[]);
        assert_eq!(case.trip.copy().ours().len(), 2);
    }

    fn a_commit_by_an_account_that_nobody_pays_for_ends_at_once(case) {
        case.fault(Rule::route("commit", hf::no_recharge()).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
        case.then_arrives();
    }
}

on_modelscope! {
    fn a_branch_that_moves_inside_the_commit_is_kept_beside_ours(case) {
        case.trip.copy().file("README.md", CARD).commit();
        let copy = case.trip.copy();
        case.trip.when_commit(CommitMoment::BeforeApply, move || _ = copy.file("theirs.txt", "theirs").commit());
        case.ends(&[], 0);
        case.trip.assert_arrived();
        assert!(case.trip.copy().files().contains_key("theirs.txt"));
    }

    fn a_commit_that_lost_a_race_by_the_overloaded_code_is_made_again(case) {
        case.fault(Rule::route("commit", ms::branch_changed()));
        case.survives();
    }

    fn a_commit_against_the_policy_by_the_overloaded_code_is_made_again(case) {
        case.fault(Rule::route("commit", ms::policy()));
        case.survives();
    }

    fn a_commit_by_the_overloaded_code_without_a_word_is_made_again(case) {
        case.fault(Rule::route("commit", Fault::status(400).body(r#"{"Code":10030000001,"Success":false,"Message":""}"#)));
        case.survives();
    }

    fn a_commit_without_credentials_by_the_overloaded_code_ends_at_once(case) {
        let body = r#"{"Code":10030000001,"Success":false,"Message":"user not logged in"}"#;
        case.fault(Rule::route("commit", Fault::status(400).body(body)).always());
        case.fails(3);
        assert_eq!(case.trip.destination_journal().requests("commit"), 1);
        case.then_arrives();
    }

    fn commits_against_the_policy_without_end_are_reported(case) {
        case.fault(Rule::route("commit", ms::policy().header("retry-after", "0")).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_commit_over_the_frequency_limit_waits_as_it_says(case) {
        case.fault(Rule::route("commit", ms::commit_frequency(Some(1))));
        case.fault(Rule::route("commit", ms::commit_frequency(None)).skip(1));
        case.survives();
    }

    fn a_commit_over_the_frequency_limit_in_a_400_waits(case) {
        let body = r#"{"Code":400,"Success":false,"Message":"E1021: Commit frequency limit exceeded"}"#;
        case.fault(Rule::route("commit", Fault::status(400).body(body)));
        case.survives();
    }

    fn a_commit_over_the_frequency_limit_for_long_says_for_how_long(case) {
        case.fault(Rule::route("commit", ms::commit_frequency(Some(1_800))).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_failure_in_a_200_of_a_commit_is_made_again(case) {
        case.fault(Rule::route("commit", ms::failure_in_success()));
        case.survives();
    }

    fn failures_in_a_200_of_a_commit_without_end_are_reported(case) {
        case.fault(Rule::route("commit", ms::failure_in_success()).always());
        case.fails(1);
        case.then_arrives();
    }

    fn a_commit_of_too_many_actions_is_halved(case) {
        let body = r#"{"Code":422,"Success":false,"Message":"commit request exceeds actions limit: 2001 > 2000"}"#;
        case.fault(Rule::route("commit", Fault::status(422).body(body)));
        case.arrives_by(&[]);
        assert_eq!(case.trip.copy().ours().len(), 2);
    }

    fn a_commit_to_what_is_no_branch_any_more_is_named(case) {
        let body = r#"{"Code":400,"Success":false,"Message":"You can only create or edit files when you are on a branch"}"#;
        case.fault(Rule::route("commit", Fault::status(400).body(body)).always());
        case.fails(1);
    }
}
