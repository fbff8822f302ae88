//! A plan for people: what matters first, then counts and sizes by what happens, a few names of each. All of it is in `--json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{NAMED, count, line_of, size, time};
use crate::config::Config;
use crate::migration::Prepared;
use crate::plan::modal::ModalEstimate;
use crate::plan::{Decision, Estimate, Item, LeftOut, Risk, TransferPlan};
use crate::repo::{Platform, RepoPath};

/// Downloads that Hugging Face allows a free account in five minutes (facts, huggingface §2 "Rate limits").
const FREE_DOWNLOADS: u64 = 5_000;

/// Fewer requests than this for a single commit are not worth a line.
const MANY_CALLS: u64 = 500;

/// A plan in JSON, with what it takes in the cloud where it would run there.
#[derive(Serialize)]
pub(in crate::cli) struct PlanShown<'a> {
    #[serde(flatten)]
    plan: &'a TransferPlan,
    tokens: Vec<TokenShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modal: Option<&'a ModalEstimate>,
}

impl<'a> PlanShown<'a> {
    /// The plan, with what it takes in the cloud.
    pub(in crate::cli) fn new(config: &Config, prepared: &'a Prepared, modal: Option<&'a ModalEstimate>) -> Self {
        Self { plan: &prepared.plan, tokens: tokens(config, prepared, modal), modal }
    }
}

/// A token that a plan uses: where it was found, and every host that receives it.
#[derive(Serialize)]
struct TokenShown {
    /// `hf`, `ms` or `modal`.
    platform: String,
    origin: String,
    /// Whose it is, of the one that writes: to ask that of the others takes a call that hubs limit strictly.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    hosts: Vec<String>,
}

/// The plan, and what it takes in the cloud.
pub(in crate::cli) fn plan(config: &Config, prepared: &Prepared, estimate: Option<&ModalEstimate>) -> String {
    let plan = &prepared.plan;
    let mut text = String::new();
    for risk in &plan.risks {
        line_of(&mut text, &format!("! {}", risk.describe()));
    }
    if let Some(flags) = allowed_with(&plan.risks) {
        line_of(&mut text, &format!("allow        {flags}"));
    }
    // what is left out is named below, with the reason
    let warnings: Vec<_> = plan.warnings.iter().filter(|warning| !warning.starts_with("left out: ")).collect();
    for warning in warnings.iter().take(NAMED) {
        line_of(&mut text, &format!("warning: {warning}"));
    }
    more(&mut text, "warning: ", warnings.len());
    shores(&mut text, plan);
    for TokenShown { platform, origin, account, hosts } in tokens(config, prepared, estimate) {
        // of Modal's hosts the one that answers first receives it
        let hosts = hosts.join(if platform == MODAL { " or " } else { ", " });
        let account = account.map(|account| format!(", of {account}")).unwrap_or_default();
        line_of(&mut text, &format!("token        {platform}: {origin}{account}, sent to {hosts}"));
    }
    copies(&mut text, plan);
    let totals = &plan.totals;
    line_of(&mut text, &format!("there        {} ({})", count(totals.present, "file"), size(totals.present_bytes)));
    left_out(&mut text, plan);
    if !plan.deletes.is_empty() {
        line_of(&mut text, &format!("delete       {} only at the destination", count(plan.deletes.len() as u64, "file")));
        list(&mut text, "  ", plan.deletes.iter().map(|path| (path, String::new())));
    }
    if !plan.extra.is_empty() {
        line_of(&mut text, &format!("extra        {} only at the destination; they stay", count(plan.extra.len() as u64, "file")));
        list(&mut text, "  ", plan.extra.iter().map(|path| (path, String::new())));
    }
    for change in plan.changes.iter().take(NAMED) {
        line_of(&mut text, &format!("change       {change}"));
    }
    more(&mut text, "change       ", plan.changes.len());
    if let Some(estimate) = plan.estimate {
        costs(&mut text, plan, estimate);
    }
    if let Some(estimate) = estimate {
        line_of(&mut text, &estimate.text());
    }
    line_of(&mut text, &format!("plan         {}", plan.plan_id));
    text.trim_end().to_owned()
}

/// The name of Modal's token among the others.
const MODAL: &str = "modal";

