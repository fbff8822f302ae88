//! Which worker is dead, which is slow, and who carries what it left: a state machine over time, without input or output of its own.
//!
//! The conductor tells it what it sees ([`Seen`]) and does what it says ([`Action`]). Whatever it is told, no two workers that may be alive
//! have the same blob: a replacement starts only after the engine said that the one before ended, and with no more than what the destination
//! said it lacks.

mod signals;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use signals::{Action, Because, Ending, GaveUp, Seen, WorkerId};

use crate::plan::rates::{ATTEMPTS, CONTAINER, INSIST, PIECE_PART, PIECES, REINFORCED, START};
use crate::plan::shard::{Blob, Shard, deal};
use watch::{Rate, Watch};

/// Blobs that nobody is known to have landed, by place.
type Left = BTreeMap<u32, Blob>;

/// A share that waits for a place.
#[derive(Debug)]
struct Piece {
    worker: WorkerId,
    left: Left,
    /// Workers that had it before.
    before: u32,
}

/// A container that may be alive.
#[derive(Debug)]
struct Carrier {
    /// Its blobs; empty for one that was found running: its shard's are in [`Fleet::shared`].
    left: Left,
    is_found: bool,
    before: u32,
    watch: Watch,
    /// Since when its end was last ordered.
    ending: Option<(Duration, Because)>,
}

/// The workers of one migration.
#[derive(Debug)]
pub struct Fleet {
    /// Places for workers as allowed, and as the engine has them.
    allowed: usize,
    most: usize,
    /// When the engine was last asked for more places than it had, and how often nobody was alive then.
    asked_for_more: Duration,
    refusals: u32,
    waiting: VecDeque<Piece>,
    carriers: BTreeMap<WorkerId, Carrier>,
    /// Blobs of shards that had workers when this conductor came: nobody here knows which of those workers has which.
    shared: BTreeMap<u32, Left>,
    /// What the destination is asked about, and how many workers had it.
    asked: BTreeMap<WorkerId, (Left, u32)>,
    attempts: BTreeMap<u32, u32>,
    /// What workers moved that ended well.
    past: Vec<Rate>,
}

impl Fleet {
    /// A fleet for these shards with at most so many workers at a time, 1 at least; of its own accord it takes a few more than shards, for
    /// what is cut again.
    ///
    /// `running` are the workers that are found alive: their shards wait until all of them have ended.
    pub fn new(shards: Vec<Shard>, most: u32, running: &[WorkerId]) -> Self {
        let reinforced = shards.len() + (shards.len() / REINFORCED).max(REINFORCED);
        let most = usize::try_from(most.max(1)).unwrap_or(usize::MAX).min(reinforced);
        let mut fleet = Self {
            allowed: most,
            most,
            asked_for_more: Duration::ZERO,
            refusals: 0,
            waiting: VecDeque::new(),
            carriers: BTreeMap::new(),
            shared: BTreeMap::new(),
            asked: BTreeMap::new(),
            attempts: BTreeMap::new(),
            past: Vec::new(),
        };
        for Shard { number, blobs } in shards {
            let left: Left = blobs.into_iter().map(|blob| (blob.place, blob)).collect();
            let found = running.iter().filter(|worker| worker.shard == number);
            let Some(last) = found.clone().map(|worker| worker.attempt).max() else {
                fleet.wait_for_place(number, left, 0);
                continue;
            };
            fleet.attempts.insert(number, last + 1);
            for worker in found {
                let watch = Watch::new(weight(&left));
                fleet.carriers.insert(*worker, Carrier { left: Left::new(), is_found: true, before: 0, watch, ending: None });
            }
            fleet.shared.insert(number, left);
        }
        fleet
    }

