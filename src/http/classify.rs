//! What a status means when the service adds nothing of its own.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::{Error, ErrorKind, Retry};

/// Says what a failed answer means, once, for every caller.
pub fn classify(status: StatusCode, retry_after: Option<Duration>) -> (ErrorKind, Retry) {
    match status.as_u16() {
        400 | 422 => (ErrorKind::InvalidInput, Retry::Never),
        401 => (ErrorKind::Unauthorized, Retry::Never),
        403 | 451 => (ErrorKind::Forbidden, Retry::Never),
        404 | 410 => (ErrorKind::NotFound, Retry::Never),
        409 | 412 => (ErrorKind::Conflict, Retry::Never),
        413 => (ErrorKind::TooLarge, Retry::Never),
        429 => (ErrorKind::RateLimited, Retry::Later(retry_after)),
        408 | 500 | 502..=504 => (ErrorKind::Unavailable, Retry::Later(retry_after)),
        _ => (ErrorKind::Protocol, Retry::Never),
    }
}

/// The wait a `Retry-After` header asks for, in whole seconds. Both hubs send seconds, never a date (facts, huggingface §2, modelscope §2.1).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(|seconds: u64| Duration::from_secs(seconds.min(86_400)))
}

/// An error that may pass later, with the time the service asked for, if it did.
pub fn later(error: Error, asked: Option<Duration>) -> Error {
    let error = error.retry(Retry::Later(asked));
    match asked {
        Some(wait) if !wait.is_zero() => error.with(
            "asks to wait",
            match wait.as_secs() {
                seconds @ ..120 => format!("{seconds} s"),
                seconds => format!("{} min", seconds.div_ceil(60)),
            },
        ),
        _ => error,
    }
}

/// Adds the id by which the service knows the request, for its support (facts, huggingface §2 "Errors").
pub fn with_request_id(error: Error, headers: &HeaderMap) -> Error {
    let names = ["x-request-id", "x-amzn-trace-id", "x-amz-cf-id", "x-amz-request-id"];
    match names.iter().find_map(|name| headers.get(*name)?.to_str().ok()) {
        Some(id) => error.with("request", id),
        None => error,
    }
}
