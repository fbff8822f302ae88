//! What a test may turn while the stand-in runs: bandwidth and latency, per origin.
//!
//! What belongs to one hub alone (part sizes, page sizes, doubtful behaviours) is dialled in that hub's own room.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The dials of every origin.
#[derive(Debug)]
pub struct Dials {
    lanes: Vec<(&'static str, Lane)>,
}

impl Dials {
    /// Everything unlimited and immediate.
    pub fn new(origins: &[&'static str]) -> Self {
        Self { lanes: origins.iter().map(|origin| (*origin, Lane::default())).collect() }
    }

    /// The dials of one origin. Panics when there is no such origin.
    pub fn origin(&self, origin: &str) -> &Lane {
        let lane = self.lanes.iter().find(|(name, _)| *name == origin);
        &lane.unwrap_or_else(|| panic!("no origin `{origin}`")).1
    }

    /// Turns the dials of every origin.
    pub fn each(&self, mut turn: impl FnMut(&Lane)) {
        self.lanes.iter().for_each(|(_, lane)| turn(lane));
    }
}

/// The dials of one origin. Rates are bytes a second; 0 means unlimited.
#[derive(Debug, Default)]
pub struct Lane {
    download_per_stream: AtomicU64,
    download_per_host: AtomicU64,
    upload_per_stream: AtomicU64,
    upload_per_host: AtomicU64,
    latency_micros: AtomicU64,
    capacity: AtomicU64,
    busy: AtomicU64,
    downloads: Bucket,
    uploads: Bucket,
}

impl Lane {
    /// Limits each answer's body.
    pub fn set_download_per_stream(&self, bytes_per_second: u64) {
        self.download_per_stream.store(bytes_per_second, Relaxed);
    }

    /// Limits all answers' bodies together.
    pub fn set_download_per_host(&self, bytes_per_second: u64) {
        self.download_per_host.store(bytes_per_second, Relaxed);
    }

    /// Limits each request's body.
    pub fn set_upload_per_stream(&self, bytes_per_second: u64) {
        self.upload_per_stream.store(bytes_per_second, Relaxed);
    }

    /// Limits all requests' bodies together.
    pub fn set_upload_per_host(&self, bytes_per_second: u64) {
        self.upload_per_host.store(bytes_per_second, Relaxed);
    }

    /// Serves so many transfers at once and answers the next one 503; 0 means any number.
    pub fn set_capacity(&self, transfers: u64) {
        self.capacity.store(transfers, Relaxed);
    }

    /// Transfers being served.
    pub fn busy(&self) -> u64 {
        self.busy.load(Relaxed)
    }

    /// Takes one more transfer, if there is room. Whoever was taken calls [`Lane::leave`] in the end.
    pub(crate) fn enter(&self) -> bool {
        let before = self.busy.fetch_add(1, Relaxed);
        let capacity = self.capacity.load(Relaxed);
        let fits = capacity == 0 || before < capacity;
        if !fits {
            self.leave();
        }
        fits
    }

    pub(crate) fn leave(&self) {
        self.busy.fetch_sub(1, Relaxed);
    }

    /// Delays every answer.
    pub fn set_latency(&self, latency: Duration) {
        self.latency_micros.store(latency.as_micros() as u64, Relaxed);
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Relaxed))
    }

    /// The largest chunk that still flows evenly at the present download rate.
    pub(crate) fn download_chunk(&self) -> usize {
        let slowest = [&self.download_per_stream, &self.download_per_host].map(|rate| rate.load(Relaxed));
        let rate = slowest.into_iter().filter(|rate| *rate > 0).min().unwrap_or(u64::MAX);
        (rate / 20).clamp(4 << 10, 512 << 10) as usize
    }

    /// How long a chunk of an answer has to wait for its turn.
    pub(crate) fn download_wait(&self, stream: &Bucket, bytes: usize) -> Option<Duration> {
        let own = stream.reserve(bytes, self.download_per_stream.load(Relaxed));
        own.max(self.downloads.reserve(bytes, self.download_per_host.load(Relaxed)))
    }

    /// How long to wait after a chunk of a request before reading on.
    pub(crate) fn upload_wait(&self, stream: &Bucket, bytes: usize) -> Option<Duration> {
        let own = stream.reserve(bytes, self.upload_per_stream.load(Relaxed));
        own.max(self.uploads.reserve(bytes, self.upload_per_host.load(Relaxed)))
    }
}

/// A token bucket kept as the time at which the line is free again.
#[derive(Debug, Default)]
pub(crate) struct Bucket(Mutex<Option<Instant>>);

/// An idle line may catch up this much; also covers the timer's coarseness.
const BURST: Duration = Duration::from_millis(50);
/// Shorter waits are not worth a timer of one millisecond's grain; the next reservation includes them.
const GRAIN: Duration = Duration::from_millis(2);

impl Bucket {
    fn reserve(&self, bytes: usize, rate: u64) -> Option<Duration> {
        if rate == 0 {
            return None;
        }
        let now = Instant::now();
        let mut free_at = self.0.lock().unwrap();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let start = free_at.map_or(now, |at| at.max(earliest));
        let end = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *free_at = Some(end);
        end.checked_duration_since(now).filter(|wait| *wait >= GRAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_as_many_as_it_serves() {
        let lane = Lane::default();
        assert!(lane.enter() && lane.enter());
        lane.set_capacity(2);
        assert!(!lane.enter());
        lane.leave();
        assert!(lane.enter());
        assert_eq!(lane.busy(), 2);
    }

    #[test]
    fn an_unlimited_lane_never_waits_and_a_limited_one_does() {
        let dials = Dials::new(&["api"]);
        let lane = dials.origin("api");
        let stream = Bucket::default();
        assert_eq!(lane.download_wait(&stream, 1 << 30), None);
        lane.set_download_per_host(1_000_000);
        let wait = lane.download_wait(&stream, 1_000_000).unwrap();
        assert!(wait > Duration::from_millis(900), "{wait:?}");
        assert!(lane.download_wait(&Bucket::default(), 1_000_000).unwrap() > wait, "streams share the host");
    }
}
