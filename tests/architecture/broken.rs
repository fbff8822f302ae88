//! The rules find what they are for: each is given a house with one thing wrong.

use crate::map;
use crate::rules;
use crate::source::Source;

/// A small house in order, with this file added or replaced.
fn house(name: &str, text: &str) -> Vec<Source> {
    let files = [
        ("main.rs", "fn main() { hf2ms::cli::run() }"),
        ("cli/mod.rs", "use crate::migration;"),
        ("migration/mod.rs", "use crate::hub::Hub;"),
        ("hub/mod.rs", "use crate::repo::Id;"),
        ("hub/huggingface/mod.rs", "use super::Account; use crate::http;"),
        ("http/mod.rs", ""),
        ("plan/mod.rs", "use crate::repo::Id; #[cfg(test)] mod tests { use std::fs; fn f() { None::<u8>.unwrap(); } }"),
        ("repo/mod.rs", ""),
    ];
    let kept = files.iter().filter(|(other, _)| *other != name).map(|(name, text)| Source::new(name, text));
    kept.chain([Source::new(name, text)]).collect()
}

const PAGE: &str = "```
src/
  main.rs        argv → exit code
  cli/           the face: mod (more: words). mod.rs is short
  migration/     mod
  hub/           the shores: mod (traits
                 Source, Destination), huggingface/ (mod)
  http/          one client: mod
  plan/          mod
  repo/          what it is; no I/O: mod
```
";

#[track_caller]
fn finds(found: Vec<String>, what: &str) {
    assert_eq!(found, [what.to_owned()]);
}

#[test]
fn a_house_in_order_breaks_no_rule() {
    let house = house("repo/id.rs", "/// crate::cli\npub fn id() -> &'static str { \"crate::cli\" }");
    let nothing: [String; 0] = [];
    for found in [rules::strangers(&house), rules::reaching_out(&house), rules::long(&house), rules::rough(&house), rules::untidy(&house)] {
        assert_eq!(found, nothing);
    }
    assert_eq!(map::differences(&PAGE.replace("I/O: mod", "I/O: mod id"), &house), nothing);
}

#[test]
fn a_stranger_is_found_however_it_is_named() {
    let stranger = "hub/mod.rs: `hub` may not know `cli`";
    for text in [
        "use crate::cli;",
        "use crate::cli::args::Args as Arguments;",
        "use crate::{repo::{Id, Path}, cli::{self, render}};",
        "use super::cli;",
        "fn f() -> Vec<crate::cli::Args> { Vec::new() }",
        "fn f() { if matches!(a, crate::cli::A { .. }) {} }",
        "mod inner { use super::super::cli::render; }",
        "pub use crate::cli::*;",
    ] {
        finds(rules::strangers(&house("hub/mod.rs", text)), stranger);
    }
    finds(rules::strangers(&house("hub/huggingface/mod.rs", "use super::super::cli;")), "hub/huggingface/mod.rs: `hub` may not know `cli`");
    finds(rules::strangers(&house("main.rs", "use hf2ms::hub::Hub;")), "main.rs: `main` may not know `hub`");
}

#[test]
fn io_is_found_in_a_room_that_does_none() {
    for (text, way) in [
        ("use std::fs;", "std::fs"),
        ("use std::{fmt, io::{self, Read}};", "std::io"),
        ("fn now() { std::time::SystemTime::now(); }", "std::time::SystemTime"),
        ("use std::time::{Duration, Instant};", "std::time::Instant"),
        ("async fn f() { tokio::time::sleep(d).await }", "tokio"),
        ("fn f() { g!(std::env::var(\"HOME\")); }", "std::env"),
    ] {
        finds(rules::reaching_out(&house("plan/mod.rs", text)), &format!("plan/mod.rs: `plan` does no I/O but names `{way}`"));
    }
    assert!(rules::reaching_out(&house("http/mod.rs", "use std::fs;")).is_empty());
}

#[test]
fn rough_words_are_found_outside_of_tests() {
    for (text, words) in [
        ("fn f() { g().unwrap(); }", ".unwrap("),
        ("fn f() { h(|| g().expect(\"x\")); }", ".expect("),
        ("fn f() { println!(\"x\"); }", "println!"),
        ("#[cfg(test)] mod tests { fn f() { panic!() } } fn g() { panic!() }", "panic!"),
    ] {
        finds(rules::rough(&house("hub/mod.rs", text)), &format!("hub/mod.rs: `{words}`"));
    }
    finds(rules::exits(&house("cli/mod.rs", "fn f() { std::process::exit(1) }")), "cli/mod.rs: only `main` exits");
}

#[test]
fn untidy_sources_are_found() {
    for (text, what) in [
        ("#[allow(dead_code)] fn f() {}", "hub/mod.rs: [allow (dead_code)] without a reason"),
        ("#![allow(dead_code)]", "hub/mod.rs: [allow (dead_code)] without a reason"),
        ("mod utils;", "hub/mod.rs: `mod utils`"),
    ] {
        finds(rules::untidy(&house("hub/mod.rs", text)), what);
    }
    finds(rules::untidy(&house("hub/mod.rs", &format!("// {}{}: more", "TO", "DO"))), &format!("hub/mod.rs: {}{}", "TO", "DO"));
    finds(rules::long(&house("hub/mod.rs", &"// a line\n".repeat(401))), "hub/mod.rs: 401 lines, 400 at most");
}

#[test]
fn a_map_that_differs_is_found() {
    finds(map::differences(PAGE, &house("repo/id.rs", "")), "repo/id.rs: the map's row of repo/ lacks `id`");
    finds(map::differences(PAGE, &house("extra.rs", "")), "extra.rs is not in the map");
    let more = PAGE.replace("I/O: mod", "I/O: mod path");
    finds(map::differences(&more, &house("repo/mod.rs", "")), "the map's row of repo/ has `path`, src has not");
    let more = PAGE.replace("  repo/", "  git/           mod\n  repo/");
    finds(map::differences(&more, &house("repo/mod.rs", "")), "the map has git/, src has not");
}
