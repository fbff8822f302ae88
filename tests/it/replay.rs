//! Any beginning of what a migration has told is a valid state: cut at any line and at any byte, for migrations that ended in any way.

use std::path::{Path, PathBuf};

use hf2ms::journal::{Entry, Journal};
use hf2ms::progress::Progress;
use hf2ms::protocol::{Event, State, What};
use serde_json::Value;
use standins::faults::{Fault, Rule};

use crate::kill::{Numbers, kill};
use crate::trip::{CARD, Trip, Way, both_ways};
use crate::world::{KIB, MIB, World, bytes, generated};

/// What one migration left behind, in a state folder of its own.
struct Told {
    world: World,
    home: PathBuf,
    id: String,
    text: Vec<u8>,
    events: Vec<Event>,
}

impl Told {
    /// Takes over the newest migration.
    fn of(trip: Trip) -> Self {
        let migrations = trip.world.home.join("state/migrations");
        let newest = std::fs::read_dir(&migrations).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
        let id = newest.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read(newest.join("events.jsonl")).unwrap();
        let events = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events = events.map(|line| serde_json::from_slice(line).unwrap()).collect();
        let home = trip.world.home.join("replay");
        std::fs::create_dir_all(home.join("migrations").join(&id)).unwrap();
        std::fs::copy(newest.join("job.json"), home.join("migrations").join(&id).join("job.json")).unwrap();
        Self { world: trip.world, home, id, text, events }
    }

    fn file(&self) -> PathBuf {
        self.home.join("migrations").join(&self.id).join("events.jsonl")
    }

    /// What the journal makes of these bytes.
    fn entry(&self, text: &[u8]) -> Entry {
        std::fs::write(self.file(), text).unwrap();
        Journal::new(&self.home).open(&self.id).unwrap().entry().unwrap()
    }

    fn folded(&self, lines: usize) -> Progress {
        let mut progress = Progress::default();
        self.events[..lines].iter().for_each(|event| progress.apply(event));
        progress
    }

    fn cut_at_every_line(&self) {
        let mut progress = Progress::default();
        for (number, event) in self.events.iter().enumerate() {
            assert_eq!(event.seq, number as u64, "numbers have no gaps");
            let before = progress.clone();
            progress.apply(event);
            holds(&before, event, &progress);
        }
        assert!(matches!(self.events[0].what, What::Started { .. }));
    }

    fn cut_at_any_byte(&self) {
        let ends: Vec<usize> = (0..self.text.len()).filter(|at| self.text[*at] == b'\n').collect();
        let mut numbers = Numbers(self.text.len() as u64);
        let around = ends.iter().flat_map(|end| [*end, end + 1, (end + 2).min(self.text.len())]);
        let anywhere: Vec<usize> = (0..60).map(|_| usize::try_from(numbers.below(self.text.len() as u64)).unwrap()).collect();
        for cut in around.chain(anywhere) {
            let lines = ends.iter().filter(|end| **end < cut).count();
            let entry = self.entry(&self.text[..cut]);
            assert_eq!(format!("{:?}", entry.progress), format!("{:?}", self.folded(lines)), "cut at byte {cut}");
        }
    }

    /// Whoever follows while it is written hears every event once, however it arrives.
    fn followed_in_pieces(&self) {
        let mut numbers = Numbers(7);
        std::fs::write(self.file(), "").unwrap();
        let folder = Journal::new(&self.home).open(&self.id).unwrap();
        let mut tail = folder.tail();
        let (mut heard, mut written) = (Vec::new(), 0);
        while written < self.text.len() {
            written = self.text.len().min(written + 1 + usize::try_from(numbers.below(700)).unwrap());
            std::fs::write(self.file(), &self.text[..written]).unwrap();
            tail.read(|event| heard.push(event.seq)).unwrap();
        }
        assert_eq!(heard, (0..self.events.len() as u64).collect::<Vec<_>>());
    }

    /// A later version may say more, in events and beside them; a broken line is passed over.
    fn told_by_a_later_version(&self) {
        let mut text = Vec::new();
        for line in self.text.split_inclusive(|byte| *byte == b'\n') {
            let mut event: Value = serde_json::from_slice(line).unwrap();
            event["later"] = serde_json::json!({ "more": 1 });
            text.extend_from_slice(format!("{event}\n").as_bytes());
            text.extend_from_slice(b"{\"seq\":0,\"at\":0,\"event\":\"unheard_of\",\"files\":7}\n{\"seq\":1,\"at\":\n\n\xff\xfe\n");
        }
        assert_eq!(format!("{:?}", self.entry(&text).progress), format!("{:?}", self.folded(self.events.len())));
    }

    /// `status` of what a process that is gone left behind: interrupted, unless it had said its last word.
    fn shown_by_status(&mut self) {
        self.world.set("HF2MS_HOME", self.home.display().to_string());
        let half = self.text.len() / 2;
        for cut in [0, 1, half, self.text.len() - 1, self.text.len()] {
            std::fs::write(self.file(), &self.text[..cut]).unwrap();
            let shown = self.world.run(&["status", &self.id, "--json"]).exits(0).json();
            let whole = self.text[..cut].ends_with(b"\n") && cut == self.text.len();
            let report = self.events.last().and_then(report).filter(|_| whole);
            assert_eq!(shown["state"], report.map_or("interrupted", |state| state.name()), "cut at byte {cut}: {shown}");
            self.world.run(&["status", &self.id]).exits(0);
            forget_report(&self.home, &self.id);
        }
    }

