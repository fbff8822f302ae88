//! Whatever a file may be called arrives under that name; what cannot is named before anything moves, in words no terminal obeys.

use std::collections::BTreeSet;

use crate::again::idle;
use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::{KIB, MIB, Outcome, bytes, generated};

/// Names that somebody's tool stumbles over: URLs, shells, globs, other file systems, and the hubs' own words.
const ODD: &[&str] = &[
    "a file with spaces.txt",
    " leading",
    "trailing ",
    " ",
    ".hidden",
    "trailing.",
    "..two dots",
    "...",
    // one letter in its two spellings: two files
    "\u{fc}.txt",
    "u\u{308}.txt",
    "Case.txt",
    "case.txt",
    "CASE.TXT",
    "🤗.txt",
    "👩‍👩‍👧.txt",
    "模型/文件.txt",
    "a#b.txt",
    "#start",
    "50%",
    "a%20b",
    "a b",
    "a%2Fb",
    "%2e%2e/x",
    "a?b.txt",
    "?",
    "a&b=c",
    "a+b",
    "a,b",
    "a;b",
    "a=b",
    "it's",
    "say \"hi\"",
    "`tick`",
    "[v1].txt",
    "{a}",
    "*",
    "a*b?.txt",
    "(1).txt",
    "~",
    "~user/x",
    "@",
    "user@host",
    "back\\slash.txt",
    "C:\\x",
    "a:b",
    "a|b",
    "<tag>",
    "^",
    "!bang",
    "$HOME",
    "-rf",
    "aux.txt",
    "tree",
    "main",
    "blob",
    "resolve/main/x",
    "below/resolve",
    "below/tree/main/x",
    "below/main",
    "below/blob/x",
    "raw/blob/tree/resolve",
    "api/models/alice/bert",
    "datasets/alice/bert/resolve/main/x",
    "repo",
    "commit/master",
    "x.git/info/lfs/objects/batch",
    "cache/x",
    ".cached",
    ".gitx",
    "a.git",
];

/// Longer than most tools expect: a segment of as many bytes as a file system takes, and folders in folders.
fn long() -> Vec<String> {
    let segment = "n".repeat(255);
    let wide = "ü".repeat(127);
    let deep = (0..60).map(|level| format!("{level}/")).collect::<String>();
    vec![format!("{segment}/{segment}"), format!("{wide}/x.txt"), format!("{deep}deep.txt")]
}

fn names() -> Vec<String> {
    ODD.iter().map(|name| (*name).to_owned()).chain(long()).collect()
}

/// Every name as a small file at the top, and as a large one in a folder.
fn put_odd_names(source: &Repo) {
    for (number, name) in names().iter().enumerate() {
        source.regular_file(name, format!("this is {name}\n").as_str());
        source.lfs_file(&format!("large ones/{name}"), bytes(number as u64, 70 * KIB + number as u64));
    }
    source.commit();
}

/// Every name arrives, large and small, nothing else does, a second run has nothing to do, and reading all back by name finds it.
fn odd_names_arrive(trip: &Trip) {
    put_odd_names(&trip.source());
    trip.assert_done(trip.migrate(&[]));
    trip.assert_identical();
    let files = trip.copy().files();
    for name in names() {
        assert!(files.contains_key(&name), "{name}");
        assert!(files[&format!("large ones/{name}")].lfs, "{name} in folder");
    }
    idle(trip);
    let deep = trip.verify(&["--deep"]).exits(0).json();
    assert_eq!(deep["verification"]["how"]["read_back"], deep["verification"]["matched"]);
}

/// No control character but the end of a line, and nothing that turns a line around.
#[track_caller]
fn assert_harmless(outcome: &Outcome) {
    let harmful = |character: char| (character.is_control() && character != '\n') || ('\u{202a}'..='\u{202e}').contains(&character);
    for text in [&outcome.stdout, &outcome.stderr] {
        assert_eq!(text.chars().find(|character| harmful(*character)), None, "{text:?}");
    }
}

/// Whether nothing was sent, created or committed at the destination.
#[track_caller]
fn assert_nothing_moved(trip: &Trip) {
    let journal = trip.destination_journal();
    assert_eq!((journal.bytes_uploaded(), journal.requests("commit")), (0, 0));
    assert_eq!(journal.requests("create") + journal.requests("repo.create"), 0);
}

/// What a user sees, kept under this name.
#[track_caller]
fn snapshot(trip: &Trip, name: &str, outcome: &Outcome) {
    insta::assert_snapshot!(name, outcome.shown(&trip.world));
}

