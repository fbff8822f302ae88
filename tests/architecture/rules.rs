//! The rules of the house. Each takes sources and gives what breaks it, one line a finding.

use crate::map::{MAY_KNOW, UPWARD, may_know};
use crate::source::Source;

/// The rooms that do no input or output.
pub const PURE: [&str; 5] = ["card", "plan", "protocol", "repo", "verify"];

/// What reaches out of the process, or asks it something.
const OUTSIDE: [&[&str]; 17] = [
    &["std", "env"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["futures_util"],
    &["indicatif"],
    &["reqwest"],
    &["rustix"],
    &["rustls"],
    &["tokio"],
    &["tokio_util"],
    &["clap"],
];

/// More lines than this are two rooms.
const LINES: usize = 400;

/// Rooms that know a room they may not know.
pub fn strangers(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in product(sources) {
        let known = may_know(source.room());
        let strange = |room: &&String| *room != source.room() && is_room(sources, room) && !known.contains(&room.as_str());
        let mut rooms: Vec<_> = source.paths().into_iter().filter(|path| path.len() > 1 && path[0].is_empty()).collect();
        rooms.sort();
        rooms.dedup_by(|a, b| a[1] == b[1]);
        let strange = rooms.iter().map(|path| &path[1]).filter(strange);
        found.extend(strange.map(|room| format!("{}: `{}` may not know `{room}`", source.name, source.room())));
    }
    found
}

/// What the table allows and nobody uses.
pub fn unused(sources: &[Source]) -> Vec<String> {
    let uses = |room: &str, other: &str| {
        product(sources)
            .filter(|source| source.room() == room)
            .flat_map(Source::paths)
            .any(|path| path.len() > 1 && path[0].is_empty() && path[1] == other)
    };
    let pairs = MAY_KNOW.iter().flat_map(|(room, known)| known.iter().map(move |other| (*room, *other)));
    pairs.filter(|(room, other)| !uses(room, other)).map(|(room, other)| format!("`{room}` does not know `{other}`")).collect()
}

/// Entries of the table that look up: a room knows those below it.
pub fn upward() -> Vec<String> {
    let place = |room: &str| MAY_KNOW.iter().position(|(name, _)| *name == room);
    let pairs = MAY_KNOW.iter().flat_map(|(room, known)| known.iter().map(move |other| (*room, *other)));
    let up = pairs.filter(|(room, other)| place(room) >= place(other) && !UPWARD.contains(&(*room, *other)));
    up.map(|(room, other)| format!("`{room}` stands below `{other}`")).collect()
}

/// Input and output where there is to be none.
pub fn reaching_out(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in product(sources).filter(|source| PURE.contains(&source.room())) {
        let paths = source.paths();
        let reaches = |way: &&&[&str]| paths.iter().any(|path| path.len() >= way.len() && path.iter().zip(**way).all(|(a, b)| a == b));
        found.extend(
            OUTSIDE
                .iter()
                .filter(reaches)
                .map(|way| format!("{}: `{}` does no I/O but names `{}`", source.name, source.room(), way.join("::"))),
        );
    }
    found
}

/// Files that are too long.
pub fn long(sources: &[Source]) -> Vec<String> {
    let lines = sources.iter().map(|source| (source, source.text.lines().count()));
    lines.filter(|(_, lines)| *lines > LINES).map(|(source, lines)| format!("{}: {lines} lines, {LINES} at most", source.name)).collect()
}

/// What stops the program, or prints past its faces. Tests may.
pub fn rough(sources: &[Source]) -> Vec<String> {
    let words: [&[&str]; 11] = [
        &[".", "unwrap", "("],
        &[".", "expect", "("],
        &["panic", "!"],
        &["unreachable", "!"],
        &["todo", "!"],
        &["unimplemented", "!"],
        &["dbg", "!"],
        &["print", "!"],
        &["println", "!"],
        &["eprint", "!"],
        &["eprintln", "!"],
    ];
    let mut found = Vec::new();
    for source in product(sources) {
        found.extend(words.iter().filter(|words| source.says(words)).map(|words| format!("{}: `{}`", source.name, words.concat())));
    }
    found
}

/// What exits elsewhere than in `main`.
pub fn exits(sources: &[Source]) -> Vec<String> {
    let exits = |source: &&Source| source.paths().iter().any(|path| path.ends_with(&["process".to_owned(), "exit".to_owned()]));
    product(sources).filter(exits).map(|source| format!("{}: only `main` exits", source.name)).collect()
}

/// Lints silenced without a reason, notes to oneself, and rooms without a subject. In every source of the tree.
pub fn untidy(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        found.extend(source.silenced().into_iter().map(|attribute| format!("{}: {attribute} without a reason", source.name)));
        let notes = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
        let mut words = source.text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        found.extend(words.find(|word| notes.iter().any(|note| note == word)).map(|note| format!("{}: {note}", source.name)));
        let rooms = ["utils", "util", "helpers", "misc"];
        found.extend(rooms.iter().filter(|room| source.says(&["mod", room])).map(|room| format!("{}: `mod {room}`", source.name)));
    }
    found
}

/// What is neither a test nor the list of rooms.
fn product(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| !source.is_tests() && source.name != "lib.rs")
}

fn is_room(sources: &[Source], name: &str) -> bool {
    sources.iter().any(|source| source.room() == name)
}
