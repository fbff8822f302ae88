//! Words and numbers for people.

use std::fmt::Write;

use crate::config::Config;
use crate::journal::Glance;
use crate::migration::{PlatformCheck, Verdict};
use crate::plan::{Decision, LEFT_OUT, LeftOut, TransferPlan, word};
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

/// What is about to happen, in a line or two.
pub(super) fn start(plan: &TransferPlan) -> String {
    let request = &plan.request;
    let what = format!("{} → {} ({}): ", request.source, request.destination, request.destination.repo_type);
    let create = if plan.create { format!(", creating it {}", word(plan.destination_visibility)) } else { String::new() };
    if plan.totals.copy == 0 {
        return format!("{what}{} there already, nothing to copy{create}", count(plan.totals.present, "file"));
    }
    format!(
        "{what}{} to copy ({}), {} there already{create}\nthe bytes pass through this machine (runner local)",
        count(plan.totals.copy, "file"),
        size(plan.totals.copy_bytes),
        plan.totals.present
    )
}

/// The plan: the few things that matter first, then the files by what happens with them.
pub(super) fn plan(config: &Config, plan: &TransferPlan) -> String {
    let mut text = String::new();
    let request = &plan.request;
    for risk in &plan.risks {
        line_of(&mut text, &format!("! {}", risk.describe()));
    }
    for warning in &plan.warnings {
        line_of(&mut text, &format!("warning: {warning}"));
    }
    line_of(&mut text, &format!("source       {} ({}, {})", request.source, request.source.repo_type, word(plan.source_visibility)));
    line_of(&mut text, &format!("  at commit  {}", plan.source_commit.as_deref().unwrap_or("none, it is empty")));
    let state = if plan.create { "will be created" } else { "exists" };
    line_of(
        &mut text,
        &format!(
            "destination  {} ({}, {}, {state})",
            request.destination,
            request.destination.repo_type,
            word(plan.destination_visibility)
        ),
    );
    for platform in [request.source.platform, request.destination.platform] {
        if let Some(found) = config.found(platform) {
            line_of(&mut text, &format!("token        {platform}: {}, sent to {}", found.origin, config.endpoints.of(platform)));
        }
    }
    let totals = &plan.totals;
    line_of(&mut text, &format!("copy         {} ({})", count(totals.copy, "file"), size(totals.copy_bytes)));
    // among many, the few that are out of the ordinary are what somebody looks for
    let mut copies: Vec<_> = plan.copies().collect();
    copies.sort_by_key(|item| (item.decision != Decision::Copy { replaces: true }, !item.rewritten));
    list(&mut text, &copies.into_iter().map(|item| (&item.file.path, note(item))).collect::<Vec<_>>());
    line_of(&mut text, &format!("there        {} ({})", count(totals.present, "file"), size(totals.present_bytes)));
    let mut left_out: Vec<_> = plan.items.iter().filter_map(|item| Some((item, left_out(&item.decision)?))).collect();
    left_out.sort_by_key(|(item, _)| !matches!(item.decision, Decision::LeftOut(LeftOut::Refused(_))));
    let left_out: Vec<_> = left_out.into_iter().map(|(item, why)| (&item.file.path, why)).collect();
    if !left_out.is_empty() {
        line_of(&mut text, &format!("left out     {}", count(left_out.len() as u64, "file")));
        list(&mut text, &left_out);
    }
    if !plan.extra.is_empty() {
        line_of(&mut text, &format!("extra        {} that only the destination has, kept", count(plan.extra.len() as u64, "file")));
        list(&mut text, &plan.extra.iter().map(|path| (path, String::new())).collect::<Vec<_>>());
    }
    for change in &plan.changes {
        line_of(&mut text, &format!("change       {change}"));
    }
    line_of(&mut text, &format!("plan         {}", plan.plan_id));
    text.trim_end().to_owned()
}

fn note(item: &crate::plan::Item) -> String {
    let replaces = if item.decision == (Decision::Copy { replaces: true }) { ", replaces" } else { "" };
    let rewritten = if item.rewritten { ", rewritten" } else { "" };
    format!("{}{replaces}{rewritten}", size(item.file.size))
}

fn left_out(decision: &Decision) -> Option<String> {
    match decision {
        Decision::LeftOut(LeftOut::NotSelected) => Some("not selected".to_owned()),
        Decision::LeftOut(LeftOut::HubOwned) => Some("each hub keeps its own".to_owned()),
        Decision::LeftOut(LeftOut::Refused(reason)) => Some(reason.clone()),
        Decision::Copy { .. } | Decision::AlreadyThere => None,
    }
}

fn list(text: &mut String, entries: &[(&RepoPath, String)]) {
    for (path, note) in entries.iter().take(NAMED) {
        line_of(text, format!("  {path}  {note}").trim_end());
    }
    if entries.len() > NAMED {
        line_of(text, &format!("  … and {} more (all of them with --json)", entries.len() - NAMED));
    }
}

fn line_of(text: &mut String, line: &str) {
    // writing to a string cannot fail
    let _infallible = writeln!(text, "{line}");
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
    let names = |paths: &[RepoPath]| paths.iter().take(NAMED).map(RepoPath::to_string).collect::<Vec<_>>().join(", ");
    for (what, paths) in [
        ("differing", &verification.differing),
        ("missing", &verification.missing),
        ("unproven", &verification.unproven),
        ("extra", &verification.extra),
    ] {
        if !paths.is_empty() {
            line_of(&mut text, &format!("{what}  {}", names(paths)));
        }
    }
    for change in &report.changes {
        line_of(&mut text, &format!("change  {change}"));
    }
    for warning in &report.warnings {
        line_of(&mut text, &format!("warning: {warning}"));
    }
    if report.state == State::Verified && report.id != "verify" && report.files.total > 0 {
        let all = !report.warnings.iter().any(|warning| warning.starts_with(LEFT_OUT));
        let advice = match all {
            true => "before you delete the source, read everything back once: hf2ms verify --deep with the same source and destination",
            false => "keep the source: not all of it is at the destination",
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
        if let Some(account) = &check.account {
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
