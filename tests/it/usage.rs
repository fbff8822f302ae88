//! What is wrong with the words alone: refused before anything is touched, the same for people and for programs.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::world::{KIB, Outcome, World, bytes};

/// Has the shape of a token, is none.
const PASTED: &str = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567";

/// Nothing was made, sent or committed at either hub, and no migration was begun on this machine.
#[track_caller]
pub fn assert_untouched(world: &World) {
    for journal in [world.hf.journal(), world.ms.journal()] {
        for route in ["repo.create", "create", "commit", "lfs.batch", "batch", "put", "preupload", "repo.settings", "set-visibility"] {
            assert_eq!(journal.requests(route), 0, "{route}");
        }
        assert_eq!(journal.bytes_uploaded(), 0);
    }
    let begun = std::fs::read_dir(world.home.join("state/migrations")).map_or(0, Iterator::count);
    assert_eq!(begun, 0, "migrations in the state folder");
}

/// Runs it for a person and with `--json`: the same code, the same words, nothing touched. Gives what the person sees.
#[track_caller]
pub fn refused(world: &World, code: i32, arguments: &[&str]) -> String {
    let person = world.run(arguments).exits(code);
    assert_eq!(person.stdout, "", "standard output is for results");
    let program = world.run(&[arguments, &["--json"]].concat()).exits(code);
    let error = the_error(&program);
    let message = error["message"].as_str().unwrap();
    assert!(person.stderr.contains(&format!("error: {message}\n")), "{message}\n{}", person.stderr);
    let hint = error["hint"].as_str().expect("a refusal says what to do");
    assert!(person.stderr.contains(&format!("hint: {hint}\n")) || hint == "see `hf2ms --help`", "{hint}\n{}", person.stderr);
    assert_untouched(world);
    person.shown(world)
}

/// The one object on standard output, which is `{"error":{"kind","message","hint"}}`.
#[track_caller]
fn the_error(outcome: &Outcome) -> Value {
    let object = outcome.json();
    assert_eq!(object.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"]);
    let mut keys: Vec<_> = object["error"].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["hint", "kind", "message"]);
    object["error"].clone()
}

/// Hugging Face has a model, ModelScope has none.
fn world_with_a_model() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).file("config.json", "{}").commit("all");
    world
}

/// Refuses with exit code 2 without asking either hub anything.
#[track_caller]
fn refused_unasked(arguments: &[&str]) -> String {
    let world = world_with_a_model();
    let shown = refused(&world, 2, arguments);
    assert_eq!(world.hf.journal().total_requests() + world.ms.journal().total_requests(), 0, "a hub was asked");
    shown
}

#[test]
fn the_help_shows_what_is_built() {
    let world = World::start();
    insta::assert_snapshot!("help", world.run(&["--help"]).exits(0).shown(&world));
    insta::assert_snapshot!("help_migrate", world.run(&["migrate", "-h"]).exits(0).shown(&world));
    insta::assert_snapshot!("no_verb", world.run(&[]).exits(2).shown(&world));
    insta::assert_snapshot!("wrong_verb", world.run(&["transfer", "hf:alice/bert"]).exits(2).shown(&world));
}

#[test]
fn a_command_without_source_says_how_to_name_one() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "--to", "ms"]));
}

#[test]
fn a_source_and_a_destination_on_the_same_hub_are_refused() {
    insta::assert_snapshot!("prefix_and_to_agree", refused_unasked(&["migrate", "hf:alice/bert", "--to", "hf"]));
    insta::assert_snapshot!(
        "page_and_to_agree",
        refused_unasked(&["plan", "https://www.modelscope.cn/models/alice/bert", "--to", "modelscope"])
    );
    insta::assert_snapshot!("dest_names_the_hub_read", refused_unasked(&["migrate", "hf:alice/bert", "--dest", "hf:alice/copy"]));
}

#[test]
fn a_page_and_a_type_that_contradict_each_other_are_refused() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "https://huggingface.co/datasets/alice/bert", "--repo-type", "model"]));
}

#[test]
fn an_unknown_type_is_refused() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "hf:alice/bert", "--type", "paper"]));
}

#[test]
fn an_unknown_hub_is_refused() {
    insta::assert_snapshot!("unknown_prefix", refused_unasked(&["migrate", "gh:alice/bert"]));
    insta::assert_snapshot!("unknown_to", refused_unasked(&["migrate", "alice/bert", "--to", "gh"]));
    insta::assert_snapshot!("unknown_page", refused_unasked(&["migrate", "https://github.com/alice/bert"]));
}

