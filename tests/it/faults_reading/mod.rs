//! Everything that the facts about both services say may go wrong while hf2ms reads: what it is, and the test that brings it about.
//!
//! Not here: silence or refusals without `Retry-After` that never end. They take the whole patience of a download, eleven minutes.
//!
//! Where nothing else is said a test is in the file of this folder that the heading names, goes both ways, and holds the whole text that a
//! person sees in a snapshot, with the error of `--json` where it ends in one. A misfortune that nobody sees anything of is held against
//! the snapshot of a run without any (`as_always_…`). Lookups and listings fail in the plan, downloads in the process that carries.
//!
//! **A service that is down** (`outages`; facts, huggingface §2 "Errors", modelscope §2.1)
//!
//! | what | for a moment | for good |
//! |---|---|---|
//! | lookup: 500, 503 | `a_lookup_that_fails_for_a_moment…` | `a_lookup_that_never_works…` |
//! | lookup: 502 with a page of HTML | | `a_page_of_a_gateway_in_place_of_a_lookup…` |
//! | lookup: connection refused, or broken | `a_lookup_whose_connection_breaks…` | `a_hub_that_does_not_answer_at_all…` |
//! | history of ModelScope: 500, 503 | `a_history_that_fails…` | `a_history_that_stays_down…` |
//! | listing: 500, 503 | `a_listing_that_fails…`, `…of_a_dataset…` | `a_listing_that_stays_down…` |
//! | later page of a listing: 500, 503, broken | `listings::a_second_page_that_fails…` | `listings::a_second_page_that_stays_down…` |
//! | later pages of a listing lost on the way | | `listings::a_listing_whose_later_pages…` |
//! | redirect of a download: 500, 503 | `a_redirect_that_fails…` | `a_redirect_that_stays_down…` |
//! | small file: 500, 503 | `a_small_file_that_fails…` | `a_small_file_that_stays_down…` |
//! | the proof after the commit: 500, 503 | `a_proof_that_cannot_be_read_for_a_moment…` | `a_proof_that_cannot_be_read_says…` |
//! | every shape of a refusal's body and id | | `the_words_of_a_refusal…` |
//! | CDN: 500, 503, broken before the first byte | `a_storage_that_fails…`, `a_storage_whose_connection…` | `a_storage_that_stays_down…` |
//!
//! **Limits** (`limits`; facts, huggingface §2 "Rate limits", modelscope §2.1)
//!
//! | what | test |
//! |---|---|
//! | 429 with `Retry-After` | `…_with_retry_after`: lookup, listing, redirect, CDN of either hub, history; `listings::a_second_page_that_is_limited…` |
//! | 429 with `RateLimit`, nothing left: wait t + 1 | `hugging_face_…_with_a_window_used_up`, also where `Retry-After` says more |
//! | 429 with `RateLimit`, something left: another limit | `hugging_face_…_with_a_window_not_used_up`, and with `Retry-After` |
//! | 429 with no header | `…_with_no_header` |
//! | throttle words `E1021` in a 400 or a 200 | `modelscope_…_with_e1021_…` |
//! | a hub that counts by itself | `a_quota_of_calls…`, `a_quota_of_downloads…` |
//! | a wait longer than anybody waits | `…_that_is_limited_for_an_hour…` at each place |
//! | no end, and no word for how long | `a_lookup_that_is_limited_for_ever…` |
//! | nobody is signed in | `a_limit_for_those_who_are_not_signed_in…` |
//! | a wait that is long | `a_long_wait_in_the_plan…`, `a_long_wait_in_the_middle…` |
//! | `whoami-v2` and `users/me` of the destination | `the_account_of_the_destination…` |
//!
//! **Downloads** (`downloads`; facts, huggingface §2 "Download URL", modelscope §2.4)
//!
//! | what | once | for ever |
//! |---|---|---|
//! | reset in the middle | `a_reset…`, `a_small_file_that_breaks_off…` | `a_line_that_breaks_every_few_megabytes…` |
//! | stall in the middle; before the head | `a_body_that_goes_silent…`, `a_short_silence…`, `a_small_file_that_goes_silent…`, `a_storage_that_does_not_begin…`, `a_hub_that_does_not_begin…`; the setting: `a_time_of_silence…` | |
//! | body ends early | `a_body_that_ends_early…` | as resets |
//! | body or length too short, or nothing | `a_body_that_promises_too_little…`, `a_body_of_nothing…` | `a_small_file_that_is_always_too_short…` |
//! | body too long | `a_body_that_is_too_long…` | `a_small_file_that_is_always_too_long…` |
//! | one byte flipped | `a_flipped_byte…` | `bytes_that_are_always_wrong…` |
//! | right size, other bytes | | `other_bytes_of_the_right_size…` |
//! | HTML in a 200, another length | `a_page_in_place_of_a_file…` | `…for_ever…`, `a_page_in_place_of_a_small_file…` |
//! | HTML in a 200, the same length | `a_page_as_long_as_the_file…`, `…small_file…` | `a_page_as_long_as_the_file_for_ever…` |
//! | signed address expired: first use, going on | `an_address_that_has_expired_before…`, `…when_a_download_goes_on…` | `a_storage_that_refuses_every_address…` |
//! | CDN: 404 | | `a_storage_that_has_lost_the_file…` |
//! | 416 | | `a_file_that_is_shorter_in_the_storage…` |
//! | `Range` ignored | | `a_range_that_is_ignored…` |
//! | wrong `Content-Range`: start, total | `another_range_than_was_asked_for_is_not_taken`, `a_range_of_a_file_of_another_size…` | `another_range_than_was_asked_for_for_ever…`; ignored: `another_range_for_ever…` |
//! | another `ETag` in the middle | `a_file_that_changes_while_it_is_read…` | |
//! | listed, and 404 or an error in a 200 when read | | `a_listed_file_that_is_not_there…`, `a_listed_file_that_modelscope_denies…` |
//! | under review (`InCheck`) | | `a_file_under_review…` |
//! | only for Xet above 50 GB: ranges pass, or not | `a_large_file_that_is_not_given_whole…` | `a_large_file_that_is_for_xet_alone…` |
//!
//! **Listings** (`listings`; facts, modelscope §2.1, §2.3)
//!
//! | what | test |
//! |---|---|
//! | `Success: false` in a 200 | `a_failure_inside_a_success…`: once, for ever, on a lookup |
//! | code 10030000001: race, nothing said, no credentials | `the_overloaded_code…` |
//! | spurious 403 on a later page, on a folder | `a_spurious_refusal…`; for good: `a_refusal_of_a_later_page…`, `a_refusal_of_the_first_page…` |
//! | repeated page | `a_listing_that_repeats_a_page…` |
//! | HTML in place of a listing, cut in the middle | `a_web_page_in_place_of_a_listing…`, `a_page_of_a_gateway_in_place_of_a_listing…`, `a_listing_that_breaks_off…` |
//! | next link, kind or size not understood | `a_link_that_is_not_understood…`, `an_entry_…` |
//! | a dataset without `revisions` | `a_dataset_without_a_route_for_revisions…` |
//! | 3,000 entries at most, short pages, no digests, no listing by commit, no history | `caps`, `guesses` (no snapshots: what is seen is as always) |
//!
//! **The source itself** (`source`)
//!
//! | what | test |
//! |---|---|
//! | moves after the plan, in the middle of a file | `a_source_that_moves…` |
//! | the same where only branches are listed, with and without history | `a_branch_that_moves…`, `a_branch_that_never_stays_the_same…` |
//! | deleted after the plan, in the middle of a file, before the small files | `a_source_that_is_deleted…` |
//! | renamed before, renamed in the middle of a file | `a_source_that_has_another_name…`, `a_source_that_is_renamed…` |
//!
//! **Tokens and doors** (`tokens`; facts, huggingface §1, §2 "Errors", "Storage locks", modelscope §1.3, §2.1)
//!
//! | what | test |
//! |---|---|
//! | missing, wrong, revoked, foreign, too weak | `crate::tokens`, with snapshots |
//! | ends between two pages, in the middle of a file after a reset, before the small files | `a_token_that_ends…`, `a_modelscope_token_that_has_run_out…` |
//! | gated: auto, manual, ModelScope; gated in the middle | `a_gated_source…`, `a_source_that_is_gated_in_the_middle…`, `crate::tokens::a_gated_source_without_access…` |
//! | made private in the middle | `a_source_that_is_made_private…` |
//! | disabled, also in the middle; 451 | `a_repository_that_its_hub…`, `a_repository_that_is_removed_by_law…` |
//! | storage and billing locks as 403 on lookup, listing, download | `a_storage_lock…`, `a_billing_lock…` |
//! | quota of ModelScope used up | `a_modelscope_quota…` |
//! | no scope to read | `a_token_without_the_scope_to_read…` |

