//! From a commit to its files.

use super::pack::{Kind, Known, Pack};
use super::pointer::{self, Content};
use crate::error::{Error, ErrorKind, Result};
use crate::repo::{Digests, FileEntry, GitSha1, RepoPath};

/// More entries than any repository of a hub has; a few small objects can name more than a machine holds.
const MOST: usize = 2_000_000;
/// The longest path.
const LONGEST: usize = 4096;

/// Every file of a commit. A symbolic link is listed as hubs list it: as a small file that names its target.
///
/// Fails with `Protocol` when the pack lacks an object, a name is not text, or a pointer is none that can be followed, and with
/// `Unsupported` when the commit holds another repository.
pub(super) fn files(pack: &Pack, commit: &str) -> Result<Vec<FileEntry>> {
    let root = tree_of(pack, commit)?;
    let mut files = Vec::new();
    let mut folders = vec![(String::new(), root)];
    let mut count = 0;
    while let Some((folder, tree)) = folders.pop() {
        let content = pack.unpack(object(pack, &tree, Kind::Tree, &folder)?)?;
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            let (mode, name, id) = entry(&mut rest).ok_or_else(|| odd("a folder of the commit is not understood", &folder))?;
            let name = std::str::from_utf8(name).map_err(|_| {
                odd("a name that is not UTF-8, which no hub lists", &folder)
                    .with("name", format!("{:?}", String::from_utf8_lossy(name)))
                    .hint_to("rename the file at the source")
            })?;
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            count += 1;
            if count > MOST || path.len() > LONGEST {
                return Err(odd("the commit names more files than a hub holds", &folder));
            }
            match mode {
                b"40000" => folders.push((path, id)),
                b"160000" => {
                    return Err(Error::new(ErrorKind::Unsupported, "the commit holds another repository, as a submodule")
                        .with("path", format!("{path:?}"))
                        .hint_to("hubs cannot serve it, and hf2ms does not follow it; remove the submodule at the source"));
                }
                _ => files.push(file(pack, path, id)?),
            }
        }
    }
    Ok(files)
}

fn tree_of(pack: &Pack, commit: &str) -> Result<GitSha1> {
    let content = pack.unpack(object(pack, &commit.parse()?, Kind::Commit, "")?)?;
    let text = String::from_utf8_lossy(&content);
    let tree = text.lines().next().and_then(|line| line.strip_prefix("tree ")).ok_or_else(|| odd("the commit names no tree", ""))?;
    tree.parse()
}

/// Mode, name and object of the next entry.
fn entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8], GitSha1)> {
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let end = rest.iter().position(|byte| *byte == 0).filter(|end| *end > space)?;
    let (mode, name, id) = (&rest[..space], &rest[space + 1..end], rest.get(end + 1..end + 21)?);
    *rest = &rest[end + 21..];
    Some((mode, name, hex::encode(id).parse().ok()?))
}

fn file(pack: &Pack, path: String, id: GitSha1) -> Result<FileEntry> {
    let known = object(pack, &id, Kind::Blob, &path)?;
    let path = RepoPath::new(path)?;
    let content = if known.size < pointer::SHORTER_THAN { pointer::read(&pack.unpack(known)?) } else { Content::Plain };
    let (size, digests, lfs) = match content {
        Content::Plain => (known.size, Digests { sha256: None, git_sha1: Some(id) }, false),
        Content::Pointer(sha256, size) => (size, Digests { sha256: Some(sha256), git_sha1: None }, true),
        Content::Broken => {
            return Err(Error::new(ErrorKind::Protocol, "a file begins like an LFS pointer and is none that can be followed")
                .with("path", &path)
                .hint_to("to copy it as it is would put a pointer where a file is meant; correct it at the source"));
        }
    };
    Ok(FileEntry { path, size, digests, lfs, read_at: None, hubs_own: false })
}

fn object(pack: &Pack, id: &GitSha1, kind: Kind, path: &str) -> Result<Known> {
    match pack.known(id) {
        Some(known) if known.kind == kind => Ok(known),
        Some(_) => Err(odd("an object of the commit is of another kind than it is named for", path).with("object", id)),
        None => Err(odd("the git server did not send an object of the commit", path).with("object", id)),
    }
}

fn odd(message: &'static str, path: &str) -> Error {
    let error = Error::new(ErrorKind::Protocol, message);
    if path.is_empty() { error } else { error.with("path", format!("{path:?}")) }
}
