//! Failures as Hugging Face words them (facts/huggingface §2), ready to be added to the faults.

use serde_json::json;

use crate::faults::Fault;

/// 429 of the API quota: its window is used up and has `rest` seconds left.
pub fn quota_used_up(rest: u64) -> Fault {
    let fault = worded(429, "We had to rate limit you, you hit the quota of api requests.");
    fault.header("ratelimit", &format!("\"api\";r=0;t={rest}"))
}

/// 429 of another limit than the API's, whose header shows that there is plenty left; with `Retry-After` in seconds if given.
pub fn other_limit(retry_after: Option<u64>) -> Fault {
    let fault = worded(429, "You have exceeded a rate limit. Please slow down.").header("ratelimit", "\"api\";r=840;t=200");
    match retry_after {
        Some(seconds) => fault.header("retry-after", &seconds.to_string()),
        None => fault,
    }
}

/// 429 of the commits of an hour. Its `RateLimit` header is that of the API, which is not used up.
pub fn commits_per_hour() -> Fault {
    let words = "You have exceeded the rate limit for repository commits (128 per hour). You can retry this action in about 1 hour.";
    worded(429, words).header("ratelimit", "\"api\";r=840;t=200").header("retry-after", "3600")
}

/// 409 on a creation: the account creates something else at this moment.
pub fn conflicting_operation() -> Fault {
    worded(409, "Another conflicting operation is in progress. Please retry later.")
}

/// 403: the private storage of the account is full.
pub fn private_storage_full() -> Fault {
    worded(403, "Private repository storage limit reached, please upgrade your plan to increase your private storage limit.")
}

/// 403: the account was locked for the way it uses its storage.
pub fn storage_patterns() -> Fault {
    worded(403, "Your storage patterns tripped our internal systems! Please contact us at website@huggingface.co so we can help.")
}

/// 403: the public storage of the account is full.
pub fn public_storage_full() -> Fault {
    worded(403, "You have exceeded your public storage space. Please upgrade your plan.")
}

/// 403: nobody pays for more.
pub fn no_recharge() -> Fault {
    worded(403, "You need to setup automatic credit recharge to continue.")
}

fn worded(status: u16, message: &str) -> Fault {
    Fault::status(status).header("x-error-message", message).body(&json!({ "error": message }).to_string())
}
