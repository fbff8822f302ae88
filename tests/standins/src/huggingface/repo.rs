//! A repository: commits, branches, files, and the blobs it knows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::attributes;
use super::behaviour::Quirks;
use crate::content::Content;
use crate::git::{self, Author};

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepoKind {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
    /// A Space.
    Space,
}

impl RepoKind {
    /// `model`, `dataset` or `space`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
        }
    }

    /// The reverse of [`RepoKind::name`].
    pub fn named(name: &str) -> Option<Self> {
        [Self::Model, Self::Dataset, Self::Space].into_iter().find(|kind| kind.name() == name)
    }

    /// `models`, `datasets` or `spaces`, as in API paths.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
        }
    }

    /// What stands before the id in file URLs.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
            Self::Space => "spaces/",
        }
    }
}

/// Who gets at the files of a public repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gated {
    /// Everyone who asks.
    Auto,
    /// Those the owner lets in.
    Manual,
}

/// A repository's address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RepoKey {
    pub(super) kind: RepoKind,
    pub(super) id: String,
}

impl RepoKey {
    pub(super) fn new(kind: RepoKind, id: &str) -> Self {
        Self { kind, id: id.to_owned() }
    }

    pub(super) fn namespace(&self) -> &str {
        self.id.split_once('/').map_or("", |(namespace, _)| namespace)
    }
}

impl fmt::Display for RepoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s/{}", self.kind.name(), self.id)
    }
}

/// A file of a commit.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// In git itself.
    Regular(Content),
    /// In git as a pointer.
    Lfs { sha256: String, size: u64 },
}

impl Entry {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Regular(content) => content.len(),
            Self::Lfs { size, .. } => *size,
        }
    }

    /// The text that git stores for an LFS file.
    pub(super) fn pointer(&self) -> Option<Content> {
        match self {
            Self::Regular(_) => None,
            Self::Lfs { sha256, size } => {
                Some(Content::from(format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n").as_str()))
            }
        }
    }

    /// The git object id; of an LFS file, that of its pointer.
    pub(super) fn git_oid(&self) -> String {
        match self {
            Self::Regular(content) => content.git_sha1().to_owned(),
            Self::Lfs { .. } => self.pointer().expect("an LFS file has a pointer").git_sha1().to_owned(),
        }
    }

    /// The digest by which preupload and `resolve` know the file.
    pub(super) fn etag(&self) -> String {
        match self {
            Self::Regular(content) => content.git_sha1().to_owned(),
            Self::Lfs { sha256, .. } => sha256.clone(),
        }
    }

    /// What git holds of it.
    pub(super) fn in_git(&self) -> Content {
        match self {
            Self::Regular(content) => content.clone(),
            Self::Lfs { .. } => self.pointer().expect("an LFS file has a pointer"),
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.etag() == other.etag() && matches!(self, Self::Lfs { .. }) == matches!(other, Self::Lfs { .. })
    }
}

pub(super) type Files = BTreeMap<String, Entry>;

#[derive(Debug)]
pub(super) struct Commit {
    pub(super) oid: String,
    /// Its git object.
    pub(super) text: String,
    pub(super) parent: Option<String>,
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) author: String,
    pub(super) date: SystemTime,
    pub(super) files: Files,
    /// Files and folders in listing order, made when first asked for: large trees are listed page by page.
    listing: OnceLock<Vec<(String, bool)>>,
}

impl Commit {
    /// All paths in order, each folder before what it holds; `true` marks a folder.
    pub(super) fn listing(&self) -> &[(String, bool)] {
        self.listing.get_or_init(|| {
            let mut folders = BTreeSet::new();
            for path in self.files.keys() {
                folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
            }
            let folders = folders.into_iter().map(|path| (path, true));
            let mut all: Vec<(String, bool)> = self.files.keys().map(|path| (path.clone(), false)).chain(folders).collect();
            all.sort();
            all
        })
    }
}

/// What a test or a page says about a new commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) author: String,
}

/// What a client has done so far that later rules look back on.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// Created over the API by a token that has not read the repository's info since.
    pub(super) awaits_read_back: bool,
    /// How often anything was read here, and the stale parent refused at such a count, by token.
    pub(super) reads: u64,
    pub(super) stale_parents: HashMap<(String, String), u64>,
    /// What preupload said last.
    pub(super) modes: HashMap<String, bool>,
    pub(super) single_paths: u32,
    pub(super) single_batches: u32,
    pub(super) batched: HashSet<String>,
    pub(super) headed: HashSet<String>,
    /// Blobs that were collected and whose senders have not heard of it.
    pub(super) collected: HashSet<String>,
}

