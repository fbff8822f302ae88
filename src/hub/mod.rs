//! The two shores: what a migration reads from and writes to.

mod account;
mod download;
mod git;
pub mod glance;
pub mod huggingface;
pub mod lfs;
pub mod modelscope;
pub mod namespace;
mod reach;
mod refusal;
mod shore;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::http::{Incoming, Request, Troubles, UploadBody};
use crate::repo::{FileEntry, Manifest, RepoPath, RepoRef, Sha256, Visibility};
use crate::secret::{SafeUrl, without_tokens};

pub use account::{Account, Grant, PRIVATE_STORAGE, WRITES};
pub use download::PLAIN_LIMIT;
pub use huggingface::HuggingFace;
pub use lfs::{Ticket, Upload};
pub use modelscope::ModelScope;
pub use reach::reach;
pub use refusal::gone;
use refusal::{GATED, LOCKED, MAY_NOT, at_the_gate, quoted, refused, since_listed, taken, unexpected, web_page};
pub use shore::{Hub, ReadBy};

/// What a repository is, without its listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoInfo {
    /// Its address, with the name the hub gave back where that differs from the one asked for.
    pub repo: RepoRef,
    /// The commit at the revision asked for; `None` for a repository without commits.
    pub commit: Option<String>,
    /// The branch or tag asked for.
    pub revision: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// The commit that created it, where the hub tells and it matters.
    pub first_commit: Option<String>,
    /// Paths of files at that commit, where the hub names them beside its listing: one without any of them is not whole.
    pub names: Arc<[String]>,
}

/// What a call to create a repository led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The repository, read back.
    pub info: RepoInfo,
    /// Whether this call made it. If not, somebody else did.
    pub made: bool,
}

/// A body that arrives, from byte `start` of the file on.
pub struct Opened {
    /// The answer, its body unread.
    pub response: Incoming,
    /// Where the body starts. 0 when the server ignored the range.
    pub start: u64,
    /// The size of the whole file, when the server says it.
    pub total: Option<u64>,
    /// What identifies the content: equal validators mean equal bytes.
    pub validator: Option<String>,
}

/// Whether a location found a moment ago may be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// Found within the last minutes for the same file: fine.
    Recent,
    /// Asked for anew: after any failure.
    Fresh,
}

/// The half of a hub that a migration reads.
pub trait Source: Send + Sync {
    /// Looks a repository up. Fails with `NotFound` when it, or the revision, does not exist or hides from this token.
    fn info(&self, repo: &RepoRef, revision: Option<&str>) -> impl Future<Output = Result<RepoInfo>> + Send;

    /// Lists every file at the commit of `info`, in the order of their paths.
    ///
    /// Fails with `Unsupported` when the hub cannot list the repository whole: never a shorter listing.
    fn manifest(&self, info: &RepoInfo) -> impl Future<Output = Result<Manifest>> + Send;

    /// The whole message of the commit of `info`; `None` where the hub does not tell.
    fn message(&self, info: &RepoInfo) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Opens a file for reading, from `range.start` to `range.end`. The body may start earlier, see [`Opened::start`].
    ///
    /// Credentials stay on the hub's own origin. One attempt; the caller goes on or gives up.
    fn open(
        &self,
        manifest: &Manifest,
        file: &FileEntry,
        range: Range<u64>,
        location: Location,
    ) -> impl Future<Output = Result<Opened>> + Send;

    /// Why it is read by git; `None` while it is read over its hub's API.
    fn by_git(&self) -> Option<&str> {
        None
    }

    /// How often its hosts asked for less so far, among downloads and uploads.
    fn troubles(&self) -> Troubles;

    /// Tells whoever listens of a wait before another try of a transfer.
    fn tell_wait(&self, error: &Error, wait: Duration) {
        let _nobody = (error, wait);
    }

    /// Transfers at once that are never exceeded, however well they go.
    fn most_streams(&self) -> usize;

    /// Says whose token it is. Fails with `Unauthorized` when there is none or it is refused.
    fn account(&self) -> impl Future<Output = Result<Account>> + Send;
}

/// A content to put: by digest, never by path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    /// Of the content.
    pub sha256: Sha256,
    /// Its size.
    pub size: u64,
}

/// The start of a file, from which a hub decides how it wants it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where it shall lie.
    pub path: RepoPath,
    /// Its size.
    pub size: u64,
    /// Its first 512 bytes, or all.
    pub head: Bytes,
}

