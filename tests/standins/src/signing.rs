//! Signed URLs: a query that proves who made the URL and until when it holds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::marks::Marks;

/// A request that comes this soon after a refusal was sent before anybody heard of that: no rule is broken by it.
pub const ON_THE_WAY: Duration = Duration::from_millis(200);

/// What a signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Genuine and in time.
    Good,
    /// Genuine, too late.
    Expired,
    /// Missing, or made for something else.
    Forged,
}

/// Signs paths and checks them again.
#[derive(Debug)]
pub struct Signer {
    secret: String,
    serial: AtomicU64,
    given: Marks,
}

impl Signer {
    /// A signer with this secret. Signatures of one signer mean nothing to another. What it signs is marked as secret.
    pub fn new(secret: &str, marks: Marks) -> Self {
        Self { secret: secret.to_owned(), serial: AtomicU64::new(1), given: marks }
    }

    /// The query for a path, good for `lifetime`: `expires=…&serial=…&signature=…`. No two are the same.
    pub fn sign(&self, method: &str, path: &str, lifetime: Duration) -> String {
        let expires = now_millis() + lifetime.as_millis() as u64;
        let serial = self.serial.fetch_add(1, Relaxed);
        let signature = self.signature(method, path, expires, serial);
        self.given.signature(&signature);
        format!("expires={expires}&serial={serial}&signature={signature}")
    }

    /// Checks the values of such a query, given a way to look them up.
    pub fn check<'q>(&self, method: &str, path: &str, value: impl Fn(&str) -> Option<&'q str>) -> Verdict {
        let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok());
        let (Some(expires), Some(serial)) = (number("expires"), number("serial")) else { return Verdict::Forged };
        if value("signature") != Some(&self.signature(method, path, expires, serial)) {
            return Verdict::Forged;
        }
        if now_millis() > expires { Verdict::Expired } else { Verdict::Good }
    }

    fn signature(&self, method: &str, path: &str, expires: u64, serial: u64) -> String {
        hex::encode(Sha256::digest(format!("{}\n{method}\n{path}\n{expires}\n{serial}", self.secret)))
    }
}

fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
