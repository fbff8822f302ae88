//! What a user can do wrong through a tool, and what only a user may allow.

use serde_json::json;
use standins::faults::{Fault, Rule};
use standins::huggingface::RepoKind;
use standins::modelscope;

use super::{Client, Era, shown};
use crate::usage::assert_untouched;
use crate::world::{KIB, World, bytes};

/// Has the shape of a token, is none.
const PASTED: &str = "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ01234567";

fn world_with_a_model() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).file("config.json", "{}").commit("all");
    world
}

#[test]
fn what_is_wrong_with_arguments_is_named_with_what_to_do() {
    let world = world_with_a_model();
    world.ms.repo(modelscope::RepoKind::Model, "alice/other").file("config.json", "{}").commit("all");
    let mut client = Client::start(&world, Era::Stateless);
    let calls = [
        ("no_source", "plan_migration", json!({})),
        ("unknown_argument", "plan_migration", json!({ "source": "hf:alice/bert", "force": true })),
        ("unknown_hub", "plan_migration", json!({ "source": "alice/bert", "to": "gh" })),
        ("wrong_type", "plan_migration", json!({ "source": ["hf:alice/bert"] })),
        ("no_direction", "plan_migration", json!({ "source": "alice/bert" })),
        ("same_hub", "plan_migration", json!({ "source": "hf:alice/bert", "to": "hf" })),
        ("no_namespace", "plan_migration", json!({ "source": "hf:bert" })),
        ("no_such_repo", "plan_migration", json!({ "source": "hf:alice/nothing" })),
        ("other_namespace", "plan_migration", json!({ "source": "ms:alice/other", "dest": "bob/other" })),
        ("dest_alone", "plan_migration", json!({ "source": "hf:alice/bert", "dest": "acme" })),
        ("bad_glob", "plan_migration", json!({ "source": "hf:alice/bert", "include": ["[a"] })),
        ("nothing_selected", "plan_migration", json!({ "source": "hf:alice/bert", "include": ["*.safetensors"] })),
        ("no_modal_token", "plan_migration", json!({ "source": "hf:alice/bert", "runner": "modal" })),
        ("unknown_plan", "migrate", json!({ "plan_id": "plan-0123456789abcdef" })),
        ("strange_plan", "migrate", json!({ "plan_id": "../../etc/passwd" })),
        ("confirm_visibility", "migrate", json!({ "plan_id": "plan-0123456789abcdef", "confirm_risks": ["loosened_visibility"] })),
        ("unknown_migration", "status", json!({ "migration_id": "m1234567890-abcdef" })),
        ("wait_for_nothing", "status", json!({ "wait_seconds": 5 })),
        ("wait_long", "status", json!({ "migration_id": "m1234567890-abcdef", "wait_seconds": 600 })),
        ("cancel_unknown", "cancel_migration", json!({ "migration_id": "m1234567890-abcdef" })),
        ("verify_nothing", "verify_migration", json!({})),
        ("verify_both", "verify_migration", json!({ "migration_id": "m1234567890-abcdef", "source": "hf:alice/bert" })),
        ("verify_absent", "verify_migration", json!({ "source": "hf:alice/bert" })),
    ];
    for (name, tool, arguments) in calls {
        insta::assert_snapshot!(format!("refused_{name}"), shown(&world, &client.refusal(tool, arguments)));
    }
    assert_untouched(&world);
}

#[test]
fn a_token_among_the_arguments_is_refused_and_never_repeated() {
    let world = world_with_a_model();
    let mut client = Client::start(&world, Era::Stateless);
    let calls = [
        ("plan_migration", json!({ "source": PASTED })),
        ("plan_migration", json!({ "source": "hf:alice/bert", "token": PASTED })),
        ("plan_migration", json!({ "source": "hf:alice/bert", PASTED: 1 })),
        ("plan_migration", json!({ "source": "hf:alice/bert", "include": [format!("x/{PASTED}")] })),
        ("plan_migration", json!({ "source": { "name": { "deep": [PASTED] } } })),
        ("validate_tokens", json!({ "hf_token": PASTED })),
        ("status", json!({ "migration_id": PASTED })),
        ("migrate", json!({ "plan_id": format!("Bearer {PASTED}") })),
    ];
    for (tool, arguments) in calls {
        insta::assert_snapshot!("refused_token", shown(&world, &client.refusal(tool, arguments)));
    }
    assert!(!client.said().contains(&PASTED[3..]));
    assert_eq!(world.hf.journal().total_requests() + world.ms.journal().total_requests(), 0, "a hub was asked");
    assert_untouched(&world);
}

