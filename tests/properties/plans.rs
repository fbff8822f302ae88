//! A plan decides about every file of the source once, from what the listings say and not from how they say it.

use std::collections::{BTreeMap, BTreeSet};

use hf2ms::plan::{Decision, Existing, Inputs, Selection, TransferPlan, apply_known};
use hf2ms::protocol::Request;
use hf2ms::repo::{Digests, FileEntry, Manifest, Platform, RepoPath, RepoRef, RepoType, Visibility};
use proptest::prelude::*;

/// Which digests a listing shows.
#[derive(Clone, Copy, Debug)]
enum Kinds {
    Sha256,
    Git,
    Both,
}

/// A file: what is in it, and how either hub lists it.
#[derive(Clone, Debug)]
struct File {
    content: u8,
    here: Kinds,
    there: Kinds,
}

type Files = BTreeMap<String, File>;

fn bytes(content: u8) -> Vec<u8> {
    vec![content; usize::from(content)]
}

/// Both digests of every content there is: what earlier proofs would have taught.
fn known() -> Vec<Digests> {
    (0..20).map(|content| Digests::of(&bytes(content))).collect()
}

fn files() -> impl Strategy<Value = Files> {
    let kinds = || prop::sample::select(vec![Kinds::Sha256, Kinds::Git, Kinds::Both]);
    let path = prop_oneof![
        4 => "([a-c]{1,2}/){0,2}[a-e]{1,2}\\.(bin|txt|json)",
        1 => prop::sample::select(vec![".gitattributes", "config.json", "a/.gitattributes", ".cache/x", "*.bin", "ü/é.txt"]).prop_map(str::to_owned),
    ];
    let file = (0..20u8, kinds(), kinds()).prop_map(|(content, here, there)| File { content, here, there });
    prop::collection::btree_map(path, file, 0..30)
}

fn entry(path: &str, content: u8, kinds: Kinds) -> FileEntry {
    let digests = Digests::of(&bytes(content));
    let digests = match kinds {
        Kinds::Both => digests,
        Kinds::Sha256 => Digests { git_sha1: None, ..digests },
        Kinds::Git => Digests { sha256: None, ..digests },
    };
    FileEntry { path: RepoPath::new(path).unwrap(), size: u64::from(content), digests, lfs: content > 10, read_at: None, hubs_own: false }
}

fn repo(platform: Platform) -> RepoRef {
    RepoRef::new(platform, RepoType::Model, "alice/bert".parse().unwrap())
}

fn manifest(platform: Platform, files: Vec<FileEntry>) -> Manifest {
    let commit = Some("c0ffee".to_owned());
    Manifest { repo: repo(platform), commit, revision: "main".to_owned(), visibility: Visibility::Public, files }.in_order()
}

fn source(from: Platform, files: &Files) -> Manifest {
    manifest(from, files.iter().map(|(path, file)| entry(path, file.content, file.here)).collect())
}

/// The plan for it; `Err` when nothing is selected.
fn plan(source: &Manifest, destination: Option<&Manifest>, globs: (&[String], &[String])) -> Result<TransferPlan, String> {
    let request = Request {
        source: source.repo.clone(),
        revision: None,
        destination: repo(source.repo.platform.other()),
        include: globs.0.to_vec(),
        exclude: globs.1.to_vec(),
        delete: None,
        use_git: false,
    };
    let existing = destination.map(|manifest| Existing { manifest: manifest.clone() });
    let inputs = Inputs {
        request: &request,
        source,
        destination: existing.as_ref(),
        card: None,
        warnings: Vec::new(),
        unreadable: Default::default(),
    };
    TransferPlan::new(&inputs, &Selection::new(globs.0, globs.1).unwrap()).map_err(|error| error.to_string())
}

fn platform() -> impl Strategy<Value = Platform> {
    prop::sample::select(vec![Platform::HuggingFace, Platform::ModelScope])
}

fn globs(least: usize) -> impl Strategy<Value = Vec<String>> {
    let glob = prop::sample::select(vec!["*.bin", "a/", "b/*", "?.txt", "[ab]*", "*", "{a,b}.json", "**/c.bin", "ü/*", "nothing", "*/*/*"]);
    prop::collection::vec(glob.prop_map(str::to_owned), least..4)
}

