//! Whether there is anything to do, found out from a proof that this machine holds and the heads of the two repositories: at most three calls.
//! A machine that never did it compares two listings.
//!
//! A commit's id is a hash over all that it holds. Two repositories that are at the commits whose files were proven to be equal have equal
//! files; they need not be listed again.

use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;

use super::batch::LOOKS;
use super::resolve::{self, Asked, Wanted};
use super::{Batch, Stage};
use crate::config::Config;
use crate::error::Result;
use crate::hub::Source;
use crate::journal::{Folder, Journal};
use crate::protocol::{ByteCounts, Consent, DestinationReport, FileCounts, Job, Report, Request, RunnerKind, State};
use crate::repo::{Digests, RepoType};

/// The report that nothing is to do, where this machine can tell that without listing anything; else everything has to be looked at.
///
/// Fails with `Usage` when the words are wrong, and with nothing else: whatever goes wrong here goes wrong again, and better told, there.
pub async fn up_to_date(config: &Config, wanted: &Wanted, consent: Consent) -> Result<Option<Report>> {
    let asked = resolve::read(config, wanted)?;
    Ok(look(config, &asked, consent).await.map(|(_, report)| report))
}

impl Batch {
    /// Ends those of which this machine can tell that nothing is to do.
    pub async fn end_up_to_date(&mut self, config: &Config, consent: Consent) {
        let waiting: Vec<_> = self.waiting().map(|(index, member)| (index, member.asked.clone())).collect();
        let look = async |(index, asked): (usize, Asked)| (index, look(config, &asked, consent).await);
        let mut looks = stream::iter(waiting).map(look).buffered(LOOKS);
        while let Some((index, found)) = looks.next().await {
            let Some((request, report)) = found else { continue };
            let member = &mut self.members[index];
            (member.request, member.id) = (Some(request), Some(report.id.clone()));
            member.stage = Stage::Ended(Box::new(report));
        }
    }
}

pub(super) async fn look(config: &Config, asked: &Asked, consent: Consent) -> Option<(Request, Report)> {
    let began = Instant::now();
    let all = answers(config, asked);
    if all.is_empty() {
        return super::glanced::look(config, asked, consent).await;
    }
    let (request, proven) = held(&all, asked, consent)?;
    let (source, destination) = (super::hub(config, request.source.platform).ok()?, super::hub(config, request.destination.platform).ok()?);
    let (from, to) =
        tokio::try_join!(source.info(&request.source, request.revision.as_deref()), destination.info(&request.destination, None)).ok()?;
    let unmoved = from.commit.is_some() && from.commit == proven.source.revision && to.commit.is_some();
    let unmoved = unmoved && to.commit == proven.destination.revision && from.repo == request.source && to.repo == request.destination;
    // who may read them may have changed since: the whole look refuses that by name
    let loosened = from.visibility.is_loosened_by(to.visibility) && !consent.loosened_visibility;
    (unmoved && !loosened).then(|| (request, report(proven, began)))
}

/// The migrations of this machine that answered the same request between the same sites, the newest first.
fn answers(config: &Config, asked: &Asked) -> Vec<(Folder, Request)> {
    let answer = |folder: Folder| {
        let Job { request, endpoints, .. } = folder.job().ok()?;
        (endpoints == config.endpoints && is_answer(&request, asked)).then_some((folder, request))
    };
    Journal::new(&config.home).all().into_iter().filter_map(answer).collect()
}

/// The newest of them that proved every file, with its report.
fn held(all: &[(Folder, Request)], asked: &Asked, consent: Consent) -> Option<(Request, Report)> {
    let (folder, request, report) = all.iter().find_map(|(folder, request)| {
        let report = folder.report().ok().flatten()?;
        (report.state == State::Verified && report.error.is_none()).then_some((folder, request, report))
    })?;
    // a model and a dataset of one name: the whole look asks which one is meant
    let is_clear = all.iter().all(|(_, other)| other.source.repo_type == request.source.repo_type);
    // another version may treat a card in another way
    let is_ours = folder.version().as_deref() == Some(env!("CARGO_PKG_VERSION"));
    let is_allowed = report.files.refused == 0 || consent.risks;
    // what is left after a migration that deletes, stays
    let is_tidy = asked.delete.is_none() || request.delete.is_some() || report.verification.extra_count == 0;
    (is_clear && is_ours && is_allowed && is_tidy && is_whole(folder, &report)).then(|| (request.clone(), report))
}

/// Whether this request is what these words ask for. Deleting changes nothing where nothing is to delete.
fn is_answer(request: &Request, asked: &Asked) -> bool {
    let repo_type = request.source.repo_type;
    (request.source.platform, &request.source.id) == (asked.from, &asked.id)
        && (request.destination.platform, &request.destination.id) == (asked.from.other(), &asked.destination)
        && repo_type != RepoType::Space
        && asked.named.is_none_or(|named| named == repo_type)
        && request.revision == asked.revision
        && (&request.include, &request.exclude) == (&asked.include, &asked.exclude)
}

/// Whether every file of the report has its proof.
fn is_whole(folder: &Folder, report: &Report) -> bool {
    let files = folder.proven();
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let counts = [report.verification.matched, report.files.total];
    counts == [files.len() as u64; 2] && bytes == report.bytes.total && files.iter().all(|file| file.digests != Digests::default())
}

/// What was proven then, and that nothing was done now.
fn report(proven: Report, began: Instant) -> Report {
    let FileCounts { total, left_out, refused, not_selected, deleted, .. } = proven.files;
    let changes: Vec<_> = proven.changes.into_iter().filter(|change| !change.starts_with("deleted: ")).collect();
    // what was left out is still not there; whatever else was said was of that run
    let warnings: Vec<_> = proven.warnings.iter().filter(|warning| warning.starts_with("left out: ")).cloned().collect();
    let is_cut = proven.warnings_count > proven.warnings.len() as u64 && !warnings.is_empty();
    Report {
        files: FileCounts { total, skipped: total, left_out, refused, not_selected, ..FileCounts::default() },
        bytes: ByteCounts { total: proven.bytes.total, ..ByteCounts::default() },
        destination: DestinationReport { created: false, ..proven.destination },
        changes,
        changes_count: proven.changes_count.saturating_sub(deleted),
        warnings_count: if is_cut { proven.warnings_count } else { warnings.len() as u64 },
        warnings,
        seconds: (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        runner: RunnerKind::Local.name().to_owned(),
        workers: 0,
        up_to_date: true,
        resources: None,
        ..proven
    }
}
