//! Ready-made failures of calls, for [`Rule::route`](crate::faults::Rule::route) with the name of a call.

use prost::Message as _;
use tonic::Code;

use super::proto::{Detail, RpcRetryPolicy, RpcStatus};
use crate::faults::{Fault, GrpcAnswer};

/// This status instead of the work.
pub fn status(code: Code) -> Fault {
    Fault::Grpc(GrpcAnswer { code: code as i32, message: "injected".to_owned(), details: Vec::new(), after_work: false })
}

/// This status although the work was done: what a gateway says that lost patience.
pub fn status_after_work(code: Code) -> Fault {
    Fault::Grpc(GrpcAnswer { code: code as i32, message: "injected".to_owned(), details: Vec::new(), after_work: true })
}

/// `RESOURCE_EXHAUSTED` with a policy: try again after so many seconds.
pub fn throttled(retry_after_secs: f32) -> Fault {
    let message = "rate limit exceeded".to_owned();
    let details = retry_policy(&message, retry_after_secs);
    Fault::Grpc(GrpcAnswer { code: Code::ResourceExhausted as i32, message, details, after_work: false })
}

/// `RESOURCE_EXHAUSTED` without a policy: the workspace has spent what it may.
pub fn spend_limit() -> Fault {
    let message = "workspace has reached its spend limit".to_owned();
    Fault::Grpc(GrpcAnswer { code: Code::ResourceExhausted as i32, message, details: Vec::new(), after_work: false })
}

/// The details of an error that may be tried again.
pub(super) fn retry_policy(message: &str, retry_after_secs: f32) -> Vec<u8> {
    let policy = RpcRetryPolicy { retry_after_secs }.encode_to_vec();
    let detail = Detail { type_url: "type.googleapis.com/modal.client.RPCRetryPolicy".to_owned(), value: policy };
    RpcStatus { code: Code::ResourceExhausted as i32, message: message.to_owned(), details: vec![detail] }.encode_to_vec()
}
