//! What is deleted is for a person: by a field of a form, or by a command of their own.

use serde_json::{Value, json};
use standins::huggingface::RepoKind;
use standins::modelscope;

use super::{Client, ERAS, Era, shown};
use crate::world::{KIB, World, bytes};

fn copy(world: &World) -> modelscope::RepoHandle {
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert")
}

/// A copy that has so many files more than its source.
fn world_with_extra(count: u64) -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 64 * KIB)).commit("all");
    for number in 0..count {
        copy(&world).file(&format!("theirs/{number}.bin"), bytes(number, KIB));
    }
    copy(&world).commit("theirs");
    world
}

fn plan(client: &mut Client, more: &Value) -> Value {
    let mut arguments = json!({ "source": "hf:alice/bert", "delete": true });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.tool("plan_migration", arguments)
}

fn theirs(world: &World) -> usize {
    copy(world).files().keys().filter(|path| path.starts_with("theirs/")).count()
}

#[test]
fn a_plan_tells_what_would_be_deleted_and_no_tool_confirms_it() {
    let world = world_with_extra(2);
    let mut client = Client::start(&world, Era::Stateless);
    let plan = plan(&mut client, &json!({}));
    insta::assert_snapshot!("plan_deletes", shown(&world, &plan));
    let refused = client.refusal("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["delete"] }));
    insta::assert_snapshot!("confirm_delete", shown(&world, &refused));
    let answer = client.tool("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite", "left_out", "cost"] }));
    insta::assert_snapshot!("unconfirmed_delete", shown(&world, &answer));
    assert!(!world.home.join("state/migrations").exists(), "nothing was started");
    assert_eq!(theirs(&world), 2);
    // the command that it names does it
    let command = answer["next_step"].as_str().unwrap().rsplit(": hf2ms ").next().unwrap().to_owned();
    let words: Vec<_> = command.split_whitespace().filter(|word| *word != "--detach").collect();
    world.run(&words).exits(0);
    assert_eq!(theirs(&world), 0);
}

#[test]
fn files_are_deleted_when_a_person_says_so_in_a_field_of_its_own_and_by_nothing_less() {
    for era in ERAS {
        let world = world_with_extra(2);
        let mut client = Client::able(&world, era, json!({ "elicitation": { "form": {} } }));
        let plan = plan(&mut client, &json!({}));
        let mut replied = |reply: Value| {
            let call = json!({ "plan_id": plan["plan_id"] });
            let result = match era {
                Era::Stateless => {
                    let asked = client.call("migrate", call.clone());
                    insta::assert_snapshot!("form_delete", shown(&world, &asked["inputRequests"]["confirm"]));
                    let answer = json!({ "name": "migrate", "arguments": call, "requestState": asked["requestState"],
                        "inputResponses": { "confirm": reply } });
                    client.request("tools/call", answer)
                }
                Era::Handshake => {
                    client.replies.push_back(reply);
                    client.call("migrate", call)
                }
            };
            result["structuredContent"].clone()
        };
        for content in
            [json!({}), json!({ "delete_files": false }), json!({ "loosen_visibility": true }), json!({ "delete_files": "true" })]
        {
            assert_eq!(replied(json!({ "action": "accept", "content": content }))["state"], "declined", "{content}");
        }
        assert_eq!(theirs(&world), 2);
        let started = replied(json!({ "action": "accept", "content": { "delete_files": true } }));
        let status = client.until_over(started["migration_id"].as_str().unwrap());
        assert_eq!(status["report"]["state"], "verified", "{status}");
        assert_eq!(theirs(&world), 0);
    }
}

#[test]
fn a_mass_deletion_is_not_even_asked_about() {
    let world = world_with_extra(20);
    let mut client = Client::able(&world, Era::Stateless, json!({ "elicitation": { "form": {} } }));
    let id = plan(&mut client, &json!({}))["plan_id"].take();
    insta::assert_snapshot!("mass_deletion", shown(&world, &client.refusal("migrate", json!({ "plan_id": id }))));
    let id = plan(&mut client, &json!({ "max_delete": 20 }))["plan_id"].take();
    assert_eq!(client.call("migrate", json!({ "plan_id": id }))["resultType"], "input_required");
    let alone = client.refusal("plan_migration", json!({ "source": "hf:alice/bert", "max_delete": 3 }));
    insta::assert_snapshot!("bound_alone", shown(&world, &alone));
    assert_eq!(theirs(&world), 20);
}

#[test]
fn another_file_to_delete_is_another_risk() {
    let world = world_with_extra(30);
    let mut client = Client::start(&world, Era::Stateless);
    let id = plan(&mut client, &json!({ "max_delete": 40 }))["plan_id"].take();
    // as many, and the first twenty that a risk names are the same
    copy(&world).remove("theirs/9.bin");
    copy(&world).file("theirs/99.bin", bytes(99, KIB)).commit("another one");
    let refused = client.refusal("migrate", json!({ "plan_id": id }));
    assert!(refused.to_string().contains("a risk is new: deletes 30 files"), "{refused}");
    assert_eq!(theirs(&world), 30);
}
