//! What a container costs that is twenty times slower than the others, with real processes: the same fleet carries the same files through the
//! stand-ins twice, once with every worker awake and once with one that its host runs for a moment of every minute.
//!
//! `cargo bench --bench straggler` takes about eight minutes and prints the fleet's times and their ratio; it fails above 1.10. It needs the
//! static worker (see "Building the worker" in the README) below the target folder, or where `HF2MS_TEST_WORKER` says. `-- WORKERS FILES`
//! takes another number of workers and of files for each. A fleet's time is from the plan to the last blob that landed, by the conductor's
//! own events; the whole command's time, much of which no straggler touches, stands beside it.
//!
//! Every answer of a hub takes three seconds, so that a fleet's time is made of waiting and not of what this machine can do, and a worker
//! that sleeps falls back by every answer it does not hear.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where something is broken"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use standins::content::Content;
use standins::huggingface::RepoKind;
use standins::modal::{Ending, Modal, Setup};
use standins::pair::Pair;
use standins::store::Sink;

/// Bytes of a file: more than is committed inline.
const SIZE: u64 = 65 << 10;
/// Until any answer of either hub.
const LATENCY: Duration = Duration::from_secs(3);
/// The slow one hears one answer of each transfer and asks for the next, in so long a moment of so long a time.
const AWAKE: Duration = Duration::from_millis(500);
const ASLEEP: Duration = Duration::from_secs(60);
/// What a straggler may cost.
const LIMIT: f64 = 1.10;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (workers, each) = (numbers.first().copied().unwrap_or(3), numbers.get(1).copied().unwrap_or(150));
    println!("{workers} workers, {} files of {} KiB, {} s to each answer", workers * each, SIZE >> 10, LATENCY.as_secs());
    let calm = run(workers, each, false);
    println!("all awake:      {calm}");
    let slow = run(workers, each, true);
    println!("one 20x slower: {slow}, {:.3} times as long", slow.fleet / calm.fleet);
    assert!(slow.fleet <= calm.fleet * LIMIT, "the limit is {LIMIT}");
}

/// Seconds of one migration.
struct Seconds {
    /// From the plan to the last blob.
    fleet: f64,
    /// The whole command.
    command: f64,
}

impl std::fmt::Display for Seconds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:8.1} s ({:.1} s with all around it)", self.fleet, self.command)
    }
}

/// From the plan to the last blob, by the events of the one migration that this folder knows.
fn fleet_seconds(home: &Path) -> f64 {
    let folder = std::fs::read_dir(home.join("migrations")).unwrap().next().unwrap().unwrap().path();
    let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let events: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |event: &serde_json::Value| event["at"].as_f64().unwrap() / 1_000.0;
    let planned = events.iter().find(|event| event["event"] == "planned").unwrap();
    let landed = events.iter().rfind(|event| event["event"] == "blobs").unwrap();
    at(landed) - at(planned)
}

/// One migration between fresh hubs.
fn run(workers: u64, each: u64, with_straggler: bool) -> Seconds {
    let hubs = Pair::start(Sink::HashOnly);
    let modal = Modal::start(Setup::default());
    // the hub's own quotas are another matter
    hubs.hf.behaviour(|hub| (hub.api_quota, hub.resolve_quota) = (10_000_000, 10_000_000));
    let source = hubs.hf.repo(RepoKind::Model, "alice/many");
    for number in 0..workers * each {
        source.lfs_file(&format!("data/{:02}/{number:06}.bin", number / 1_000), Content::generated(number, SIZE));
    }
    source.commit("many");
    for dials in [hubs.hf.dials(), hubs.ms.dials()] {
        dials.each(|lane| lane.set_latency(LATENCY));
    }
    if with_straggler {
        modal.doze("-1-0", AWAKE, ASLEEP);
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("straggler-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_hf2ms"));
    command.args(["migrate", "hf:alice/many", "--workers", &workers.to_string(), "--yes", "--json"]).env_clear();
    command.envs(hubs.environment()).envs(modal.environment("alice")).env("HF2MS_HOME", &home).env("HF2MS_WORKER_BIN", worker());
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    let command_seconds = began.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let seconds = Seconds { fleet: fleet_seconds(&home), command: command_seconds };
    std::fs::remove_dir_all(home).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["state"], "verified", "{report}");
    let ended = modal.sandboxes().iter().filter(|sandbox| sandbox.ending() == Some(Ending::terminated())).count();
    assert_eq!(ended > 0, with_straggler, "the slow one is ended, and nobody else");
    assert_eq!(hubs.broken_rules(), 0);
    assert!(hubs.ms.journal().sent_twice().is_empty());
    modal.strict().assert_clean();
    seconds
}

/// The static program.
fn worker() -> String {
    std::env::var("HF2MS_TEST_WORKER").unwrap_or_else(|_| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        target.join("x86_64-unknown-linux-musl/release/hf2ms").display().to_string()
    })
}