proptest! {
    #[test]
    fn an_unchanged_pair_needs_nothing(from in platform(), files in files()) {
        let mut source = source(from, &files);
        let mut destination = manifest(from.other(), files.iter().map(|(path, file)| entry(path, file.content, file.there)).collect());
        apply_known(&mut source, &known());
        apply_known(&mut destination, &known());
        let plan = plan(&source, Some(&destination), (&[], &[])).unwrap();
        prop_assert_eq!(plan.copies().count(), 0);
        prop_assert_eq!((plan.totals.copy, plan.totals.copy_bytes), (0, 0));
        prop_assert_eq!(plan.extra, []);
    }

    #[test]
    fn what_differs_in_content_is_copied_and_nothing_is_taken_for_the_same(from in platform(), files in files(), others in prop::collection::vec(0..20u8, 30)) {
        let source = source(from, &files);
        let destination = files.iter().zip(&others).map(|((path, file), other)| entry(path, *other, file.there));
        let destination = manifest(from.other(), destination.collect());
        let plan = plan(&source, Some(&destination), (&[], &[])).unwrap();
        for (item, other) in plan.items.iter().zip(&others) {
            let same = files[item.file.path.as_str()].content == *other;
            prop_assert!(same || item.decision != Decision::AlreadyThere, "{:?}", item);
        }
    }

    #[test]
    fn every_file_is_decided_about_once(from in platform(), here in files(), there in prop::option::of(files()), include in globs(0), exclude in globs(0)) {
        let source = source(from, &here);
        let destination = there.map(|files| manifest(from.other(), files.iter().map(|(path, file)| entry(path, file.content, file.there)).collect()));
        let Ok(plan) = plan(&source, destination.as_ref(), (&include, &exclude)) else {
            let selection = Selection::new(&include, &exclude).unwrap();
            prop_assert!(!here.is_empty() && here.keys().all(|path| !selection.takes(&RepoPath::new(path.as_str()).unwrap())));
            return Ok(());
        };
        let decided: Vec<_> = plan.items.iter().map(|item| item.file.path.as_str()).collect();
        prop_assert_eq!(&decided, &here.keys().map(String::as_str).collect::<Vec<_>>());
        let totals = plan.totals;
        prop_assert_eq!(totals.copy + totals.present + totals.left_out, here.len() as u64);
        prop_assert_eq!((totals.files, totals.bytes), (totals.copy + totals.present, totals.copy_bytes + totals.present_bytes));
        prop_assert_eq!(plan.copies().map(|item| item.file.size).sum::<u64>(), totals.copy_bytes);
        prop_assert_eq!(plan.wanted().count() as u64, totals.files);
        // what only the destination has is named, once, and nothing else is
        let there: BTreeSet<_> = destination.iter().flat_map(|manifest| &manifest.files).map(|file| file.path.as_str()).collect();
        let extra: Vec<_> = plan.extra.iter().map(RepoPath::as_str).collect();
        let expected: Vec<_> = there.into_iter().filter(|path| !here.contains_key(*path) && *path != ".gitattributes").collect();
        prop_assert_eq!(extra, expected);
    }

    #[test]
    fn include_and_exclude_of_the_same_globs_part_the_files(files in files(), globs in globs(1), others in globs(1)) {
        let (taken, left) = (Selection::new(&globs, &[]).unwrap(), Selection::new(&[], &globs).unwrap());
        let (both, other) = (Selection::new(&globs, &others).unwrap(), Selection::new(&others, &[]).unwrap());
        for path in files.keys().map(|path| RepoPath::new(path.as_str()).unwrap()) {
            prop_assert_ne!(taken.takes(&path), left.takes(&path), "{:?}", path);
            prop_assert_eq!(both.takes(&path), taken.takes(&path) && !other.takes(&path), "{:?}", path);
        }
    }

    #[test]
    fn the_order_of_a_listing_does_not_matter(
        from in platform(),
        (shuffled, other) in (files(), files()).prop_flat_map(|(here, there)| {
            let here: Vec<_> = here.iter().map(|(path, file)| entry(path, file.content, file.here)).collect();
            let there: Vec<_> = there.iter().map(|(path, file)| entry(path, file.content, file.there)).collect();
            (Just(here).prop_shuffle(), Just(there).prop_shuffle())
        }),
    ) {
        let sorted = |files: &[FileEntry]| {
            let mut files = files.to_vec();
            files.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
            files
        };
        let one = plan(&manifest(from, shuffled.clone()), Some(&manifest(from.other(), other.clone())), (&[], &[])).unwrap();
        let two = plan(&manifest(from, sorted(&shuffled)), Some(&manifest(from.other(), sorted(&other))), (&[], &[])).unwrap();
        prop_assert_eq!(serde_json::to_value(&one).unwrap(), serde_json::to_value(&two).unwrap());
    }
}
