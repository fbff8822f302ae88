//! Words and numbers for people.

mod batch;
mod inventory;
mod plan;

use std::fmt::Write;

pub(super) use crate::migration::figures::{line, pace, size, time};
pub(super) use batch::{batch, error_lines, planned, takes};
pub(super) use inventory::inventory;
pub(super) use plan::{PlanShown, plan};

use crate::journal::Glance;
use crate::migration::{PlatformCheck, Verdict};
use crate::plan::TransferPlan;
use crate::progress::Progress;
use crate::protocol::{Report, State};
use crate::repo::RepoPath;

/// Names shown of a list.
const NAMED: usize = 10;

/// Rows with their cells below each other; the last cell of a row may be of any length.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..COLUMNS - 1).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.push_str(&row[COLUMNS - 1]);
        line_of(&mut text, line.trim_end());
    }
    text
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Said of every migration that this machine carries.
pub(super) const PASSES_HERE: &str = "the bytes pass through this machine (runner local)";

/// What is about to happen, in a line.
pub(super) fn start(plan: &TransferPlan) -> String {
    let request = &plan.request;
    let what = format!("{} → {} ({}): ", request.source, request.destination, request.destination.repo_type);
    let create = if plan.create { format!(", creating it {}", plan.destination_visibility.word()) } else { String::new() };
    let delete = match plan.deletes.len() as u64 {
        0 => String::new(),
        deletes => format!(", {} to delete", count(deletes, "file")),
    };
    if plan.totals.copy == 0 {
        return format!("{what}{} there already, nothing to copy{delete}{create}", count(plan.totals.present, "file"));
    }
    format!(
        "{what}{} to copy ({}), {} there already{delete}{create}",
        count(plan.totals.copy, "file"),
        size(plan.totals.copy_bytes),
        plan.totals.present
    )
}

fn line_of(text: &mut String, line: &str) {
    // writing to a string cannot fail
    let _infallible = writeln!(text, "{line}");
}

