//! The same repository through the same stand-ins by hf2ms, by `hfms-bridge`, by the official clients with a disk between them,
//! and by a bare relay as the floor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
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
use std::process::ExitCode;
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
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{} cores shared by tool and stand-ins; medians of {} runs; parts of {} MiB; scale {}",
        cores,
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
                write_json(&options.json, cores, options, &runs);
            }
        }
        table::print_case(&runs, case, &tools);
    }
    println!();
    let good = table::verdict(&runs, &cases, &options.tools);
    println!("raw numbers: {}", options.json.display());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tools that can carry this row: a relay moves LFS objects only.
fn able(tools: &[Tool], case: &Case) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| *tool != Tool::Relay || case.row != options::Row::Text).collect()
}

/// One run between two fresh hubs, in a folder that is removed afterwards.
fn measure_one(options: &Options, python: Option<&Path>, case: &Case, tool: Tool, number: usize) -> Run {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("side-by-side-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut shores = Shores::start(&Setup { case: *case, part_size: options.part_size, lenient: tool != Tool::Hf2ms });
    if tool == Tool::Relay {
        shores.write_errands(&folder.join("errands.json"));
    }
    let command = tools::command(tool, case.direction, python, &folder, &shores.environment);
    let log = folder.join("log");
    let measured = measure::measure(&command, &log, Duration::from_secs(options.time_limit));
    if tool == Tool::Relay && measured.code == Some(0) {
        shores.complete(&folder.join("etags.json"));
    }
    let seen = shores.report();
    let mut run = Run { case: *case, tool, number, measured, seen, failed: None };
    run.failed = problem(&run, options.time_limit, &log);
    std::fs::remove_dir_all(&folder).unwrap();
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

fn write_json(file: &Path, cores: usize, options: &Options, runs: &[Run]) {
    let all = json!({ "cores": cores, "scale": options.scale, "part_size": options.part_size, "runs": runs });
    std::fs::write(file, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
}
