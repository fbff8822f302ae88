//! Licences between the hubs, value by value, and the word of Hugging Face's own check about them.

use serde_json::Value;
use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::world::World;

/// What ModelScope's cards state, and what a person who knows both hubs would write for Hugging Face.
const TO_HUGGING_FACE: [(&str, &str); 25] = [
    ("Apache License 2.0", "license: apache-2.0"),
    ("MIT License", "license: mit"),
    ("Apache-2.0", "license: apache-2.0"),
    ("MIT", "license: mit"),
    ("GPL-3.0", "license: gpl-3.0"),
    ("GNU General Public License v3.0", "license: gpl-3.0"),
    ("BSD-3-Clause", "license: bsd-3-clause"),
    ("CC-BY-4.0", "license: cc-by-4.0"),
    ("CC-BY-NC-SA-4.0", "license: cc-by-nc-sa-4.0"),
    ("Creative Commons Attribution 4.0 International", "license: cc-by-4.0"),
    ("知识共享署名 4.0 国际许可协议", "license: cc-by-4.0"),
    ("CC0", "license: cc0-1.0"),
    ("LGPL-2.1", "license: lgpl-2.1"),
    ("AGPL-3.0", "license: agpl-3.0"),
    ("Mozilla Public License 2.0", "license: mpl-2.0"),
    ("The Unlicense", "license: unlicense"),
    ("Llama 3.1 Community License", "license: llama3.1"),
    ("gemma", "license: gemma"),
    ("ECL-2.0", "license: ecl-2.0"),
    ("其他", "license: other"),
    ("未知", "license: unknown"),
    ("proprietary", "license: other\nlicense_name: proprietary"),
    ("Qwen License", "license: other\nlicense_name: qwen-license"),
    ("tongyi-qianwen", "license: other\nlicense_name: tongyi-qianwen"),
    ("MIT OR Apache-2.0", "license: other\nlicense_name: mit-or-apache-2.0"),
];

