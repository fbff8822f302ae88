//! One large generated file, each direction: peak memory for part sizes from 8 MiB to 1 GiB, and the time with both sides throttled to
//! 100 MB/s against the time that one way alone must take.
//!
//! `cargo bench --bench one_file` takes minutes; `-- --memory 8G` and `-- --throttled 4G` run one half with a size of your own, and
//! `-- --huge 80G` shows that a file ten times as large takes no more memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where something is broken"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use hf2ms::protocol::{Report, State};
use standins::content::Content;
use standins::huggingface::RepoKind;
use standins::modelscope;
use standins::pair::Pair;
use standins::store::Sink;

const RATE: u64 = 100_000_000;
const MEMORY_LIMIT: u64 = 128 << 20;
/// Bytes a second, so that the line holds back as many streams as there may be, and not the processor.
const PER_STREAM: u64 = 40_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (memory, throttled, huge) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--memory", size] => (Some(parse_size(size)), None, None),
        ["--throttled", size] => (None, Some(parse_size(size)), None),
        ["--huge", size] => (None, None, Some(parse_size(size))),
        _ => (Some(8_000_000_000), Some(4_000_000_000), None),
    };
    let mut good = true;
    if let Some(size) = huge {
        good &= compare_memory(size);
    }
    if let Some(size) = memory {
        println!("peak memory of the process that carries one file of {} MB, limit {} MiB", size / 1_000_000, MEMORY_LIMIT >> 20);
        println!("{:<10} {:>10} {:>12} {:>10} {:>9} {:>9}", "to", "part", "peak MiB", "seconds", "MB/s", "cpu s/GB");
        let parts = [8, 32, 64, 128, 1024].map(|mib| (Direction::ToHuggingFace, Some(mib << 20)));
        for (direction, part) in std::iter::once((Direction::ToModelScope, None)).chain(parts) {
            let report = run(direction, size, part, None);
            let took = report.resources.as_ref().unwrap();
            let part = part.map_or_else(|| "one PUT".to_owned(), |part| format!("{} MiB", part >> 20));
            let rate = size as f64 / 1e6 / report.seconds;
            println!(
                "{:<10} {part:>10} {:>12.1} {:>10.1} {rate:>9.0} {:>9.2}",
                direction.name(),
                took.peak_memory as f64 / 1048576.0,
                report.seconds,
                took.cpu_millis as f64 / 1e3 / (size as f64 / 1e9)
            );
            good &= took.peak_memory <= MEMORY_LIMIT;
        }
    }
    if let Some(size) = throttled {
        let one_way = size as f64 / RATE as f64;
        println!(
            "one file of {} MB, both sides throttled to {} MB/s: one way alone takes {one_way:.1} s",
            size / 1_000_000,
            RATE / 1_000_000
        );
        println!("{:<10} {:>10} {:>8}", "to", "seconds", "ratio");
        for direction in [Direction::ToModelScope, Direction::ToHuggingFace] {
            let report = run(direction, size, Some(64 << 20), Some(RATE));
            println!("{:<10} {:>10.1} {:>8.3}", direction.name(), report.seconds, report.seconds / one_way);
            good &= report.seconds <= one_way * 1.05 + 3.0;
        }
    }
    assert!(good, "a limit was passed");
}