#[derive(Debug)]
pub(super) struct Repo {
    pub(super) key: RepoKey,
    pub(super) private: bool,
    pub(super) gated: Option<Gated>,
    pub(super) granted: BTreeSet<String>,
    pub(super) disabled: bool,
    pub(super) sdk: Option<String>,
    pub(super) creator: String,
    pub(super) created: SystemTime,
    pub(super) commits: HashMap<String, Arc<Commit>>,
    pub(super) branches: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    /// The sha256 of every object that was uploaded to this repository.
    pub(super) blobs: HashSet<String>,
    pub(super) quirks: Quirks,
    /// Listings and infos that will still show the state before the last commit.
    pub(super) stale_listings: u32,
    pub(super) stale_infos: u32,
    pub(super) manners: Manners,
    /// Files a test has put here and not committed yet.
    pub(super) staged: Vec<(String, Entry)>,
    /// A bare repository that git serves in place of what the API knows.
    pub(super) elsewhere: Option<PathBuf>,
}

impl Repo {
    pub(super) fn new(key: RepoKey, creator: &str, private: bool) -> Self {
        let mut repo = Self {
            private,
            gated: None,
            granted: BTreeSet::new(),
            disabled: false,
            sdk: (key.kind == RepoKind::Space).then(|| "static".to_owned()),
            creator: creator.to_owned(),
            created: SystemTime::now(),
            commits: HashMap::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            blobs: HashSet::new(),
            quirks: Quirks::default(),
            stale_listings: 0,
            stale_infos: 0,
            manners: Manners::default(),
            staged: Vec::new(),
            elsewhere: None,
            key,
        };
        let attributes = attributes::initial(repo.key.kind == RepoKind::Dataset);
        let files = Files::from([(".gitattributes".to_owned(), Entry::Regular(attributes.as_str().into()))]);
        let note = Note { summary: "initial commit".to_owned(), author: creator.to_owned(), ..Note::default() };
        repo.add_commit("main", files, note);
        repo.stale_listings = 0;
        repo
    }

    /// The commit a branch, tag or full commit id names.
    pub(super) fn resolve(&self, revision: &str) -> Option<&Arc<Commit>> {
        let name = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        let oid = self.branches.get(name).or_else(|| self.tags.get(name)).map_or(revision, String::as_str);
        self.commits.get(oid)
    }

    pub(super) fn head(&self) -> &Arc<Commit> {
        self.resolve("main").expect("main always exists")
    }

    pub(super) fn attributes(commit: &Commit) -> String {
        match commit.files.get(".gitattributes") {
            Some(Entry::Regular(content)) => String::from_utf8_lossy(&content.to_bytes()).into_owned(),
            _ => String::new(),
        }
    }

    /// Puts a commit on a branch.
    pub(super) fn add_commit(&mut self, branch: &str, files: Files, note: Note) -> Arc<Commit> {
        let parent = self.branches.get(branch).cloned();
        let date = SystemTime::now();
        let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let serial = format!("{}-{}-{}", self.key, self.commits.len(), since.subsec_nanos());
        let author = Author { name: &note.author, at: since.as_secs() as i64, serial };
        let ids: Vec<(&str, String)> = files.iter().map(|(path, entry)| (path.as_str(), entry.git_oid())).collect();
        let tree = git::tree_id(ids.iter().map(|(path, id)| (*path, id.as_str())));
        let (oid, text) = git::commit_id(&tree, parent.as_deref(), &author, &format!("{}\n\n{}", note.summary, note.description));
        let commit = Arc::new(Commit {
            oid: oid.clone(),
            text,
            parent,
            summary: note.summary,
            description: note.description,
            author: note.author,
            date,
            files,
            listing: OnceLock::new(),
        });
        self.commits.insert(oid.clone(), Arc::clone(&commit));
        self.branches.insert(branch.to_owned(), oid);
        self.stale_listings = self.quirks.stale_listings;
        self.stale_infos = self.quirks.stale_infos;
        commit
    }

    /// Commits what a test has staged.
    pub(super) fn settle(&mut self, message: &str) {
        if self.staged.is_empty() {
            return;
        }
        let mut files = self.head().files.clone();
        let staged: Files = self.staged.drain(..).collect();
        files.extend(staged);
        let note = Note { summary: message.to_owned(), author: self.creator.clone(), ..Note::default() };
        self.add_commit("main", files, note);
        (self.stale_listings, self.stale_infos) = (0, 0);
    }

    /// The commit whose listing a reader gets: with a stale replica, the one before.
    pub(super) fn listed(&mut self, revision: &str) -> Option<Arc<Commit>> {
        let commit = Arc::clone(self.resolve(revision)?);
        let fresh = self.head().oid == commit.oid;
        if !fresh || self.stale_listings == 0 {
            return Some(commit);
        }
        self.stale_listings -= 1;
        // A replica that has not heard of the commit does not know its id either.
        if revision == commit.oid {
            return None;
        }
        commit.parent.as_ref().and_then(|parent| self.commits.get(parent)).cloned()
    }

    /// Every blob that some commit names.
    pub(super) fn committed_blobs(&self) -> HashSet<String> {
        let entries = self.commits.values().flat_map(|commit| commit.files.values());
        entries.filter_map(|entry| if let Entry::Lfs { sha256, .. } = entry { Some(sha256.clone()) } else { None }).collect()
    }
}
