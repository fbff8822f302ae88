//! Nothing on disk, and memory that does not grow with the file: the process that carries under limits it cannot pass.

use standins::huggingface::RepoKind;
use standins::modelscope;
use standins::store::Sink;

use crate::world::{GIB, MIB, Outcome, World, generated};

/// What the process that carries may ever have resident.
const MEMORY: u64 = 128 * MIB;

fn hashing_world() -> World {
    let world = World::start();
    world.hf.store().set_sink(Sink::HashOnly);
    world.ms.store().set_sink(Sink::HashOnly);
    world
}

fn seed(world: &World, from: &str, size: u64) -> &'static str {
    let content = generated(7, size);
    if from == "hf" {
        world.hf.repo(RepoKind::Model, "alice/large").file("model.safetensors", content).file("README.md", "# large\n").commit("large");
        "hf:alice/large"
    } else {
        let repo = world.ms.repo(modelscope::RepoKind::Model, "alice/large");
        repo.file("model.safetensors", content).file("README.md", "# large\n").commit("large");
        "ms:alice/large"
    }
}

fn report(outcome: &Outcome) -> serde_json::Value {
    let last = outcome.events().pop().unwrap();
    assert_eq!(last["event"], "report", "{last}");
    last
}

/// `prlimit --fsize=0`: a process that writes a single byte to a file is killed by the system.
fn a_gibibyte_passes_a_process_that_may_write_no_file(from: &str) {
    let world = hashing_world();
    let source = seed(&world, from, GIB);
    let outcome = world.run_job(&["prlimit", "--fsize=0"], &[source]).exits(0);
    let report = report(&outcome);
    assert_eq!(report["state"], "verified");
    assert!(report["bytes"]["moved"].as_u64().unwrap() >= GIB);
    assert!(report["resources"]["peak_memory"].as_u64().unwrap() <= MEMORY, "{report}");
}

#[test]
fn a_gibibyte_passes_a_process_that_may_write_no_file_to_modelscope() {
    a_gibibyte_passes_a_process_that_may_write_no_file("hf");
}

#[test]
fn a_gibibyte_passes_a_process_that_may_write_no_file_to_hugging_face() {
    a_gibibyte_passes_a_process_that_may_write_no_file("ms");
}

/// Every file opened for writing and every process started, as the system sees it.
fn nobody_writes_a_file_and_no_other_process_runs(from: &str) {
    let world = hashing_world();
    let source = seed(&world, from, GIB);
    let trace = world.home.join("trace");
    let calls = "trace=open,openat,creat,execve,truncate,ftruncate,mknodat,memfd_create";
    let strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", trace.to_str().unwrap()];
    let outcome = world.run_job(&strace, &[source]).exits(0);
    assert_eq!(report(&outcome)["state"], "verified");
    let trace = std::fs::read_to_string(trace).unwrap();
    let started = trace.lines().filter(|line| line.contains("execve(")).count();
    assert_eq!(started, 1, "one process: {trace}");
    let writes =
        |line: &&str| ["O_WRONLY", "O_RDWR", "O_CREAT", "creat(", "truncate(", "memfd_create("].iter().any(|word| line.contains(word));
    let written: Vec<_> = trace.lines().filter(writes).collect();
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn nobody_writes_a_file_on_the_way_to_modelscope() {
    nobody_writes_a_file_and_no_other_process_runs("hf");
}

#[test]
fn nobody_writes_a_file_on_the_way_to_hugging_face() {
    nobody_writes_a_file_and_no_other_process_runs("ms");
}

/// Part sizes below, near and above the budget of 96 MiB.
#[test]
fn memory_does_not_depend_on_the_part_size() {
    for part in [8, 60, 96, 512] {
        let world = hashing_world();
        let source = seed(&world, "ms", GIB);
        world.hf.behaviour(|behaviour| behaviour.part_size = part * MIB);
        let outcome = world.run_job(&["env"], &[source]).exits(0);
        let peak = report(&outcome)["resources"]["peak_memory"].as_u64().unwrap();
        assert!(peak <= MEMORY, "parts of {part} MiB: {} MiB", peak / MIB);
    }
}

/// Contents that travel inside commits are held too: 64 MiB of them, in one commit.
#[test]
fn memory_holds_for_a_commit_full_of_small_files() {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Model, "alice/texts");
    let line = "a line of text that is not the same in every file: ";
    for number in 0..7 {
        source.file(&format!("texts/{number}.txt"), format!("{line}{number}\n").repeat(9_000_000 / (line.len() + 2)).into_bytes());
    }
    source.commit("texts");
    let outcome = world.run_job(&["env"], &["ms:alice/texts"]).exits(0);
    let report = report(&outcome);
    // with the card that the hub made itself
    assert_eq!(report["files"]["copied"], 8);
    assert_eq!(world.hf.repo(RepoKind::Model, "alice/texts").commits().len(), 2, "the hub's own, and ours");
    let peak = report["resources"]["peak_memory"].as_u64().unwrap();
    assert!(peak <= MEMORY, "{} MiB", peak / MIB);
}
