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
mod attached;
mod batch;
mod by_git;
mod cancelled;
mod caps;
mod cards;
mod claude;
mod cloud;
mod cloud_model;
mod commits;
mod configured;
mod container;
mod corruption;
mod cuts;
mod datasets;
mod faces;
mod fan_out;
mod fan_out_lost;
mod faults_reading;
mod faults_writing;
mod glanced;
mod guesses;
mod huge;
mod kill;
mod kills;
mod launcher;
mod licences;
mod lies;
mod limits;
mod lines;
mod lists;
mod logged;
mod max_time;
mod mcp;
mod mcp_peers;
mod milestone;
mod mirror;
mod mistaken;
mod modal;
mod modal_plans;
mod names;
mod pace;
mod partial;
mod peers;
mod peers_js;
mod picks;
mod plans;
mod plugin;
mod privacy;
mod proof;
mod proof_again;
mod replay;
mod revisions;
mod secrets;
mod setup;
mod shapes;
mod shown;
mod smoke;
mod static_worker;
mod straggler;
#[cfg(target_os = "linux")]
mod streaming;
mod successor;
mod together;
mod tokens;
mod trip;
mod up_to_date;
mod usage;
mod visibility;
mod worker_program;
mod world;
