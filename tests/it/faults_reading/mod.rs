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

/// What a person sees when it is survived: all of it is there in one commit, proven. Shown is everything that was printed.
#[track_caller]
fn arrives(trip: &Trip) {
    arrives_as(trip, |text| text);
}

/// The same where no byte of a file may go twice.
#[track_caller]
fn arrives_once(trip: &Trip) {
    arrives(trip);
    assert_eq!(trip.destination_journal().bytes_uploaded(), SIZE, "every byte went once");
}

/// The same where it depends on the machine how much was under way when a try was broken off.
#[track_caller]
fn arrives_after_all(trip: &Trip) {
    arrives_as(trip, |text| without_moved(&text));
}

#[track_caller]
fn arrives_as(trip: &Trip, shown: impl Fn(String) -> String) {
    let outcome = trip.world.run(&[&["migrate"], &trip.address()[..]].concat());
    let text = outcome.shown(&trip.world);
    assert_eq!(outcome.code, 0, "{text}");
    assert!(outcome.stdout.starts_with("verified"), "{text}");
    assert!(trip.source_faults().fired() > 0, "the misfortune came");
    trip.assert_identical();
    assert_eq!(trip.copy().ours().len(), 1, "one commit");
    let twice = trip.destination_journal().sent_twice();
    assert!(twice.iter().all(|(_, part)| *part > 0), "a whole file went twice: {twice:?}");
    snapshot(&shown(text));
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
            true => serde_json::from_str(&trip.world.scrub(&outcome.json()["error"].to_string())).unwrap(),
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

/// How many bytes were under way when something else ended the run depends on the machine.
fn without_moved(text: &str) -> String {
    let scrub = |line: &str| match line.split_once(" moved, ") {
        Some((_, rest)) if line.starts_with("bytes ") => format!("bytes   [MOVED] moved, {rest}"),
        _ => line.to_owned(),
    };
    text.lines().map(scrub).collect::<Vec<_>>().join("\n")
}

/// Compares with the snapshot that has the name of the test.
#[track_caller]
fn snapshot(text: &str) {
    let thread = std::thread::current();
    let path = thread.name().unwrap_or_default();
    let name = path.split("::").skip(1).collect::<Vec<_>>().join("__");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// What no service asks for in earnest within one run: longer than hf2ms ever waits.
fn an_hour(status: u16) -> Fault {
    Fault::status(status).header("retry-after", "3600")
}
