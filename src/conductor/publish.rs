//! Makes carried blobs visible: as one commit where the hub's limits allow, in an order that never leaves a loadable half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::events::Events;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{Action, Commit, Destination, RepoInfo, Source};
use crate::plan::{TransferPlan, word};
use crate::protocol::{Consent, What};
use crate::repo::{Digests, FileEntry, RepoPath, Visibility};
use crate::worker::Worker;

/// How often a commit that nobody knows the fate of is sent again.
const COMMIT_TRIES: u32 = 3;

/// Collects actions and commits them.
pub struct Publisher<S, D> {
    worker: Arc<Worker<S, D>>,
    destination: Arc<D>,
    events: Events,
    info: RepoInfo,
    /// The head that the next commit builds on.
    parent: Option<String>,
    source_visibility: Visibility,
    consent: Consent,
    title: String,
    trailers: String,
    replaces: BTreeSet<RepoPath>,
    pending: Vec<(Action, FileEntry)>,
    inline: u64,
    inline_limit: u64,
    commits: Vec<String>,
}

impl<S: Source + 'static, D: Destination + 'static> Publisher<S, D> {
    /// A publisher for one plan. `replaces` are the paths that are there already with other content.
    pub fn new(
        worker: Arc<Worker<S, D>>,
        destination: Arc<D>,
        info: RepoInfo,
        plan: &TransferPlan,
        consent: Consent,
        id: &str,
        replaces: BTreeSet<RepoPath>,
        events: Events,
    ) -> Self {
        let (title, trailers) = message(plan, info.visibility, id);
        let inline_limit = destination.limits().inline.min(worker.memory() * 2 / 3);
        Self {
            worker,
            destination,
            events,
            parent: info.commit.clone(),
            info,
            source_visibility: plan.source_visibility,
            consent,
            title,
            trailers,
            replaces,
            pending: Vec::new(),
            inline: 0,
            inline_limit,
            commits: Vec::new(),
        }
    }

    /// Adds one action; commits what waits when it would not fit with it.
    pub async fn push(&mut self, action: Action, file: FileEntry) -> Result<()> {
        let size = match &action {
            Action::Inline { content, .. } => content.len() as u64,
            Action::Blob { .. } => 0,
        };
        if self.pending.len() >= self.destination.limits().actions || (self.inline > 0 && self.inline + size > self.inline_limit) {
            self.flush().await?;
        }
        self.inline += size;
        self.pending.push((action, file));
        Ok(())
    }

