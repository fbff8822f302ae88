//! The real hf2ms over real sockets, between two stand-ins that refuse what the real services refuse and count every broken rule.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a broken test should stop"
)]

mod again;
mod caps;
mod cards;
mod commits;
mod configured;
mod corruption;
mod faces;
mod faults_reading;
mod guesses;
mod kill;
mod lies;
mod milestone;
mod peers;
mod shown;
#[cfg(target_os = "linux")]
mod streaming;
mod tokens;
mod trip;
mod usage;
mod visibility;
mod world;
