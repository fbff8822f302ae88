//! The proof of a migration as one document that stands by itself.

use serde::Serialize;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Entry, Journal};
use crate::protocol::{HowCounts, ProvenFile, Report, State};
use crate::repo::{Platform, RepoType};
use crate::runner::Runners;

/// The version of [`ProofDocument`]. A reader refuses one it does not know.
const FORMAT: u32 = 1;

/// What was verified, file by file. The document of `hf2ms proof`; its keys are described in the README.
#[derive(Clone, Debug, Serialize)]
pub struct ProofDocument {
    /// The version of these keys.
    pub proof: u32,
    /// The program that carried and proved, with its version.
    pub program: String,
    /// The migration.
    pub migration: String,
    /// When it was verified, in UTC (RFC 3339).
    pub verified_at: String,
    /// What was read.
    pub source: Side,
    /// What was written and read back.
    pub destination: Side,
    /// Counts over `files`.
    pub totals: ProofTotals,
    /// What is different at the destination on purpose: the first of it.
    pub changes: Vec<String>,
    /// How many changes there are in all.
    pub changes_count: u64,
    /// Every file, in the order of the paths.
    pub files: Vec<ProvenFile>,
}

/// One repository of a proof.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Its hub.
    pub platform: Platform,
    /// Its name.
    pub repo: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub repo_type: RepoType,
    /// The commit.
    pub revision: Option<String>,
}

/// Counts over the files of a proof.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ProofTotals {
    /// Files that are proven.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of the source that are not at the destination: not selected, refused there, or each hub's own.
    pub left_out: u64,
    /// The files by how they were proven.
    pub how: HowCounts,
}

/// The proof of a migration of this machine, from its folder.
///
/// Fails with `NotFound` when there is no such migration or none of its files' proofs is complete, because it did not end verified.
pub async fn proof(config: &Config, id: &str) -> Result<ProofDocument> {
    let folder = Journal::new(&config.home).open(id)?;
    let entry = super::look(&Runners::new(config), &folder).await?;
    let Some(report) = entry.progress.report.clone().filter(|report| report.state == State::Verified) else {
        return Err(unproven(id, entry.progress.state));
    };
    document(id, entry, report)
}

fn unproven(id: &str, state: State) -> Error {
    let hint = match state {
        State::Running | State::Committing => format!("wait for it with `hf2ms status {id} --follow`, then ask again"),
        State::Unproven => "run the same migration again, or look closer with `hf2ms verify --deep`; do not delete the source".to_owned(),
        _ => format!("`hf2ms status {id}` says how it ended; run the same migration again, and take the proof of that one"),
    };
    Error::new(ErrorKind::NotFound, "there is no proof: the migration is not verified")
        .with("id", id)
        .with("state", state.name())
        .hint_to(hint)
}

fn document(id: &str, entry: Entry, report: Report) -> Result<ProofDocument> {
    let mut files = entry.progress.proven;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let bytes = files.iter().map(|file| file.size).sum();
    if files.len() as u64 != report.verification.matched || bytes != report.bytes.total {
        return Err(Error::new(ErrorKind::Local, "the proofs of single files do not add up to the report")
            .with("id", id)
            .with("proofs", files.len())
            .with("report", report.verification.matched)
            .hint_to("the migration's folder was changed or is damaged; run the same migration again: it moves nothing and proves anew"));
    }
    let request = entry.job.request;
    Ok(ProofDocument {
        proof: FORMAT,
        program: format!("hf2ms {}", entry.progress.version.as_deref().unwrap_or("of an unknown version")),
        migration: id.to_owned(),
        verified_at: utc(entry.progress.span.map_or(0, |(_, last)| last) / 1000),
        source: Side {
            platform: request.source.platform,
            repo: request.source.id.to_string(),
            repo_type: request.source.repo_type,
            revision: report.source.revision,
        },
        destination: Side {
            platform: request.destination.platform,
            repo: request.destination.id.to_string(),
            repo_type: request.destination.repo_type,
            revision: report.destination.revision,
        },
        totals: ProofTotals { files: files.len() as u64, bytes, left_out: report.files.left_out, how: report.verification.how },
        changes: report.changes,
        changes_count: report.changes_count,
        files,
    })
}

/// A time in seconds since 1970 as `2026-01-31T23:59:59Z`, in the Gregorian calendar.
pub fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // years begin in March here, so that the leap day is a year's last; 1970-01-01 is day 719,468 of that count
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_767_225_599), "2025-12-31T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
