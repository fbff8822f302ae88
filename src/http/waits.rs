//! Waits that are long enough for a person to wonder are told.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Shorter waits are nobody's business.
const WORTH_TELLING: Duration = Duration::from_secs(10);
/// Streams that are held up together, or again and again, are told of once in so long.
const BETWEEN: Duration = Duration::from_secs(60);

/// Who hears of long waits. Cloning shares it.
#[derive(Clone, Default)]
pub(super) struct Waits(Arc<Shared>);

#[derive(Default)]
struct Shared {
    listener: OnceLock<Box<dyn Fn(String) + Send + Sync>>,
    last: Mutex<Option<Instant>>,
}

impl Waits {
    /// Sets who hears of them; the first one stays.
    pub(super) fn tell_to(&self, listener: impl Fn(String) + Send + Sync + 'static) {
        // nobody sets it twice
        let _first = self.0.listener.set(Box::new(listener));
    }

    /// Tells of a wait before the next try.
    pub(super) fn tell(&self, error: &Error, wait: Duration) {
        let Some(listener) = self.0.listener.get().filter(|_| wait >= WORTH_TELLING) else { return };
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= BETWEEN) {
            *last = Some(Instant::now());
            listener(format!("waiting {} s: {error}", wait.as_secs()));
        }
    }
}
