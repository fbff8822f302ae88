//! Listings of a tree, and the rule that decides between LFS and inline.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::repo::{Node, Repo, RepoKind, Tree};

/// A file or a folder of a listing.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: Arc<str>,
    /// The index of the commit that last touched it, or anything below it.
    touched: usize,
    /// `None` for a folder.
    node: Option<Arc<Node>>,
}

/// Every file and, before the first file below it, every folder.
pub(super) fn flatten(tree: &Tree) -> Vec<Entry> {
    let mut touched: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, node) in tree {
        for folder in ancestors(path) {
            let latest = touched.entry(folder).or_default();
            *latest = node.touched.max(*latest);
        }
    }
    let folders = touched.iter().map(|(path, touched)| Entry { path: (*path).into(), touched: *touched, node: None });
    let files = tree.iter().map(|(path, node)| Entry { path: Arc::clone(path), touched: node.touched, node: Some(Arc::clone(node)) });
    let mut entries: Vec<Entry> = folders.chain(files).collect();
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries
}

/// The folders above a path, outermost first.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// What a listing asks for.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Without leading or trailing slash; empty for the whole tree.
    pub(super) root: String,
    pub(super) recursive: bool,
}

impl Scope {
    pub(super) fn new(root: Option<&str>, recursive: Option<&str>) -> Self {
        Self {
            root: root.unwrap_or_default().trim_matches('/').to_owned(),
            recursive: recursive.is_some_and(|text| text.eq_ignore_ascii_case("true")),
        }
    }

    /// Whether the listing shows this path.
    pub(super) fn shows(&self, path: &str) -> bool {
        let below = match self.root.as_str() {
            "" => Some(path),
            root => path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
        };
        below.is_some_and(|rest| self.recursive || !rest.contains('/'))
    }
}

impl Entry {
    /// The entry as listings show it. The fields are those of a real sample (facts/modelscope §2.3).
    pub(super) fn json(&self, repo: &Repo, digests: bool) -> Value {
        let commit = &repo.commits[self.touched];
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let mut entry = json!({
            "CommitMessage": commit.message,
            "CommittedDate": commit.at,
            "CommitterName": commit.author,
            "InCheck": repo.quirks.in_check.iter().any(|path| **path == *self.path),
            "IsLFS": false,
            "Mode": "16384",
            "Name": name,
            "Path": &*self.path,
            "Revision": commit.id,
            "Sha256": "",
            "Size": 0,
            "Type": "tree",
        });
        if let Some(node) = &self.node {
            let told = repo.quirks.lists_instead.get(&*self.path).unwrap_or(&node.sha256);
            entry["IsLFS"] = json!(node.lfs);
            entry["Mode"] = json!("33188");
            entry["Sha256"] = json!(if digests { told.as_str() } else { "" });
            entry["Size"] = json!(node.size);
            entry["Type"] = json!("blob");
        }
        entry
    }
}

/// Whether the hub parses a file of this name and must not see a pointer in its place (facts/modelscope §3.2, rule 1).
pub(super) fn is_metadata(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let stem_is_configuration = matches!(name.as_str(), "configuration.json" | "configuration.yaml" | "configuration.yml");
    stem_is_configuration
        || matches!(name.as_str(), "readme.md" | ".gitattributes" | ".gitignore" | "dataset_infos.json" | "config.json" | ".msc" | ".mdl")
}

const LFS_OF_BOTH: &str = " 7z arrow bin bz2 ftz gz h5 joblib msgpack npy npz ot parquet pb pickle pkl rar tar tgz wasm zip zst ";
const LFS_OF_MODELS: &str = " ckpt mlmodel model onnx pt pth safetensors tflite xz ";
const LFS_OF_DATASETS: &str = " aac audio bmp flac gif jack jpeg jpg png jsonl lz4 pcm raw sam wav webm webp tiff mp3 mp4 ogg ";

/// Whether the official client would send this file by LFS (facts/modelscope §3.2).
pub(super) fn goes_by_lfs(kind: RepoKind, path: &str, size: u64) -> bool {
    if is_metadata(path) || size == 0 {
        return false;
    }
    if size > 64 << 10 {
        return true;
    }
    let suffix = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, suffix)| suffix);
    let own = match kind {
        RepoKind::Model => LFS_OF_MODELS,
        RepoKind::Dataset => LFS_OF_DATASETS,
    };
    suffix.is_some_and(|suffix| {
        let word = format!(" {} ", suffix.to_ascii_lowercase());
        LFS_OF_BOTH.contains(&word) || own.contains(&word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_shows_what_lies_in_it() {
        let folder = Scope::new(Some("/a/"), Some("False"));
        assert!(folder.shows("a/b"));
        assert!(!folder.shows("a/b/c") && !folder.shows("a") && !folder.shows("ab/c"));
        let whole = Scope::new(None, Some("True"));
        assert!(whole.shows("a/b/c"));
    }

    #[test]
    fn the_metadata_set_is_inline_at_any_depth_and_size() {
        assert!(!goes_by_lfs(RepoKind::Model, "deep/CONFIG.json", 1 << 20));
        assert!(goes_by_lfs(RepoKind::Model, "w.safetensors", 10));
        assert!(!goes_by_lfs(RepoKind::Dataset, "w.safetensors", 10));
        assert!(goes_by_lfs(RepoKind::Dataset, "w.safetensors", 65_537));
        assert!(!goes_by_lfs(RepoKind::Model, "empty.bin", 0));
    }
}
