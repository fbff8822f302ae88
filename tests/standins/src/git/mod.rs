//! The git door of a hub: the commits of its repositories as real git objects, served by git's own `http-backend`.

mod backend;
pub(crate) mod elsewhere;
mod objects;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(crate) use backend::answer;
pub(crate) use objects::{Author, commit_id, tree_id};

use crate::content::Content;
use crate::server::Request;

/// The largest request: what a client wants, never content.
pub(crate) const LONGEST: usize = 4 << 20;

/// Whether a request fetches more than one commit: the whole history, where one state of it is wanted.
pub(crate) fn is_deep(body: &[u8]) -> bool {
    let holds = |words: &[u8]| body.windows(words.len()).any(|window| window == words);
    holds(b"command=fetch") && !holds(b"deepen 1")
}

/// A commit, to be written down.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Its git object, without the head.
    pub(crate) text: String,
    /// What git itself holds of each file: its content, or its pointer.
    pub(crate) files: BTreeMap<String, Content>,
}

/// The bare repositories on disk of one hub, made when they are asked for. Gone with the hub.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    root: Mutex<Option<PathBuf>>,
    /// Which commits are written, by folder.
    written: Mutex<HashMap<PathBuf, Vec<String>>>,
}

impl Shelf {
    /// The folder of a repository, with these commits and these names in it.
    pub(crate) fn repository(
        &self,
        name: &str,
        refs: &[(String, String)],
        head: &str,
        commits: impl Iterator<Item = (String, Snapshot)>,
    ) -> PathBuf {
        let folder = self.root().join(hex::encode(name));
        let mut written = self.written.lock().unwrap();
        let known = written.entry(folder.clone()).or_insert_with(|| {
            for part in ["objects", "refs/heads", "refs/tags"] {
                std::fs::create_dir_all(folder.join(part)).expect("a folder below the temporary one");
            }
            std::fs::write(folder.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n").expect("a file");
            Vec::new()
        });
        for (id, snapshot) in commits {
            if !known.contains(&id) {
                objects::write(&folder, &snapshot);
                known.push(id);
            }
        }
        put(&folder, "HEAD", &format!("ref: refs/heads/{head}\n"));
        let packed: String = refs.iter().map(|(name, id)| format!("{id} {name}\n")).collect();
        put(&folder, "packed-refs", &packed);
        folder
    }

    fn root(&self) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let make = || std::env::temp_dir().join(format!("standin-git-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        self.root.lock().unwrap().get_or_insert_with(make).clone()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some(root) = self.root.lock().unwrap().take() {
            // nobody asked for one
            let _absent = std::fs::remove_dir_all(root);
        }
    }
}

/// Writes a file at once: git may be reading it.
fn put(folder: &Path, name: &str, text: &str) {
    let new = folder.join(format!("{name}.new"));
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(new, folder.join(name)).expect("a file");
}

/// The password of `Authorization: Basic`, as git sends it.
pub(crate) fn password(request: &Request) -> Option<String> {
    password_of(request.header("authorization")?)
}

/// The same of a header's value.
pub(crate) fn password_of(value: &str) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// The contents that git-lfs keeps below a folder such as `.git/lfs/objects`.
pub(crate) fn lfs_objects(folder: &Path) -> Vec<Content> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let read = |path: PathBuf| match path.is_dir() {
        true => lfs_objects(&path),
        false => Vec::from([Content::bytes(std::fs::read(path).expect("a file of git-lfs"))]),
    };
    entries.flatten().flat_map(|entry| read(entry.path())).collect()
}