both_ways! {
    fn odd_names_of_a_model_arrive(way) {
        odd_names_arrive(&Trip::new(way));
    }

    fn odd_names_of_a_dataset_arrive(way) {
        odd_names_arrive(&Trip::of_dataset(way));
    }

    fn large_files_with_odd_names_arrive_in_parts_or_in_one_piece(way) {
        let trip = Trip::new(way);
        for (number, name) in ["ü #%20?[v1] {a}+&;.bin", "x/resolve/main/🤗 \\*.bin", "%2e%2e/..bin"].iter().enumerate() {
            trip.source().lfs_file(name, generated(40 + number as u64, 17 * MIB));
        }
        trip.source().commit();
        trip.assert_done(trip.migrate(&[]));
        trip.assert_identical();
        idle(&trip);
    }

    fn names_that_differ_only_in_case_or_spelling_keep_their_contents(way) {
        let trip = Trip::new(way);
        for name in ["Weights.bin", "weights.bin", "\u{fc}", "u\u{308}", "readme.md"] {
            trip.source().file(name, format!("I am {name}").as_str());
        }
        trip.source().commit();
        trip.assert_done(trip.migrate(&[]));
        for name in ["Weights.bin", "weights.bin", "\u{fc}", "u\u{308}", "readme.md"] {
            assert_eq!(trip.copy().content(name).unwrap().to_bytes(), format!("I am {name}"));
        }
    }

    fn text_that_looks_like_a_pointer_arrives_as_text(way) {
        let trip = Trip::new(way);
        let weights = bytes(1, 100 * KIB);
        let pointer = |oid: &str, size: u64| format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n");
        let (known, unknown) = (pointer(weights.sha256(), weights.len()), pointer(&"ab".repeat(32), 5));
        let source = trip.source();
        source.lfs_file("weights.bin", weights).regular_file("known.txt", known.as_str()).regular_file("unknown.txt", unknown.as_str());
        source.regular_file("also.bin", known.as_str()).commit();
        trip.assert_done(trip.migrate(&[]));
        trip.assert_identical();
        assert_eq!(trip.copy().content("known.txt").unwrap().to_bytes(), known);
        assert_eq!(trip.copy().content("also.bin").unwrap().to_bytes(), known);
        idle(&trip);
    }

    fn what_git_reads_is_copied_but_for_the_attributes_of_the_hub(way) {
        let trip = Trip::new(way);
        let source = trip.source();
        source.regular_file(".gitattributes", "*.mine filter=lfs diff=lfs merge=lfs -text\n");
        source.regular_file(".gitignore", "*.log\nbuild/\n").regular_file("a.log", "logged").regular_file("build/x.txt", "built");
        source.regular_file(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = https://example.org/x.git\n");
        source.regular_file("empty/.gitkeep", "").regular_file("sub/.gitattributes", "*.txt -text\n").regular_file("sub/.gitignore", "*");
        source.regular_file("sub/a.txt", "a\r\n").commit();
        let own = trip.copy_named("alice/other").files()[".gitattributes"].clone();

        let name = if way == Way::HfToMs { "git_files_to_modelscope" } else { "git_files_to_hugging_face" };
        snapshot(&trip, name, &trip.world.run(&["plan", trip.address()[0]]).exits(0));
        let report = trip.assert_done(trip.migrate(&[]));

        assert_eq!(report["files"]["left_out"], 1);
        assert_eq!(report["changes"], serde_json::json!([".gitattributes: not copied, each hub keeps its own"]));
        assert_eq!(trip.copy().files()[".gitattributes"], own);
        let copied: BTreeSet<_> = trip.copy().files().into_keys().filter(|path| path.contains(".git")).collect();
        let wanted = [".gitattributes", ".gitignore", ".gitmodules", "empty/.gitkeep", "sub/.gitattributes", "sub/.gitignore"];
        assert_eq!(copied, wanted.map(str::to_owned).into());
        idle(&trip);
    }

    fn what_no_commit_may_hold_is_named_and_left_out_with_consent_only(way) {
        let trip = Trip::new(way);
        for path in [".git/config", "sub/.git", "sub/.GIT/x", ".cache/huggingface/x.json", "deep/.cache/y", ".cached", "kept.txt"] {
            trip.source().regular_file(path, path);
        }
        trip.source().lfs_file(".cache/large.bin", bytes(3, 100 * KIB)).commit();
        trip.world.hf.behaviour(|behaviour| behaviour.refuses_cache_folders = way == Way::MsToHf);
        let name = |text: &str| format!("{text}_to_{}", if way == Way::HfToMs { "modelscope" } else { "hugging_face" });
        let address = trip.address()[0];

        snapshot(&trip, &name("reserved_plan"), &trip.world.run(&["plan", address]).exits(0));
        snapshot(&trip, &name("reserved_refused"), &trip.world.run(&["migrate", address]).exits(3));
        assert_nothing_moved(&trip);

        let done = trip.world.run(&["migrate", address, "--yes"]).exits(0);
        snapshot(&trip, &name("reserved_done"), &done);
        let cached = trip.copy().files().keys().filter(|path| path.contains(".cache/")).count();
        assert_eq!(cached, if way == Way::HfToMs { 3 } else { 0 });
        assert!(trip.copy().files().contains_key("kept.txt") && trip.copy().files().contains_key(".cached"));
        // what was left out is not there, and a comparison says so
        let compared = trip.verify(&[]).exits(4).json();
        assert!(compared["verification"]["missing"].to_string().contains(".git/config"), "{compared}");
    }

    fn what_a_terminal_would_obey_is_shown_escaped_and_left_out_with_consent_only(way) {
        let trip = Trip::new(way);
        for path in ["clear\u{1b}[2J\u{1b}[Hscreen", "two\nlines.txt", "bell\u{7}", "tab\there", "c1\u{9b}31m", "deleted\u{7f}", "turned\u{202e}txt.exe"] {
            trip.source().regular_file(path, path);
        }
        trip.source().lfs_file("large\u{1b}]0;title\u{7}.bin", bytes(3, 100 * KIB)).commit();
        let name = |text: &str| format!("{text}_to_{}", if way == Way::HfToMs { "modelscope" } else { "hugging_face" });
        let address = trip.address()[0];

        let plan = trip.world.run(&["plan", address]).exits(0);
        assert_harmless(&plan);
        snapshot(&trip, &name("escapes_plan"), &plan);
        let refused = trip.world.run(&["migrate", address]).exits(3);
        assert_harmless(&refused);
        snapshot(&trip, &name("escapes_refused"), &refused);
        assert_nothing_moved(&trip);

        let done = trip.world.run(&["migrate", address, "--yes"]).exits(0);
        assert_harmless(&done);
        snapshot(&trip, &name("escapes_done"), &done);
        assert_eq!(trip.copy().content("turned\u{202e}txt.exe").unwrap().to_bytes(), "turned\u{202e}txt.exe");
        let unproven = trip.world.run(&["verify", address]).exits(4);
        assert_harmless(&unproven);
        snapshot(&trip, &name("escapes_verify"), &unproven);
        let (plan, verify) = (trip.world.run(&["plan", address, "--json"]), trip.verify(&[]));
        assert_harmless(&plan);
        assert_harmless(&verify);
        let named = |name: &str| plan.json()["items"].as_array().unwrap().iter().any(|item| item["path"] == name);
        assert!(named("turned\u{202e}txt.exe") && named("c1\u{9b}31m") && named("two\nlines.txt"), "the names themselves are kept");
        let batch = trip.world.run(&["plan", address, address, "--json"]).exits(0);
        assert_harmless(&batch);
        assert_eq!(batch.json()["plans"][0]["items"], plan.json()["items"]);
        let id = trip.migrate(&["--yes"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        let proof = trip.world.run(&["proof", &id]).exits(0);
        assert_harmless(&proof);
        assert!(proof.json()["files"].as_array().unwrap().iter().any(|file| file["path"] == "turned\u{202e}txt.exe"), "{}", proof.stdout);
    }

    fn a_file_cannot_lie_where_the_destination_has_a_folder(way) {
        let trip = Trip::new(way);
        trip.source().file("a", "a").file("b/c/d.txt", "d").file("other.txt", "o").commit();
        trip.copy().file("a/inner.txt", "theirs").file("b", "theirs").commit();
        let head = trip.copy().head();
        let name = if way == Way::HfToMs { "collision_to_modelscope" } else { "collision_to_hugging_face" };
        snapshot(&trip, name, &trip.world.run(&["plan", trip.address()[0]]).exits(0));
        trip.migrate(&[]).exits(3);
        assert_eq!((trip.copy().head(), trip.destination_journal().bytes_uploaded()), (head, 0));
        trip.migrate(&["--yes"]).exits(0);
        assert!(trip.copy().files().contains_key("other.txt") && !trip.copy().files().contains_key("a"));
    }
}
