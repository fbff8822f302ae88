//! Answers as ModelScope wraps them: the legacy envelope, the OpenAPI one, and refusals in both (facts/modelscope §2.1).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::server::{Gone, Response};

/// The overloaded code: a branch race or a throttle on commits, missing credentials on the upload gateway.
pub(super) const OVERLOADED: u64 = 10_030_000_001;

/// Why a request is not answered as wished.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client went away.
    Gone,
    /// The service says no.
    Refused(Refusal),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A refusal, before it is wrapped for the surface that was asked.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: u16,
    code: Value,
    message: String,
    retry_after: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: impl Into<Value>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), retry_after: None }
    }

    /// Bad input, without a code of its own.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "InputParameterError", message)
    }

    /// Missing, or private and none of the caller's business.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(404, "ResourceNotFound", format!("{what} does not exist"))
    }

    /// A wish beyond the caller's permissions.
    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(403, "OperationNotAllowed", message)
    }

    /// No credentials, or wrong ones.
    pub(super) fn unauthenticated() -> Self {
        Self::new(401, "InvalidAuthentication", "user not logged in")
    }

    /// A commit refused by what the service calls its policy.
    pub(super) fn policy() -> Self {
        Self::new(400, OVERLOADED, "commit rejected by repository policy, please retry")
    }

    /// Names the seconds after which to come back.
    pub(super) fn after(self, seconds: Option<u64>) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// Wrapped for `/openapi/v1`.
    pub(super) fn openapi(&self) -> Response {
        let id = request_id();
        let body = json!({ "success": false, "code": self.code, "message": self.message, "request_id": id });
        self.finish(Response::json(self.status, &body), &id)
    }

    /// Wrapped for `/api/v1`. Codes are numbers there; what has none of its own repeats the status.
    pub(super) fn legacy(&self) -> Response {
        let id = request_id();
        let named_permission = self.code == "OperationNotAllowed";
        let code = if self.code.is_number() || named_permission { self.code.clone() } else { json!(self.status) };
        let body = json!({ "Code": code, "Message": self.message, "RequestId": id, "Success": false });
        self.finish(Response::json(self.status, &body), &id)
    }

    fn finish(&self, response: Response, id: &str) -> Response {
        let response = response.header("x-request-id", id);
        match self.retry_after {
            Some(seconds) => response.header("retry-after", seconds.to_string()),
            None => response,
        }
    }
}

/// A legacy success.
pub(super) fn legacy(data: Value) -> Response {
    legacy_with(data, json!({}))
}

/// A legacy success with fields beside `Data`, such as `TotalCount`.
pub(super) fn legacy_with(data: Value, beside: Value) -> Response {
    let id = request_id();
    let mut body = Map::new();
    body.insert("Code".into(), json!(200));
    body.insert("Data".into(), data);
    body.insert("Message".into(), json!("success"));
    body.insert("RequestId".into(), json!(id));
    body.insert("Success".into(), json!(true));
    if let Value::Object(beside) = beside {
        body.extend(beside);
    }
    Response::json(200, &Value::Object(body)).header("x-request-id", &id)
}

/// An OpenAPI success.
pub(super) fn openapi(data: Value) -> Response {
    let id = request_id();
    Response::json(200, &json!({ "success": true, "data": data, "request_id": id })).header("x-request-id", &id)
}

/// A fresh request id: 32 hex digits.
pub(super) fn request_id() -> String {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Relaxed);
    hex::encode(&Sha256::digest(format!("request {serial}"))[..16])
}
