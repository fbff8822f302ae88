//! The two digests the hubs publish: sha256 of the content, and git's sha1 of the blob.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::error::{Error, ErrorKind, Result};

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $length]);

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let mut bytes = [0; $length];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| {
                    Error::new(ErrorKind::Protocol, concat!("not a ", stringify!($name), " in hex")).with("got", format!("{text:?}"))
                })?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

digest_type!(
    /// SHA-256 of a file's content. Prints as 64 hex digits.
    Sha256, 32
);
digest_type!(
    /// SHA-1 of `"blob " + size + "\0" + content`, as `git hash-object` prints it. 40 hex digits.
    GitSha1, 20
);

impl Sha256 {
    /// The digest of bytes at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl GitSha1 {
    /// The digest of bytes at hand, as a git blob.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = git_header(bytes.len() as u64);
        hash.update(bytes);
        Self(hash.finalize().into())
    }
}

impl GitSha1 {
    /// The name of any object of git: a `commit`, a `tree`, a `blob` or a `tag`.
    pub fn of_object(kind: &str, bytes: &[u8]) -> Self {
        let mut hash = sha1::Sha1::new();
        hash.update(format!("{kind} {}\0", bytes.len()));
        hash.update(bytes);
        Self(hash.finalize().into())
    }
}

fn git_header(size: u64) -> sha1::Sha1 {
    let mut hash = sha1::Sha1::new();
    hash.update(format!("blob {size}\0"));
    hash
}

/// What is known of a file's content. One hub publishes the one, the other hub the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digests {
    /// Of the content.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<Sha256>,
    /// Of the git blob.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub git_sha1: Option<GitSha1>,
}

impl Digests {
    /// Both digests of bytes at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Some(Sha256::of(bytes)), git_sha1: Some(GitSha1::of(bytes)) }
    }

    /// Compares digests of the same kind: `None` when the two have no kind in common, `Some(false)` when any kind differs.
    pub fn same(&self, other: &Self) -> Option<bool> {
        let sha256 = self.sha256.zip(other.sha256).map(|(a, b)| a == b);
        let git_sha1 = self.git_sha1.zip(other.git_sha1).map(|(a, b)| a == b);
        match (sha256, git_sha1) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(true) && b.unwrap_or(true)),
        }
    }

    /// Both taken together, this one's first.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { sha256: self.sha256.or(other.sha256), git_sha1: self.git_sha1.or(other.git_sha1) }
    }
}

/// Files up to this size may be plain git files on either hub, so only these are given a git digest on the way.
pub const GIT_FILE_LIMIT: u64 = 10_000_000;

/// Hashes a file in passing. Cloning keeps a point to come back to when a part is read again.
#[derive(Clone)]
pub struct Hasher {
    sha256: sha2::Sha256,
    git_sha1: Option<sha1::Sha1>,
}

impl Hasher {
    /// For a file of `size` bytes: sha256 always, git sha1 up to 10 MB and wherever it is what is claimed of the file.
    pub fn new(size: u64, claimed: Digests) -> Self {
        let with_git = size <= GIT_FILE_LIMIT || claimed.git_sha1.is_some();
        Self { sha256: sha2::Sha256::new(), git_sha1: with_git.then(|| git_header(size)) }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(git_sha1) = &mut self.git_sha1 {
            git_sha1.update(bytes);
        }
    }

    /// The digests of everything taken.
    pub fn finish(self) -> Digests {
        Digests { sha256: Some(Sha256(self.sha256.finalize().into())), git_sha1: self.git_sha1.map(|hash| GitSha1(hash.finalize().into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_git_and_sha256sum() {
        let digests = Digests::of(b"");
        assert_eq!(digests.git_sha1.unwrap().to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(digests.sha256.unwrap().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Digests::of(b"hello\n").git_sha1.unwrap().to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn hashing_in_pieces_equals_hashing_at_once() {
        let mut hasher = Hasher::new(11, Digests::default());
        hasher.update(b"hello");
        hasher.update(b" world");
        assert_eq!(hasher.finish(), Digests::of(b"hello world"));
    }

    #[test]
    fn only_digests_of_one_kind_are_compared() {
        let both = Digests::of(b"a");
        let sha256 = Digests { git_sha1: None, ..both };
        let git = Digests { sha256: None, ..both };
        assert_eq!(sha256.same(&git), None);
        assert_eq!(sha256.same(&both), Some(true));
        assert_eq!(both.same(&Digests { git_sha1: Digests::of(b"b").git_sha1, ..both }), Some(false));
    }

    #[test]
    fn hex_prints_as_parsed_and_nothing_else_parses() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.parse::<Sha256>().unwrap().to_string(), text);
        assert!("".parse::<Sha256>().is_err());
        assert!(text.parse::<GitSha1>().is_err());
    }
}