/// What Hugging Face's cards state, and what ModelScope is told when a repository is made for it.
const TO_MODELSCOPE: [(&str, &str); 25] = [
    ("apache-2.0", "Apache-2.0"),
    ("mit", "MIT"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("gpl-2.0", "GPL-2.0"),
    ("gpl-3.0", "GPL-3.0"),
    ("lgpl-2.1", "LGPL-2.1"),
    ("lgpl-3.0", "LGPL-3.0"),
    ("afl-3.0", "AFL-3.0"),
    ("ecl-2.0", "ECL-2.0"),
    ("mpl-2.0", "MPL-2.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("unlicense", "Unlicense"),
    ("openrail", "Other"),
    ("bigscience-openrail-m", "Other"),
    ("agpl-3.0", "Other"),
    ("cc-by-nc-sa-4.0", "Other"),
    ("llama3.1", "Other"),
    ("gemma", "Other"),
    ("wtfpl", "Other"),
    ("unknown", "Other"),
    ("other", "Other"),
];

fn card(licence: &str) -> String {
    format!("---\n{licence}\nlanguage: en\n---\n# bert\n")
}

fn text(content: Option<standins::content::Content>) -> String {
    String::from_utf8(content.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn what_modelscopes_cards_state_comes_out_as_a_person_would_choose() {
    let world = World::start();
    for (number, (value, _)) in TO_HUGGING_FACE.iter().enumerate() {
        let repo = world.ms.repo(modelscope::RepoKind::Model, &format!("alice/l{number:02}"));
        repo.file("README.md", card(&format!("license: {value}")).into_bytes()).file("a.txt", "a").commit("all");
    }
    let report = world.run(&["migrate", "--all-of", "ms:alice", "--json"]).exits(0).json();
    for (number, (value, wanted)) in TO_HUGGING_FACE.iter().enumerate() {
        let copy = world.hf.repo(RepoKind::Model, &format!("alice/l{number:02}"));
        assert_eq!(text(copy.content("README.md")), card(wanted), "{value}");
        let own =
            report["migrations"].as_array().unwrap().iter().find(|one| one["source"]["repo"] == format!("alice/l{number:02}")).unwrap();
        let told = own["changes"].as_array().unwrap().iter().filter(|change| change.as_str().unwrap().contains("license")).count();
        assert_eq!(told > 0, format!("license: {value}") != *wanted, "the report tells what was changed: {own}");
    }
}

#[test]
fn what_hugging_faces_cards_state_is_what_modelscope_is_told() {
    let world = World::start();
    for (number, (value, _)) in TO_MODELSCOPE.iter().enumerate() {
        let repo = world.hf.repo(RepoKind::Model, &format!("alice/l{number:02}"));
        repo.file("README.md", card(&format!("license: {value}")).into_bytes()).file("a.txt", "a").commit("all");
    }
    world.run(&["migrate", "--all-of", "hf:alice", "--json"]).exits(0);
    for (number, (value, wanted)) in TO_MODELSCOPE.iter().enumerate() {
        let copy = world.ms.repo(modelscope::RepoKind::Model, &format!("alice/l{number:02}"));
        assert!(copy.license_id().eq_ignore_ascii_case(wanted), "{value}: {}", copy.license_id());
        assert_eq!(text(copy.content("README.md")), card(&format!("license: {value}")), "the card goes as it is");
    }
}

/// A Hugging Face whose list has changed since this program was made, and a ModelScope model with this licence. Gives the card at Hugging Face,
/// and what the report tells of it.
fn where_the_list_changed(licence: &str) -> (String, Vec<String>) {
    let world = World::start();
    world.hf.behaviour(|behaviour| {
        behaviour.licences.added = vec!["Brand New License 1.0".to_owned()];
        behaviour.licences.withdrawn = vec!["afl-3.0".to_owned(), "mit".to_owned()];
    });
    let source = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    source.file("README.md", card(licence).into_bytes()).file("a.txt", "a").commit("all");
    let plan = world.run(&["plan", "ms:alice/bert", "--json"]).exits(0).json();
    let report = world.run(&["migrate", "ms:alice/bert", "--json"]).exits(0).json();
    let changes = |of: &Value| {
        let all = of["changes"].as_array().unwrap().iter().map(|change| change.as_str().unwrap().to_owned());
        all.filter(|change| change.starts_with("README.md")).collect::<Vec<_>>()
    };
    assert_eq!(report["state"], "verified");
    world.run(&["verify", "ms:alice/bert", "--deep"]).exits(0);
    // another machine finds nothing to do either, whatever it would have written
    let copy = world.hf.repo(RepoKind::Model, "alice/bert");
    let commits = copy.commits().len();
    world.forget_state();
    world.run(&["migrate", "ms:alice/bert"]).exits(0);
    assert_eq!(copy.commits().len(), commits);
    let told = changes(&report);
    assert_eq!(changes(&plan), told, "the plan says the same");
    (text(copy.content("README.md")), told)
}

#[test]
fn a_licence_that_the_hub_took_up_since_stays_as_it_is() {
    let (there, told) = where_the_list_changed("license: Brand New License 1.0");
    assert_eq!((there, told.len()), (card("license: Brand New License 1.0"), 0));
}

#[test]
fn a_licence_that_the_hub_no_longer_takes_keeps_its_name() {
    let (there, told) = where_the_list_changed("license: afl-3.0");
    assert_eq!(there, card("license: other\nlicense_name: afl-3.0"));
    insta::assert_snapshot!("withdrawn", told.join("\n"));
    let (there, told) = where_the_list_changed("license: MIT License");
    assert_eq!(there, card("license: other\nlicense_name: mit-license"));
    insta::assert_snapshot!("withdrawn_in_words", told.join("\n"));
}

#[test]
fn of_several_licences_every_name_is_kept() {
    let (there, told) = where_the_list_changed("license:\n- afl-3.0\n- apache-2.0");
    assert_eq!(there, card("license:\n- other\nlicense_name: afl-3.0-and-apache-2.0"));
    insta::assert_snapshot!("withdrawn_of_several", told.join("\n"));
}
