//! Hugging Face, ModelScope and Modal as stateful, strict servers on loopback.
//!
//! A stand-in is a far shore to test against: it keeps repositories, blobs and commits, speaks the wire as the real service
//! does, refuses what the service refuses, and *counts* every rule a client breaks. It shares no code with hf2ms: two
//! readings of the same facts keep each other honest.
//!
//! Reading order: [`content`] (bytes, kept or generated) → [`store`] (blobs by digest) → [`server`] (origins, requests,
//! answers) with its [`dials`], [`faults`], [`strict`] rules, [`marks`] and [`journal`] → the hubs themselves, [`huggingface`] and
//! [`modelscope`], or both as a [`pair`] → [`modal`], which runs what it is sent. [`messages`] is a model that
//! follows a script, for agents. [`probe`] is a bare HTTP client for tests that break rules on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a stand-in is a test tool: a broken invariant should stop the test"
)]

pub mod content;
pub mod dials;
pub mod faults;
mod fullness;
pub mod huggingface;
pub mod journal;
pub mod marks;
pub mod messages;
pub mod modal;
pub mod modelscope;
pub mod pair;
pub mod probe;
pub mod range;
pub mod rig;
pub mod server;
pub mod signing;
pub mod store;
pub mod strict;

mod git;
mod incoming;
mod outgoing;
mod socket;
