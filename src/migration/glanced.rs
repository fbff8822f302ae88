//! Whether there is anything to do, found out by a machine that holds no proof: from one listing of each side, by hashes alone.

use std::time::Instant;

use super::resolve::Asked;
use crate::config::Config;
use crate::hub::Hub;
use crate::hub::glance::Glance;
use crate::plan::equal;
use crate::protocol::{
    ByteCounts, Consent, DestinationReport, FileCounts, HowCounts, Report, Request, RunnerKind, SourceReport, State, VerificationReport,
};
use crate::repo::{FileEntry, RepoRef, RepoType, Visibility};

/// How the line of a commit's message begins that names the migration.
const MIGRATION: &str = "Hf2ms-Migration:";

/// The report that nothing is to do, where two listings show that; else everything has to be looked at. The kind of repository must be
/// named, all of it be meant, and the source be one that is not read by git: its listing is not to be asked of the hub's API.
pub(super) async fn look(config: &Config, asked: &Asked, consent: Consent) -> Option<(Request, Report)> {
    let began = Instant::now();
    let is_whole = asked.include.is_empty() && asked.exclude.is_empty();
    let kind = asked.named.filter(|kind| *kind != RepoType::Space && is_whole && !asked.use_git)?;
    let request = Request {
        source: RepoRef::new(asked.from, kind, asked.id.clone()),
        revision: asked.revision.clone(),
        destination: RepoRef::new(asked.from.other(), kind, asked.destination.clone()),
        include: Vec::new(),
        exclude: Vec::new(),
        delete: asked.delete,
        use_git: false,
    };
    let (source, destination) = (super::hub(config, request.source.platform).ok()?, super::hub(config, request.destination.platform).ok()?);
    // one that is not there yet costs no more than this
    let to = destination.glance(&request.destination, None).await.ok()?;
    let from = source.glance(&request.source, request.revision.as_deref()).await.ok()?;
    let seals = equal::seals(asked.from, &from.files, &to.files)?;
    let messages = messages(&destination, &to, &seals).await?;
    let same_names = from.repo == request.source && to.repo == request.destination;
    if !same_names || is_loosened(&source, &from, &destination, &to).await? && !consent.loosened_visibility {
        return None;
    }
    let id = messages.iter().find_map(|message| message.lines().find_map(|line| line.strip_prefix(MIGRATION)));
    let page = destination.page(&request.destination);
    let report = report(&request, &from, to, id.unwrap_or_default().trim(), page, began);
    Some((request, report))
}

/// Messages among which are all of these seals: those that the listing tells, else that of the newest commit too.
async fn messages(destination: &Hub, to: &Glance, seals: &[String]) -> Option<Vec<String>> {
    let mut messages = to.messages.clone();
    let has = |messages: &[String], seal: &String| messages.iter().any(|message| message.lines().any(|line| line.trim() == seal));
    if !seals.iter().all(|seal| has(&messages, seal)) {
        messages.extend(destination.last_message(to).await.ok()?);
    }
    seals.iter().all(|seal| has(&messages, seal)).then_some(messages)
}

/// Whether more people can read the copy than the source. A private copy needs no question to the source.
async fn is_loosened(source: &Hub, from: &Glance, destination: &Hub, to: &Glance) -> Option<bool> {
    let there = match to.visibility {
        Some(visibility) => visibility,
        None => destination.visibility(&to.repo).await.ok()?,
    };
    let here = match from.visibility {
        Some(visibility) => visibility,
        None if there == Visibility::Private => return Some(false),
        None => source.visibility(&from.repo).await.ok()?,
    };
    Some(here.is_loosened_by(there))
}

/// Every file is listed with the same hash on both sides.
fn report(request: &Request, from: &Glance, to: Glance, id: &str, url: String, began: Instant) -> Report {
    let (own, files): (Vec<&FileEntry>, Vec<_>) = from.files.iter().partition(|file| file.path.is_git_attributes());
    let count = files.len() as u64;
    let there = |file: &&&FileEntry| to.files.iter().find(|there| there.path == file.path);
    let bytes = files.iter().filter_map(|file| there(&file)).map(|file| file.size).sum();
    let changes: Vec<_> = own.iter().map(|_| ".gitattributes: not copied, each hub keeps its own".to_owned()).take(1).collect();
    Report {
        id: id.to_owned(),
        state: State::Verified,
        source: SourceReport {
            platform: request.source.platform,
            repo: request.source.id.to_string(),
            repo_type: request.source.repo_type,
            revision: from.commit.clone(),
            by_git: false,
        },
        destination: DestinationReport {
            platform: request.destination.platform,
            repo: request.destination.id.to_string(),
            url,
            revision: to.commit,
            created: false,
        },
        files: FileCounts { total: count, skipped: count, left_out: own.len() as u64, ..FileCounts::default() },
        bytes: ByteCounts { total: bytes, ..ByteCounts::default() },
        verification: VerificationReport {
            matched: count,
            how: HowCounts { listed: count, ..HowCounts::default() },
            ..VerificationReport::default()
        },
        changes_count: changes.len() as u64,
        changes,
        warnings: Vec::new(),
        warnings_count: 0,
        seconds: (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        runner: RunnerKind::Local.name().to_owned(),
        workers: 0,
        up_to_date: true,
        error: None,
        resources: None,
    }
}
