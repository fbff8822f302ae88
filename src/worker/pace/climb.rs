//! Decides how many transfers may be in flight from what the last second showed; pure.
//!
//! More are tried as long as they move more in the same time, and fewer as long as they move as much: a stream that gains nothing costs
//! processor time and the host's patience. A plea for less (429, 503, broken connections) takes the last step back, or a third off when
//! there was none.

/// What a second showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What was moved.
    pub(super) work: u64,
    /// How many were in flight.
    pub(super) flying: usize,
    /// Whether more would have flown if they might.
    pub(super) starved: bool,
    /// Whether anybody asked for less.
    pub(super) trouble: bool,
}

/// A step up is kept when it moves at least this much more.
const GAIN: f64 = 1.05;
/// Steps down are kept while they move at least this much of what was moved before the first of them.
const LOSS: f64 = 0.98;
/// Seconds from a step to its judgement, the first of which does not count.
const TRIAL: u32 = 3;
/// Rest after a step up that was not kept, or after trouble, in seconds: doubled each time up to the longest.
const REST: u32 = 2;
const LONGEST_REST: u32 = 16;
/// Seconds after a step down that was not kept before another is tried.
const CONTENT: u32 = 60;
/// Seconds that a step down waits for transfers to end.
const PATIENCE: u32 = 30;

#[derive(Debug)]
pub(super) struct Climb {
    allowed: usize,
    ceiling: usize,
    /// Seconds to go before more are tried, and before fewer are.
    rest: u32,
    next_rest: u32,
    content: u32,
    /// Whether the last step down was kept. A step up that is not kept either then says the number is right, and not that the time was bad.
    fewer_did: bool,
    /// The last two seconds, newest last.
    recent: [Option<Seen>; 2],
    trial: Option<Trial>,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    before: usize,
    rate: f64,
    seconds: u32,
    is_up: bool,
    /// Seconds in which more were still in flight than are allowed now.
    waited: u32,
}

impl Climb {
    pub(super) fn new(first: usize, ceiling: usize) -> Self {
        Self { allowed: first, ceiling, rest: 0, next_rest: REST, content: 0, fewer_did: false, recent: [None; 2], trial: None }
    }

    /// How many may be in flight from now on.
    pub(super) fn next(&mut self, seen: Seen) -> usize {
        self.recent = [self.recent[1], (!seen.trouble && seen.work > 0).then_some(seen)];
        self.content = self.content.saturating_sub(1);
        match self.trial.take() {
            Some(trial) if seen.trouble => self.less(trial.before.min(self.allowed)),
            None if seen.trouble => self.less(self.allowed * 2 / 3),
            Some(trial) => self.judge(trial),
            None if self.rest > 0 => self.rest -= 1,
            None if self.may_try_more() => self.try_more(),
            None => self.try_fewer(None),
        }
        self.allowed
    }

    fn less(&mut self, allowed: usize) {
        self.allowed = allowed.max(1);
        self.fewer_did = false;
        self.pause();
    }

    fn pause(&mut self) {
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
    }

    fn judge(&mut self, trial: Trial) {
        let flying = self.recent[1].map_or(0, |seen| seen.flying);
        if flying > self.allowed && trial.waited < PATIENCE {
            // what flies is never broken off for this, so it says nothing yet
            self.trial = Some(Trial { seconds: 0, waited: trial.waited + 1, ..trial });
            return;
        }
        if trial.seconds + 1 < TRIAL {
            self.trial = Some(Trial { seconds: trial.seconds + 1, ..trial });
            return;
        }
        let rate = self.rate().unwrap_or_default();
        match trial.is_up {
            true if rate >= trial.rate * GAIN => {
                (self.next_rest, self.fewer_did) = (REST, false);
                if self.may_try_more() {
                    self.try_more();
                }
            }
            true => {
                self.allowed = trial.before;
                if self.fewer_did {
                    self.next_rest = LONGEST_REST;
                }
                self.pause();
                self.try_fewer(Some(trial.rate));
            }
            false if rate >= trial.rate * LOSS && flying <= self.allowed => {
                self.fewer_did = true;
                if rate * LOSS <= trial.rate {
                    // as fast as before and no faster: a line that is still getting up speed does not look like that
                    (self.rest, self.next_rest) = (LONGEST_REST, LONGEST_REST);
                }
                self.try_fewer(Some(trial.rate));
            }
            false => {
                self.fewer_did = false;
                self.allowed = trial.before;
                self.content = CONTENT;
                self.pause();
            }
        }
    }

    /// Whether more would have flown in both seconds, and may be allowed to.
    fn may_try_more(&self) -> bool {
        self.allowed < self.ceiling && self.recent.iter().flatten().filter(|seen| seen.starved).count() == 2
    }

