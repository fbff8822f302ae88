//! `HF2MS_LOG=debug`: a line on standard error for every request, which for a process that carries is its migration's `log`.
//!
//! It names the method, the address without its query, the status and the milliseconds until the answer began. Headers, queries and
//! bodies are never written: tokens and signatures are in them.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use reqwest::{Method, Response};
use url::Url;

use crate::secret::SafeUrl;

/// How each line begins. The journal knows it too: it passes these lines over when it looks for a process's last words.
const MARK: &str = "request: ";

static ENABLED: AtomicBool = AtomicBool::new(false);

/// From now on every request of this process is written down.
pub fn log_requests() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// A request that is under way.
pub(super) struct Sent {
    method: Method,
    url: Url,
    attempt: u32,
    started: Instant,
}

impl Sent {
    /// Notes when it began; nothing when nobody wants to know.
    pub(super) fn new(request: &reqwest::Request, attempt: u32) -> Option<Self> {
        let enabled = ENABLED.load(Ordering::Relaxed);
        enabled.then(|| Self { method: request.method().clone(), url: request.url().clone(), attempt, started: Instant::now() })
    }

    /// Writes the line.
    pub(super) fn answered(self, answer: &Result<Response, reqwest::Error>) {
        let outcome = match answer {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) if error.is_timeout() => "no answer in time".to_owned(),
            Err(error) if error.is_connect() => "no connection".to_owned(),
            Err(_) => "the connection broke".to_owned(),
        };
        let again = if self.attempt > 1 { format!(", try {}", self.attempt) } else { String::new() };
        let milliseconds = self.started.elapsed().as_millis();
        let line = format!("{MARK}{} {} {outcome} in {milliseconds} ms{again}\n", self.method, SafeUrl::new(self.url));
        // in one piece, so that lines of several requests do not mix; nobody to read it is no harm
        let _gone = std::io::stderr().write_all(line.as_bytes());
    }
}
