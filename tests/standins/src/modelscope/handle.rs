//! A repository in a test's hands.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::accounts::Tier;
use super::behaviour::Quirks;
use super::hub::Hub;
use super::repo::{Change, Commit, Node, Repo, RepoKey, Visibility, now};
use super::tree::goes_by_lfs;
use crate::content::Content;
use crate::store::Blob;

/// What a file is, as the hub has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes, as its commit named it.
    pub sha256: String,
    /// Whether it is an LFS file.
    pub lfs: bool,
    /// The commit that last touched it.
    pub revision: String,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// 40 hex digits.
    pub oid: String,
    /// The message.
    pub message: String,
    /// The user who made it.
    pub author: String,
    /// The paths at which it differs from the commit before.
    pub changed: Vec<String>,
}

/// A repository. What is done through it needs no token and breaks no rule.
#[derive(Clone)]
pub struct RepoHandle {
    pub(super) hub: Arc<Hub>,
    pub(super) key: RepoKey,
}

impl fmt::Debug for RepoHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoHandle({}/{})", self.key.0.plural(), self.key.1)
    }
}

impl RepoHandle {
    fn with<T>(&self, act: impl FnOnce(&mut Repo) -> T) -> T {
        let mut state = self.hub.state();
        let repo = state.repos.get_mut(&self.key).expect("it was not deleted");
        repo.settle("Add files");
        act(repo)
    }

    /// Shows it to members of its namespace only.
    pub fn private(&self) -> &Self {
        self.show(Visibility::Private)
    }

    /// Shows it to every user who is logged in.
    pub fn internal(&self) -> &Self {
        self.show(Visibility::Internal)
    }

    /// Shows it to everyone.
    pub fn public(&self) -> &Self {
        self.show(Visibility::Public)
    }

    fn show(&self, visibility: Visibility) -> &Self {
        self.with(|repo| (repo.visibility, repo.gated) = (visibility, false));
        self
    }

    /// Gates it: private, still found by everyone, its files open to members of its namespace only.
    pub fn gated(&self) -> &Self {
        self.with(|repo| (repo.visibility, repo.gated) = (Visibility::Private, true));
        self
    }

    /// Deletes it, as its owner may on its page. The handle is of no use from then on.
    pub fn delete(&self) {
        self.hub.state().repos.remove(&self.key);
    }

    /// Makes a token worthless.
    pub fn revoke(&self, token: &str) {
        self.hub.state().accounts.revoke(token);
    }

    /// Gives a token another tier.
    pub fn change(&self, token: &str, tier: Tier) {
        self.hub.state().accounts.change(token, tier);
    }

    /// Changes its licence.
    pub fn license(&self, license: &str) -> &Self {
        self.with(|repo| license.clone_into(&mut repo.license));
        self
    }

    /// Adds or replaces a file, LFS or not as the official client would have it. Files added in a row make one commit,
    /// closed by [`RepoHandle::commit`], by any look at the repository, or by the first request.
    pub fn file(&self, path: &str, content: impl Into<Content>) -> &Self {
        let content = content.into();
        let lfs = goes_by_lfs(self.key.0, path, content.len());
        self.stage(path, content, lfs)
    }

    /// Adds or replaces a file as LFS object, whatever the official client would choose.
    pub fn lfs_file(&self, path: &str, content: impl Into<Content>) -> &Self {
        self.stage(path, content.into(), true)
    }

    /// Adds or replaces a file in git itself, whatever the official client would choose.
    pub fn regular_file(&self, path: &str, content: impl Into<Content>) -> &Self {
        self.stage(path, content.into(), false)
    }

    fn stage(&self, path: &str, content: Content, lfs: bool) -> &Self {
        // Hashing a large content takes time: not under the lock.
        let change = Change::of(path, content.clone(), lfs);
        let mut state = self.hub.state();
        if lfs {
            self.hub.store.insert(Blob::of(content));
        }
        state.unsettled = true;
        state.repos.get_mut(&self.key).expect("it was not deleted").staged.push(change);
        self
    }

    /// Commits the files added since the last commit.
    pub fn commit(&self, message: &str) -> &Self {
        let mut state = self.hub.state();
        state.repos.get_mut(&self.key).expect("it was not deleted").settle(message);
        self
    }

