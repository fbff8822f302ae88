//! How often a hub takes a commit, and so how long many of them take.

use std::time::Duration;

use crate::repo::Platform;

/// Commits that Hugging Face takes of one account in an hour (facts, huggingface §2 "Rate limits").
const HUGGING_FACE: (u64, Duration) = (128, Duration::from_secs(3_600));

/// ModelScope's limit is by repository, dynamic and not published. One who commits every 3 to 5 seconds for long is not refused, and its own client makes
/// a commit of every 256 files with no pause at all (facts, modelscope §3.4): so a few may follow each other at once, and many are a commit in 5 seconds.
const MODELSCOPE: (u64, Duration) = (4, Duration::from_secs(20));

/// So many commits in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At most so many …
    pub commits: u64,
    /// … within this time, wherever it begins.
    pub window: Duration,
}

impl Pace {
    /// The pace that a hub is known to take. `gap` is the user's word for a hub that publishes none.
    pub fn of(platform: Platform, gap: Option<Duration>) -> Self {
        let (commits, window) = match platform {
            Platform::HuggingFace => HUGGING_FACE,
            Platform::ModelScope => gap.map_or(MODELSCOPE, |gap| (1, gap)),
        };
        Self { commits, window }
    }

    /// From the first of so many commits to the last, if nothing else takes longer.
    pub fn takes(self, commits: u64) -> Duration {
        let windows = commits.saturating_sub(1) / self.commits.max(1);
        self.window.saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_commits_take_as_many_windows_as_are_full_before_the_last() {
        let hugging_face = Pace::of(Platform::HuggingFace, Some(Duration::from_secs(1)));
        let hours = |commits| hugging_face.takes(commits).as_secs() / 3_600;
        assert_eq!([hours(0), hours(1), hours(128), hours(129), hours(256), hours(257)], [0, 0, 0, 1, 1, 2]);
        let modelscope = Pace::of(Platform::ModelScope, None);
        let seconds = |commits| modelscope.takes(commits).as_secs();
        assert_eq!([seconds(1), seconds(4), seconds(5), seconds(16)], [0, 0, 20, 60]);
        assert_eq!(Pace::of(Platform::ModelScope, Some(Duration::from_millis(500))).takes(3), Duration::from_secs(1));
    }
}
