//! How many transfers are in flight: as many as both sides bear.

mod climb;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::Meter;
use crate::http::Troubles;
use climb::{Climb, Seen};

/// How often it is decided anew.
const TICK: Duration = Duration::from_secs(1);
/// What a finished transfer counts for beside its bytes, so that many small files show that more at once are faster.
const ONE_MORE: u64 = 64 << 10;

/// Who was in flight before holds an upload open and goes first; then who asked first, because parts are hashed in order and one that
/// comes before its turn is held in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    is_new: bool,
    number: u64,
}

/// The gate that every transfer passes.
pub(super) struct Pace {
    gate: Mutex<Gate>,
    changed: Notify,
    work: AtomicU64,
    meter: Arc<Meter>,
}

#[derive(Debug)]
struct Gate {
    /// So many may be in flight.
    allowed: usize,
    flying: usize,
    /// Who waits, in the order in which they may go.
    waiting: BTreeSet<Turn>,
    next: u64,
    /// Whether somebody had to wait since it was last decided.
    starved: bool,
}

impl Pace {
    /// A gate for `first` transfers to begin with and never more than `ceiling`.
    pub(super) fn new(first: usize, ceiling: usize, meter: Arc<Meter>) -> Arc<Self> {
        let allowed = first.clamp(1, ceiling.max(1));
        meter.set_streams(0, allowed);
        Arc::new(Self {
            gate: Mutex::new(Gate { allowed, flying: 0, waiting: BTreeSet::new(), next: 0, starved: false }),
            changed: Notify::new(),
            work: AtomicU64::new(0),
            meter,
        })
    }

    /// Decides again and again until the handle is dropped. `troubles` counts what asked for less so far, on either side.
    pub(super) fn follow(self: &Arc<Self>, ceiling: usize, troubles: impl Fn() -> [Troubles; 2] + Send + 'static) -> AbortOnDropHandle<()> {
        let pace = self.clone();
        let mut climb = Climb::new(self.allowed(), ceiling.max(1));
        AbortOnDropHandle::new(tokio::spawn(async move {
            let (mut work, mut trouble) = (pace.work.load(Ordering::Relaxed), troubles());
            loop {
                tokio::time::sleep(TICK).await;
                let (done, asked) = (pace.work.load(Ordering::Relaxed), troubles());
                let (starved, flying) = {
                    let mut gate = pace.gate();
                    (std::mem::take(&mut gate.starved), gate.flying)
                };
                let trouble_now = is_trouble(trouble, asked, pace.allowed());
                let allowed = climb.next(Seen { work: done - work, flying, starved, trouble: trouble_now });
                (work, trouble) = (done, asked);
                pace.allow(allowed);
            }
        }))
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many may be in flight now.
    pub(super) fn allowed(&self) -> usize {
        self.gate().allowed
    }

    /// Returns when that may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn allow(&self, allowed: usize) {
        let mut gate = self.gate();
        if gate.allowed != allowed {
            gate.allowed = allowed;
            self.meter.set_streams(gate.flying, allowed);
            drop(gate);
            self.changed.notify_waiters();
        }
    }

    /// A lease that is not taken yet.
    pub(super) fn lease(self: &Arc<Self>) -> Lease {
        Lease { pace: self.clone(), is_held: false, was_held: false }
    }

    /// A place in the queue.
    fn line_up(&self, is_new: bool) -> Queued<'_> {
        let mut gate = self.gate();
        gate.next += 1;
        let turn = Turn { is_new, number: gate.next };
        gate.waiting.insert(turn);
        Queued { pace: self, turn }
    }

    fn try_take(&self, turn: Turn) -> bool {
        let mut gate = self.gate();
        let may = gate.flying < gate.allowed && gate.waiting.first() == Some(&turn);
        if may {
            gate.flying += 1;
            self.meter.set_streams(gate.flying, gate.allowed);
        } else {
            gate.starved |= gate.flying >= gate.allowed;
        }
        may
    }
}

