//! Whole journeys through the tools.

use serde_json::{Value, json};
use standins::huggingface::RepoKind;

use super::{Client, ERAS, Era, shown};
use crate::cloud::Cloud;
use crate::kill::kill;
use crate::trip::{Trip, Way, both_ways};
use crate::world::{MIB, World, bytes, wait_until};

/// validate → plan → migrate → status, to the end.
#[track_caller]
fn migrated(client: &mut Client, source: &str) -> Value {
    let ready = client.tool("validate_tokens", json!({}));
    assert_eq!(ready["ready"], true, "{ready}");
    let plan = client.tool("plan_migration", json!({ "source": source }));
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
    assert_eq!((&started["state"], started["poll_after_s"].is_u64()), (&json!("running"), true), "{started}");
    client.until_over(started["migration_id"].as_str().unwrap())
}

both_ways! {
    fn a_client_of_either_era_gets_a_repository_moved(way) {
        for era in ERAS {
            let trip = Trip::stocked(way);
            let mut client = Client::start(&trip.world, era);
            let status = migrated(&mut client, trip.address()[0]);
            assert_eq!((&status["migration"]["state"], &status["report"]["state"]), (&json!("verified"), &json!("verified")), "{status}");
            trip.assert_identical();
            // a second time there is nothing to move
            let again = migrated(&mut client, trip.address()[0]);
            assert_eq!((&again["report"]["state"], &again["report"]["bytes_moved"]), (&json!("verified"), &json!(0)), "{again}");
            assert_eq!(trip.copy().ours().len(), 1);
            let verified = client.tool("verify_migration", json!({ "migration_id": status["migration"]["migration_id"], "deep": true }));
            assert_eq!(verified["report"]["state"], "verified", "{verified}");
            let [from, to] = if way == Way::HfToMs { ["hf:alice", "alice"] } else { ["ms:alice", "hf:alice"] };
            let all = client.tool("inventory", json!({ "namespace": from, "against": to }));
            let one = &all["repositories"][0];
            assert_eq!((&all["repositories_count"], &one["copy"], &one["copy_repo"]), (&json!(1), &json!("verified"), &json!("alice/bert")), "{all}");
            assert_eq!(client.tool("inventory", json!({ "namespace": from }))["repositories"][0].get("copy"), None);
            let recent = client.tool("status", json!({}));
            assert_eq!(recent["migrations"].as_array().unwrap().len(), 2);
        }
    }

    fn a_sandbox_carries_what_a_client_asks_for(way) {
        let cloud = Cloud::plenty(way);
        let mut client = Client::start(&cloud.trip.world, Era::Stateless);
        let status = migrated(&mut client, cloud.trip.address()[0]);
        assert_eq!((&status["report"]["state"], &status["migration"]["runner"]), (&json!("verified"), &json!("modal")), "{status}");
        cloud.trip.assert_identical();
        cloud.assert_empty();
    }

    fn a_server_killed_in_the_middle_changes_nothing_and_the_next_one_knows_it(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(2_000_000);
        let mut client = Client::start(&trip.world, Era::Stateless);
        let plan = client.tool("plan_migration", json!({ "source": trip.address()[0] }));
        let id = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }))["migration_id"].as_str().unwrap().to_owned();
        wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
        client.kill();
        let mut next = Client::start(&trip.world, Era::Handshake);
        let status = next.tool("status", json!({ "migration_id": id }));
        assert_eq!(status["migration"]["state"], "running", "{status}");
        // the same plan again is the same migration
        let again = next.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
        assert_eq!((&again["migration_id"], &again["already_running"]), (&json!(id), &json!(true)), "{again}");
        trip.slow_uploads(0);
        assert_eq!(next.until_over(&id)["report"]["state"], "verified");
        trip.assert_identical();
        assert_eq!(trip.copy().ours().len(), 1);
    }

    fn a_migration_that_was_killed_is_told_as_interrupted_and_the_same_plan_goes_on(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(2_000_000);
        let mut client = Client::start(&trip.world, Era::Stateless);
        let plan = client.tool("plan_migration", json!({ "source": trip.address()[0] }));
        let id = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }))["migration_id"].as_str().unwrap().to_owned();
        wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
        kill(&trip.world.home);
        assert_eq!(client.until_over(&id)["migration"]["state"], "interrupted");
        trip.slow_uploads(0);
        crate::kill::settle(&trip);
        let next = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
        assert_ne!(next["migration_id"], id.as_str());
        assert_eq!(client.until_over(next["migration_id"].as_str().unwrap())["report"]["state"], "verified");
        trip.assert_identical();
    }

    fn a_migration_is_cancelled_and_what_is_left_is_told(way) {
        let trip = Trip::stocked(way);
        trip.slow_uploads(1_000_000);
        let mut client = Client::start(&trip.world, Era::Stateless);
        let plan = client.tool("plan_migration", json!({ "source": trip.address()[0] }));
        let id = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }))["migration_id"].as_str().unwrap().to_owned();
        wait_until("something arrives", || trip.destination_journal().bytes_uploaded() > MIB);
        let cancelled = client.tool("cancel_migration", json!({ "migration_id": id }));
        assert_eq!(cancelled["migration"]["state"], "cancelled", "{cancelled}");
        assert!(trip.copy().ours().is_empty(), "nothing is visible");
        trip.slow_uploads(0);
    }
}

