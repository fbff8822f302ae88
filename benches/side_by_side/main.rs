//! The same repository through the same stand-ins by hf2ms, by `hfms-bridge`, by the official clients with a disk between them,
//! and by a bare relay as the floor.
//!
//! `cargo bench --bench side_by_side` takes hours; a quick look is
//! `cargo bench --bench side_by_side -- --rows one,small --throttle none --runs 1 --scale 0.05`. An unknown option prints them
//! all. It needs Linux, and for the rivals python3 with venv and PyPI. It exits with 1 unless every promise at the end holds.
//!
//! # Who
//!
//! - `hf2ms`: `hf2ms migrate hf:alice/bench --json`, and the process it starts that carries.
//! - `bridge`: `hfms-bridge hf2ms|ms2hf` 0.5.1 as its README has it for a repository, every option at its default (4 workers,
//!   reads of 1 MiB). Endpoints come from `HF_ENDPOINT` and `MODELSCOPE_ENDPOINT`; `benches/rivals/bridge.py` says what one
//!   thing is set from outside.
//! - `sdk`: `snapshot_download` to a folder, then `upload_folder`, by `huggingface_hub` and `modelscope` as `tests/peers` pins
//!   them, every option at its default (`benches/rivals/store_and_forward.py`). The start of the interpreter counts, as for
//!   everybody who uses it. `HF_HUB_DISABLE_XET` is set: the stand-ins have no Xet.
//! - `relay`: read → sha256 → write over blocking sockets, four streams at a time, one stream a file. What to get and where to
//!   put is negotiated beforehand and not measured, and nothing is committed: less work than anybody can do who migrates.
//!
//! All take turns, and who begins changes. Every run has two fresh stand-ins in a process of their own, which shares the machine
//! with the tool. Their limits on requests and commits are out of the way for everybody, the rules they keep of hf2ms alone are
//! forgiven to the others, uploads in parts come in parts of 64 MiB. Content is made while it is read, and compared with that
//! while it is written, so the hubs' own work is small; the last column but one says how small. The repository has a README.md
//! with a licence that both hubs take: with the one that a fresh ModelScope repository has, only hf2ms comes through.
//!
//! A run counts when the tool ends well and every file of the row (not README.md, of which each hub has its own idea) is at the
//! destination with the sha256 of its source, by what the storage took in. Bytes that are others than promised fail the bench.
//!
//! # Columns
//!
//! Each is the median of its own figures over all runs; one run that failed fails the line, with its reason.
//!
//! - `row`: `one` file of 4 GB, `many`: 64 of 64 MB, `small`: 5,000 binary files of 20 KB, LFS objects on both hubs, `text`:
//!   as many text files of 20 KB, plain git files (no relay: they are not objects to put). `way`: from where to where.
//! - `MB/s cap`: what the source's CDN sends and the destination's storage takes a second, all streams together.
//! - `seconds`: from the start of the command to its end. `MB/s`: bytes of the row by that.
//! - `CPU s/GB`: user and system time of the command and all its descendants, for each GB of the row.
//! - `peak MB`: the largest resident set of any one of these processes.
//! - `disk MB`: what they gave the file system to write, by the kernel's count.
//! - `requests`, `commits`: what the two hubs were asked, all routes together; what the destination accepted.
//! - `hubs s/GB`: the stand-ins' own CPU time in that while, for each GB of the row.
//! - `× hf2ms`: seconds by those of hf2ms.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement prints, and stops where something is broken"
)]

mod measure;
mod negotiate;
mod options;
mod relay;
mod shores;
mod table;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use options::{Case, Options, Tool, USAGE};
use serde_json::json;
use shores::{Setup, Shores};
use table::Run;

