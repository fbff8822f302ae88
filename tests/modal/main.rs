//! The client of Modal: its generated code, and how it gets on with a Modal on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, reason = "a broken test should stop")]

mod calls;
mod create;
mod found;
mod generated;
mod output;
mod world;
