//! Info and listing in one call (facts, huggingface §2: `blobs=true`).

use serde::Deserialize;

use super::wire::{self, Info};
use super::{HuggingFace, api};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::glance::Glance;
use crate::repo::{Digests, FileEntry, GitSha1, RepoPath, RepoRef, Sha256, encode};

#[derive(Deserialize)]
struct Whole {
    #[serde(flatten)]
    info: Info,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<GitSha1>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Sha256,
    size: u64,
}

impl Sibling {
    fn into_file(self) -> Result<FileEntry> {
        let path = RepoPath::new(self.rfilename)?;
        let odd = || Error::new(ErrorKind::Protocol, "the hub gives a file without size or digest").with("path", &path);
        let (digests, size, lfs) = match (self.lfs, self.size, self.blob) {
            (Some(lfs), ..) => (Digests { sha256: Some(lfs.sha256), git_sha1: None }, lfs.size, true),
            (None, Some(size), Some(blob)) => (Digests { sha256: None, git_sha1: Some(blob) }, size, false),
            _ => return Err(odd()),
        };
        Ok(FileEntry { path, size, digests, lfs, read_at: None, hubs_own: false })
    }
}

impl HuggingFace {
    pub(in crate::hub) async fn glance(&self, repo: &RepoRef, revision: Option<&str>) -> Result<Glance> {
        let at = revision.map(|revision| format!("/revision/{}", encode(revision))).unwrap_or_default();
        let request = self.get(&format!("{}{at}?blobs=true", api(repo)))?;
        let Whole { info, siblings } = self.http.call(request, self.patience, wire::data::<Whole>).await?;
        Ok(Glance {
            repo: RepoRef { id: info.id.clone(), ..repo.clone() },
            visibility: Some(info.visibility()),
            commit: info.sha,
            files: siblings.into_iter().map(Sibling::into_file).collect::<Result<_>>()?,
            messages: Vec::new(),
        })
    }
}
