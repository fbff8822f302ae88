//! hf2ms moves models and datasets between Hugging Face and ModelScope: streamed, nothing on disk, every file proven.
//!
//! In reading order: [`repo`] says what a repository is, [`plan`] decides from two listings what happens with each file, [`card`] what
//! changes in its card, [`verify`] what became of it. [`hub`] are the two shores over one [`http`] client. [`worker`] carries blobs,
//! [`conductor`] decides, commits and proves, [`runner`] gives it a process, which talks by [`protocol`]. [`journal`] and [`progress`]
//! remember, [`migration`] tells the story to its faces: [`cli`] for people and scripts, [`mcp`] for agents.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken test should stop"))]

pub mod card;
pub mod cli;
pub mod conductor;
pub mod config;
pub mod error;
pub mod http;
pub mod hub;
pub mod journal;
pub mod mcp;
pub mod migration;
pub mod plan;
pub mod progress;
pub mod protocol;
pub mod repo;
pub mod runner;
pub mod secret;
pub mod verify;
pub mod worker;
