//! `inventory`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::arguments::Kind;
use super::super::render::cut;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::migration::figures::size;
use crate::migration::{self, CopyState, Inquiry, InventoryEntry};

/// Characters that the entries of one answer take, of those that an answer has (`render`). A name that is cut names nothing, so entries are
/// shown whole or not at all.
const MOST: usize = 2_900;
/// Characters of a reason that are shown.
const MOST_OF_REASON: usize = 300;

/// Lists every model, dataset and Space of a user or organisation that the token may see: size, who may read it, last change. With against it also
/// says of each whether a copy in that namespace of the other hub is there and equal by hash, which takes a few calls for each; use that when someone
/// asks what is migrated already, or what may be deleted. Writes nothing at either hub.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {
    /// A user or an organisation and its hub: `hf:acme`, `ms:acme`.
    #[schemars(length(min = 4, max = 200))]
    namespace: String,
    /// Where its copies may be: a namespace of the other hub, such as `acme`.
    #[schemars(length(max = 200))]
    against: Option<String>,
    /// One kind alone; all by default.
    repo_type: Option<Kind>,
    /// How many to pass over, where an earlier answer showed those.
    #[serde(default)]
    skip: u64,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    summary: String,
    next_step: String,
    /// How many there are.
    repositories_count: u64,
    /// As many of them as fit here, after those passed over: models, then datasets, then Spaces.
    repositories: Vec<Shown>,
}

/// One repository.
#[derive(Serialize, JsonSchema)]
struct Shown {
    repo: String,
    kind: String,
    /// Bytes, where the hub tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    visibility: &'static str,
    /// In UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<String>,
    /// `verified` (every file is there and equal by hash), `differs`, `absent`, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_repo: Option<String>,
    /// The migration that proved the copy, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_id: Option<String>,
    /// What differs, or why nothing could be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> Result<Outcome> {
    let Arguments { namespace, against, repo_type, skip } = arguments;
    let inventory = migration::inventory(config, &Inquiry { namespace, against, repo_type: repo_type.map(Into::into) }).await?;
    let count = inventory.repositories.len() as u64;
    let bytes: u64 = inventory.repositories.iter().filter_map(|entry| entry.size).sum();
    let mut summary = format!("{} has {count} repositories, {} as far as the hub tells", inventory.namespace, size(bytes));
    if let Some(against) = &inventory.against {
        let [same, other, none, unknown] =
            [CopyState::Verified, CopyState::Differs, CopyState::Absent, CopyState::Unknown].map(|state| inventory.count(state));
        summary.push_str(&format!(
            "; at {against} {same} are the same by hash, {other} differ, {none} are absent, {unknown} could not be told"
        ));
    }
    let next_step = match inventory.against {
        Some(_) => "Nothing may be deleted on this alone: before a source is deleted, call verify_migration with deep true for it.",
        None => "To see which of them have an equal copy, call this again with against. To move one, call plan_migration.",
    };
    let after = inventory.repositories.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX));
    let repositories = page(after.map(shown))?;
    let end = skip.saturating_add(repositories.len() as u64);
    let next_step = match end < count {
        true => {
            summary.push_str(&format!("; {} to {end} of them are shown here", skip + 1));
            format!("Call this again with skip {end} for the rest. {next_step}")
        }
        false => next_step.to_owned(),
    };
    Ok(Outcome { summary, next_step, repositories_count: count, repositories })
}

/// The first entries, as many as fit; one at least.
fn page(entries: impl Iterator<Item = Shown>) -> Result<Vec<Shown>> {
    let mut taken = 0;
    let mut page = Vec::new();
    for entry in entries {
        let text = serde_json::to_string(&entry).map_err(|error| Error::new(ErrorKind::Local, "no entry").because(error))?;
        taken += text.chars().count() + 1;
        if taken > MOST && !page.is_empty() {
            break;
        }
        page.push(entry);
    }
    Ok(page)
}

fn shown(entry: InventoryEntry) -> Shown {
    let (copy, copy_repo, migration_id, why) = match entry.copy {
        Some(copy) => (Some(copy.state.word()), Some(copy.repo), copy.migration, copy.why.map(|why| cut(&why, MOST_OF_REASON))),
        None => (None, None, None, None),
    };
    Shown {
        repo: format!("{}:{}", entry.platform, entry.repo),
        kind: entry.repo_type.to_string(),
        size: entry.size,
        visibility: entry.visibility.word(),
        changed: entry.changed,
        copy,
        copy_repo,
        migration_id,
        why,
    }
}