/// First words of the command line that make this program one of its helpers.
const SHORES: &str = "as-shores";
const METER: &str = "as-meter";
const RELAY: &str = "as-relay";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some(SHORES) => return shores::serve(&arguments[1..]),
        Some(METER) => return measure::run_meter(&arguments[1..]),
        Some(RELAY) => return relay::run_relay(&arguments[1..]),
        _ => {}
    }
    match Options::parse(arguments.into_iter()) {
        Ok(options) => compare(&options),
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn compare(options: &Options) -> ExitCode {
    let needs_rivals = options.tools.iter().any(|tool| tool.is_rival());
    let python = options.python.clone().or_else(|| needs_rivals.then(tools::rivals));
    let cases = options.cases();
    let machine = machine();
    println!(
        "{machine} shared by tool and stand-ins; medians of {} runs; parts of {} MiB; scale {}",
        options.runs,
        options.part_size >> 20,
        options.scale
    );
    table::print_head();
    let mut runs: Vec<Run> = Vec::new();
    for case in &cases {
        let tools = able(&options.tools, case);
        for number in 0..options.runs {
            // whoever begins changes, so that a warm or a tired machine is nobody's own
            for place in 0..tools.len() {
                let tool = tools[(place + number) % tools.len()];
                let run = measure_one(options, python.as_deref(), case, tool, number);
                eprintln!("{}", progress(&run));
                runs.push(run);
                write_json(&options.json, &machine, options, &runs);
            }
        }
        table::print_case(&runs, case, &tools);
    }
    println!();
    let good = table::verdict(&runs, &cases, &options.tools);
    println!("raw numbers: {}", options.json.display());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many cores of which kind, and what paces the tools' uploads.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let congestion = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
    format!("{cores} cores ({}, TCP {})", model.map_or("unknown", |(_, model)| model), congestion.trim())
}

/// The tools that can carry this row: a relay moves LFS objects only.
fn able(tools: &[Tool], case: &Case) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| *tool != Tool::Relay || case.row != options::Row::Text).collect()
}

/// A folder for one run, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("side-by-side-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
        // what one tool has left to be written is not the next one's business
        let _written = Command::new("sync").status();
    }
}

/// One run between two fresh hubs.
fn measure_one(options: &Options, python: Option<&Path>, case: &Case, tool: Tool, number: usize) -> Run {
    let folder = Folder::new();
    let mut shores = Shores::start(&Setup { case: *case, part_size: options.part_size, lenient: tool != Tool::Hf2ms });
    if tool == Tool::Relay {
        shores.write_errands(&folder.file("errands.json"));
    }
    let command = tools::command(tool, case.direction, python, &folder.0, &shores.environment);
    let log = folder.file("log");
    let measured = measure::measure(&command, &log, Duration::from_secs(options.time_limit));
    if tool == Tool::Relay && measured.code == Some(0) {
        shores.complete(&folder.file("etags.json"));
    }
    let seen = shores.report();
    let mut run = Run { case: *case, tool, number, measured, seen, failed: None };
    run.failed = problem(&run, options.time_limit, &log);
    run
}

/// Why a run does not count.
fn problem(run: &Run, time_limit: u64, log: &Path) -> Option<String> {
    let (measured, seen) = (&run.measured, &run.seen);
    if measured.timed_out {
        return Some(format!("not done after {time_limit} s, {} of {} files there", seen.right, run.case.files));
    }
    if measured.code != Some(0) {
        let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
        let last: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last: String = last[last.len().saturating_sub(2)..].join(" / ").chars().take(300).collect();
        let code = measured.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        return Some(format!("exit code {}, {} of {} files there: {last}", code, seen.right, run.case.files));
    }
    if !seen.wrong.is_empty() {
        return Some(format!("wrong or missing at the destination: {}", seen.wrong.join(", ")));
    }
    (run.tool == Tool::Hf2ms && !seen.broken_rules.is_empty()).then(|| format!("broke rules: {:?}", seen.broken_rules))
}

fn progress(run: &Run) -> String {
    let case = &run.case;
    let outcome = run.failed.clone().unwrap_or_else(|| format!("{:.2} s", run.measured.seconds));
    format!("  {} {} {:?} run {} {}: {outcome}", case.row.name(), case.direction.name(), case.throttle, run.number + 1, run.tool.name())
}

fn write_json(file: &Path, machine: &str, options: &Options, runs: &[Run]) {
    let all = json!({ "machine": machine, "scale": options.scale, "part_size": options.part_size, "runs": runs });
    std::fs::write(file, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
}
