//! Tokens that die, or may do less, while a migration runs.

use std::sync::Arc;

use standins::faults::{Fault, Rule};
use standins::huggingface::Role;
use standins::modelscope::Tier;
use standins::rig::CommitMoment;

use super::case::{Case, SMALL, either_way, on_hugging_face, on_modelscope};
use crate::trip::{Repo, Way};

/// Makes the destination's token worthless.
fn revoking(case: &Case) -> impl Fn() + Send + Sync + 'static {
    let (copy, token) = (case.trip.copy(), case.token());
    move || match &copy {
        Repo::Hf(repo) => repo.revoke(&token),
        Repo::Ms(repo) => repo.revoke(&token),
    }
}

/// Leaves the destination's token the right to read.
fn downgrading(case: &Case) -> impl Fn() + Send + Sync + 'static {
    let (copy, token) = (case.trip.copy(), case.token());
    move || match &copy {
        Repo::Hf(repo) => repo.change(&token, Role::Read),
        Repo::Ms(repo) => repo.change(&token, Tier::Read),
    }
}

/// Another token of the same user.
fn another(case: &Case) -> String {
    match case.way {
        Way::HfToMs => case.trip.world.ms.token("alice", Tier::Write),
        Way::MsToHf => case.trip.world.hf.token("alice", Role::Write),
    }
}

either_way! {
    fn a_token_that_dies_before_the_first_byte_ends_it(case) {
        case.fault(Rule::route(case.way.batch(), Fault::Call(Arc::new(revoking(case)))));
        case.fails(3).then_arrives_as(&another(case));
    }

    fn a_token_that_dies_between_blobs_and_commit_keeps_the_blobs(case) {
        case.fault(Rule::route("commit", Fault::Call(Arc::new(revoking(case)))));
        case.fails(3).then_arrives_as(&another(case));
    }

    fn a_token_that_dies_in_the_verification_leaves_it_committed_and_not_proven(case) {
        case.trip.when_commit(CommitMoment::AfterApplyBeforeAnswer, revoking(case));
        case.ends(&[], 4);
        assert_eq!(case.trip.copy().ours().len(), 1);
        case.then_arrives_as(&another(case));
    }

    fn a_token_that_may_only_read_from_now_on_ends_it_at_the_next_question(case) {
        case.fault(Rule::route(case.way.batch(), Fault::Call(Arc::new(downgrading(case)))));
        case.fails(3).then_arrives_as(&another(case));
    }

    fn a_token_that_may_only_read_from_now_on_ends_it_at_the_commit(case) {
        case.fault(Rule::route("commit", Fault::Call(Arc::new(downgrading(case)))));
        case.fails(3).then_arrives_as(&another(case));
    }
}

on_hugging_face! {
    fn a_token_that_dies_before_the_verification_of_an_upload_ends_it(case) {
        case.fault(Rule::route("lfs.complete", Fault::Call(Arc::new(revoking(case)))));
        case.fails(3).then_arrives_as(&another(case));
    }

    fn a_token_that_dies_before_the_preupload_ends_it(case) {
        case.fault(Rule::route("preupload", Fault::Call(Arc::new(revoking(case)))));
        case.fails(3).then_arrives_as(&another(case));
    }
}

on_modelscope! {
    fn a_token_that_dies_before_a_put_ends_it(case) {
        let small = case.trip.source().files()[SMALL].sha256.clone();
        case.fault(Rule::route("put", Fault::Call(Arc::new(revoking(case)))).path(&small));
        case.fails(3);
    }

    fn a_token_that_may_only_read_from_now_on_ends_it_at_a_put(case) {
        let files = case.trip.source().files();
        case.fault(Rule::route("put", Fault::Call(Arc::new(downgrading(case)))).path(&files[SMALL].sha256));
        // so that it is this one which is refused first
        case.fault(Rule::route("put", Fault::Delay(std::time::Duration::from_secs(3))).path(&files["model.safetensors"].sha256));
        case.fails(3);
    }
}
