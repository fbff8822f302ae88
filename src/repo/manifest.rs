//! What a repository holds at one commit.

use serde::{Deserialize, Serialize};

use super::{Digests, RepoPath, RepoRef};

/// One file of a listing. Size is that of the content, also where the hub stores a pointer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Where it lies.
    pub path: RepoPath,
    /// Bytes of content.
    pub size: u64,
    /// What the hub says of its content; either kind may be missing.
    #[serde(flatten)]
    pub digests: Digests,
    /// Whether the hub stores it outside git. Such a file answers ranges on both hubs.
    pub lfs: bool,
    /// The commit to read it at, where that is not the manifest's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read_at: Option<String>,
    /// Whether the hub put it there itself when the repository was created, and nobody has touched it since.
    #[serde(skip)]
    pub hubs_own: bool,
}

/// Who may read a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Everybody who accepted its terms.
    Gated,
    /// Every signed-in user of its hub (ModelScope's visibility 3; Hugging Face has no such thing).
    Internal,
    /// Only those its owner named.
    Private,
}

impl Visibility {
    /// Whether anybody may read it without asking.
    pub fn is_open(self) -> bool {
        self == Self::Public
    }

    /// Whether putting this repository's bytes into one of visibility `other` shows them to people who could not read them before.
    ///
    /// Only a private destination is never looser: who passed a gate, or signed in, here did not do so there.
    pub fn is_loosened_by(self, other: Self) -> bool {
        !self.is_open() && other != Self::Private
    }
}

/// A listing, pinned: what the repository held at `commit`. Files are in the order of their paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which repository.
    pub repo: RepoRef,
    /// The commit listed; `None` for a repository without any.
    pub commit: Option<String>,
    /// The branch or tag the commit was found by.
    pub revision: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// The files.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Brings the files into the order of their paths, however the hub listed them.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }

    /// Finds a file by its path.
    pub fn file(&self, path: &RepoPath) -> Option<&FileEntry> {
        self.files.binary_search_by(|file| file.path.cmp(path)).ok().and_then(|index| self.files.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_private_destination_keeps_what_is_not_public() {
        for from in [Visibility::Gated, Visibility::Internal, Visibility::Private] {
            assert!(from.is_loosened_by(Visibility::Public));
            assert!(!from.is_loosened_by(Visibility::Private));
        }
        assert!(Visibility::Gated.is_loosened_by(Visibility::Gated));
        assert!(!Visibility::Public.is_loosened_by(Visibility::Public));
    }
}
