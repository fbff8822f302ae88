//! The Modal stand-in under a bare client: what it runs, what it refuses, what it counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod running;
mod world;
