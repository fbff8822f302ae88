//! The figures that the fan-out reckons with: one set for the count of containers, for the replacing of slow ones, for the estimate, and
//! for the simulator (`cargo bench --bench fan_out`) that they were chosen with.
//!
//! No rate inside Modal has been measured yet (facts, modal §5 "Bandwidth", §10.7), so the rates are cautious guesses. They decide how many
//! containers are started and what the plan says; while it runs, workers are compared with each other and not with these figures.

use std::time::Duration;

use crate::repo::Platform;

/// Bytes a second over one connection. Either direction crosses the Pacific once: at 200 ms a window of a few MiB is filled, with some loss.
pub const STREAM: u64 = 10_000_000;

/// Bytes a second through one container: 1 Gbit/s. Hashing and TLS take about a second of one core for a GB (README, "CPU s/GB"), so that the
/// container's network, which Modal emulates in user space, is the narrower door.
pub const CONTAINER: u64 = 125_000_000;

/// Bytes a second that a destination takes of one account, from all containers: 40 Gbit/s. Storage of either hub is a cloud's object store;
/// what an account is allowed of it is not published. More containers than fill it would only wait, and cost.
pub const DESTINATION: u64 = 5_000_000_000;

/// Transfers in flight in one container: the most that ModelScope is given.
pub const STREAMS: u32 = 32;

/// Parts of one file in flight where the destination takes a file in parts: what the memory of a container holds of parts of 100 MB.
pub const PARTS: u32 = 8;

/// From asking for a container to its first payload byte: the sandbox, the listing, the first negotiation.
pub const START: Duration = Duration::from_secs(20);

/// What a file takes however small it is: five round trips across the Pacific (redirect, content, slot, end of the body, verification).
pub const FILE: Duration = Duration::from_secs(1);

/// The same as bytes: what a container could have moved in that time on one of its streams.
pub const FILE_WEIGHT: u64 = CONTAINER * FILE.as_secs() / STREAMS as u64;

/// What one container carries alone. Within ten minutes a second one saves the user less than he takes to look again; beyond, he waits.
/// With shards of this length the start and the calls take 5 %, and a straggler found after a tenth of it costs nothing with containers to
/// spare and less than 10 % without (simulator, rows of 600 s).
pub const ALONE: Duration = Duration::from_secs(600);

/// The least a shard carries where the user wants haste (`--parallel`): six times what its container takes to start.
pub const HASTE: Duration = Duration::from_secs(120);

/// Containers of one migration, its conductor included: what a workspace of the smallest plan has (facts, modal §4 "parallelism").
pub const CONTAINERS: u32 = 100;

/// Migrations of a batch that run on this machine at the same time where nobody says otherwise: a small one spends most of its time on waiting for
/// answers, and four of them fill that.
pub const AT_ONCE_HERE: u32 = 4;

/// The most of them: each has a share of the 96 MiB that one process holds, and carries badly with less than 16.
pub const MOST_HERE: u32 = 6;

/// Detached migrations that are started at once on this machine, where nobody is left to start the next one when one has ended: each holds 16 MiB.
pub const DETACHED_HERE: usize = 16;

/// Migrations of a batch at the same time in the cloud, where nobody says otherwise: as many as leave a quota of a thousand API calls in five minutes a hundred for each (facts, huggingface §2 "Rate limits").
pub const AT_ONCE_IN_CLOUD: u32 = 10;

/// A migration with more bytes than this has this machine for itself: it waits for its line and not for answers.
pub const LARGE: u64 = 1_000_000_000;

/// One place of so many is not given a shard, unless the user names a count: where a worker is lost in a full house, its shard can only be
/// carried again in the one place it left, piece after piece.
pub const SPARE: u32 = 20;

/// Downloads a second that Hugging Face allows a free account: 5,000 in five minutes (facts, huggingface §2 "Rate limits").
pub const FREE_DOWNLOADS: f64 = 5_000.0 / 300.0;

/// Times that one blob's worker is ended or lost before its shard is given up.
pub const ATTEMPTS: u32 = 5;

/// A worker is slow below this part of what the one in the middle would move with as many blobs left. The noise is a factor of two: streams
/// climb from 8 to 32, small files move fewer bytes.
/// A factor of four leaves room on both sides of it: between that noise, and a straggler 20 times slower.
pub const SLOW: f64 = 0.25;

/// For how long it must be that slow: a tenth of what the whole is expected to take, because that is all a straggler may cost, but never so
/// short that a few broken connections and their waits fill it, and never longer than two minutes.
pub const SLOW_FOR: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));

/// The same as a part of the whole.
pub const SLOW_PART: f64 = 0.1;

/// A worker that was heard longer ago is not judged: three heartbeats.
pub const HEARD: Duration = Duration::from_secs(45);

/// A worker that was not heard for so long while others were is ended. Its output may be cut while it works: to find the way to a sandbox's
/// output can take five minutes in rare cases (facts, modal §3).
pub const SILENT: Duration = Duration::from_secs(300);

/// The same when nobody is heard, which is rather the ear's fault.
pub const SILENT_ALL: Duration = Duration::from_secs(900);

/// A worker that is heard and moves nothing for so long is ended even when there is nobody to compare it with: as long as the longest wait
/// that a hub asks for (facts, modelscope §2.1, 429).
pub const STILL: Duration = Duration::from_secs(1_800);

/// After an order to end a container that brought no end, it is given again.
pub const INSIST: Duration = Duration::from_secs(60);

/// A shard is cut again among at most so many replacements.
pub const PIECES: u32 = 24;

/// A fleet grows by one worker for so many, and by so many at least, to carry again what lost workers left: enough for a straggler, and no
/// more than a little beyond what the user was told.
pub const REINFORCED: usize = 4;

/// Where there are not enough free places for all pieces at once, each takes this part of the whole, so that what is still waiting when the
/// others end and leave their places takes no longer.
pub const PIECE_PART: f64 = 0.05;

/// From where to where: what a rate depends on besides the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The hub read.
    pub from: Platform,
    /// The hub written.
    pub to: Platform,
}

impl Way {
    /// Bytes a second of one file: ModelScope takes it over one connection, Hugging Face in parts.
    pub fn file_rate(self) -> u64 {
        match self.to {
            Platform::ModelScope => STREAM,
            Platform::HuggingFace => (STREAM * u64::from(PARTS)).min(CONTAINER),
        }
    }

    /// Files a second that the source gives one free account, from all containers. `None` where no limit is published.
    pub fn files_rate(self) -> Option<f64> {
        (self.from == Platform::HuggingFace).then_some(FREE_DOWNLOADS)
    }
}
