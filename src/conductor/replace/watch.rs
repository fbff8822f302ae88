//! How fast a worker carries, from what is heard of it, and whether that is slow beside the others.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Because, Fleet, WorkerId};
use crate::plan::rates::{FILE_WEIGHT, HEARD, SILENT, SILENT_ALL, SLOW, SLOW_FOR, SLOW_PART, STILL, STREAMS};

/// An average over less than this says nothing.
const LEAST_LIFE: Duration = Duration::from_secs(10);

/// What was heard of one worker.
#[derive(Debug)]
pub(super) struct Watch {
    /// What it had to carry.
    weight: u64,
    /// Since when it could have been heard.
    since: Option<Duration>,
    /// What it had carried when, newest last; the first is the newest of those older than any question.
    samples: VecDeque<(Duration, u64)>,
    /// When it was first heard, and what it had carried then.
    first: Option<(Duration, u64)>,
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
    pub(super) fn heard(&mut self, now: Duration, files: u64, bytes: u64) {
        let carried = bytes.saturating_add(files.saturating_mul(FILE_WEIGHT));
        self.since = Some(now);
        self.first.get_or_insert((now, carried));
        if self.samples.back().is_none_or(|(_, last)| carried > *last) {
            self.grew = Some(now);
        }
        match self.samples.back_mut() {
            // events may come faster than anybody asks
            Some((at, last)) if *at == now => *last = carried,
            _ => self.samples.push_back((now, carried)),
        }
        let oldest = now.saturating_sub(SLOW_FOR.1);
        while self.samples.get(1).is_some_and(|(at, _)| *at <= oldest) {
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
        self.weight.saturating_sub(self.samples.back().map_or(0, |(_, carried)| *carried))
    }

    /// Weight a second over its life.
    pub(super) fn life(&self, now: Duration) -> Option<f64> {
        let ((since, before), (_, carried)) = (self.first?, *self.samples.back()?);
        rate(now.saturating_sub(since), LEAST_LIFE, carried.saturating_sub(before))
    }

    /// Weight a second over the last `window`; `None` when it has not been heard for that long, or not lately.
    fn lately(&self, now: Duration, window: Duration) -> Option<f64> {
        let from = now.checked_sub(window)?;
        let (since, before) = *self.samples.iter().rev().find(|(at, _)| *at <= from)?;
        let (_, carried) = *self.samples.back()?;
        if self.silent(now) > HEARD { None } else { rate(now.saturating_sub(since), window, carried.saturating_sub(before)) }
    }
}

fn rate(time: Duration, least: Duration, carried: u64) -> Option<f64> {
    (time >= least && !time.is_zero()).then(|| carried as f64 / time.as_secs_f64())
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
        let compared: Vec<_> = rates.iter().map(|(_, rate)| *rate).chain(self.past.iter().copied()).collect();
        let enough = compared.len() > 1;
        let usual = middle(compared).filter(|_| enough).unwrap_or_default();
        let slow = rates.into_iter().filter(|(worker, rate)| self.could(*worker).is_some_and(|could| rate / could < usual * SLOW));
        let mut suspects: Vec<_> = slow.map(|(worker, _)| (worker, Because::Slow)).collect();
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

    /// The part of a container's rate that a worker's blobs allow: the last few files of a shard, or a single large one, do not fill it.
    /// `None` when it has none left.
    fn could(&self, worker: WorkerId) -> Option<f64> {
        let left = self.left_of(worker)?.len();
        Some((left as f64 / f64::from(STREAMS)).min(1.0))
    }

    /// How long a worker must be slow: a tenth of what the whole is expected to take, within bounds.
    fn patience(&self, now: Duration) -> Duration {
        let whole = now.as_secs_f64() + self.expected_left(self.usual(now));
        let (least, most) = SLOW_FOR;
        Duration::from_secs_f64((whole * SLOW_PART).clamp(least.as_secs_f64(), most.as_secs_f64()))
    }
}
