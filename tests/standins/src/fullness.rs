//! How many files a repository and its folders hold, where a test lets a hub mind that.

use std::collections::{BTreeSet, HashMap};

/// What is too full: more files than this altogether, or more entries than this in one folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) files: usize,
    pub(crate) folder: usize,
}

impl Room {
    /// Says what is too full, if anything is.
    pub(crate) fn lacks<'p>(self, paths: impl Iterator<Item = &'p str> + Clone) -> Option<String> {
        if paths.clone().count() > self.files {
            return Some(format!("too many files in the repository, at most {}", self.files));
        }
        if self.folder == usize::MAX {
            return None;
        }
        let mut folders: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for path in paths {
            let mut rest = path;
            while let Some((folder, name)) = rest.rsplit_once('/') {
                folders.entry(folder).or_default().insert(name);
                rest = folder;
            }
            folders.entry("").or_default().insert(rest);
        }
        let full = folders.into_iter().find(|(_, names)| names.len() > self.folder);
        full.map(|(folder, names)| format!("too many entries in `{folder}`: {}, at most {}", names.len(), self.folder))
    }
}