#[test]
fn an_unclear_direction_is_refused() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "alice/bert"]));
}

#[test]
fn a_name_without_namespace_is_refused() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "bert", "--to", "ms"]));
    insta::assert_snapshot!("dest_without_namespace", refused_unasked(&["migrate", "hf:alice/bert", "--dest", "bert"]));
    // nor is one that begins as a migration's id does taken for that
    insta::assert_snapshot!("verify_without_namespace", refused_unasked(&["verify", "mistral", "--to", "ms"]));
}

#[test]
fn two_revisions_are_refused() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "hf:alice/bert@v1", "--revision", "v2"]));
    insta::assert_snapshot!("revision_that_git_does_not_take", refused_unasked(&["migrate", "hf:alice/bert", "--revision", "../x"]));
    insta::assert_snapshot!("dest_with_revision", refused_unasked(&["migrate", "hf:alice/bert", "--dest", "alice/bert@v1"]));
}

#[test]
fn a_glob_that_is_none_is_named() {
    insta::assert_snapshot!(refused_unasked(&["migrate", "hf:alice/bert", "--include", "*.bin", "--exclude", "[a"]));
}

#[test]
fn a_selection_of_nothing_is_refused() {
    let world = world_with_a_model();
    insta::assert_snapshot!(refused(&world, 2, &["migrate", "hf:alice/bert", "--include", "*.safetensors"]));
}

#[test]
fn a_pasted_token_is_refused_and_never_repeated() {
    let world = world_with_a_model();
    let glued = format!("--source={PASTED}");
    let dest = format!("alice/{PASTED}");
    let page = format!("https://alice:{PASTED}@huggingface.co/alice/bert");
    let listed = format!("alice/bert,{PASTED}");
    let modelscope = "ms-01234567-89ab-cdef-0123-456789abcdef";
    let header = format!("Bearer {PASTED}");
    let query = format!("https://huggingface.co/alice/bert?token={PASTED}&x=1");
    let all: [&[&str]; 9] = [
        &["migrate", PASTED, "--to", "ms"],
        &["plan", &glued],
        &["migrate", "hf:alice/bert", "--dest", &dest],
        &["migrate", &page],
        &["migrate", &listed],
        &["status", PASTED],
        &["migrate", "alice/bert", "--token", modelscope],
        &["migrate", &header],
        &["plan", &query],
    ];
    for arguments in all {
        let shown = refused(&world, 2, arguments);
        let json = world.run(&[arguments, &["--json"]].concat());
        for text in [&shown, &json.stdout, &json.stderr] {
            assert!(!text.contains(&PASTED[3..]) && !text.contains(&modelscope[3..]), "{text}");
        }
        insta::assert_snapshot!("pasted_token", shown);
    }
    assert_eq!(world.hf.journal().total_requests() + world.ms.journal().total_requests(), 0, "a hub was asked");
}

#[test]
fn a_runner_that_is_not_there_is_refused_by_name() {
    insta::assert_snapshot!("not_built_runner_foo", refused_unasked(&["migrate", "hf:alice/bert", "--runner", "foo"]));
}

#[test]
fn what_only_the_cloud_does_is_refused_here() {
    let flags: [(&str, &[&str]); 3] = [
        ("parallel", &["migrate", "hf:alice/bert", "--parallel"]),
        ("workers", &["migrate", "hf:alice/bert", "--workers", "4"]),
        ("chunk_size", &["plan", "hf:alice/bert", "--chunk-size", "5"]),
    ];
    for (name, arguments) in flags {
        insta::assert_snapshot!(format!("here_{name}"), refused_unasked(arguments));
    }
    let world = world_with_a_model();
    insta::assert_snapshot!("modal_without_token", refused(&world, 3, &["migrate", "hf:alice/bert", "--runner", "modal"]));
    assert_eq!(world.hf.journal().total_requests(), 0, "a hub was asked");
}

#[test]
fn the_bytes_do_not_pass_through_this_machine_unasked() {
    let mut world = world_with_a_model();
    world.unset("HF2MS_RUNNER");
    insta::assert_snapshot!(refused(&world, 3, &["migrate", "hf:alice/bert"]));
    assert_eq!(world.hf.journal().total_requests(), 0, "a hub was asked");
    world.run(&["migrate", "hf:alice/bert", "--dry-run"]).exits(0);
    world.run(&["migrate", "hf:alice/bert", "--runner", "local"]).exits(0);
}

