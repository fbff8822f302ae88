//! How it ended.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, ErrorReport};
use crate::repo::{Platform, RepoPath, RepoType};

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
    /// The process that carried it is gone without a report, or the time it might take was over.
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

    /// Where a migration stands after an error of this kind.
    pub fn after(error: ErrorKind) -> Self {
        match error {
            ErrorKind::NeedsConfirmation | ErrorKind::Unauthorized | ErrorKind::Forbidden => Self::Refused,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Unproven => Self::Unproven,
            ErrorKind::Interrupted => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// Whether it will not change any more by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Committing)
    }
}

/// How a migration ended: the `--json` of `migrate`. Lists hold at most [`super::LIST_LIMIT`] entries, and fewer
/// where these are so long that the report would not fit into a line of events; the counts beside them are whole.
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
    /// What is different at the destination on purpose: the first of it.
    pub changes: Vec<String>,
    /// How many changes there are in all.
    #[serde(default)]
    pub changes_count: u64,
    /// What the user should know: the first of it.
    pub warnings: Vec<String>,
    /// How many warnings there were in all.
    #[serde(default)]
    pub warnings_count: u64,
    /// How long it took.
    pub seconds: f64,
    /// Where it ran.
    pub runner: String,
    /// How many processes carried.
    pub workers: u32,
    /// Whether nothing was started, because both repositories are at the commits that migration `id` proved to be equal: then counts and ways
    /// of proof are those of that migration. Or because both listings name the same hashes, where this machine holds no proof.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub up_to_date: bool,
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
    /// Whether its files were read by git, and not over its hub's API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_git: bool,
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
    /// Deleted at the destination, because the source does not have them. Not among the others.
    #[serde(default, skip_serializing_if = "super::is_nothing")]
    pub deleted: u64,
    /// Of those left out, what was asked for and could not be had or given.
    #[serde(default)]
    pub refused: u64,
    /// Of those left out, what was not asked for: by globs.
    #[serde(default, skip_serializing_if = "super::is_nothing")]
    pub not_selected: u64,
}

impl FileCounts {
    /// Files of the source that the destination has not got, and that are no hub's own: who deletes the source loses them.
    pub fn only_at_source(&self) -> u64 {
        self.refused + self.not_selected
    }
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
    /// Files that are there with other content: the first of them.
    pub differing: Vec<RepoPath>,
    /// How many those are in all.
    #[serde(default)]
    pub differing_count: u64,
    /// Files that are not there: the first of them.
    pub missing: Vec<RepoPath>,
    /// How many those are in all.
    #[serde(default)]
    pub missing_count: u64,
    /// Files that only the destination has: the first of them.
    pub extra: Vec<RepoPath>,
    /// How many those are in all.
    #[serde(default)]
    pub extra_count: u64,
    /// Files that are there but could not be proven: the first of them.
    pub unproven: Vec<RepoPath>,
    /// How many those are in all.
    #[serde(default)]
    pub unproven_count: u64,
    /// Proven files by how.
    pub how: HowCounts,
}

/// Proven files by how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HowCounts {
    /// [`super::How::Streamed`]
    pub streamed: u64,
    /// [`super::How::Reference`]
    pub reference: u64,
    /// [`super::How::ReadBack`]
    pub read_back: u64,
    /// Of a run that found nothing to do without any proof at hand: the listings of both hubs name the same hash.
    #[serde(default, skip_serializing_if = "super::is_nothing")]
    pub listed: u64,
}

/// What a migration took, where the system tells (Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// The most memory the process ever had resident, in bytes.
    pub peak_memory: u64,
    /// Bytes it caused to be written to disk.
    pub disk_written: u64,
    /// Milliseconds of processor time, its own and the system's for it.
    #[serde(default)]
    pub cpu_millis: u64,
}
