//! All that crosses a process wall: the [`Job`] goes in, [`Event`]s come out, the last one a [`Report`]. Plain serde, no behaviour.

mod event;
mod filling;
mod job;
mod places;
mod proven;
mod report;
mod versions;

pub use event::{Event, How, InFlight, LandedBlob, ProvenFile, What};
pub use filling::Filling;
pub use job::{Before, Consent, Deletion, Endpoints, Job, Limits, ModalAddress, Request, Role, RunnerKind};
pub use places::Places;
pub use proven::ProvenFiles;
pub use report::{ByteCounts, DestinationReport, FileCounts, HowCounts, Report, Resources, SourceReport, State, VerificationReport};
pub use versions::{Reach, Stamp, Versions};

/// The version of these types. A process refuses a job of another version by name.
///
/// 2: blobs that have landed are told many a line.
pub const PROTOCOL: u32 = 2;

/// How many entries each list of a [`Report`] holds at most.
pub const LIST_LIMIT: usize = 20;

/// How many bytes a line of events has at most, its end included. Only a file whose path alone is longer makes a longer one.
pub const LINE_LIMIT: usize = 4096;

/// Whether a count need not be told: those that are nothing nearly always.
pub fn is_nothing(count: &u64) -> bool {
    *count == 0
}
