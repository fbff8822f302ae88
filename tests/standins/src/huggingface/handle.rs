//! A repository in a test's hands.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::accounts::Role;
use super::behaviour::Quirks;
use super::hub::Hub;
use super::preupload::would_be_lfs;
use super::repo::{Commit, Entry, Files, Gated, Note, Repo, RepoKey};
use crate::content::Content;
use crate::store::Blob;

/// What a file is, as the hub has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// The git object id that a listing shows: of an LFS file, that of its pointer.
    pub git_oid: String,
    /// Whether it is an LFS file.
    pub lfs: bool,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// 40 hex digits.
    pub oid: String,
    /// The first line.
    pub summary: String,
    /// The rest.
    pub description: String,
    /// The commit before it.
    pub parent: Option<String>,
    /// The user who made it.
    pub author: String,
}

/// A repository. What is done through it needs no token and breaks no rule.
#[derive(Clone)]
pub struct RepoHandle {
    pub(super) hub: Arc<Hub>,
    pub(super) key: RepoKey,
}

impl fmt::Debug for RepoHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoHandle({})", self.key)
    }
}

impl RepoHandle {
    fn with<T>(&self, act: impl FnOnce(&mut Repo) -> T) -> T {
        let mut state = self.hub.state();
        act(state.repo(&self.key).unwrap_or_else(|| panic!("{} does not exist", self.key)))
    }

    /// Makes it private.
    pub fn private(&self) -> &Self {
        self.with(|repo| repo.private = true);
        self
    }

    /// Makes it public.
    pub fn public(&self) -> &Self {
        self.with(|repo| repo.private = false);
        self
    }

    /// Lets only those in who were granted access, and members of its namespace.
    pub fn gated(&self, gated: Gated) -> &Self {
        self.with(|repo| repo.gated = Some(gated));
        self
    }

    /// Grants a user access to the files of a gated repository.
    pub fn grant(&self, user: &str) -> &Self {
        self.with(|repo| repo.granted.insert(user.to_owned()));
        self
    }

    /// Disables it, as the hub's staff would.
    pub fn disable(&self) -> &Self {
        self.with(|repo| repo.disabled = true);
        self
    }

    /// Deletes it, as its owner may at any time.
    pub fn delete(&self) {
        self.hub.state().repos.remove(&self.key);
    }

    /// Gives it another name; the old one leads there from now on. Returns the handle to it.
    pub fn rename(&self, id: &str) -> Self {
        let to = RepoKey::new(self.key.kind, id);
        let mut state = self.hub.state();
        let mut repo = state.repos.remove(&self.key).unwrap_or_else(|| panic!("{} does not exist", self.key));
        repo.key = to.clone();
        state.moved.insert(self.key.clone(), to.clone());
        state.repos.insert(to.clone(), repo);
        drop(state);
        Self { hub: Arc::clone(&self.hub), key: to }
    }

    /// Makes a token worthless.
    pub fn revoke(&self, token: &str) {
        self.hub.state().accounts.revoke(token);
    }

    /// Gives a token another role.
    pub fn change(&self, token: &str, role: Role) {
        self.hub.state().accounts.change(token, role);
    }

    /// Adds or replaces a file, LFS or not as the hub would have it. Files added in a row make one commit, closed by
    /// [`RepoHandle::commit`], by any look at the repository, or by the first request to it.
    pub fn file(&self, path: &str, content: impl Into<Content>) -> &Self {
        let content = content.into();
        let behaviour = self.hub.behaviour();
        let mut state = self.hub.state();
        let repo = state.repos.get_mut(&self.key).unwrap_or_else(|| panic!("{} does not exist", self.key));
        let attributes = Repo::attributes(repo.head());
        let lfs = would_be_lfs(path, content.len(), &content.read(0, 512), &attributes, &behaviour);
        drop(state);
        self.stage(path, content, lfs)
    }

    /// Adds or replaces a file as LFS object, whatever the hub would choose.
    pub fn lfs_file(&self, path: &str, content: impl Into<Content>) -> &Self {
        self.stage(path, content.into(), true)
    }

    /// Adds or replaces a file in git itself, whatever the hub would choose.
    pub fn regular_file(&self, path: &str, content: impl Into<Content>) -> &Self {
        self.stage(path, content.into(), false)
    }

