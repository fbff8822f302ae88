//! Where events go: one JSON object a line, written by a thread of its own, so that a reader that is slow or gone never stops the work.
//! Blobs that land share lines, because of a sandbox's output only so many are kept.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::fit;
use crate::protocol::{Event, Filling, LIST_LIMIT, LandedBlob, Report, What};
use crate::worker::Meter;

/// How often progress is told while something moves, and how long a blob that has landed waits for others to be told with.
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
    lines: Mutex<Lines>,
    waiting: Arc<AtomicUsize>,
    /// The first warnings, and how many there were.
    warnings: Mutex<(Vec<String>, u64)>,
}

/// The way to the writer.
struct Lines {
    /// The next event's number.
    next: u64,
    out: Sender<Vec<u8>>,
    /// Blobs that have landed and are not told yet.
    landed: Filling<LandedBlob>,
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
        let lines = Mutex::new(Lines { next: first, out: sender, landed: Filling::default() });
        (Self { shared: Arc::new(Shared { lines, waiting, warnings: Mutex::default() }) }, Writer { thread })
    }

    /// Sends one event, after all blobs that landed before it.
    pub fn send(&self, what: What) {
        if matches!(what, What::Progress { .. }) && self.shared.waiting.load(Ordering::Relaxed) > BACKLOG {
            return;
        }
        let mut lines = self.lines();
        self.tell_landed(&mut lines);
        self.write(&mut lines, what);
    }

    /// Tells of a blob that is at the destination: with others, as soon as they fill a line, a tick is over, or something else is to be told.
    pub(super) fn landed(&self, blob: LandedBlob) {
        let mut lines = self.lines();
        if let Some(blobs) = lines.landed.add(blob) {
            self.write(&mut lines, What::Blobs { blobs });
        }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of the blobs that wait.
    fn tell_landed(&self, lines: &mut Lines) {
        if let Some(blobs) = lines.landed.take() {
            self.write(lines, What::Blobs { blobs });
        }
    }

    fn write(&self, lines: &mut Lines, what: What) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let event = Event { seq: lines.next, at: u64::try_from(at).unwrap_or_default(), what };
        let Some(line) = fit::line(event) else { return };
        lines.next += 1;
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        // without a writer there is nobody to tell
        let _gone = lines.out.send(line);
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

    /// Tells what a meter shows, and which blobs have landed, for ever.
    pub(super) async fn tell(&self, meter: &Meter) {
        let mut quiet = 0;
        let mut last = (0, (0, 0));
        loop {
            tokio::time::sleep(TICK).await;
            self.tell_landed(&mut self.lines());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::LINE_LIMIT;
    use crate::repo::{Digests, RepoPath};

    /// A reader of all that is written.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        /// What was written, once nobody writes any more.
        fn read(self, events: Events, writer: Writer) -> Vec<Event> {
            drop(events);
            writer.finish();
            let bytes = self.0.lock().unwrap();
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            lines
                .map(|line| {
                    assert!(line.len() <= LINE_LIMIT, "{}", line.len());
                    serde_json::from_slice(line).unwrap()
                })
                .collect()
        }
    }

    fn blob(number: usize) -> LandedBlob {
        let path = RepoPath::new(format!("data/{number:05}.bin")).unwrap();
        LandedBlob { path, size: number as u64, digests: Digests::of(&number.to_le_bytes()), reused: number < 7 }
    }

    #[test]
    fn blobs_share_lines_keep_their_order_and_come_before_what_follows_them() {
        let page = Page::default();
        let (events, writer) = Events::into(page.clone());
        for number in 0..3_000 {
            events.landed(blob(number));
            if number == 1_234 {
                events.send(What::Committing { files: 1_235 });
            }
        }
        events.send(What::Verifying {});
        let told = page.read(events, writer);
        assert!(told.len() < 3_000 / 15, "{}", told.len());
        assert_eq!(told.iter().map(|event| event.seq).collect::<Vec<_>>(), (0..told.len() as u64).collect::<Vec<_>>());
        let mut landed = Vec::new();
        for event in &told {
            match &event.what {
                What::Blobs { blobs } => landed.extend(blobs.clone()),
                What::Committing { files } => assert_eq!(landed.len() as u64, *files),
                What::Verifying {} => assert_eq!(landed.len(), 3_000),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(landed, (0..3_000).map(blob).collect::<Vec<_>>());
        assert!(matches!(told.last(), Some(Event { what: What::Verifying {}, .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_blob_that_nothing_follows_waits_for_a_tick_and_no_longer() {
        let page = Page::default();
        let (events, writer) = Events::into(page.clone());
        let meter = Meter::default();
        events.landed(blob(1));
        events.landed(blob(2));
        // nothing moves, so of progress nothing is told yet
        let _endless = tokio::time::timeout(TICK + TICK / 2, events.tell(&meter)).await;
        events.landed(blob(3));
        let told = page.read(events, writer);
        let [Event { what: What::Blobs { blobs }, .. }] = &told[..] else { panic!("{told:?}") };
        assert_eq!(blobs, &[blob(1), blob(2)]);
    }
}
