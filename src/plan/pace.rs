//! How often a hub takes a commit, and so how long many of them take.

use std::time::Duration;

use crate::repo::Platform;

/// Commits that Hugging Face takes of one account in an hour (facts, huggingface §2 "Rate limits").
const HUGGING_FACE: (u64, Duration) = (128, Duration::from_secs(3_600));

/// ModelScope's limit is by repository, dynamic and not published. One who commits every 3 to 5 seconds is not refused (facts, modelscope §3.4).
const MODELSCOPE: (u64, Duration) = (1, Duration::from_secs(5));

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
            Platform::ModelScope => (MODELSCOPE.0, gap.unwrap_or(MODELSCOPE.1)),
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
        assert_eq!((modelscope.takes(1), modelscope.takes(16)), (Duration::ZERO, Duration::from_secs(75)));
        assert_eq!(Pace::of(Platform::ModelScope, Some(Duration::from_millis(500))).takes(3), Duration::from_secs(1));
    }
}
