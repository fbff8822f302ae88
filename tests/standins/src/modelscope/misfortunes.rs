//! Failures as ModelScope words them (facts/modelscope §2.1), ready to be added to the faults.

use serde_json::json;

use crate::faults::Fault;

use super::envelope::OVERLOADED;

/// HTTP 200 with `Success: false`: seen on listings, commits and uploads.
pub fn failure_in_success() -> Fault {
    worded(200, json!(10_010_000_500_u64), "internal error")
}

/// 429 on a commit, with `Retry-After` in seconds if given.
pub fn commit_frequency(retry_after: Option<u64>) -> Fault {
    let fault = worded(429, json!(429), "Commit frequency limit exceeded");
    match retry_after {
        Some(seconds) => fault.header("retry-after", &seconds.to_string()),
        None => fault,
    }
}

/// 409 on a commit: another one was faster.
pub fn branch_changed() -> Fault {
    worded(409, json!(OVERLOADED), "could not update refs: branch changed, please retry")
}

/// 400 on a commit: the policy text that asks for a smaller or later commit.
pub fn policy() -> Fault {
    worded(400, json!(OVERLOADED), "commit rejected by repository policy, please retry")
}

/// The spurious 403 on a later page of a listing.
pub fn spurious_denial() -> Fault {
    worded(403, json!(403), "access denied")
}

/// 403: the quota is used up.
pub fn quota() -> Fault {
    worded(403, json!("QuotaLimitExceed"), "quota limit exceeded")
}

/// 401 in the middle of a run: the token has run out.
pub fn token_expired() -> Fault {
    worded(401, json!("InvalidAuthentication"), "user not logged in")
}

fn worded(status: u16, code: serde_json::Value, message: &str) -> Fault {
    let body = json!({ "Code": code, "Message": message, "RequestId": "0123456789abcdef0123456789abcdef", "Success": false });
    Fault::status(status).body(&body.to_string())
}
