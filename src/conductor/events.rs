//! Where events go: one JSON object a line, written by a thread of its own, so that a reader that is slow or gone never stops the work.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::fit;
use crate::protocol::{Event, LIST_LIMIT, Report, What};
use crate::worker::Meter;

/// How often progress is told while something moves.
const TICK: Duration = Duration::from_secs(1);
/// How often it is told while nothing does, in ticks, so that silence means death (a heartbeat at least every 15 s).
const HEARTBEAT: u32 = 10;
/// How many of the files in flight are named.
const NAMED: usize = 8;
/// Progress is dropped while more lines than this wait to be written.
const BACKLOG: usize = 1000;
/// How long the end waits for a reader that does not read.
const FLUSH: Duration = Duration::from_secs(20);

/// Sends events. Cloning shares the stream and its numbering.
#[derive(Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

struct Shared {
    /// The next number, and the way to the writer.
    lines: Mutex<(u64, Sender<Vec<u8>>)>,
    waiting: Arc<AtomicUsize>,
    /// The first warnings, and how many there were.
    warnings: Mutex<(Vec<String>, u64)>,
}

/// The writing thread.
pub struct Writer {
    thread: JoinHandle<()>,
}

impl Events {
    /// Events into this writer, counted from 0.
    pub fn into(out: impl Write + Send + 'static) -> (Self, Writer) {
        Self::counted_from(0, out)
    }

    /// The same, counted from a number.
    pub fn counted_from(first: u64, out: impl Write + Send + 'static) -> (Self, Writer) {
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = waiting.clone();
        let thread = std::thread::spawn(move || write_all(out, &receiver, &counter));
        (Self { shared: Arc::new(Shared { lines: Mutex::new((first, sender)), waiting, warnings: Mutex::default() }) }, Writer { thread })
    }

    /// Sends one event.
    pub fn send(&self, what: What) {
        if matches!(what, What::Progress { .. }) && self.shared.waiting.load(Ordering::Relaxed) > BACKLOG {
            return;
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event { seq: lines.0, at: u64::try_from(at).unwrap_or_default(), what };
        let Some(line) = fit::line(event) else { return };
        lines.0 += 1;
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        // without a writer there is nobody to tell
        let _gone = lines.1.send(line);
    }

    /// Says something the user should know.
    pub fn warn(&self, message: impl Into<String>) {
        let message = message.into();
        let mut warnings = self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.0.len() < LIST_LIMIT {
            warnings.0.push(message.clone());
        }
        warnings.1 += 1;
        drop(warnings);
        self.send(What::Warning { message });
    }

    /// A way to say something for whoever may outlive these events; then it goes unsaid.
    pub fn faintly(&self) -> impl Fn(String) + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move |message| {
            if let Some(shared) = shared.upgrade() {
                Self { shared }.warn(message);
            }
        }
    }

    /// Tells what a meter shows, for ever.
    pub(super) async fn tell(&self, meter: &Meter) {
        let mut quiet = 0;
        let mut last = (0, (0, 0));
        loop {
            tokio::time::sleep(TICK).await;
            let now = (meter.moved(), meter.done());
            quiet = if now == last { quiet + 1 } else { HEARTBEAT };
            last = now;
            if quiet >= HEARTBEAT {
                quiet = 0;
                let (files_done, bytes_done) = now.1;
                let (streams, allowed) = meter.streams();
                let (flying, in_flight) = (meter.flying(), meter.in_flight(NAMED));
                self.send(What::Progress { moved: now.0, files_done, bytes_done, streams, allowed, flying, in_flight });
            }
        }
    }

    /// Adds the first warnings to a report, sends it as the last word, and gives it back.
    pub(super) fn finish(&self, mut report: Report) -> Report {
        let (warnings, count) = self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        report.warnings.extend(warnings);
        report.warnings.truncate(LIST_LIMIT);
        report.warnings_count += count;
        self.send(What::Report(report.clone()));
        report
    }
}

/// A closed output does not end the work: then lines are only counted off.
fn write_all(mut out: impl Write, lines: &Receiver<Vec<u8>>, waiting: &AtomicUsize) {
    let mut open = true;
    for line in lines {
        if open {
            open = out.write_all(&line).and_then(|()| out.flush()).is_ok();
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Writer {
    /// Waits until everything is written, or nobody reads it for too long. Every [`Events`] must be dropped before.
    pub fn finish(self) {
        let started = Instant::now();
        while !self.thread.is_finished() && started.elapsed() < FLUSH {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
