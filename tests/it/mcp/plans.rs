//! What a plan tells, what it is bound to, and the risks that only a plan on Modal has.

use serde_json::{Value, json};
use standins::huggingface::RepoKind;
use standins::modelscope;

use super::{Client, ERAS, Era, shown};
use crate::cloud::Cloud;
use crate::trip::Way;
use crate::usage::assert_untouched;
use crate::world::{KIB, World, bytes};

fn world_with_a_model() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).file("config.json", "{}").commit("all");
    world
}

#[track_caller]
fn planned(client: &mut Client, arguments: Value) -> Value {
    client.tool("plan_migration", arguments)
}

#[test]
fn a_price_above_the_limit_is_a_risk_of_its_own() {
    let mut cloud = Cloud::plenty(Way::HfToMs);
    let ask = json!({ "source": "hf:alice/bert" });
    let cheap = planned(&mut Client::start(&cloud.trip.world, Era::Stateless), ask.clone());
    assert_eq!(cheap["risks"], json!([]), "{cheap}");
    cloud.trip.world.set("HF2MS_COST_LIMIT", "0");
    let mut client = Client::start(&cloud.trip.world, Era::Stateless);
    let plan = planned(&mut client, ask);
    insta::assert_snapshot!("cost", shown(&cloud.trip.world, &plan["risks"]));
    assert_ne!(plan["plan_id"], cheap["plan_id"], "a plan with another risk is another plan");
    let told = client.tool("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite", "left_out"] }));
    insta::assert_snapshot!("cost_unconfirmed", shown(&cloud.trip.world, &told));
    assert!(cloud.modal.living().is_empty(), "nothing was started");
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["cost"] }));
    assert_eq!(client.until_over(started["migration_id"].as_str().unwrap())["report"]["state"], "verified");
    cloud.assert_empty();
}

#[test]
fn a_price_that_is_confirmed_in_a_form_starts_it() {
    let mut cloud = Cloud::plenty(Way::HfToMs);
    cloud.trip.world.set("HF2MS_COST_LIMIT", "0");
    let mut client = Client::able(&cloud.trip.world, Era::Handshake, json!({ "elicitation": {} }));
    let plan = planned(&mut client, json!({ "source": "hf:alice/bert" }));
    client.replies.push_back(json!({ "action": "accept" }));
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
    let asked = client.notes.iter().find(|note| note["method"] == "elicitation/create").expect("a question");
    assert!(asked["params"]["message"].as_str().unwrap().contains("- costs about $"), "{asked}");
    assert_eq!(client.until_over(started["migration_id"].as_str().unwrap())["report"]["state"], "verified");
    cloud.assert_empty();
}

#[test]
fn a_price_above_a_limit_that_was_lowered_since_is_a_new_risk() {
    let mut cloud = Cloud::plenty(Way::HfToMs);
    let plan = planned(&mut Client::start(&cloud.trip.world, Era::Stateless), json!({ "source": "hf:alice/bert" }));
    cloud.trip.world.set("HF2MS_COST_LIMIT", "0");
    let refusal = Client::start(&cloud.trip.world, Era::Stateless)
        .refusal("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["cost"] }));
    assert!(refusal["message"].as_str().unwrap().contains("a risk is new: costs about $"), "{refusal}");
    assert!(cloud.modal.living().is_empty(), "nothing was started");
}

#[test]
fn a_plan_is_another_one_where_it_would_run_otherwise() {
    let cloud = Cloud::plenty(Way::HfToMs);
    let mut client = Client::start(&cloud.trip.world, Era::Stateless);
    let mut ids: Vec<_> = [
        json!({ "source": "hf:alice/bert" }),
        json!({ "source": "hf:alice/bert", "runner": "modal" }),
        json!({ "source": "hf:alice/bert", "runner": "local" }),
        json!({ "source": "hf:alice/bert", "workers": 2 }),
        json!({ "source": "hf:alice/bert", "workers": 3 }),
        json!({ "source": "hf:alice/bert", "max_time": "90m" }),
    ]
    .into_iter()
    .map(|arguments| planned(&mut client, arguments)["plan_id"].to_string())
    .collect();
    assert_eq!(planned(&mut client, json!({ "source": "hf:alice/bert", "max_time": "5400" }))["plan_id"].to_string(), ids[5]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

#[test]
fn workers_and_the_time_limit_of_a_plan_are_those_of_its_migration() {
    let cloud = Cloud::plenty(Way::HfToMs);
    let mut client = Client::start(&cloud.trip.world, Era::Stateless);
    let plan = planned(&mut client, json!({ "source": "hf:alice/bert", "workers": 2, "max_time": "2h" }));
    assert!(plan["estimate"].as_str().unwrap().contains("3 containers"), "{plan}");
    let id = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }))["migration_id"].as_str().unwrap().to_owned();
    let job = std::fs::read(cloud.trip.world.home.join(format!("state/migrations/{id}/job.json"))).unwrap();
    let job: Value = serde_json::from_slice(&job).unwrap();
    assert_eq!((&job["workers"], &job["max_seconds"]), (&json!(2), &json!(7_200)));
    assert_eq!(client.until_over(&id)["report"]["state"], "verified");
    cloud.assert_empty();
}