    fn check(mut self, expected: Option<State>) {
        assert_eq!(self.events.last().and_then(report), expected);
        self.cut_at_every_line();
        self.cut_at_any_byte();
        self.followed_in_pieces();
        self.told_by_a_later_version();
        self.shown_by_status();
    }
}

fn forget_report(home: &Path, id: &str) {
    for name in ["report.json", "proof.jsonl"] {
        let _absent = std::fs::remove_file(home.join("migrations").join(id).join(name));
    }
}

fn report(event: &Event) -> Option<State> {
    match &event.what {
        What::Report(report) => Some(report.state),
        _ => None,
    }
}

/// What is true after any event.
#[track_caller]
fn holds(before: &Progress, event: &Event, after: &Progress) {
    let shown = || format!("{event:?} made of {before:?} {after:?}");
    assert!(after.files_done <= after.files && after.bytes_done <= after.bytes, "{}", shown());
    assert!(after.position() <= after.bytes && after.proven.len() as u64 <= after.files, "{}", shown());
    assert!(after.in_flight.iter().all(|flight| flight.done <= flight.size), "{}", shown());
    assert_eq!(after.state.is_final(), after.report.is_some(), "{}", shown());
    assert!(before.report.is_none(), "the report is the last word");
    assert_eq!(after.report.as_ref().map(|report| report.state), report(event), "{}", shown());
    assert!(after.moved >= before.moved && after.commits.len() >= before.commits.len(), "{}", shown());
    assert!(after.warnings.starts_with(&before.warnings) && after.proven.starts_with(&before.proven), "{}", shown());
    assert!(before.span.is_none_or(|(first, last)| after.span.is_some_and(|now| now.0 == first && now.1 >= last)), "{}", shown());
    let planned_again = matches!(event.what, What::Planned { .. });
    // a file that is taken up anew takes its bytes back, one that is done stays done as long as the plan holds
    let restarted = after.files_done == 0 && after.warnings.iter().any(|warning| warning.contains("planning again"));
    assert!(planned_again || restarted || after.files_done >= before.files_done, "{}", shown());
    if after.state == State::Verified {
        assert_eq!(after.proven.len() as u64, after.files, "{}", shown());
    }
}

fn small(way: Way) -> Trip {
    let trip = Trip::new(way);
    let source = trip.source();
    source.file("a.bin", generated(1, 12 * MIB)).file("b.bin", bytes(2, 200 * KIB)).file("copy/b.bin", bytes(2, 200 * KIB));
    source.file("README.md", CARD).file("config.json", "{}").file("empty.txt", "").commit();
    trip
}

both_ways! {
    fn of_one_that_succeeded(way) {
        let trip = small(way);
        trip.slow_uploads(6_000_000);
        trip.migrate(&[]).exits(0);
        Told::of(trip).check(Some(State::Verified));
    }

    fn of_one_with_several_commits(way) {
        let trip = small(way);
        trip.destination_fault(Rule::route("commit", Fault::status(413)).times(2));
        trip.migrate(&[]).exits(0);
        let told = Told::of(trip);
        assert!(told.events.iter().filter(|event| matches!(event.what, What::Committed { .. })).count() > 1);
        told.check(Some(State::Verified));
    }

    fn of_one_that_failed(way) {
        let trip = small(way);
        trip.source_fault(Rule::route(way.large(), Fault::FlipByte(7)).always());
        trip.migrate(&[]).exits(1);
        Told::of(trip).check(Some(State::Failed));
    }

    fn of_one_that_was_cancelled(way) {
        let trip = small(way);
        trip.slow_uploads(2_000_000);
        let id = trip.migrate(&["--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        while trip.destination_journal().bytes_uploaded() < MIB {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        trip.world.run(&["cancel", &id]).exits(0);
        Told::of(trip).check(Some(State::Cancelled));
    }

    fn of_one_that_was_killed(way) {
        let trip = small(way);
        let home = trip.world.home.clone();
        trip.slow_uploads(6_000_000);
        trip.when_uploaded(9 * MIB, move || kill(&home));
        trip.migrate(&[]).exits(1);
        Told::of(trip).check(None);
    }

    fn of_one_that_was_planned_again(way) {
        let trip = small(way);
        trip.copy().file("README.md", CARD).commit();
        let copy = trip.copy();
        trip.slow_uploads(6_000_000);
        trip.when_uploaded(8 * MIB, move || {
            copy.file("theirs.txt", "theirs").commit();
        });
        trip.migrate(&[]).exits(0);
        let told = Told::of(trip);
        assert!(told.events.iter().any(|event| matches!(&event.what, What::Warning { message } if message.contains("planning again"))));
        told.check(Some(State::Verified));
    }
}
