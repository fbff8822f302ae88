//! Reading by git: asked for, or by itself where the hub's API says that the account's storage is locked. The server is git's own.

mod elsewhere;
mod large;
mod real;
mod refusals;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::huggingface::{self, Gated};
use standins::journal::Journal;
use standins::modelscope;

use crate::fan_out::Cloud;
use crate::trip::{Repo, Trip, Way, both_ways, stock};
use crate::world::{KIB, MIB, Outcome, bytes, generated};

/// As a hub that locks an account over its quota says it.
pub(super) const LOCK: &str = "Private repository storage limit reached, please upgrade your plan to increase your private storage limit";

/// Requests that gave file bytes over the source's API.
fn downloads_by_api(trip: &Trip) -> u64 {
    ["resolve", "resolve-cache", "download"].iter().map(|route| trip.source_journal().requests(route)).sum()
}

fn fetches(trip: &Trip) -> u64 {
    trip.source_journal().requests("git.fetch")
}

impl Trip {
    pub(super) fn is_from_hugging_face(&self) -> bool {
        self.way == Way::HfToMs
    }

    pub(super) fn source_journal(&self) -> &Journal {
        if self.is_from_hugging_face() { self.world.hf.journal() } else { self.world.ms.journal() }
    }

    pub(super) fn copy_exists(&self) -> bool {
        match self.way {
            Way::HfToMs => self.world.ms.repo_exists(modelscope::RepoKind::Model, "alice/bert"),
            Way::MsToHf => self.world.hf.repo_exists(huggingface::RepoKind::Model, "alice/bert"),
        }
    }

    fn copy_is_private(&self) -> bool {
        match self.copy() {
            Repo::Hf(repo) => repo.is_private(),
            Repo::Ms(repo) => repo.visibility() == modelscope::Visibility::Private,
        }
    }
}

impl Repo {
    /// From now on the API gives no file, with these words.
    fn locks_downloads(&self, words: &str) {
        match self {
            Self::Hf(repo) => drop(repo.misbehave(|quirks| quirks.downloads_locked = Some(words.to_owned()))),
            Self::Ms(repo) => drop(repo.misbehave(|quirks| quirks.downloads_locked = Some(words.to_owned()))),
        }
    }

    /// From now on the API gives nothing at all.
    fn locks_api(&self, words: &str) {
        match self {
            Self::Hf(repo) => drop(repo.misbehave(|quirks| quirks.api_locked = Some(words.to_owned()))),
            Self::Ms(repo) => drop(repo.misbehave(|quirks| quirks.api_locked = Some(words.to_owned()))),
        }
    }

    fn private(&self) {
        match self {
            Self::Hf(repo) => drop(repo.private()),
            Self::Ms(repo) => drop(repo.private()),
        }
    }
}

#[track_caller]
fn assert_read_by_git(trip: &Trip, outcome: Outcome) -> Value {
    let report = trip.assert_done(outcome);
    assert_eq!(report["source"]["by_git"], true, "{report}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("the source is read by git: "), "{warnings}");
    assert!(fetches(trip) > 0);
    report
}

both_ways! {
    fn asked_for_it_reads_every_file_by_git(way) {
        let trip = Trip::stocked(way);
        assert_read_by_git(&trip, trip.migrate(&["--use-git"]));
        assert_eq!(downloads_by_api(&trip), 0);
        // one look for the plan and one for the work
        assert_eq!(fetches(&trip), 2, "{:?}", trip.source_journal().by_route());
        assert_eq!(trip.verify(&["--use-git"]).exits(0).json()["source"]["by_git"], true);
        crate::again::idle(&trip);
    }

    fn a_dataset_is_read_by_git_as_well(way) {
        let trip = Trip::of_dataset(way);
        stock(&trip.source());
        assert_read_by_git(&trip, trip.migrate(&["--use-git"]));
        assert_eq!(downloads_by_api(&trip), 0);
    }

    fn who_may_not_ask_the_api_at_all_gets_a_private_copy(way) {
        let trip = Trip::stocked(way);
        trip.source().locks_api("anything");
        let plain = trip.migrate(&[]).exits(3).json();
        assert_eq!(plain["error"]["kind"], "forbidden", "{plain}");
        assert!(!trip.copy_exists(), "nothing is created");
        assert_read_by_git(&trip, trip.migrate(&["--use-git"]));
        assert!(trip.copy_is_private(), "who may read the source is not known");
    }

    fn a_private_repository_opens_to_its_token(way) {
        let trip = Trip::stocked(way);
        trip.source().private();
        assert_read_by_git(&trip, trip.migrate(&["--use-git"]));
    }

    fn a_branch_a_tag_and_a_commit_are_found_by_git(way) {
        let trip = Trip::stocked(way);
        let source = trip.source();
        let old = source.head();
        source.file("model-00001.safetensors", generated(91, 9 * MIB)).file("vocab.txt", "c\n").commit();
        source.locks_api("anything");
        let outcome = trip.migrate(&["--use-git", "--revision", &old]);
        let report = outcome.exits(0).json();
        assert_eq!((report["state"].as_str(), report["source"]["revision"].as_str()), (Some("verified"), Some(old.as_str())));
        let copied = trip.copy().content("vocab.txt").unwrap();
        assert_eq!(copied.to_bytes(), "a\nb\n");
        for absent in ["nowhere", "0123456789012345678901234567890123456789"] {
            let refused = trip.migrate(&["--use-git", "--revision", absent, "--dest", "alice/other"]).exits(1).json();
            assert_eq!(refused["error"]["kind"], "not_found", "{refused}");
        }
        assert_eq!(trip.migrate(&["--use-git", "--yes"]).exits(0).json()["source"]["revision"], source.head());
        trip.assert_arrived();
    }

    fn a_pack_that_is_cut_or_changed_on_its_way_is_asked_for_again(way) {
        let trip = Trip::stocked(way);
        trip.source_fault(Rule::route("git.fetch", Fault::ResetDownload(300)));
        trip.source_fault(Rule::route("git.fetch", Fault::FlipByte(900)).skip(1));
        assert_read_by_git(&trip, trip.migrate(&["--use-git"]));
        assert_eq!(fetches(&trip), 4);
    }

    fn workers_in_the_cloud_read_by_git_as_well(way) {
        let (cloud, bytes) = Cloud::with_shared(way, 8);
        cloud.trip.source().locks_api(LOCK);
        let report = cloud.assert_done(cloud.trip.migrate(&["--workers", "3", "--use-git"]));
        assert_eq!((&report["source"]["by_git"], cloud.workers().len()), (&Value::Bool(true), 3), "{report}");
        assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), bytes, "each blob once");
        assert_eq!(downloads_by_api(&cloud.trip), 0);
    }

    fn large_files_are_asked_for_together_and_go_on_after_a_break(way) {
        let trip = Trip::new(way);
        let source = trip.source();
        for number in 0..230 {
            source.lfs_file(&format!("part-{number:03}.bin"), bytes(3_000 + number, 2 * KIB + number));
        }
        source.lfs_file("large.bin", generated(92, 12 * MIB)).commit();
        trip.source_fault(Rule::route(way.large(), Fault::ResetDownload(3 * MIB)).path(way.blob_path(source.files()["large.bin"].sha256.as_str())));
        trip.source_fault(Rule::route(way.large(), Fault::ExpireUrl).skip(3).times(2));
        assert_read_by_git(&trip, trip.migrate(&["--use-git"]));
        let asked = trip.source_journal().requests(if way == Way::HfToMs { "lfs.batch" } else { "git.batch" });
        assert!(asked <= 12, "{asked} calls for 231 files");
    }
}

