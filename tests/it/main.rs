//! The real hf2ms over real sockets, between two stand-ins that refuse what the real services refuse and count every broken rule.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken test should stop")]

mod again;
mod commits;
mod corruption;
mod kill;
mod lies;
mod milestone;
mod trip;
mod peers;
mod cards;
mod configured;
mod faces;
mod tokens;
mod usage;
mod visibility;
mod world;
