//! What a destination takes in no form, and what it could not list afterwards.

use std::collections::{HashMap, HashSet};

use super::{Decision, Item};
use crate::error::{Error, ErrorKind, Result};
use crate::repo::{FileEntry, Manifest, Platform, RepoRef, RepoType};

/// One file on Hugging Face (facts, huggingface §3 "Sizes").
const HUGGING_FACE_FILE: u64 = 500_000_000_000;
/// Entries of one folder that ModelScope lists of a model (facts, modelscope §2.3).
const MODELSCOPE_FOLDER: usize = 3000;

/// Says why the destination takes this file in no form.
pub(super) fn refuses(destination: Platform, file: &FileEntry) -> Option<String> {
    let segment = |name: &str| file.path.as_str().split('/').any(|segment| segment == name);
    if segment(".git") {
        return Some("git keeps its own data in `.git`".to_owned());
    }
    match destination {
        // the official client refuses such paths (facts, huggingface §3 "Path rules")
        Platform::HuggingFace if segment(".cache") => Some("Hugging Face takes no path with a `.cache` folder".to_owned()),
        Platform::HuggingFace if file.size > HUGGING_FACE_FILE => Some("Hugging Face takes no file over 500 GB".to_owned()),
        _ => None,
    }
}

/// Says what lies in the way of this path at the destination, which cannot be a file and a folder at once.
pub(super) fn in_the_way(file: &FileEntry, existing: &Manifest) -> Option<String> {
    let path = file.path.as_str();
    let find = |path: &str| existing.files.binary_search_by(|there| there.path.as_str().cmp(path));
    let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    if let Some(folder) = folders.find(|folder| find(folder).is_ok()) {
        return Some(format!("the destination has a file `{folder}` where a folder is needed"));
    }
    let inside = format!("{path}/");
    let next = find(&inside).unwrap_or_else(|place| place);
    let is_folder = existing.files.get(next).is_some_and(|there| there.path.as_str().starts_with(&inside));
    is_folder.then(|| "the destination has a folder of this name".to_owned())
}

/// Refuses a result that the destination could not list, because it could not be proven.
pub(super) fn holds(destination: &RepoRef, items: &[Item]) -> Result<()> {
    if destination.platform != Platform::ModelScope || destination.repo_type == RepoType::Dataset {
        return Ok(());
    }
    let mut folders: HashMap<&str, HashSet<&str>> = HashMap::new();
    for item in items.iter().filter(|item| !matches!(item.decision, Decision::LeftOut(_))) {
        let path = item.file.path.as_str();
        let mut end = path.len();
        while let Some(slash) = path[..end].rfind('/') {
            folders.entry(&path[..slash]).or_default().insert(&path[slash + 1..end]);
            end = slash;
        }
        folders.entry("").or_default().insert(&path[..end]);
    }
    let full = folders.iter().filter(|(_, children)| children.len() >= MODELSCOPE_FOLDER).map(|(folder, _)| *folder).min();
    match full {
        None => Ok(()),
        Some(folder) => Err(Error::new(ErrorKind::Unsupported, "ModelScope could not list a folder of a model with 3,000 entries or more")
            .with("folder", if folder.is_empty() { "/" } else { folder })
            .hint_to("migrate it as a dataset, or take fewer files with --include")),
    }
}