    /// Commits what waits. No actions, no commit.
    pub async fn flush(&mut self) -> Result<()> {
        self.inline = 0;
        let mut queue = vec![std::mem::take(&mut self.pending)];
        while let Some(batch) = queue.pop() {
            if batch.is_empty() {
                continue;
            }
            match self.commit(&batch).await {
                Ok(commit) => {
                    self.events.send(What::Committed { commit: commit.clone() });
                    self.parent = Some(commit.clone());
                    self.commits.push(commit);
                }
                Err(error) if error.kind() == ErrorKind::TooLarge && batch.len() > 1 => {
                    let mut first = batch;
                    let second = first.split_off(first.len() / 2);
                    queue.push(second);
                    queue.push(first);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The repository written to, as it was found.
    pub fn info(&self) -> &RepoInfo {
        &self.info
    }

    /// The commits made, in order.
    pub fn commits(&self) -> &[String] {
        &self.commits
    }

    async fn commit(&self, batch: &[(Action, FileEntry)]) -> Result<String> {
        let commit = |actions| Commit {
            title: self.title.clone(),
            trailers: self.trailers.clone(),
            parent: self.parent.clone(),
            actions,
            replaces: self.replaces.clone(),
        };
        let mut tries = 0;
        loop {
            self.check_shore().await?;
            self.fill_gaps(batch).await?;
            self.events.send(What::Committing { files: batch.len() as u64 });
            let actions = batch.iter().map(|(action, _)| action.clone()).collect();
            let error = match self.destination.commit(&self.info, &commit(actions)).await {
                Ok(commit) => return Ok(commit),
                Err(error) => error,
            };
            tries += 1;
            // whatever the answer was, the commit may have happened: the destination knows
            if let Some(head) = self.landed(batch).await? {
                return Ok(head);
            }
            let unclear = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol);
            if !unclear {
                return Err(error);
            }
            if tries >= COMMIT_TRIES {
                // who refuses a body before its end may not be heard: what breaks time and again is taken for too large, and halved
                let broke = Error::new(ErrorKind::TooLarge, "the commit broke off time and again");
                return Err(if batch.len() > 1 { broke.because(error) } else { error });
            }
            tokio::time::sleep(Duration::from_secs(1 << tries)).await;
        }
    }

    /// Reads visibility and head again: neither may have changed since the plan, but by our own commits.
    async fn check_shore(&self) -> Result<()> {
        let now = self.destination.info(&self.info.repo, None).await.map_err(|error| error.during("before commit"))?;
        if now.visibility != self.info.visibility && self.source_visibility.is_loosened_by(now.visibility) && !self.consent.loosened_visibility {
            return Err(Error::new(
                ErrorKind::NeedsConfirmation,
                format!("the destination became {} while the source is {}", word(now.visibility), word(self.source_visibility)),
            )
            .with("repo", &self.info.repo)
            .hint_to("nothing was committed; make it private again, or pass --loosen-visibility"));
        }
        if now.commit != self.parent {
            return Err(Error::new(ErrorKind::Conflict, "somebody else changed the destination").with("repo", &self.info.repo));
        }
        Ok(())
    }

    /// Asks for every blob once more, because a hub may collect what is not committed, and carries again what is missing.
    async fn fill_gaps(&self, batch: &[(Action, FileEntry)]) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        let blobs: Vec<_> = batch
            .iter()
            .filter(|(action, file)| matches!(action, Action::Blob { .. }) && seen.insert(file.digests.sha256))
            .map(|(_, file)| file.clone())
            .collect();
        let missing = self.worker.missing(&blobs).await?;
        if !missing.is_empty() {
            self.events.warn(format!("{} blobs were gone before the commit and are carried again", missing.len()));
            self.worker.carry_all(missing, |_| {}).await?;
        }
        Ok(())
    }

    /// The head, if everything in the batch lies there.
    async fn landed(&self, batch: &[(Action, FileEntry)]) -> Result<Option<String>> {
        let info = self.destination.info(&self.info.repo, None).await.map_err(|error| error.during("after commit"))?;
        if info.commit == self.parent {
            return Ok(None);
        }
        let manifest = self.destination.manifest(&info).await.map_err(|error| error.during("after commit"))?;
        let there = |(_, file): &(Action, FileEntry)| {
            manifest.file(&file.path).is_some_and(|there| there.size == file.size && there.digests.same(&file.digests) == Some(true))
        };
        Ok(if batch.iter().all(there) { info.commit } else { None })
    }
}

/// Title and trailers. A destination that more people can read does not learn the source's name.
fn message(plan: &TransferPlan, destination: Visibility, id: &str) -> (String, String) {
    if plan.source_visibility.is_loosened_by(destination) {
        return ("Add files with hf2ms".to_owned(), format!("Hf2ms-Migration: {id}"));
    }
    let title = format!("Migrate from {} with hf2ms", plan.request.source);
    let source = &plan.request.source;
    let revision = plan.source_commit.as_deref().unwrap_or("none");
    (title, format!("Hf2ms-Source: {} {} {}\nHf2ms-Revision: {revision}\nHf2ms-Migration: {id}", source.platform, source.repo_type, source.id))
}

/// An action for a blob.
pub fn blob_action(file: &FileEntry) -> Result<Action> {
    let Digests { sha256: Some(sha256), .. } = file.digests else {
        return Err(Error::new(ErrorKind::Local, "a blob without sha256").with("file", &file.path));
    };
    Ok(Action::Blob { path: file.path.clone(), blob: crate::hub::Blob { sha256, size: file.size } })
}
