//! A plan for people.

use super::{NAMED, count, line_of, size};
use crate::config::Config;
use crate::plan::{Decision, LeftOut, TransferPlan, word};
use crate::repo::RepoPath;

/// The plan: the few things that matter first, then the files by what happens with them.
pub(in crate::cli) fn plan(config: &Config, plan: &TransferPlan) -> String {
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
    let copies: Vec<_> = plan.copies().map(|item| (&item.file.path, note(item))).collect();
    list(&mut text, &copies);
    line_of(&mut text, &format!("there        {} ({})", count(totals.present, "file"), size(totals.present_bytes)));
    let left_out: Vec<_> = plan.items.iter().filter_map(|item| Some((&item.file.path, left_out(&item.decision)?))).collect();
    if !left_out.is_empty() {
        line_of(&mut text, &format!("left out     {}", count(left_out.len() as u64, "file")));
        list(&mut text, &left_out);
    }
    if !plan.extra.is_empty() {
        line_of(&mut text, &format!("extra        {} only at the destination; they stay", count(plan.extra.len() as u64, "file")));
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
