//! From a person's words to a proven copy, or to nothing at all.

use serde_json::json;
use standins::messages::{Model, Turn};

use super::{ALLOWED, Desk, commanded, planning, tool};
use crate::cloud::Cloud;
use crate::trip::{Trip, Way};
use crate::usage::assert_untouched;

#[test]
fn the_command_plans_asks_migrates_in_the_cloud_and_follows_until_it_is_verified() {
    let cloud = Cloud::plenty(Way::HfToMs);
    let world = &cloud.trip.world;
    let desk = Desk::new(world);
    let question = "11 files go to ms:alice/bert. Into the namespace alice, and now?";
    let last = "Verified: everything is at ms:alice/bert.";
    let model = Model::start(
        &world.marks,
        [
            commanded("hf2ms:migrate", "alice/bert --to ms"),
            planning(),
            Turn::told([r#""plan_id":"plan-"#, "hf:alice/bert → ms:alice/bert", "Show the plan to the user"]).says(question),
            Turn::told(["alice, and yes, go on"]).calls_with(&tool("migrate"), |asked| json!({ "plan_id": asked.heard("plan_id") })),
            Turn::told([r#""state":"running""#, "in Modal's cloud", "Call status with migration_id"])
                .calls_with(&tool("status"), |asked| json!({ "migration_id": asked.heard("migration_id"), "wait_seconds": 0 })),
            Turn::told([r#""migration":{"#, r#""runner":"modal""#])
                .calls_with(
                    &tool("status"),
                    |asked| json!({ "migration_id": asked.heard("migration")["migration_id"], "wait_seconds": 20 }),
                )
                .until(r#""state":"verified""#),
            Turn::told(["Verified: ", "proven by hash", r#""unproven_count":0"#]).says(last),
        ],
    );
    let asked = desk.ask(world, &model, "/hf2ms:migrate alice/bert --to ms", &ALLOWED);
    asked.assert_said(question);
    assert_untouched(world);
    assert!(cloud.modal.sandboxes().is_empty(), "nothing starts before the user's word");
    // another process with another server: what they need to know is in the conversation and in the state folder
    let done = desk.ask(world, &model, "alice, and yes, go on", &[&["--continue"], &ALLOWED[..]].concat());
    model.assert_done();
    done.assert_said(last);
    assert_eq!(done.denied(), Vec::<String>::new());
    cloud.trip.assert_identical();
    assert_eq!((cloud.trip.copy().ours().len(), cloud.modal.sandboxes().len()), (1, 1));
    cloud.assert_empty();
}

#[test]
fn what_only_looks_is_allowed_by_the_command_and_migrate_is_denied_until_somebody_allows_it() {
    let trip = Trip::stocked(Way::HfToMs);
    let desk = Desk::new(&trip.world);
    let model = Model::start(
        &trip.world.marks,
        [
            commanded("hf2ms:migrate", "alice/bert --to ms --dest alice/bert --yes"),
            planning(),
            Turn::told([r#""plan_id":"plan-"#]).calls_with(&tool("migrate"), |asked| json!({ "plan_id": asked.heard("plan_id") })),
            Turn::told(["permission"]).calls(&tool("status"), json!({})),
            Turn::told(["This machine knows no migration."]).says("It was not allowed."),
        ],
    );
    let run = desk.ask(&trip.world, &model, "/hf2ms:migrate alice/bert --to ms --dest alice/bert --yes", &[]);
    model.assert_done();
    run.assert_said("It was not allowed.");
    assert_eq!(run.denied(), [tool("migrate")]);
    assert_untouched(&trip.world);
}

#[test]
fn the_bare_command_works_in_a_project_that_was_set_up_for_it() {
    let trip = Trip::stocked(Way::HfToMs);
    let desk = Desk::new(&trip.world);
    let mut setup = trip.world.command(&["setup", "claude", "--project"]);
    trip.world.finish(setup.current_dir(&desk.project).spawn().unwrap()).exits(0);
    let model = Model::start(
        &trip.world.marks,
        [
            commanded("migrate", "alice/bert --to ms --dry-run"),
            planning(),
            Turn::told([r#""plan_id":"plan-"#, r#""creates_destination":true"#]).says("That is the plan."),
        ],
    );
    let run = desk.ask(&trip.world, &model, "/migrate alice/bert --to ms --dry-run", &[]);
    model.assert_done();
    run.assert_said("That is the plan.");
    assert_untouched(&trip.world);
}

#[test]
fn a_request_in_plain_words_leads_to_the_skill_and_from_there_to_the_tools() {
    let trip = Trip::stocked(Way::HfToMs);
    let desk = Desk::new(&trip.world);
    let skill = "hf2ms:hub-migration";
    let model = Model::start(
        &trip.world.marks,
        [
            Turn::told(["mirror my model alice/bert to ModelScope", skill, "Moves, mirrors, copies or syncs models and datasets between"])
                .calls("Skill", json!({ "skill": skill })),
            Turn::told([
                "# Moving repositories between Hugging Face and ModelScope",
                "1. `validate_tokens`: ",
                "4. `migrate` with the plan's id",
            ])
            .calls(&tool("validate_tokens"), json!({})),
            planning(),
            Turn::told([r#""plan_id":"plan-"#]).calls_with(&tool("migrate"), |asked| json!({ "plan_id": asked.heard("plan_id") })),
            Turn::told([r#""state":"running""#, "on this machine"])
                .calls_with(&tool("status"), |asked| json!({ "migration_id": asked.heard("migration_id"), "wait_seconds": 60 })),
            Turn::told([r#""state":"verified""#]).says("Verified."),
        ],
    );
    let run =
        desk.ask(&trip.world, &model, "mirror my model alice/bert to ModelScope", &[&ALLOWED[..], &["--allowedTools", "Skill"]].concat());
    model.assert_done();
    run.assert_said("Verified.");
    trip.assert_identical();
}

#[test]
fn whether_a_source_may_be_deleted_is_answered_by_a_fresh_deep_look() {
    let trip = Trip::stocked(Way::HfToMs);
    trip.world.run(&["migrate", "hf:alice/bert"]).exits(0);
    let desk = Desk::new(&trip.world);
    let skill = "hf2ms:hub-migration";
    let asked = |answer: &'static [&'static str], says: &str| {
        Model::start(
            &trip.world.marks,
            [
                Turn::told(["may I delete alice/bert at Hugging Face now?", skill, "whether the source may be deleted now"])
                    .calls("Skill", json!({ "skill": skill })),
                Turn::told([
                    "references/after-migrating.md",
                    "A source is not to be deleted before `verify_migration` has read the destination",
                ])
                .calls(&tool("inventory"), json!({ "namespace": "hf:alice", "against": "alice" })),
                Turn::told([r#""copy":"verified""#, "before a source is deleted, call verify_migration with deep true for it"])
                    .calls(&tool("verify_migration"), json!({ "source": "hf:alice/bert", "deep": true })),
                Turn::told(answer.iter().copied()).says(says),
            ],
        )
    };
    let allowed = [&ALLOWED[..], &["--allowedTools", "Skill"]].concat();
    let model = asked(&[r#""state":"verified""#, "every byte was read back"], "Yes.");
    let run = desk.ask(&trip.world, &model, "may I delete alice/bert at Hugging Face now?", &allowed);
    model.assert_done();
    run.assert_said("Yes.");
    // a bit flips in storage: the listings still agree
    let mut flipped = trip.copy().content("config.json").unwrap().to_bytes().to_vec();
    flipped[0] ^= 1;
    trip.copy().serves_instead("config.json", flipped.into());
    let model = asked(&[r#""state":"unproven""#, "The source must not be deleted."], "No.");
    let run = desk.ask(&trip.world, &model, "may I delete alice/bert at Hugging Face now?", &allowed);
    model.assert_done();
    run.assert_said("No.");
}
