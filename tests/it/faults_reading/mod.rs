//! Everything that the facts about both services say may go wrong while hf2ms reads.

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
    snapshot_as(&as_always(trip), &text);
}

/// The same where something had to be sent again. How much depends on the machine.
#[track_caller]
fn arrives_after_all(trip: &Trip) {
    let text = without_moved(&arrived(trip));
    misfortune_came(trip);
    snapshot_as(&format!("{}_but_for_what_moved", as_always(trip)), &text);
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
fn as_always(trip: &Trip) -> String {
    let kind = if trip.is_of_datasets() { "datasets" } else { "models" };
    format!("as_always_{kind}_from_{}", &trip.address()[0][..2])
}

/// What is seen when it is not survived, by a person and by a program, each with a world of its own: nothing was committed.
#[track_caller]
fn fails(code: i32, make: impl Fn() -> Trip + Sync) -> Value {
    let run = |json: bool| {
        let trip = make();
        let flags: &[&str] = if json { &["migrate", "--json"] } else { &["migrate"] };
        let outcome = trip.world.run(&[flags, trip.address()].concat());
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
