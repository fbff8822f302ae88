//! What a plan costs at the hubs, as far as the listings tell.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Decision, Item};

/// What the destination takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// Files in one commit.
    pub actions: usize,
    /// Bytes of small files inside one commit.
    pub inline: u64,
    /// Blobs in one negotiation.
    pub negotiate: usize,
}

/// What a plan costs at the hubs. The destination may turn out to have contents that need not be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Commits that the destination's limits make of it.
    pub commits: u64,
    /// Downloads from the source: each content once.
    pub downloads: u64,
    /// Uploads to the destination: each content that does not travel inside a commit, once.
    pub uploads: u64,
    /// Other calls to the destination: asking what it has, committing, reading back what was there.
    pub calls: u64,
    /// Seconds that the commits alone take at the pace that the destination is known to take, from the first to the last.
    #[serde(default)]
    pub commit_seconds: u64,
    /// Bytes of small files that travel inside commits.
    #[serde(default)]
    pub inline_bytes: u64,
}

/// Estimates; `streams` says of each item whether it goes as a blob and not inside a commit.
pub(super) fn estimate(items: &[Item], takes: Takes, streams: impl Fn(&Item) -> bool) -> Estimate {
    let copies = || items.iter().filter(|item| matches!(item.decision, Decision::Copy { .. }));
    let mut seen = HashSet::new();
    let (mut downloads, mut blobs) = (0, 0);
    for item in copies() {
        let sha256 = item.file.digests.sha256;
        if sha256.is_none() || seen.insert(sha256) {
            downloads += 1;
            blobs += u64::from(streams(item));
        }
    }
    let present = items.iter().filter(|item| item.decision == Decision::AlreadyThere).count() as u64;
    let commits = commits(copies(), takes, &streams);
    let asked = blobs.div_ceil(takes.negotiate.max(1) as u64);
    // each commit asks for its blobs once more, reads the head before and commits; a listing ends it all
    let calls = 2 * asked + 2 * commits + present + 1;
    let inline_bytes = copies().filter(|item| !streams(item)).map(|item| item.file.size).sum();
    Estimate { commits, downloads, uploads: blobs, calls, commit_seconds: 0, inline_bytes }
}

/// As the publisher fills them: blobs first, then what travels inside, and last what makes the repository loadable.
fn commits<'a>(copies: impl Iterator<Item = &'a Item>, takes: Takes, streams: &impl Fn(&Item) -> bool) -> u64 {
    let mut queue: Vec<_> = copies.map(|item| (item.file.path.makes_loadable(), !streams(item), item.file.size)).collect();
    queue.sort_by_key(|(last, inline, _)| (*last, *inline));
    let (mut commits, mut actions, mut bytes) = (0, 0, 0);
    for (_, inline, size) in queue {
        let size = if inline { size } else { 0 };
        if actions >= takes.actions || (bytes > 0 && bytes + size > takes.inline) {
            commits += 1;
            (actions, bytes) = (0, 0);
        }
        actions += 1;
        bytes += size;
    }
    commits + u64::from(actions > 0)
}
