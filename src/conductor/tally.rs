//! Adds up what happened into the report.

use std::time::{Duration, Instant};

use super::recheck::Proven;
use crate::error::{Error, ErrorKind, ErrorReport};
use crate::plan::TransferPlan;
use crate::protocol::{
    Before, ByteCounts, DestinationReport, FileCounts, How, LIST_LIMIT, ProvenFile, Report, Request, Resources, RunnerKind, SourceReport,
    State, VerificationReport,
};
use crate::repo::RepoPath;
use crate::verify::Verification;

/// The report in the making.
pub(super) struct Tally {
    started: Instant,
    /// How long conductors before this one took.
    before: Duration,
    report: Report,
    /// Blobs known to be at the destination, and their bytes.
    landed: (u64, u64),
    has_sent: bool,
}

impl Tally {
    /// A report that says that nothing happened yet.
    pub(super) fn new(id: &str, request: &Request, page: String, runner: RunnerKind) -> Self {
        let report = Report {
            id: id.to_owned(),
            state: State::Running,
            source: SourceReport {
                platform: request.source.platform,
                repo: request.source.id.to_string(),
                repo_type: request.source.repo_type,
                revision: None,
                by_git: false,
            },
            destination: DestinationReport {
                platform: request.destination.platform,
                repo: request.destination.id.to_string(),
                url: page,
                revision: None,
                created: false,
            },
            files: FileCounts::default(),
            bytes: ByteCounts::default(),
            verification: VerificationReport::default(),
            changes: Vec::new(),
            changes_count: 0,
            warnings: Vec::new(),
            warnings_count: 0,
            seconds: 0.0,
            runner: runner.name().to_owned(),
            workers: 1,
            error: None,
            resources: None,
            up_to_date: false,
        };
        Self { started: Instant::now(), report, landed: (0, 0), has_sent: false, before: Duration::ZERO }
    }

    /// Takes over what conductors before this one did.
    pub(super) fn goes_on_from(&mut self, before: &Before) {
        self.before = Duration::from_secs(before.seconds);
        self.report.destination.created |= before.created;
    }

    /// Whether the plan knew already that the source is read by git.
    pub(super) fn tells_of_git(&self) -> bool {
        self.report.warnings.iter().any(|warning| warning.starts_with(super::survey::BY_GIT))
    }

    /// How the source was read.
    pub(super) fn read_by_git(&mut self, by_git: bool) {
        self.report.source.by_git = by_git;
    }

    /// What the plan says. A later plan of the same migration replaces it, but what moved stays counted.
    pub(super) fn planned(&mut self, plan: &TransferPlan) {
        self.report.source.revision.clone_from(&plan.source_commit);
        self.report.files.total = plan.totals.files;
        self.report.files.left_out = plan.totals.left_out;
        self.report.files.refused = plan.totals.refused;
        self.report.files.not_selected = plan.totals.not_selected;
        self.report.files.skipped = plan.totals.present;
        self.report.bytes.total = plan.totals.bytes;
        self.report.changes = plan.changes.iter().take(LIST_LIMIT).cloned().collect();
        self.report.changes_count = plan.changes.len() as u64;
        self.report.warnings = plan.warnings.iter().take(LIST_LIMIT).cloned().collect();
        self.report.warnings_count = plan.warnings.len() as u64;
    }

    /// What an earlier proof says stands where a plan's words would.
    pub(super) fn proven_before(&mut self, proven: &Proven) {
        self.report.source.revision.clone_from(&proven.source_commit);
        self.report.files.total = proven.files.len() as u64;
        (self.report.files.left_out, self.report.files.refused) = (proven.left_out, proven.refused);
        self.report.files.not_selected = proven.not_selected;
        self.report.bytes.total = proven.files.iter().map(|file| file.size).sum();
    }

    /// So many workers carry.
    pub(super) fn workers(&mut self, count: u32) {
        self.report.workers = count;
    }

    /// A worker carried all that it was given.
    pub(super) fn carried(&mut self) {
        self.report.state = State::Verified;
    }

    /// The destination did not exist and was created.
    pub(super) fn created(&mut self) {
        self.report.destination.created = true;
    }

    /// Bytes were read only to compare.
    pub(super) fn compared(&mut self, bytes: u64) {
        self.report.bytes.compared += bytes;
    }

    /// A file will be committed from what was sent, or by reference.
    pub(super) fn file(&mut self, size: u64, reused: bool) {
        if reused {
            self.report.files.reused += 1;
            self.report.bytes.reused += size;
        } else {
            self.report.files.copied += 1;
        }
    }