    fn try_more(&mut self) {
        if let Some(rate) = self.rate() {
            self.trial = Some(Trial { before: self.allowed, rate, seconds: 0, is_up: true, waited: 0 });
            self.allowed = (self.allowed * 3 / 2).max(self.allowed + 1).min(self.ceiling);
        }
    }

    /// Fewer than were in flight, against the rate before the first step down.
    fn try_fewer(&mut self, rate: Option<f64>) {
        let flying = self.recent.iter().flatten().map(|seen| seen.flying).max().unwrap_or_default().min(self.allowed);
        if let (0, 2.., Some(rate)) = (self.content, flying, rate.or_else(|| self.rate())) {
            self.trial = Some(Trial { before: self.allowed, rate, seconds: 0, is_up: false, waited: 0 });
            self.allowed = (flying * 2 / 3).max(1);
        }
    }

    fn rate(&self) -> Option<f64> {
        match self.recent {
            [Some(before), Some(now)] => Some((before.work + now.work) as f64 / 2.0),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a host does with so many streams in a second.
    type Host = fn(usize) -> (u64, bool);

    fn after(climb: &mut Climb, seconds: usize, host: Host) -> Vec<usize> {
        let mut seen = Vec::new();
        for _second in 0..seconds {
            let (work, trouble) = host(climb.allowed);
            climb.next(Seen { work, flying: climb.allowed, starved: true, trouble });
            seen.push(climb.allowed);
        }
        seen
    }

    /// Serves so many and refuses the rest.
    fn serves<const CAPACITY: usize>(streams: usize) -> (u64, bool) {
        (streams.min(CAPACITY) as u64 * 1_000_000, streams > CAPACITY)
    }

    #[test]
    fn it_follows_a_host_that_bears_four_then_one_then_four() {
        let mut climb = Climb::new(8, 64);
        for host in [serves::<4> as Host, serves::<1>, serves::<4>] {
            after(&mut climb, 30, host);
            let (capacity, steady) = (host(1000).0 as usize / 1_000_000, after(&mut climb, 20, host));
            let held = steady.iter().filter(|allowed| **allowed == capacity).count();
            assert!(held >= 10, "{capacity}: {steady:?}");
            assert!(steady.iter().all(|allowed| *allowed <= capacity + capacity.div_ceil(2)), "{capacity}: {steady:?}");
        }
    }

    #[test]
    fn it_climbs_as_long_as_more_is_faster_and_never_past_the_ceiling() {
        let mut climb = Climb::new(8, 64);
        after(&mut climb, 30, |streams| (streams as u64 * 1_000_000, false));
        assert_eq!(climb.allowed, 64);
        let mut climb = Climb::new(8, 64);
        let steady = after(&mut climb, 60, |streams| (streams.min(20) as u64 * 1_000_000, false));
        assert!(steady[30..].iter().all(|allowed| (18..=40).contains(allowed)), "{steady:?}");
    }

    #[test]
    fn a_line_that_one_stream_fills_gets_one_and_another_now_and_then() {
        let mut climb = Climb::new(8, 64);
        let steady = after(&mut climb, 120, |_| (100_000_000, false));
        assert!(steady[30..].iter().all(|allowed| (1..=2).contains(allowed)), "{steady:?}");
        assert!(steady[30..].iter().filter(|allowed| **allowed == 1).count() >= 60, "{steady:?}");
    }

    #[test]
    fn a_line_that_needs_eight_keeps_them() {
        let mut climb = Climb::new(8, 64);
        let steady = after(&mut climb, 120, |streams| (streams.min(8) as u64 * 10_000_000, false));
        assert!(steady.iter().filter(|allowed| **allowed >= 8).count() >= 110, "{steady:?}");
    }

    #[test]
    fn what_memory_lets_fly_counts_and_not_what_might() {
        let mut climb = Climb::new(8, 64);
        for _second in 0..30 {
            climb.next(Seen { work: 100, flying: climb.allowed.min(2), starved: false, trouble: false });
        }
        assert_eq!(climb.allowed, 1);
    }

    #[test]
    fn fewer_are_judged_once_fewer_fly() {
        let mut climb = Climb::new(8, 8);
        // eight long transfers that nobody breaks off: the rate is that of eight, whatever is allowed
        let mut least = 8;
        for _second in 0..60 {
            least = least.min(climb.next(Seen { work: 100, flying: 8, starved: true, trouble: false }));
        }
        assert_eq!((least, climb.allowed), (5, 8));
    }

    #[test]
    fn without_anything_moving_nothing_changes() {
        let mut climb = Climb::new(8, 64);
        for _second in 0..60 {
            climb.next(Seen { work: 0, flying: 0, starved: false, trouble: false });
        }
        assert_eq!(climb.allowed, 8);
    }
}
