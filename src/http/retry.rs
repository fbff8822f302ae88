//! The one loop that tries again: with a budget in tries and in time, with jitter, obeying `Retry-After`.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::error::{Error, Result, Retry};

/// How long to keep trying.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// At most this many tries.
    pub tries: u32,
    /// And no more waiting between tries than this, added up. The tries themselves may take as long as they take.
    pub time: Duration,
    /// How long nothing may come of a download before it is asked for anew. [`super::IDLE_TIMEOUT`] at most.
    pub idle: Duration,
}

impl Patience {
    /// For calls somebody waits for: 5 tries within a minute.
    pub const ATTENDED: Self = Self { tries: 5, time: Duration::from_secs(60), idle: super::IDLE_TIMEOUT };
    /// For calls inside a running migration: a rate-limit window is 5 minutes long (facts, huggingface §2), so two of them fit, and so
    /// does an outage of ten minutes.
    pub const PATIENT: Self = Self { tries: 24, time: Duration::from_secs(660), idle: super::IDLE_TIMEOUT };
    /// No second try.
    pub const ONCE: Self = Self { tries: 1, time: Duration::ZERO, idle: super::IDLE_TIMEOUT };
}

/// Waits between tries: 0.5 s doubling to 40 s, each with up to half of itself added at random.
#[derive(Debug)]
pub struct Backoff {
    waited: Duration,
    tries: u32,
    patience: Patience,
}

impl Backoff {
    /// Starts counting now.
    pub fn new(patience: Patience) -> Self {
        Self { waited: Duration::ZERO, tries: 0, patience }
    }

    /// How long to wait before the next try, or `None` when the budget is used up. A wait the service asked for is kept to the second.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.tries += 1;
        if self.tries >= self.patience.tries {
            return None;
        }
        let wait = asked.unwrap_or_else(|| jittered(Duration::from_millis(500 << (self.tries - 1).min(7)).min(Duration::from_secs(40))));
        self.waited += wait;
        (self.waited <= self.patience.time).then_some(wait)
    }

    /// Forgets earlier failures, after something moved again.
    pub fn reset(&mut self) {
        *self = Self::new(self.patience);
    }
}

/// Adds up to half, so that streams that failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0u8) % 1000;
    wait + wait.mul_f64(random as f64 / 2000.0)
}

/// Tries until it works, the error is final, or the budget is used up; then the last error, with the number of tries.
pub async fn retry<T, F, A>(patience: Patience, attempt: A) -> Result<T>
where
    A: FnMut() -> F,
    F: Future<Output = Result<T>>,
{
    retry_told(patience, |_, _| {}, attempt).await
}

/// The same; before each wait `told` hears of it, and of the reason.
pub(super) async fn retry_told<T, F, A>(patience: Patience, told: impl Fn(&Error, Duration), mut attempt: A) -> Result<T>
where
    A: FnMut() -> F,
    F: Future<Output = Result<T>>,
{
    let mut backoff = Backoff::new(patience);
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let Retry::Later(asked) = error.retryable() else { return Err(error) };
        let Some(wait) = backoff.next(asked) else {
            // one try alone uses up nothing: then the caller has the loop
            return Err(if backoff.tries > 1 { error.with("tries", backoff.tries).retry(Retry::Never) } else { error });
        };
        told(&error, wait);
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn waits_grow_and_end() {
        let mut backoff = Backoff::new(Patience { tries: 4, time: Duration::from_secs(600), ..Patience::ONCE });
        let waits: Vec<_> = std::iter::from_fn(|| backoff.next(None)).collect();
        assert_eq!(waits.len(), 3);
        assert!(waits[0] >= Duration::from_millis(500) && waits[0] <= Duration::from_millis(750));
        assert!(waits[2] >= Duration::from_secs(2));
    }

    #[test]
    fn a_wait_longer_than_the_budget_is_not_waited() {
        let mut backoff = Backoff::new(Patience { tries: 4, time: Duration::from_secs(10), ..Patience::ONCE });
        assert_eq!(backoff.next(Some(Duration::from_secs(11))), None);
        let mut backoff = Backoff::new(Patience { tries: 4, time: Duration::from_secs(10), ..Patience::ONCE });
        assert_eq!(backoff.next(Some(Duration::from_secs(9))), Some(Duration::from_secs(9)));
    }

    #[tokio::test]
    async fn a_final_error_is_not_tried_again() {
        let mut tries = 0;
        let outcome: Result<()> = retry(Patience::PATIENT, || {
            tries += 1;
            async { Err(Error::new(ErrorKind::NotFound, "gone")) }
        })
        .await;
        assert_eq!((outcome.unwrap_err().kind(), tries), (ErrorKind::NotFound, 1));
    }
}