#[test]
fn a_name_that_is_a_model_and_a_dataset_is_refused_until_the_type_is_said() {
    let world = world_with_a_model();
    world.hf.repo(RepoKind::Dataset, "alice/bert").file("train.csv", "a,b\n").commit("all");
    insta::assert_snapshot!(refused(&world, 2, &["migrate", "hf:alice/bert"]));
    world.run(&["migrate", "hf:alice/bert", "--type", "dataset"]).exits(0);
    assert!(world.ms.repo_exists(modelscope::RepoKind::Dataset, "alice/bert"));
    assert!(!world.ms.repo_exists(modelscope::RepoKind::Model, "alice/bert"));
}

#[test]
fn a_space_is_refused_until_its_files_are_wanted_as_a_model() {
    let world = World::start();
    let space = world.hf.repo(RepoKind::Space, "alice/demo");
    space.file("app.py", "print(1)\n").file("README.md", "---\nsdk: gradio\n---\n").commit("all");
    let page = format!("{}/spaces/alice/demo", world.hf.endpoint());
    insta::assert_snapshot!(refused(&world, 3, &["migrate", "hf:alice/demo"]));
    insta::assert_snapshot!("space_by_page", refused(&world, 3, &["migrate", &page]));
    insta::assert_snapshot!("space_by_type", refused(&world, 3, &["migrate", "hf:alice/demo", "--type", "space"]));
    world.run(&["plan", &page, "--repo-type", "model"]).exits(0);
    let outcome = world.run(&["migrate", "hf:alice/demo", "--repo-type", "model"]).exits(0);
    insta::assert_snapshot!("space_as_model", outcome.shown(&world));
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/demo");
    assert_eq!(copy.files()["app.py"].sha256, space.files()["app.py"].sha256);
}

#[test]
fn an_unknown_migration_is_named_by_status_and_cancel() {
    let world = World::start();
    insta::assert_snapshot!("unknown_status", refused(&world, 1, &["status", "m1234567890-abcdef"]));
    insta::assert_snapshot!("unknown_cancel", refused(&world, 1, &["cancel", "m1234567890-abcdef"]));
    insta::assert_snapshot!("strange_status", refused(&world, 1, &["status", "../../etc"]));
    insta::assert_snapshot!("follow_what", refused(&world, 2, &["status", "--follow"]));
}

#[test]
fn an_argument_that_is_missing_is_named_to_programs_too() {
    let world = World::start();
    let error = the_error(&world.run(&["cancel", "--json"]).exits(2));
    assert_eq!(error["message"], "the following required arguments were not provided: <ID>");
    let error = the_error(&world.run(&["plan", "hf:alice/bert", "--name", "b*", "--json"]).exits(2));
    assert_eq!(error["message"], "the following required arguments were not provided: --all-of <NAMESPACE>");
}

#[test]
fn a_job_that_is_none_is_refused_and_the_line_with_the_tokens_is_not_repeated() {
    let world = World::start();
    let good = format!(r#"{{"hf":"{PASTED}","ms":null}}"#);
    let inputs = [
        ("nothing", String::new()),
        ("no_json", format!("{PASTED}\n{{}}\n")),
        ("other_key", format!("{{\"{PASTED}\":\"{PASTED}\"}}\n{{}}\n")),
        ("a_number", "1\n{}\n".to_owned()),
        ("odd_token", format!("{{\"hf\":\"{PASTED} {PASTED}\"}}\n{{}}\n")),
        ("no_job", format!("{good}\n")),
        ("not_a_job", format!("{good}\nmigrate this\n")),
        ("half_a_job", format!("{good}\n{{\"protocol\":1}}\n")),
        ("tokens_twice", format!("{good}\n{good}\n")),
        ("token_for_job", format!("{good}\n\"{PASTED}\"\n")),
        ("token_for_number", format!("{good}\n{{\"protocol\":\"{PASTED}\"}}\n")),
    ];
    for (name, input) in inputs {
        let mut child = world.command(&["run-job"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let outcome = world.finish(child).exits(2);
        assert!(!format!("{outcome:?}").contains(&PASTED[3..]), "{name}: {outcome:?}");
        insta::assert_snapshot!(format!("job_{name}"), outcome.shown(&world));
    }
    assert_untouched(&world);
}
