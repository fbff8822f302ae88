//! Whether a hub can be reached at all from where this runs. No token is sent.

use std::time::Duration;

use reqwest::Method;

use super::endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Answer, Http, IDLE_TIMEOUT, Patience, Request};
use crate::secret::SafeUrl;

/// Two tries, and no long wait between them.
const PATIENCE: Patience = Patience { tries: 2, time: Duration::from_secs(2), idle: IDLE_TIMEOUT };
/// How long both may take.
const MOST: Duration = Duration::from_secs(20);

/// Asks for the head of a hub's first page. Any answer will do but one that says that the hub itself is down.
///
/// Fails with `Usage` when the endpoint is not https, or http on loopback; with `Unavailable` when there is no such answer in 20 s.
pub async fn reach(endpoint_text: &str) -> Result<()> {
    let (url, loopback) = endpoint(endpoint_text)?;
    let http = Http::new(loopback, IDLE_TIMEOUT)?;
    let request = Request::new(Method::HEAD, SafeUrl::new(url));
    match tokio::time::timeout(MOST, http.call(request, PATIENCE, judge)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorKind::Unavailable, "no answer in time")),
    }
}

fn judge(answer: &Answer) -> Result<()> {
    if answer.status.is_server_error() {
        return Err(Error::new(ErrorKind::Unavailable, "it is down").with("status", answer.status.as_u16()));
    }
    Ok(())
}
