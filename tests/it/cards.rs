//! The card of a model or dataset: its licence in the other hub's words, every other byte as it was.

use serde_json::Value;
use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::tokens::assert_nothing_written;
use crate::world::{World, bytes};

/// What stands around the licence; none of it may change.
const BEFORE: &str = "---\r\n# a comment: kept\r\ntasks:\r\n- fill-mask\r\n";
const AFTER: &str = "tags: [ 'a',  \"b\" ]\r\nlanguage: 中文\r\n---\r\n\r\n# bert\u{a0}\r\n\r\nlicense: MIT License (this is text)\t\r\n\r\n---\r\nno newline at the end";

/// Migrates a ModelScope model with this card; gives the changes reported and the card at Hugging Face. A second run does nothing.
#[track_caller]
fn migrated(card: &[u8]) -> (Vec<String>, Vec<u8>) {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    source.file("README.md", card.to_vec()).file("model.bin", bytes(1, 100_000)).commit("all");
    let report = world.run(&["migrate", "ms:alice/bert", "--json"]).exits(0).json();
    assert_eq!(report["state"], "verified");
    let copy = world.hf.repo(RepoKind::Model, "alice/bert");
    let (commits, sent) = (copy.commits().len(), world.hf.journal().bytes_uploaded());
    let again = world.run(&["migrate", "ms:alice/bert", "--json"]).exits(0).json();
    assert_eq!((&again["files"]["copied"], &again["bytes"]["moved"]), (&0.into(), &0.into()), "{again}");
    assert_eq!((copy.commits().len(), world.hf.journal().bytes_uploaded()), (commits, sent), "a second run moves and commits nothing");
    assert_eq!(again["changes"], report["changes"], "what differs on purpose is told again");
    (changes(&report), copy.content("README.md").unwrap().to_bytes().to_vec())
}

/// The changes of a report that are about the card.
fn changes(report: &Value) -> Vec<String> {
    let all = report["changes"].as_array().unwrap().iter().map(|change| change.as_str().unwrap().to_owned());
    all.filter(|change| change.starts_with("README.md")).collect()
}

/// The licence line becomes these lines, and nothing else of the card changes.
#[track_caller]
fn becomes(name: &str, from: &str, to: &str) {
    let (changes, card) = migrated(format!("{BEFORE}{from}\r\n{AFTER}").as_bytes());
    assert_eq!(String::from_utf8(card).unwrap(), format!("{BEFORE}{to}\r\n{AFTER}"));
    insta::assert_snapshot!(name, changes.join("\n"));
}

#[test]
fn a_licence_in_modelscopes_words_gets_hugging_faces() {
    becomes("mit", "license: MIT License", "license: mit");
    becomes("apache", "license: Apache License 2.0", "license: apache-2.0");
    becomes("quoted", "license: \"Apache License 2.0\"  # ours", "license: \"apache-2.0\"  # ours");
}

