//! A repository: commits, each with a whole tree, and the names that point at them.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use super::behaviour::Quirks;
use super::handle::FileInfo;
use super::tree::{Entry, flatten};
use crate::content::Content;
use crate::git::{self, Author};

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
}

impl RepoKind {
    /// The word in URLs: `models` or `datasets`.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }

    /// The word alone.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
        }
    }

    pub(super) fn of_plural(word: &str) -> Option<Self> {
        [Self::Model, Self::Dataset].into_iter().find(|kind| kind.plural() == word)
    }
}

/// Who may see a repository. The numbers are the wire's (facts/modelscope §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// 1: its owner.
    Private,
    /// 3: every user who is logged in.
    Internal,
    /// 5: everyone.
    Public,
}

impl Visibility {
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Private => 1,
            Self::Internal => 3,
            Self::Public => 5,
        }
    }

    pub(super) fn of_number(number: u64) -> Option<Self> {
        [Self::Private, Self::Internal, Self::Public].into_iter().find(|known| known.number() == number)
    }
}

/// Kind and full name: the key of a repository.
pub(super) type RepoKey = (RepoKind, String);

/// A file as a tree holds it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) size: u64,
    /// What its commit said, or what the content is.
    pub(super) sha256: String,
    pub(super) lfs: bool,
    /// The bytes. `None`: those the store keeps under `sha256`.
    pub(super) content: Option<Content>,
    /// The index of the commit that last touched it.
    pub(super) touched: usize,
}

impl Node {
    /// What git holds of it: its content, or a pointer.
    pub(super) fn in_git(&self) -> Content {
        match &self.content {
            Some(content) if !self.lfs => content.clone(),
            _ => Content::from(
                format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", self.sha256, self.size).as_str(),
            ),
        }
    }
}

/// Files by path.
pub(super) type Tree = BTreeMap<Arc<str>, Arc<Node>>;

#[derive(Debug)]
pub(super) struct Commit {
    pub(super) id: String,
    /// Its git object.
    pub(super) text: String,
    pub(super) parent: Option<usize>,
    pub(super) message: String,
    pub(super) author: String,
    /// Unix seconds.
    pub(super) at: i64,
    pub(super) tree: Arc<Tree>,
    entries: OnceLock<Arc<Vec<Entry>>>,
}

impl Commit {
    /// Every file and folder in order of their paths, made once.
    pub(super) fn entries(&self) -> Arc<Vec<Entry>> {
        Arc::clone(self.entries.get_or_init(|| Arc::new(flatten(&self.tree))))
    }
}

/// What a revision turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Branch,
    Tag,
    Commit,
}

/// One change of a commit.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put { path: String, size: u64, sha256: String, lfs: bool, content: Option<Content> },
    Delete { path: String },
}

/// How far a repository's creator has looked at what was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadBack {
    /// Created by a request; its visibility was not read since.
    Pending,
    /// Read, or created by the test.
    Done,
}

#[derive(Debug)]
pub(super) struct Repo {
    pub(super) id: u64,
    pub(super) kind: RepoKind,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) visibility: Visibility,
    pub(super) gated: bool,
    pub(super) license: String,
    pub(super) display_name: String,
    pub(super) description: String,
    pub(super) created: i64,
    pub(super) commits: Vec<Commit>,
    pub(super) branches: BTreeMap<String, usize>,
    pub(super) tags: BTreeMap<String, (usize, i64)>,
    /// Objects uploaded to or committed in this repository.
    pub(super) objects: HashSet<String>,
    pub(super) read_back: ReadBack,
    pub(super) quirks: Quirks,
    /// Files a test has added that no commit holds yet.
    pub(super) staged: Vec<Change>,
    /// Listings that will still show the state before the newest commit.
    pub(super) stale_left: u32,
    /// A bare repository that git serves in place of what the API knows.
    pub(super) elsewhere: Option<PathBuf>,
}

impl Repo {
    /// A repository with its first commit.
    pub(super) fn new(id: u64, kind: RepoKind, full_name: &str, visibility: Visibility, files: &[(&str, String)]) -> Self {
        let (owner, name) = full_name.split_once('/').expect("a full name is `namespace/name`");
        let mut repo = Self {
            id,
            kind,
            owner: owner.to_owned(),
            name: name.to_owned(),
            visibility,
            gated: false,
            license: "Apache-2.0".to_owned(),
            display_name: name.to_owned(),
            description: String::new(),
            created: now(),
            commits: Vec::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            objects: HashSet::new(),
            read_back: ReadBack::Done,
            quirks: Quirks::default(),
            staged: Vec::new(),
            stale_left: 0,
            elsewhere: None,
        };
        let put = |(path, text): &(&str, String)| Change::of(path, Content::from(text.as_str()), false);
        repo.apply("master", files.iter().map(put).collect(), "Initial commit", owner);
        repo
    }

    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn key(&self) -> RepoKey {
        (self.kind, self.full_name())
    }

