//! A test for both directions: what the two stand-ins have in common as shores of one trip.

use std::collections::BTreeMap;

use serde_json::Value;
use standins::content::Content;
use standins::dials::Dials;
use standins::faults::{Faults, Rule};
use standins::huggingface;
use standins::journal::Journal;
use standins::modelscope;
use standins::rig::CommitMoment;

use crate::world::{KIB, MIB, Outcome, World, bytes, generated};

/// Which way the files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    HfToMs,
    MsToHf,
}

/// Makes two tests of one, `from_hugging_face` and `from_modelscope`, in a module with the name of the function.
macro_rules! both_ways {
    ($($(#[$attribute:meta])* fn $name:ident($way:ident) $body:block)*) => { $(
        mod $name {
            use super::*;

            fn check($way: Way) $body

            $(#[$attribute])*
            #[test]
            fn from_hugging_face() {
                check(Way::HfToMs);
            }

            $(#[$attribute])*
            #[test]
            fn from_modelscope() {
                check(Way::MsToHf);
            }
        }
    )* };
}
pub(crate) use both_ways;

/// A repository on either hub.
#[derive(Clone)]
pub enum Repo {
    Hf(huggingface::RepoHandle),
    Ms(modelscope::RepoHandle),
}

/// A file as either hub has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub size: u64,
    pub sha256: String,
    pub lfs: bool,
}

macro_rules! on {
    ($self:expr, $repo:ident => $call:expr) => {
        match $self {
            Repo::Hf($repo) => $call,
            Repo::Ms($repo) => $call,
        }
    };
}

impl Repo {
    pub fn file(&self, path: &str, content: impl Into<Content>) -> &Self {
        on!(self, repo => { repo.file(path, content); });
        self
    }

    pub fn lfs_file(&self, path: &str, content: impl Into<Content>) -> &Self {
        on!(self, repo => { repo.lfs_file(path, content); });
        self
    }

    pub fn regular_file(&self, path: &str, content: impl Into<Content>) -> &Self {
        on!(self, repo => { repo.regular_file(path, content); });
        self
    }

    pub fn commit(&self) -> &Self {
        on!(self, repo => { repo.commit("by hand"); });
        self
    }

    pub fn remove(&self, path: &str) {
        on!(self, repo => { repo.remove(path); });
    }

    /// The files at the head.
    pub fn files(&self) -> BTreeMap<String, File> {
        match self {
            Self::Hf(repo) => of(repo.files().into_iter().map(|(path, file)| (path, file.size, file.sha256, file.lfs))),
            Self::Ms(repo) => of(repo.files().into_iter().map(|(path, file)| (path, file.size, file.sha256, file.lfs))),
        }
    }

    /// The messages of the commits that hf2ms made, newest first.
    pub fn ours(&self) -> Vec<String> {
        let all: Vec<String> = match self {
            Self::Hf(repo) => repo.commits().iter().map(|commit| format!("{}\n\n{}", commit.summary, commit.description)).collect(),
            Self::Ms(repo) => repo.commits().into_iter().map(|commit| commit.message).collect(),
        };
        all.into_iter().filter(|message| message.contains("hf2ms")).collect()
    }

    pub fn head(&self) -> String {
        on!(self, repo => repo.head())
    }

    pub fn has_blob(&self, sha256: &str) -> bool {
        on!(self, repo => repo.has_blob(sha256))
    }

    pub fn content(&self, path: &str) -> Option<Content> {
        on!(self, repo => repo.content(path))
    }

    pub fn collect_garbage(&self) -> usize {
        on!(self, repo => repo.collect_garbage())
    }

    /// From now on commits leave this path out and say nothing.
    pub fn drops(&self, path: &str) {
        on!(self, repo => { repo.misbehave(|quirks| quirks.drops.push(path.to_owned())); });
    }

    /// From now on listings show this digest for the path.
    pub fn lists_instead(&self, path: &str, digest: &str) {
        on!(self, repo => { repo.misbehave(|quirks| drop(quirks.lists_instead.insert(path.to_owned(), digest.to_owned()))); });
    }

    /// From now on downloads of this path give these bytes.
    pub fn serves_instead(&self, path: &str, content: Content) {
        on!(self, repo => { repo.misbehave(|quirks| drop(quirks.serves_instead.insert(path.to_owned(), content))); });
    }

    /// So many listings after each commit show the state before it.
    pub fn stale_listings(&self, count: u32) {
        on!(self, repo => { repo.misbehave(|quirks| quirks.stale_listings = count); });
    }
}

fn of(files: impl Iterator<Item = (String, u64, String, bool)>) -> BTreeMap<String, File> {
    files.map(|(path, size, sha256, lfs)| (path, File { size, sha256, lfs })).collect()
}

/// A world and the two repositories between which files go.
pub struct Trip {
    pub world: World,
    pub way: Way,
    dataset: bool,
}

/// What a hub itself puts into a fresh repository.
const FRESH: [&str; 4] = [".gitattributes", "README.md", "configuration.json", "dataset_infos.json"];

impl Trip {
    /// Between models. The source holds a card that needs no change, instead of the one ModelScope puts there itself.
    pub fn new(way: Way) -> Self {
        let trip = Self { world: World::start(), way, dataset: false };
        trip.source().file("README.md", "# bert\n").commit();
        trip
    }

    /// Between datasets.
    pub fn of_dataset(way: Way) -> Self {
        let trip = Self { world: World::start(), way, dataset: true };
        trip.source().file("README.md", "# bert\n").commit();
        trip
    }

    /// With [`stock`] at the source.
    pub fn stocked(way: Way) -> Self {
        let trip = Self::new(way);
        stock(&trip.source());
        trip
    }

    fn on_hf(&self, name: &str) -> Repo {
        let kind = if self.dataset { huggingface::RepoKind::Dataset } else { huggingface::RepoKind::Model };
        Repo::Hf(self.world.hf.repo(kind, name))
    }

    fn on_ms(&self, name: &str) -> Repo {
        let kind = if self.dataset { modelscope::RepoKind::Dataset } else { modelscope::RepoKind::Model };
        Repo::Ms(self.world.ms.repo(kind, name))
    }

    pub fn source(&self) -> Repo {
        self.source_named("alice/bert")
    }

    pub fn source_named(&self, name: &str) -> Repo {
        if self.way == Way::HfToMs { self.on_hf(name) } else { self.on_ms(name) }
    }

    /// The repository at the destination, made if it is not there yet.
    pub fn copy(&self) -> Repo {
        self.copy_named("alice/bert")
    }

    pub fn copy_named(&self, name: &str) -> Repo {
        if self.way == Way::HfToMs { self.on_ms(name) } else { self.on_hf(name) }
    }

    /// The two flags that name source and direction.
    pub fn address(&self) -> [&'static str; 1] {
        match self.way {
            Way::HfToMs => ["hf:alice/bert"],
            Way::MsToHf => ["ms:alice/bert"],
        }
    }

    /// `migrate … --json` to its end.
    pub fn migrate(&self, more: &[&str]) -> Outcome {
        self.world.run(&[&["migrate", "--json"], &self.address()[..], more].concat())
    }

    /// `verify … --json`.
    pub fn verify(&self, more: &[&str]) -> Outcome {
        self.world.run(&[&["verify", "--json"], &self.address()[..], more].concat())
    }

    /// Adds a misfortune to the source.
    pub fn source_fault(&self, rule: Rule) {
        self.source_faults().add(rule);
    }

    pub fn source_faults(&self) -> &Faults {
        match self.way {
            Way::HfToMs => self.world.hf.faults(),
            Way::MsToHf => self.world.ms.faults(),
        }
    }

    /// Adds a misfortune to the destination.
    pub fn destination_fault(&self, rule: Rule) {
        self.destination_faults().add(rule);
    }

    pub fn destination_faults(&self) -> &Faults {
        match self.way {
            Way::HfToMs => self.world.ms.faults(),
            Way::MsToHf => self.world.hf.faults(),
        }
    }

    pub fn destination_journal(&self) -> &Journal {
        match self.way {
            Way::HfToMs => self.world.ms.journal(),
            Way::MsToHf => self.world.hf.journal(),
        }
    }

    pub fn when_uploaded(&self, bytes: u64, call: impl FnOnce() + Send + 'static) {
        self.destination_journal().when_uploaded(bytes, Box::new(call));
    }

    pub fn when_commit(&self, moment: CommitMoment, call: impl FnOnce() + Send + 'static) {
        match self.way {
            Way::HfToMs => self.world.ms.when_commit(moment, Box::new(call)),
            Way::MsToHf => self.world.hf.when_commit(moment, Box::new(call)),
        }
    }

    /// Throttles what reaches the destination's storage.
    pub fn slow_uploads(&self, bytes_per_second: u64) {
        self.destination_dials().each(|lane| lane.set_upload_per_host(bytes_per_second));
    }

    pub fn destination_dials(&self) -> &Dials {
        if self.way == Way::HfToMs { self.world.ms.dials() } else { self.world.hf.dials() }
    }

    /// Every file of the source is at the destination, byte for byte.
    #[track_caller]
    pub fn assert_arrived(&self) {
        self.assert_arrived_but(&[]);
    }

    /// The same, but for these, which differ on purpose.
    #[track_caller]
    pub fn assert_arrived_but(&self, others: &[&str]) {
        let (source, copy) = (self.source(), self.copy());
        let plain = |repo: &Repo| {
            let files = repo.files().into_iter().filter(|(path, _)| path != ".gitattributes" && !others.contains(&path.as_str()));
            files.map(|(path, file)| (path, (file.size, file.sha256))).collect::<BTreeMap<_, _>>()
        };
        let (wanted, found) = (plain(&source), plain(&copy));
        for (path, file) in &wanted {
            assert_eq!(found.get(path), Some(file), "{path}");
            let (sent, kept) = (source.content(path).unwrap(), copy.content(path).unwrap());
            assert_eq!(kept.sha256(), sent.sha256(), "the bytes of {path}");
        }
    }

    /// Everything of the source is there, and nothing else but what the hub itself put there.
    #[track_caller]
    pub fn assert_identical(&self) {
        self.assert_arrived();
        let source = self.source().files();
        let foreign = |path: &&String| !source.contains_key(*path) && !FRESH.contains(&path.as_str());
        assert_eq!(self.copy().files().keys().find(foreign), None);
    }

    /// Exit 0, verified, arrived, and nothing was sent twice that had landed.
    #[track_caller]
    pub fn assert_done(&self, outcome: Outcome) -> Value {
        let report = outcome.exits(0).json();
        assert_eq!(report["state"], "verified");
        self.assert_arrived();
        assert_eq!(self.copy().ours().len(), 1, "one commit");
        assert!(self.destination_journal().sent_twice().is_empty(), "{:?}", self.destination_journal().sent_twice());
        report
    }

    /// The same where the parts of an upload that was never completed had to go again, but of no more than one file.
    #[track_caller]
    pub fn assert_done_but_for_parts(&self, outcome: Outcome) {
        assert_eq!(outcome.exits(0).json()["state"], "verified");
        self.assert_arrived();
        assert_eq!(self.copy().ours().len(), 1, "one commit");
        let twice = self.destination_journal().sent_twice();
        assert!(twice.iter().all(|(oid, part)| *oid == twice[0].0 && *part > 0), "{twice:?}");
    }
}

impl Way {
    /// Where the source serves large files.
    pub fn large(self) -> &'static str {
        match self {
            Self::HfToMs => "cdn",
            Self::MsToHf => "object",
        }
    }

    /// Where the source serves small files.
    pub fn small(self) -> &'static str {
        match self {
            Self::HfToMs => "resolve-cache",
            Self::MsToHf => "download",
        }
    }

    /// Where the destination takes large files: Hugging Face in parts.
    pub fn put(self) -> &'static str {
        match self {
            Self::HfToMs => "put",
            Self::MsToHf => "storage.part",
        }
    }

    /// Where the destination says what it lacks.
    pub fn batch(self) -> &'static str {
        match self {
            Self::HfToMs => "batch",
            Self::MsToHf => "lfs.batch",
        }
    }

    /// Where the source lists a model.
    pub fn listing(self) -> &'static str {
        match self {
            Self::HfToMs => "tree",
            Self::MsToHf => "files",
        }
    }

    /// How the source's storage addresses a blob, as far as a rule can see it.
    pub fn blob_path(self, sha256: &str) -> &str {
        match self {
            Self::HfToMs => sha256,
            Self::MsToHf => &sha256[4..],
        }
    }
}

/// Large files, one of them twice, in parts and in one piece; small ones, one of them twice; what makes a model loadable; nothing at all.
pub fn stock(repo: &Repo) {
    repo.file("model-00001.safetensors", generated(11, 12 * MIB)).file("model-00002.safetensors", generated(12, 11 * MIB + 5));
    repo.file("copy/model-00001.safetensors", generated(11, 12 * MIB)).file("optimizer.bin", generated(13, 4 * MIB + 1));
    repo.file("small.bin", bytes(14, 300 * KIB)).file("copy/small.bin", bytes(14, 300 * KIB));
    repo.file("README.md", CARD).file("config.json", "{}").file("vocab.txt", "a\nb\n").file("empty.txt", "");
    repo.file("model.safetensors.index.json", "{\"weight_map\":{}}").commit();
}

/// The card of [`stock`]: both hubs take it as it is.
pub const CARD: &str = "---\nlicense: mit\n---\n# bert\n";

/// What [`stock`] sends at least: every content once.
pub const STOCK: u64 = 12 * MIB + 11 * MIB + 5 + 4 * MIB + 1 + 300 * KIB;
