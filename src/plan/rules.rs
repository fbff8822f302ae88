//! What a destination takes in no form, what it could not list afterwards, and what it advises against.

use std::collections::{BTreeMap, HashSet};

use super::limits::{
    HUGGING_FACE_ADVISED, HUGGING_FACE_FILE, HUGGING_FACE_FILES, HUGGING_FACE_FOLDER, MODELSCOPE_ADVISED, MODELSCOPE_DATASET_FOLDER,
    MODELSCOPE_FILES, MODELSCOPE_FOLDER, MODELSCOPE_INLINE,
};
use super::{Decision, Item};
use crate::error::{Error, ErrorKind, Result};
use crate::repo::{FileEntry, Manifest, Platform, RepoPath, RepoRef, RepoType};

/// Says why the destination takes this file in no form.
pub(super) fn refuses(destination: Platform, file: &FileEntry, existing: Option<&Manifest>) -> Option<String> {
    let segment = |taken: fn(&str) -> bool| file.path.as_str().split('/').any(taken);
    // git takes no spelling of it, because some file systems know no case
    if segment(|segment| segment.eq_ignore_ascii_case(".git")) {
        return Some("git keeps its own data in `.git`".to_owned());
    }
    if file.path.holds_control_characters() {
        return Some("the name holds control characters".to_owned());
    }
    match destination {
        // the official client refuses such paths (facts, huggingface §3 "Path rules")
        Platform::HuggingFace if segment(|segment| segment == ".cache") => {
            Some("Hugging Face takes no path with a `.cache` folder".to_owned())
        }
        Platform::HuggingFace if file.size > HUGGING_FACE_FILE => Some("Hugging Face takes no file over 500 GB".to_owned()),
        _ => existing.and_then(|existing| collision(existing, &file.path)),
    }
}

/// A path cannot be a file and a folder, and what only the destination has stays.
fn collision(existing: &Manifest, path: &RepoPath) -> Option<String> {
    let text = path.as_str();
    let file = text.match_indices('/').map(|(end, _)| &text[..end]).find(|folder| {
        let found = existing.files.binary_search_by(|file| file.path.as_str().cmp(folder));
        found.is_ok()
    });
    if let Some(file) = file {
        return RepoPath::new(file).ok().map(|file| format!("the destination has a file `{file}` where a folder is needed"));
    }
    let inside = format!("{text}/");
    let next = existing.files.partition_point(|file| file.path.as_str() < inside.as_str());
    let below = existing.files.get(next).is_some_and(|file| file.path.as_str().starts_with(&inside));
    below.then(|| "the destination has a folder of this name".to_owned())
}

/// What ModelScope puts into a model that is created.
const MODELSCOPES_OWN: [&str; 3] = [".gitattributes", "README.md", "configuration.json"];

/// Refuses a result that the destination could not list, because it could not be proven: with what stays there, or what the hub puts into a new one.
pub(super) fn holds(destination: &RepoRef, items: &[Item], stays: Option<&Manifest>) -> Result<()> {
    if destination.platform != Platform::ModelScope || destination.repo_type == RepoType::Dataset {
        return Ok(());
    }
    let stays = stays.map_or_else(|| MODELSCOPES_OWN.to_vec(), |stays| stays.files.iter().map(|file| file.path.as_str()).collect());
    let paths = wanted(items).map(|item| item.file.path.as_str()).chain(stays);
    match folders(paths).into_iter().find(|(_, entries)| *entries >= MODELSCOPE_FOLDER) {
        None => Ok(()),
        Some((folder, _)) => {
            Err(Error::new(ErrorKind::Unsupported, "ModelScope could not list a folder of a model with 3,000 entries or more")
                .with("folder", shown(folder))
                .hint_to("take fewer files with --include or --exclude"))
        }
    }
}

/// What the destination would rather not have. It is tried all the same: these limits are advice, or those of its own client.
pub(super) fn advice(destination: &RepoRef, items: &[Item]) -> Vec<String> {
    let (file, folder, files, but) = match destination.platform {
        Platform::HuggingFace => (HUGGING_FACE_ADVISED, HUGGING_FACE_FOLDER, HUGGING_FACE_FILES, "which Hugging Face advises against"),
        Platform::ModelScope => {
            (MODELSCOPE_ADVISED, MODELSCOPE_DATASET_FOLDER, MODELSCOPE_FILES, "which ModelScope's own client does not take")
        }
    };
    let large = items.iter().filter(|item| matches!(item.decision, Decision::Copy { .. }) && item.file.size > file);
    let mut advice: Vec<_> =
        large.map(|item| format!("{}: {} GB in one file, {but} (over {} GB)", item.file.path, item.file.size / GB, file / GB)).collect();
    let full = folders(wanted(items).map(|item| item.file.path.as_str())).into_iter().filter(|(_, entries)| *entries > folder);
    advice.extend(full.map(|(path, entries)| format!("folder {}: {entries} entries, {but} (over {folder})", shown(path))));
    let count = wanted(items).count();
    if count > files {
        advice.push(format!("{count} files in one repository, {but} (over {files})"));
    }
    advice
}

/// What of it travels inside commits: the same advice, in bytes.
pub(super) fn inline_advice(destination: &RepoRef, bytes: u64) -> Option<String> {
    (destination.platform == Platform::ModelScope && bytes > MODELSCOPE_INLINE).then(|| {
        let (found, most) = (bytes / MB, MODELSCOPE_INLINE / MB);
        format!("{found} MB of small files inside commits, which ModelScope's own client does not take at once (over {most} MB)")
    })
}

const GB: u64 = 1_000_000_000;
const MB: u64 = 1_000_000;

/// How many entries each folder will have.
fn folders<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut folders: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
    for path in paths {
        let mut end = path.len();
        while let Some(slash) = path[..end].rfind('/') {
            folders.entry(&path[..slash]).or_default().insert(&path[slash + 1..end]);
            end = slash;
        }
        folders.entry("").or_default().insert(&path[..end]);
    }
    folders.into_iter().map(|(folder, children)| (folder, children.len())).collect()
}

fn wanted(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| !matches!(item.decision, Decision::LeftOut(_)))
}

fn shown(folder: &str) -> String {
    // the folder of a path is a path
    RepoPath::new(folder).map_or_else(|_| "/".to_owned(), |folder| folder.to_string())
}
