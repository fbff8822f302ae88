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

/// How progress is shown.
pub(super) struct Bars {
    terminal: Option<Terminal>,
    quiet: bool,
    last_line: Option<(Instant, State)>,
    warned: usize,
}

struct Terminal {
    all: MultiProgress,
    overall: ProgressBar,
    files: Vec<ProgressBar>,
}

impl Bars {
    /// Bars if standard error is a terminal. With `json` lines are left out too: only warnings remain.
    pub(super) fn new(json: bool) -> Self {
        let terminal = (!json && std::io::stderr().is_terminal()).then(Terminal::new);
        Self { terminal, quiet: json, last_line: None, warned: 0 }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        for warning in progress.warnings.iter().skip(self.warned) {
            match &self.terminal {
                Some(terminal) => terminal.all.suspend(|| say(&format!("warning: {warning}"))),
                None => say(&format!("warning: {warning}")),
            }
        }
        self.warned = progress.warnings.len();
        if let Some(terminal) = &mut self.terminal {
            terminal.show(progress);
        } else if !self.quiet {
            self.line(progress);
        }
    }

    fn line(&mut self, progress: &Progress) {
        if progress.state.is_final() {
            return;
        }
        let due = self.last_line.is_none_or(|(at, state)| at.elapsed() >= LINE_EVERY || state != progress.state);
        if due && progress.files > 0 {
            self.last_line = Some((Instant::now(), progress.state));
            say(&render::line(progress));
        }
    }

    pub(super) fn clear(&mut self) {
        if let Some(terminal) = &self.terminal {
            // a closed terminal shows nothing anyway
            let _gone = terminal.all.clear();
        }
    }
}

impl Terminal {
    fn new() -> Self {
        let all = MultiProgress::new();
        let overall = all.add(ProgressBar::new(0).with_style(style("{bar:30} {decimal_bytes}/{decimal_total_bytes}  {msg}")));
        Self { all, overall, files: Vec::new() }
    }

    fn show(&mut self, progress: &Progress) {
        self.overall.set_length(progress.bytes);
        self.overall.set_position(progress.position());
        self.overall.set_message(render::pace(progress));
        let flights = progress.in_flight.iter().take(FILES);
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
