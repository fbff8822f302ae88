//! Tokens that end, and doors that close, while it runs.

use std::sync::Arc;

use standins::faults::{Fault, Rule};
use standins::huggingface::{Gated, Role};
use standins::modelscope::{Tier, misfortunes};

use super::{LARGE, Way, datasets, fails, large, models};
use crate::trip::{Repo, Trip, both_ways};
use crate::world::MIB;

/// Makes the source's token worthless when it is called.
fn revoking(trip: &Trip, way: Way) -> Box<dyn Fn() + Send + Sync> {
    match way {
        Way::HfToMs => Box::new(trip.world.hf.revoking(&trip.world.variables["HF_TOKEN"])),
        Way::MsToHf => Box::new(trip.world.ms.revoking(&trip.world.variables["MODELSCOPE_API_TOKEN"])),
    }
}

/// Does this in the middle of the large file, and breaks its connections a little later, so that the hub is asked again.
fn in_mid_file(trip: &Trip, way: Way, act: impl FnOnce() + Send + 'static) {
    match way {
        Way::HfToMs => trip.world.hf.when_downloaded_bytes(2 * MIB, Box::new(act)),
        Way::MsToHf => trip.world.ms.when_downloaded_bytes(2 * MIB, Box::new(act)),
    }
    trip.source_fault(large(way, Fault::ResetDownload(3 * MIB)).always());
}

both_ways! {
    fn a_token_that_ends_between_two_pages_of_a_listing(way) {
        fails(3, || {
            let trip = datasets(way);
            trip.world.hf.behaviour(|behaviour| behaviour.tree_page = 2);
            trip.world.ms.behaviour(|behaviour| behaviour.page_limit = 2);
            let page = if way == Way::HfToMs { "cursor=" } else { "PageNumber=2" };
            let act = revoking(&trip, way);
            trip.source_fault(Rule::route("tree", Fault::Call(Arc::new(act))).path(page));
            trip
        });
    }

    fn a_token_that_ends_in_the_middle_of_a_file(way) {
        fails(3, || {
            let trip = models(way);
            let act = revoking(&trip, way);
            in_mid_file(&trip, way, act);
            trip
        });
    }

    fn a_token_that_ends_before_the_small_files(way) {
        fails(3, || {
            let trip = models(way);
            let act = revoking(&trip, way);
            let route = if way == Way::HfToMs { "resolve" } else { "download" };
            trip.source_fault(Rule::route(route, Fault::Call(Arc::new(act))).path("vocab.txt"));
            trip
        });
    }

    fn a_source_that_is_gated_in_the_middle_names_the_page(way) {
        fails(3, || {
            let trip = foreign(way);
            match trip.source() {
                Repo::Hf(repo) => in_mid_file(&trip, way, move || {
 repo.gated(Gated::Manual);
}),
                Repo::Ms(repo) => in_mid_file(&trip, way, move || {
 repo.gated();
}),
            }
            trip
        });
    }

    fn a_source_that_is_made_private_in_the_middle(way) {
        fails(1, || {
            let trip = foreign(way);
            match trip.source() {
                Repo::Hf(repo) => in_mid_file(&trip, way, move || {
 repo.private();
}),
                Repo::Ms(repo) => in_mid_file(&trip, way, move || {
 repo.private();
}),
            }
            trip
        });
    }
}

/// [`models`], read with the token of somebody whose it is not.
fn foreign(way: Way) -> Trip {
    let mut trip = models(way);
    match way {
        Way::HfToMs => {
            trip.world.hf.user("bob");
            let token = trip.world.hf.token("bob", Role::Read);
            trip.world.set("HF_TOKEN", token);
        }
        Way::MsToHf => {
            let token = trip.world.ms.token("bob", Tier::Read);
            trip.world.set("MODELSCOPE_API_TOKEN", token);
        }
    }
    trip
}

