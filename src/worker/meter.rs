//! Counts what moves, for progress and the report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::protocol::InFlight;
use crate::repo::RepoPath;

/// Shared counters of one process.
#[derive(Debug, Default)]
pub struct Meter {
    moved: AtomicU64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
    next: AtomicU64,
    streams: AtomicU64,
    allowed: AtomicU64,
    flying: Mutex<BTreeMap<u64, Arc<Track>>>,
    elsewhere: Mutex<BTreeMap<(u32, u32), Elsewhere>>,
}

/// What another process told that moves for this one.
#[derive(Debug, Default)]
struct Elsewhere {
    moved: u64,
    streams: u64,
    allowed: u64,
    flying: u64,
    in_flight: Vec<InFlight>,
    ended: bool,
}

#[derive(Debug)]
struct Track {
    path: RepoPath,
    size: u64,
    done: AtomicU64,
}

/// A file that moves; gone from the list when dropped. What a broken try moved is still counted as moved, but not as progress.
#[derive(Debug)]
pub struct Flight {
    meter: Arc<Meter>,
    key: u64,
    track: Arc<Track>,
}

impl Meter {
    /// A file starts to move.
    pub fn takes_off(self: &Arc<Self>, path: &RepoPath, size: u64) -> Flight {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let track = Arc::new(Track { path: path.clone(), size, done: AtomicU64::new(0) });
        self.flying.lock().unwrap_or_else(PoisonError::into_inner).insert(key, track.clone());
        Flight { meter: self.clone(), key, track }
    }