    /// Takes what was seen since the last step and says what to do. Call it every second or so; `now` never goes back.
    pub fn step(&mut self, now: Duration, seen: impl IntoIterator<Item = Seen>) -> Vec<Action> {
        let mut actions = Vec::new();
        for carrier in self.carriers.values_mut() {
            carrier.watch.listened(now);
        }
        for seen in seen {
            self.take(now, seen, &mut actions);
        }
        self.judge(now, &mut actions);
        if self.most < self.allowed && now >= self.asked_for_more + START {
            // what others had may be free by now
            self.asked_for_more = now;
            self.most += 1;
        }
        while self.carriers.len() < self.most {
            let Some(Piece { worker, left, before }) = self.waiting.pop_front() else { break };
            actions.push(Action::Start { worker, blobs: largest_first(&left) });
            let mut watch = Watch::new(weight(&left));
            watch.listened(now);
            self.carriers.insert(worker, Carrier { left, is_found: false, before, watch, ending: None });
        }
        actions
    }

    /// Whether nothing is left to wait for: every blob is known to be at the destination or given up. Workers may still be about to exit.
    pub fn is_finished(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty() && self.carriers.keys().all(|worker| self.left_of(*worker).is_none())
    }

    /// The workers that may be alive.
    pub fn living(&self) -> impl Iterator<Item = WorkerId> {
        self.carriers.keys().copied()
    }

    /// What a worker has left, when it has anything.
    fn left_of(&self, worker: WorkerId) -> Option<&Left> {
        let carrier = self.carriers.get(&worker)?;
        let left = if carrier.is_found { self.shared.get(&worker.shard)? } else { &carrier.left };
        (!left.is_empty()).then_some(left)
    }

    fn take(&mut self, now: Duration, seen: Seen, actions: &mut Vec<Action>) {
        match seen {
            Seen::Started(worker) => {
                self.refusals = 0;
                if let Some(carrier) = self.carriers.get_mut(&worker) {
                    carrier.watch.started(now);
                }
            }
            Seen::Refused(worker) => self.refused(now, worker, actions),
            Seen::Heard { worker, files, bytes } => {
                let left = self.left_of(worker).map_or(0, Left::len);
                if let Some(carrier) = self.carriers.get_mut(&worker) {
                    carrier.watch.heard(now, files, bytes, left);
                }
            }
            Seen::Landed { worker, place } => {
                if let Some(carrier) = self.carriers.get_mut(&worker) {
                    let left = if carrier.is_found { self.shared.get_mut(&worker.shard) } else { Some(&mut carrier.left) };
                    left.and_then(|left| left.remove(&place));
                }
            }
            Seen::Ended { worker, how } => self.ended(now, worker, how, actions),
            Seen::Missing { worker, places } => {
                let Some((mut left, before)) = self.asked.remove(&worker) else { return };
                let missing: Left = places.iter().filter_map(|place| left.remove_entry(place)).collect();
                self.replace(now, worker, missing, before, actions);
            }
        }
    }

    /// There are no more places than are taken now: it waits for one.
    fn refused(&mut self, now: Duration, worker: WorkerId, actions: &mut Vec<Action>) {
        let Some(Carrier { left, before, .. }) = self.carriers.remove(&worker) else { return };
        self.waiting.push_front(Piece { worker, left, before });
        self.most = self.carriers.len();
        self.asked_for_more = now;
        self.refusals += u32::from(self.carriers.is_empty());
        if self.refusals >= ATTEMPTS {
            let given_up = self.waiting.drain(..);
            actions.extend(given_up.map(|Piece { worker, left, .. }| Action::GiveUp {
                worker,
                blobs: largest_first(&left),
                because: GaveUp::NoPlace,
            }));
        }
    }

    fn ended(&mut self, now: Duration, worker: WorkerId, how: Ending, actions: &mut Vec<Action>) {
        let Some(carrier) = self.carriers.remove(&worker) else { return };
        if how == Ending::Done {
            self.past.extend(carrier.watch.life(now));
        }
        let left = if !carrier.is_found {
            carrier.left
        } else if self.carriers.iter().any(|(other, carrier)| other.shard == worker.shard && carrier.is_found) {
            return;
        } else {
            self.shared.remove(&worker.shard).unwrap_or_default()
        };
        if left.is_empty() {
            return;
        }
        let blobs = largest_first(&left);
        if how == Ending::Failed {
            return actions.push(Action::GiveUp { worker, blobs, because: GaveUp::Failed });
        }
        self.asked.insert(worker, (left, carrier.before + 1));
        actions.push(Action::Ask { worker, blobs });
    }

