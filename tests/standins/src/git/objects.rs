//! Git objects, made by hand: trees and commits are named by digests, so a hub must make real ones for its ids to be true.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use sha1::{Digest as _, Sha1};

use super::Snapshot;

/// Who made a commit, when.
#[derive(Clone, Debug)]
pub(crate) struct Author<'a> {
    pub(crate) name: &'a str,
    /// Unix seconds.
    pub(crate) at: i64,
    /// What makes two commits of the same content different.
    pub(crate) serial: String,
}

/// A folder of a commit.
#[derive(Default)]
struct Folder<'a> {
    files: BTreeMap<&'a str, &'a str>,
    folders: BTreeMap<&'a str, Folder<'a>>,
}

impl<'a> Folder<'a> {
    fn of(files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut root = Self::default();
        for (path, id) in files {
            let mut parts = path.split('/').peekable();
            let mut folder = &mut root;
            while let Some(part) = parts.next() {
                if parts.peek().is_none() {
                    folder.files.insert(part, id);
                    break;
                }
                folder = folder.folders.entry(part).or_default();
            }
        }
        root
    }

    /// Its id; every tree below it goes to `each` first.
    fn id(&self, each: &mut dyn FnMut(&str, &[u8])) -> String {
        // git compares the names of folders as if they ended in a slash
        let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, id) in &self.files {
            entries.push(((*name).to_owned(), line("100644", name, id)));
        }
        for (name, folder) in &self.folders {
            entries.push((format!("{name}/"), line("40000", name, &folder.id(each))));
        }
        entries.sort();
        let tree: Vec<u8> = entries.into_iter().flat_map(|(_, line)| line).collect();
        let id = object_id("tree", &tree);
        each(&id, &tree);
        id
    }
}

fn line(mode: &str, name: &str, id: &str) -> Vec<u8> {
    let mut line = format!("{mode} {name}\0").into_bytes();
    line.extend(hex::decode(id).expect("an id in hex"));
    line
}

/// The id of the tree of these files: path and the id of what git holds.
pub(crate) fn tree_id<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    Folder::of(files).id(&mut |_, _| {})
}

/// A commit's id and its object.
pub(crate) fn commit_id(tree: &str, parent: Option<&str>, author: &Author<'_>, message: &str) -> (String, String) {
    let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = format!("{} <{}@example.org> {} +0000", author.name, author.serial, author.at);
    let text = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{message}\n");
    (object_id("commit", text.as_bytes()), text)
}

fn object_id(kind: &str, content: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("{kind} {}\0", content.len()));
    hash.update(content);
    hex::encode(hash.finalize())
}

/// Writes a commit and all that it holds into a bare repository.
pub(super) fn write(folder: &Path, snapshot: &Snapshot) {
    let ids: Vec<(&str, &str)> = snapshot.files.iter().map(|(path, content)| (path.as_str(), content.git_sha1())).collect();
    for content in snapshot.files.values() {
        loose(folder, "blob", content.git_sha1(), &content.to_bytes());
    }
    Folder::of(ids.into_iter()).id(&mut |id, tree| loose(folder, "tree", id, tree));
    let text = snapshot.text.as_bytes();
    loose(folder, "commit", &object_id("commit", text), text);
}

fn loose(folder: &Path, kind: &str, id: &str, content: &[u8]) {
    let place = folder.join("objects").join(&id[..2]);
    let file = place.join(&id[2..]);
    if file.exists() {
        return;
    }
    std::fs::create_dir_all(&place).expect("a folder");
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(format!("{kind} {}\0", content.len()).as_bytes()).expect("a vector takes everything");
    packed.write_all(content).expect("a vector takes everything");
    std::fs::write(file, packed.finish().expect("a vector takes everything")).expect("a file");
}
