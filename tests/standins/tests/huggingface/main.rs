//! The Hugging Face stand-in, asked by a bare HTTP client: what it does, what it refuses, and what it counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod lists;
mod misfortunes;
mod reading;
mod rules;
mod world;
mod writing;
