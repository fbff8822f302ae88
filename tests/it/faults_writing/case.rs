//! One fault, one migration, and everything its user sees of it.

use std::cell::Cell;
use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::huggingface::{self, RepoKind};
use standins::modelscope;

use crate::trip::{CARD, Trip, Way};
use crate::world::{KIB, MIB, Outcome, bytes, generated};

/// The one file of [`cargo`] that streams; on Hugging Face it comes in two parts.
pub(super) const LARGE: &str = "model.safetensors";
/// The one that goes as a blob after it was read whole.
pub(super) const SMALL: &str = "small.bin";

/// A trip with a bit of everything, at whose destination something goes wrong.
pub(super) struct Case {
    pub(super) trip: Trip,
    pub(super) way: Way,
    name: String,
    faults: Cell<u64>,
}

/// Makes two tests of one fault, one for either destination.
macro_rules! either_way {
    ($($(#[$attribute:meta])* fn $name:ident($case:ident) $body:block)*) => { $(
        mod $name {
            use super::*;

            fn check($case: &Case) $body

            $(#[$attribute])*
            #[test]
            fn on_modelscope() {
                check(&Case::new(stringify!($name), crate::trip::Way::HfToMs));
            }

            $(#[$attribute])*
            #[test]
            fn on_hugging_face() {
                check(&Case::new(stringify!($name), crate::trip::Way::MsToHf));
            }
        }
    )* };
}
pub(super) use either_way;

/// Faults of Hugging Face alone.
macro_rules! on_hugging_face {
    ($($(#[$attribute:meta])* fn $name:ident($case:ident) $body:block)*) => { $(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let $case = &Case::new(stringify!($name), crate::trip::Way::MsToHf);
            $body
        }
    )* };
}
pub(super) use on_hugging_face;

/// Faults of ModelScope alone.
macro_rules! on_modelscope {
    ($($(#[$attribute:meta])* fn $name:ident($case:ident) $body:block)*) => { $(
        $(#[$attribute])*
        #[test]
        fn $name() {
            let $case = &Case::new(stringify!($name), crate::trip::Way::HfToMs);
            $body
        }
    )* };
}
pub(super) use on_modelscope;

impl Case {
    pub(super) fn new(name: &str, way: Way) -> Self {
        Self::with(name, way, Trip::new(way))
    }

    /// The same between datasets.
    pub(super) fn of_dataset(&self) -> Self {
        Self::with(&format!("{}_of_a_dataset", self.name), self.way, Trip::of_dataset(self.way))
    }

    fn with(name: &str, way: Way, trip: Trip) -> Self {
        let source = trip.source();
        source.file(LARGE, generated(71, 12 * MIB + 7)).file(SMALL, bytes(72, 300 * KIB));
        source.file("README.md", CARD).file("config.json", "{}").file("vocab.txt", "a\nb\n").commit();
        Self { trip, way, name: name.to_owned(), faults: Cell::new(0) }
    }

    /// Lets this go wrong at the destination.
    pub(super) fn fault(&self, rule: Rule) -> &Self {
        self.faults.set(self.faults.get() + 1);
        self.trip.destination_fault(rule);
        self
    }

    /// The route that creates a repository.
    pub(super) fn create(&self) -> &'static str {
        if self.way == Way::HfToMs { "create" } else { "repo.create" }
    }

    /// The route that lists the destination.
    pub(super) fn listing(&self) -> &'static str {
        if self.way == Way::HfToMs { "files" } else { "tree" }
    }

    /// Lets large files go up in one PUT, and names its route.
    pub(super) fn whole(&self) -> &'static str {
        self.trip.world.hf.behaviour(|behaviour| behaviour.multipart_above = 64 * MIB);
        if self.way == Way::HfToMs { "put" } else { "storage.put" }
    }

    /// What a rule sees of the address to which the large file goes.
    pub(super) fn large(&self) -> String {
        self.trip.source().files()[LARGE].sha256.clone()
    }

    /// The destination's token.
    pub(super) fn token(&self) -> String {
        let name = if self.way == Way::HfToMs { "MODELSCOPE_API_TOKEN" } else { "HF_TOKEN" };
        self.trip.world.variables[name].clone()
    }

    /// Whether the destination exists. Looking at [`Trip::copy`] would make it.
    pub(super) fn exists(&self) -> bool {
        let world = &self.trip.world;
        match self.way {
            Way::HfToMs => world.ms.repo_exists(modelscope::RepoKind::Model, "alice/bert"),
            Way::MsToHf => world.hf.repo_exists(RepoKind::Model, "alice/bert"),
        }
    }

    /// It ends well: everything is there, as one commit, and nothing was sent again that had landed. The user has seen this.
    #[track_caller]
    pub(super) fn survives(&self) {
        self.arrives_by(&[]);
        assert_eq!(self.trip.copy().ours().len(), 1, "one commit");
        let twice = self.trip.destination_journal().sent_twice();
        assert!(twice.is_empty(), "sent twice: {twice:?}");
    }

    /// The same where the parts of an upload that could not be completed had to go again.
    #[track_caller]
    pub(super) fn survives_but_for_parts(&self) {
        self.arrives_by(&[]);
        assert_eq!(self.trip.copy().ours().len(), 1, "one commit");
        let twice = self.trip.destination_journal().sent_twice();
        assert!(twice.iter().all(|(oid, part)| *oid == twice[0].0 && *part > 0), "{twice:?}");
    }

    /// Everything is there in the end.
    #[track_caller]
    pub(super) fn arrives_by(&self, more: &[&str]) {
        let outcome = self.run(more);
        assert_eq!(outcome.code, 0, "{}", outcome.shown(&self.trip.world));
        self.assert_fired();
        self.trip.assert_identical();
        self.snapshot(&outcome);
    }

    /// It ends with this code and without a commit. The user has seen this.
    #[track_caller]
    pub(super) fn fails(&self, code: i32) -> &Self {
        self.fails_by(&[], code)
    }

    #[track_caller]
    pub(super) fn fails_by(&self, more: &[&str], code: i32) -> &Self {
        self.ends(more, code);
        if self.exists() {
            assert_eq!(self.trip.copy().ours(), [""; 0], "nothing is committed");
        }
        self
    }

    /// It ends with this code, whatever is there then.
    #[track_caller]
    pub(super) fn ends(&self, more: &[&str], code: i32) -> &Self {
        let outcome = self.run(more);
        assert_eq!(outcome.code, code, "{}", outcome.shown(&self.trip.world));
        self.assert_fired();
        self.snapshot(&outcome);
        self
    }

    /// Once the fault is over, the same command ends well, and nothing is sent again that had landed.
    #[track_caller]
    pub(super) fn then_arrives(&self) {
        self.trip.destination_faults().clear();
        let landed = self.landed();
        let outcome = self.run(&[]);
        assert_eq!(outcome.code, 0, "{}", outcome.shown(&self.trip.world));
        self.trip.assert_identical();
        assert_eq!(self.trip.copy().ours().len(), 1, "one commit");
        for (sha256, puts) in landed {
            assert_eq!(self.trip.destination_journal().puts_started(&sha256), puts, "{sha256} had landed");
        }
    }

    /// The same with another token of the destination.
    #[track_caller]
    pub(super) fn then_arrives_as(&self, token: &str) {
        self.trip.destination_faults().clear();
        let name = if self.way == Way::HfToMs { "MODELSCOPE_API_TOKEN" } else { "HF_TOKEN" };
        let mut command = self.trip.world.command(&[&["migrate"], &self.trip.address()[..]].concat());
        let outcome = self.trip.world.finish(command.env(name, token).spawn().unwrap());
        assert_eq!(outcome.code, 0, "{}", outcome.shown(&self.trip.world));
        self.trip.assert_identical();
        assert_eq!(self.trip.copy().ours().len(), 1, "one commit");
        let twice = self.trip.destination_journal().sent_twice();
        assert!(twice.is_empty(), "sent twice: {twice:?}");
    }

    /// What the destination holds of the source's contents, and how often each was sent.
    fn landed(&self) -> BTreeMap<String, u64> {
        if !self.exists() {
            return BTreeMap::new();
        }
        let (copy, journal) = (self.trip.copy(), self.trip.destination_journal());
        let there = self.trip.source().files().into_values().filter(|file| copy.has_blob(&file.sha256));
        there.map(|file| (file.sha256.clone(), journal.puts_started(&file.sha256))).collect()
    }

    fn run(&self, more: &[&str]) -> Outcome {
        self.trip.world.run(&[&["migrate"], &self.trip.address()[..], more].concat())
    }

    #[track_caller]
    fn assert_fired(&self) {
        let fired = self.trip.destination_faults().fired();
        assert!(fired >= self.faults.get(), "{fired} of {} faults came", self.faults.get());
    }

    /// Keeps what a person saw, and the error a program gets.
    pub(super) fn snapshot(&self, outcome: &Outcome) {
        let world = &self.trip.world;
        let list = world.run(&["status", "--json"]).exits(0).json();
        let mut seen = outcome.shown(world);
        if let (true, Some(id)) = (outcome.code != 0, list["migrations"][0]["id"].as_str()) {
            // `status` shows the report of the migration as it was
            let error = world.run(&["status", id, "--json"]).exits(0).json()["error"].take();
            seen = format!("{seen}\n--- error\n{}", world.scrub(&serde_json::to_string_pretty(&error).unwrap()));
        }
        for (origin, name) in [
            (world.hf.origin(huggingface::STORAGE), "[HF-STORAGE]"),
            (world.hf.origin(huggingface::CDN), "[HF-CDN]"),
            (world.ms.origin(modelscope::LFS), "[MS-LFS]"),
            (world.ms.origin(modelscope::CDN), "[MS-CDN]"),
        ] {
            seen = seen.replace(&origin, name);
        }
        let seen: Vec<_> = seen.lines().map(scrub_line).collect();
        let way = if self.way == Way::HfToMs { "ms" } else { "hf" };
        insta::with_settings!({ omit_expression => true }, {
            assert_snapshot!(format!("{}__{way}", self.name), seen.join("\n"));
        });
    }
}

/// How much of a broken try was under way, and how the system words a broken connection, depend on the machine.
fn scrub_line(line: &str) -> String {
    let line = match line.split_once(" moved, ") {
        Some((before, rest)) if before.starts_with("bytes ") => format!("bytes   [MOVED] moved, {rest}"),
        _ => line.to_owned(),
    };
    // a report as JSON says how long it took
    let line = match line.split_once("\"seconds\":") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
            format!("{before}\"seconds\":[TIME]{rest}")
        }
        None => line,
    };
    for cause in [": Connection reset by peer", ": connection closed before message completed", ": Broken pipe"] {
        if let Some((before, after)) = line.split_once(cause) {
            return format!("{before}: [HOW]{}", if after.ends_with("\",") { "\"," } else { "" });
        }
    }
    line
}

/// The answer of a hub that is down, which asks to come again at once: its patience is used up without waiting.
pub(super) fn down(status: u16) -> Fault {
    Fault::status(status).header("retry-after", "0")
}

/// Adds or replaces a field of an object.
pub(super) fn set(value: &mut Value, key: &str, with: Value) {
    value.as_object_mut().expect("an object").insert(key.to_owned(), with);
}

/// Takes a field out of an object.
pub(super) fn take(value: &mut Value, key: &str) -> Value {
    value.as_object_mut().expect("an object").remove(key).expect("the field")
}
