//! Laws: what holds for any name, card, plan and cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken test should stop")]

mod fan_out;
mod licences;
mod names;
mod plans;
mod progress;
mod streams;
