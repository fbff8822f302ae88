//! Two manifests, the card and the request become a [`TransferPlan`]: what happens with every file, and why. Pure: no I/O.

mod decide;
pub mod equal;
mod estimate;
pub mod fan_out;
pub mod limits;
pub mod modal;
pub mod pace;
pub mod pairs;
pub mod rates;
pub mod removal;
mod risk;
mod rules;
mod select;
pub mod shard;
pub mod sum;
pub mod together;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use decide::{Decision, Item, LeftOut};
pub use estimate::{Estimate, Takes};
use pace::Pace;
pub use risk::Risk;
pub use select::Selection;

use crate::card::Rewrite;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Consent, Request};
use crate::repo::{Digests, FileEntry, Manifest, RepoPath, Sha256, Visibility};

/// The source's card, read.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its bytes at the source.
    pub original: Vec<u8>,
    /// What the destination needs changed in it.
    pub rewrite: Rewrite,
}

impl Card {
    /// What shall lie at the destination.
    pub fn wanted(&self) -> &[u8] {
        self.rewrite.bytes.as_deref().unwrap_or(&self.original)
    }
}

/// The destination as it was found.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Its listing.
    pub manifest: Manifest,
}

/// All that a plan is made of.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// What was asked for.
    pub request: &'a Request,
    /// The source, pinned. Digests learned by reading are in it.
    pub source: &'a Manifest,
    /// The destination, if it exists.
    pub destination: Option<&'a Existing>,
    /// The source's card, if it has one and it is selected.
    pub card: Option<&'a Card>,
    /// What the user should know beforehand.
    pub warnings: Vec<String>,
    /// Files that the source lists and does not give, and why.
    pub unreadable: BTreeMap<RepoPath, String>,
}

/// What will happen. The same inputs give the same plan and the same id.
#[derive(Clone, Debug, Serialize)]
pub struct TransferPlan {
    /// Hash of request, source commit, destination head and visibility, and risks.
    pub plan_id: String,
    /// The request it answers.
    pub request: Request,
    /// The source's commit.
    pub source_commit: Option<String>,
    /// Who may read the source.
    pub source_visibility: Visibility,
    /// The destination's head; `None` when it does not exist or is empty.
    pub destination_head: Option<String>,
    /// Whether it must be created.
    pub create: bool,
    /// Who may read the destination, as it is or as it will be created.
    pub destination_visibility: Visibility,
    /// Counts and sizes.
    pub totals: Totals,
    /// What it costs at the hubs, where the destination's limits are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What only the user may allow.
    pub risks: Vec<Risk>,
    /// What will be different at the destination on purpose.
    pub changes: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Every file, in the order of the paths.
    pub items: Vec<Item>,
    /// Files that only the destination has. They stay.
    pub extra: Vec<RepoPath>,
    /// Files that only the destination has and that are deleted there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deletes: Vec<RepoPath>,
}

/// Counts and sizes of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Files that shall be at the destination.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files to copy. The destination may turn out to have some of their contents.
    pub copy: u64,
    /// Their bytes.
    pub copy_bytes: u64,
    /// Files among those whose content the destination has under another path, or that another one of them brings.
    pub repeated: u64,
    /// Their bytes.
    pub repeated_bytes: u64,
    /// Files that are there already.
    pub present: u64,
    /// Their bytes.
    pub present_bytes: u64,
    /// Files left out.
    pub left_out: u64,
    /// Those of them that were asked for.
    pub refused: u64,
    /// Those of them that were not: by globs. Each hub's own are not counted.
    #[serde(default, skip_serializing_if = "crate::protocol::is_nothing")]
    pub not_selected: u64,
}

