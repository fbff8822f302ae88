//! Long lists: a report names the first of each and counts all, and its line stays short whatever files are called.

use serde_json::Value;
use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::world::World;

/// A name of 255 bytes, the most that file systems take.
fn long(what: &str, number: usize) -> String {
    let start = format!("{what}-{number:03}-");
    format!("{start}{}", "x".repeat(255 - start.len()))
}

/// A world with a migrated dataset of which the destination serves a file wrong. All with such names, 30 files lie there besides, and 30
/// of the source are none that a hub takes, for two reasons, so each is warned of.
fn world_of_long_names() -> World {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    let copy = world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus");
    source.file("README.md", "# corpus\n").file(&long("differs", 0), "1");
    for number in 0..30 {
        let folder = if number < 15 { "a/.git" } else { "a/\u{7}" };
        source.file(&format!("{folder}/{}", long("git", number)), "1");
        copy.file(&long("extra", number), "theirs");
    }
    source.commit("all");
    copy.commit("theirs");
    world.run(&["migrate", "hf:alice/corpus", "--yes"]).exits(0);
    copy.misbehave(|quirks| drop(quirks.serves_instead.insert(long("differs", 0), b"2".to_vec().into())));
    world
}

#[track_caller]
fn assert_counted(report: &Value) {
    let found = &report["verification"];
    for (key, count) in [("missing", 0), ("differing", 1), ("extra", 30), ("unproven", 0)] {
        assert_eq!(found[format!("{key}_count")], count, "{key}");
        for path in found[key].as_array().unwrap() {
            assert_eq!(path.as_str().unwrap().len(), 255, "no path is cut");
        }
    }
    assert_eq!((&report["warnings_count"], &report["changes_count"]), (&30.into(), &1.into()));
    assert_eq!(found["differing"].as_array().unwrap().len(), 1, "the longest lists are shortened first");
    for list in [&found["extra"], &report["warnings"]] {
        assert!((2..=20).contains(&list.as_array().unwrap().len()), "{list}");
    }
}

#[test]
fn a_report_of_long_names_fits_into_a_line_and_counts_them_all() {
    let world = world_of_long_names();
    let outcome = world.run_job(&[], &["hf:alice/corpus", "--yes"]).exits(4);
    for line in outcome.stdout.lines() {
        assert!(line.len() < 4096, "{}: {line}", line.len());
    }
    let report = outcome.events().pop().unwrap();
    assert_eq!((&report["event"], &report["state"]), (&"report".into(), &"unproven".into()));
    assert_counted(&report);
    let extra = report["verification"]["extra"].as_array().unwrap().len();
    // one that does not travel as an event need not be short
    let verified = world.run(&["verify", "hf:alice/corpus", "--json"]).exits(4).json();
    assert_eq!((verified["verification"]["extra"].as_array().unwrap().len(), &verified["verification"]["extra_count"]), (20, &30.into()));
    assert!(extra < 20);
}

#[test]
fn what_a_person_is_told_counts_them_all_too() {
    let world = world_of_long_names();
    world.forget_state();
    let shown = world.run(&["migrate", "hf:alice/corpus", "--yes"]).exits(4).stdout;
    let more = |start: &str| {
        let line = shown.lines().rfind(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {shown}"));
        line.rsplit(" and ").next().and_then(|rest| rest.strip_suffix(" more")).and_then(|more| more.parse::<usize>().ok()).unwrap()
    };
    assert_eq!(more("extra") + shown.matches("extra-0").count(), 30, "{shown}");
    assert_eq!(more("warning: …") + shown.matches("/git-0").count(), 30, "{shown}");
}

#[test]
fn changes_and_warnings_are_counted() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("config.json", "{}").commit("all");
    for number in 0..15 {
        source.regular_file(&format!(".git/{number:02}"), "x").regular_file(&format!("bell\u{7}{number:02}"), "x");
    }
    source.commit("what no hub takes");
    let report = world.run(&["migrate", "hf:alice/bert", "--yes", "--json"]).exits(0).json();
    assert_eq!((&report["changes_count"], &report["warnings_count"]), (&1.into(), &30.into()));
    assert_eq!(report["warnings"].as_array().unwrap().len(), 20);
    let shown = world.run(&["migrate", "hf:alice/bert", "--yes"]).exits(0).stdout;
    assert!(shown.contains("warning: … and 10 more\n"), "{shown}");
}
