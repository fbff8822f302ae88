//! The real hf2ms over real sockets, between two stand-ins that refuse what the real services refuse and count every broken rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken test should stop")]

mod milestone;
mod peers;
mod usage;
mod world;