impl TransferPlan {
    /// Makes the plan.
    ///
    /// Fails with `Unsupported` when the destination could not hold or not list the result, and with `Usage` when nothing is selected.
    pub fn new(inputs: &Inputs<'_>, selection: &Selection) -> Result<Self> {
        let Inputs { request, source, destination, card, warnings, unreadable } = inputs;
        let existing = destination.map(|existing| &existing.manifest);
        let extra = existing.map_or_else(Vec::new, |existing| extra(existing, source));
        let (deletes, extra) = removal::divide(request, selection, source, existing, extra)?;
        let remaining = existing.filter(|_| !deletes.is_empty()).map(|existing| removal::without(existing, &deletes));
        let mut changes = Vec::new();
        let grounds = decide::Grounds {
            existing,
            stays: remaining.as_ref().or(existing),
            card: *card,
            selection,
            destination: request.destination.platform,
            unreadable,
        };
        let items: Vec<Item> = source.files.iter().map(|file| decide::decide(file, &grounds)).collect();
        if items.iter().any(|item| item.decision == Decision::LeftOut(LeftOut::HubOwned)) {
            changes.push(".gitattributes: not copied, each hub keeps its own".to_owned());
        }
        changes.extend(card.iter().flat_map(|card| card.rewrite.changes.iter().map(ToString::to_string)));
        if !source.files.is_empty() && items.iter().all(|item| item.decision == Decision::LeftOut(LeftOut::NotSelected)) {
            return Err(Error::usage("no file of the source is selected", "check the globs of --include and --exclude")
                .with("files", source.files.len()));
        }
        rules::holds(&request.destination, &items, grounds.stays)?;
        let visibility = match destination {
            Some(existing) => existing.manifest.visibility,
            None => source.visibility.of_new_copy(),
        };
        let mut risks = risks(&items, existing, source.visibility, visibility);
        risks.extend(removal::risk(request, &deletes, existing));
        let advice = rules::advice(&request.destination, &items);
        let mut plan = Self {
            plan_id: String::new(),
            request: (*request).clone(),
            source_commit: source.commit.clone(),
            source_visibility: source.visibility,
            destination_head: existing.and_then(|existing| existing.commit.clone()),
            create: destination.is_none(),
            destination_visibility: visibility,
            totals: totals(&items, existing),
            estimate: None,
            risks,
            changes,
            // what is left out may be much; it stands last
            warnings: [warnings.clone(), advice, left_out(&items)].concat(),
            items,
            extra,
            deletes,
        };
        plan.plan_id = plan.hash()?;
        Ok(plan)
    }

    /// Adds what it costs: `streams` says of each item whether it goes as a blob and not inside a commit.
    #[must_use]
    pub fn estimated(self, takes: Takes, streams: impl Fn(&Item) -> bool) -> Self {
        let estimate = estimate::estimate(&self.items, takes, streams);
        let advice = rules::inline_advice(&self.request.destination, estimate.inline_bytes);
        let warnings = advice.into_iter().chain(self.warnings).collect();
        Self { estimate: Some(estimate), warnings, ..self }.paced(None)
    }

    /// Adds how long the commits alone take; `gap` is the user's word for a hub that does not publish how often it takes one.
    #[must_use]
    pub fn paced(mut self, gap: Option<Duration>) -> Self {
        let pace = Pace::of(self.request.destination.platform, gap);
        if let Some(estimate) = &mut self.estimate {
            estimate.commit_seconds = pace.takes(estimate.commits).as_secs_f64().ceil() as u64;
        }
        self
    }

    /// The risks that this consent leaves open.
    pub fn uncovered(&self, consent: Consent) -> Vec<&Risk> {
        self.risks.iter().filter(|risk| !risk.is_covered_by(consent)).collect()
    }

    /// Refuses a plan that deletes more than may be deleted at once, whoever allows it.
    pub fn check_deletion(&self) -> Result<()> {
        self.check(Consent { risks: true, loosened_visibility: true, deletion: true })
    }

    /// Refuses a plan with a risk that the user has not confirmed.
    pub fn check(&self, consent: Consent) -> Result<()> {
        let open = self.uncovered(consent);
        let Some(first) = open.first() else { return Ok(()) };
        if let Some(refusal) = removal::refusal(&open) {
            return Err(refusal.with("destination", &self.request.destination));
        }
        let loosened = open.iter().any(|risk| matches!(risk, Risk::LoosenedVisibility { .. }));
        let what: Vec<_> = open.iter().map(|risk| risk.describe()).collect();
        let leaves_out = matches!(open.as_slice(), [Risk::LeftOut { .. }]);
        let hint = match (loosened, open.len() > 1 || !matches!(first, Risk::LoosenedVisibility { .. })) {
            (true, true) => "pass --yes and --allow-public to allow both",
            (true, false) => "make the destination private, name another one with --dest, or pass --allow-public to publish the files",
            _ if leaves_out => "look at it with --dry-run; pass --yes to copy the rest without it",
            _ => "look at it with --dry-run; pass --yes to allow it",
        };
        let error = Error::new(ErrorKind::NeedsConfirmation, what.join("; ")).with("destination", &self.request.destination).hint_to(hint);
        let leaves_out = open.iter().any(|risk| matches!(risk, Risk::LeftOut { .. }));
        let reason = self.items.iter().filter(|_| leaves_out).find_map(|item| match &item.decision {
            Decision::LeftOut(LeftOut::Refused(reason)) => Some(reason),
            _ => None,
        });
        Err(reason.into_iter().fold(error, |error, reason| error.with("because", reason)))
    }

    /// The items to copy.
    pub fn copies(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| matches!(item.decision, Decision::Copy { .. }))
    }

    /// The files that shall be at the destination.
    pub fn wanted(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !matches!(item.decision, Decision::LeftOut(_)))
    }

    fn hash(&self) -> Result<String> {
        let parts = (&self.request, &self.source_commit, &self.destination_head, self.destination_visibility, &self.risks);
        let text = serde_json::to_vec(&parts).map_err(|error| Error::new(ErrorKind::Local, "no plan id").because(error))?;
        Ok(format!("plan-{}", &Sha256::of(&text).to_string()[..16]))
    }
}

