//! The short-lived token that goes with every call: fetched once for all callers, renewed in good time (facts, modal §1).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use tokio::time::Instant;
use tonic::Code;

use super::failures::Refusal;
use super::retry::{delay, random};

/// How long a token lives that does not say so.
const LIFETIME: Duration = Duration::from_secs(20 * 60);
/// The longest pause between two tries to renew. The first is half a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Holds the token. Prints nothing of it.
#[derive(Default)]
pub(super) struct Auth {
    held: Mutex<Option<Held>>,
    /// Who holds this lock renews; inside, how many tries failed in a row.
    renewing: tokio::sync::Mutex<u32>,
}

#[derive(Clone)]
struct Held {
    /// `None` where the service has no such tokens.
    value: Option<HeaderValue>,
    renew_at: Instant,
}

impl Auth {
    /// The token, fetched by `fetch` when there is none or it is past half of its life. While one caller renews, the others go on with the
    /// old one; when renewing fails the old one stays. Fails only without an old one, or when the service does not take the credentials.
    pub(super) async fn token<F>(&self, fetch: impl FnOnce() -> F) -> Result<Option<HeaderValue>, Refusal>
    where
        F: Future<Output = Result<String, Refusal>>,
    {
        let fresh = |held: &Held| Instant::now() < held.renew_at;
        let before = self.held();
        if let Some(held) = before.as_ref().filter(|held| fresh(held)) {
            return Ok(held.value.clone());
        }
        let mut failures = match (&before, self.renewing.try_lock()) {
            (_, Ok(lock)) => lock,
            (Some(held), Err(_)) => return Ok(held.value.clone()),
            (None, Err(_)) => self.renewing.lock().await,
        };
        // somebody was quicker
        if let Some(held) = self.held().filter(fresh) {
            return Ok(held.value);
        }
        let fetched = match fetch().await {
            Ok(text) => Ok(Held::new(&text).unwrap_or_else(Held::none)),
            Err(refusal) if refusal.code() == Code::Unimplemented => Ok(Held::none()),
            Err(refusal) => Err(refusal),
        };
        match (fetched, before) {
            (Ok(held), _) => {
                *failures = 0;
                self.keep(held.clone());
                Ok(held.value)
            }
            (Err(refusal), Some(old)) if !matches!(refusal.code(), Code::Unauthenticated | Code::PermissionDenied) => {
                let pause = delay(*failures, LONGEST_PAUSE / 5) * 5;
                *failures += 1;
                self.keep(Held { renew_at: Instant::now() + pause, ..old.clone() });
                Ok(old.value)
            }
            (Err(refusal), _) => Err(refusal),
        }
    }

    /// Forgets this token after the service did not take it. `false` when there is nothing newer to try.
    pub(super) fn reject(&self, used: Option<&HeaderValue>) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if used.is_some() && held.as_ref().is_some_and(|held| held.value.as_ref() == used) {
            *held = None;
        }
        used.is_some()
    }

    fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, held: Held) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}

impl Held {
    /// `None` when the text is no header.
    fn new(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        let life = lifetime(text, SystemTime::now()).mul_f64(0.5 + 0.1 * random());
        Some(Self { value: Some(value), renew_at: Instant::now() + life })
    }

    fn none() -> Self {
        Self { value: None, renew_at: Instant::now() + LIFETIME }
    }
}

/// How long a token still lives, by its `exp`, which is read and not verified.
fn lifetime(token: &str, now: SystemTime) -> Duration {
    let expires = || {
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
        serde_json::from_slice::<serde_json::Value>(&claims).ok()?.get("exp")?.as_f64()
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    match expires() {
        Some(expires) => Duration::try_from_secs_f64(expires).unwrap_or_default().saturating_sub(now),
        None => LIFETIME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tonic::Status;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    fn living(seconds: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        jwt(&format!("{{\"exp\":{}}}", now + seconds))
    }

    fn refusal(code: Code) -> Refusal {
        Refusal {
            status: Status::new(code, "no"),
            call: "AuthTokenGet".to_owned(),
            tries: 1,
            throttled: None,
            spoken: String::new(),
            host: String::new(),
        }
    }

    #[test]
    fn the_life_of_a_token_is_read_from_it() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(lifetime(&jwt("{\"exp\":1600}"), now), Duration::from_secs(600));
        assert_eq!(lifetime(&jwt("{\"exp\":1600.0}"), now), Duration::from_secs(600));
        assert_eq!(lifetime(&jwt("{\"exp\":1}"), now), Duration::ZERO);
        assert_eq!(lifetime(&jwt("{}"), now), LIFETIME);
        assert_eq!(lifetime("opaque", now), LIFETIME);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_between_half_and_six_tenths_of_its_life() {
        for _ in 0..20 {
            let auth = Auth::default();
            let fetches = AtomicU32::new(0);
            let fetch = || async {
                fetches.fetch_add(1, Ordering::Relaxed);
                Ok(living(1000))
            };
            auth.token(fetch).await.unwrap();
            tokio::time::advance(Duration::from_secs(498)).await;
            auth.token(fetch).await.unwrap();
            assert_eq!(fetches.load(Ordering::Relaxed), 1);
            tokio::time::advance(Duration::from_secs(103)).await;
            auth.token(fetch).await.unwrap();
            assert_eq!(fetches.load(Ordering::Relaxed), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_fetch_once() {
        let auth = Auth::default();
        let fetches = AtomicU32::new(0);
        let one = || {
            auth.token(|| async {
                fetches.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(living(1000))
            })
        };
        let (a, b, c) = tokio::join!(one(), one(), one());
        assert!(a.unwrap() == b.unwrap() && c.unwrap().is_some());
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_old_token_stays_while_renewing_fails_and_pauses_grow() {
        let auth = Auth::default();
        let first = auth.token(|| async { Ok(living(1000)) }).await.unwrap();
        tokio::time::advance(Duration::from_secs(700)).await;
        let fetches = AtomicU32::new(0);
        for _ in 0..1200 {
            let failing = || async {
                fetches.fetch_add(1, Ordering::Relaxed);
                Err(refusal(Code::Unavailable))
            };
            assert_eq!(auth.token(failing).await.unwrap(), first);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        // at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5 s, then every minute
        assert_eq!(fetches.load(Ordering::Relaxed), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn refused_credentials_are_final() {
        for code in [Code::Unauthenticated, Code::PermissionDenied] {
            let auth = Auth::default();
            auth.token(|| async { Ok(living(10)) }).await.unwrap();
            tokio::time::advance(Duration::from_secs(11)).await;
            assert_eq!(auth.token(|| async { Err(refusal(code)) }).await.unwrap_err().code(), code);
        }
    }

    #[tokio::test]
    async fn a_service_without_such_tokens_is_called_without() {
        let auth = Auth::default();
        assert_eq!(auth.token(|| async { Err(refusal(Code::Unimplemented)) }).await.unwrap(), None);
        assert_eq!(auth.token(|| async { panic!("asked twice") }).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_token_that_is_not_taken_is_fetched_anew() {
        let auth = Auth::default();
        let first = auth.token(|| async { Ok(living(1000)) }).await.unwrap();
        assert!(auth.reject(first.as_ref()));
        let second = auth.token(|| async { Ok(living(2000)) }).await.unwrap();
        assert_ne!(first, second);
        // late news of the first does not hurt the second
        assert!(auth.reject(first.as_ref()));
        assert_eq!(auth.token(|| async { panic!("fetched") }).await.unwrap(), second);
        assert!(!auth.reject(None));
    }
}