    fn stage(&self, path: &str, content: Content, lfs: bool) -> &Self {
        // Hashing a large content takes time: not under the lock.
        let entry =
            if lfs { Entry::Lfs { sha256: content.sha256().to_owned(), size: content.len() } } else { Entry::Regular(content.clone()) };
        let mut state = self.hub.state();
        let repo = state.repos.get_mut(&self.key).unwrap_or_else(|| panic!("{} does not exist", self.key));
        if lfs {
            repo.blobs.insert(content.sha256().to_owned());
            self.hub.store.insert(Blob::of(content));
        }
        repo.staged.push((path.to_owned(), entry));
        self
    }

    /// Commits the files added since the last commit.
    pub fn commit(&self, message: &str) -> &Self {
        let mut state = self.hub.state();
        state.repos.get_mut(&self.key).unwrap_or_else(|| panic!("{} does not exist", self.key)).settle(message);
        self
    }

    /// Removes a file, in a commit of its own.
    pub fn remove(&self, path: &str) -> &Self {
        self.with(|repo| {
            let mut files: Files = repo.head().files.clone();
            assert!(files.remove(path).is_some(), "there is no `{path}`");
            let note = Note { summary: format!("Delete {path}"), author: repo.creator.clone(), ..Note::default() };
            repo.add_commit("main", files, note);
        });
        self
    }

    /// Turns the repository's misbehaviour.
    pub fn misbehave(&self, turn: impl FnOnce(&mut Quirks)) -> &Self {
        self.with(|repo| turn(&mut repo.quirks));
        self
    }

    /// Lets git serve this bare repository, with what git-lfs keeps below `objects` as its large files, in place of what the API knows.
    pub fn served_by_git_from(&self, bare: &Path, objects: &Path) -> &Self {
        let contents = crate::git::lfs_objects(objects);
        self.with(|repo| {
            repo.elsewhere = Some(bare.to_owned());
            repo.blobs.extend(contents.iter().map(|content| content.sha256().to_owned()));
        });
        contents.into_iter().for_each(|content| self.hub.store.insert(Blob::of(content)));
        self
    }

    /// Forgets the blobs that no commit names, as a hub may at any time. Returns how many.
    pub fn collect_garbage(&self) -> usize {
        self.with(|repo| {
            let kept = repo.committed_blobs();
            let (kept, gone): (HashSet<_>, HashSet<_>) = repo.blobs.iter().cloned().partition(|oid| kept.contains(oid));
            repo.blobs = kept;
            let count = gone.len();
            repo.manners.collected.extend(gone);
            count
        })
    }

    /// Whether a blob was uploaded to this repository.
    pub fn has_blob(&self, sha256: &str) -> bool {
        self.with(|repo| repo.blobs.contains(sha256))
    }

    /// The files at the head of `main`.
    pub fn files(&self) -> BTreeMap<String, FileInfo> {
        let head = self.head_commit();
        head.files.iter().map(|(path, entry)| (path.clone(), describe(entry))).collect()
    }

    /// The commits of `main`, newest first.
    pub fn commits(&self) -> Vec<CommitInfo> {
        self.with(|repo| {
            let parent = |commit: &&Arc<Commit>| commit.parent.as_ref().and_then(|parent| repo.commits.get(parent));
            std::iter::successors(Some(repo.head()), parent).map(|commit| about(commit)).collect()
        })
    }

    /// The commit id at the head of `main`.
    pub fn head(&self) -> String {
        self.head_commit().oid.clone()
    }

    fn head_commit(&self) -> Arc<Commit> {
        self.with(|repo| Arc::clone(repo.head()))
    }

    /// The bytes of a file at the head of `main`; `None` when it is missing or its bytes were not kept.
    pub fn content(&self, path: &str) -> Option<Content> {
        match self.head_commit().files.get(path)? {
            Entry::Regular(content) => Some(content.clone()),
            Entry::Lfs { sha256, .. } => self.hub.store.get(sha256)?.content,
        }
    }

    /// Whether only insiders see it.
    pub fn is_private(&self) -> bool {
        self.with(|repo| repo.private)
    }

    /// Its id, `namespace/name`.
    pub fn id(&self) -> &str {
        &self.key.id
    }
}

fn describe(entry: &Entry) -> FileInfo {
    let (sha256, lfs) = match entry {
        Entry::Regular(content) => (content.sha256().to_owned(), false),
        Entry::Lfs { sha256, .. } => (sha256.clone(), true),
    };
    FileInfo { size: entry.size(), sha256, git_oid: entry.git_oid(), lfs }
}

fn about(commit: &Commit) -> CommitInfo {
    CommitInfo {
        oid: commit.oid.clone(),
        summary: commit.summary.clone(),
        description: commit.description.clone(),
        parent: commit.parent.clone(),
        author: commit.author.clone(),
    }
}
