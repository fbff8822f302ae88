//! The table of privacy, every cell of it: who may read a source against who may read its copy.

use standins::huggingface::{self, Gated, RepoKind};
use standins::modelscope::{self, Visibility};

use crate::world::{KIB, World, bytes};

/// Who may read a repository, as the README's table calls it.
const HF: [&str; 4] = ["public", "auto-gated", "manually gated", "private"];
const MS: [&str; 4] = ["public", "internal", "gated", "private"];

/// For each source: what a new copy is, and the destinations that are refused without `--allow-public`.
const TO_MODELSCOPE: [(&str, &str, &[&str]); 4] = [
    ("public", "public", &[]),
    ("auto-gated", "private", &["public", "internal"]),
    ("manually gated", "private", &["public", "internal", "gated"]),
    ("private", "private", &["public", "internal", "gated"]),
];
const TO_HUGGING_FACE: [(&str, &str, &[&str]); 4] = [
    ("public", "public", &[]),
    ("internal", "private", &["public"]),
    ("gated", "private", &["public", "auto-gated"]),
    ("private", "private", &["public", "auto-gated", "manually gated"]),
];

fn at_hugging_face(world: &World, id: &str, readers: &str) -> huggingface::RepoHandle {
    let repo = world.hf.repo(RepoKind::Model, id);
    match readers {
        "public" => repo.public(),
        "auto-gated" => repo.gated(Gated::Auto),
        "manually gated" => repo.gated(Gated::Manual),
        _ => repo.private(),
    };
    repo
}

fn at_modelscope(world: &World, id: &str, readers: &str) -> modelscope::RepoHandle {
    let repo = world.ms.repo(modelscope::RepoKind::Model, id);
    match readers {
        "public" => repo.public(),
        "internal" => repo.internal(),
        "gated" => repo.gated(),
        _ => repo.private(),
    };
    repo
}

/// Tries one cell: refused before anything is sent, and done when the user says so; or done at once.
#[track_caller]
fn try_cell(world: &World, source: &str, dest: &str, refused: bool, head: impl Fn() -> String, sent: impl Fn() -> u64) {
    let arguments = ["migrate", source, "--dest", dest, "--yes", "--json"];
    let before = (head(), sent());
    if refused {
        let error = world.run(&arguments).exits(3).json();
        assert_eq!(error["error"]["kind"], "needs_confirmation", "{source} into {dest}: {error}");
        assert_eq!((head(), sent()), before, "{source} into {dest}: something was sent");
        world.run(&[&arguments[..], &["--allow-public"]].concat()).exits(0);
    } else {
        world.run(&arguments).exits(0);
    }
    assert_ne!(head(), before.0, "{source} into {dest}: nothing was committed");
}

#[test]
fn every_source_at_hugging_face_meets_every_destination_as_the_table_says() {
    for (row, (source, new, refused)) in TO_MODELSCOPE.iter().enumerate() {
        let world = World::start();
        let id = format!("alice/source-{row}");
        let name = format!("hf:{id}");
        at_hugging_face(&world, &id, source).file("model.bin", bytes(row as u64, 100 * KIB)).file("config.json", "{}").commit("all");
        let made = format!("alice/new-{row}");
        world.run(&["migrate", &name, "--dest", &made]).exits(0);
        let copy = world.ms.repo(modelscope::RepoKind::Model, &made);
        let public = if *new == "public" { Visibility::Public } else { Visibility::Private };
        assert_eq!((copy.visibility(), copy.is_gated()), (public, false), "a new copy of {name}, which is {source}");
        for (column, there) in MS.iter().enumerate() {
            let dest = format!("alice/dest-{row}-{column}");
            let copy = at_modelscope(&world, &dest, there);
            let journal = || world.ms.journal().requests("batch") + world.ms.journal().requests("commit");
            try_cell(&world, &name, &dest, refused.contains(there), || copy.head(), journal);
            assert_eq!(copy.is_gated(), *there == "gated", "who may read {dest} was changed");
        }
    }
}

#[test]
fn every_source_at_modelscope_meets_every_destination_as_the_table_says() {
    for (row, (source, new, refused)) in TO_HUGGING_FACE.iter().enumerate() {
        let world = World::start();
        let id = format!("alice/source-{row}");
        let name = format!("ms:{id}");
        at_modelscope(&world, &id, source).file("model.bin", bytes(row as u64, 100 * KIB)).file("config.json", "{}").commit("all");
        let made = format!("alice/new-{row}");
        world.run(&["migrate", &name, "--dest", &made]).exits(0);
        assert_eq!(world.hf.repo(RepoKind::Model, &made).is_private(), *new == "private", "a new copy of {name}, which is {source}");
        for (column, there) in HF.iter().enumerate() {
            let dest = format!("alice/dest-{row}-{column}");
            let copy = at_hugging_face(&world, &dest, there);
            let journal = || ["lfs.batch", "preupload", "commit"].iter().map(|route| world.hf.journal().requests(route)).sum::<u64>();
            try_cell(&world, &name, &dest, refused.contains(there), || copy.head(), journal);
        }
    }
}

#[test]
fn the_readme_has_the_same_table() {
    let row = |hub: &str, there: &[&str], (source, new, refused): &(&str, &str, &[&str])| {
        let cell = |there: &&str| if refused.contains(there) { "refused" } else { "copied" };
        let cells: Vec<_> = there.iter().map(cell).collect();
        format!("| {source} on {hub} | {new} | {} |", cells.join(" | "))
    };
    let rows = TO_MODELSCOPE.iter().map(|line| row("Hugging Face", &MS, line));
    let rows = rows.chain(TO_HUGGING_FACE.iter().map(|line| row("ModelScope", &HF, line)));
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for row in rows {
        assert!(readme.lines().any(|line| line == row), "the README lacks the row\n{row}");
    }
}

#[test]
fn the_terms_of_a_gated_source_stand_in_the_plan() {
    let world = World::start();
    let card =
        "---\nlicense: other\nlicense_name: llama3\nlicense_link: LICENSE\nextra_gated_prompt: \"You agree to all of it.\"\n---\n# x\n";
    at_hugging_face(&world, "alice/llama", "manually gated").file("README.md", card).file("a.txt", "a").commit("all");
    insta::assert_snapshot!("terms", world.run(&["plan", "hf:alice/llama"]).exits(0).shown(&world));
    at_modelscope(&world, "alice/qwen", "gated").file("a.txt", "a").commit("all");
    insta::assert_snapshot!("no_terms", world.run(&["plan", "ms:alice/qwen"]).exits(0).shown(&world));
}
