//! How fast a worker carries, from what is heard of it, and whether that is slow beside the others.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Because, Fleet, WorkerId};
use crate::plan::rates::{FILE_WEIGHT, HEARD, SILENT, SILENT_ALL, SLOW, SLOW_FOR, SLOW_PART, STILL, STREAMS};

/// An average over less than this says nothing.
const LEAST_LIFE: Duration = Duration::from_secs(10);

/// When it was heard, what it had carried, and how many blobs it had left.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    carried: u64,
    left: usize,
}

/// What a worker moves, and of how many blobs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Weight a second.
    pub(super) rate: f64,
    /// Blobs that it had when this began, as far as they fly at a time.
    blobs: f64,
}

impl Rate {
    fn new(since: Sample, carried: u64, time: Duration) -> Self {
        Self { rate: carried.saturating_sub(since.carried) as f64 / time.as_secs_f64(), blobs: at_a_time(since.left) }
    }

    /// What another one should move that has so many blobs left: as much, but no more of it than it has blobs.
    fn expected_of(self, blobs: f64) -> f64 {
        self.rate * (blobs / self.blobs).min(1.0)
    }
}

fn at_a_time(blobs: usize) -> f64 {
    (blobs as f64).clamp(1.0, f64::from(STREAMS))
}

/// What was heard of one worker.
#[derive(Debug)]
pub(super) struct Watch {
    /// What it had to carry.
    weight: u64,
    /// Since when it could have been heard.
    since: Option<Duration>,
    /// What was heard, newest last; the first is the newest of those older than any question.
    samples: VecDeque<Sample>,
    /// What was heard first.
    first: Option<Sample>,
    /// When it was first heard to have carried as much as now.
    grew: Option<Duration>,
}

impl Watch {
    pub(super) fn new(weight: u64) -> Self {
        Self { weight, since: None, samples: VecDeque::new(), first: None, grew: None }
    }

    /// Somebody listens to it, from the first time on that this is said.
    pub(super) fn listened(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Its container is there.
    pub(super) fn started(&mut self, now: Duration) {
        self.since = Some(now);
    }

    /// It told how far it is. What it carried counts as weight, so that many small files are as much as few large ones.
    pub(super) fn heard(&mut self, now: Duration, files: u64, bytes: u64, left: usize) {
        let carried = bytes.saturating_add(files.saturating_mul(FILE_WEIGHT));
        let sample = Sample { at: now, carried, left };
        self.since = Some(now);
        self.first.get_or_insert(sample);
        if self.samples.back().is_none_or(|last| carried > last.carried) {
            self.grew = Some(now);
        }
        match self.samples.back_mut() {
            // events may come faster than anybody asks
            Some(last) if last.at == now => *last = sample,
            _ => self.samples.push_back(sample),
        }
        let oldest = now.saturating_sub(SLOW_FOR.1);
        while self.samples.get(1).is_some_and(|sample| sample.at <= oldest) {
            self.samples.pop_front();
        }
    }

    /// How long nothing was heard of it.
    fn silent(&self, now: Duration) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// How long it has been heard without carrying anything.
    fn still(&self, now: Duration) -> Duration {
        self.grew.map_or(Duration::ZERO, |grew| now.saturating_sub(grew))
    }

    /// Weight that is left, as far as can be known.
    pub(super) fn left(&self) -> u64 {
        self.weight.saturating_sub(self.samples.back().map_or(0, |last| last.carried))
    }

    /// What it moves over its life.
    pub(super) fn life(&self, now: Duration) -> Option<Rate> {
        let (first, last) = (self.first?, self.samples.back()?);
        let time = now.saturating_sub(first.at);
        (time >= LEAST_LIFE).then(|| Rate::new(first, last.carried, time))
    }

    /// What it moved in the last `window`; `None` when it has not been heard for that long, or not lately.
    fn lately(&self, now: Duration, window: Duration) -> Option<Rate> {
        let from = now.checked_sub(window)?;
        let since = *self.samples.iter().rev().find(|sample| sample.at <= from)?;
        let last = self.samples.back()?;
        (self.silent(now) <= HEARD).then(|| Rate::new(since, last.carried, now.saturating_sub(since.at)))
    }
}

/// The one in the middle; of two, the greater one, so that of two workers the slow one can be told.
pub(super) fn middle(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

impl Fleet {
    /// Who is slow or silent, and not being ended yet.
    pub(super) fn suspects(&self, now: Duration) -> Vec<(WorkerId, Because)> {
        let window = self.patience(now);
        let staying = || self.carriers.iter().filter(|(_, carrier)| carrier.ending.is_none());
        let rates: Vec<_> = staying().filter_map(|(worker, carrier)| Some((*worker, carrier.watch.lately(now, window)?))).collect();
        let is_slow = |worker: WorkerId, own: Rate| {
            let left = at_a_time(self.left_of(worker)?.len());
            let all = rates.iter().map(|(_, rate)| *rate).chain(self.past.iter().copied());
            Some(own.rate < SLOW * middle(all.map(|rate| rate.expected_of(left)).collect())?)
        };
        let slow = rates.iter().filter(|(worker, rate)| is_slow(*worker, *rate).unwrap_or_default());
        let mut suspects: Vec<_> = slow.map(|(worker, _)| (*worker, Because::Slow)).collect();
        let silent = |limit| staying().filter(move |(_, carrier)| carrier.watch.silent(now) >= limit);
        let someone_is_heard = self.carriers.values().any(|carrier| carrier.watch.silent(now) <= HEARD && carrier.watch.first.is_some());
        let limit = if someone_is_heard { SILENT } else { SILENT_ALL };
        suspects.extend(silent(limit).map(|(worker, _)| (*worker, Because::Silent)));
        let still = staying().filter(|(_, carrier)| carrier.watch.still(now) >= STILL);
        suspects.extend(still.map(|(worker, _)| (*worker, Because::Still)));
        // one reason is enough
        suspects.sort_by_key(|(worker, _)| *worker);
        suspects.dedup_by_key(|(worker, _)| *worker);
        suspects
    }

    /// How long a worker must be slow: a tenth of what the whole is expected to take, within bounds.
    fn patience(&self, now: Duration) -> Duration {
        let whole = now.as_secs_f64() + self.expected_left(self.usual(now));
        let (least, most) = SLOW_FOR;
        Duration::from_secs_f64((whole * SLOW_PART).clamp(least.as_secs_f64(), most.as_secs_f64()))
    }
}
