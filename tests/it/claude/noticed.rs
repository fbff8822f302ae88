//! What the journeys would notice: a plugin that says less, tools with other names, and secrets that reach the model.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;
use standins::messages::{Model, NOT_OFFERED, OFF_SCRIPT, TOLD_SECRET, Turn};
use standins::strict::RuleName;

use super::{Desk, commanded, tool};
use crate::world::World;

/// The rules that a run breaks.
fn broken(change: impl FnOnce(&Desk), turns: Vec<Turn>, prompt: &str) -> Vec<&'static str> {
    let world = World::start();
    let desk = Desk::new(&world);
    change(&desk);
    let model = Model::start(&world.marks, turns);
    let _ended = desk.ask(&world, &model, prompt, &[]);
    assert!(catch_unwind(AssertUnwindSafe(|| model.assert_done())).is_err());
    let mut rules: Vec<_> = model.strict().violations().into_iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

fn names(rule: RuleName) -> Vec<&'static str> {
    vec![rule.name]
}

#[test]
fn a_command_that_leaves_a_step_out() {
    let change = |desk: &Desk| desk.change("commands/migrate.md", "Call `migrate` with the plan's id", "Wait");
    let turns = vec![commanded("hf2ms:migrate", "alice/bert --to ms")];
    assert_eq!(broken(change, turns, "/hf2ms:migrate alice/bert --to ms"), names(OFF_SCRIPT));
}

#[test]
fn a_command_that_does_not_pass_on_its_words() {
    let change = |desk: &Desk| desk.change("commands/migrate.md", "$ARGUMENTS", "something");
    let turns = vec![commanded("hf2ms:migrate", "alice/bert --to ms")];
    assert_eq!(broken(change, turns, "/hf2ms:migrate alice/bert --to ms"), names(OFF_SCRIPT));
}

#[test]
fn a_tool_with_another_name() {
    let turns = vec![Turn::told(["move it"]).calls(&tool("move_it"), json!({}))];
    assert_eq!(broken(|_| {}, turns, "move it"), names(NOT_OFFERED));
}

#[test]
fn a_server_that_does_not_start() {
    let change = |desk: &Desk| desk.change("scripts/hf2ms-mcp", "exec \"$1\" mcp", "exit 1");
    let turns = vec![commanded("hf2ms:migrate", "alice/bert --to ms")];
    assert_eq!(broken(change, turns, "/hf2ms:migrate alice/bert --to ms"), names(NOT_OFFERED));
}

#[test]
fn a_secret_that_the_model_is_told() {
    let world = World::start();
    let desk = Desk::new(&world);
    let model = Model::start(&world.marks, [Turn::told(["my token"]).says("Never mind.")]);
    desk.ask(&world, &model, &format!("my token is {}", world.variables["HF_TOKEN"]), &[]).message("result");
    assert!(model.strict().count_of(TOLD_SECRET) > 0, "{:?}", model.strict().violations());
}
