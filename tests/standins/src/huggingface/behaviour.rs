//! What may be turned on this hub while it runs: sizes, limits, and behaviours that nobody outside is sure of.

use std::collections::BTreeMap;
use std::time::Duration;

use super::card::Licences;
use crate::content::Content;

/// The hub's own dials. The defaults are what is known or most plausible; `doubtful` marks a guess.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Size of a part of a multipart upload (`chunk_size`).
    pub part_size: u64,
    /// Objects up to this size get one PUT (`basic`), larger ones parts. The real threshold is doubtful; 5 GB is its maximum.
    pub multipart_above: u64,
    /// Whether a second batch call for an unfinished multipart upload names the same upload. Doubtful.
    pub resumes_uploads: bool,
    /// Whether a blob that another repository has counts as already stored here. Doubtful.
    pub dedupes_across_repositories: bool,
    /// How long signed URLs hold.
    pub url_lifetime: Duration,
    /// Entries on a page of a tree listing.
    pub tree_page: usize,
    /// Commits on a page of the history.
    pub commits_page: usize,
    /// Repositories in a page of a list, whatever is asked for.
    pub list_page: usize,
    /// Files with a binary sample and at least this size are LFS. `u64::MAX`: the sample does not matter. Doubtful.
    pub binary_is_lfs_from: u64,
    /// Files above this size are LFS by preupload, and refused inside a commit.
    pub regular_limit: u64,
    /// Whether `resolve` of a small file redirects to `/api/resolve-cache` on the same origin.
    pub small_files_redirect: bool,
    /// Whole-file `resolve` above this size is refused; ranges pass, if nothing else is said. Doubtful, so off (`u64::MAX`).
    pub refuses_plain_above: u64,
    /// Whether ranges of such a file are refused as well. Doubtful.
    pub refuses_ranges_too: bool,
    /// Whether paths with a `.cache` folder are refused, as by the official client. Doubtful.
    pub refuses_cache_folders: bool,
    /// Whether names with control characters are refused. Doubtful.
    pub refuses_control_characters: bool,
    /// Files in one repository. Only advised against (100,000), so off.
    pub files_per_repo: usize,
    /// Entries in one folder. Only advised against (10,000), so off.
    pub entries_per_folder: usize,
    /// The largest file. 500 GB; more than 200 are advised against.
    pub largest_file: u64,
    /// Bytes that the private repositories of an account that cannot buy more may have together, without and with PRO.
    pub private_storage: (u64, u64),
    /// Ignores `visibility` on create: what a proxy or an old server does. Creates a public repository.
    pub ignores_visibility: bool,
    /// Creates private whatever is asked for: some organisations have it so.
    pub creates_private: bool,
    /// Whether the storage compares an object that comes in one PUT with its oid. Doubtful.
    pub storage_verifies: bool,
    /// API requests a user has in five minutes.
    pub api_quota: u64,
    /// `resolve` requests a user has in five minutes.
    pub resolve_quota: u64,
    /// The window of both.
    pub quota_window: Duration,
    /// `whoami-v2` requests a token has in a minute.
    pub whoami_per_minute: u64,
    /// Commits a user has in an hour.
    pub commits_per_hour: u64,
    /// LFS files in one commit.
    pub lfs_files_per_commit: usize,
    /// Payload bytes of one commit.
    pub commit_payload: usize,
    /// The licences that a card may state.
    pub licences: Licences,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            part_size: 8 << 20,
            multipart_above: 8 << 20,
            resumes_uploads: false,
            dedupes_across_repositories: false,
            url_lifetime: Duration::from_secs(3_600),
            tree_page: 1_000,
            commits_page: 50,
            list_page: 1_000,
            binary_is_lfs_from: 0,
            regular_limit: 10 << 20,
            small_files_redirect: true,
            refuses_plain_above: u64::MAX,
            refuses_ranges_too: false,
            refuses_cache_folders: false,
            refuses_control_characters: false,
            files_per_repo: usize::MAX,
            entries_per_folder: usize::MAX,
            largest_file: 500_000_000_000,
            private_storage: (100_000_000_000, 1_000_000_000_000),
            ignores_visibility: false,
            creates_private: false,
            storage_verifies: true,
            api_quota: 1_000,
            resolve_quota: 5_000,
            quota_window: Duration::from_secs(300),
            whoami_per_minute: 10,
            commits_per_hour: 128,
            lfs_files_per_commit: 25_000,
            commit_payload: 1_000_000_000,
            licences: Licences::default(),
        }
    }
}

/// How one repository misbehaves. All off by default.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// Paths that a commit acknowledges and leaves out.
    pub drops: Vec<String>,
    /// Paths whose download gives other bytes than the listing promises.
    pub serves_instead: BTreeMap<String, Content>,
    /// Paths whose listing shows another digest: the sha256 of an LFS file, else the git id.
    pub lists_instead: BTreeMap<String, String>,
    /// So many listings after each commit still show the state before it.
    pub stale_listings: u32,
    /// So many infos after each commit still name the commit before it.
    pub stale_infos: u32,
    /// Answers every write with this 403 text, as a storage lock does.
    pub locked: Option<String>,
    /// Answers every download of a file with this 403 text, as the API of an account over its quota does, while git reads on.
    pub downloads_locked: Option<String>,
    /// Where its large files lie is asked of this LFS server, which is not ours: the address that `/objects/batch` follows.
    pub lfs_server: Option<String>,
    /// The same for listings and information too.
    pub api_locked: Option<String>,
    /// Answers every commit that names a `parentCommit` with 412, as happens to tokens that may only open pull requests.
    pub always_conflicts: bool,
    /// Answers as if the repository had been deleted.
    pub gone: bool,
}
