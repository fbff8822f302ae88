//! ARCHITECTURE.md and STYLE hold: who may know whom, who does no I/O, and how the sources look.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken test should stop")]

mod broken;
mod map;
mod rules;
mod source;

use std::path::Path;

use source::Source;

/// The sources below a folder of this tree, by their names below it.
fn sources(folder: &str) -> Vec<Source> {
    fn visit(root: &Path, folder: &Path, found: &mut Vec<Source>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push(Source::new(name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    visit(&root, &root, &mut found);
    assert!(!found.is_empty(), "no sources in {folder}");
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap()
}

#[track_caller]
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}

#[test]
fn a_room_knows_only_whom_it_may() {
    none(rules::strangers(&sources("src")));
}

#[test]
fn nothing_is_allowed_that_nobody_needs() {
    none(rules::unused(&sources("src")));
}

#[test]
fn a_room_knows_only_those_below_it() {
    none(rules::upward());
}

#[test]
fn what_decides_does_no_io() {
    none(rules::reaching_out(&sources("src")));
}

#[test]
fn the_page_shows_the_table() {
    assert!(page().contains(&map::shown()), "ARCHITECTURE.md should hold\n{}", map::shown());
}

#[test]
fn the_map_shows_the_house() {
    none(map::differences(&page(), &sources("src")));
}

#[test]
fn no_file_is_too_long() {
    none(rules::long(&sources("src")));
    none(rules::long(&sources("tests")));
}

#[test]
fn the_program_does_not_panic_and_prints_through_its_faces() {
    none(rules::rough(&sources("src")));
    none(rules::exits(&sources("src")));
}

#[test]
fn exceptions_have_reasons_and_rooms_have_subjects() {
    for folder in ["src", "tests", "examples", "benches"] {
        none(rules::untidy(&sources(folder)));
    }
}
