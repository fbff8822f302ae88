//! When a call is sent again, and after how long (facts, modal §1).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::failures::is_outage;
use super::wire::client::{RpcRetryPolicy, RpcStatus};

/// Delays of Modal's own clients: 0.1 s doubling to 1 s, three times.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);
const RETRIES: u32 = 3;
/// While something is followed that runs on anyway, an outage is borne for ten minutes, asked about every five seconds.
const OUTAGE: Duration = Duration::from_secs(600);
const LONGEST_IN_OUTAGE: Duration = Duration::from_secs(5);
/// The shortest wait when the service asks for one.
const LEAST_THROTTLE: Duration = Duration::from_millis(100);

/// How long a call is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// One try; the caller has the loop.
    Once,
    /// As Modal's own clients: three more tries within two seconds.
    Brief,
    /// Through an outage of ten minutes.
    Lasting,
}

/// The tries of one call.
#[derive(Debug)]
pub(super) struct Tries {
    patience: Patience,
    /// `None` is without end, zero is never.
    most_throttle_wait: Option<Duration>,
    began: Instant,
    pub(super) retries: u32,
    pub(super) throttles: u32,
}

/// What to do after a failed try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this.
    Again(Duration),
    /// The service asks for this wait, which it keeps asking for.
    Slower(Duration),
    /// The service asks for longer than allowed.
    TooSlow,
    /// It stays as it is.
    Fail,
}

impl Tries {
    pub(super) fn new(patience: Patience, most_throttle_wait: Option<Duration>) -> Self {
        Self { patience, most_throttle_wait, began: Instant::now(), retries: 0, throttles: 0 }
    }

    /// How often it was sent.
    pub(super) fn sent(&self) -> u32 {
        1 + self.retries + self.throttles
    }

    /// Since the first try.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Counts a failed try and says what to do.
    pub(super) fn after(&mut self, status: &Status) -> Next {
        if let Some(asked) = asked_to_wait(status) {
            let off = self.most_throttle_wait == Some(Duration::ZERO);
            if !off {
                if self.most_throttle_wait.is_some_and(|most| self.elapsed() + asked >= most) {
                    return Next::TooSlow;
                }
                self.throttles += 1;
                return Next::Slower(asked);
            }
        }
        let allowed = match self.patience {
            Patience::Once => false,
            Patience::Lasting if is_outage(status) => self.elapsed() < OUTAGE,
            Patience::Brief | Patience::Lasting => is_transient(status) && self.retries < RETRIES,
        };
        if !allowed {
            return Next::Fail;
        }
        let longest = if self.patience == Patience::Lasting { LONGEST_IN_OUTAGE } else { LONGEST };
        let wait = delay(self.retries, longest);
        self.retries += 1;
        Next::Again(wait)
    }
}

/// 0.1 s, doubled for every earlier try.
pub(super) fn delay(earlier: u32, longest: Duration) -> Duration {
    (FIRST * (1 << earlier.min(12))).min(longest)
}

/// Whether the same call may pass on another try.
pub(super) fn is_transient(status: &Status) -> bool {
    matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable | Code::Cancelled | Code::Internal | Code::Unknown)
}

/// The wait that a refusal asks for. Without one, RESOURCE_EXHAUSTED is a limit that waiting does not lift.
pub(super) fn asked_to_wait(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let policy = details.iter().find(|detail| detail.type_url.ends_with("/modal.client.RPCRetryPolicy"))?;
    let seconds = RpcRetryPolicy::decode(policy.value.as_slice()).ok()?.retry_after_secs;
    Some(Duration::try_from_secs_f32(seconds).unwrap_or_default().max(LEAST_THROTTLE))
}

/// A random number from 0 to 1, good enough to keep clients apart.
pub(super) fn random() -> f64 {
    (RandomState::new().hash_one(0u8) % 10_000) as f64 / 10_000.0
}

