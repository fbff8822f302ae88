//! The decision for one file, with its reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Card, Selection, rules};
use crate::repo::{Digests, FileEntry, Manifest, Platform, RepoPath};

/// What a migration does with one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", content = "because", rename_all = "snake_case")]
pub enum Decision {
    /// Puts its content there, or points to it if the destination has that content already.
    Copy {
        /// Whether another content lies there now.
        replaces: bool,
    },
    /// Nothing: the same content lies there.
    AlreadyThere,
    /// Nothing, for this reason.
    LeftOut(LeftOut),
}

/// Why a file is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// The request is not about it.
    NotSelected,
    /// Each hub has its own.
    HubOwned,
    /// The destination takes it in no form, or the source does not give it.
    Refused(String),
}

/// One file of a plan, as it shall be at the destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Path, size and what is known of the content.
    #[serde(flatten)]
    pub file: FileEntry,
    /// Whether the content differs from the source's on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rewritten: bool,
    /// What happens with it.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What a decision is made of, besides the file.
pub(super) struct Grounds<'a> {
    pub(super) existing: Option<&'a Manifest>,
    /// What will be there besides what is copied: the same without what is deleted.
    pub(super) stays: Option<&'a Manifest>,
    pub(super) card: Option<&'a Card>,
    pub(super) selection: &'a Selection,
    pub(super) destination: Platform,
    pub(super) unreadable: &'a BTreeMap<RepoPath, String>,
}

/// Decides from the listings alone. Digests are compared only with digests of their own kind.
pub(super) fn decide(file: &FileEntry, grounds: &Grounds<'_>) -> Item {
    let mut file = file.clone();
    let left_out = |file, because| Item { file, rewritten: false, decision: Decision::LeftOut(because) };
    if !grounds.selection.takes(&file.path) {
        return left_out(file, LeftOut::NotSelected);
    }
    if file.path.is_git_attributes() {
        return left_out(file, LeftOut::HubOwned);
    }
    let card = grounds.card.filter(|_| file.path.as_str() == "README.md");
    let rewritten = card.is_some_and(|card| card.rewrite.bytes.is_some());
    if let Some(card) = card {
        file.size = card.wanted().len() as u64;
        file.digests = Digests::of(card.wanted());
    }
    let there = grounds.existing.and_then(|existing| existing.file(&file.path));
    let decision = match there {
        None => Decision::Copy { replaces: false },
        Some(there) if there.size == file.size && there.digests.same(&file.digests) == Some(true) => Decision::AlreadyThere,
        Some(_) => Decision::Copy { replaces: true },
    };
    // what is there already was taken, and need not be read
    if decision != Decision::AlreadyThere {
        let refused = rules::refuses(grounds.destination, &file, grounds.stays);
        if let Some(reason) = refused.or_else(|| grounds.unreadable.get(&file.path).cloned()) {
            return left_out(file, LeftOut::Refused(reason));
        }
    }
    Item { file, rewritten, decision }
}
