//! A listing of the branch with the messages of the commits that its files come from (facts, modelscope §2.3), in one call.

use serde::Deserialize;

use super::listing::{CAP, PAGE};
use super::wire::{About, Commits, ListEntry, judge};
use super::{ModelScope, api};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::glance::Glance;
use crate::repo::{Platform, RepoRef, RepoType, Visibility, encode};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Seen {
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(flatten)]
    listed: ListEntry,
    #[serde(rename = "CommitMessage")]
    message: Option<String>,
}

impl ModelScope {
    pub(in crate::hub) async fn glance(&self, repo: &RepoRef, revision: Option<&str>) -> Result<Glance> {
        let revision = encode(revision.unwrap_or(Platform::ModelScope.default_branch()));
        let (path, most) = match repo.repo_type {
            RepoType::Dataset => (format!("repo/tree?Revision={revision}&Recursive=True&PageNumber=1&PageSize={PAGE}"), PAGE),
            _ => (format!("repo/files?Revision={revision}&Recursive=True"), CAP),
        };
        let Seen { files } = self.http.call(self.get(&format!("{}/{path}", api(repo)))?, self.patience, judge::<Seen>).await?;
        if files.len() >= most {
            return Err(Error::new(ErrorKind::Unsupported, "the repository is larger than one answer").with("repo", repo));
        }
        let newest = files.iter().max_by_key(|entry| entry.listed.committed_date).and_then(|entry| entry.listed.revision.clone());
        let mut messages: Vec<String> = files.iter().filter_map(|entry| entry.message.clone()).collect();
        messages.sort();
        messages.dedup();
        let files = files.into_iter().map(|entry| entry.listed).filter(|listed| !listed.is_directory());
        let files = files.map(|listed| listed.into_file(false, None)).collect::<Result<_>>()?;
        Ok(Glance { repo: repo.clone(), commit: newest, visibility: None, files, messages })
    }

    /// The message of the newest commit, with one call.
    pub(in crate::hub) async fn last_message(&self, repo: &RepoRef) -> Result<Option<String>> {
        let branch = encode(Platform::ModelScope.default_branch());
        let path = format!("{}/commits?Ref={branch}&PageNumber=1&PageSize=1", api(repo));
        let commits = self.http.call(self.get(&path)?, self.patience, judge::<Commits>).await?;
        Ok(commits.commit.unwrap_or_default().into_iter().next().and_then(|entry| entry.message))
    }

    pub(in crate::hub) async fn visibility(&self, repo: &RepoRef) -> Result<Visibility> {
        self.http.call(self.get(&api(repo))?, self.patience, judge::<About>).await?.visibility()
    }
}