/// How a hub wants a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Its content inside the commit.
    Inline,
    /// As a blob beforehand.
    Lfs,
}

/// What a commit does with one path.
#[derive(Clone, Debug)]
pub enum Action {
    /// Points to a blob that was put.
    Blob {
        /// The path.
        path: RepoPath,
        /// The content.
        blob: Blob,
    },
    /// Carries the content.
    Inline {
        /// The path.
        path: RepoPath,
        /// The content.
        content: Bytes,
    },
    /// Takes the file away.
    Delete {
        /// The path.
        path: RepoPath,
    },
}

impl Action {
    /// The path it is about.
    pub fn path(&self) -> &RepoPath {
        match self {
            Self::Blob { path, .. } | Self::Inline { path, .. } | Self::Delete { path } => path,
        }
    }
}

/// Several actions that become visible together.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The first line of the message.
    pub title: String,
    /// The rest: source, revision and migration, one a line.
    pub trailers: String,
    /// The head it builds on.
    pub parent: Option<String>,
    /// What it does.
    pub actions: Vec<Action>,
    /// The paths among them that are there already with other content.
    pub replaces: std::collections::BTreeSet<RepoPath>,
}

/// What a hub takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitLimits {
    /// Actions in one commit.
    pub actions: usize,
    /// Bytes of content inside one commit.
    pub inline: u64,
    /// Blobs in one negotiation.
    pub negotiate: usize,
    /// Samples in one routing call.
    pub route: usize,
}

/// The half it writes. What was written can be read back.
pub trait Destination: Source {
    /// Creates the repository and reads back who may read it.
    ///
    /// Fails with `Forbidden` when the token may not. Whether the hub made it more open than asked is the caller's to see.
    fn create(&self, repo: &RepoRef, visibility: Visibility, licence: Option<&str>) -> impl Future<Output = Result<Created>> + Send;

    /// Asks whether the hub would take this card. Fails with `InvalidInput` in its own words.
    fn check_card(&self, repo: &RepoRef, card: &str) -> impl Future<Output = Result<()>> + Send;

    /// Asks how the hub wants these files, in their order.
    fn route(&self, info: &RepoInfo, samples: &[Sample]) -> impl Future<Output = Result<Vec<Route>>> + Send;

    /// Asks which of these blobs the hub lacks: a ticket for each of those, `None` for what it has, in their order.
    fn negotiate(&self, info: &RepoInfo, blobs: &[Blob]) -> impl Future<Output = Result<Vec<Option<Ticket>>>> + Send;

    /// Sends one body to where a ticket says. One attempt. Returns the part's tag, where the storage gives one.
    fn put(&self, request: &Request, body: UploadBody) -> impl Future<Output = Result<Option<String>>> + Send;

    /// Ends an upload: the completion call of a multipart one and the verification the ticket asks for.
    fn complete(&self, ticket: &Ticket, tags: &[String]) -> impl Future<Output = Result<()>> + Send;

    /// Makes the actions visible as one commit and returns its id. One attempt: the caller compares after an error.
    fn commit(&self, info: &RepoInfo, commit: &Commit) -> impl Future<Output = Result<String>> + Send;

    /// What it takes at a time.
    fn limits(&self) -> CommitLimits;

    /// Whether a file of this path and size, all of it at hand, goes in as a blob without asking.
    fn is_surely_lfs(&self, path: &RepoPath, size: u64) -> bool;
}

/// Takes an endpoint as configured, and whether it is on loopback.
///
/// Fails with `Usage` for anything but `https://`, or `http://` on loopback: a token would travel in the clear.
fn endpoint(text: &str) -> Result<(Url, bool)> {
    let hint = "use an address like https://huggingface.co or https://modelscope.cn; http:// is accepted on loopback only";
    let refuse = |why: &'static str| Error::usage(why, hint);
    let url = Url::parse(text.trim_end_matches('/'))
        .map_err(|error| refuse("the endpoint is not a URL").with("got", without_tokens(text)).because(error))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        _ if !plain => Err(refuse("the endpoint is more than scheme and host").with("got", SafeUrl::new(url))),
        "https" => Ok((url, loopback)),
        "http" if loopback => Ok((url, true)),
        _ => Err(refuse("the endpoint is neither https nor on loopback").with("got", SafeUrl::new(url))),
    }
}
