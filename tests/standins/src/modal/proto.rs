//! The messages and services, as the stand-in's own `.proto` files say.
#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated code")]

tonic::include_proto!("modal.client");

/// The command router of a worker's host.
pub mod router {
    tonic::include_proto!("modal.task_command_router");
}
