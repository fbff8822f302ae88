//! A migration as a task: its id is the migration's, and whichever server comes next answers for it.

use serde_json::{Value, json};

use super::{Client, Era, shown};
use crate::cloud::Cloud;
use crate::kill::kill;
use crate::trip::{Trip, Way, both_ways};
use crate::world::{MIB, World, wait_until};

/// What a client says that takes tasks.
fn tasks() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

fn able(world: &World) -> Client<'_> {
    Client::able(world, Era::Stateless, tasks())
}

/// Plans and migrates; gives what `migrate` answers.
#[track_caller]
fn begun(client: &mut Client, source: &str) -> Value {
    let plan = client.tool("plan_migration", json!({ "source": source }));
    let task = client.call("migrate", json!({ "plan_id": plan["plan_id"] }));
    assert_eq!((&task["resultType"], &task["status"], &task["ttlMs"]), (&json!("task"), &json!("working"), &Value::Null), "{task}");
    assert!((2_000..=5_000).contains(&task["pollIntervalMs"].as_u64().unwrap()), "{task}");
    task
}

#[track_caller]
fn get(client: &mut Client, id: &Value) -> Value {
    let task = client.request("tasks/get", json!({ "taskId": id }));
    assert_eq!((&task["taskId"], &task["resultType"]), (id, &json!("complete")), "{task}");
    task
}

/// Looks until the task is over.
#[track_caller]
fn until_over(client: &mut Client, id: &Value) -> Value {
    let mut task = Value::Null;
    wait_until("the task ends", || {
        task = get(client, id);
        task["status"] != "working"
    });
    task
}

/// The task's result is what `status` says, and what `migrate` gives.
#[track_caller]
fn assert_told(client: &mut Client, task: &Value, state: &str) {
    let result = &task["result"];
    let given = &result["structuredContent"];
    assert_eq!((&task["status"], &given["state"]), (&json!("completed"), &json!(state)), "{task}");
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, *given);
    let status = client.tool("status", json!({ "migration_id": task["taskId"] }));
    for key in ["summary", "next_step", "migration", "report"] {
        assert_eq!(given[key], status[key], "{key}");
    }
}

both_ways! {
    fn a_client_with_tasks_gets_a_task_whose_id_is_the_migrations(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(2_000_000);
        let mut client = able(&trip.world);
        let task = begun(&mut client, trip.address()[0]);
        let id = &task["taskId"];
        wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
        let seen = get(&mut client, id);
        assert_eq!(seen["status"], "working", "{seen}");
        assert!(seen["statusMessage"].as_str().is_some_and(|words| words.contains(" files") && words.contains("B of ")), "{seen}");
        assert!(seen["createdAt"].as_str() <= seen["lastUpdatedAt"].as_str(), "{seen}");
        assert_eq!(client.tool("status", json!({ "migration_id": id }))["migration"]["migration_id"], *id);
        trip.slow_uploads(0);
        let over = until_over(&mut client, id);
        assert_told(&mut client, &over, "verified");
        trip.assert_identical();
    }

    fn a_server_killed_in_the_middle_leaves_a_task_that_the_next_one_answers_for(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(2_000_000);
        let mut client = able(&trip.world);
        let id = begun(&mut client, trip.address()[0])["taskId"].clone();
        wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
        client.kill();
        let mut next = able(&trip.world);
        assert_eq!(get(&mut next, &id)["status"], "working");
        assert_eq!(next.tool("status", json!({ "migration_id": id }))["migration"]["state"], "running");
        trip.slow_uploads(0);
        let over = until_over(&mut next, &id);
        assert_told(&mut next, &over, "verified");
        trip.assert_identical();
        assert_eq!(trip.copy().ours().len(), 1);
    }

    fn a_task_is_cancelled_as_often_as_the_client_likes(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(1_000_000);
        let mut client = able(&trip.world);
        let id = begun(&mut client, trip.address()[0])["taskId"].clone();
        wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
        // both at once, as Claude Code does, and once more when it is over
        let acknowledged = client.ask_all("tasks/cancel", &[json!({ "taskId": id }), json!({ "taskId": id })]);
        for answer in &acknowledged {
            assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        }
        let over = until_over(&mut client, &id);
        assert_eq!((&over["status"], over.get("result"), over.get("error")), (&json!("cancelled"), None, None), "{over}");
        client.request("tasks/cancel", json!({ "taskId": id }));
        assert_eq!(get(&mut client, &id)["status"], "cancelled");
        assert_eq!(client.tool("status", json!({ "migration_id": id }))["migration"]["state"], "cancelled");
        assert!(trip.copy().ours().is_empty(), "nothing is visible");
        trip.slow_uploads(0);
    }

    fn a_task_of_a_sandbox_is_answered_for_by_a_machine_that_knows_nothing_but_the_tokens(way) {
        let cloud = Cloud::plenty(way);
        cloud.trip.slow_uploads(1_000_000);
        let mut client = able(&cloud.trip.world);
        let id = begun(&mut client, cloud.trip.address()[0])["taskId"].clone();
        client.kill();
        cloud.trip.slow_uploads(0);
        cloud.trip.world.forget_state();
        let mut next = able(&cloud.trip.world);
        let over = until_over(&mut next, &id);
        assert_told(&mut next, &over, "verified");
        cloud.trip.assert_identical();
        cloud.assert_empty();
    }
}

