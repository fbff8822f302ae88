//! Words and numbers for people.

mod batch;
mod plan;

use std::fmt::Write;

pub(super) use batch::{batch, error_lines, planned, takes};
pub(super) use plan::{PlanShown, plan};

use crate::journal::Glance;
use crate::migration::{PlatformCheck, Verdict};
use crate::plan::{TransferPlan, word};
use crate::progress::Progress;
use crate::protocol::{Report, State};
use crate::repo::RepoPath;

/// Names shown of a list.
const NAMED: usize = 10;

/// `1.5 GB`: powers of ten, as both hubs show sizes.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `2h03m`, `4m05s`, `6s`.
pub(super) fn time(seconds: f64) -> String {
    let whole = seconds.round().clamp(0.0, 1e9) as u64;
    match (whole / 3600, whole % 3600 / 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The rate, the time left and what happens now.
pub(super) fn pace(progress: &Progress) -> String {
    let doing = match progress.state {
        State::Committing => "committing",
        _ if progress.files > 0 && progress.files_done >= progress.files => "verifying",
        _ if progress.files == 0 => "planning",
        _ => "",
    };
    let rate = progress.rate().map(|rate| format!("{}/s", size(rate as u64))).unwrap_or_default();
    let left = progress.seconds_left().filter(|_| doing.is_empty()).map(|seconds| format!("{} left", time(seconds))).unwrap_or_default();
    [rate, left, doing.to_owned()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// One line of progress, for a log.
pub(super) fn line(progress: &Progress) -> String {
    let files = format!("{}/{} files", progress.files_done, progress.files);
    let bytes = format!("{} of {}", size(progress.position()), size(progress.bytes));
    [files, bytes, pace(progress)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// Said of every migration that this machine carries.
pub(super) const PASSES_HERE: &str = "the bytes pass through this machine (runner local)";

/// What is about to happen, in a line.
pub(super) fn start(plan: &TransferPlan) -> String {
    let request = &plan.request;
    let what = format!("{} → {} ({}): ", request.source, request.destination, request.destination.repo_type);
    let create = if plan.create { format!(", creating it {}", word(plan.destination_visibility)) } else { String::new() };
    if plan.totals.copy == 0 {
        return format!("{what}{} there already, nothing to copy{create}", count(plan.totals.present, "file"));
    }
    format!(
        "{what}{} to copy ({}), {} there already{create}",
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
    line_of(&mut text, &format!("{}  {}", report.state.name(), report.destination.url));
    line_of(
        &mut text,
        &format!(
            "files   {} of {} proven: {} streamed, {} by reference, {} read back",
            verification.matched, report.files.total, verification.how.streamed, verification.how.reference, verification.how.read_back
        ),
    );
    line_of(
        &mut text,
        &format!(
            "        {} copied, {} reused, {} there already, {} left out",
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
    if report.state == State::Verified && report.id != "verify" && report.files.total > 0 {
        let advice = match report.files.refused {
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
        line_of(&mut text, "  not needed  without one a migration runs on this machine (--runner local)");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(4_000_000_000), "4.0 GB");
        assert_eq!(time(5.6), "6s");
        assert_eq!(time(245.0), "4m05s");
        assert_eq!(time(7_380.0), "2h03m");
    }
}