mod downloads;
mod limits;
mod listings;
mod outages;
mod source;
mod tokens;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::journal::Journal;

use crate::trip::{Repo, Trip, Way};
use crate::world::{MIB, generated};

/// The large file of [`goods`]: on the way to Hugging Face it goes in two parts.
const LARGE: &str = "model.safetensors";
/// Its size. All else goes inside the commit.
const SIZE: u64 = 12 * MIB;

/// What comes to the source after the plan, and so is not copied.
const LATER: &str = "later.txt";

/// One large file and two small ones.
fn goods(repo: &Repo) {
    repo.file(LARGE, generated(61, SIZE)).file("vocab.txt", "a\nb\n").file("config.json", "{}").commit();
}

/// A trip of [`goods`] between models.
fn models(way: Way) -> Trip {
    let trip = Trip::new(way);
    goods(&trip.source());
    trip
}

/// The same between datasets.
fn datasets(way: Way) -> Trip {
    let trip = Trip::of_dataset(way);
    goods(&trip.source());
    trip
}

/// A rule for downloads of the large file from the source's storage.
fn large(way: Way, fault: Fault) -> Rule {
    Rule::route(way.large(), fault)
}

/// A rule for a small file.
fn small(way: Way, fault: Fault) -> Rule {
    Rule::route(way.small(), fault).path("vocab.txt")
}

