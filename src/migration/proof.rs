//! The proof of a migration as one document that stands by itself.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::conductor::{Proven, recheck};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Entry, Journal};
use crate::protocol::{How, HowCounts, Job, ProvenFile, Report, Request, State};
use crate::repo::{Digests, Platform, RepoRef, RepoType};
use crate::runner::Runners;

/// The version of [`ProofDocument`]. A reader refuses one it does not know.
const FORMAT: u32 = 1;
/// Where documents come from.
const HOW_TO_MAKE: &str = "`hf2ms proof ID -o proof.json` writes one for a verified migration";

/// What was verified, file by file. The document of `hf2ms proof`; its keys are described in the README.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// The site of the hub. Documents of before this was written say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// Counts over the files of a proof.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ProofTotals {
    /// Files that are proven.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of the source that are not at the destination: not selected, refused there, or each hub's own.
    pub left_out: u64,
    /// Of those, what was asked for and could not be had or given. Documents of before this was counted say nothing of it.
    #[serde(default, skip_serializing_if = "crate::protocol::is_nothing")]
    pub refused: u64,
    /// Of those left out, what was not asked for.
    #[serde(default, skip_serializing_if = "crate::protocol::is_nothing")]
    pub not_selected: u64,
    /// Files that the migration deleted at the destination, because the source does not have them.
    #[serde(default, skip_serializing_if = "crate::protocol::is_nothing")]
    pub deleted: u64,
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
    let Job { request, endpoints, .. } = entry.job;
    let site = |platform| Some(endpoints.of(platform).to_owned());
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
            endpoint: site(request.source.platform),
        },
        destination: Side {
            platform: request.destination.platform,
            repo: request.destination.id.to_string(),
            repo_type: request.destination.repo_type,
            revision: report.destination.revision,
            endpoint: site(request.destination.platform),
        },
        totals: ProofTotals {
            files: files.len() as u64,
            bytes,
            left_out: report.files.left_out,
            refused: report.files.refused,
            not_selected: report.files.not_selected,
            deleted: report.files.deleted,
            how: report.verification.how,
        },
        changes: report.changes,
        changes_count: report.changes_count,
        files,
    })
}

impl ProofDocument {
    /// Reads a document that [`proof`] made.
    ///
    /// Fails with `Usage` for anything else, for one of a later version, and for one whose files do not add up to its totals.
    pub fn read(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            proof: u32,
        }
        let other = |error| Error::usage("the file is no proof of a migration", HOW_TO_MAKE).because(error);
        let Version { proof } = serde_json::from_str(text).map_err(other)?;
        if proof != FORMAT {
            return Err(Error::usage(
                "the proof is of a version that this program does not know",
                "use the hf2ms that made it, or a later one",
            )
            .with("version", proof)
            .with("known", FORMAT));
        }
        let document: Self = serde_json::from_str(text).map_err(other)?;
        match document.flaw() {
            None => Ok(document),
            Some(flaw) => Err(Error::usage("the proof does not add up: it was changed or is damaged", HOW_TO_MAKE).with("flaw", flaw)),
        }
    }

    /// What cannot be so in a whole document.
    fn flaw(&self) -> Option<String> {
        let mut seen = HashSet::new();
        let mut how = HowCounts::default();
        let mut bytes = Some(0_u64);
        for file in &self.files {
            if !seen.insert(&file.path) {
                return Some(format!("{} stands in it twice", file.path));
            }
            if file.digests == Digests::default() {
                return Some(format!("{} has no digest", file.path));
            }
            bytes = bytes.and_then(|bytes| bytes.checked_add(file.size));
            *match file.how {
                How::Streamed => &mut how.streamed,
                How::Reference => &mut how.reference,
                How::ReadBack => &mut how.read_back,
            } += 1;
        }
        let ProofTotals { files, bytes: told, left_out, refused, not_selected, deleted: _, how: told_how } = self.totals;
        if self.files.len() as u64 != files {
            return Some(format!("it names {} files and counts {files}", self.files.len()));
        }
        if bytes != Some(told) || how != told_how {
            return Some("its totals are not those of its files".to_owned());
        }
        if refused.checked_add(not_selected).is_none_or(|gone| gone > left_out) {
            return Some(format!("of {left_out} files left out, {refused} were refused and {not_selected} not selected"));
        }
        (self.source.platform == self.destination.platform).then(|| "both its repositories are on one hub".to_owned())
    }

    fn proven(self) -> Result<Proven> {
        let address = |side: &Side| Ok::<_, Error>(RepoRef::new(side.platform, side.repo_type, side.repo.parse()?));
        let (source, destination) = (address(&self.source)?, address(&self.destination)?);
        Ok(Proven {
            request: Request {
                source,
                revision: None,
                destination,
                include: Vec::new(),
                exclude: Vec::new(),
                delete: None,
                use_git: false,
            },
            source_commit: self.source.revision,
            destination_commit: self.destination.revision,
            files: self.files,
            left_out: self.totals.left_out,
            refused: self.totals.refused,
            not_selected: self.totals.not_selected,
        })
    }
}

/// Compares a destination as it is now with a proof of it; with `deep` it is read back whole. The source need not exist any more.
///
/// Fails with `NotFound` when the destination is not there, and with `Usage` when it lies at another site of its hub than is set now.
pub async fn verify_proof(config: &Config, document: ProofDocument, deep: bool) -> Result<Report> {
    if let Side { platform, endpoint: Some(then), .. } = &document.destination {
        super::end::same_site(config, *platform, then)?;
    }
    let proven = document.proven()?;
    recheck(&super::hub(config, proven.request.destination.platform)?, &proven, deep).await
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