/// The tokens that a plan uses: the source's, the destination's, and Modal's where it would run there.
fn tokens(config: &Config, prepared: &Prepared, estimate: Option<&ModalEstimate>) -> Vec<TokenShown> {
    let request = &prepared.plan.request;
    let of_hub = |platform: Platform| {
        let origin = config.found(platform)?.origin.clone();
        let account = prepared.writes_as.clone().filter(|_| platform == request.destination.platform);
        Some(TokenShown { platform: platform.to_string(), origin, account, hosts: config.token_hosts(platform) })
    };
    let modal = estimate.and_then(|_| config.modal_settings().ok());
    let modal =
        modal.map(|settings| TokenShown { platform: MODAL.to_owned(), hosts: settings.hosts(), account: None, origin: settings.origin });
    let hubs = [request.source.platform, request.destination.platform];
    hubs.into_iter().filter_map(of_hub).chain(modal).collect()
}

/// With which flags `migrate` goes on all the same. A deletion below its bound has its flag already.
fn allowed_with(risks: &[Risk]) -> Option<String> {
    let bound = risks.iter().find_map(|risk| match risk {
        Risk::Delete { files, most, .. } if files > most => Some(format!("--max-delete {files}")),
        _ => None,
    });
    let public = risks.iter().any(|risk| matches!(risk, Risk::LoosenedVisibility { .. })).then(|| "--allow-public".to_owned());
    let yes = risks.iter().any(|risk| !risk.needs_own_word()).then(|| "--yes".to_owned());
    // a person who can be asked is asked about what that flag allows
    let asked = if yes.is_some() { "; on a terminal it asks instead of --yes" } else { " only" };
    let flags: Vec<_> = [bound, public, yes].into_iter().flatten().collect();
    (!flags.is_empty()).then(|| format!("migrate goes on with {}{asked}", flags.join(" and ")))
}

fn shores(text: &mut String, plan: &TransferPlan) {
    let request = &plan.request;
    line_of(text, &format!("source       {} ({}, {})", request.source, request.source.repo_type, plan.source_visibility.word()));
    line_of(text, &format!("  at commit  {}", plan.source_commit.as_deref().unwrap_or("none, it is empty")));
    let state = if plan.create { "will be created" } else { "exists" };
    let (destination, visibility) = (&request.destination, plan.destination_visibility.word());
    line_of(text, &format!("destination  {destination} ({}, {visibility}, {state})", destination.repo_type));
}

/// All of them when they are few; else the largest, and by name what differs or is changed.
fn copies(text: &mut String, plan: &TransferPlan) {
    let totals = &plan.totals;
    let mut copies: Vec<_> = plan.copies().collect();
    let few = copies.len() <= NAMED;
    let which = if few { "" } else { ", the largest of them:" };
    line_of(text, &format!("copy         {} ({}){which}", count(totals.copy, "file"), size(totals.copy_bytes)));
    let replaced: Vec<_> = copies.iter().copied().filter(|item| item.decision == Decision::Copy { replaces: true }).collect();
    let rewritten: Vec<_> = copies.iter().copied().filter(|item| item.rewritten).collect();
    if !few {
        // of the same size, in the order of the paths
        copies.sort_by_key(|item| std::cmp::Reverse(item.file.size));
    }
    list(text, "  ", copies.iter().map(|item| (&item.file.path, note(item))));
    if totals.repeated > 0 {
        let (files, bytes) = (count(totals.repeated, "file"), size(totals.repeated_bytes));
        line_of(text, &format!("  repeated   {files} of those ({bytes}): the same content as another one, or as one at the destination"));
    }
    for (what, items) in [("replaces   ", replaced), ("rewritten  ", rewritten)] {
        if !few && !items.is_empty() {
            let bytes = items.iter().map(|item| item.file.size).sum();
            line_of(text, &format!("  {what}{} of those ({})", count(items.len() as u64, "file"), size(bytes)));
            list(text, "    ", items.iter().map(|item| (&item.file.path, size(item.file.size))));
        }
    }
}

fn note(item: &Item) -> String {
    let replaces = if item.decision == (Decision::Copy { replaces: true }) { ", replaces" } else { "" };
    let rewritten = if item.rewritten { ", rewritten" } else { "" };
    format!("{}{replaces}{rewritten}", size(item.file.size))
}