#[test]
fn what_cannot_be_had_of_workers_and_time_is_refused() {
    let world = world_with_a_model();
    let mut client = Client::start(&world, Era::Stateless);
    for (name, arguments) in [
        ("workers_here", json!({ "source": "hf:alice/bert", "runner": "local", "workers": 4 })),
        ("too_many_workers", json!({ "source": "hf:alice/bert", "workers": 100 })),
        ("no_time", json!({ "source": "hf:alice/bert", "max_time": "soon" })),
        ("time_of_nothing", json!({ "source": "hf:alice/bert", "max_time": "10ms" })),
    ] {
        insta::assert_snapshot!(format!("refused_{name}"), shown(&world, &client.refusal("plan_migration", arguments)));
    }
    assert_untouched(&world);
}

#[test]
fn a_cost_limit_that_is_no_number_is_refused_by_name() {
    let mut world = world_with_a_model();
    for limit in ["ten", "-1", "nan", "inf"] {
        world.set("HF2MS_COST_LIMIT", limit);
        let refusal = Client::start(&world, Era::Stateless).refusal("plan_migration", json!({ "source": "hf:alice/bert" }));
        assert!(refusal["message"].as_str().unwrap().contains(&format!("`{limit}`")), "{refusal}");
        if limit == "ten" {
            insta::assert_snapshot!("refused_cost_limit", shown(&world, &refusal));
        }
    }
}

#[test]
fn a_plan_can_be_read_as_a_resource_with_every_file() {
    let world = world_with_a_model();
    for era in ERAS {
        let mut client = Client::start(&world, era);
        let plan = planned(&mut client, json!({ "source": "hf:alice/bert" }));
        let uri = format!("plan://{}", plan["plan_id"].as_str().unwrap());
        let read = client.request("resources/read", json!({ "uri": uri }));
        let found: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
        if era == Era::Stateless {
            insta::assert_snapshot!("plan_resource", shown(&world, &found));
        }
        let files = found["found"]["plan"]["items"].as_array().unwrap();
        assert!(files.iter().any(|item| item["path"] == "model.bin" || item["file"]["path"] == "model.bin"), "{found}");
        for unknown in ["plan://plan-0123456789abcdef", "plan://../../etc/passwd", "plan://"] {
            let answer = client.ask("resources/read", json!({ "uri": unknown }));
            assert_eq!(answer["error"]["code"], if era == Era::Stateless { -32602 } else { -32002 }, "{answer}");
        }
        let templates = client.request("resources/templates/list", json!({}));
        assert!(templates.to_string().contains("plan://{plan_id}"), "{templates}");
    }
}

#[test]
fn a_plan_of_many_files_says_how_many_are_not_shown() {
    let world = World::start();
    let repo = world.hf.repo(RepoKind::Model, "alice/bert");
    for number in 0..700 {
        repo.file(&format!("{}/{number:04}.json", "folder".repeat(20)), number.to_string().as_str());
    }
    repo.commit("all");
    let mut client = Client::start(&world, Era::Stateless);
    let plan = planned(&mut client, json!({ "source": "hf:alice/bert" }));
    let read = client.request("resources/read", json!({ "uri": format!("plan://{}", plan["plan_id"].as_str().unwrap()) }));
    let text = read["contents"][0]["text"].as_str().unwrap();
    let found: Value = serde_json::from_str(text).unwrap();
    let (shown, missing) = (found["found"]["plan"]["items"].as_array().unwrap().len() as u64, &found["found"]["plan"]["items_not_shown"]);
    assert!(shown > 10 && text.len() < 100_000, "{shown} in {}", text.len());
    let all = found["found"]["plan"]["totals"]["files"].as_u64().unwrap() + found["found"]["plan"]["totals"]["left_out"].as_u64().unwrap();
    assert_eq!(shown + missing.as_u64().unwrap(), all);
}

#[test]
fn a_plan_tells_every_change_and_what_stays_at_the_destination() {
    let world = World::start();
    let card = "---\nlicense: openrail\ntags: [x]\n---\n# Bert\n";
    world.hf.repo(RepoKind::Model, "alice/bert").file("README.md", card).file("config.json", "{}").commit("all");
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("old.bin", "x").file("config.json", "{\"a\":1}").commit("somebody's");
    let mut client = Client::start(&world, Era::Stateless);
    insta::assert_snapshot!("plan_told", shown(&world, &planned(&mut client, json!({ "source": "hf:alice/bert" }))));
}
