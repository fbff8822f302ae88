//! What may be turned on this hub while it runs: limits, and behaviours that differ between its sites or that nobody
//! outside is sure of.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::content::Content;

/// The hub's own dials. The defaults are what facts/modelscope says was seen; what it marks `[?]` has a switch for the
/// other answer.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The code of "name taken". §2.1: the two sites differ.
    pub site: Site,
    /// Whether an API token opens `users/organizations` and `users/login/info`; a login session always does. §1.3 `[?]`
    pub token_opens_organizations: bool,
    /// Whether datasets have a `revisions` route. §2.2: some deployments answer 404.
    pub dataset_revisions: bool,
    /// Whether the OpenAPI list leaves private datasets out. §2.2
    pub index_misses_private: bool,
    /// Whether a listing may be asked for by commit id.
    pub listing_by_commit: bool,
    /// Whether listings show `Sha256`. §2.3: it may be empty. For single files: [`Quirks::lists_instead`].
    pub listing_shows_sha256: bool,
    /// How many entries a model listing has at most. §2.3
    pub listing_cap: usize,
    /// How many entries a page of a dataset listing has at most, whatever is asked for. Off by default.
    pub page_limit: u64,
    /// Whether files under review download. §2.3 `[?]`
    pub in_check_downloads: bool,
    /// What a download of a missing file answers. §2.4: two reports, two answers.
    pub missing_file: MissingFile,
    /// Whether inline files come chunked, without a length. §2.4
    pub inline_chunked: bool,
    /// How long an `auth_key` of the CDN holds. §2.4: 20 to 30 minutes.
    pub auth_key_lifetime: Duration,
    /// Whether the CDN names the sha256 in `X-Linked-ETag`. §2.4
    pub cdn_names_sha256: bool,
    /// Whose uploads spare others theirs. §3.3: global, §9.11 `[?]`
    pub dedup: Dedup,
    /// Objects whose batch entry carries an `error`: oid → code and message.
    pub refused_objects: HashMap<String, (u64, String)>,
    /// The `offset` every upload action names. §3.3: 0 was always seen.
    pub upload_offset: u64,
    /// Whether a broken PUT can be continued: the batch then names what was kept, and `Range` is honoured. §3.3 `[?]`
    pub resumable_puts: bool,
    /// Whether the gateway compares an upload's sha256 with its oid. §3.3 `[?]`
    pub gateway_verifies_sha256: bool,
    /// The largest number of actions in a commit. §3.4
    pub commit_actions: usize,
    /// Commits of more actions than this are called against the policy, however long one waits. Off by default. §2.1, §3.4 `[?]`
    pub policy_above: usize,
    /// Whether names with control characters are refused. `[?]`
    pub refuses_control_characters: bool,
    /// Files in one repository: a limit of the official client's (§3.7), which the service is not known to share. Off by default.
    pub files_per_repo: usize,
    /// Entries in one folder. The same.
    pub entries_per_folder: usize,
    /// Bytes of one file. The same.
    pub largest_file: u64,
    /// Inline bytes of one commit. The same.
    pub inline_total: u64,
    /// The largest inline file. §3.2 `[?]`
    pub inline_limit: u64,
    /// What `create` does to a path that exists. §3.4, §9.4 `[?]`
    pub create_on_existing: CreateOnExisting,
    /// How often a repository may be committed to. §3.4: dynamic and undisclosed; off by default.
    pub commit_throttle: Option<Throttle>,
    /// Whether a fresh model holds `configuration.json`. §3.1 `[?]`
    pub fresh_configuration_json: bool,
    /// Whether a fresh dataset holds `dataset_infos.json`. §3.1 `[?]`
    pub fresh_dataset_infos: bool,
    /// Whether git takes an API token as password, besides the one that a login gives. §3.5 `[?]`
    pub git_takes_api_tokens: bool,
    /// Whether logins with an API token are refused. `[?]`
    pub refuses_logins: bool,
    /// Ignores `Visibility` on create: what a proxy or an old server does. Creates a public repository.
    pub ignores_visibility: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            site: Site::China,
            token_opens_organizations: false,
            dataset_revisions: true,
            index_misses_private: false,
            listing_by_commit: true,
            listing_shows_sha256: true,
            listing_cap: 3000,
            page_limit: u64::MAX,
            in_check_downloads: false,
            missing_file: MissingFile::NotFound,
            inline_chunked: false,
            auth_key_lifetime: Duration::from_secs(25 * 60),
            cdn_names_sha256: true,
            dedup: Dedup::Global,
            refused_objects: HashMap::new(),
            upload_offset: 0,
            resumable_puts: false,
            gateway_verifies_sha256: true,
            commit_actions: 2000,
            policy_above: usize::MAX,
            refuses_control_characters: false,
            files_per_repo: usize::MAX,
            entries_per_folder: usize::MAX,
            largest_file: u64::MAX,
            inline_total: u64::MAX,
            inline_limit: 5 << 20,
            create_on_existing: CreateOnExisting::Overwrites,
            commit_throttle: None,
            fresh_configuration_json: false,
            fresh_dataset_infos: false,
            git_takes_api_tokens: false,
            refuses_logins: false,
            ignores_visibility: false,
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
    /// Paths whose listing shows another digest; an empty one for none at all (§2.3).
    pub lists_instead: BTreeMap<String, String>,
    /// So many listings after each commit still show the state before it.
    pub stale_listings: u32,
    /// Paths that are under review: their entries say `InCheck` (§2.3).
    pub in_check: Vec<String>,
    /// Answers every download of a file with this 403 text.
    pub downloads_locked: Option<String>,
    /// Where its large files lie is asked of this LFS server, which is not ours: the address that `/objects/batch` follows.
    pub lfs_server: Option<String>,
    /// The same for listings and information too.
    pub api_locked: Option<String>,
    /// Answers as if the repository had been deleted.
    pub gone: bool,
}