    /// A blob is at the destination, sent or found there.
    pub(super) fn lands(&mut self, size: u64, reused: bool) {
        self.landed = (self.landed.0 + 1, self.landed.1 + size);
        self.has_sent |= !reused;
    }

    /// Whether a blob was sent whole.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// How many blobs are at the destination, and their bytes.
    pub(super) fn landed(&self) -> (u64, u64) {
        self.landed
    }

    /// A re-plan starts to count files again.
    pub(super) fn again(&mut self) {
        self.landed = (0, 0);
        self.report.files.copied = 0;
        self.report.files.reused = 0;
        self.report.bytes.reused = 0;
    }

    /// A commit was made.
    pub(super) fn committed(&mut self, commit: &str) {
        self.report.destination.revision = Some(commit.to_owned());
    }

    /// These were deleted with the last commit.
    pub(super) fn deleted(&mut self, paths: &[RepoPath]) {
        self.report.files.deleted = paths.len() as u64;
        self.report.changes_count += paths.len() as u64;
        let room = LIST_LIMIT.saturating_sub(self.report.changes.len());
        self.report.changes.extend(paths.iter().take(room).map(|path| format!("deleted: {path}, which the source does not have")));
    }

    /// Whether a commit was made.
    pub(super) fn has_commits(&self) -> bool {
        self.report.destination.revision.is_some()
    }

    /// Bytes sent to the destination.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.report.bytes.moved = bytes;
    }

    /// What was found at the destination: `proven` of what is expected, and what is wrong with the rest.
    pub(super) fn verified(&mut self, revision: Option<&str>, verification: &Verification, proven: &[ProvenFile], unproven: &[RepoPath]) {
        let first = |paths: &[RepoPath]| paths.iter().take(LIST_LIMIT).cloned().collect();
        self.report.destination.revision = revision.map(str::to_owned);
        let mut report = VerificationReport {
            matched: proven.len() as u64,
            differing: first(&verification.differing),
            differing_count: verification.differing.len() as u64,
            missing: first(&verification.missing),
            missing_count: verification.missing.len() as u64,
            extra: first(&verification.extra),
            extra_count: verification.extra.len() as u64,
            unproven: first(unproven),
            unproven_count: unproven.len() as u64,
            ..VerificationReport::default()
        };
        for file in proven {
            *match file.how {
                How::Streamed => &mut report.how.streamed,
                How::Reference => &mut report.how.reference,
                How::ReadBack => &mut report.how.read_back,
            } += 1;
        }
        self.report.state = if verification.is_complete() && unproven.is_empty() { State::Verified } else { State::Unproven };
        if self.report.state == State::Unproven {
            let bad = [&verification.differing[..], &verification.missing, unproven].concat();
            let names: Vec<_> = bad.iter().take(3).map(RepoPath::to_string).collect();
            let error = Error::new(
                ErrorKind::Unproven,
                match bad.len() {
                    1 => "1 file at the destination is not proven".to_owned(),
                    count => format!("{count} files at the destination are not proven"),
                },
            )
            .with("files", names.join(", "))
            .hint_to("do not delete the source; run the same command again, or look closer with `hf2ms verify --deep`");
            self.report.error = Some(ErrorReport::from(&error));
        }
        self.report.verification = report;
    }

    /// It ended with an error.
    pub(super) fn failed(&mut self, error: &Error) {
        if !self.has_commits() {
            // what was sent is sent, but nothing of it is a file of the repository
            self.again();
        }
        self.report.state = State::after(error.kind());
        self.report.error = Some(ErrorReport::from(error));
    }

    /// The report as it stands.
    pub(super) fn report(&self) -> Report {
        let mut report = self.report.clone();
        report.seconds = ((self.before + self.started.elapsed()).as_secs_f64() * 1000.0).round() / 1000.0;
        report.resources = resources();
        report
    }
}

/// What this process took so far, where the system tells (Linux).
fn resources() -> Option<Resources> {
    let number = |file: &str, key: &str| -> Option<u64> {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(Resources {
        peak_memory: number("/proc/self/status", "VmHWM:")? * 1024,
        disk_written: number("/proc/self/io", "write_bytes:").unwrap_or_default(),
        cpu_millis: cpu_millis().unwrap_or_default(),
    })
}

/// Processor time of this process, from the 14th and 15th field of its `stat`.
fn cpu_millis() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the name in parentheses may hold anything; user and system time are the 12th and 13th field after it
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) * 1000 / rustix::param::clock_ticks_per_second().max(1))
}