    /// The commit a branch, a tag or a full commit id names.
    pub(super) fn resolve(&self, revision: &str) -> Option<(usize, Named)> {
        if let Some(index) = self.branches.get(revision) {
            return Some((*index, Named::Branch));
        }
        if let Some((index, _)) = self.tags.get(revision) {
            return Some((*index, Named::Tag));
        }
        let index = self.commits.iter().rposition(|commit| commit.id == revision)?;
        Some((index, Named::Commit))
    }

    /// The head of `master`, which every repository has.
    pub(super) fn master(&self) -> &Commit {
        &self.commits[self.branches["master"]]
    }

    /// Commits what a test has added.
    pub(super) fn settle(&mut self, message: &str) {
        if !self.staged.is_empty() {
            let changes = std::mem::take(&mut self.staged);
            self.apply("master", changes, message, &self.owner.clone());
        }
    }

    /// A file as tests see it.
    pub(super) fn describe(&self, node: &Node) -> FileInfo {
        let revision = self.commits[node.touched].id.clone();
        FileInfo { size: node.size, sha256: node.sha256.clone(), lfs: node.lfs, revision }
    }

    /// The commits from this one back to the first.
    pub(super) fn history(&self, from: usize) -> Vec<&Commit> {
        let next = |index: &usize| self.commits[*index].parent;
        std::iter::successors(Some(from), next).map(|index| &self.commits[index]).collect()
    }

    /// The paths at which a commit differs from its parent.
    pub(super) fn changed(&self, commit: &Commit) -> Vec<String> {
        let before = commit.parent.map(|index| &*self.commits[index].tree);
        let same = |path: &str, node: &Arc<Node>| before.and_then(|tree| tree.get(path)).is_some_and(|other| Arc::ptr_eq(node, other));
        let put = commit.tree.iter().filter(|(path, node)| !same(path, node)).map(|(path, _)| path.to_string());
        let gone = before.into_iter().flatten().filter(|(path, _)| !commit.tree.contains_key(&***path));
        put.chain(gone.map(|(path, _)| path.to_string())).collect()
    }

    /// Adds a commit to a branch, which begins here if it is new, and returns its id.
    pub(super) fn apply(&mut self, branch: &str, changes: Vec<Change>, message: &str, author: &str) -> String {
        let parent = self.branches.get(branch).copied();
        let index = self.commits.len();
        let mut tree = parent.map(|index| (*self.commits[index].tree).clone()).unwrap_or_default();
        for change in changes {
            match change {
                Change::Put { path, size, sha256, lfs, content } => {
                    if lfs {
                        self.objects.insert(sha256.clone());
                    }
                    tree.insert(path.into(), Arc::new(Node { size, sha256, lfs, content, touched: index }));
                }
                Change::Delete { path } => drop(tree.remove(path.as_str())),
            }
        }
        let at = now();
        let serial = format!("{}-{}-{}-{index}", self.id, self.owner, self.name);
        let held: Vec<(&str, Content)> = tree.iter().map(|(path, node)| (&**path, node.in_git())).collect();
        let root = git::tree_id(held.iter().map(|(path, content)| (*path, content.git_sha1())));
        let before = parent.map(|index| self.commits[index].id.as_str());
        let (id, text) = git::commit_id(&root, before, &Author { name: author, at, serial }, message);
        let commit = Commit {
            id,
            text,
            parent,
            message: message.to_owned(),
            author: author.to_owned(),
            at,
            tree: Arc::new(tree),
            entries: OnceLock::new(),
        };
        let id = commit.id.clone();
        self.stale_left = self.quirks.stale_listings;
        self.commits.push(commit);
        self.branches.insert(branch.to_owned(), index);
        id
    }
}

impl Change {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Put { path, .. } | Self::Delete { path } => path,
        }
    }

    /// A file whose bytes are known: kept in git itself, or by the store.
    pub(super) fn of(path: &str, content: Content, lfs: bool) -> Self {
        let sha256 = content.sha256().to_owned();
        Self::Put { path: path.to_owned(), size: content.len(), sha256, lfs, content: (!lfs).then_some(content) }
    }
}

/// Unix seconds.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}