impl Way {
    /// Where the source says what the repository is.
    fn lookup(self) -> &'static str {
        match self {
            Self::HfToMs => "repo.info",
            Self::MsToHf => "info",
        }
    }

    /// Where the source says where the large file's bytes are.
    fn resolve(self) -> &'static str {
        match self {
            Self::HfToMs => "resolve",
            Self::MsToHf => "download",
        }
    }
}

fn source_journal(trip: &Trip, way: Way) -> &Journal {
    match way {
        Way::HfToMs => trip.world.hf.journal(),
        Way::MsToHf => trip.world.ms.journal(),
    }
}

/// It is survived and nobody sees anything of it: all is there in one commit, proven, every byte sent once, and what was printed is what
/// is printed without any misfortune.
#[track_caller]
fn arrives_once(trip: &Trip) {
    let text = arrived(trip);
    misfortune_came(trip);
    assert_eq!(trip.destination_journal().bytes_uploaded(), SIZE, "every byte went once");
    snapshot_as(&as_always(trip, &text), &text);
}

/// The same where something had to be sent again. How much depends on the machine.
#[track_caller]
fn arrives_after_all(trip: &Trip) {
    let text = without_moved(&arrived(trip));
    misfortune_came(trip);
    snapshot_as(&format!("{}_but_for_what_moved", as_always(trip, &text)), &text);
}

/// It is survived, and something is said of it.
#[track_caller]
fn arrives_with_words(trip: &Trip) {
    let text = without_moved(&arrived(trip));
    misfortune_came(trip);
    snapshot(&text);
}