    /// What was moved before this process began, and what of it others told that go on: they tell it again.
    pub fn moved_before(&self, bytes: u64, told: &[(u32, u32, u64)]) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere
            .extend(told.iter().map(|(shard, attempt, moved)| ((*shard, *attempt), Elsewhere { moved: *moved, ..Elsewhere::default() })));
    }

    /// Starts to count done files anew, for another plan. What moved has moved.
    pub fn restart(&self) {
        self.files_done.store(0, Ordering::Relaxed);
        self.bytes_done.store(0, Ordering::Relaxed);
    }

    /// So many transfers are in flight, of so many that may be.
    pub(super) fn set_streams(&self, flying: usize, allowed: usize) {
        self.streams.store(flying as u64, Ordering::Relaxed);
        self.allowed.store(allowed as u64, Ordering::Relaxed);
    }

    /// Transfers in flight, and how many may be, here and elsewhere.
    pub fn streams(&self) -> (u64, u64) {
        let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let own = (self.streams.load(Ordering::Relaxed), self.allowed.load(Ordering::Relaxed));
        elsewhere.values().fold(own, |(streams, allowed), other| (streams + other.streams, allowed + other.allowed))
    }

    /// Another process told how far it is: bytes since its beginning, transfers in flight and allowed, bytes of all files in flight, and a few
    /// of these. What it told before is replaced; bytes that were counted stay counted.
    pub fn told_elsewhere(&self, who: (u32, u32), moved: u64, (streams, allowed): (u64, u64), flying: u64, in_flight: Vec<InFlight>) {
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let other = elsewhere.entry(who).or_default();
        self.moved.fetch_add(moved.saturating_sub(other.moved), Ordering::Relaxed);
        *other = Elsewhere { moved: moved.max(other.moved), streams, allowed, flying, in_flight, ended: false };
    }

    /// A file of another process has landed, and it has not told yet how far it is without that one.
    pub fn landed_elsewhere(&self, who: (u32, u32), path: &RepoPath, size: u64) {
        let mut elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = elsewhere.get_mut(&who) {
            // all of it counts as done from now on, and no byte may count twice
            other.flying = other.flying.saturating_sub(size);
            other.in_flight.retain(|flight| flight.path != *path);
        }
    }

    /// Another process has ended: nothing flies there any more.
    pub fn ended_elsewhere(&self, who: (u32, u32)) {
        self.told_elsewhere(who, 0, (0, 0), 0, Vec::new());
        if let Some(other) = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&who) {
            other.ended = true;
        }
    }

    /// What other processes told that go on, as far as known.
    pub fn goes_on_elsewhere(&self) -> Vec<(u32, u32, u64)> {
        let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.iter().filter(|(_, other)| !other.ended).map(|((shard, attempt), other)| (*shard, *attempt, other.moved)).collect()
    }

    /// A file is done, moved or not.
    pub fn file_done(&self, size: u64) {
        self.files_done.fetch_add(1, Ordering::Relaxed);
        self.bytes_done.fetch_add(size, Ordering::Relaxed);
    }

    /// Bytes sent to the destination, those of broken tries included.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Files done, and their bytes.
    pub fn done(&self) -> (u64, u64) {
        (self.files_done.load(Ordering::Relaxed), self.bytes_done.load(Ordering::Relaxed))
    }

    /// Bytes sent of all files in flight, here and elsewhere.
    pub fn flying(&self) -> u64 {
        let own = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let own = own.values().map(|track| track.done.load(Ordering::Relaxed));
        own.chain(elsewhere.values().map(|other| other.flying)).sum()
    }

    /// The first few files in flight, the longest flying first; those of other processes after the own.
    pub fn in_flight(&self, most: usize) -> Vec<InFlight> {
        let flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |track: &Arc<Track>| InFlight { path: track.path.clone(), size: track.size, done: track.done.load(Ordering::Relaxed) };
        let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        let others = elsewhere.values().flat_map(|other| &other.in_flight).cloned();
        flying.values().map(own).chain(others).take(most).collect()
    }

    /// Counts bytes that travel inside a commit.
    pub fn moved_inline(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Flight {
    /// More bytes were handed to the destination.
    pub fn moved(&self, bytes: u64) {
        self.track.done.fetch_add(bytes, Ordering::Relaxed);
        self.meter.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A piece starts over.
    pub fn back(&self, bytes: u64) {
        self.track.done.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.meter.flying.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_elsewhere_is_counted_once_however_often_it_is_told() {
        let meter = Meter::default();
        meter.moved_inline(5);
        let flight = |done| vec![InFlight { path: RepoPath::new("a").unwrap(), size: 100, done }];
        meter.told_elsewhere((0, 0), 40, (8, 16), 40, flight(40));
        meter.told_elsewhere((1, 0), 7, (1, 2), 0, Vec::new());
        meter.told_elsewhere((0, 0), 40, (8, 16), 40, flight(40));
        assert_eq!((meter.moved(), meter.streams(), meter.in_flight(8).len()), (52, (9, 18), 1));
        assert_eq!(meter.goes_on_elsewhere(), [(0, 0, 40), (1, 0, 7)]);
        meter.ended_elsewhere((0, 0));
        assert_eq!(meter.goes_on_elsewhere(), [(1, 0, 7)]);
        // another process counts on
        let next = Meter::default();
        next.moved_before(meter.moved(), &meter.goes_on_elsewhere());
        next.told_elsewhere((1, 0), 10, (1, 2), 0, Vec::new());
        assert_eq!(next.moved(), 55, "three bytes more");
        // read once more from the beginning
        meter.told_elsewhere((0, 0), 10, (8, 16), 10, flight(10));
        assert_eq!(meter.moved(), 52);
        meter.ended_elsewhere((0, 0));
        assert_eq!((meter.streams(), meter.in_flight(8).len()), ((1, 2), 0));
    }

    #[test]
    fn bytes_in_flight_are_those_of_all_files_and_none_counts_twice_when_its_file_lands() {
        let meter = Arc::<Meter>::default();
        let own = meter.takes_off(&RepoPath::new("own").unwrap(), 50);
        own.moved(30);
        let path = RepoPath::new("a").unwrap();
        // of a hundred files one is named
        let named = vec![InFlight { path: path.clone(), size: 100, done: 90 }];
        meter.told_elsewhere((0, 0), 5_000, (32, 32), 5_000, named);
        let position = |meter: &Meter| meter.done().1 + meter.flying();
        assert_eq!((position(&meter), meter.in_flight(8).len()), (5_030, 2));
        meter.landed_elsewhere((0, 0), &path, 100);
        meter.file_done(100);
        assert_eq!((position(&meter), meter.in_flight(8).len()), (5_030, 1), "no more, before it tells");
        meter.told_elsewhere((0, 0), 5_010, (31, 32), 4_920, Vec::new());
        assert_eq!(position(&meter), 5_050);
        drop(own);
        meter.ended_elsewhere((0, 0));
        assert_eq!(meter.flying(), 0);
    }
}
