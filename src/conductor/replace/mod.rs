//! Which worker is dead, which is slow, and who carries what it left: a state machine over time, without input or output of its own.
//!
//! The conductor tells it what it sees ([`Seen`]) and does what it says ([`Action`]). Whatever it is told, no two workers that may be alive
//! have the same blob: a replacement starts only after the engine said that the one before ended, and with no more than what the destination
//! said it lacks.

mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::plan::rates::{ATTEMPTS, CONTAINER, INSIST, PIECE_PART, PIECES, START};
use crate::plan::shard::{Blob, Shard, deal};
use watch::Watch;

/// One container's turn at a shard, or at a part of what is left of it. Its name is the lock: no second one of that name can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    /// The shard.
    pub shard: u32,
    /// Counts the containers of that shard from 0.
    pub attempt: u32,
}

impl WorkerId {
    /// The container's name; `destination` is the hash of the destination's address.
    pub fn name(self, destination: &str) -> String {
        format!("hf2ms-{destination}-{}-{}", self.shard, self.attempt)
    }
}

/// What the conductor sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The engine made the container, or it was running already.
    Started(WorkerId),
    /// The engine has no place for it now.
    Refused(WorkerId),
    /// The worker told how far it is.
    Heard {
        /// Who.
        worker: WorkerId,
        /// Files that are done.
        files: u64,
        /// Payload bytes sent.
        bytes: u64,
    },
    /// The worker told that a blob is at the destination.
    Landed {
        /// Who.
        worker: WorkerId,
        /// The blob's place.
        place: u32,
    },
    /// The engine says that the container is no more.
    Ended {
        /// Who.
        worker: WorkerId,
        /// How.
        how: Ending,
    },
    /// The destination answered to [`Action::Ask`].
    Missing {
        /// Whose blobs were asked about.
        worker: WorkerId,
        /// The places of those it lacks.
        places: Vec<u32>,
    },
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a report that says that all is carried.
    Done,
    /// Killed, evicted, out of memory, out of time, or with an error that another try may mend.
    Lost,
    /// With an error that no other try mends.
    Failed,
}

/// What the conductor is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a container that carries these.
    Start {
        /// Who.
        worker: WorkerId,
        /// Largest first.
        blobs: Vec<Blob>,
    },
    /// End a container. Told again as long as the engine does not say that it ended.
    End {
        /// Who.
        worker: WorkerId,
        /// Why.
        because: Because,
    },
    /// Ask the destination which of these it lacks.
    Ask {
        /// Who had them; it has ended.
        worker: WorkerId,
        /// Unknown to have landed.
        blobs: Vec<Blob>,
    },
    /// Nobody will carry these any more.
    GiveUp {
        /// Who had them last.
        worker: WorkerId,
        /// What was not carried.
        blobs: Vec<Blob>,
        /// Why.
        because: GaveUp,
    },
}

/// Why a worker is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It carries less than a quarter of what is usual.
    Slow,
    /// Nothing was heard of it.
    Silent,
}

/// Why blobs are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Their worker's error is one that no other try mends.
    Failed,
    /// [`ATTEMPTS`] workers had them.
    Attempts,
    /// The engine has no place for a single worker.
    NoPlace,
}

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
    /// Places for workers.
    most: usize,
    waiting: VecDeque<Piece>,
    carriers: BTreeMap<WorkerId, Carrier>,
    /// Blobs of shards that had workers when this conductor came: nobody here knows which of those workers has which.
    shared: BTreeMap<u32, Left>,
    /// What the destination is asked about, and how many workers had it.
    asked: BTreeMap<WorkerId, (Left, u32)>,
    attempts: BTreeMap<u32, u32>,
    /// Weight a second of workers that ended well.
    past: Vec<f64>,
}

impl Fleet {
    /// A fleet for these shards with at most so many workers at a time, 1 at least.
    ///
    /// `running` are the workers that are found alive: their shards wait until all of them have ended.
    pub fn new(shards: Vec<Shard>, most: u32, running: &[WorkerId]) -> Self {
        let mut fleet = Self {
            most: usize::try_from(most.max(1)).unwrap_or(usize::MAX),
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
                if let Some(carrier) = self.carriers.get_mut(&worker) {
                    carrier.watch.started(now);
                }
            }
            Seen::Refused(worker) => self.refused(worker, actions),
            Seen::Heard { worker, files, bytes } => {
                if let Some(carrier) = self.carriers.get_mut(&worker) {
                    carrier.watch.heard(now, files, bytes);
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

    /// There are no more places than are taken now; it waits for one of them.
    fn refused(&mut self, worker: WorkerId, actions: &mut Vec<Action>) {
        let Some(Carrier { left, before, .. }) = self.carriers.remove(&worker) else { return };
        if self.carriers.is_empty() {
            return actions.push(Action::GiveUp { worker, blobs: largest_first(&left), because: GaveUp::NoPlace });
        }
        self.most = self.carriers.len();
        self.waiting.push_front(Piece { worker, left, before });
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
        let piece = if in_time > 0.0 && free as f64 * in_time >= alone {
            in_time
        } else {
            (PIECE_PART * (now.as_secs_f64() + others)).max(start)
        };
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
        watch::middle(living.chain(self.past.iter().copied()).collect()).filter(|rate| *rate > 0.0).unwrap_or(CONTAINER as f64)
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
