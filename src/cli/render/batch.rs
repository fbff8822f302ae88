//! Several sources for people.

use super::{count, line_of, size, start, table};
use crate::migration::{Batch, Counts, Member, Stage};
use crate::plan::TransferPlan;
use crate::plan::modal::ModalEstimate;
use crate::protocol::State;

/// Warnings of one plan that are shown before a batch begins.
const WARNINGS: usize = 3;

/// One source's plan, before anything begins, and what it takes in the cloud.
pub(in crate::cli) fn planned(index: usize, all: usize, plan: &TransferPlan, estimate: Option<&ModalEstimate>) -> String {
    let mut text = String::new();
    line_of(&mut text, &format!("[{}/{all}] {}", index + 1, start(plan)));
    if let Some(estimate) = estimate {
        line_of(&mut text, &format!("  modal: {}", estimate.line()));
    }
    for risk in &plan.risks {
        line_of(&mut text, &format!("  ! {}", risk.describe()));
    }
    for warning in plan.warnings.iter().take(WARNINGS) {
        line_of(&mut text, &format!("  warning: {warning}"));
    }
    if plan.warnings.len() > WARNINGS {
        line_of(
            &mut text,
            &format!("  … and {} more (see them with `hf2ms plan`)", count((plan.warnings.len() - WARNINGS) as u64, "warning")),
        );
    }
    text.trim_end().to_owned()
}

/// What one source takes in the cloud, where that depends on the others.
pub(in crate::cli) fn takes(index: usize, all: usize, member: &Member, estimate: &ModalEstimate) -> String {
    format!("[{}/{all}] {}\n  modal: {}", index + 1, member.source(), estimate.line())
}

/// How one source ended, with what to do where it did not end well.
pub(in crate::cli) fn error_lines(index: usize, all: usize, member: &Member) -> String {
    let head = format!("[{}/{all}] {}  {}", index + 1, state(member), member.source());
    let (message, hint) = match &member.stage {
        Stage::Ended(report) => match &report.error {
            Some(error) => (error.message.clone(), error.hint.clone()),
            None => return head,
        },
        Stage::Skipped(reason) => return format!("{head}  {}", reason.message()),
        _ => match member.error() {
            Some(error) => (error.to_string(), error.hint().map(str::to_owned)),
            None => return head,
        },
    };
    let hint = hint.map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!("{head}\n  error: {message}{hint}")
}

/// What became of all of them: a table, and what it comes to.
pub(in crate::cli) fn batch(batch: &Batch) -> String {
    let head = ["source", "kind", "state", "destination", "files", "bytes", "id, or why"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(batch.members.iter().map(row)).collect();
    let mut text = table(&rows);
    let Counts { succeeded, failed, skipped } = batch.counts();
    line_of(&mut text, &format!("{succeeded} verified, {failed} not verified, {skipped} skipped"));
    if batch.members.iter().any(|member| member.id.is_some()) {
        line_of(&mut text, "one of them in full: hf2ms status ID");
    }
    let verified = |member: &Member| match &member.stage {
        Stage::Ended(report) if report.state == State::Verified => Some((member.id.is_some(), report.files.only_at_source())),
        _ => None,
    };
    let partial: Vec<_> = batch.members.iter().filter(|member| verified(member).is_some_and(|(_, files)| files > 0)).collect();
    if let Some(first) = partial.first() {
        let more = if partial.len() > 1 { format!(" and {} more", partial.len() - 1) } else { String::new() };
        line_of(&mut text, &format!("keep {}{more}: not all of it is at the destination", first.source()));
    }
    if batch.members.iter().filter_map(verified).any(|(is_migrated, files)| is_migrated && files == 0) {
        line_of(
            &mut text,
            "before you delete a source, read everything back once: hf2ms verify --deep with the same sources and destination",
        );
    }
    text.trim_end().to_owned()
}

/// The word for what became of it.
fn state(member: &Member) -> &'static str {
    match &member.stage {
        Stage::Ended(report) if report.up_to_date => "up to date",
        _ => member.state(),
    }
}

fn row(member: &Member) -> [String; 7] {
    let (files, bytes) = match &member.stage {
        Stage::Ended(report) => (format!("{}/{}", report.verification.matched, report.files.total), size(report.bytes.total)),
        _ => ("-".to_owned(), "-".to_owned()),
    };
    let ended = match &member.stage {
        Stage::Ended(report) => report.error.as_ref().map(|error| error.message.as_str()),
        _ => None,
    };
    let why = match (&member.id, member.error().map(|error| error.message()).or(ended)) {
        (Some(id), None) => id.clone(),
        (Some(id), Some(why)) => format!("{id}: {why}"),
        (None, Some(why)) => why.to_owned(),
        (None, None) => String::new(),
    };
    let kind = member.kind().map_or("-".to_owned(), |kind| kind.to_string());
    [member.source(), kind, state(member).to_owned(), member.destination(), files, bytes, why]
}
