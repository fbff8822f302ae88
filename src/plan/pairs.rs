//! The seal of a migration: one hash over what was proven to be the same content under two kinds of digest.
//!
//! Hugging Face lists plain git files by git's sha1, ModelScope by sha256, so two listings alone cannot be compared. Who has read all of
//! them once writes the seal into the commit; whoever comes later computes it from the two listings, and equal seals mean equal contents.

use crate::repo::{Digests, FileEntry, GitSha1, RepoPath, Sha256};

/// How the line of a commit's message begins that carries the seal.
const TRAILER: &str = "Hf2ms-Pairs:";

/// The line for a commit's message.
pub fn trailer(seal: Sha256) -> String {
    format!("{TRAILER} {seal}")
}

/// The seal over these files, in the order of their paths. `None` when there are none, or one of them lacks a digest.
///
/// Empty files need no seal, and the card is compared by itself, because it may have been rewritten.
pub fn seal<'a>(files: impl IntoIterator<Item = (&'a RepoPath, Digests)>) -> Option<Sha256> {
    let mut pairs: Vec<(&RepoPath, GitSha1, Sha256)> = Vec::new();
    for (path, digests) in files {
        pairs.push((path, digests.git_sha1?, digests.sha256?));
    }
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    let lines: String = pairs.iter().map(|(path, git, sha256)| format!("{}:{path} {git} {sha256}\n", path.as_str().len())).collect();
    if pairs.is_empty() { None } else { Digests::of(lines.as_bytes()).sha256 }
}

/// Whether a file is one of those that a seal is about, as far as its path and size tell.
pub fn is_sealed(file: &FileEntry) -> bool {
    file.size > 0 && !file.path.is_git_attributes() && file.path.as_str() != "README.md"
}

/// The seal that a commit's message carries.
pub fn seal_in(message: &str) -> Option<Sha256> {
    message.lines().find_map(|line| line.strip_prefix(TRAILER)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_the_same_pairs_in_any_order_and_for_nothing_else() {
        let (a, b) = (RepoPath::new("a").unwrap(), RepoPath::new("b").unwrap());
        let (one, two) = (Digests::of(b"one"), Digests::of(b"two"));
        let both = seal([(&a, one), (&b, two)]).unwrap();
        assert_eq!(seal([(&b, two), (&a, one)]), Some(both));
        assert_ne!(seal([(&a, two), (&b, one)]), Some(both));
        assert_ne!(seal([(&a, one)]), Some(both));
        assert_eq!(seal([(&a, one), (&b, Digests { git_sha1: None, ..two })]), None);
        assert_eq!(seal([]), None);
        assert_eq!(seal_in(&format!("title\n\nOther: x\n{}", trailer(both))), Some(both));
        assert_eq!(seal_in("title\n\nnothing"), None);
    }
}
