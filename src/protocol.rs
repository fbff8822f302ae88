//! All that crosses a process wall: the [`Job`] goes in, [`Event`]s come out, the last one a [`Report`]. Plain serde, no behaviour.

use serde::{Deserialize, Serialize};

use crate::error::ErrorReport;
use crate::repo::{Digests, FileEntry, Platform, RepoPath, RepoRef, RepoType, Visibility};

/// The version of these types. A process refuses a job of another version by name.
pub const PROTOCOL: u32 = 1;

/// How many entries each list of a [`Report`] holds at most. Counts are always whole.
pub const LIST_LIMIT: usize = 20;

/// What a process is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`PROTOCOL`] of the writer.
    pub protocol: u32,
    /// The migration's id.
    pub id: String,
    /// What this process is in it.
    pub role: Role,
    /// What to migrate.
    pub request: Request,
    /// The source's commit that the plan was made for. Another one is never migrated under this job.
    pub source_commit: Option<String>,
    /// What the user confirmed.
    pub consent: Consent,
    /// What lies at the destination where the user confirmed that it is replaced. Anything else is not.
    #[serde(default)]
    pub replaces: Vec<FileEntry>,
    /// Where the hubs are.
    pub endpoints: Endpoints,
    /// Pairs of digests of one content, found by hashing it; they save reading it again to compare.
    #[serde(default)]
    pub known: Vec<Digests>,
    /// What the process may use.
    #[serde(default)]
    pub limits: Limits,
}

/// What a process is in a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides, carries, commits, verifies.
    Conductor,
}

/// What the user asked for, resolved: both addresses, what to select.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The repository read.
    pub source: RepoRef,
    /// Branch, tag or commit to read; the default branch when absent.
    pub revision: Option<String>,
    /// The repository written.
    pub destination: RepoRef,
    /// Globs of paths to take; all when empty.
    #[serde(default)]
    pub include: Vec<String>,
    /// Globs of paths to leave.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// What the user confirmed beyond the ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Overwriting files that differ, leaving out what the destination refuses.
    pub risks: bool,
    /// Putting what is not public into a repository that more people can read.
    pub loosened_visibility: bool,
}

/// Where the hubs are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Hugging Face.
    pub hf: String,
    /// ModelScope.
    pub ms: String,
}

impl Endpoints {
    /// The endpoint of one platform.
    pub fn of(&self, platform: Platform) -> &str {
        match platform {
            Platform::HuggingFace => &self.hf,
            Platform::ModelScope => &self.ms,
        }
    }
}

/// What one process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Transfers at once.
    pub streams: usize,
    /// Bytes of file content held at once.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: 8, memory: 96 << 20 }
    }
}

/// One line on a process's standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Counts from 0 without gaps.
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
    },
    /// The destination was created.
    Created {
        /// With this visibility, as read back.
        visibility: Visibility,
    },
    /// A blob is at the destination, not committed yet.
    Blob {
        /// One of the paths that have it.
        path: RepoPath,
        /// Its size.
        size: u64,
        /// Its digests, as far as known.
        #[serde(flatten)]
        digests: Digests,
        /// Whether it was there already.
        reused: bool,
    },
    /// How far it is; also the heartbeat.
    Progress {
        /// Payload bytes sent to the destination so far, those of broken tries included.
        moved: u64,
        /// Files that are done.
        files_done: u64,
        /// Bytes of the files that are done, moved or not.
        bytes_done: u64,
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
    /// A file is at the destination and proven.
    Proven(ProvenFile),
    /// How it ended. Always the last event.
    Report(Report),
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

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Planning or carrying.
    Running,
    /// Making what was carried visible.
    Committing,
    /// Everything asked for is at the destination and proven.
    Verified,
    /// Done, but not everything could be proven.
    Unproven,
    /// Ended with an error.
    Failed,
    /// Needs a confirmation, a token or a permission.
    Refused,
    /// Stopped on request.
    Cancelled,
    /// The process that carried it is gone without a report.
    Interrupted,
}

impl State {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Committing => "committing",
            Self::Verified => "verified",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether it will not change any more by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Committing)
    }
}

/// How a migration ended: the `--json` of `migrate`. Lists hold at most [`LIST_LIMIT`] entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The migration.
    pub id: String,
    /// How it ended.
    pub state: State,
    /// What was read.
    pub source: SourceReport,
    /// What was written.
    pub destination: DestinationReport,
    /// Files by what became of them.
    pub files: FileCounts,
    /// Bytes by what became of them.
    pub bytes: ByteCounts,
    /// What was found at the destination.
    pub verification: VerificationReport,
    /// What is different at the destination on purpose.
    pub changes: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Where it ran.
    pub runner: String,
    /// How many processes carried.
    pub workers: u32,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<ErrorReport>,
    /// What it took.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resources: Option<Resources>,
}

/// The source in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Its hub.
    pub platform: Platform,
    /// Its name.
    pub repo: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub repo_type: RepoType,
    /// The commit read.
    pub revision: Option<String>,
}

/// The destination in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationReport {
    /// Its hub.
    pub platform: Platform,
    /// Its name.
    pub repo: String,
    /// Its web page.
    pub url: String,
    /// The commit verified.
    pub revision: Option<String>,
    /// Whether this migration created it.
    pub created: bool,
}

/// Files by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCounts {
    /// Selected, but for what is left out.
    pub total: u64,
    /// Moved.
    pub copied: u64,
    /// Committed by reference to a blob that the destination had.
    pub reused: u64,
    /// Already there.
    pub skipped: u64,
    /// Not wanted, not possible, or the destination's own.
    pub left_out: u64,
}

/// Bytes by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteCounts {
    /// Of the selected files.
    pub total: u64,
    /// Sent to the destination, broken tries included.
    pub moved: u64,
    /// Not sent, because the destination had them.
    pub reused: u64,
    /// Read only to compare.
    pub compared: u64,
}

/// What was found at the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationReport {
    /// Files that are there and proven.
    pub matched: u64,
    /// Files that are there with other content.
    pub differing: Vec<RepoPath>,
    /// Files that are not there.
    pub missing: Vec<RepoPath>,
    /// Files that only the destination has.
    pub extra: Vec<RepoPath>,
    /// Files that are there but could not be proven.
    pub unproven: Vec<RepoPath>,
    /// Proven files by how.
    pub how: HowCounts,
}

/// Proven files by how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HowCounts {
    /// [`How::Streamed`]
    pub streamed: u64,
    /// [`How::Reference`]
    pub reference: u64,
    /// [`How::ReadBack`]
    pub read_back: u64,
}

/// What a migration took, where the system tells (Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// The most memory the process ever had resident, in bytes.
    pub peak_memory: u64,
    /// Bytes it caused to be written to disk.
    pub disk_written: u64,
}
