//! Mounted content, kept once by hash in the stand-in's own folder.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

/// The mode under which contents are kept.
const PLAIN: u32 = 0o644;
/// Files larger than this are linked into a sandbox, smaller ones are copied.
const LINKED_FROM: u64 = 1 << 20;

/// The folder of one stand-in: contents, uploads, and a folder for each sandbox. Goes away with its owner.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    known: Mutex<HashMap<String, u64>>,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        for part in ["content", "upload", "sandbox"] {
            fs::create_dir_all(folder.join(part)).expect("a folder for temporary files");
        }
        Self { folder, known: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the bytes of an upload go.
    pub(super) fn upload(&self, name: &str) -> PathBuf {
        self.folder.join("upload").join(name)
    }

    /// The folder that stands for the `/` of a sandbox.
    pub(super) fn root_of(&self, sandbox: &str) -> PathBuf {
        self.folder.join("sandbox").join(sandbox)
    }

    pub(super) fn has(&self, sha256: &str) -> bool {
        self.known.lock().unwrap().contains_key(sha256)
    }

    /// Keeps bytes under their hash.
    pub(super) fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let sha256 = hex::encode(Sha256::digest(bytes));
        fs::write(self.content(&sha256, PLAIN), bytes)?;
        self.known.lock().unwrap().insert(sha256, bytes.len() as u64);
        Ok(())
    }

    /// Keeps an uploaded file under its hash.
    pub(super) fn adopt(&self, upload: &Path, sha256: &str) -> io::Result<()> {
        let size = fs::metadata(upload)?.len();
        match fs::hard_link(upload, self.content(sha256, PLAIN)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.known.lock().unwrap().insert(sha256.to_owned(), size);
        Ok(())
    }

    /// Forgets a content, as a service may that keeps nothing for ever.
    pub(super) fn forget(&self, sha256: &str) {
        self.known.lock().unwrap().remove(sha256);
    }

    /// Puts a content where a sandbox looks for it, with its mode.
    pub(super) fn place(&self, sha256: &str, mode: u32, at: &Path) -> io::Result<()> {
        let size = self.known.lock().unwrap().get(sha256).copied().ok_or(io::ErrorKind::NotFound)?;
        let kept = self.content(sha256, PLAIN);
        fs::create_dir_all(at.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        if size < LINKED_FROM {
            fs::copy(kept, at)?;
            return fs::set_permissions(at, fs::Permissions::from_mode(mode));
        }
        // A mode belongs to the bytes, not to the name: each mode has bytes of its own to link to.
        let with_mode = self.content(sha256, mode);
        let known = self.known.lock().unwrap();
        if !with_mode.exists() {
            fs::copy(kept, &with_mode)?;
            fs::set_permissions(&with_mode, fs::Permissions::from_mode(mode))?;
        }
        drop(known);
        let _ = fs::remove_file(at);
        fs::hard_link(with_mode, at)
    }

    fn content(&self, sha256: &str, mode: u32) -> PathBuf {
        self.folder.join("content").join(format!("{sha256}-{mode:o}"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
