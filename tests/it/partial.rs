//! Who moved a part of a repository is told, wherever it is asked, that the rest is at the source alone.

use serde_json::{Value, json};
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
fn a_proof_knows_it_when_the_source_is_not_asked() {
    let world = world();
    let proof_of = |flags: &[&str]| {
        let report = world.run(&[&["migrate", "hf:alice/bert", "--json"], flags].concat()).exits(0).json();
        world.run(&["proof", report["id"].as_str().unwrap()]).exits(0).json()
    };
    let verified = |proof: &Value, code| {
        let file = world.home.join("proof.json");
        std::fs::write(&file, proof.to_string()).unwrap();
        world.run(&["verify", file.to_str().unwrap()]).exits(code)
    };
    let mut part = proof_of(&["--include", "*.json"]);
    // the other one is the hub's own `.gitattributes`
    assert_eq!((&part["totals"]["left_out"], &part["totals"]["not_selected"]), (&json!(2), &json!(1)));
    let shown = verified(&part, 0).stdout;
    assert!(shown.ends_with(&format!("{KEEP}\n")), "{shown}");
    part["totals"]["not_selected"] = json!(3);
    let refused = verified(&part, 2).stderr;
    assert!(refused.contains("of 2 files left out, 0 were refused and 3 not selected"), "{refused}");
    // one of before this was counted
    part["totals"].as_object_mut().unwrap().remove("not_selected");
    assert!(!verified(&part, 0).stdout.contains(KEEP));
    let all = proof_of(&[]);
    assert_eq!(all["totals"].get("not_selected"), None);
    assert!(!verified(&all, 0).stdout.contains(KEEP));
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
        let ended = client.until_over(&id);
        let keep = "The source must not be deleted: of its files 1 were left out and are nowhere else. What was asked for is there.";
        assert_eq!((&ended["report"]["files_only_at_source"], &ended["next_step"]), (&json!(1), &json!(format!("Tell the user. {keep}"))));
        let verified = client.tool("verify_migration", json!({ "migration_id": id, "deep": true }));
        assert_eq!(verified["report"]["state"], "verified", "{verified}");
        assert_eq!(verified["next_step"], keep);
    }
}
