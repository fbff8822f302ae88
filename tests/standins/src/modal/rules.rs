//! The rules a client of Modal should keep. Each is counted by name when broken; where the service refuses, so does the
//! stand-in. Numbers in brackets are sections of facts/modal.

use crate::strict::RuleName;

/// A client type and version that no official client has (§1): refused with `FAILED_PRECONDITION`.
pub const CLIENT_GATE: RuleName = RuleName::for_all("client-gate");
/// Type 8 or 9 without `x-modal-libmodal-version`, which the clients of these types always send (§1).
pub const LIBMODAL_VERSION: RuleName = RuleName::for_all("libmodal-version");
/// A unary call whose `x-idempotency-key` is missing or no random UUID (§1).
pub const IDEMPOTENCY_KEY: RuleName = RuleName::for_all("idempotency-key");
/// An idempotency key on another call, or on other bytes, than it was first used for (§1).
pub const KEY_REUSED: RuleName = RuleName::for_all("idempotency-key-reused");
/// A unary call without its retry counters (§1).
pub const RETRY_COUNTERS: RuleName = RuleName::for_all("retry-counters");
/// A V2 sandbox call without `x-modal-auth-token` (§1).
pub const AUTH_TOKEN: RuleName = RuleName::for_all("auth-token");
/// A sandbox token that was given out for another sandbox, or never (§1).
pub const SANDBOX_TOKEN: RuleName = RuleName::for_all("sandbox-token");
/// A message of more than 100 MiB (§1).
pub const MESSAGE_SIZE: RuleName = RuleName::for_all("message-size");

/// A secret outside the fields for secrets: arguments, tags, names, image commands, files, labels (§0.4).
pub const SECRET_OUTSIDE: RuleName = RuleName::for_all("secret-outside");
/// A secret in what a sandbox prints (§3).
pub const SECRET_PRINTED: RuleName = RuleName::for_all("secret-printed");
/// A secret that is stored under a name: only nameless ones end with what they were made for (§2.5).
pub const STORED_SECRET: RuleName = RuleName::for_all("stored-secret");

/// An app, image, mount, secret, blob or environment that nobody made (§6).
pub const UNKNOWN_ID: RuleName = RuleName::for_all("unknown-id");
/// A name of an app or sandbox with other characters than `[A-Za-z0-9-_.]`, or longer than 64 (§2.1).
pub const BAD_NAME: RuleName = RuleName::for_all("bad-name");
/// A tag whose key or value is not `[A-Za-z0-9._-]{1,63}` (§2.6).
pub const BAD_TAG: RuleName = RuleName::for_all("bad-tag");
/// A way of making an object that does not fit it (§2).
pub const CREATION_TYPE: RuleName = RuleName::for_all("creation-type");
/// An image recipe without a base, or of a builder version that does not exist (§2.2, §2.3).
pub const BAD_IMAGE: RuleName = RuleName::for_all("bad-image");
/// A sandbox in an image whose build nobody saw succeed (§2.3).
pub const IMAGE_NOT_READY: RuleName = RuleName::for_all("image-not-ready");

/// A blob announced with digests that are none, or with no bytes (§2.4).
pub const BAD_BLOB: RuleName = RuleName::for_all("bad-blob");
/// A PUT without `Content-MD5`. The official client leaves it out on loopback (§2.4).
pub const NO_CONTENT_MD5: RuleName = RuleName::for_us("no-content-md5");
/// A PUT whose `Content-MD5` is not that of its bytes or of its announcement (§2.4).
pub const CONTENT_MD5: RuleName = RuleName::for_all("content-md5");
/// A PUT with another `Content-Type` than `application/octet-stream` (§2.4).
pub const PUT_TYPE: RuleName = RuleName::for_all("put-content-type");
/// A PUT of another length than announced (§2.4).
pub const PUT_LENGTH: RuleName = RuleName::for_all("put-length");
/// A file whose bytes have another SHA-256 than it was given (§2.4).
pub const WRONG_BYTES: RuleName = RuleName::for_all("wrong-bytes");
/// A file of 4 MiB or more inside a call, which a blob should carry (§2.4).
pub const LARGE_INLINE: RuleName = RuleName::for_all("large-inline");
/// A file sent although it is there (§2.4).
pub const NEEDLESS_UPLOAD: RuleName = RuleName::for_all("needless-upload");
/// A mount of a path that is not absolute and clean, or of no files (§2.4).
pub const BAD_MOUNT: RuleName = RuleName::for_all("bad-mount");

/// `timeout_secs` absent or above 86,400 (§2.6).
pub const TIMEOUT_SECS: RuleName = RuleName::for_all("timeout-secs");
/// An idle timeout: it would end a healthy worker (§2.6).
pub const IDLE_TIMEOUT: RuleName = RuleName::for_all("idle-timeout");
/// An entrypoint of no words, or of more than 65,536 bytes (§2.6).
pub const ENTRYPOINT_SIZE: RuleName = RuleName::for_all("entrypoint-size");
/// A working directory that is not absolute (§2.6).
pub const BAD_WORKDIR: RuleName = RuleName::for_all("bad-workdir");
/// An ephemeral disk, which sandboxes do not have (§2.6).
pub const EPHEMERAL_DISK: RuleName = RuleName::for_all("ephemeral-disk");
/// A sandbox of one generation in a call of the other (§2.6).
pub const WRONG_GENERATION: RuleName = RuleName::for_all("wrong-generation");
/// A listing of a whole environment: deprecated (§2.9).
pub const LIST_WITHOUT_APP: RuleName = RuleName::for_all("list-without-app");

/// A read of logs beyond 20,000 entries or 35 days (§3).
pub const LOG_RANGE: RuleName = RuleName::for_all("log-range");
/// A router's token used for another task (§3).
pub const FOREIGN_TASK: RuleName = RuleName::for_all("foreign-task");
/// A call of the router without any token (§3).
pub const ROUTER_TOKEN: RuleName = RuleName::for_all("router-token");

/// The largest message, either way.
pub(super) const MESSAGE_LIMIT: usize = 100 << 20;
/// From here on a file goes by blob.
pub(super) const INLINE_LIMIT: usize = 4 << 20;
/// The largest entrypoint, all its words together.
pub(super) const ENTRYPOINT_LIMIT: usize = 65_536;
/// The longest life of a sandbox.
pub(super) const TIMEOUT_LIMIT: u32 = 86_400;
/// The most log entries in one answer.
pub(super) const LOG_LIMIT: u32 = 20_000;
/// The longest stretch of log history in one call, in seconds.
pub(super) const LOG_RANGE_SECS: u64 = 35 * 86_400;
