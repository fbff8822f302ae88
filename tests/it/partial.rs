//! Who moved a part of a repository is told, wherever it is asked, that the rest is at the source alone.

use serde_json::json;
use standins::huggingface::RepoKind;

use crate::mcp::{Client, ERAS};
use crate::world::World;

const KEEP: &str = "keep the source: not all of it is at the destination";

fn world() -> World {
    let world = World::start();
    for id in ["alice/bert", "alice/gpt"] {
        world.hf.repo(RepoKind::Model, id).file("config.json", "{}").file("weights.txt", id).commit("all");
    }
    world
}

#[test]
fn what_was_not_selected_is_counted_and_the_source_is_to_be_kept() {
    let world = world();
    let part = ["migrate", "hf:alice/bert", "--include", "*.json"];
    let shown = world.run(&part).exits(0).stdout;
    assert!(shown.ends_with(&format!("{KEEP}\n")), "{shown}");
    // up to date, and compared
    assert!(world.run(&part).exits(0).stdout.ends_with(&format!("{KEEP}\n")));
    let again = world.run(&[&part[..], &["--json"]].concat()).exits(0).json();
    assert_eq!((&again["up_to_date"], &again["files"]["not_selected"], &again["files"]["refused"]), (&json!(true), &json!(1), &json!(0)));
    let compared = world.run(&["verify", "hf:alice/bert", "--include", "*.json", "--deep"]).exits(0).stdout;
    assert!(compared.ends_with(&format!("{KEEP}\n")), "{compared}");
    // all of it is another matter
    let all = world.run(&["migrate", "hf:alice/bert"]).exits(0).stdout;
    assert!(all.contains("before you delete the source") && !all.contains(KEEP), "{all}");
    assert!(!world.run(&["verify", "hf:alice/bert", "--deep"]).exits(0).stdout.contains(KEEP));
}

#[test]
fn a_batch_names_the_sources_to_keep() {
    let world = world();
    let shown = world.run(&["migrate", "hf:alice/bert", "hf:alice/gpt", "--exclude", "*.txt"]).exits(0).stdout;
    assert!(shown.contains("keep hf:alice/bert and 1 more: not all of it is at the destination\n"), "{shown}");
    assert!(!shown.contains("before you delete"), "{shown}");
}

#[test]
fn an_agent_is_told_too() {
    for era in ERAS {
        let world = world();
        let mut client = Client::start(&world, era);
        let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert", "include": ["*.json"] }));
        let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
        let id = started["migration_id"].as_str().unwrap().to_owned();
        client.until_over(&id);
        let verified = client.tool("verify_migration", json!({ "migration_id": id, "deep": true }));
        assert_eq!(verified["report"]["state"], "verified", "{verified}");
        let next = verified["next_step"].as_str().unwrap();
        assert_eq!(next, "The source must not be deleted: of its files 1 were left out and are nowhere else. What was asked for is there.");
    }
}