/// A version 4 UUID that no other call has: the hash's keys come from the system's random source.
pub(super) fn unique() -> String {
    let half = || RandomState::new().hash_one(1u8);
    let (high, low) = (half(), half());
    let (high, low) = (high & 0xffff_ffff_ffff_0fff | 0x4000, low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::super::wire::client::Any;
    use super::*;

    fn policy(code: Code, seconds: f32) -> Status {
        let value = RpcRetryPolicy { retry_after_secs: seconds }.encode_to_vec();
        let detail = Any { type_url: "type.googleapis.com/modal.client.RPCRetryPolicy".to_owned(), value };
        let status = RpcStatus { code: code as i32, message: String::new(), details: vec![detail] };
        Status::with_details(code, "slow down", status.encode_to_vec().into())
    }

    fn tries(patience: Patience, most_throttle_wait: Option<u64>) -> Tries {
        Tries::new(patience, most_throttle_wait.map(Duration::from_secs))
    }

    #[tokio::test(start_paused = true)]
    async fn transient_codes_are_tried_three_more_times_with_growing_waits() {
        for code in [Code::DeadlineExceeded, Code::Unavailable, Code::Cancelled, Code::Internal, Code::Unknown] {
            let mut tries = tries(Patience::Brief, None);
            let status = Status::new(code, "x");
            let waits = [100, 200, 400].map(|millis| Next::Again(Duration::from_millis(millis)));
            assert_eq!([tries.after(&status), tries.after(&status), tries.after(&status)], waits, "{code:?}");
            assert_eq!((tries.after(&status), tries.sent()), (Next::Fail, 4), "{code:?}");
        }
        for code in [Code::NotFound, Code::ResourceExhausted, Code::Unauthenticated, Code::AlreadyExists, Code::FailedPrecondition] {
            assert_eq!(tries(Patience::Lasting, None).after(&Status::new(code, "x")), Next::Fail, "{code:?}");
        }
        assert_eq!(tries(Patience::Once, None).after(&Status::unavailable("x")), Next::Fail);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_borne_for_ten_minutes_where_something_runs_on() {
        let mut lasting = tries(Patience::Lasting, None);
        let mut waited = Duration::ZERO;
        while let Next::Again(wait) = lasting.after(&Status::unavailable("down")) {
            assert!(wait <= LONGEST_IN_OUTAGE);
            waited += wait;
            tokio::time::advance(wait).await;
        }
        assert!((OUTAGE..OUTAGE + LONGEST_IN_OUTAGE * 2).contains(&waited), "{waited:?}");
        // an answer of the service's own is no outage
        let mut lasting = tries(Patience::Lasting, None);
        let waits = std::iter::from_fn(|| Some(lasting.after(&Status::internal("x"))).filter(|next| *next != Next::Fail)).count();
        assert_eq!(waits, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_is_waited_out_without_end_unless_a_limit_is_set() {
        let mut endless = tries(Patience::Brief, None);
        for _ in 0..100 {
            assert_eq!(endless.after(&policy(Code::ResourceExhausted, 30.0)), Next::Slower(Duration::from_secs(30)));
            tokio::time::advance(Duration::from_secs(30)).await;
        }
        assert_eq!((endless.throttles, endless.retries), (100, 0));
        let mut limited = tries(Patience::Brief, Some(50));
        assert_eq!(limited.after(&policy(Code::ResourceExhausted, 30.0)), Next::Slower(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(limited.after(&policy(Code::ResourceExhausted, 30.0)), Next::TooSlow);
        assert_eq!(tries(Patience::Brief, Some(0)).after(&policy(Code::ResourceExhausted, 1.0)), Next::Fail);
    }

    #[test]
    fn a_wait_has_a_least_and_nonsense_is_the_least() {
        assert_eq!(asked_to_wait(&policy(Code::ResourceExhausted, 0.0)), Some(LEAST_THROTTLE));
        assert_eq!(asked_to_wait(&policy(Code::ResourceExhausted, -1.0)), Some(LEAST_THROTTLE));
        assert_eq!(asked_to_wait(&policy(Code::ResourceExhausted, f32::NAN)), Some(LEAST_THROTTLE));
        assert_eq!(asked_to_wait(&Status::resource_exhausted("limit")), None);
        assert_eq!(asked_to_wait(&Status::with_details(Code::ResourceExhausted, "", vec![0xff; 9].into())), None);
    }

    #[test]
    fn keys_are_version_4_and_differ() {
        let keys: std::collections::BTreeSet<_> = (0..1000).map(|_| unique()).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            assert_eq!(key.len(), 36);
            assert_eq!(key.as_bytes()[14], b'4', "{key}");
            assert!(matches!(key.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{key}");
        }
    }
}
