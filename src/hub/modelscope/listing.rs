//! Listing on ModelScope: models without paging and silently cut at 3,000 entries, datasets by pages. Facts: `modelscope` §2.2, §2.3.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use super::wire::{Commits, ListEntry, Listing, judge};
use super::{ModelScope, api};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Patience};
use crate::hub::RepoInfo;
use crate::repo::{Manifest, RepoRef, RepoType, encode};

/// A model listing of this length may be cut, and nothing marks it.
pub(super) const CAP: usize = 3000;
/// What the official client asks for.
pub(super) const PAGE: usize = 200;
/// Commits looked at for the head and the first one.
const COMMITS: usize = 50;
/// How often a refusal in the middle of a listing is asked past: four tries, as the official client does.
const HICCUPS: u32 = 3;
/// No dataset of 100,000 files, the documented limit, has more pages; a server that never ends is not followed for ever.
const MOST_PAGES: usize = 5_000;

/// The head of a branch.
pub(super) struct Head {
    /// The newest commit, where the site tells.
    pub(super) commit: Option<String>,
    /// The oldest commit, where the site tells and there are not too many since.
    pub(super) first: Option<String>,
}

impl ModelScope {
    /// Finds the commit that a branch, tag or commit names.
    pub(super) async fn head(&self, repo: &RepoRef, revision: &str) -> Result<Head> {
        let path = format!("{}/commits?Ref={}&PageNumber=1&PageSize={COMMITS}", api(repo), encode(revision));
        match self.http.call(self.get(&path)?, self.patience, judge::<Commits>).await {
            Ok(commits) => {
                let total = commits.total_count;
                let ids: Vec<_> = commits.commit.unwrap_or_default().into_iter().map(|commit| commit.id).collect();
                let all = total.map_or(ids.len() == 1, |total| total == ids.len() as u64);
                Ok(Head { commit: ids.first().cloned(), first: ids.last().cloned().filter(|_| all) })
            }
            // some deployments have no such route [?]: then every file is pinned by its own commit, see `list`
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Ok(Head { commit: None, first: None }),
            Err(error) => Err(error),
        }
    }

    /// The message of a commit, where the site tells.
    pub(super) async fn message_of(&self, repo: &RepoRef, commit: &str) -> Result<Option<String>> {
        let path = format!("{}/commits?Ref={}&PageNumber=1&PageSize=1", api(repo), encode(commit));
        let commits = self.http.call(self.get(&path)?, self.patience, judge::<Commits>).await?;
        Ok(commits.commit.unwrap_or_default().into_iter().find(|entry| entry.id == commit).and_then(|entry| entry.message))
    }

