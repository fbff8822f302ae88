//! How far commits are apart: as a hub is known to take them, and as it turns out to.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::pace::Pace;

/// However slow a hub has become, after this time it is tried again.
const LONGEST: Duration = Duration::from_secs(600);

/// Keeps commits apart. It learns from refusals and forgets nothing while a migration lasts: what a hub allows is said nowhere.
pub(super) struct Pacer {
    known: Pace,
    /// When the last commits were taken, as many as count.
    taken: VecDeque<Instant>,
    /// The time between two commits that was found out.
    learned: Duration,
    /// Since when commits are counted to find it out, and how many were taken since.
    since: Option<Instant>,
    count: u32,
}

impl Pacer {
    pub(super) fn new(known: Pace) -> Self {
        Self { known, taken: VecDeque::new(), learned: Duration::ZERO, since: None, count: 0 }
    }

    /// How long to wait before the next commit.
    pub(super) fn wait(&self) -> Duration {
        let now = Instant::now();
        let left = |at: Instant, time: Duration| (at + time).saturating_duration_since(now);
        let most = usize::try_from(self.known.commits).unwrap_or(usize::MAX);
        let full = self.taken.len().checked_sub(most).and_then(|oldest| self.taken.get(oldest)).map(|at| left(*at, self.known.window));
        let learned = self.taken.back().map(|at| left(*at, self.learned));
        full.unwrap_or_default().max(learned.unwrap_or_default())
    }

    /// The least time between two commits, as far as it is known.
    pub(super) fn gap(&self) -> Duration {
        self.learned.max(self.known.window / u32::try_from(self.known.commits).unwrap_or(u32::MAX).max(1))
    }

    /// Notes a commit that was taken, and whether the hub had asked to come again later. Then the pace since the last such time is what it
    /// bears.
    pub(super) fn taken(&mut self, was_throttled: bool) {
        let now = Instant::now();
        self.count += 1;
        if let Some(since) = self.since.filter(|_| was_throttled) {
            self.learned = self.learned.max((now - since) / (self.count - 1).max(1)).min(LONGEST);
        }
        if self.since.is_none() || was_throttled {
            (self.since, self.count) = (Some(now), 1);
        }
        self.taken.push_back(now);
        while self.taken.len() as u64 > self.known.commits.max(1) {
            self.taken.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(commits: u64, seconds: u64) -> Pacer {
        Pacer::new(Pace { commits, window: Duration::from_secs(seconds) })
    }

    /// A hub that takes so many commits in so many seconds, asked as the pacer says: how often it refused, and how long it all took.
    async fn at_a_hub(mut pacer: Pacer, hub: Pace, commits: u32) -> (u32, u64) {
        let (began, mut refused) = (Instant::now(), 0);
        let mut taken: Vec<Instant> = Vec::new();
        for _ in 0..commits {
            tokio::time::sleep(pacer.wait()).await;
            let full = |taken: &[Instant]| {
                let recent: Vec<_> = taken.iter().filter(|at| at.elapsed() < hub.window).collect();
                (recent.len() as u64 >= hub.commits).then(|| hub.window - recent[0].elapsed())
            };
            let asked = full(&taken);
            if let Some(wait) = asked {
                refused += 1;
                tokio::time::sleep(wait).await;
            }
            assert_eq!(full(&taken), None);
            taken.push(Instant::now());
            pacer.taken(asked.is_some());
        }
        (refused, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_keeps_to_what_is_known_never_refuses() {
        let pace = Pace { commits: 1, window: Duration::from_secs(5) };
        assert_eq!(at_a_hub(pacer(1, 5), pace, 16).await, (0, 75));
        let pace = Pace { commits: 128, window: Duration::from_secs(3_600) };
        assert_eq!(at_a_hub(pacer(128, 3_600), pace, 300).await, (0, 7_200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_takes_less_refuses_once_and_is_then_kept_to() {
        let pace = Pace { commits: 1, window: Duration::from_secs(20) };
        assert_eq!(at_a_hub(pacer(1, 5), pace, 10).await, (1, 180));
        let pace = Pace { commits: 1, window: Duration::from_secs(3) };
        assert_eq!(at_a_hub(pacer(4, 20), pace, 16).await, (1, 69), "some at once is more than this one takes");
        let pace = Pace { commits: 3, window: Duration::from_secs(60) };
        let (refused, seconds) = at_a_hub(pacer(1, 1), pace, 30).await;
        assert_eq!(refused, 1);
        assert!((540..=620).contains(&seconds), "{seconds}");
    }
}