/// By reason, the rarest first: what a hub refuses are few files, what was not selected may be most of them.
fn left_out(text: &mut String, plan: &TransferPlan) {
    let mut reasons: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in &plan.items {
        let reason = match &item.decision {
            Decision::LeftOut(LeftOut::NotSelected) => "not selected",
            Decision::LeftOut(LeftOut::HubOwned) => "each hub keeps its own",
            Decision::LeftOut(LeftOut::Refused(reason)) => reason,
            Decision::Copy { .. } | Decision::AlreadyThere => continue,
        };
        reasons.entry(reason).or_default().push(item);
    }
    let total: usize = reasons.values().map(Vec::len).sum();
    if total == 0 {
        return;
    }
    line_of(text, &format!("left out     {}", count(total as u64, "file")));
    if total <= NAMED {
        let items = reasons.iter().flat_map(|(reason, items)| items.iter().map(|item| (&item.file.path, (*reason).to_owned())));
        return list(text, "  ", items);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, items)| items.len());
    for (reason, items) in reasons.iter().take(NAMED) {
        line_of(text, &format!("  {} because: {reason}", count(items.len() as u64, "file")));
        list(text, "    ", items.iter().map(|item| (&item.file.path, size(item.file.size))));
    }
    more(text, "  reasons: ", reasons.len());
}

/// What the hubs are asked, where it is more than a handful.
fn costs(text: &mut String, plan: &TransferPlan, estimate: Estimate) {
    let request = &plan.request;
    let (from, to) = (request.source.platform, request.destination.platform);
    let Estimate { commits, downloads, uploads, calls, commit_seconds, .. } = estimate;
    if commits < 2 && downloads + uploads + calls < MANY_CALLS {
        return;
    }
    line_of(
        text,
        &format!(
            "needs about  {} from {}; {}, {} and {} to {}",
            count(downloads, "download"),
            from.title(),
            count(uploads, "upload"),
            count(commits, "commit"),
            count(calls, "other call"),
            to.title()
        ),
    );
    if commit_seconds > 0 {
        let why = match to {
            Platform::HuggingFace => "takes 128 commits an hour",
            Platform::ModelScope => "does not publish how often it takes a commit",
        };
        line_of(text, &format!("  {} {why}: the commits alone take about {}", to.title(), time(commit_seconds as f64)));
    }
    if from == Platform::HuggingFace && downloads > FREE_DOWNLOADS {
        let minutes = (downloads - 1) / FREE_DOWNLOADS * 5;
        line_of(
            text,
            &format!(
                "  {} allows a free account {FREE_DOWNLOADS} downloads in 5 minutes, so it takes {minutes} minutes or more",
                from.title()
            ),
        );
    }
}

fn list<'a>(text: &mut String, indent: &str, entries: impl Iterator<Item = (&'a RepoPath, String)>) {
    let mut all = 0;
    for (path, note) in entries {
        all += 1;
        if all <= NAMED {
            line_of(text, format!("{indent}{path}  {note}").trim_end());
        }
    }
    more(text, indent, all);
}

/// How many are not shown.
fn more(text: &mut String, start: &str, all: usize) {
    if all > NAMED {
        line_of(text, &format!("{start}… and {} more (all of them with --json)", all - NAMED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{Sha256, Visibility};

    #[test]
    fn the_flags_that_allow_a_plan_are_named() {
        let overwrite = || Risk::Overwrite { files: 1, first: Vec::new() };
        let public = || Risk::LoosenedVisibility { from: Visibility::Private, to: Visibility::Public };
        let delete = |files| Risk::Delete { files, first: Vec::new(), most: 10, listing: Sha256::of(b"") };
        let said = |risks: &[Risk]| allowed_with(risks).unwrap_or_default();
        assert_eq!(said(&[]), "");
        assert_eq!(said(&[overwrite()]), "migrate goes on with --yes; on a terminal it asks instead of --yes");
        assert_eq!(said(&[public()]), "migrate goes on with --allow-public only");
        let both = "migrate goes on with --allow-public and --yes; on a terminal it asks instead of --yes";
        assert_eq!(said(&[overwrite(), public()]), both);
        assert_eq!(said(&[delete(10)]), "", "its flag is given");
        assert_eq!(said(&[delete(11)]), "migrate goes on with --max-delete 11 only");
    }
}
