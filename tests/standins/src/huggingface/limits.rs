//! Fixed windows: so many requests until the window ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) requests: u64,
    pub(super) seconds: u64,
    /// Whether this request was still within it.
    pub(super) allowed: bool,
}

/// Counts by what is limited and by whom.
#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<(&'static str, String), (Instant, u64)>);

impl Limits {
    /// Takes one request out of a quota.
    pub(super) fn take(&mut self, what: &'static str, who: &str, quota: u64, window: Duration) -> Left {
        self.look(what, who, quota, window, 1)
    }

    /// Takes so many requests out of a quota; none just looks, and is always allowed.
    pub(super) fn look(&mut self, what: &'static str, who: &str, quota: u64, window: Duration, cost: u64) -> Left {
        let now = Instant::now();
        let (began, used) = self.0.entry((what, who.to_owned())).or_insert((now, 0));
        if now.duration_since(*began) >= window {
            (*began, *used) = (now, 0);
        }
        let allowed = *used + cost <= quota || cost == 0;
        *used += if allowed { cost } else { 0 };
        let left = window.saturating_sub(now.duration_since(*began));
        Left { requests: quota.saturating_sub(*used), seconds: left.as_secs_f64().ceil() as u64, allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_runs_out_and_begins_anew() {
        let mut limits = Limits::default();
        let window = Duration::from_millis(30);
        let takes: Vec<bool> = (0..3).map(|_| limits.take("api", "alice", 2, window).allowed).collect();
        assert_eq!(takes, [true, true, false]);
        assert!(limits.take("api", "bob", 2, window).allowed);
        std::thread::sleep(window);
        assert!(limits.take("api", "alice", 2, window).allowed);
    }
}