#[test]
fn tokens_that_are_missing_or_wrong_are_told_of_with_what_to_do() {
    let mut world = world_with_a_model();
    world.unset("MODELSCOPE_API_TOKEN");
    world.set("HF_TOKEN", "hf_thisIsNoTokenThatAnybodyKnows01234567");
    let mut client = Client::start(&world, Era::Stateless);
    insta::assert_snapshot!("validate_refused", shown(&world, &client.tool("validate_tokens", json!({}))));
    insta::assert_snapshot!("refused_bad_token", shown(&world, &client.refusal("plan_migration", json!({ "source": "hf:alice/bert" }))));
}

#[test]
fn a_hub_that_cannot_be_asked_has_not_refused_a_token() {
    let world = world_with_a_model();
    world.hf.fault(Rule::route("whoami", Fault::status(404)).always());
    let told = Client::start(&world, Era::Stateless).tool("validate_tokens", json!({}));
    assert!(told["summary"].as_str().unwrap().starts_with("hf: could not be asked; ms: alice, "), "{told}");
    assert_eq!(told["next_step"], "Nothing is known of hf's token: do what the hint says, then call validate_tokens again.");
}

#[test]
fn risks_start_nothing_until_each_of_them_is_confirmed() {
    let world = world_with_a_model();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("config.json", "{\"other\":1}").commit("somebody's");
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    insta::assert_snapshot!("plan_with_risk", shown(&world, &plan));
    let id = &plan["plan_id"];
    for confirmed in [json!([]), json!(["left_out"])] {
        let answer = client.tool("migrate", json!({ "plan_id": id, "confirm_risks": confirmed }));
        insta::assert_snapshot!("needs_confirmation", shown(&world, &answer));
    }
    assert!(!world.home.join("state/migrations").exists(), "nothing was started");
    let started = client.tool("migrate", json!({ "plan_id": id, "confirm_risks": ["overwrite"] }));
    let status = client.until_over(started["migration_id"].as_str().unwrap());
    assert_eq!(status["report"]["state"], "verified", "{status}");
}

#[test]
fn who_confirmed_one_risk_of_two_is_told_to_confirm_both() {
    let world = world_with_a_model();
    world.hf.repo(RepoKind::Model, "alice/bert").regular_file("sub/.git", "x").commit("more");
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("config.json", "{\"other\":1}").commit("somebody's");
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    let both = r#"confirm_risks ["overwrite","left_out"]."#;
    assert!(plan["next_step"].as_str().unwrap().ends_with(both), "{plan}");
    let answer = client.tool("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite"] }));
    assert_eq!(answer["unconfirmed"].as_array().unwrap().len(), 1, "{answer}");
    // each call stands by itself
    assert!(answer["next_step"].as_str().unwrap().ends_with(both), "{answer}");
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite", "left_out"] }));
    assert_eq!(client.until_over(started["migration_id"].as_str().unwrap())["report"]["state"], "verified");
}

#[test]
fn the_command_for_a_person_reads_by_git_where_the_plan_does() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("config.json", "{}").commit("all").private();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert", "use_git": true }));
    let next = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }))["next_step"].to_string();
    assert!(next.contains("--repo-type model --use-git --runner local --detach --allow-public"), "{next}");
}

#[test]
fn loosened_visibility_is_confirmed_by_no_tool() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("config.json", "{}").commit("all").private();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert", "exclude": ["it's"] }));
    let answer = client.tool("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite", "left_out"] }));
    insta::assert_snapshot!("loosened_visibility", shown(&world, &answer));
    assert!(!world.home.join("state/migrations").exists(), "nothing was started");
    assert!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").files().keys().all(|path| path != "config.json"));
}

#[test]
fn a_plan_whose_source_moved_is_refused_with_the_difference() {
    let world = world_with_a_model();
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    world.hf.repo(RepoKind::Model, "alice/bert").file("later.txt", "more").commit("later");
    insta::assert_snapshot!("source_moved", shown(&world, &client.refusal("migrate", json!({ "plan_id": plan["plan_id"] }))));
    assert_untouched(&world);
}

#[test]
fn a_plan_with_a_new_risk_is_refused_with_the_difference() {
    let world = world_with_a_model();
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("config.json", "{\"other\":1}").commit("somebody's");
    let refusal = client.refusal("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite"] }));
    insta::assert_snapshot!("risk_is_new", shown(&world, &refusal));
    assert!(!world.home.join("state/migrations").exists(), "nothing was started");
}

#[test]
fn without_a_runner_a_plan_is_shown_and_nothing_is_started() {
    let mut world = world_with_a_model();
    world.unset("HF2MS_RUNNER");
    let mut client = Client::start(&world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    insta::assert_snapshot!("plan_without_runner", plan["next_step"].as_str().unwrap());
    insta::assert_snapshot!("refused_no_runner", shown(&world, &client.refusal("migrate", json!({ "plan_id": plan["plan_id"] }))));
    assert_untouched(&world);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert", "runner": "local" }));
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
    assert_eq!(client.until_over(started["migration_id"].as_str().unwrap())["report"]["state"], "verified");
}
