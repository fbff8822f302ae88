//! Workers in virtual time: the shards and the policy are those of the program, everything around them is arithmetic.
//!
//! A file takes [`FILE`], half more or less, on its stream and then flows. The streams of a container share its rate, no stream is faster
//! than [`STREAM`], no more flow than fill the container, because the real worker's pace finds that out, and where all containers together
//! are faster than the destination takes, all are held back alike. Time goes from one such event to the next;
//! the conductor looks once a second.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::time::Duration;

use hf2ms::conductor::replace::{Action, Ending, Fleet, Seen, WorkerId};
use hf2ms::plan::rates::{CONTAINER, DESTINATION, FILE, START, STREAM, STREAMS};
use hf2ms::plan::shard::{Blob, Shard};

/// From the order to end a container to its end.
const END: f64 = 5.0;
/// From a container's end until the conductor knows.
const KNOWN: f64 = 2.0;
/// Where a run that has no end is broken off.
const NEVER: f64 = 1e6;

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) shards: Vec<Shard>,
    /// Places for workers.
    pub(crate) most: u32,
    /// Who becomes slow, when, and the part of its speed that is left.
    pub(crate) slow: Vec<(WorkerId, f64, f64)>,
    /// When a worker dies, and which of those that live then.
    pub(crate) deaths: Vec<(f64, usize)>,
    /// Containers that the engine makes at a time, where that is fewer than [`World::most`].
    pub(crate) engine: u32,
    /// Bytes a second that the destination takes from all.
    pub(crate) destination: u64,
}

impl World {
    /// A world where all goes well.
    pub(crate) fn calm(shards: Vec<Shard>, most: u32) -> Self {
        Self { shards, most, slow: Vec::new(), deaths: Vec::new(), engine: u32::MAX, destination: DESTINATION }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Seconds until nothing was left to wait for; `None` when that never came.
    pub(crate) makespan: Option<f64>,
    /// Blobs at the destination.
    pub(crate) landed: BTreeSet<u32>,
    /// Bytes sent, for nothing included.
    pub(crate) moved: f64,
    /// Containers started.
    pub(crate) started: u32,
    /// Containers alive at a time.
    pub(crate) most: usize,
    /// Blobs that were given up.
    pub(crate) given_up: BTreeSet<u32>,
    /// Blobs that a worker was started with while another one that was alive had them.
    pub(crate) doubled: BTreeSet<u32>,
}

/// A point in time that can be ordered.
#[derive(Clone, Copy, PartialEq)]
struct At(f64);

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

struct Machine {
    ready: f64,
    ends: Option<f64>,
    slow: Option<(f64, f64)>,
    waiting: VecDeque<Blob>,
    /// Until when calls are made for a file.
    calling: BinaryHeap<Reverse<(At, Blob)>>,
    /// How many of those are large.
    large: usize,
    /// At which bytes a stream a file is through.
    flowing: BinaryHeap<Reverse<(At, Blob)>>,
    /// Bytes each stream has moved since the start.
    each: f64,
    moved: f64,
    files: u64,
    /// Landed since the conductor last looked.
    news: Vec<u32>,
}

impl Machine {
    fn speed(&self, now: f64) -> f64 {
        self.slow.filter(|(from, _)| now >= *from).map_or(1.0, |(_, speed)| speed)
    }

    /// Bytes a second that each of its streams could have.
    fn stream(&self, now: f64) -> f64 {
        (CONTAINER as f64 / self.flowing.len().max(1) as f64).min(STREAM as f64) * self.speed(now)
    }

    fn take_off(&mut self, now: f64) {
        let fill = (CONTAINER.div_ceil(STREAM) * 5 / 4) as usize;
        while self.calling.len() + self.flowing.len() < STREAMS as usize && self.flowing.len() + self.large < fill {
            let Some(blob) = self.waiting.pop_front() else { break };
            self.large += usize::from(is_large(&blob));
            // a file's own share of chance, or all streams would call at once and flow at once
            let chance = 0.5 + f64::from(blob.place.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX);
            self.calling.push(Reverse((At(now + FILE.as_secs_f64() * chance / self.speed(now)), blob)));
        }
    }

