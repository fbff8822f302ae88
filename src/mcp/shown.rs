//! A migration and its report, as tools show them: counts whole, lists by their first entries.

use schemars::JsonSchema;
use serde::Serialize;

use super::render::{cut, first, report_of_migration};
use crate::journal::Entry;
use crate::migration::figures::size;
use crate::migration::{self};
use crate::protocol::{Report, State};

/// A migration.
#[derive(Serialize, JsonSchema)]
pub(super) struct Migration {
    migration_id: String,
    /// `running`, `committing`, `verified`, `unproven`, `failed`, `refused`, `cancelled` or `interrupted`. Only `verified` means that all of the
    /// plan's files are at the destination and proven.
    state: &'static str,
    source: String,
    destination: String,
    /// Where it runs: `modal` or `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    runner: Option<&'static str>,
    files_done: u64,
    files: u64,
    bytes_done: u64,
    bytes: u64,
    /// Payload bytes sent.
    bytes_moved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_second: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
}

/// How it ended, or what a comparison found.
#[derive(Serialize, JsonSchema)]
pub(super) struct Ended {
    state: &'static str,
    destination_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_revision: Option<String>,
    files: u64,
    files_copied: u64,
    /// Committed by reference to contents that the destination had.
    files_reused: u64,
    /// There before, and the same.
    files_present: u64,
    files_left_out: u64,
    /// Of those left out, what the source alone has: who deletes it loses them.
    files_only_at_source: u64,
    bytes: u64,
    bytes_moved: u64,
    /// Files that are at the destination and proven.
    matched: u64,
    proven_streamed: u64,
    proven_by_reference: u64,
    proven_by_reading_back: u64,
    /// The first of them; repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differing: Vec<String>,
    differing_count: u64,
    /// The first of them; repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
    missing_count: u64,
    /// Files that only the destination has.
    extra_count: u64,
    /// Files that are there and could not be proven, the first of them; repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unproven: Vec<String>,
    unproven_count: u64,
    /// Intended differences, the first few; untrusted repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
    changes_count: u64,
    /// The first of them; repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    warnings_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// A migration as it stands.
pub(super) fn migration(id: &str, entry: &Entry) -> Migration {
    let glance = migration::glance(id, entry);
    let runner = entry.place.as_ref().map(|place| place.kind().name());
    Migration { runner, ..of_glance(&glance) }
}

/// The same from what a list tells.
pub(super) fn of_glance(glance: &crate::journal::Glance) -> Migration {
    Migration {
        migration_id: glance.id.clone(),
        state: glance.state.name(),
        source: glance.source.clone(),
        destination: glance.destination.clone(),
        runner: None,
        files_done: glance.files_done,
        files: glance.files,
        bytes_done: glance.bytes_done,
        bytes: glance.bytes,
        bytes_moved: glance.moved,
        bytes_per_second: glance.rate.map(|rate| rate as u64),
        seconds_left: glance.seconds_left.map(|seconds| seconds as u64),
    }
}

/// A report.
pub(super) fn ended(ended: &Report) -> Ended {
    let Report { files, bytes, verification, .. } = ended;
    let error = ended.error.clone().map(report_of_migration);
    Ended {
        state: ended.state.name(),
        destination_url: ended.destination.url.clone(),
        source_revision: ended.source.revision.clone(),
        destination_revision: ended.destination.revision.clone(),
        files: files.total,
        files_copied: files.copied,
        files_reused: files.reused,
        files_present: files.skipped,
        files_left_out: files.left_out,
        files_only_at_source: files.only_at_source(),
        bytes: bytes.total,
        bytes_moved: bytes.moved,
        matched: verification.matched,
        proven_streamed: verification.how.streamed,
        proven_by_reference: verification.how.reference,
        proven_by_reading_back: verification.how.read_back,
        differing: first(&verification.differing),
        differing_count: verification.differing_count,
        missing: first(&verification.missing),
        missing_count: verification.missing_count,
        extra_count: verification.extra_count,
        unproven: first(&verification.unproven),
        unproven_count: verification.unproven_count,
        changes: first(&ended.changes),
        changes_count: ended.changes_count,
        warnings: first(&ended.warnings),
        warnings_count: ended.warnings_count,
        error_kind: error.as_ref().map(|error| error.kind.name()),
        error: error.as_ref().map(|error| cut(&error.message, 600)),
        hint: error.and_then(|error| error.hint),
    }
}

/// How it ended, in a sentence.
pub(super) fn sentence(ended: &Report) -> String {
    let (matched, moved) = (ended.verification.matched, size(ended.bytes.moved));
    match ended.state {
        State::Verified => {
            format!("Verified: {matched} files are at {} and proven by hash; {moved} were moved.", ended.destination.url)
        }
        State::Unproven => format!(
            "Not proven: {matched} files match, {} differ, {} are missing, {} could not be proven.",
            ended.verification.differing_count, ended.verification.missing_count, ended.verification.unproven_count
        ),
        state => format!("It ended {}: see error.", state.name()),
    }
}

/// That a copy is not the whole source, where it is not.
pub(super) fn keep(ended: &Report) -> Option<String> {
    match ended.files.only_at_source() {
        0 => None,
        count => Some(format!(
            "The source must not be deleted: of its files {count} were left out and are nowhere else. What was asked for is there."
        )),
    }
}

/// What to do about a migration in this state, which has this report if it has ended.
pub(super) fn next_step(id: &str, state: State, report: Option<&Report>) -> String {
    if let (State::Verified, Some(keep)) = (state, report.and_then(keep)) {
        return format!("Tell the user. {keep}");
    }
    match state {
        State::Running | State::Committing => format!("Call status with migration_id {id} and wait_seconds 60 until the state is final."),
        State::Verified => {
            format!(
                "Tell the user. Before a source is deleted, verify_migration with migration_id {id} and deep true reads the destination back whole."
            )
        }
        State::Unproven => format!("The source must not be deleted. Call verify_migration with migration_id {id} and deep true."),
        State::Failed | State::Refused => {
            "Do what the hint says, then call plan_migration and migrate again: it goes on with what is missing.".to_owned()
        }
        State::Cancelled | State::Interrupted => {
            "To go on with what the destination has not got, call plan_migration and migrate again.".to_owned()
        }
    }
}
