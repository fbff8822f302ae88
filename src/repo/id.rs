//! Names and addresses of repositories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Platform;
use crate::error::{Error, Result};

/// A repository's name on its hub: `namespace/name`.
///
/// Both parts are 1–255 bytes of `[A-Za-z0-9._-]` and do not start with a dot, so an id goes into a URL path as it is. ModelScope publishes no rule; its
/// clients send this set (facts, modelscope §6). What Hugging Face wants besides is looked at where it is the destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoId {
    namespace: String,
    name: String,
}

impl RepoId {
    /// The account or organisation.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn is_part(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !text.starts_with('.')
}

impl FromStr for RepoId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('/') {
            Some((namespace, name)) if is_part(namespace) && is_part(name) => Ok(Self { namespace: namespace.into(), name: name.into() }),
            _ => Err(Error::usage(
                "expected `namespace/name`",
                "both parts are letters, digits, `.`, `_` and `-`; give the full name, like `alice/bert`",
            )
            .with("got", format!("`{text}`"))),
        }
    }
}

impl TryFrom<String> for RepoId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<RepoId> for String {
    fn from(id: RepoId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What kind of repository it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepoType {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
    /// A Hugging Face Space. Read only, to be written as a model when the user says so.
    Space,
}

impl RepoType {
    /// The word in API routes: `models`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
        }
    }
}

impl fmt::Display for RepoType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
        })
    }
}

/// A full address: which hub, which kind, which name. The revision travels apart, pinned in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RepoRef {
    /// The hub.
    pub platform: Platform,
    /// The kind.
    #[serde(rename = "type")]
    pub repo_type: RepoType,
    /// The name.
    pub id: RepoId,
}

impl RepoRef {
    /// The address of this repository.
    pub fn new(platform: Platform, repo_type: RepoType, id: RepoId) -> Self {
        Self { platform, repo_type, id }
    }
}

impl fmt::Display for RepoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_it_was_parsed() {
        for text in ["alice/bert", "a/b", "A.b_c-d/x.y", "0/0", "a/-b--c..d"] {
            assert_eq!(text.parse::<RepoId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_could_leave_the_url_path_is_no_id() {
        for text in ["", "/", "a", "a/", "/a", "a/b/c", "../b", "a/..", "a b/c", "a/b?c", "a/.git", "a/ü"] {
            assert!(text.parse::<RepoId>().is_err(), "{text}");
        }
        assert!(format!("a/{}", "x".repeat(256)).parse::<RepoId>().is_err());
    }
}