#[test]
fn a_gated_source_of_either_kind_names_the_page() {
    for gated in [Gated::Auto, Gated::Manual] {
        let error = fails(3, || {
            let trip = foreign(Way::HfToMs);
            let Repo::Hf(repo) = trip.source() else { panic!("the source is Hugging Face") };
            repo.gated(gated);
            trip
        });
        assert!(error["hint"].as_str().unwrap().contains("/alice/bert"), "{error}");
    }
}

#[test]
fn a_gated_source_names_the_page_to_who_is_not_signed_in() {
    fails(3, || {
        let mut trip = models(Way::HfToMs);
        trip.world.unset("HF_TOKEN");
        let Repo::Hf(repo) = trip.source() else { panic!("the source is Hugging Face") };
        repo.gated(Gated::Auto);
        trip
    });
}

#[test]
fn a_gated_source_of_modelscope_names_the_page() {
    fails(3, || {
        let trip = foreign(Way::MsToHf);
        let Repo::Ms(repo) = trip.source() else { panic!("the source is ModelScope") };
        repo.gated();
        trip
    });
}

#[test]
fn a_modelscope_token_that_has_run_out_in_the_site_s_own_words() {
    fails(3, || {
        let trip = models(Way::MsToHf);
        trip.source_fault(Rule::route("download", misfortunes::token_expired()).path(LARGE).always());
        trip
    });
}

#[test]
fn a_modelscope_quota_that_is_used_up_is_no_gate() {
    fails(3, || {
        let trip = models(Way::MsToHf);
        trip.source_fault(Rule::route("download", misfortunes::quota()).path(LARGE).always());
        trip
    });
}

/// Hugging Face refuses a read in these words, also to git, by which a locked account may be read otherwise.
fn refused_by_hugging_face(route: &'static str, status: u16, words: &'static str) {
    fails(3, || {
        let trip = models(Way::HfToMs);
        for door in ["git.refs", "git.fetch", "lfs.batch"] {
            trip.source_fault(Rule::route(door, Fault::status(403)).always());
        }
        trip.source_fault(Rule::route(route, Fault::status(status).header("x-error-message", words)).always());
        trip
    });
}

#[test]
fn a_storage_lock_on_a_lookup_is_no_matter_of_the_token() {
    refused_by_hugging_face(
        "repo.info",
        403,
        "Private repository storage limit reached, please upgrade your plan to increase your private storage limit",
    );
}

#[test]
fn a_storage_lock_on_a_listing_is_no_matter_of_the_token() {
    refused_by_hugging_face("tree", 403, "You have exceeded your public storage space");
}

#[test]
fn a_storage_lock_on_a_download_is_no_gate() {
    refused_by_hugging_face(
        "resolve",
        403,
        "Your storage patterns tripped our internal systems! Please contact us at website@huggingface.co",
    );
}

#[test]
fn a_billing_lock_on_a_download_is_no_gate() {
    refused_by_hugging_face("resolve", 403, "You need to setup automatic credit recharge");
}

#[test]
fn a_repository_that_is_removed_by_law_says_so() {
    refused_by_hugging_face("repo.info", 451, "Unavailable for legal reasons");
}

#[test]
fn a_token_without_the_scope_to_read_is_told_so() {
    refused_by_hugging_face("repo.info", 403, "Forbidden: your token does not have the scope to read this repository");
}

#[test]
fn a_repository_that_its_hub_has_disabled_says_so() {
    fails(3, || {
        let trip = models(Way::HfToMs);
        let Repo::Hf(repo) = trip.source() else { panic!("the source is Hugging Face") };
        repo.disable();
        trip
    });
}

#[test]
fn a_repository_that_its_hub_disables_in_the_middle_says_so() {
    fails(3, || {
        let trip = models(Way::HfToMs);
        let Repo::Hf(repo) = trip.source() else { panic!("the source is Hugging Face") };
        in_mid_file(&trip, Way::HfToMs, move || {
            repo.disable();
        });
        trip
    });
}