    fn is_through(&self) -> bool {
        self.waiting.is_empty() && self.calling.is_empty() && self.flowing.is_empty()
    }

    /// When something changes in it, if its streams have so many bytes a second.
    fn next(&self, now: f64, stream: f64) -> f64 {
        let ready = if self.ready > now { self.ready } else { f64::INFINITY };
        let call = self.calling.peek().map_or(f64::INFINITY, |Reverse((at, _))| at.0);
        let through = self.flowing.peek().map_or(f64::INFINITY, |Reverse((bytes, _))| now + (bytes.0 - self.each).max(0.0) / stream);
        ready.min(call).min(through).min(self.ends.unwrap_or(f64::INFINITY))
    }
}

/// Whether it flows for longer than it calls.
fn is_large(blob: &Blob) -> bool {
    blob.size > STREAM * FILE.as_secs()
}

struct Run<'a> {
    world: &'a World,
    now: f64,
    fleet: Fleet,
    machines: BTreeMap<WorkerId, Machine>,
    /// What the conductor will see, and when.
    seen: Vec<(f64, Seen)>,
    outcome: Outcome,
}

/// Runs it to its end.
pub(crate) fn run(world: &World) -> Outcome {
    let fleet = Fleet::new(world.shards.clone(), world.most, &[]);
    let mut run = Run { world, now: 0.0, fleet, machines: BTreeMap::new(), seen: Vec::new(), outcome: Outcome::default() };
    let mut deaths = world.deaths.clone();
    deaths.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut deaths = VecDeque::from(deaths);
    let mut tick = 0.0;
    while run.now < NEVER {
        if run.now >= tick {
            run.look();
            if run.fleet.is_finished() {
                run.outcome.makespan = Some(run.now);
                break;
            }
            tick = run.now + 1.0;
        }
        let until = deaths.front().map_or(tick, |(at, _)| tick.min(*at));
        run.flow(until);
        while deaths.front().is_some_and(|(at, _)| *at <= run.now) {
            let pick = deaths.pop_front().map_or(0, |(_, pick)| pick);
            let victim = run.machines.keys().nth(pick % run.machines.len().max(1)).copied();
            victim.into_iter().for_each(|worker| run.end(worker, Ending::Lost));
        }
    }
    run.outcome
}