    /// Lists at the commit, or, where the site names none or refuses to list one, at the branch with every file pinned to the commit
    /// that last touched it, until two listings in a row agree.
    pub(super) async fn list(&self, info: &RepoInfo) -> Result<Manifest> {
        let pinned = match &info.commit {
            Some(commit) => self.entries(&info.repo, commit).await,
            None => Err(Error::new(ErrorKind::NotFound, "no commit to list at")),
        };
        let (entries, by_entry) = match pinned {
            Ok(entries) => (entries, false),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                let settled = self.at_branch(info).await;
                (settled.map_err(|error| error.with("repo", &info.repo).with("revision", &info.revision))?, true)
            }
            Err(error) => return Err(error.with("repo", &info.repo)),
        };
        let newest = entries.iter().max_by_key(|entry| entry.committed_date).and_then(|entry| entry.revision.clone());
        // a first commit that holds anything else is a person's
        let first = info.first_commit.as_deref();
        let first = first.filter(|first| entries.iter().all(|entry| entry.revision.as_deref() != Some(first) || entry.is_fresh()));
        let files = entries.into_iter().map(|entry| entry.into_file(by_entry, first)).collect::<Result<Vec<_>>>()?;
        Ok(Manifest {
            repo: info.repo.clone(),
            commit: info.commit.clone().or(newest),
            revision: info.revision.clone(),
            visibility: info.visibility,
            files,
        }
        .in_order())
    }

    /// The listing of the branch, if the head is still the one it was.
    async fn at_branch(&self, info: &RepoInfo) -> Result<Vec<ListEntry>> {
        let entries = self.settled(info).await?;
        let head = self.head(&info.repo, &info.revision).await?;
        if head.commit != info.commit {
            return Err(Error::new(ErrorKind::Conflict, "the repository changed while it was listed"));
        }
        Ok(entries)
    }

    async fn settled(&self, info: &RepoInfo) -> Result<Vec<ListEntry>> {
        let mut entries = self.entries(&info.repo, &info.revision).await?;
        for _try in 0..3 {
            let again = self.entries(&info.repo, &info.revision).await?;
            if again == entries {
                return Ok(entries);
            }
            entries = again;
        }
        Err(Error::new(ErrorKind::Conflict, "the repository keeps changing while it is listed")
            .with("repo", &info.repo)
            .hint_to("wait until nobody writes to it, or name a commit with `@REV`"))
    }

    /// Every file, directories left out.
    async fn entries(&self, repo: &RepoRef, revision: &str) -> Result<Vec<ListEntry>> {
        let mut entries = match repo.repo_type {
            RepoType::Dataset => self.pages(repo, revision).await?,
            _ => self.walk(repo, revision).await?,
        };
        entries.retain(|entry| !entry.is_directory());
        Ok(entries)
    }

    /// All in one answer; below a directory whose answer reaches the cap, directory by directory.
    async fn walk(&self, repo: &RepoRef, revision: &str) -> Result<Vec<ListEntry>> {
        let mut entries = Vec::new();
        let mut roots = VecDeque::from([String::new()]);
        while let Some(root) = roots.pop_front() {
            let whole = self.files(repo, revision, &root, true).await?;
            if whole.len() < CAP {
                entries.extend(whole);
                continue;
            }
            let children = self.files(repo, revision, &root, false).await?;
            if children.len() >= CAP {
                return Err(Error::new(ErrorKind::Unsupported, "ModelScope cannot list a folder of a model with 3,000 entries or more")
                    .with("repo", repo)
                    .with("folder", if root.is_empty() { "/" } else { &root })
                    .hint_to("spread the files over more folders, or keep them in a dataset, which is listed by pages"));
            }
            for child in children {
                if child.is_directory() {
                    roots.push_back(child.path);
                } else {
                    entries.push(child);
                }
            }
        }
        Ok(entries)
    }

    async fn files(&self, repo: &RepoRef, revision: &str, root: &str, recursive: bool) -> Result<Vec<ListEntry>> {
        let below = if root.is_empty() { String::new() } else { format!("&Root={}", encode(root)) };
        let later = !root.is_empty() || !recursive;
        let recursive = if recursive { "True" } else { "False" };
        let path = format!("{}/repo/files?Revision={}&Recursive={recursive}{below}", api(repo), encode(revision));
        let hiccups = AtomicU32::new(0);
        let listing = self.http.call(self.get(&path)?, Patience::PATIENT, |answer| judge_page(answer, later, &hiccups)).await?;
        let files = listing.files.ok_or_else(|| no_listing(repo))?;
        match files.iter().find(|file| !root.is_empty() && !file.path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))) {
            Some(stray) => Err(Error::new(ErrorKind::Protocol, "a folder's listing holds a file from elsewhere")
                .with("repo", repo)
                .with("folder", root)
                .with("path", crate::hub::quoted(&stray.path))),
            None => Ok(files),
        }
    }

    async fn pages(&self, repo: &RepoRef, revision: &str) -> Result<Vec<ListEntry>> {
        let mut entries: Vec<ListEntry> = Vec::new();
        let mut first_length = None;
        for number in 1..=MOST_PAGES {
            let path = format!("{}/repo/tree?Revision={}&Recursive=True&PageNumber={number}&PageSize={PAGE}", api(repo), encode(revision));
            let page = self.page_of(repo, &path, number).await?;
            // the site may give shorter pages than asked for: the first one shows how long they are, and whether a short first one is
            // the last the second tells
            let length = *first_length.get_or_insert(page.len());
            let last = page.is_empty() || (number > 1 && page.len() < length);
            if !last && entries.len() >= page.len() && entries[entries.len() - page.len()..] == page[..] {
                return Err(Error::new(ErrorKind::Protocol, "the listing repeats a page").with("repo", repo).with("page", number));
            }
            entries.extend(page);
            if last {
                return Ok(entries);
            }
        }
        Err(Error::new(ErrorKind::Protocol, "the listing does not end").with("repo", repo))
    }

    async fn page_of(&self, repo: &RepoRef, path: &str, number: usize) -> Result<Vec<ListEntry>> {
        let hiccups = AtomicU32::new(0);
        let listing = self.http.call(self.get(path)?, Patience::PATIENT, |answer| judge_page(answer, number > 1, &hiccups)).await?;
        match listing.files {
            // an empty page may come as null
            None if number > 1 => Ok(Vec::new()),
            files => files.ok_or_else(|| no_listing(repo)),
        }
    }
}

/// What an answer to a listing means. After a good page a 403 is the server's hiccup and passes on another try, or it never does (facts,
/// modelscope §2.1).
fn judge_page(answer: &Answer, is_later: bool, hiccups: &AtomicU32) -> Result<Listing> {
    judge::<Listing>(answer).map_err(|error| match error.kind() {
        ErrorKind::Forbidden if is_later && hiccups.fetch_add(1, Ordering::Relaxed) < HICCUPS => error.retry(Retry::Later(None)),
        _ => error,
    })
}

fn no_listing(repo: &RepoRef) -> Error {
    Error::new(ErrorKind::Protocol, "a listing without files").with("repo", repo)
}