#[test]
fn a_task_of_a_sandbox_is_cancelled() {
    let cloud = Cloud::plenty(Way::HfToMs);
    cloud.trip.slow_uploads(300_000);
    let mut client = able(&cloud.trip.world);
    let id = begun(&mut client, "hf:alice/bert")["taskId"].clone();
    wait_until("something arrives", || cloud.trip.destination_journal().bytes_uploaded() > MIB);
    client.request("tasks/cancel", json!({ "taskId": id }));
    assert_eq!(until_over(&mut client, &id)["status"], "cancelled");
    cloud.trip.slow_uploads(0);
    cloud.assert_empty();
}

#[test]
fn a_task_whose_process_was_killed_is_told_as_interrupted() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.slow_uploads(2_000_000);
    let mut client = able(&trip.world);
    let id = begun(&mut client, "hf:alice/bert")["taskId"].clone();
    wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
    kill(&trip.world.home);
    let over = until_over(&mut client, &id);
    assert_told(&mut client, &over, "interrupted");
    trip.slow_uploads(0);
    crate::kill::settle(&trip);
}

#[test]
fn the_same_plan_again_is_the_same_task() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.slow_uploads(2_000_000);
    let mut client = able(&trip.world);
    let first = begun(&mut client, "hf:alice/bert");
    let second = begun(&mut client, "hf:alice/bert");
    assert_eq!(first["taskId"], second["taskId"]);
    trip.slow_uploads(0);
    until_over(&mut client, &first["taskId"]);
}

#[test]
fn a_task_that_nobody_knows_is_refused_without_repeating_its_id() {
    let world = World::start();
    let mut client = able(&world);
    for (method, id) in [("tasks/get", "m1234567890-abcdef"), ("tasks/get", "../../etc"), ("tasks/cancel", "x"), ("tasks/update", "é")] {
        let answer = client.ask(method, json!({ "taskId": id, "inputResponses": {} }));
        insta::assert_snapshot!("unknown_task", shown(&world, &answer["error"]));
    }
}

#[test]
fn who_has_no_tasks_is_not_given_one() {
    let trip = Trip::stocked(Way::HfToMs);
    let mut client = Client::start(&trip.world, Era::Stateless);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
    let id = started["migration_id"].clone();
    assert_eq!(client.ask("tasks/get", json!({ "taskId": id }))["error"]["code"], -32021);
    assert_eq!(client.until_over(id.as_str().unwrap())["report"]["state"], "verified");
}