impl Run<'_> {
    /// What flows until the next event, no later than `until`, and the event.
    fn flow(&mut self, until: f64) {
        let now = self.now;
        let wanted: f64 = self.machines.values().map(|machine| machine.stream(now) * machine.flowing.len() as f64).sum();
        let held = (self.world.destination as f64 / wanted.max(1.0)).min(1.0);
        let next = self.machines.values().map(|machine| machine.next(now, machine.stream(now) * held)).fold(until, f64::min).max(now);
        for machine in self.machines.values_mut() {
            let each = machine.stream(now) * held * (next - now);
            machine.each += each;
            machine.moved += each * machine.flowing.len() as f64;
        }
        self.now = next;
        let mut ended = Vec::new();
        for (worker, machine) in &mut self.machines {
            if machine.ends.is_some_and(|at| at <= next) {
                ended.push((*worker, Ending::Lost));
                continue;
            }
            if machine.ready > next {
                continue;
            }
            while machine.calling.peek().is_some_and(|Reverse((at, _))| at.0 <= next) {
                let Some(Reverse((_, blob))) = machine.calling.pop() else { break };
                machine.large -= usize::from(is_large(&blob));
                machine.flowing.push(Reverse((At(machine.each + blob.size as f64), blob)));
            }
            // what is less than a byte short is through
            while machine.flowing.peek().is_some_and(|Reverse((bytes, _))| bytes.0 <= machine.each + 1.0) {
                let Some(Reverse((_, blob))) = machine.flowing.pop() else { break };
                machine.files += 1;
                machine.news.push(blob.place);
                self.outcome.landed.insert(blob.place);
            }
            machine.take_off(next);
            if machine.is_through() {
                ended.push((*worker, Ending::Done));
            }
        }
        for (worker, how) in ended {
            self.end(worker, how);
        }
    }

    /// A container is no more.
    fn end(&mut self, worker: WorkerId, how: Ending) {
        if let Some(machine) = self.machines.remove(&worker) {
            self.outcome.moved += machine.moved;
            let landed = machine.news.into_iter().map(|place| Seen::Landed { worker, place });
            // what a lost one told last may be lost with it
            self.seen.extend(landed.filter(|_| how == Ending::Done).map(|seen| (self.now, seen)));
            self.seen.push((self.now + if how == Ending::Done { 0.0 } else { KNOWN }, Seen::Ended { worker, how }));
        }
    }

    /// The conductor looks, and does what the policy says.
    fn look(&mut self) {
        let mut seen = Vec::new();
        for (worker, machine) in self.machines.iter_mut().filter(|(_, machine)| machine.ready <= self.now) {
            let worker = *worker;
            seen.extend(machine.news.drain(..).map(|place| Seen::Landed { worker, place }));
            seen.push(Seen::Heard { worker, files: machine.files, bytes: machine.moved as u64 });
        }
        let (due, later) = std::mem::take(&mut self.seen).into_iter().partition(|(at, _)| *at <= self.now);
        self.seen = later;
        seen.extend(due.into_iter().map(|(_, seen): (f64, Seen)| seen));
        for action in self.fleet.step(Duration::from_secs_f64(self.now), seen) {
            match action {
                Action::Start { worker, blobs } => self.start(worker, blobs),
                Action::End { worker, .. } => {
                    if let Some(machine) = self.machines.get_mut(&worker) {
                        machine.ends.get_or_insert(self.now + END);
                    }
                }
                Action::Ask { worker, blobs } => {
                    let missing = blobs.iter().map(|blob| blob.place).filter(|place| !self.outcome.landed.contains(place));
                    self.seen.push((self.now, Seen::Missing { worker, places: missing.collect() }));
                }
                Action::GiveUp { blobs, .. } => self.outcome.given_up.extend(blobs.iter().map(|blob| blob.place)),
            }
        }
    }

    fn start(&mut self, worker: WorkerId, blobs: Vec<Blob>) {
        if self.machines.len() >= self.world.engine as usize {
            self.seen.push((self.now, Seen::Refused(worker)));
            return;
        }
        let theirs = |place: &u32| {
            let waiting = |machine: &Machine| machine.waiting.iter().any(|blob| blob.place == *place);
            let flying = |machine: &Machine| machine.calling.iter().chain(&machine.flowing).any(|Reverse((_, blob))| blob.place == *place);
            let alive = self.machines.iter().filter(|(other, _)| other.shard == worker.shard);
            alive.map(|(_, machine)| machine).any(|machine| waiting(machine) || flying(machine))
        };
        self.outcome.doubled.extend(blobs.iter().map(|blob| blob.place).filter(theirs));
        let slow = self.world.slow.iter().find(|(slow, ..)| *slow == worker).map(|(_, from, speed)| (*from, *speed));
        let machine = Machine {
            ready: self.now + START.as_secs_f64(),
            ends: None,
            slow,
            waiting: blobs.into(),
            calling: BinaryHeap::new(),
            large: 0,
            flowing: BinaryHeap::new(),
            each: 0.0,
            moved: 0.0,
            files: 0,
            news: Vec::new(),
        };
        self.machines.insert(worker, machine);
        self.outcome.started += 1;
        self.outcome.most = self.outcome.most.max(self.machines.len());
        self.seen.push((self.now, Seen::Started(worker)));
    }
}