#[test]
fn who_waits_is_told_how_far_it_is_when_they_asked_for_that() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.slow_uploads(1_500_000);
    let mut client = Client::start(&trip.world, Era::Handshake);
    let plan = client.tool("plan_migration", json!({ "source": "hf:alice/bert" }));
    let id = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }))["migration_id"].clone();
    let arguments = json!({ "migration_id": id, "wait_seconds": 60 });
    let params = json!({ "name": "status", "arguments": arguments, "_meta": { "progressToken": "watched" } });
    client.request("tools/call", params);
    let told: Vec<_> = client.notes.iter().filter(|note| note["method"] == "notifications/progress").cloned().collect();
    assert!(!told.is_empty(), "{:?}", client.notes);
    let steps: Vec<_> = told.iter().map(|note| note["params"]["progress"].as_f64().unwrap()).collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    assert!(told.iter().all(|note| note["params"]["progressToken"] == "watched" && note["params"]["message"].is_string()));
    assert_eq!(client.until_over(id.as_str().unwrap())["report"]["state"], "verified");
}

#[test]
fn a_plan_and_what_follows_read_as_they_were_looked_at() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 300_000)).file("config.json", "{}").commit("all");
    let mut client = Client::start(&world, Era::Stateless);
    insta::assert_snapshot!("validate", shown(&world, &client.tool("validate_tokens", json!({}))));
    let plan = client.tool("plan_migration", json!({ "source": "alice/bert", "to": "ms" }));
    insta::assert_snapshot!("plan", shown(&world, &plan));
    let started = client.tool("migrate", json!({ "plan_id": plan["plan_id"] }));
    insta::assert_snapshot!("started", shown(&world, &started));
    let status = client.until_over(started["migration_id"].as_str().unwrap());
    insta::assert_snapshot!("verified", shown(&world, &status));
}

#[test]
fn an_inventory_comes_in_pages_of_whole_entries() {
    const COUNT: usize = 40;
    let world = World::start();
    for number in 0..COUNT {
        let name = format!("alice/{}{number:02}", "long-name-".repeat(5));
        world.hf.repo(RepoKind::Model, &name).file("config.json", "{}").commit("all");
    }
    let mut client = Client::start(&world, Era::Stateless);
    let (mut names, mut pages) = (Vec::new(), 0);
    while names.len() < COUNT {
        let page = client.tool("inventory", json!({ "namespace": "hf:alice", "skip": names.len() }));
        assert_eq!(page["repositories_count"], COUNT);
        let shown = page["repositories"].as_array().unwrap();
        assert!(!shown.is_empty(), "{page}");
        names.extend(shown.iter().map(|one| one["repo"].as_str().unwrap().to_owned()));
        let more = page["next_step"].as_str().unwrap().starts_with(&format!("Call this again with skip {} for the rest. ", names.len()));
        assert_eq!(more, names.len() < COUNT, "{page}");
        pages += 1;
    }
    names.sort();
    names.dedup();
    assert!(names.len() == COUNT && pages > 1 && !names.iter().any(|name| name.contains('…')), "{pages} pages: {names:?}");
}

#[test]
fn a_migration_can_be_read_as_a_resource_with_its_proof() {
    let trip = Trip::stocked(Way::HfToMs);
    for era in ERAS {
        let mut client = Client::start(&trip.world, era);
        let id = migrated(&mut client, "hf:alice/bert")["migration"]["migration_id"].as_str().unwrap().to_owned();
        let uri = format!("migration://{id}");
        let list = client.request("resources/list", json!({}));
        assert_eq!(list["resources"][0]["uri"], uri.as_str(), "{list}");
        assert_eq!(client.request("resources/templates/list", json!({}))["resourceTemplates"].as_array().unwrap().len(), 2);
        let read = client.request("resources/read", json!({ "uri": uri }));
        let document: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(document["report"]["state"], "verified");
        assert_eq!(
            document["proof"]["files"].as_array().unwrap().len() as u64,
            document["report"]["verification"]["matched"].as_u64().unwrap()
        );
        for unknown in ["migration://m1234567890-abcdef", "migration://../../etc", "file:///etc/passwd"] {
            let answer = client.ask("resources/read", json!({ "uri": unknown }));
            let code = if era == Era::Stateless { -32602 } else { -32002 };
            assert_eq!(answer["error"]["code"], code, "{answer}");
        }
    }
}
