//! Whose token it is and what it may do, as far as the hub tells.

use crate::repo::{RepoRef, RepoType};

/// A token's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub name: String,
    /// The namespaces that the hub says it may write to, whatever is in them; `None` where it does not say.
    pub writable: Option<Vec<String>>,
    /// Whether the token may write at all; `None` where the hub does not say.
    pub may_write: Option<bool>,
    /// How the hub calls the token's permission.
    pub permission: String,
    /// What a token with scopes may do, scope by scope. Empty for any other token.
    pub grants: Vec<Grant>,
    /// The organisations that want something of the user before they let them write, and what.
    pub owed: Vec<(String, Vec<String>)>,
    /// Bytes that all private repositories of the user may have together, where the account tells.
    pub private_storage: Option<u64>,
}

/// One scope of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `user`, `org`, or a kind of repository, in the hub's word.
    pub kind: String,
    /// A namespace, or a repository as `namespace/name`.
    pub name: String,
    /// Such as `repo.content.read`, `repo.write`.
    pub permissions: Vec<String>,
}

/// Bytes that the private repositories of a free account of Hugging Face may have together (facts, huggingface §3 "Sizes").
pub const PRIVATE_STORAGE: u64 = 100_000_000_000;

/// The permission without which nothing is written.
pub const WRITES: &str = "repo.write";

impl Grant {
    /// Whether it is about a whole namespace.
    pub fn is_of_namespace(&self) -> bool {
        matches!(self.kind.as_str(), "user" | "org")
    }

    /// Whether it allows writing.
    pub fn writes(&self) -> bool {
        self.permissions.iter().any(|name| name == WRITES)
    }

    /// Whether it allows writing to this one repository, by its name.
    pub fn writes_to(&self, repo: &RepoRef) -> bool {
        let kind = match repo.repo_type {
            RepoType::Model => "model",
            RepoType::Dataset => "dataset",
            RepoType::Space => "space",
        };
        self.writes() && self.kind == kind && self.name == repo.id.to_string()
    }

    /// `user alice: repo.content.read, repo.write`.
    pub fn describe(&self) -> String {
        let permissions = if self.permissions.is_empty() { "nothing".to_owned() } else { self.permissions.join(", ") };
        format!("{} {}: {permissions}", self.kind, self.name)
    }
}
