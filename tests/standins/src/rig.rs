//! What every stand-in has: dials, faults, rules, a journal, and moments at which a test may step in.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::dials::Dials;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::marks::Guard;
use crate::strict::Strictness;

/// The instruments of one stand-in, shared between its origins and the test.
#[derive(Debug)]
pub struct Rig {
    /// Bandwidth and latency.
    pub dials: Dials,
    /// Misfortunes on demand.
    pub faults: Faults,
    /// Broken rules.
    pub strict: Strictness,
    /// What happened.
    pub journal: Journal,
    /// Where tokens may go.
    pub guard: Guard,
    /// Closures waiting for a moment of a commit.
    pub moments: Moments,
    connections: AtomicU64,
}

impl Rig {
    /// Instruments for these origins.
    pub fn new(origins: &[&'static str], guard: Guard) -> Self {
        Self {
            dials: Dials::new(origins),
            faults: Faults::default(),
            strict: Strictness::default(),
            journal: Journal::default(),
            guard,
            moments: Moments::default(),
            connections: AtomicU64::new(0),
        }
    }

    /// Connections that are open, over HTTP/1.1.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }
}

/// An open connection: it is counted until this is dropped.
pub(crate) struct Open(Arc<Rig>);

impl Open {
    pub(crate) fn new(rig: &Arc<Rig>) -> Self {
        rig.connections.fetch_add(1, Relaxed);
        Self(Arc::clone(rig))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// A moment of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMoment {
    /// The request is read and found valid; nothing is changed yet.
    BeforeApply,
    /// The commit exists; its answer is not sent yet.
    AfterApplyBeforeAnswer,
}

type Waiting = (CommitMoment, Box<dyn FnOnce() + Send>);

/// Closures that wait for a moment of a commit; each runs once.
#[derive(Default)]
pub struct Moments(Mutex<Vec<Waiting>>);

impl Moments {
    /// Runs the closure the next time a commit reaches this moment.
    pub fn when(&self, moment: CommitMoment, call: Box<dyn FnOnce() + Send>) {
        self.0.lock().unwrap().push((moment, call));
    }

    /// Runs what waits for this moment. Called by the hubs.
    pub fn reach(&self, moment: CommitMoment) {
        let mut waiting = self.0.lock().unwrap();
        let (due, later): (Vec<Waiting>, Vec<Waiting>) = waiting.drain(..).partition(|(at, _)| *at == moment);
        *waiting = later;
        drop(waiting);
        due.into_iter().for_each(|(_, call)| call());
    }
}

impl std::fmt::Debug for Moments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Moments({} waiting)", self.0.lock().unwrap().len())
    }
}
