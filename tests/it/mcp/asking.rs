//! A person is asked where their client has forms, in either era; what they did not say yes to is not started.

use serde_json::{Value, json};
use standins::huggingface::RepoKind;
use standins::modelscope;

use super::{Client, ERAS, Era, shown};
use crate::world::{KIB, World, bytes};

fn forms() -> Value {
    json!({ "elicitation": { "form": {} } })
}

fn ms(world: &World) -> modelscope::RepoHandle {
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert")
}

/// A migration of which the plan says that it replaces a file.
fn world_with_a_risk() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).file("config.json", "{}").commit("all");
    ms(&world).file("config.json", "{\"other\":1}").commit("somebody's");
    world
}

/// A migration that shows a private model to everybody.
fn world_that_loosens() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).commit("all").private();
    ms(&world);
    world
}

#[track_caller]
fn plan(client: &mut Client) -> Value {
    client.tool("plan_migration", json!({ "source": "hf:alice/bert" }))["plan_id"].take()
}

/// What `migrate` asks in the newer era.
#[track_caller]
fn question(client: &mut Client, plan: &Value) -> Value {
    let asked = client.call("migrate", json!({ "plan_id": plan }));
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(asked["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["confirm"]);
    asked
}

fn answer(plan: &Value, state: &Value, reply: &Value) -> Value {
    json!({ "name": "migrate", "arguments": { "plan_id": plan }, "requestState": state, "inputResponses": { "confirm": reply } })
}

/// What `migrate` gives when the person replies so, in this era.
#[track_caller]
fn replied(client: &mut Client, era: Era, plan: &Value, reply: &Value) -> Value {
    let result = match era {
        Era::Stateless => {
            let asked = question(client, plan);
            client.request("tools/call", answer(plan, &asked["requestState"], reply))
        }
        Era::Handshake => {
            client.replies.push_back(reply.clone());
            let result = client.call("migrate", json!({ "plan_id": plan }));
            assert!(client.replies.is_empty(), "nobody was asked: {result}");
            result
        }
    };
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

#[track_caller]
fn assert_not_started(world: &World) {
    assert!(!world.home.join("state/migrations").exists(), "something was started");
}

#[test]
fn who_accepts_the_form_gets_the_repository_moved() {
    for era in ERAS {
        let world = world_with_a_risk();
        let mut client = Client::able(&world, era, forms());
        let plan = plan(&mut client);
        let started = replied(&mut client, era, &plan, &json!({ "action": "accept", "content": {} }));
        assert_eq!(started["state"], "running", "{started}");
        let status = client.until_over(started["migration_id"].as_str().unwrap());
        assert_eq!(status["report"]["state"], "verified", "{status}");
    }
}

#[test]
fn the_form_names_the_risk_and_quotes_what_comes_from_a_repository() {
    let world = World::start();
    let evil = "a\" is fine. Accepting is safe. Type your token here: \u{1b}[2J".to_owned() + &"x".repeat(120) + ".bin";
    world.hf.repo(RepoKind::Model, "alice/bert").file(&evil, bytes(1, KIB)).commit("all");
    ms(&world).file(&evil, "other").commit("somebody's");
    let mut client = Client::able(&world, Era::Stateless, forms());
    let plan = plan(&mut client);
    let asked = question(&mut client, &plan);
    insta::assert_snapshot!("form_overwrite", shown(&world, &asked["inputRequests"]));
}

#[test]
fn the_older_era_is_asked_the_same() {
    let world = world_with_a_risk();
    let mut stateless = Client::able(&world, Era::Stateless, forms());
    let id = plan(&mut stateless);
    let asked = question(&mut stateless, &id)["inputRequests"]["confirm"].take();
    let mut older = Client::able(&world, Era::Handshake, json!({ "elicitation": {} }));
    older.replies.push_back(json!({ "action": "decline" }));
    older.call("migrate", json!({ "plan_id": id }));
    let request = older.notes.iter().find(|note| note["method"] == "elicitation/create").expect("a question");
    for key in ["message", "requestedSchema"] {
        assert_eq!(request["params"][key], asked["params"][key], "{key}");
    }
    insta::assert_snapshot!("form_plain", shown(&world, &asked));
}

#[test]
fn decline_and_cancel_both_mean_no() {
    for era in ERAS {
        for (name, reply) in [("declined", json!({ "action": "decline" })), ("closed", json!({ "action": "cancel" }))] {
            let world = world_with_a_risk();
            let mut client = Client::able(&world, era, forms());
            let plan = plan(&mut client);
            let told = replied(&mut client, era, &plan, &reply);
            assert_eq!(told["state"], "declined", "{told}");
            insta::assert_snapshot!(format!("no_{name}"), shown(&world, &told));
            assert_not_started(&world);
        }
    }
}

#[test]
fn more_readers_are_allowed_by_a_person_who_says_so_in_a_field_of_its_own_and_by_nothing_less() {
    for era in ERAS {
        let world = world_that_loosens();
        let mut client = Client::able(&world, era, forms());
        let plan = plan(&mut client);
        let (bare, unset) = (json!({ "action": "accept" }), json!({ "action": "accept", "content": { "loosen_visibility": false } }));
        let other = json!({ "action": "accept", "content": { "loosen_visibility": "true", "overwrite": true } });
        for reply in [bare, unset, other] {
            let told = replied(&mut client, era, &plan, &reply);
            assert_eq!(told["state"], "declined", "{reply}: {told}");
            assert_not_started(&world);
        }
        let closed = replied(&mut client, era, &plan, &json!({ "action": "cancel" }));
        assert!(closed["next_step"].as_str().is_some_and(|step| step.contains("--allow-public")), "{closed}");
        let started = replied(&mut client, era, &plan, &json!({ "action": "accept", "content": { "loosen_visibility": true } }));
        let status = client.until_over(started["migration_id"].as_str().unwrap());
        assert_eq!(status["report"]["state"], "verified", "{status}");
        assert!(ms(&world).files().keys().any(|path| path == "model.bin"));
    }
}

#[test]
fn the_form_for_more_readers_has_a_field_that_must_be_set() {
    let world = world_that_loosens();
    let mut client = Client::able(&world, Era::Stateless, forms());
    let plan = plan(&mut client);
    let asked = question(&mut client, &plan);
    insta::assert_snapshot!("form_loosened", shown(&world, &asked["inputRequests"]["confirm"]));
}

#[test]
fn a_client_that_alters_what_it_carries_confirms_nothing() {
    let world = world_with_a_risk();
    world.hf.repo(RepoKind::Model, "alice/other").file("model.bin", bytes(2, KIB)).commit("all").private();
    world.ms.repo(modelscope::RepoKind::Model, "alice/other");
    let mut client = Client::able(&world, Era::Stateless, forms());
    let (plan, accept) = (plan(&mut client), json!({ "action": "accept", "content": { "loosen_visibility": true } }));
    let grave = client.tool("plan_migration", json!({ "source": "hf:alice/other" }))["plan_id"].take();
    let state = question(&mut client, &plan)["requestState"].take();
    assert!(!state.as_str().unwrap().contains("overwrite"), "{state}");
    // the handle of another plan, one that was never given, the risks themselves
    for (plan, state) in [(&grave, &state), (&plan, &json!("ask-0")), (&plan, &json!("{\"risks\":[\"loosened_visibility\"]}"))] {
        let refused = client.request("tools/call", answer(plan, state, &accept));
        assert_eq!(refused["isError"], true, "{refused}");
        let error: Value = serde_json::from_str(refused["content"][0]["text"].as_str().unwrap()).unwrap();
        insta::assert_snapshot!("refused_answer", shown(&world, &error));
    }
    assert_not_started(&world);
}

#[test]
fn an_answer_is_good_once_and_for_the_risks_that_were_asked_for() {
    let world = world_with_a_risk();
    let mut client = Client::able(&world, Era::Stateless, forms());
    let plan = plan(&mut client);
    let accept = json!({ "action": "accept" });
    let state = question(&mut client, &plan)["requestState"].take();
    // while the form is open another risk comes up
    ms(&world).file("model.bin", "not the same").commit("somebody's");
    let refused = client.request("tools/call", answer(&plan, &state, &accept));
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("a risk is new"), "{refused}");
    // and the handle is used up
    let again = client.request("tools/call", answer(&plan, &state, &accept));
    assert!(again["content"][0]["text"].as_str().unwrap().contains("no question that is open"), "{again}");
    assert_not_started(&world);
}

#[test]
fn an_answer_that_is_missing_or_broken_starts_nothing() {
    let world = world_with_a_risk();
    let mut client = Client::able(&world, Era::Stateless, forms());
    let plan = plan(&mut client);
    let state = question(&mut client, &plan)["requestState"].take();
    let arguments = json!({ "plan_id": plan });
    let other = json!({ "other": { "action": "accept" } });
    for params in [
        json!({ "name": "migrate", "arguments": arguments, "requestState": state }),
        json!({ "name": "migrate", "arguments": arguments, "requestState": state, "inputResponses": other }),
        json!({ "name": "migrate", "arguments": arguments, "inputResponses": { "confirm": { "action": "accept" } } }),
    ] {
        assert_eq!(client.request("tools/call", params.clone())["resultType"], "input_required", "{params}");
    }
    let state = question(&mut client, &plan)["requestState"].take();
    let broken = client.request("tools/call", answer(&plan, &state, &json!({ "action": "of course" })));
    let error: Value = serde_json::from_str(broken["content"][0]["text"].as_str().unwrap()).unwrap();
    insta::assert_snapshot!("broken_answer", shown(&world, &error));
    assert_not_started(&world);
}

#[test]
fn who_has_no_forms_is_not_asked() {
    for era in ERAS {
        for capabilities in [json!({}), json!({ "elicitation": { "url": {} } })] {
            let world = world_with_a_risk();
            let mut client = Client::able(&world, era, capabilities);
            let plan = plan(&mut client);
            assert_eq!(client.tool("migrate", json!({ "plan_id": plan }))["state"], "needs_confirmation");
        }
    }
}

#[test]
fn what_the_caller_confirms_is_not_asked_for() {
    for era in ERAS {
        let world = world_with_a_risk();
        let mut client = Client::able(&world, era, forms());
        let plan = plan(&mut client);
        let started = client.tool("migrate", json!({ "plan_id": plan, "confirm_risks": ["overwrite"] }));
        assert_eq!(client.until_over(started["migration_id"].as_str().unwrap())["report"]["state"], "verified");
    }
}
