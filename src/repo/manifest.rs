//! What a repository holds at one commit.

use serde::{Deserialize, Serialize};

use super::{Digests, RepoPath, RepoRef, Visibility};

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