/// What is left out though it was asked for: file by file, or in a line for each reason where there are many.
fn left_out(items: &[Item]) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&RepoPath>> = BTreeMap::new();
    for item in items {
        if let Decision::LeftOut(LeftOut::Refused(reason)) = &item.decision {
            reasons.entry(reason).or_default().push(&item.file.path);
        }
    }
    let lines = reasons.into_iter().flat_map(|(reason, paths)| match paths.as_slice() {
        [first, second, third, _, ..] if paths.len() > NAMED => {
            vec![format!("left out: {} files, among them {first}, {second}, {third} ({reason})", paths.len())]
        }
        _ => paths.iter().map(|path| format!("left out: {path} ({reason})")).collect(),
    });
    lines.collect()
}

fn extra(existing: &Manifest, source: &Manifest) -> Vec<RepoPath> {
    let only_there = |file: &&FileEntry| source.file(&file.path).is_none() && !file.path.is_git_attributes();
    existing.files.iter().filter(only_there).map(|file| file.path.clone()).collect()
}

fn totals(items: &[Item], existing: Option<&Manifest>) -> Totals {
    let mut totals = Totals::default();
    let there = existing.into_iter().flat_map(|existing| &existing.files);
    let mut contents: std::collections::HashSet<_> = there.filter_map(|file| file.digests.sha256).collect();
    for item in items {
        match item.decision {
            Decision::LeftOut(ref because) => {
                totals.left_out += 1;
                totals.refused += u64::from(matches!(because, LeftOut::Refused(_)));
                totals.not_selected += u64::from(matches!(because, LeftOut::NotSelected) && !item.file.path.is_git_attributes());
            }
            Decision::Copy { .. } => {
                totals.copy += 1;
                totals.copy_bytes += item.file.size;
                if item.file.digests.sha256.is_some_and(|sha256| !contents.insert(sha256)) {
                    totals.repeated += 1;
                    totals.repeated_bytes += item.file.size;
                }
            }
            Decision::AlreadyThere => {
                totals.present += 1;
                totals.present_bytes += item.file.size;
            }
        }
    }
    totals.files = totals.copy + totals.present;
    totals.bytes = totals.copy_bytes + totals.present_bytes;
    totals
}

/// How many paths a risk names.
const NAMED: usize = 20;

fn risks(items: &[Item], existing: Option<&Manifest>, from: Visibility, to: Visibility) -> Vec<Risk> {
    let named = |paths: Vec<&RepoPath>| (paths.len() as u64, paths.into_iter().take(NAMED).cloned().collect());
    // what the hub itself put into a fresh repository is nobody's work
    let somebodys = |item: &&Item| existing.and_then(|existing| existing.file(&item.file.path)).is_some_and(|there| !there.hubs_own);
    let replaced = items.iter().filter(|item| item.decision == Decision::Copy { replaces: true }).filter(somebodys);
    let replaced: Vec<_> = replaced.map(|item| &item.file.path).collect();
    let reason = |item: &Item| match &item.decision {
        Decision::LeftOut(LeftOut::Refused(reason)) => Some(reason.clone()),
        _ => None,
    };
    let refused: Vec<_> = items.iter().filter(|item| reason(item).is_some()).map(|item| &item.file.path).collect();
    let mut risks = Vec::new();
    if !replaced.is_empty() {
        let (files, first) = named(replaced);
        risks.push(Risk::Overwrite { files, first });
    }
    if !refused.is_empty() {
        let (files, first) = named(refused);
        let reasons: std::collections::BTreeSet<_> = items.iter().filter_map(reason).collect();
        risks.push(Risk::LeftOut { files, first, reasons: reasons.into_iter().take(NAMED).collect() });
    }
    if from.is_loosened_by(to) {
        risks.push(Risk::LoosenedVisibility { from, to });
    }
    risks
}

/// Fills in what is known of contents from pairs of digests found earlier by hashing.
pub fn apply_known(manifest: &mut Manifest, known: &[Digests]) {
    let by_git: std::collections::HashMap<_, _> = known.iter().filter_map(|pair| Some((pair.git_sha1?, *pair))).collect();
    let by_sha256: std::collections::HashMap<_, _> = known.iter().filter_map(|pair| Some((pair.sha256?, *pair))).collect();
    for file in &mut manifest.files {
        let git = file.digests.git_sha1.and_then(|digest| by_git.get(&digest));
        let pair = git.or_else(|| file.digests.sha256.and_then(|digest| by_sha256.get(&digest)));
        if let Some(pair) = pair {
            file.digests = file.digests.or(*pair);
        }
    }
}

#[cfg(test)]
mod tests;