#[test]
fn a_licence_that_both_hubs_know_stays() {
    let (changes, card) = migrated(format!("{BEFORE}license: llama3.1\r\n{AFTER}").as_bytes());
    assert_eq!(String::from_utf8(card).unwrap(), format!("{BEFORE}license: llama3.1\r\n{AFTER}"));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_licence_that_hugging_face_does_not_know_keeps_its_name() {
    becomes("unknown", "license: Acme Model License v7", "license: other\r\nlicense_name: acme-model-license-v7");
    becomes("unknown_named", "license: Acme Model License v7\r\nlicense_name: acme", "license: other\r\nlicense_name: acme");
}

#[test]
fn each_licence_of_a_list_is_put_into_words() {
    becomes("list", "license:\r\n- MIT License\r\n- Apache License 2.0", "license:\r\n- mit\r\n- apache-2.0");
    becomes("flow_list", "license: [MIT License, cc-by-4.0]", "license: [mit, cc-by-4.0]");
}

#[test]
fn a_card_without_front_matter_and_no_card_at_all_pass() {
    let (changes, card) = migrated(b"# bert\n\nlicense: MIT License\n");
    assert_eq!((changes.len(), card.as_slice()), (0, b"# bert\n\nlicense: MIT License\n".as_slice()));
    let world = World::start();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bare").remove("README.md").file("model.bin", bytes(1, 100_000)).commit("all");
    world.run(&["migrate", "ms:alice/bare"]).exits(0);
    assert!(!world.hf.repo(RepoKind::Model, "alice/bare").files().contains_key("README.md"));
}

#[test]
fn a_card_that_is_not_utf_8_goes_as_it_is() {
    let card = [b"# caf\xe9 \xff\xfe\r\n".as_slice(), &[0x80; 40]].concat();
    let (changes, copy) = migrated(&card);
    assert!(changes.is_empty() && copy == card, "{changes:?}");
}

#[test]
fn a_card_left_out_is_neither_read_nor_refused() {
    let world = World::start();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("README.md", "---\nlicense: [\n---\n").file("a.txt", "a").commit("all");
    let report = world.run(&["migrate", "ms:alice/bert", "--exclude", "README.md", "--json"]).exits(0).json();
    assert!(changes(&report).is_empty());
    assert!(!world.hf.repo(RepoKind::Model, "alice/bert").files().contains_key("README.md"));
}

#[test]
fn a_card_that_hugging_face_refuses_is_refused_before_anything_is_made() {
    for (name, card) in [
        ("broken_yaml", "---\nlicense: MIT License\ntags: [a, b\n---\n# bert\n"),
        ("no_mapping", "---\njust text\n---\n# bert\n"),
        ("odd_licence", "---\nlicense:\n  name: mine\n---\n# bert\n"),
    ] {
        let world = World::start();
        world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus").file("README.md", card).file("a.txt", "a").commit("all");
        let outcome = world.run(&["migrate", "ms:alice/corpus"]).exits(1);
        insta::assert_snapshot!(format!("refused_{name}"), outcome.shown(&world));
        world.run(&["plan", "ms:alice/corpus", "--json"]).exits(1);
        assert_nothing_written(&world);
        assert!(!world.hf.repo_exists(RepoKind::Dataset, "alice/corpus"));
    }
}

#[test]
fn a_plan_shows_what_becomes_of_the_card() {
    let world = World::start();
    let card = "---\nlicense: MIT License\n---\n# bert\n";
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("README.md", card).commit("all");
    insta::assert_snapshot!("plan", world.run(&["migrate", "ms:alice/bert", "--dry-run"]).exits(0).shown(&world));
    assert_nothing_written(&world);
}

#[test]
fn a_card_at_the_destination_that_differs_is_not_overwritten_unasked() {
    let world = World::start();
    let card = "---\nlicense: MIT License\n---\n# bert\n";
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("README.md", card).commit("all");
    let copy = world.hf.repo(RepoKind::Model, "alice/bert");
    copy.file("README.md", "# mine\n").commit("mine");
    insta::assert_snapshot!("overwrite", world.run(&["migrate", "ms:alice/bert"]).exits(3).shown(&world));
    assert_eq!(copy.content("README.md").unwrap().to_bytes().as_ref(), b"# mine\n");
    world.run(&["migrate", "ms:alice/bert", "--yes"]).exits(0);
    assert_eq!(copy.content("README.md").unwrap().to_bytes().as_ref(), b"---\nlicense: mit\n---\n# bert\n");
}

#[test]
fn a_card_goes_to_modelscope_as_it_is() {
    for (kind, same) in [(RepoKind::Model, modelscope::RepoKind::Model), (RepoKind::Dataset, modelscope::RepoKind::Dataset)] {
        let world = World::start();
        let card = format!("{BEFORE}license: llama3.1\r\n{AFTER}");
        world.hf.repo(kind, "alice/bert").file("README.md", card.as_bytes().to_vec()).file("model.bin", bytes(1, 100_000)).commit("all");
        let report = world.run(&["migrate", "hf:alice/bert", "--json"]).exits(0).json();
        assert!(changes(&report).is_empty(), "{report}");
        let copy = world.ms.repo(same, "alice/bert");
        assert_eq!(String::from_utf8(copy.content("README.md").unwrap().to_bytes().to_vec()).unwrap(), card);
        let commits = copy.commits().len();
        world.run(&["migrate", "hf:alice/bert"]).exits(0);
        assert_eq!(copy.commits().len(), commits);
    }
}

#[test]
fn a_new_modelscope_repository_gets_the_licence_of_the_card() {
    for (stated, expected) in [("license: apache-2.0\n", "Apache-2.0"), ("license: llama3.1\n", "Other"), ("", "Other")] {
        let world = World::start();
        world
            .hf
            .repo(RepoKind::Model, "alice/bert")
            .file("README.md", format!("---\n{stated}tags:\n- x\n---\n").into_bytes())
            .commit("all");
        world.run(&["migrate", "hf:alice/bert"]).exits(0);
        let licence = world.ms.repo(modelscope::RepoKind::Model, "alice/bert").license_id();
        assert!(licence.eq_ignore_ascii_case(expected), "{stated}: {licence}");
    }
}

#[test]
fn a_card_that_is_not_utf_8_goes_to_modelscope_as_it_is() {
    let world = World::start();
    let card = b"# caf\xe9 \xff\xfe\r\n".to_vec();
    world.hf.repo(RepoKind::Model, "alice/bert").file("README.md", card.clone()).commit("all");
    world.run(&["migrate", "hf:alice/bert"]).exits(0);
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").content("README.md").unwrap().to_bytes().to_vec(), card);
}
