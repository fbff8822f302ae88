//! What a survey has to say about deleting: whether the listings are good enough for it, and whether it is still what was confirmed.

use std::collections::HashMap;

use super::Survey;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::TransferPlan;
use crate::repo::FileEntry;

impl Survey {
    /// What of the destination this plan deletes.
    pub fn removed(&self, plan: &TransferPlan) -> Vec<FileEntry> {
        let existing = self.destination.as_ref().map(|(_, existing)| &existing.manifest);
        plan.deletes.iter().filter_map(|path| existing?.file(path).cloned()).collect()
    }

    /// Refuses to delete what the user was not shown, or what has become something else since.
    ///
    /// Fails with `NeedsConfirmation`, naming the file.
    pub fn check_removed(&self, plan: &TransferPlan, confirmed: &[FileEntry]) -> Result<()> {
        let confirmed: HashMap<_, _> = confirmed.iter().map(|file| (&file.path, file)).collect();
        let same = |there: &FileEntry| {
            let known = confirmed.get(&there.path).filter(|file| file.size == there.size);
            known.is_some_and(|file| file.digests == there.digests || file.digests.same(&there.digests) == Some(true))
        };
        match self.removed(plan).iter().find(|there| !same(there)) {
            None => Ok(()),
            Some(there) => {
                Err(Error::new(ErrorKind::NeedsConfirmation, "a file was put to the destination since deleting there was confirmed")
                    .with("file", &there.path)
                    .hint_to("nothing was deleted; look at it, then run the same command again: it plans anew"))
            }
        }
    }

    /// Refuses to delete by listings that may not be whole, or that nobody can tell are still true when the commit is made.
    ///
    /// Fails with `Unsupported`, naming the repository.
    pub(super) fn check_deletion(&self) -> Result<()> {
        let Some((info, existing)) = self.destination.as_ref().filter(|_| self.request.delete.is_some()) else { return Ok(()) };
        let there = (!existing.manifest.files.is_empty() && info.commit.is_none()).then_some(&info.repo);
        let Some(repo) = (!self.pinned).then_some(&self.source.repo).or(there) else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Unsupported,
            "the hub names no commits of the repository, so its listing may not be whole, and --delete needs that",
        )
        .with("repo", repo)
        .hint_to("leave --delete out; what the source does not have is listed as `extra`, and can be deleted on the page"))
    }
}
