//! A token of the configuration leaves in no message, whatever it looks like and however it came into what is told.

use serde_json::{Value, json};
use standins::huggingface::RepoKind;
use standins::modelscope;

use super::{Client, ERAS, Era};
use crate::world::{KIB, World, bytes, wait_until};

/// No token by its shape, and one all the same.
pub const ODD: &str = "quite-an-odd-secret-of-modal";
/// Would be told from a repository's name by nothing but its value.
const OTHER: &str = "as-another.odd.secret";

/// A world whose repositories hold files that are called like tokens of its configuration. The tokens are not marked, because here the hubs
/// see them in paths on purpose.
pub fn world() -> World {
    let mut world = World::start();
    let (token, other) = (format!("{ODD}.bin"), format!("dir/{OTHER}.json"));
    world.hf.repo(RepoKind::Model, "alice/bert").file(&token, bytes(1, 64 * KIB)).file(&other, "{}").commit("all");
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file(&token, "another").file(&other, "[]").commit("somebody's");
    world.variables.insert("MODAL_TOKEN_ID".into(), ODD.into());
    world.variables.insert("MODAL_TOKEN_SECRET".into(), OTHER.into());
    world.variables.insert("MODAL_SERVER_URL".into(), "http://127.0.0.1:9".into());
    world
}

#[track_caller]
pub fn assert_hidden(place: &str, message: &Value) {
    let text = message.to_string();
    for secret in [ODD, OTHER, "another.odd.secret"] {
        assert!(!text.contains(secret), "{place}: {text}");
    }
    assert!(text.contains("[token]"), "{place} was meant to hold one: {text}");
}

#[test]
fn a_token_that_stands_in_what_is_told_is_taken_out_by_its_value() {
    for era in ERAS {
        let world = world();
        let mut client = Client::able(&world, era, json!({ "elicitation": {} }));
        let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
        assert_hidden("plan", &plan);
        let id = plan["plan_id"].as_str().unwrap().to_owned();
        assert_hidden("plan://", &client.request("resources/read", json!({ "uri": format!("plan://{id}") })));
        assert_hidden("an error", &client.refusal("plan_migration", json!({ "source": format!("hf:alice/{ODD}") })));
        let question = match era {
            Era::Stateless => client.call("migrate", json!({ "plan_id": id })),
            Era::Handshake => {
                client.replies.push_back(json!({ "action": "decline" }));
                assert_hidden("what was declined", &client.call("migrate", json!({ "plan_id": id })));
                client.notes.iter().find(|note| note["method"] == "elicitation/create").expect("a question").clone()
            }
        };
        assert_hidden("the question", &question);
        let broken = client.ask("resources/read", json!({ "uri": format!("plan://{id}"), "cursor": [ODD] }));
        assert!(!broken.to_string().contains(ODD), "{broken}");
        let started = client.tool("migrate", json!({ "plan_id": id, "confirm_risks": ["overwrite"] }));
        let migration = started["migration_id"].as_str().unwrap().to_owned();
        client.until_over(&migration);
        assert_hidden("migration://", &client.request("resources/read", json!({ "uri": format!("migration://{migration}") })));
        assert!(!client.said().contains(ODD) && !client.said().contains(OTHER), "{}", client.said());
    }
}

#[test]
fn a_task_says_no_token_either() {
    let world = world();
    let mut client = Client::able(&world, Era::Stateless, json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } }));
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    let task = client.call("migrate", json!({ "plan_id": plan["plan_id"], "confirm_risks": ["overwrite"] }));
    wait_until("the task ends", || client.request("tasks/get", json!({ "taskId": task["taskId"] }))["status"] == "completed");
    // a differing file that appears after the proof is named by a comparison
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file(&format!("{ODD}.bin"), "changed since").commit("somebody's");
    assert_hidden("a comparison", &client.tool("verify_migration", json!({ "migration_id": task["taskId"] })));
    assert!(!client.said().contains(ODD) && !client.said().contains(OTHER), "{}", client.said());
}
