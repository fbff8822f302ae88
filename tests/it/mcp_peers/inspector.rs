//! The MCP Inspector on its command line, in both eras: no schema that it objects to, no call that it warns about.

use std::process::Command;

use serde_json::{Value, json};

use crate::trip::{Trip, Way};
use crate::world::{Outcome, World};

const ERAS: [&str; 2] = ["legacy", "modern"];
/// Its exit code for a tool that refuses.
const REFUSED: i32 = 5;

fn run(world: &World, era: &str, arguments: &[&str]) -> Outcome {
    let folder = super::set_up("setup-inspector.sh", "peers-inspector", "node 20 or newer with npm, and its registry");
    let config = world.home.join("inspected.json");
    // with the tokens of the stand-ins, so it lies beside the state folder, not in it
    let server = json!({ "command": env!("CARGO_BIN_EXE_hf2ms"), "args": ["mcp"], "env": world.variables });
    std::fs::write(&config, json!({ "mcpServers": { "hf2ms": server } }).to_string()).unwrap();
    let mut command = Command::new("node");
    command.arg(folder.join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")).arg("--cli");
    command.arg("--config").arg(config).args(["--server", "hf2ms", "--protocol-era", era, "--method"]).args(arguments);
    super::run(world, command)
}

/// What it warns of. Where it keeps its own secrets is no warning about ours.
fn warnings(outcome: &Outcome) -> Vec<&str> {
    let own = ["[mcp-inspector] Secrets are not written", "[mcp-inspector] How the secret store is chosen"];
    outcome.stderr.lines().filter(|line| !line.is_empty() && !own.iter().any(|known| line.starts_with(known))).collect()
}

/// What a method gives, when there is nothing to say about it.
#[track_caller]
fn clean(world: &World, era: &str, arguments: &[&str]) -> Value {
    let outcome = run(world, era, &[arguments, &["--format", "json"]].concat());
    assert_eq!((outcome.code, warnings(&outcome)), (0, Vec::new()), "{era} {arguments:?}: {}", outcome.stdout);
    outcome.json()["result"].clone()
}

#[track_caller]
fn call(world: &World, era: &str, tool: &str, arguments: Value) -> Value {
    let arguments = arguments.to_string();
    let result = clean(world, era, &["tools/call", "--tool-name", tool, "--tool-args-json", &arguments]);
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

/// Waits for the end, in a process each time.
#[track_caller]
fn until_over(world: &World, era: &str, id: &Value) -> Value {
    for _ in 0..20 {
        let status = call(world, era, "status", json!({ "migration_id": id, "wait_seconds": 20 }));
        if !["running", "committing"].contains(&status["migration"]["state"].as_str().unwrap()) {
            return status;
        }
    }
    panic!("{id} does not end");
}

#[test]
fn it_finds_no_schema_that_another_client_might_not_take() {
    let world = World::start();
    for era in ERAS {
        let outcome = run(&world, era, &["tools/list", "--strict"]);
        assert_eq!((outcome.code, warnings(&outcome)), (0, Vec::new()), "{era}");
        assert_eq!(outcome.json()["tools"].as_array().unwrap().len(), 7);
    }
}

#[test]
fn it_calls_every_tool_and_has_nothing_to_warn_of() {
    for era in ERAS {
        let trip = Trip::stocked(Way::HfToMs);
        let world = &trip.world;
        assert_eq!(call(world, era, "validate_tokens", json!({}))["ready"], true);
        let plan = call(world, era, "plan_migration", json!({ "source": "alice/bert", "to": "ms", "exclude": ["*.md"] }));
        let started = call(world, era, "migrate", json!({ "plan_id": plan["plan_id"] }));
        let status = until_over(world, era, &started["migration_id"]);
        assert_eq!(status["report"]["state"], "verified", "{status}");
        let verified = call(world, era, "verify_migration", json!({ "migration_id": started["migration_id"] }));
        assert_eq!(verified["report"]["state"], "verified", "{verified}");
        let all = call(world, era, "inventory", json!({ "namespace": "hf:alice", "against": "alice" }));
        assert_eq!(all["repositories_count"], 1, "{all}");

        // a slow one, to be cancelled
        trip.slow_uploads(1_000_000);
        trip.source().lfs_file("late.bin", crate::world::generated(77, 20 * crate::world::MIB)).commit();
        let late = trip.migrate(&["--detach", "--yes"]).exits(0).json()["id"].clone();
        let cancelled = call(world, era, "cancel_migration", json!({ "migration_id": late }));
        assert_eq!(cancelled["migration"]["state"], "cancelled", "{cancelled}");
        trip.slow_uploads(0);

        let uri = format!("migration://{}", started["migration_id"].as_str().unwrap());
        let read = clean(world, era, &["resources/read", "--uri", &uri]);
        assert_eq!(read["contents"][0]["uri"], uri.as_str(), "{read}");
        assert_eq!(clean(world, era, &["resources/list"])["resources"].as_array().unwrap().len(), 2, "both migrations");
    }
}

#[test]
fn it_takes_a_refusal_for_one() {
    let world = World::start();
    for era in ERAS {
        let arguments = r#"{"plan_id":"plan-0123456789abcdef"}"#;
        let outcome = run(&world, era, &["tools/call", "--tool-name", "migrate", "--tool-args-json", arguments, "--format", "json"]);
        let result = outcome.exits(REFUSED).json()["result"].clone();
        assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains("not_found")), "{result}");
    }
}
