//! The rules a client of ModelScope should keep. Each is counted by name when broken; where the service refuses, so does
//! the stand-in.

use std::time::Duration;

use crate::strict::RuleName;

/// `Authorization` sent to the CDN that a download redirects to (facts/modelscope §2.4).
pub const AUTHORIZATION_AT_CDN: RuleName = RuleName::for_all("authorization-at-cdn");
/// `Cookie` sent to the CDN. On loopback Python's cookie jar ignores ports, so the official client does it (§7.1).
pub const COOKIE_AT_CDN: RuleName = RuleName::for_us("cookie-at-cdn");
/// A legacy call with only one of Bearer and cookie: different endpoints read different ones (§1.3).
pub const HALF_CREDENTIALS: RuleName = RuleName::for_us("half-credentials");
/// A token inside a URL, where logs keep it (§6).
pub const TOKEN_IN_URL: RuleName = RuleName::for_all("token-in-url");
/// More than a few logins: the token works without (§1.3).
pub const MANY_LOGINS: RuleName = RuleName::for_us("many-logins");

/// A fetch by git of more than one commit.
pub const GIT_NOT_SHALLOW: RuleName = RuleName::for_us("git-not-shallow");

/// A PUT of unknown length (§3.3).
pub const CHUNKED_PUT: RuleName = RuleName::for_all("chunked-put");
/// A PUT whose length is not the size its URL names (§3.3).
pub const PUT_LENGTH: RuleName = RuleName::for_all("put-length");
/// A PUT with `Range` or `Content-Type`: the official client sends neither (§3.3).
pub const PUT_HEADERS: RuleName = RuleName::for_all("put-headers");
/// A PUT over anything but HTTP/1.1: HTTP/2 was measured three times slower (§0.5).
pub const PUT_PROTOCOL: RuleName = RuleName::for_all("put-protocol");
/// A completed PUT of other bytes than its oid names (§3.3).
pub const WRONG_BYTES: RuleName = RuleName::for_all("wrong-bytes");
/// A PUT of an object that is stored already: the batch said so (§3.3).
pub const NEEDLESS_PUT: RuleName = RuleName::for_all("needless-put");
/// A second completed PUT of the same object.
pub const RESENT: RuleName = RuleName::for_all("resent");
/// A PUT of no bytes: an empty file is committed inline (§4).
pub const EMPTY_PUT: RuleName = RuleName::for_us("empty-put");

/// A batch of more than 64 objects (§3.3).
pub const BATCH_TOO_LONG: RuleName = RuleName::for_all("batch-too-long");
/// Batch calls with one new object each, where one call could have named 64 (§3.3).
pub const BATCH_ONE_BY_ONE: RuleName = RuleName::for_us("batch-one-by-one");

/// A commit that names an object nobody uploaded (§3.3).
pub const UNKNOWN_BLOB: RuleName = RuleName::for_all("unknown-blob");
/// A deletion of a file that is not there: it rejects the whole commit (§3.4).
pub const DELETES_ABSENT: RuleName = RuleName::for_all("deletes-absent");
/// A commit of more than 2000 actions (§3.4).
pub const TOO_MANY_ACTIONS: RuleName = RuleName::for_all("too-many-actions");
/// A path that starts with `./` or is otherwise unclean (§3.4).
pub const BAD_PATH: RuleName = RuleName::for_all("bad-path");
/// A commit without actions.
pub const EMPTY_COMMIT: RuleName = RuleName::for_all("empty-commit");
/// A commit of a file that is there already, byte for byte. The official client commits everything again (§7.3).
pub const IDENTICAL_FILE: RuleName = RuleName::for_us("identical-file");
/// One commit per file: throttled, and "most likely a malpractice" (§3.4).
pub const COMMIT_PER_FILE: RuleName = RuleName::for_us("commit-per-file");
/// A commit that comes before the time which the throttle's refusal named; where it named none, sooner than its sender waited before (§2.1).
pub const COMMIT_TOO_EARLY: RuleName = RuleName::for_us("commit-too-early");
/// Commits that run into the throttle again and again: who was told keeps to it (§3.4).
pub const THROTTLE_IGNORED: RuleName = RuleName::for_us("throttle-ignored");
/// An inline file of more than 5 MiB (§3.2).
pub const LARGE_INLINE: RuleName = RuleName::for_all("large-inline");
/// A file that the hub parses, such as `README.md` or `config.json`, committed as a pointer (§3.2).
pub const METADATA_AS_LFS: RuleName = RuleName::for_all("metadata-as-lfs");
/// A write to a fresh repository before its visibility was read back (§3.1).
pub const NO_READ_BACK: RuleName = RuleName::for_us("no-read-back");

/// A read by branch name where a commit could be named (§2.3, §2.4). Calls that find the head are allowed.
pub const UNPINNED_READ: RuleName = RuleName::for_us("unpinned-read");
/// A download without `Accept-Encoding: identity` (§2.4).
pub const NO_IDENTITY: RuleName = RuleName::for_us("no-identity");
/// A signed URL used again after it was refused as expired: the API gives a new one (§2.4).
pub const EXPIRED_URL_REUSED: RuleName = RuleName::for_all("expired-url-reused");
/// A listing cut off at the cap, acted upon without listing per directory (§2.3).
pub const CAPPED_LISTING_TRUSTED: RuleName = RuleName::for_all("capped-listing-trusted");

/// So many single-object batch calls in a row, each for an object not asked for before, show that no groups are made.
pub(super) const ONE_BY_ONE_LIMIT: u32 = 8;
/// So many single-action commits within a minute are a job's few stragglers; one more is a habit.
pub(super) const SINGLE_COMMITS_LIMIT: usize = 3;
/// So many commits may find the throttle out.
pub(super) const TOLD_LIMIT: u32 = 2;
/// Nobody who was refused without a time comes again sooner.
pub(super) const LEAST_WAIT: Duration = Duration::from_millis(400);
/// So many logins are a few.
pub(super) const LOGINS_LIMIT: u32 = 3;
/// Objects that the official client names in one batch call at most.
pub(super) const BATCH_LIMIT: usize = 64;
/// So many whole listings by branch name are a search for the head, before and after a change.
pub(super) const HEAD_LISTINGS_LIMIT: u32 = 4;