/// Whether what happened since asks for less: any refusal, or a quarter of the connections. One that breaks alone may be an old one
/// that its host ends in the course of things.
fn is_trouble(before: [Troubles; 2], now: [Troubles; 2], allowed: usize) -> bool {
    before.iter().zip(&now).any(|(before, now)| now.refused > before.refused || (now.broken - before.broken) * 4 >= allowed.max(4) as u64)
}

/// One transfer's place in flight. Given back when dropped.
pub(super) struct Lease {
    pace: Arc<Pace>,
    is_held: bool,
    was_held: bool,
}

impl Lease {
    /// Waits until one more may be in flight. Nothing to do when it is already.
    pub(super) async fn take(&mut self) {
        if self.is_held {
            return;
        }
        let queued = self.pace.line_up(!self.was_held);
        loop {
            let changed = self.pace.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.pace.try_take(queued.turn) {
                drop(queued);
                (self.is_held, self.was_held) = (true, true);
                return;
            }
            changed.await;
        }
    }

    /// Lets another one fly, for as long as this one waits.
    pub(super) fn give_back(&mut self) {
        if std::mem::take(&mut self.is_held) {
            let mut gate = self.pace.gate();
            gate.flying -= 1;
            self.pace.meter.set_streams(gate.flying, gate.allowed);
            drop(gate);
            self.pace.changed.notify_waiters();
        }
    }

    /// Bytes moved.
    pub(super) fn worked(&self, bytes: u64) {
        self.pace.work.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_held {
            self.worked(ONE_MORE);
        }
        self.give_back();
    }
}

/// One that waits. Gives up its turn when dropped, and lets the next one look.
struct Queued<'a> {
    pace: &'a Pace,
    turn: Turn,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.pace.gate().waiting.remove(&self.turn);
        self.pace.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_was_in_flight_goes_on_before_anybody_new() {
        let pace = Pace::new(1, 1, Arc::default());
        let (mut first, mut second, mut third) = (pace.lease(), pace.lease(), pace.lease());
        first.take().await;
        first.give_back();
        second.take().await;
        let order = Mutex::new(Vec::new());
        tokio::join!(
            async {
                third.take().await;
                order.lock().unwrap().push("new");
            },
            async {
                first.take().await;
                order.lock().unwrap().push("returning");
                tokio::task::yield_now().await;
                first.give_back();
            },
            async {
                tokio::task::yield_now().await;
                second.give_back();
            },
        );
        assert_eq!(*order.lock().unwrap(), ["returning", "new"]);
    }

    #[tokio::test]
    async fn who_asks_first_goes_first_and_who_gives_up_is_passed_over() {
        let pace = Pace::new(1, 1, Arc::default());
        let (mut holder, mut first, mut second, mut gone) = (pace.lease(), pace.lease(), pace.lease(), pace.lease());
        holder.take().await;
        let order = Mutex::new(Vec::new());
        tokio::join!(
            biased;
            async { assert!(tokio::time::timeout(Duration::from_millis(20), gone.take()).await.is_err()) },
            async {
                first.take().await;
                order.lock().unwrap().push("first");
                first.give_back();
            },
            async {
                second.take().await;
                order.lock().unwrap().push("second");
            },
            async {
                tokio::time::sleep(Duration::from_millis(40)).await;
                holder.give_back();
            },
        );
        assert_eq!(*order.lock().unwrap(), ["first", "second"]);
    }

    #[test]
    fn one_connection_that_breaks_among_many_is_no_trouble() {
        let broken = |count| [Troubles { refused: 0, broken: count }, Troubles::default()];
        assert!(!is_trouble(broken(0), broken(1), 8));
        assert!(is_trouble(broken(0), broken(2), 8));
        assert!(is_trouble(broken(4), broken(5), 1));
        assert!(is_trouble(broken(0), [Troubles { refused: 1, broken: 0 }, Troubles::default()], 64));
    }
}
