//! Whether two listings hold the same, told by hashes alone. Pure.
//!
//! Every file of either must be in the other. So it does not matter that a listing may be cut off: what is missing in one is found in the other.

use std::collections::BTreeMap;

use super::pairs;
use crate::repo::{Digests, FileEntry, GitSha1, Platform, RepoPath, Sha256};

/// How the line of a commit's message begins that seals the card.
const CARD: &str = "Hf2ms-Card:";

/// The line for a commit's message.
pub fn card_trailer(seal: Sha256) -> String {
    format!("{CARD} {seal}")
}

/// The seal over a card as it is on Hugging Face and on ModelScope, when this version takes it from one hub to the other: it may be rewritten.
pub fn card_seal(from: Platform, on_hf: GitSha1, on_ms: Sha256) -> Sha256 {
    Sha256::of(format!("{} {from} {on_hf} {on_ms}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// The seals that make two listings equal, if they are found among the messages of the destination's commits: nothing where they differ, or
/// where these listings cannot tell.
pub fn seals(from: Platform, source: &[FileEntry], destination: &[FileEntry]) -> Option<Vec<String>> {
    let compared = |files: &'_ [FileEntry]| -> BTreeMap<RepoPath, FileEntry> {
        files.iter().filter(|file| !file.path.is_git_attributes()).map(|file| (file.path.clone(), file.clone())).collect()
    };
    let (source, mut destination) = (compared(source), compared(destination));
    if from == Platform::HuggingFace {
        // what ModelScope itself put there stays whatever the source has
        destination.retain(|path, _| source.contains_key(path) || !super::removal::HUBS_NAMES.contains(&path.as_str()));
    }
    if source.is_empty() || !source.keys().eq(destination.keys()) {
        return None;
    }
    let mut plain: Vec<(&RepoPath, Digests)> = Vec::new();
    let mut seals = Vec::new();
    for (source, destination) in source.values().zip(destination.values()) {
        let both = source.digests.or(destination.digests);
        if source.path.as_str() == "README.md" {
            let (Some(on_hf), Some(on_ms)) = (both.git_sha1, both.sha256) else { return None };
            seals.push(card_trailer(card_seal(from, on_hf, on_ms)));
        } else if source.size != destination.size {
            return None;
        } else if source.size > 0 {
            match source.digests.same(&destination.digests) {
                Some(true) => {}
                Some(false) => return None,
                None => plain.push((&source.path, both)),
            }
        }
    }
    if !plain.is_empty() {
        seals.push(pairs::trailer(pairs::seal(plain)?));
    }
    Some(seals)
}
