//! Decides how many transfers may be in flight from what the last second showed; pure.
//!
//! More are tried as long as they move more in the same time; a plea for less (429, 503, a broken connection) takes the last step back,
//! or a third off when there was none.

/// What a second showed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What was moved.
    pub(super) work: u64,
    /// Whether more would have flown if they might.
    pub(super) starved: bool,
    /// Whether anybody asked for less.
    pub(super) trouble: bool,
}

/// A step up is kept when it moves at least this much more.
const GAIN: f64 = 1.05;
/// Seconds from a step to its judgement, the first of which does not count.
const TRIAL: u32 = 3;
/// Rest after a step that was not kept, or after trouble, in seconds: doubled each time up to the longest.
const REST: u32 = 2;
const LONGEST_REST: u32 = 8;

#[derive(Debug)]
pub(super) struct Climb {
    allowed: usize,
    ceiling: usize,
    /// Seconds to go before more are tried.
    rest: u32,
    next_rest: u32,
    /// The work of the last two seconds, newest last.
    recent: [Option<u64>; 2],
    trial: Option<Trial>,
}

#[derive(Debug)]
struct Trial {
    before: usize,
    rate: f64,
    seconds: u32,
}

impl Climb {
    pub(super) fn new(first: usize, ceiling: usize) -> Self {
        Self { allowed: first, ceiling, rest: 0, next_rest: REST, recent: [None; 2], trial: None }
    }

    /// How many may be in flight from now on.
    pub(super) fn next(&mut self, seen: Seen) -> usize {
        // a second with nothing to do says nothing about more
        self.recent = [self.recent[1], (seen.starved && !seen.trouble).then_some(seen.work)];
        match self.trial.take() {
            Some(trial) if seen.trouble => self.less(trial.before),
            None if seen.trouble => self.less(self.allowed * 2 / 3),
            Some(trial) => self.judge(trial),
            None if self.rest > 0 => self.rest -= 1,
            None => self.try_more(),
        }
        self.allowed
    }

    fn less(&mut self, allowed: usize) {
        self.allowed = allowed.max(1);
        self.pause();
    }

    fn pause(&mut self) {
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
    }

    fn judge(&mut self, trial: Trial) {
        if trial.seconds + 1 < TRIAL {
            self.trial = Some(Trial { seconds: trial.seconds + 1, ..trial });
            return;
        }
        match self.rate() {
            Some(rate) if rate >= trial.rate * GAIN => {
                self.next_rest = REST;
                self.try_more();
            }
            _ => {
                self.allowed = trial.before;
                self.pause();
            }
        }
    }

    fn try_more(&mut self) {
        if let Some(rate) = self.rate().filter(|_| self.allowed < self.ceiling) {
            self.trial = Some(Trial { before: self.allowed, rate, seconds: 0 });
            self.allowed = (self.allowed * 3 / 2).max(self.allowed + 1).min(self.ceiling);
        }
    }

    fn rate(&self) -> Option<f64> {
        match self.recent {
            [Some(before), Some(now)] => Some((before + now) as f64 / 2.0),
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
            climb.next(Seen { work, starved: true, trouble });
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
    fn a_line_that_is_full_is_left_as_it_is() {
        let mut climb = Climb::new(8, 64);
        let steady = after(&mut climb, 60, |_| (100_000_000, false));
        assert!(steady.iter().all(|allowed| (8..=12).contains(allowed)), "{steady:?}");
    }

    #[test]
    fn without_anything_waiting_nothing_changes() {
        let mut climb = Climb::new(8, 64);
        for _second in 0..60 {
            climb.next(Seen { work: 1, starved: false, trouble: false });
        }
        assert_eq!(climb.allowed, 8);
    }
}
