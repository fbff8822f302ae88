//! A repository in one call: what it holds now, with digests. For telling whether two are equal, never for planning: such a listing may be cut
//! off, and only who finds every file of two listings in both knows that neither was.

use std::sync::Arc;

use super::shore::Shore;
use super::{Hub, RepoInfo};
use crate::error::Result;
use crate::repo::{FileEntry, Platform, RepoRef, Visibility};

/// What one call tells of a repository.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The repository's own name.
    pub repo: RepoRef,
    /// The commit, as far as the call tells.
    pub commit: Option<String>,
    /// Who may read it, where the call tells.
    pub visibility: Option<Visibility>,
    /// The files.
    pub files: Vec<FileEntry>,
    /// Messages of commits that these files come from, where the call tells.
    pub messages: Vec<String>,
}

impl Hub {
    /// Looks at a repository with one call.
    ///
    /// Fails with `Unsupported` when the repository is surely larger than one answer.
    pub async fn glance(&self, repo: &RepoRef, revision: Option<&str>) -> Result<Glance> {
        match &self.shore {
            Shore::HuggingFace(hub) => hub.glance(repo, revision).await,
            Shore::ModelScope(hub) => hub.glance(repo, revision).await,
        }
    }

    /// The message of the newest commit of the default branch, which `glance` found to be there, with one call; `None` where the hub does not tell.
    pub async fn last_message(&self, glance: &Glance) -> Result<Option<String>> {
        let (repo, commit) = (glance.repo.clone(), glance.commit.clone());
        match &self.shore {
            Shore::HuggingFace(hub) => {
                let revision = Platform::HuggingFace.default_branch().to_owned();
                // of what is looked up only the commit counts; who may read it is told elsewhere
                let visibility = glance.visibility.unwrap_or(Visibility::Private);
                super::Source::message(hub, &RepoInfo { repo, commit, revision, visibility, first_commit: None, names: Arc::default() })
                    .await
            }
            Shore::ModelScope(hub) => hub.last_message(&repo).await,
        }
    }

    /// Who may read the repository, with one call.
    pub async fn visibility(&self, repo: &RepoRef) -> Result<Visibility> {
        match &self.shore {
            Shore::HuggingFace(hub) => super::Source::info(hub, repo, None).await.map(|info| info.visibility),
            Shore::ModelScope(hub) => hub.visibility(repo).await,
        }
    }
}
