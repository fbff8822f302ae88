//! The MCP server: the real binary on pipes, lines of JSON by hand, in both eras of the protocol.

mod asking;
mod client;
mod deleting;
pub mod http;
mod journeys;
mod plans;
mod refusals;
mod resources;
mod secrets;
mod tasks;

use serde_json::{Value, json};

pub use client::{Client, Era};

use crate::world::World;

pub const ERAS: [Era; 2] = [Era::Stateless, Era::Handshake];

/// For a snapshot.
fn shown(world: &World, value: &Value) -> String {
    world.scrub(&format!("{value:#}"))
}

#[test]
fn a_server_says_who_it_is_in_both_eras() {
    let world = World::start();
    for era in ERAS {
        let (mut client, hello) = Client::greet(&world, era);
        assert!(hello["capabilities"]["tools"].is_object() && hello["capabilities"]["resources"].is_object(), "{hello}");
        assert!(hello["instructions"].as_str().unwrap().len() < 2_000);
        let text = hello.to_string();
        assert!(text.contains(r#""name":"hf2ms""#), "{text}");
        assert_eq!(client.request("tools/list", json!({}))["tools"].as_array().unwrap().len(), 7);
        assert_eq!(client.leave(), 0, "a client that leaves is no failure");
    }
}

#[test]
fn the_tools_are_those_that_were_looked_at() {
    let world = World::start();
    let mut lists = ERAS.map(|era| Client::start(&world, era).request("tools/list", json!({}))["tools"].take());
    assert_eq!(lists[0], lists[1]);
    insta::assert_snapshot!("tools", shown(&world, &lists[0]));
    for tool in lists[0].as_array_mut().unwrap() {
        let text = tool.to_string();
        for noise in [r#""format""#, r#""$ref""#, "null", "$schema"] {
            assert!(!text.contains(noise), "{noise}: {text}");
        }
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 50 && text.len() < 1_000), "{text}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{text}");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{text}");
        }
        assert_eq!(tool["title"], tool["annotations"]["title"]);
    }
}

#[test]
fn an_unknown_tool_is_a_broken_request_and_its_name_is_not_repeated() {
    let world = World::start();
    for era in ERAS {
        let answer = Client::start(&world, era).ask("tools/call", json!({ "name": "delete_everything", "arguments": {} }));
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(!answer.to_string().contains("delete_everything"), "{answer}");
    }
}

#[test]
fn a_client_that_leaves_before_it_says_anything_is_no_failure() {
    let world = World::start();
    let outcome = world.run(&["mcp"]).exits(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
}
