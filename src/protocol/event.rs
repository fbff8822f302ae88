//! What comes out while it runs.

use serde::{Deserialize, Serialize};

use super::{Endpoints, ProvenFiles, Report, Request};
use crate::repo::{Digests, RepoPath, Visibility};

/// One line on a process's standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Counts without gaps, from 0, or from where the job of a conductor that succeeds another begins.
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "events are made one at a time and written out at once")]
pub enum What {
    /// The process runs and understood its job.
    Started {
        /// Its version.
        version: String,
        /// Its protocol.
        protocol: u32,
        /// What it migrates, so that whoever has only the events knows. Absent where it does not fit into a line.
        #[serde(default)]
        request: Option<Box<Request>>,
        /// The source's commit that it was told to migrate.
        #[serde(default)]
        source_commit: Option<String>,
        /// Between which sites. Not told by earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoints: Option<Endpoints>,
    },
    /// The plan it follows.
    Planned {
        /// The source's commit.
        source_commit: Option<String>,
        /// Files selected.
        files: u64,
        /// Bytes selected.
        bytes: u64,
        /// Files that may have to move.
        to_copy: u64,
        /// Bytes that may have to move.
        bytes_to_copy: u64,
        /// The destination's head that it builds on; nothing where there is none.
        #[serde(default)]
        destination_head: Option<String>,
    },
    /// The destination was created.
    Created {
        /// With this visibility, as read back.
        visibility: Visibility,
    },
    /// Blobs are at the destination, not committed yet. Each is told once, and before whatever follows from it.
    Blobs {
        /// In the order in which they landed.
        blobs: Vec<LandedBlob>,
    },
    /// How far it is; also the heartbeat.
    Progress {
        /// Payload bytes sent to the destination so far, those of broken tries included.
        moved: u64,
        /// Files that are done.
        files_done: u64,
        /// Bytes of the files that are done, moved or not.
        bytes_done: u64,
        /// Transfers in flight.
        #[serde(default)]
        streams: u64,
        /// Transfers that may be in flight: it follows what both sides bear.
        #[serde(default)]
        allowed: u64,
        /// Bytes sent of all files in flight. Not told by earlier versions.
        #[serde(default)]
        flying: u64,
        /// A few of the files in flight.
        in_flight: Vec<InFlight>,
    },
    /// Something the user should know.
    Warning {
        /// One line.
        message: String,
    },
    /// A commit is being made.
    Committing {
        /// Files in it.
        files: u64,
    },
    /// A commit was made.
    Committed {
        /// Its id at the destination.
        commit: String,
    },
    /// The destination is being read back.
    Verifying {},
    /// Files are at the destination and proven.
    Proven(ProvenFiles),
    /// Another conductor goes on, because this one's container is near its end. The last event of this one, and then there is no report.
    HandedOver {
        /// The name of the other one's sandbox.
        name: String,
        /// Its id.
        sandbox: String,
    },
    /// How it ended. Always the last event.
    Report(Report),
}

/// A blob that is at the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedBlob {
    /// One of the paths that have it.
    pub path: RepoPath,
    /// Its size.
    pub size: u64,
    /// Its digests, as far as known.
    #[serde(flatten)]
    pub digests: Digests,
    /// Whether it was there already.
    pub reused: bool,
}

/// A file that is moving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// Its path.
    pub path: RepoPath,
    /// Its size.
    pub size: u64,
    /// Bytes sent.
    pub done: u64,
}

/// One line of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenFile {
    /// Its path at the destination.
    pub path: RepoPath,
    /// Its size.
    pub size: u64,
    /// Its digests.
    #[serde(flatten)]
    pub digests: Digests,
    /// How it was proven.
    pub how: How,
}

/// How a file was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Hashed on the way = the source's claim = the destination's listing.
    Streamed,
    /// Was there already; both claims agree and a ranged read finds it with the right size.
    Reference,
    /// Downloaded from the destination and hashed.
    ReadBack,
}
