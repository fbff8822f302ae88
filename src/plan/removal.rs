//! What is deleted at the destination because the source does not have it, and how much of that may go at once.

use std::collections::HashSet;

use super::{NAMED, Risk, Selection};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Request;
use crate::repo::{Manifest, Platform, RepoPath, Sha256};

/// Without a bound of the user's own, half of the destination's files may go, but so many in any case, and no more than [`MOST`].
const LEAST: u64 = 10;
/// See [`LEAST`].
const MOST: u64 = 50;
/// What ModelScope itself puts into a repository (facts, modelscope §3.1). After some dozen commits nobody can tell any more who wrote it.
pub(super) const HUBS_NAMES: [&str; 3] = ["README.md", "configuration.json", "dataset_infos.json"];

/// How many files may be deleted where the user named no bound: `there` of them lie at the destination.
pub(super) fn bound(there: usize) -> u64 {
    (there as u64 / 2).clamp(LEAST, MOST)
}

/// Divides what only the destination has into what is deleted and what stays. Without the wish to delete, everything stays.
///
/// Deleted is what the request is about, and what the hub did not put there itself. Fails with `NeedsConfirmation` when the source holds
/// nothing to copy, because emptying a repository is not what a mirror does by itself, and with `Usage` when nothing of it is selected.
pub(super) fn divide(
    request: &Request,
    selection: &Selection,
    source: &Manifest,
    existing: Option<&Manifest>,
    extra: Vec<RepoPath>,
) -> Result<(Vec<RepoPath>, Vec<RepoPath>)> {
    if request.delete.is_none() {
        return Ok((Vec::new(), extra));
    }
    let mut files = source.files.iter().filter(|file| !file.path.is_git_attributes()).peekable();
    if files.peek().is_some() && !files.any(|file| selection.takes(&file.path)) {
        return Err(Error::usage("no file of the source is selected", "check the globs of --include and --exclude")
            .with("files", source.files.len()));
    }
    if source.files.iter().all(|file| file.path.is_git_attributes()) {
        return Err(Error::new(ErrorKind::NeedsConfirmation, "the source holds no files, and --delete would empty the destination")
            .with("source", &request.source)
            .hint_to(
                "look at the source first; without --delete nothing is removed; who wants an empty repository deletes it on its page",
            ));
    }
    let hubs_own = |path: &RepoPath| {
        let named = request.destination.platform == Platform::ModelScope && HUBS_NAMES.contains(&path.as_str());
        named || existing.and_then(|existing| existing.file(path)).is_some_and(|there| there.hubs_own)
    };
    Ok(extra.into_iter().partition(|path| selection.takes(path) && !hubs_own(path)))
}

/// The listing without these, which are in the order of their paths.
pub(super) fn without(existing: &Manifest, deletes: &[RepoPath]) -> Manifest {
    let mut existing = existing.clone();
    existing.files.retain(|file| deletes.binary_search(&file.path).is_err());
    existing
}

/// Divides what is deleted into what stands in the way of what is copied, as a file where a folder is needed or the other way round, and the rest.
pub fn in_the_way<'p>(deletes: &'p [RepoPath], copied: &HashSet<&str>) -> (Vec<&'p RepoPath>, Vec<&'p RepoPath>) {
    let folders: HashSet<&str> = copied.iter().flat_map(|path| above(path)).collect();
    deletes.iter().partition(|path| folders.contains(path.as_str()) || above(path.as_str()).any(|folder| copied.contains(folder)))
}

/// The folders that a path lies in.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// The risk of deleting these.
pub(super) fn risk(request: &Request, deletes: &[RepoPath], existing: Option<&Manifest>) -> Option<Risk> {
    let wish = request.delete.filter(|_| !deletes.is_empty())?;
    let lines: String = deletes.iter().map(|path| format!("{}:{}\n", path.as_str().len(), path.as_str())).collect();
    Some(Risk::Delete {
        files: deletes.len() as u64,
        first: deletes.iter().take(NAMED).cloned().collect(),
        most: wish.most.unwrap_or_else(|| bound(existing.map_or(0, |existing| existing.files.len()))),
        listing: Sha256::of(lines.as_bytes()),
    })
}

/// Why these risks, which are not confirmed, are refused, if deleting is among them.
pub(super) fn refusal(open: &[&Risk]) -> Option<Error> {
    let risk = open.iter().find(|risk| matches!(risk, Risk::Delete { .. }))?;
    let error = Error::new(ErrorKind::NeedsConfirmation, risk.describe());
    Some(match risk {
        Risk::Delete { files, most, .. } if files > most => error.hint_to(format!(
            "nothing was deleted; the plan lists all of them (--dry-run --json); pass --max-delete {files} (or max_delete to plan_migration) if they \
             shall go, or leave --delete out to keep them"
        )),
        _ => error.hint_to("pass --delete to allow it; --yes does not"),
    })
}