    /// Removes a file, in a commit of its own.
    pub fn remove(&self, path: &str) -> &Self {
        self.with(|repo| {
            assert!(repo.master().tree.contains_key(path), "there is no `{path}`");
            let change = Change::Delete { path: path.to_owned() };
            repo.apply("master", vec![change], &format!("Delete {path}"), &repo.owner.clone());
        });
        self
    }

    /// Gives the head of `master` a tag.
    pub fn tag(&self, name: &str) -> &Self {
        self.with(|repo| repo.tags.insert(name.to_owned(), (repo.branches["master"], now())));
        self
    }

    /// Begins a branch at the head of `master`.
    pub fn branch(&self, name: &str) -> &Self {
        self.with(|repo| repo.branches.insert(name.to_owned(), repo.branches["master"]));
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
            repo.objects.extend(contents.iter().map(|content| content.sha256().to_owned()));
        });
        contents.into_iter().for_each(|content| self.hub.store.insert(Blob::of(content)));
        self
    }

    /// Forgets the blobs of this repository that no commit of any names, as a hub may at any time. Returns how many.
    pub fn collect_garbage(&self) -> usize {
        let mut state = self.hub.state();
        let trees = state.repos.values().flat_map(|repo| &repo.commits).map(|commit| Arc::clone(&commit.tree));
        let named: HashSet<String> = trees.flat_map(|tree| lfs_oids(&tree)).collect();
        let repo = state.repos.get_mut(&self.key).expect("it was not deleted");
        let (kept, gone): (HashSet<_>, HashSet<_>) = repo.objects.drain().partition(|oid| named.contains(oid));
        repo.objects = kept;
        let count = gone.iter().filter(|oid| self.hub.store.remove(oid)).count();
        // to send them again is no repetition
        state.collected.extend(gone.iter().cloned());
        state.unheard.extend(gone);
        count
    }

    /// Whether a blob was uploaded to this repository, or committed in it.
    pub fn has_blob(&self, sha256: &str) -> bool {
        self.with(|repo| repo.objects.contains(sha256))
    }

    /// The files at the head of `master`.
    pub fn files(&self) -> BTreeMap<String, FileInfo> {
        self.with(|repo| {
            let describe = |(path, node): (&Arc<str>, &Arc<Node>)| (path.to_string(), repo.describe(node));
            repo.master().tree.iter().map(describe).collect()
        })
    }

    /// The commits of `master`, newest first. The last is the one that made the repository.
    pub fn commits(&self) -> Vec<CommitInfo> {
        self.with(|repo| {
            let about = |commit: &&Commit| CommitInfo {
                oid: commit.id.clone(),
                message: commit.message.clone(),
                author: commit.author.clone(),
                changed: repo.changed(commit),
            };
            repo.history(repo.branches["master"]).iter().map(about).collect()
        })
    }

    /// The commit id at the head of `master`.
    pub fn head(&self) -> String {
        self.with(|repo| repo.master().id.clone())
    }

    /// The bytes that a download of a file at the head of `master` would give; `None` when it is missing or its bytes were
    /// not kept.
    pub fn content(&self, path: &str) -> Option<Content> {
        let (node, instead) = self.with(|repo| (repo.master().tree.get(path).cloned(), repo.quirks.serves_instead.get(path).cloned()));
        let node = node?;
        instead.or_else(|| node.content.clone()).or_else(|| self.hub.store.get(&node.sha256)?.content)
    }

    /// Who may see it.
    pub fn visibility(&self) -> Visibility {
        self.with(|repo| repo.visibility)
    }

    /// Whether its files wait for approval.
    pub fn is_gated(&self) -> bool {
        self.with(|repo| repo.gated)
    }

    /// The licence it has as a repository, apart from its card.
    pub fn license_id(&self) -> String {
        self.with(|repo| repo.license.clone())
    }

    /// Its number, by which a dataset can be addressed.
    pub fn number(&self) -> u64 {
        self.with(|repo| repo.id)
    }

    /// Its id, `namespace/name`.
    pub fn id(&self) -> &str {
        &self.key.1
    }
}

fn lfs_oids(tree: &super::repo::Tree) -> Vec<String> {
    tree.values().filter(|node| node.lfs).map(|node| node.sha256.clone()).collect()
}