/// A few names, and how many there are besides.
fn some_of(paths: &[RepoPath], count: u64) -> String {
    // shown, not raw: a name may hold what a terminal obeys
    let names: Vec<_> = paths.iter().take(NAMED).map(RepoPath::to_string).collect();
    match count - (names.len() as u64).min(count) {
        0 => names.join(", "),
        more if names.is_empty() => self::count(more, "file"),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// How a migration ended.
pub(super) fn report(report: &Report) -> String {
    let mut text = String::new();
    let verification = &report.verification;
    let state = if report.up_to_date { "up to date" } else { report.state.name() };
    line_of(&mut text, &format!("{state}  {}", report.destination.url));
    if report.up_to_date {
        let why = match verification.how.listed {
            0 => format!("source and destination are at the commits that {} proved to be equal", report.id),
            _ => "both hubs list the same hashes for every file; `hf2ms verify` reads them".to_owned(),
        };
        line_of(&mut text, &format!("        {why}"));
    }
    let listed = if verification.how.listed > 0 { format!(", {} by listings", verification.how.listed) } else { String::new() };
    line_of(
        &mut text,
        &format!(
            "files   {} of {} proven: {} streamed, {} by reference, {} read back{listed}",
            verification.matched, report.files.total, verification.how.streamed, verification.how.reference, verification.how.read_back
        ),
    );
    let deleted = if report.files.deleted > 0 { format!(", {} deleted", report.files.deleted) } else { String::new() };
    line_of(
        &mut text,
        &format!(
            "        {} copied, {} reused, {} there already, {} left out{deleted}",
            report.files.copied, report.files.reused, report.files.skipped, report.files.left_out
        ),
    );
    line_of(
        &mut text,
        &format!(
            "bytes   {} moved, {} reused, {} read to compare, in {}",
            size(report.bytes.moved),
            size(report.bytes.reused),
            size(report.bytes.compared),
            time(report.seconds)
        ),
    );
    for (what, paths, count) in [
        ("differing", &verification.differing, verification.differing_count),
        ("missing", &verification.missing, verification.missing_count),
        ("unproven", &verification.unproven, verification.unproven_count),
        ("extra", &verification.extra, verification.extra_count),
    ] {
        if count > 0 {
            line_of(&mut text, &format!("{what}  {}", some_of(paths, count)));
        }
    }
    let rest = |shown: usize, count: u64| (count > shown as u64).then(|| count - shown as u64);
    for change in &report.changes {
        line_of(&mut text, &format!("change  {change}"));
    }
    if let Some(more) = rest(report.changes.len(), report.changes_count) {
        line_of(&mut text, &format!("change  … and {more} more"));
    }
    for warning in &report.warnings {
        line_of(&mut text, &format!("warning: {warning}"));
    }
    if let Some(more) = rest(report.warnings.len(), report.warnings_count) {
        line_of(&mut text, &format!("warning: … and {more} more"));
    }
    if report.state == State::Verified && report.files.total > 0 && (report.id != "verify" || report.files.only_at_source() > 0) {
        let advice = match report.files.only_at_source() {
            0 => "before you delete the source, read everything back once: hf2ms verify --deep with the same source and destination",
            _ => "keep the source: not all of it is at the destination",
        };
        line_of(&mut text, advice);
    }
    text.trim_end().to_owned()
}

/// One migration that has not ended.
pub(super) fn glance(glance: &Glance, progress: &Progress) -> String {
    let mut text = format!("{}  {}  {} → {}\n{}", glance.id, glance.state.name(), glance.source, glance.destination, line(progress));
    for flight in &progress.in_flight {
        line_of(&mut text, &format!("\n  {}  {} of {}", flight.path, size(flight.done), size(flight.size)));
    }
    text.trim_end().replace("\n\n", "\n")
}

/// The recent migrations, a line each.
pub(super) fn recent(glances: &[Glance]) -> String {
    if glances.is_empty() {
        return "no migrations on this machine yet".to_owned();
    }
    let row = |glance: &Glance| {
        format!(
            "{}  {:<11}  {} → {}  {}/{} files  {}",
            glance.id,
            glance.state.name(),
            glance.source,
            glance.destination,
            glance.files_done,
            glance.files,
            size(glance.bytes)
        )
    };
    glances.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// The tokens.
pub(super) fn checks(checks: &[PlatformCheck]) -> String {
    let mut text = String::new();
    for check in checks {
        let title = match check.platform.as_str() {
            "hf" => "Hugging Face",
            "ms" => "ModelScope",
            _ => "Modal",
        };
        let from = check.origin.as_deref().map_or_else(|| "no token".to_owned(), |origin| format!("token from {origin}"));
        line_of(&mut text, &format!("{title}: {from}"));
        if check.platform == "modal" {
            text.push_str(&modal(check));
        } else if let Some(account) = &check.account {
            let permission = check.permission.as_deref().map(|name| format!(" (permission: {name})")).unwrap_or_default();
            line_of(&mut text, &format!("  account     {account}{permission}"));
            line_of(&mut text, &format!("  may read    {}", verdict(check.read)));
            let where_to = check.namespaces.as_ref().filter(|names| !names.is_empty()).map(|names| format!(", to: {}", names.join(", ")));
            line_of(&mut text, &format!("  may write   {}{}", verdict(check.write), where_to.unwrap_or_default()));
            for (title, lines) in [("scope ", &check.scopes), ("lacks ", &check.lacks)] {
                lines.iter().for_each(|line| line_of(&mut text, &format!("  {title}      {line}")));
            }
            if let Some(destination) = &check.destination {
                let sure =
                    if check.write == Verdict::Yes { "may be written to" } else { "is not refused beforehand; the first write tells" };
                line_of(&mut text, &format!("  destination {destination} {sure}"));
            }
        }
        if !check.hosts.is_empty() {
            line_of(&mut text, &format!("  sent to     {}", check.hosts.join(", ")));
        }
        if let Some(error) = &check.error {
            line_of(&mut text, &format!("  problem     {}", error.message));
        }
        match check.error.as_ref().and_then(|error| error.hint.as_deref()) {
            Some(hint) => line_of(&mut text, &format!("  hint        {hint}")),
            None => line_of(&mut text, &format!("  make one at {}", check.page)),
        }
    }
    text.trim_end().to_owned()
}

/// What there is to say of Modal's token alone.
fn modal(check: &PlatformCheck) -> String {
    let mut text = String::new();
    if let Some(workspace) = &check.workspace {
        let user = check.account.as_ref().map(|user| format!("{user} in ")).unwrap_or_default();
        line_of(&mut text, &format!("  account     {user}workspace {workspace}"));
        line_of(&mut text, &format!("  good until  {}", check.expires.as_deref().unwrap_or("it is revoked")));
        line_of(&mut text, "  may run     `hf2ms smoke` tries it");
    } else if !check.present && check.error.is_none() {
        line_of(&mut text, "  not needed  with --runner local, which carries through this machine; without either nothing is started");
    }
    text
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Yes => "yes",
        Verdict::No => "no",
        Verdict::Unknown => "the service does not say beforehand; the first write tells",
    }
}
