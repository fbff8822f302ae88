//! The rules a client of this hub is held to.

use crate::strict::RuleName;

/// A hub token or a cookie sent to the storage host or the CDN.
pub const TOKEN_OFF_HUB: RuleName = RuleName::for_all("token-off-hub");
/// A hub token in a URL.
pub const TOKEN_IN_URL: RuleName = RuleName::for_all("token-in-url");
/// A PUT to storage without a length; object stores take none.
pub const CHUNKED_PUT: RuleName = RuleName::for_all("chunked-put");
/// A PUT of another length than its ticket says.
pub const PUT_LENGTH: RuleName = RuleName::for_all("put-length");
/// Bytes that are not those of the oid they were sent for.
pub const WRONG_BYTES: RuleName = RuleName::for_all("wrong-bytes");
/// A PUT of an object that is stored already.
pub const NEEDLESS_PUT: RuleName = RuleName::for_all("needless-put");
/// A part or object sent again under the ticket by which it had arrived.
pub const RESENT: RuleName = RuleName::for_all("resent");
/// A completion that does not name every part with its ETag.
pub const INCOMPLETE_PARTS: RuleName = RuleName::for_all("incomplete-parts");
/// An expired URL used again after the storage said so.
pub const EXPIRED_URL_REUSED: RuleName = RuleName::for_all("expired-url-reused");
/// A commit of a blob that is not stored.
pub const UNKNOWN_BLOB: RuleName = RuleName::for_all("unknown-blob");
/// The same stale `parentCommit` again, without a look at the repository in between.
pub const STALE_PARENT_REPEATED: RuleName = RuleName::for_all("stale-parent-repeated");
/// A commit without `parentCommit`: it cannot be repeated safely.
pub const NO_PARENT: RuleName = RuleName::for_us("no-parent-commit");
/// A commit that changes nothing.
pub const EMPTY_COMMIT: RuleName = RuleName::for_all("empty-commit");
/// A deletion of a file that the head it names does not have.
pub const DELETES_ABSENT: RuleName = RuleName::for_all("deletes-absent");
/// A file sent inside a commit although preupload said `lfs`.
pub const INLINE_LFS: RuleName = RuleName::for_all("inline-lfs");
/// An empty file as LFS object.
pub const EMPTY_LFS: RuleName = RuleName::for_all("empty-lfs");
/// A path the hub does not take: absolute, with `.`/`..`, or inside `.git`.
pub const BAD_PATH: RuleName = RuleName::for_all("bad-path");
/// A fetch by git of more than one commit.
pub const GIT_NOT_SHALLOW: RuleName = RuleName::for_us("git-not-shallow");
/// More than 256 files in a preupload.
pub const PREUPLOAD_TOO_LONG: RuleName = RuleName::for_all("preupload-too-long");
/// More than 256 objects in a batch.
pub const BATCH_TOO_LONG: RuleName = RuleName::for_all("batch-too-long");
/// A tree or file read by branch name: its commit may change between two reads.
pub const UNPINNED_READ: RuleName = RuleName::for_us("unpinned-read");
/// A file read without `Accept-Encoding: identity`: the hub may compress it.
pub const NO_IDENTITY: RuleName = RuleName::for_us("no-identity");
/// `paths-info` asked for one path at a time.
pub const PATHS_ONE_BY_ONE: RuleName = RuleName::for_us("paths-one-by-one");
/// Batch calls with one new object each, where one call could have named 256.
pub const BATCH_ONE_BY_ONE: RuleName = RuleName::for_us("batch-one-by-one");
/// A HEAD of many files, where the tree says the same at once.
pub const HEAD_PER_FILE: RuleName = RuleName::for_us("head-per-file");
/// More than ten `whoami-v2` in a minute.
pub const WHOAMI_TOO_OFTEN: RuleName = RuleName::for_all("whoami-too-often");
/// A list of all repositories of the site, where one namespace is meant.
pub const LIST_OF_ALL: RuleName = RuleName::for_us("list-of-all");
/// A write to a repository just created before its visibility was read back.
pub const NO_READ_BACK: RuleName = RuleName::for_us("no-read-back");

/// From this many single-path `paths-info` or single-object batch calls in a row on, larger groups were clearly possible.
/// Eight leaves room for stragglers, retries and small jobs.
pub(super) const ONE_BY_ONE_LIMIT: u32 = 8;
/// So many files of a commit may be asked for by HEAD: a handful of spot checks.
pub(super) const HEAD_LIMIT: usize = 16;
