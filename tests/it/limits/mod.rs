//! Every limit of a destination: a bare client runs into it, and a plan says it before anything is created or moves. One test a row of
//! `hf2ms::plan::limits::TABLE`, one line a row of the README's table.

mod bare;
mod huggingface;
mod modelscope;
mod rights;

use std::collections::BTreeSet;

use hf2ms::plan::limits::{Says, TABLE};
use hf2ms::repo::Platform;
use serde_json::Value;

use crate::trip::Trip;
use crate::usage::assert_untouched;
use crate::world::Outcome;

/// Makes a test of each row, named after it, and lists the rows.
macro_rules! rows {
    ($hub:literal: $(fn $name:ident() $body:block)*) => {
        /// The rows that have a test here.
        pub const ROWS: &[(&str, &str)] = &[$(($hub, stringify!($name))),*];
        $(#[test] fn $name() $body)*
    };
}
pub(crate) use rows;

/// The plan of this trip, of which nothing was touched; whole, for programs.
#[track_caller]
fn plan(trip: &Trip) -> Value {
    let plan = trip.world.run(&["plan", trip.address()[0], "--json"]).exits(0).json();
    assert_untouched(&trip.world);
    plan
}

/// What a plan warns of.
#[track_caller]
fn warned(trip: &Trip) -> String {
    plan(trip)["warnings"].as_array().unwrap().iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect()
}

/// `plan` and `migrate` both refuse it with this code and nothing is touched; gives what a person sees.
#[track_caller]
fn refused(trip: &Trip, code: i32, more: &[&str]) -> String {
    let run = |verb: &str| trip.world.run(&[&[verb, trip.address()[0]], more].concat()).exits(code);
    let (plan, migrate) = (run("plan").shown(&trip.world), run("migrate").shown(&trip.world));
    assert_eq!(plan, migrate);
    assert_untouched(&trip.world);
    migrate
}

/// A plan leaves these files out and says why; without consent nothing happens, with it the rest arrives.
#[track_caller]
fn left_out(trip: &Trip, paths: &[&str]) -> Outcome {
    let items = plan(trip)["items"].take();
    let left: BTreeSet<_> = items
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["because"]["refused"].is_string())
        .collect::<Vec<_>>()
        .iter()
        .map(|item| item["path"].as_str().unwrap())
        .collect();
    assert_eq!(left, paths.iter().copied().collect());
    let refused = trip.world.run(&["migrate", trip.address()[0]]).exits(3);
    assert_untouched(&trip.world);
    trip.migrate(&["--yes"]).exits(0);
    assert!(paths.iter().all(|path| !trip.copy().files().contains_key(*path)));
    refused
}

#[test]
fn every_row_of_the_table_has_a_test() {
    let hub = |platform| if platform == Platform::HuggingFace { "hf" } else { "ms" };
    let rows: Vec<_> = TABLE.iter().map(|row| (hub(row.hub), row.name)).collect();
    let unique: BTreeSet<_> = rows.iter().copied().collect();
    assert_eq!(unique.len(), rows.len(), "a row stands twice");
    let tested: BTreeSet<_> = [huggingface::ROWS, modelscope::ROWS, rights::ROWS, rights::AT_MODELSCOPE].concat().into_iter().collect();
    assert_eq!(unique, tested);
}

#[test]
fn the_readme_has_the_same_table() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let lines = TABLE.iter().map(|row| format!("| {} | {} | {} |", row.hub.title(), row.what, row.says.word()));
    for line in lines {
        assert!(readme.lines().any(|found| found == line), "the README lacks the line\n{line}");
    }
    assert!(
        TABLE.iter().filter(|row| row.says == Says::FirstWrite).all(|row| row.hub == Platform::ModelScope),
        "Hugging Face tells beforehand"
    );
}