/// Runs it as a person would: everything of the plan is there, in one commit, and nothing else. Returns what was printed.
#[track_caller]
fn arrived(trip: &Trip) -> String {
    let outcome = trip.world.run(&[&["migrate"], &trip.address()[..]].concat());
    let text = outcome.shown(&trip.world);
    assert_eq!(outcome.code, 0, "{text}");
    assert!(outcome.stdout.starts_with("verified"), "{text}");
    trip.assert_arrived_but(&[LATER]);
    let (source, copy) = (trip.source().files(), trip.copy().files());
    let foreign = |path: &&String| !source.contains_key(*path) && path.as_str() != ".gitattributes" && path.as_str() != "README.md";
    assert_eq!(copy.keys().find(foreign), None);
    assert!(!copy.contains_key(LATER), "what came after the plan");
    assert_eq!(trip.copy().ours().len(), 1, "one commit");
    let twice = trip.destination_journal().sent_twice();
    assert!(twice.iter().all(|(_, part)| *part > 0), "a whole file went twice: {twice:?}");
    text
}

#[track_caller]
fn misfortune_came(trip: &Trip) {
    assert!(trip.source_faults().fired() + trip.destination_faults().fired() > 0, "no misfortune came");
}

/// The name of what is printed without any misfortune.
fn as_always(trip: &Trip, text: &str) -> String {
    let kind = if text.contains(" (dataset): ") { "datasets" } else { "models" };
    format!("as_always_{kind}_from_{}", &trip.address()[0][..2])
}

/// What is seen when it is not survived, by a person and by a program, each with a world of its own: nothing was committed.
#[track_caller]
fn fails(code: i32, make: impl Fn() -> Trip + Sync) -> Value {
    let run = |json: bool| {
        let trip = make();
        let flags: &[&str] = if json { &["migrate", "--json"] } else { &["migrate"] };
        let outcome = trip.world.run(&[flags, &trip.address()[..]].concat());
        assert!(trip.copy().ours().is_empty(), "{:?}", trip.copy().ours());
        assert_eq!(outcome.code, code, "{}", outcome.shown(&trip.world));
        let shown = without_moved(&outcome.shown(&trip.world));
        match json {
            true => serde_json::from_str(&without_moved(&trip.world.scrub(&outcome.json()["error"].to_string()))).unwrap(),
            false => Value::String(shown),
        }
    };
    let (person, program) = std::thread::scope(|scope| {
        let program = scope.spawn(|| run(true));
        (run(false), program.join().unwrap())
    });
    let error = serde_json::to_string_pretty(&program).unwrap();
    snapshot(&format!("{}\n--- error with --json\n{error}", person.as_str().unwrap()));
    assert!(program["hint"].is_string(), "what to do next: {program}");
    program
}

/// How many bytes were under way when something else ended the run depends on the machine, and so does which part failed first.
fn without_moved(text: &str) -> String {
    let scrub = |line: &str| match line.split_once(" moved, ") {
        Some((_, rest)) if line.starts_with("bytes ") => format!("bytes   [MOVED] moved, {rest}"),
        _ => without_number(&without_number(line, ", part "), "starts elsewhere than was asked for, asked "),
    };
    text.lines().map(scrub).collect::<Vec<_>>().join("\n")
}

/// Leaves out the number that follows these words.
fn without_number(line: &str, words: &str) -> String {
    match line.split_once(words) {
        Some((before, after)) => format!("{before}{words}[N]{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit())),
        None => line.to_owned(),
    }
}

/// Compares with the snapshot that has the name of the test.
#[track_caller]
fn snapshot(text: &str) {
    let thread = std::thread::current();
    let path = thread.name().unwrap_or_default();
    snapshot_as(&path.split("::").skip(1).collect::<Vec<_>>().join("__"), text);
}

#[track_caller]
fn snapshot_as(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// What no service asks for in earnest within one run: longer than hf2ms ever waits.
fn an_hour(status: u16) -> Fault {
    Fault::status(status).header("retry-after", "3600")
}