/// Which of the two sites is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// modelscope.cn: a code per kind of repository, Chinese texts.
    China,
    /// modelscope.ai: one code, English texts.
    International,
}

/// What a download of a missing file answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingFile {
    /// 404.
    NotFound,
    /// 200, with an error as JSON.
    OkWithError,
}

/// Where an object counts as stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dedup {
    /// Everywhere.
    Global,
    /// In the repositories of the same owner.
    PerOwner,
    /// In the repository it was uploaded to.
    PerRepo,
}

/// What `create` does to a path that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOnExisting {
    /// Replaces the file.
    Overwrites,
    /// Replaces it, but refuses the commit when the content is the same: older servers.
    RefusesIdentical,
    /// Refuses the commit; `update` is wanted.
    Refuses,
}

/// A limit on commits to one repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// This many commits …
    pub commits: usize,
    /// … in this time.
    pub window: Duration,
    /// What the next one hears.
    pub answer: Throttled,
}

impl Throttled {
    /// The time that a refusal names, when so much is left.
    pub(super) fn named(self, left: Duration) -> Option<Duration> {
        match self {
            Self::TooManyRequests(seconds) => seconds.map(Duration::from_secs),
            Self::Told => Some(Duration::from_secs(left.as_secs_f64().ceil() as u64)),
            Self::Policy => None,
        }
    }
}

impl Throttle {
    /// From the first of so many commits to the last, at best.
    pub fn takes(self, commits: u64) -> Duration {
        let windows = commits.saturating_sub(1) / self.commits.max(1) as u64;
        self.window * u32::try_from(windows).unwrap_or(u32::MAX)
    }
}

/// How a throttled commit is refused. §2.1: both were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttled {
    /// 429 "Commit frequency limit exceeded", with `Retry-After` in seconds if given.
    TooManyRequests(Option<u64>),
    /// The same, naming the seconds until one more is taken.
    Told,
    /// 400 with code 10030000001 and the policy text.
    Policy,
}