/// Compares the peak memory of a file of this size with that of one of 8 GB, or of a quarter of it where it is no larger than that.
///
/// To Hugging Face where no stream is faster than [`PER_STREAM`], so that as many parts fly as the memory budget lets, from the first seconds
/// on: the larger file is held against the most that three runs of the smaller one take, and the allocator may take a twentieth more.
/// Where one stream is as fast as the machine, whatever else that does decides how many parts fly; so there only [`MEMORY_LIMIT`] is held.
fn compare_memory(size: u64) -> bool {
    let small = if size > 8_000_000_000 { 8_000_000_000 } else { size / 4 };
    println!("peak memory (VmHWM) of the process that carries one file, of {} MB and of {} MB", small / 1_000_000, size / 1_000_000);
    println!("{:<10} {:>12} {:>12} {:>12} {:>10} {:>9}", "to", "stream MB/s", "small, MiB", "huge, MiB", "seconds", "MB/s");
    let peak = |report: &Report| report.resources.as_ref().unwrap().peak_memory;
    let mut good = true;
    let cases = [(Direction::ToModelScope, None, 1), (Direction::ToHuggingFace, Some(PER_STREAM), 3), (Direction::ToHuggingFace, None, 1)];
    for (direction, per_stream, runs) in cases {
        let turn = |hubs: &Pair| per_stream.into_iter().for_each(|rate| throttle_streams(hubs, rate));
        let few = (0..runs).map(|_| peak(&run_with(direction, small, turn))).max().unwrap();
        let report = run_with(direction, size, turn);
        let many = peak(&report);
        println!(
            "{:<10} {:>12} {:>12.1} {:>12.1} {:>10.1} {:>9.0}",
            direction.name(),
            per_stream.map_or_else(|| "any".to_owned(), |rate| (rate / 1_000_000).to_string()),
            few as f64 / 1048576.0,
            many as f64 / 1048576.0,
            report.seconds,
            size as f64 / 1e6 / report.seconds
        );
        good &= many <= if runs > 1 || matches!(direction, Direction::ToModelScope) { few + few / 20 } else { MEMORY_LIMIT };
    }
    good
}

/// No connection to a storage gets more.
fn throttle_streams(hubs: &Pair, rate: u64) {
    for dials in [hubs.hf.dials(), hubs.ms.dials()] {
        dials.each(|lane| {
            lane.set_download_per_stream(rate);
            lane.set_upload_per_stream(rate);
        });
    }
}

#[derive(Clone, Copy)]
enum Direction {
    ToModelScope,
    ToHuggingFace,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::ToModelScope => "ms",
            Self::ToHuggingFace => "hf",
        }
    }
}

/// One migration between two fresh hubs that keep hashes only.
fn run(direction: Direction, size: u64, part: Option<u64>, rate: Option<u64>) -> Report {
    run_with(direction, size, |hubs| {
        if let Some(part) = part {
            hubs.hf.behaviour(|behaviour| behaviour.part_size = part);
        }
        if let Some(rate) = rate {
            hubs.throttle(rate);
        }
    })
}

/// The same, with hubs that were turned somehow.
fn run_with(direction: Direction, size: u64, turn: impl FnOnce(&Pair)) -> Report {
    let hubs = Pair::start(Sink::HashOnly);
    let content = Content::generated(1, size);
    let source = match direction {
        Direction::ToModelScope => {
            hubs.hf.repo(RepoKind::Model, "alice/large").file("model.bin", content).commit("large");
            "hf:alice/large"
        }
        Direction::ToHuggingFace => {
            hubs.ms.repo(modelscope::RepoKind::Model, "alice/large").file("model.bin", content).commit("large");
            "ms:alice/large"
        }
    };
    turn(&hubs);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_hf2ms"));
    command.args(["migrate", source, "--json"]).env_clear().envs(hubs.environment()).stdin(Stdio::null()).stdout(Stdio::null());
    command.env("HF2MS_HOME", &home).env("HF2MS_RUNNER", "local");
    assert!(command.status().unwrap().success());
    let newest = std::fs::read_dir(home.join("migrations")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let report: Report = serde_json::from_slice(&std::fs::read(newest.join("report.json")).unwrap()).unwrap();
    std::fs::remove_dir_all(home).unwrap();
    assert_eq!(report.state, State::Verified);
    assert_eq!(hubs.broken_rules(), 0);
    report
}

fn parse_size(text: &str) -> u64 {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => 1,
    };
    digits.parse::<u64>().unwrap() * unit
}
