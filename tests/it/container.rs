//! The process as a container runs it: the job is a file, the tokens are in the environment, events go to standard output.

use std::path::{Path, PathBuf};

use serde_json::Value;
use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::world::{KIB, MIB, Outcome, World, generated};

/// Runs the job in this file with exactly the environment that a sandbox has.
fn run_file(world: &World, job: &Path) -> Outcome {
    let mut command = world.command(&["run-job", "--job", &job.display().to_string()]);
    command.env_clear();
    command.env("HF_TOKEN", &world.variables["HF_TOKEN"]).env("MODELSCOPE_TOKEN", &world.variables["MODELSCOPE_API_TOKEN"]);
    world.finish(command.spawn().unwrap())
}

fn write(world: &World, text: &str) -> PathBuf {
    let path = world.home.join("job.json");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_job_in_a_file_is_done_with_the_tokens_of_the_environment() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.lfs_file("model.safetensors", generated(1, 12 * MIB)).file("config.json", generated(2, KIB)).commit("one");
    let job = world.run(&["plan", "--job", "hf:alice/bert"]);
    let job = write(&world, &job.stdout);
    let outcome = run_file(&world, &job);
    assert_eq!(outcome.code, 0, "{}", outcome.shown(&world));
    let events: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert_eq!(first["request"]["source"], serde_json::from_slice::<Value>(&std::fs::read(&job).unwrap()).unwrap()["request"]["source"]);
    assert_eq!((&last["event"], &last["state"]), (&"report".into(), &"verified".into()), "{last}");
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").commits().len(), 2);
    assert!(!world.home.join("state").exists(), "nothing is kept on this machine");
}

#[test]
fn a_file_that_is_missing_or_holds_no_job_is_refused_by_name() {
    let world = World::start();
    insta::assert_snapshot!("missing", timeless(&run_file(&world, &world.home.join("none.json")).exits(1).shown(&world)));
    insta::assert_snapshot!("no_job", timeless(&run_file(&world, &write(&world, "{\"protocol\": \"one\"}")).exits(2).shown(&world)));
}

/// Without the time at which an event happened.
fn timeless(shown: &str) -> String {
    let Some((before, after)) = shown.split_once("\"at\":") else { return shown.to_owned() };
    format!("{before}\"at\":[TIME]{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}
