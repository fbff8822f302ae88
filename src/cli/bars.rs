//! Progress: bars on a terminal, a line now and then otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{render, say};
use crate::progress::Progress;
use crate::protocol::State;

/// Between two lines when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Files shown at once.
const FILES: usize = 8;

/// Where the progress of one migration, or of several at a time, is shown.
pub(super) struct Board {
    terminal: Option<MultiProgress>,
    quiet: bool,
    files: usize,
}

impl Board {
    /// Bars if standard error is a terminal, with those of single files where one migration runs at a time. With `json` lines are left out too:
    /// only warnings remain.
    pub(super) fn new(json: bool, one_at_a_time: bool) -> Self {
        let terminal = (!json && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self { terminal, quiet: json, files: if one_at_a_time { FILES } else { 0 } }
    }

    /// Says something beside the bars.
    pub(super) fn say(&self, text: &str) {
        match &self.terminal {
            Some(all) => all.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// The progress of one migration, under this name; empty where there is no other one.
    pub(super) fn bars(&self, name: &str) -> Bars {
        let name = if name.is_empty() { String::new() } else { format!("{name} ") };
        let terminal = self.terminal.as_ref().map(|all| Terminal::new(all, &name, self.files));
        Bars { terminal, name, quiet: self.quiet, last_line: None, warned: 0 }
    }
}

/// How the progress of one migration is shown.
pub(super) struct Bars {
    terminal: Option<Terminal>,
    name: String,
    quiet: bool,
    last_line: Option<(Instant, State)>,
    warned: usize,
}

struct Terminal {
    all: MultiProgress,
    overall: ProgressBar,
    files: Vec<ProgressBar>,
    most: usize,
}

impl Bars {
    /// Those of a migration that runs by itself.
    pub(super) fn new(json: bool) -> Self {
        Board::new(json, true).bars("")
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        for warning in progress.warnings.iter().skip(self.warned) {
            self.say(&format!("{}warning: {warning}", self.name));
        }
        self.warned = progress.warnings.len();
        if let Some(terminal) = &mut self.terminal {
            terminal.show(progress);
        } else if !self.quiet {
            self.line(progress);
        }
    }

    /// Says something beside the bars.
    pub(super) fn say(&self, text: &str) {
        match &self.terminal {
            Some(terminal) => terminal.all.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn line(&mut self, progress: &Progress) {
        if progress.state.is_final() {
            return;
        }
        let due = self.last_line.is_none_or(|(at, state)| at.elapsed() >= LINE_EVERY || state != progress.state);
        if due && progress.files > 0 {
            self.last_line = Some((Instant::now(), progress.state));
            say(&format!("{}{}", self.name, render::line(progress)));
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.files.drain(..).for_each(|bar| bar.finish_and_clear());
            terminal.overall.finish_and_clear();
        }
    }
}

impl Terminal {
    fn new(all: &MultiProgress, name: &str, most: usize) -> Self {
        let overall = ProgressBar::new(0).with_style(style("{prefix}{bar:30} {decimal_bytes}/{decimal_total_bytes}  {msg}"));
        Self { overall: all.add(overall.with_prefix(name.to_owned())), all: all.clone(), files: Vec::new(), most }
    }

    fn show(&mut self, progress: &Progress) {
        self.overall.set_length(progress.bytes);
        self.overall.set_position(progress.position());
        self.overall.set_message(render::pace(progress));
        let flights = progress.in_flight.iter().take(self.most);
        let count = flights.clone().count();
        while self.files.len() < count {
            self.files
                .push(self.all.add(ProgressBar::new(0).with_style(style("  {bar:20} {decimal_bytes}/{decimal_total_bytes}  {wide_msg}"))));
        }
        for bar in self.files.drain(count..) {
            bar.finish_and_clear();
        }
        for (bar, flight) in self.files.iter().zip(flights) {
            bar.set_length(flight.size);
            bar.set_position(flight.done);
            bar.set_message(flight.path.to_string());
        }
    }
}

/// The templates are constants of this file; one that does not parse would show the default bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
