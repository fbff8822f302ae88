//! The Modal stand-in under a bare client: what it runs, what it refuses, what it counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod finding;
mod misfortunes;
mod output;
mod peer;
mod rules_of_calls;
mod rules_of_content;
mod rules_of_sandboxes;
mod running;
mod world;
