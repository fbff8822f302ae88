//! What came of all runs: medians, a line for every tool of a case, and whether the promises hold.

use serde::Serialize;

use crate::measure::Measured;
use crate::options::{Case, Tool};
use crate::shores::Seen;

/// CPU of hf2ms by that of the relay, for files whose bytes are what takes the time.
const CPU_LIMIT: f64 = 1.25;
/// With both sides throttled: so much longer than the slower side alone must take …
const THROTTLED_FACTOR: f64 = 1.05;
/// … and so many seconds for what happens before and after.
const THROTTLED_SECONDS: f64 = 3.0;

/// One run of one tool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) case: Case,
    pub(crate) tool: Tool,
    pub(crate) number: usize,
    pub(crate) measured: Measured,
    pub(crate) seen: Seen,
    /// Why it does not count.
    pub(crate) failed: Option<String>,
}

/// All runs of one tool in one case.
struct Line<'r> {
    tool: Tool,
    runs: Vec<&'r Run>,
}

impl<'r> Line<'r> {
    fn of(runs: &'r [Run], case: &Case, tool: Tool) -> Self {
        Self { tool, runs: runs.iter().filter(|run| run.case == *case && run.tool == tool).collect() }
    }

    fn failure(&self) -> Option<&str> {
        if self.runs.is_empty() {
            return Some("not run");
        }
        self.runs.iter().find_map(|run| run.failed.as_deref())
    }

    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(|run| of(run)).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
    }

    fn seconds(&self) -> f64 {
        self.median(|run| run.measured.seconds)
    }

    fn cpu(&self) -> f64 {
        self.median(|run| run.measured.cpu_seconds)
    }
}

pub(crate) fn print_head() {
    println!(
        "{:<6} {:<6} {:>8} {:<7} {:>9} {:>8} {:>9} {:>9} {:>10} {:>9} {:>8} {:>9} {:>9}",
        "row",
        "way",
        "MB/s cap",
        "tool",
        "seconds",
        "MB/s",
        "CPU s/GB",
        "peak MB",
        "disk MB",
        "requests",
        "commits",
        "hubs s/GB",
        "× hf2ms"
    );
}

pub(crate) fn print_case(runs: &[Run], case: &Case, tools: &[Tool]) {
    let ours = Line::of(runs, case, Tool::Hf2ms);
    for line in tools.iter().map(|tool| Line::of(runs, case, *tool)) {
        let cap = case.throttle.map_or_else(|| "none".to_owned(), |rate| (rate / 1_000_000).to_string());
        print!("{:<6} {:<6} {cap:>8} {:<7} ", case.row.name(), case.direction.name(), line.tool.name());
        if let Some(why) = line.failure() {
            println!("failed: {why}");
            continue;
        }
        let bytes = case.bytes() as f64;
        let ratio = if ours.failure().is_none() { format!("{:.2}", line.seconds() / ours.seconds()) } else { "-".to_owned() };
        println!(
            "{:>9.2} {:>8.0} {:>9.2} {:>9.1} {:>10.1} {:>9.0} {:>8.0} {:>9.2} {ratio:>9}",
            line.seconds(),
            bytes / 1e6 / line.seconds(),
            line.cpu() / (bytes / 1e9),
            line.median(|run| run.measured.peak_rss as f64) / 1e6,
            line.median(|run| run.measured.disk_written as f64) / 1e6,
            line.median(|run| run.seen.requests as f64),
            line.median(|run| run.seen.commits as f64),
            line.median(|run| run.seen.cpu_seconds) / (bytes / 1e9),
        );
    }
}

/// Says which promises hold, with the figures of those that do not; whether all do.
pub(crate) fn verdict(runs: &[Run], cases: &[Case], tools: &[Tool]) -> bool {
    let mut promises = [
        Promise::new("every tool that ended well left the right bytes, and hf2ms broke no rule of the hubs"),
        Promise::new("hf2ms is ahead of its rivals in every case"),
        Promise::new("hf2ms takes at most 1.25 times the relay's CPU for large files"),
        Promise::new("throttled, hf2ms takes at most 1.05 × the slower side + 3 s for large files"),
    ];
    for run in runs {
        promises[0].check(run, run.measured.code != Some(0) || run.failed.is_none(), || run.failed.clone().unwrap_or_default());
    }
    for case in cases {
        let ours = Line::of(runs, case, Tool::Hf2ms);
        if let Some(why) = ours.failure() {
            if tools.contains(&Tool::Hf2ms) {
                promises[1].broken(case, &format!("hf2ms failed: {why}"));
            }
            continue;
        }
        for rival in tools.iter().filter(|tool| tool.is_rival()).map(|tool| Line::of(runs, case, *tool)) {
            match rival.failure() {
                // who does not arrive is not ahead
                Some(why) => promises[1].note(case, &format!("{} failed: {why}", rival.tool.name())),
                None => promises[1].hold(case, ours.seconds() < rival.seconds(), || {
                    format!("{:.2} s, {} {:.2} s", ours.seconds(), rival.tool.name(), rival.seconds())
                }),
            }
        }
        let relay = Line::of(runs, case, Tool::Relay);
        match relay.failure() {
            _ if !case.row.is_large() || !tools.contains(&Tool::Relay) => {}
            Some(why) => promises[2].broken(case, &format!("the relay failed: {why}")),
            None => {
                let times = ours.cpu() / relay.cpu();
                promises[2].hold(case, times <= CPU_LIMIT, || format!("{times:.2} times"));
            }
        }
        if let Some(rate) = case.throttle {
            let limit = THROTTLED_FACTOR * case.bytes() as f64 / rate as f64 + THROTTLED_SECONDS;
            let figures = || format!("{:.2} s, limit {limit:.2} s", ours.seconds());
            if case.row.is_large() {
                promises[3].hold(case, ours.seconds() <= limit, figures);
            } else if ours.seconds() > limit {
                // requests take the time of small files, and no cap makes them dearer: said, not held against it
                promises[3].note(case, &figures());
            }
        }
    }
    promises.iter().for_each(Promise::print);
    promises.iter().all(|promise| promise.broken.is_empty())
}

struct Promise {
    text: &'static str,
    checked: usize,
    broken: Vec<String>,
    notes: Vec<String>,
}

impl Promise {
    fn new(text: &'static str) -> Self {
        Self { text, checked: 0, broken: Vec::new(), notes: Vec::new() }
    }

    fn check(&mut self, run: &Run, holds: bool, figures: impl FnOnce() -> String) {
        self.hold(&run.case, holds, || format!("{}: {}", run.tool.name(), figures()));
    }

    fn hold(&mut self, case: &Case, holds: bool, figures: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.broken(case, &figures());
        }
    }

    fn broken(&mut self, case: &Case, figures: &str) {
        self.broken.push(line(case, figures));
    }

    fn note(&mut self, case: &Case, text: &str) {
        self.notes.push(line(case, text));
    }

    fn print(&self) {
        let word = match (self.broken.is_empty(), self.checked) {
            (false, _) => "no",
            (true, 0) => "not measured",
            (true, _) => "yes",
        };
        println!("{}: {word}", self.text);
        self.broken.iter().chain(&self.notes).for_each(|line| println!("  {line}"));
    }
}

fn line(case: &Case, text: &str) -> String {
    let cap = case.throttle.map_or_else(|| "no cap".to_owned(), |rate| format!("{} MB/s", rate / 1_000_000));
    format!("{} {} {cap}: {text}", case.row.name(), case.direction.name())
}
