//! Reads the destination back and proves every file.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;

use crate::error::{Error, ErrorKind, Result};
use crate::http::Patience;
use crate::hub::{Location, Source};
use crate::protocol::{How, ProvenFile};
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, Manifest, RepoPath, RepoRef};
use crate::verify::{Verification, verify};
use crate::worker::digests_of;

/// Ranged reads at once.
const READS: usize = 16;
/// A listing may lag behind a commit: it is read again after 1, 2, 4 and 8 seconds.
const LISTINGS: u32 = 5;

/// A file as it shall be at the destination, and how it came there.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Path, size and every digest known of it.
    pub file: FileEntry,
    /// Whether its bytes were hashed on the way in this run.
    pub streamed: bool,
}

/// What was found.
pub struct Proof {
    /// The commit that was looked at.
    pub commit: Option<String>,
    /// The listings compared.
    pub verification: Verification,
    /// Files that are proven.
    pub proven: Vec<ProvenFile>,
    /// Files that look right but could not be proven.
    pub unproven: Vec<RepoPath>,
}

/// Compares the destination with what is expected and proves each file: what was streamed by the listing, what was there already by a
/// ranged read, or with `deep` everything by reading it whole.
///
/// What is `gone` may not be listed any more; what still is counts as not proven. `after_commit` says that a listing that does not match may
/// only be late.
pub async fn prove<D: Source>(
    destination: &D,
    repo: &RepoRef,
    expected: &[Expected],
    gone: &[RepoPath],
    after_commit: bool,
    deep: bool,
) -> Result<Proof> {
    let (manifest, verification) =
        settled(destination, repo, expected, gone, after_commit).await.map_err(|error| error.during("verify"))?;
    let by_path: HashMap<_, _> = expected.iter().map(|expected| (&expected.file.path, expected)).collect();
    let matched: Vec<_> = verification.matched.iter().chain(&verification.incomparable).filter_map(|path| by_path.get(path)).collect();
    let checks = matched.into_iter().map(|expected| check(destination, &manifest, expected, deep));
    let mut outcomes = futures_util::stream::iter(checks).buffer_unordered(READS);
    let (mut proven, mut unproven, mut differing) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(outcome) = outcomes.next().await {
        match outcome? {
            Outcome::Proven(file) => proven.push(file),
            Outcome::Unproven(path) => unproven.push(path),
            Outcome::Differs(path) => differing.push(path),
        }
    }
    drop(outcomes);
    let mut verification = verification;
    verification.differing.extend(differing);
    verification.incomparable.clear();
    let stays = |path: &&RepoPath| manifest.file(path).is_some();
    unproven.extend(gone.iter().filter(stays).cloned());
    proven.sort_by(|a, b| a.path.cmp(&b.path));
    unproven.sort();
    verification.differing.sort();
    Ok(Proof { commit: manifest.commit, verification, proven, unproven })
}

async fn settled<D: Source>(
    destination: &D,
    repo: &RepoRef,
    expected: &[Expected],
    gone: &[RepoPath],
    after_commit: bool,
) -> Result<(Manifest, Verification)> {
    let mut tries = 0;
    loop {
        let info = destination.info(repo, None).await?;
        let manifest = match destination.manifest(&info).await {
            Ok(manifest) => manifest,
            // a replica that lags behind does not know the commit yet: it lists nothing of it
            Err(error) if after_commit && error.kind() == ErrorKind::NotFound => {
                Manifest { repo: info.repo, commit: info.commit, revision: info.revision, visibility: info.visibility, files: Vec::new() }
            }
            Err(error) => return Err(error),
        };
        let verification = verify(expected.iter().map(|expected| &expected.file), &manifest);
        tries += 1;
        // a file listed without a digest is not late: it is read
        let stays = gone.iter().any(|path| manifest.file(path).is_some());
        let late = stays || !verification.differing.is_empty() || !verification.missing.is_empty();
        if !late || !after_commit || tries >= LISTINGS {
            return Ok((manifest, verification));
        }
        tokio::time::sleep(Duration::from_secs(1 << (tries - 1))).await;
    }
}

enum Outcome {
    Proven(ProvenFile),
    Unproven(RepoPath),
    Differs(RepoPath),
}

async fn check<D: Source>(destination: &D, manifest: &Manifest, expected: &Expected, deep: bool) -> Result<Outcome> {
    let file = &expected.file;
    let Some(there) = manifest.file(&file.path) else { return Ok(Outcome::Unproven(file.path.clone())) };
    let proven = |digests: Digests, how| Outcome::Proven(ProvenFile { path: file.path.clone(), size: file.size, digests, how });
    let comparable = there.digests.same(&file.digests) == Some(true);
    if expected.streamed && comparable && !deep {
        return Ok(proven(file.digests.or(there.digests), How::Streamed));
    }
    // a plain git file is no longer than this, so reading it whole costs no more than asking for a range of it
    let whole = deep || !comparable || (!there.lfs && there.size <= GIT_FILE_LIMIT);
    if whole {
        return Ok(match digests_of(destination, manifest, there).await {
            Ok(found) if found.same(&file.digests) == Some(true) => proven(found.or(file.digests), How::ReadBack),
            Ok(found) if found.same(&file.digests).is_none() => Outcome::Unproven(file.path.clone()),
            Ok(_) => Outcome::Differs(file.path.clone()),
            Err(error) if error.kind() == ErrorKind::Corrupted => Outcome::Differs(file.path.clone()),
            Err(error) => return unproven_unless_fatal(error, file),
        });
    }
    match last_byte(destination, manifest, there).await {
        Ok(true) => Ok(proven(file.digests.or(there.digests), How::Reference)),
        Ok(false) => Ok(Outcome::Unproven(file.path.clone())),
        Err(error) => unproven_unless_fatal(error, file),
    }
}

/// A file that cannot be read is not proven; a token that died or a hub that is down ends the whole verification.
fn unproven_unless_fatal(error: Error, file: &FileEntry) -> Result<Outcome> {
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::RateLimited => Err(error),
        // no answer at all: the others would not get one either
        ErrorKind::Unavailable if error.fact("status").is_none() => Err(error),
        _ => Ok(Outcome::Unproven(file.path.clone())),
    }
}

/// Whether a read of the last byte finds the file, with the right size.
async fn last_byte<D: Source>(destination: &D, manifest: &Manifest, file: &FileEntry) -> Result<bool> {
    if file.size == 0 {
        return Ok(true);
    }
    let opened =
        crate::http::retry(Patience::PATIENT, || destination.open(manifest, file, file.size - 1..file.size, Location::Fresh)).await?;
    Ok(opened.total == Some(file.size))
}
