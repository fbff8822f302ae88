//! A destination against the proof of an earlier migration: what was proven then is looked at again, without the source.

use super::prove::{Expected, prove};
use super::tally::Tally;
use crate::error::Result;
use crate::hub::{Hub, Source};
use crate::protocol::{ProvenFile, Report, Request, RunnerKind};
use crate::repo::FileEntry;

/// What was proven.
pub struct Proven {
    /// Which repository was copied where.
    pub request: Request,
    /// The source's commit.
    pub source_commit: Option<String>,
    /// The destination's commit that was verified.
    pub destination_commit: Option<String>,
    /// Every file.
    pub files: Vec<ProvenFile>,
    /// Files of the source that were not copied.
    pub left_out: u64,
    /// Of those, what was asked for.
    pub refused: u64,
    /// And what was not.
    pub not_selected: u64,
}

/// Compares the destination as it is now with what was proven; with `deep` it is read back whole. The source is not asked.
///
/// Fails with `NotFound` when the destination is not there.
pub async fn recheck(destination: &Hub, proven: &Proven, deep: bool) -> Result<Report> {
    let request = &proven.request;
    let mut tally = Tally::new("verify", request, destination.page(&request.destination), RunnerKind::Local);
    destination.info(&request.destination, None).await.map_err(|error| error.during("destination"))?;
    tally.proven_before(proven);
    let expected: Vec<_> = proven.files.iter().map(|file| Expected { file: entry(file), streamed: false }).collect();
    let proof = prove(destination, &request.destination, &expected, &[], false, deep).await?;
    tally.verified(proof.commit.as_deref(), &proof.verification, &proof.proven, &proof.unproven);
    let mut report = tally.report();
    if let (Some(then), Some(now)) = (&proven.destination_commit, &proof.commit)
        && then != now
    {
        report.warnings.push(format!("the destination has moved on to commit {now}; the proof is of commit {then}"));
        report.warnings_count += 1;
    }
    if let Some(error) = &mut report.error {
        let page = &report.destination.url;
        error.hint = Some(format!(
            "the destination was changed after the proof was made, or gives other bytes: see its history at {page}; where the source is still there, migrating again puts it right"
        ));
    }
    Ok(report)
}

fn entry(file: &ProvenFile) -> FileEntry {
    FileEntry { path: file.path.clone(), size: file.size, digests: file.digests, lfs: false, read_at: None, hubs_own: false }
}