/// By itself, where the hub says so; the plan does too, and asks for no consent.
#[test]
fn a_locked_account_is_read_by_git_by_itself() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.source().locks_downloads(LOCK);
    let plan = trip.world.run(&["plan", "hf:alice/bert"]).exits(0);
    insta::assert_snapshot!("plan_of_a_locked_account", plan.shown(&trip.world));
    assert_read_by_git(&trip, trip.migrate(&[]));
    assert!(downloads_by_api(&trip) < 6, "it asks no more once it knows: {}", downloads_by_api(&trip));
}

/// The lock may come while files are read.
#[test]
fn a_lock_that_comes_in_the_middle_changes_the_way_and_nothing_else() {
    let trip = Trip::stocked(Way::HfToMs);
    let lock = || Fault::status(403).header("x-error-message", LOCK);
    trip.source_fault(Rule::route("resolve", lock()).skip(4).always());
    let report = trip.assert_done(trip.migrate(&[]));
    assert_eq!(report["source"]["by_git"], true, "{report}");
    assert!(report["warnings"].to_string().contains("the source was read by git from some file on"), "{report}");
}

#[test]
fn a_lock_of_the_whole_api_is_met_by_git_as_well() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.source().locks_api(LOCK);
    assert_read_by_git(&trip, trip.migrate(&[]));
    assert!(trip.copy_is_private());
}

/// A gate, a disabled repository and a token that may not are no locks.
#[test]
fn other_refusals_are_not_walked_round() {
    let trip = Trip::stocked(Way::HfToMs);
    let Repo::Hf(source) = trip.source() else { unreachable!() };
    let tried = |trip: &Trip| {
        let refused = trip.migrate(&[]).exits(3).json();
        assert_eq!(refused["error"]["kind"], "forbidden", "{refused}");
        assert!(trip.source_journal().by_route().keys().all(|route| !route.starts_with("git.")), "git was asked");
    };
    source.misbehave(|quirks| quirks.downloads_locked = Some("Forbidden: you do not have the rights".to_owned()));
    tried(&trip);
    source.misbehave(|quirks| quirks.downloads_locked = None);
    source.disable();
    tried(&trip);

    let mut trip = Trip::new(Way::HfToMs);
    let Repo::Hf(source) = trip.source() else { unreachable!() };
    source.gated(Gated::Manual);
    trip.world.hf.user("bob");
    let bobs = trip.world.hf.token("bob", huggingface::Role::Read);
    trip.world.set("HF_TOKEN", bobs);
    tried(&trip);
    // git meets the gate too, and says what to do
    let refused = trip.world.run(&["migrate", "hf:alice/bert", "--use-git"]).exits(3);
    insta::assert_snapshot!("gated_by_git", refused.shown(&trip.world));
}

/// Which password ModelScope's git takes is not sure: the token, what a login gives, or, with logins refused, nothing else.
#[test]
fn modelscopes_git_opens_to_the_token_or_to_what_a_login_gives() {
    for (takes_tokens, refuses_logins, opens) in [(false, false, true), (true, false, true), (true, true, true), (false, true, false)] {
        let trip = Trip::stocked(Way::MsToHf);
        trip.source().private();
        trip.world.ms.behaviour(|behaviour| {
            behaviour.git_takes_api_tokens = takes_tokens;
            behaviour.refuses_logins = refuses_logins;
        });
        let outcome = trip.migrate(&["--use-git"]);
        if opens {
            assert_read_by_git(&trip, outcome);
        } else {
            assert_eq!(outcome.exits(1).json()["error"]["kind"], "not_found");
            assert!(!trip.copy_exists());
        }
        assert_eq!(trip.world.ms.journal().requests("login") > 0, !takes_tokens);
    }
}
