//! What happened: every request, every payload byte, every PUT.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Full records are kept for the last this many requests; counters for ever.
const KEPT_RECORDS: usize = 100_000;

/// One request and its answer. Paths carry no query, so no signature and no token.
#[derive(Clone, Debug)]
pub struct Record {
    /// Which origin was asked.
    pub origin: &'static str,
    /// The route's name.
    pub route: &'static str,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The status answered; 0 when the connection ended without one.
    pub status: u16,
    /// Body bytes received.
    pub bytes_in: u64,
    /// Body bytes sent; grows while an answer is under way.
    pub bytes_out: u64,
    /// When it began, since the stand-in started.
    pub at: Duration,
    /// How long until the answer's head.
    pub took: Duration,
    /// The client's `User-Agent`.
    pub agent: String,
}

/// Which way a route's payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Questions and answers.
    Talk,
    /// File bytes to storage.
    Upload,
    /// File bytes from the hub.
    Download,
}

#[derive(Debug, Default)]
struct RouteCount {
    requests: u64,
    failed: u64,
}

#[derive(Debug, Default)]
struct PutCount {
    started: u64,
    completed: u64,
}

#[derive(Debug, Default)]
struct State {
    routes: BTreeMap<&'static str, RouteCount>,
    records: VecDeque<(Record, Arc<AtomicU64>)>,
    puts: BTreeMap<(String, u32), PutCount>,
}

type Watcher = (u64, Box<dyn FnOnce() + Send>);

/// Payload bytes of one direction, with closures to run at given totals.
#[derive(Default)]
pub(crate) struct Meter {
    total: AtomicU64,
    next: AtomicU64,
    watchers: Mutex<Vec<Watcher>>,
}

impl Meter {
    pub(crate) fn add(&self, bytes: u64) {
        let total = self.total.fetch_add(bytes, Relaxed) + bytes;
        let next = self.next.load(Relaxed);
        if next != 0 && total >= next {
            self.run_due(total);
        }
    }

    fn run_due(&self, total: u64) {
        let mut watchers = self.watchers.lock().unwrap();
        let (due, later): (Vec<Watcher>, Vec<Watcher>) = watchers.drain(..).partition(|(at, _)| *at <= total);
        self.next.store(later.iter().map(|(at, _)| *at).min().unwrap_or(0), Relaxed);
        *watchers = later;
        drop(watchers);
        due.into_iter().for_each(|(_, call)| call());
    }

    fn watch(&self, at: u64, call: Box<dyn FnOnce() + Send>) {
        let mut watchers = self.watchers.lock().unwrap();
        watchers.push((at.max(1), call));
        self.next.store(watchers.iter().map(|(at, _)| *at).min().unwrap_or(0), Relaxed);
        drop(watchers);
        let total = self.total.load(Relaxed);
        if total >= at.max(1) {
            self.run_due(total);
        }
    }
}

/// The record of everything a stand-in was asked.
pub struct Journal {
    began: Instant,
    state: Mutex<State>,
    pub(crate) uploaded: Meter,
    pub(crate) downloaded: Meter,
}

impl Default for Journal {
    fn default() -> Self {
        Self { began: Instant::now(), state: Mutex::default(), uploaded: Meter::default(), downloaded: Meter::default() }
    }
}

impl Journal {
    /// How many requests came in on this route.
    pub fn requests(&self, route: &str) -> u64 {
        self.state.lock().unwrap().routes.get(route).map_or(0, |count| count.requests)
    }

    /// How many of them were answered with 400 or more, or not at all.
    pub fn failed(&self, route: &str) -> u64 {
        self.state.lock().unwrap().routes.get(route).map_or(0, |count| count.failed)
    }

    /// How many requests came in on all routes.
    pub fn total_requests(&self) -> u64 {
        self.state.lock().unwrap().routes.values().map(|count| count.requests).sum()
    }

    /// Requests by route.
    pub fn by_route(&self) -> BTreeMap<&'static str, u64> {
        self.state.lock().unwrap().routes.iter().map(|(route, count)| (*route, count.requests)).collect()
    }

    /// The last records, oldest first.
    pub fn records(&self) -> Vec<Record> {
        let state = self.state.lock().unwrap();
        let current = |(record, out): &(Record, Arc<AtomicU64>)| Record { bytes_out: out.load(Relaxed), ..record.clone() };
        state.records.iter().map(current).collect()
    }

    /// Payload bytes that reached storage, whether or not their PUT was completed.
    pub fn bytes_uploaded(&self) -> u64 {
        self.uploaded.total.load(Relaxed)
    }

    /// File bytes served.
    pub fn bytes_downloaded(&self) -> u64 {
        self.downloaded.total.load(Relaxed)
    }

    /// PUTs to storage that began.
    pub fn puts(&self) -> u64 {
        self.state.lock().unwrap().puts.values().map(|put| put.started).sum()
    }

    /// PUTs that began for this object, all parts together.
    pub fn puts_started(&self, oid: &str) -> u64 {
        self.sum_of(oid, |put| put.started)
    }

    /// PUTs that were completed for this object, all parts together.
    pub fn puts_completed(&self, oid: &str) -> u64 {
        self.sum_of(oid, |put| put.completed)
    }

    /// The objects and parts (0: whole) whose PUT was completed more than once. Empty means nothing was sent twice.
    pub fn sent_twice(&self) -> Vec<(String, u32)> {
        let state = self.state.lock().unwrap();
        state.puts.iter().filter(|(_, put)| put.completed > 1).map(|(key, _)| key.clone()).collect()
    }

    fn sum_of(&self, oid: &str, field: impl Fn(&PutCount) -> u64) -> u64 {
        let state = self.state.lock().unwrap();
        state.puts.range((oid.to_owned(), 0)..=(oid.to_owned(), u32::MAX)).map(|(_, put)| field(put)).sum()
    }

    /// Notes that a PUT of a part (0: the whole object) began.
    pub fn put_started(&self, oid: &str, part: u32) {
        self.state.lock().unwrap().puts.entry((oid.to_owned(), part)).or_default().started += 1;
    }

    /// Notes that it was completed.
    pub fn put_completed(&self, oid: &str, part: u32) {
        self.state.lock().unwrap().puts.entry((oid.to_owned(), part)).or_default().completed += 1;
    }

    /// Runs a closure once, on the server's thread, when `bytes_uploaded` reaches `at`.
    pub fn when_uploaded(&self, at: u64, call: Box<dyn FnOnce() + Send>) {
        self.uploaded.watch(at, call);
    }

    /// Runs a closure once, on the server's thread, when `bytes_downloaded` reaches `at`.
    pub fn when_downloaded(&self, at: u64, call: Box<dyn FnOnce() + Send>) {
        self.downloaded.watch(at, call);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn arrived(&self, route: &'static str) {
        self.state.lock().unwrap().routes.entry(route).or_default().requests += 1;
    }

    /// Files the record at the time of the answer's head, so that a client which has its answer finds it here.
    pub(crate) fn answered(&self, record: Record) -> Arc<AtomicU64> {
        let sent = Arc::new(AtomicU64::new(0));
        let mut state = self.state.lock().unwrap();
        if record.status == 0 || record.status >= 400 {
            state.routes.entry(record.route).or_default().failed += 1;
        }
        if state.records.len() == KEPT_RECORDS {
            state.records.pop_front();
        }
        state.records.push_back((record, Arc::clone(&sent)));
        sent
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("routes", &self.by_route()).finish_non_exhaustive()
    }
}
