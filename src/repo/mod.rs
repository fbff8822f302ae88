//! What a repository is: where it lives, what it is called, what it holds. No I/O.

mod address;
mod digest;
mod id;
mod manifest;
mod path;
mod platform;
mod revision;
mod visibility;

pub use address::Address;
pub use digest::{Digests, GIT_FILE_LIMIT, GitSha1, Hasher, Sha256};
pub use id::{RepoId, RepoRef, RepoType};
pub use manifest::{FileEntry, Manifest};
pub use path::{RepoPath, encode, is_obeyed};
pub use platform::Platform;
pub use revision::revision;
pub use visibility::Visibility;