    /// Shares what is missing among as many replacements as it takes to be ready with the others.
    fn replace(&mut self, now: Duration, worker: WorkerId, missing: Left, before: u32, actions: &mut Vec<Action>) {
        if missing.is_empty() {
            return;
        }
        let blobs = largest_first(&missing);
        if before >= ATTEMPTS {
            return actions.push(Action::GiveUp { worker, blobs, because: GaveUp::Attempts });
        }
        let pieces = self.pieces(now, weight(&missing));
        for blobs in deal(blobs, pieces) {
            self.wait_for_place(worker.shard, blobs.into_iter().map(|blob| (blob.place, blob)).collect(), before);
        }
    }

    /// How many pieces: as few as are ready when the others are, if there are places for all of them now; else small ones.
    fn pieces(&self, now: Duration, weight: u64) -> u32 {
        let usual = self.usual(now);
        let alone = weight as f64 / usual;
        let others = self.expected_left(usual);
        let start = START.as_secs_f64();
        let free = self.most.saturating_sub(self.carriers.len() + self.waiting.len());
        let in_time = others - start;
        let piece =
            if in_time > 0.0 && free as f64 * in_time >= alone { in_time } else { (PIECE_PART * (now.as_secs_f64() + others)).max(start) };
        // between 1 and PIECES
        (alone / piece).ceil().clamp(1.0, f64::from(PIECES)) as u32
    }

    fn wait_for_place(&mut self, shard: u32, left: Left, before: u32) {
        let attempt = self.attempts.entry(shard).or_default();
        let worker = WorkerId { shard, attempt: *attempt };
        *attempt += 1;
        self.waiting.push_back(Piece { worker, left, before });
    }

    /// Ends who is slow or silent.
    fn judge(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for (worker, because) in self.suspects(now) {
            let last = self.carriers.get(&worker).is_some_and(|carrier| carrier.before + 1 >= ATTEMPTS);
            // nobody would come after it, and slow is better than not at all
            if because == Because::Slow && last {
                continue;
            }
            if let Some(carrier) = self.carriers.get_mut(&worker) {
                carrier.ending = Some((now, because));
                actions.push(Action::End { worker, because });
            }
        }
        for (worker, carrier) in &mut self.carriers {
            if let Some((since, because)) = &mut carrier.ending
                && now >= *since + INSIST
            {
                *since = now;
                actions.push(Action::End { worker: *worker, because: *because });
            }
        }
    }

    /// Weight a second that workers carry in the middle; [`CONTAINER`] while nobody knows.
    fn usual(&self, now: Duration) -> f64 {
        let living = self.carriers.values().filter_map(|carrier| carrier.watch.life(now));
        let rates = living.chain(self.past.iter().copied()).map(|rate| rate.rate);
        watch::middle(rates.collect()).filter(|rate| *rate > 0.0).unwrap_or(CONTAINER as f64)
    }

    /// Seconds until the last worker that is not being ended is through, if each carried as is usual.
    fn expected_left(&self, usual: f64) -> f64 {
        let staying = self.carriers.iter().filter(|(_, carrier)| carrier.ending.is_none());
        let left = staying.filter(|(worker, _)| self.left_of(**worker).is_some()).map(|(_, carrier)| carrier.watch.left());
        left.max().unwrap_or_default() as f64 / usual
    }
}

fn weight(left: &Left) -> u64 {
    left.values().map(Blob::weight).sum()
}

fn largest_first(left: &Left) -> Vec<Blob> {
    let mut blobs: Vec<_> = left.values().copied().collect();
    blobs.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    blobs
}

#[cfg(test)]
mod tests;
