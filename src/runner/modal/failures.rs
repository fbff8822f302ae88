//! What a refusal of Modal's means to the user: each row of the catalogue (facts, modal §6) in words of its own, with its next step.

use std::time::Duration;

use tonic::{Code, Status};
use url::Url;

use crate::error::{Error, ErrorKind, Retry};
use crate::secret::{SafeUrl, holds_token};

/// How much of what the service says is shown.
const LONGEST_SAID: usize = 300;
/// How much of a log is shown.
const LONGEST_TAIL: usize = 1500;

/// What a workspace is told that has all it may have.
const LIMIT: &str = "a limit of the Modal workspace is reached";

/// Whether a sandbox was refused because there are as many as there may be now, and another one may be had later.
pub fn is_full(error: &Error) -> bool {
    error.kind() == ErrorKind::RateLimited || (error.kind() == ErrorKind::Forbidden && error.message() == LIMIT)
}

/// A call that the service, or the way to it, did not carry out.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: Status,
    /// The call's name as Modal writes it.
    pub(super) call: String,
    /// How often it was sent.
    pub(super) tries: u32,
    /// For how long it had waited when the service asked for more than allowed.
    pub(super) throttled: Option<Duration>,
    /// Which client the call spoke for, and with whom: the service may gate by the first.
    pub(super) spoken: String,
    pub(super) host: String,
}

impl Refusal {
    pub(super) fn code(&self) -> Code {
        self.status.code()
    }

    /// Whether the call may have been carried out all the same.
    pub(super) fn is_ambiguous(&self) -> bool {
        is_outage(&self.status) || matches!(self.code(), Code::Internal | Code::Unknown | Code::Cancelled)
    }
}

/// Whether the service was not reached, or did not answer, rather than answered badly.
pub(super) fn is_outage(status: &Status) -> bool {
    let made_here = std::error::Error::source(status).is_some();
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
        || (made_here && matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Internal))
}

/// What a refused call means.
pub(super) fn refused(refusal: Refusal) -> Error {
    let error = match refusal.throttled {
        Some(waited) => throttled(waited),
        None => meaning(&refusal.status, &refusal.spoken),
    };
    let error = error.with("call", &refusal.call).with("host", &refusal.host);
    let error = if refusal.tries > 1 { error.with("tries", refusal.tries) } else { error };
    match said(refusal.status.message()) {
        Some(words) => error.with("it says", words),
        None => error,
    }
}

fn meaning(status: &Status, spoken: &str) -> Error {
    let later = |error: Error| error.retry(Retry::Later(None));
    match status.code() {
        Code::Unauthenticated => Error::new(ErrorKind::Unauthorized, "Modal does not take the token")
            .hint_to("make a new token at https://modal.com/settings/tokens and set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"),
        Code::PermissionDenied => Error::new(ErrorKind::Forbidden, "the Modal token may not do this")
            .hint_to("a token can be limited to environments: set MODAL_ENVIRONMENT to one it may use, or make a token with more rights"),
        Code::FailedPrecondition => Error::new(ErrorKind::Unsupported, "Modal refuses this client or this call in the state things are in")
            .with("client", spoken)
            .hint_to(
                "if it says that the client is old or unknown, set HF2MS_MODAL_CLIENT_TYPE and HF2MS_MODAL_CLIENT_VERSION, to 1 and 1.6.4 for instance",
            ),
        Code::NotFound => Error::new(ErrorKind::NotFound, "Modal does not know what the call names")
            .hint_to("check MODAL_ENVIRONMENT and MODAL_PROFILE: a sandbox, an app and an environment are known in their own workspace only"),
        Code::AlreadyExists => Error::new(ErrorKind::Conflict, "the name is taken by something that runs"),
        Code::ResourceExhausted => Error::new(ErrorKind::Forbidden, LIMIT)
            .hint_to("look at the spend limit and the plan at https://modal.com/settings/usage, raise the limit or wait, and run the same command again"),
        Code::Unimplemented => Error::new(ErrorKind::Unsupported, "Modal does not have this call, or not any more")
            .hint_to("a newer hf2ms may know its successor; `--runner local` works without Modal"),
        Code::InvalidArgument | Code::OutOfRange => Error::new(ErrorKind::InvalidInput, "Modal does not accept what was sent"),
        _ if is_outage(status) => later(Error::new(ErrorKind::Unavailable, "Modal cannot be reached or does not answer")),
        Code::Aborted | Code::Internal | Code::Unknown | Code::Cancelled => {
            later(Error::new(ErrorKind::Unavailable, "Modal could not carry out the call"))
        }
        code => Error::new(ErrorKind::Protocol, "Modal answered with a status that this call does not have").with("status", format!("{code:?}")),
    }
}

/// Modal asked to slow down for longer than allowed.
fn throttled(waited: Duration) -> Error {
    Error::new(ErrorKind::RateLimited, "Modal asks to slow down for longer than MODAL_MAX_THROTTLE_WAIT allows")
        .with("waited", format!("{} s", waited.as_secs()))
        .hint_to("run the same command again later, or set MODAL_MAX_THROTTLE_WAIT to more seconds, or not at all")
}

/// An address that tokens may not be sent to, or that is none.
pub(super) fn bad_address(address: &str) -> Error {
    // without a password that may stand in it
    let shown = Url::parse(address).map_or_else(|_| shortened(address, 100), |url| SafeUrl::new(url).to_string());
    Error::usage(
        "an address of Modal is https, or http on this machine alone",
        "set MODAL_SERVER_URL, or server_url in the profile, to an https address, or not at all",
    )
    .with("got", format!("`{shown}`"))
}

/// No address answered.
pub(super) fn unreachable(hosts: &str, last: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "Modal cannot be reached")
        .with("host", hosts)
        .with("it says", last)
        .hint_to("check the network and, behind a proxy, HTTPS_PROXY; https://status.modal.com tells whether Modal itself is down")
}

/// A proxy that cannot be used.
pub(super) fn bad_proxy(scheme: &str) -> Error {
    Error::usage(
        "calls to Modal go through http proxies only",
        "set HTTPS_PROXY to an http:// address, or MODAL_DISABLE_API_PROXY=1 to call Modal without the proxy",
    )
    .with("proxy", format!("{scheme}://…"))
}

/// The image could not be made.
pub(super) fn image_failed(image: &str, status: i32, exception: &str, log: &[String]) -> Error {
    let error = Error::new(ErrorKind::Unavailable, "Modal could not make the image that the work runs in")
        .with("image", image)
        .with("status", status)
        .hint_to("run the same command again; the image is a plain Debian, so its registry or Modal may be down");
    let error = match said(exception) {
        Some(words) => error.with("it says", words),
        None => error,
    };
    let log = tail(log);
    if log.is_empty() { error } else { error.with("log", log) }
}

/// The image was not ready in time.
pub(super) fn image_late(image: &str, waited: Duration) -> Error {
    Error::new(ErrorKind::Unavailable, "the image that the work runs in is not ready")
        .with("image", image)
        .with("waited", format!("{} min", waited.as_secs() / 60))
        .retry(Retry::Later(None))
}

/// An uploaded file did not turn up.
pub(super) fn upload_late(file: &str, waited: Duration) -> Error {
    Error::new(ErrorKind::Unavailable, "Modal has not stored an uploaded file")
        .with("file", file)
        .with("waited", format!("{} min", waited.as_secs() / 60))
        .retry(Retry::Later(None))
}

/// Creating broke off, and whether there is a sandbox now is not known.
pub(super) fn uncertain(name: Option<&str>, error: Error) -> Error {
    let error = error.reword("whether the sandbox was created is not known");
    match name {
        Some(name) => error.with("name", name).hint_instead("run the same command again: it finds the sandbox by its name, or creates it"),
        None => error.hint_instead("look at https://modal.com/apps for a sandbox that runs, and run the same command again"),
    }
}

/// A name that was taken when the sandbox should be created, and free when it was looked for, several times.
pub(super) fn name_flickers(name: &str) -> Error {
    Error::new(ErrorKind::Conflict, "the sandbox's name is taken, but no sandbox with it is found").with("name", name)
}

/// No container was free for too long.
pub(super) fn no_capacity(sandbox: &str, waited: Duration) -> Error {
    Error::new(ErrorKind::Unavailable, "Modal has no capacity for the sandbox, and it was ended")
        .with("sandbox", sandbox)
        .with("waited", format!("{} min", waited.as_secs() / 60))
        .hint_to("run the same command again later, with fewer --workers, or with `--runner local`")
}

/// The output stopped short, again and again.
pub(super) fn output_lost(sandbox: &str, tries: u32, last: Error) -> Error {
    last.reword("the sandbox's output cannot be read")
        .with("sandbox", sandbox)
        .with("tries in a row", tries)
        .hint_instead("the work itself goes on; `hf2ms status` with the migration's id asks again")
}

/// How a sandbox ended that did not end by itself, or badly.
pub(super) fn ended(sandbox: &str, status: i32, exit: Option<i32>, exception: &str) -> Error {
    let again = "run the same command again: it goes on with what the destination lacks";
    let (kind, message, hint) = match status {
        1 | 2 => (ErrorKind::Interrupted, "the sandbox's process ended badly", again),
        3 => (
            ErrorKind::Interrupted,
            "the sandbox was terminated from outside",
            "was its app stopped, or the workspace's spend limit reached? See https://modal.com/settings/usage; then run the same command again",
        ),
        4 => (ErrorKind::Interrupted, "the sandbox reached its time limit", again),
        5 => (
            ErrorKind::Unavailable,
            "the sandbox did not start",
            "is HF2MS_WORKER_BIN, or the worker beside the program, a static x86_64 Linux program? If it is, run the same command again",
        ),
        6 => (ErrorKind::Unavailable, "Modal lost the sandbox by a failure of its own", again),
        7 => (ErrorKind::Interrupted, "the sandbox was ended because it seemed idle", again),
        8..=10 => (
            ErrorKind::Interrupted,
            "the sandbox ran out of memory",
            "run the same command again, with --workers so that each carries less; it goes on with what the destination lacks",
        ),
        _ => (ErrorKind::Interrupted, "the sandbox ended in a way that hf2ms does not know", again),
    };
    let error = Error::new(kind, message).with("sandbox", sandbox).with("status", status).hint_to(hint);
    let error = match exit {
        Some(code) => error.with("exit code", code),
        None => error,
    };
    match said(exception) {
        Some(words) => error.with("it says", words),
        None => error,
    }
}

/// The service's own words, short, in one line, and without anything that looks like a token.
fn said(message: &str) -> Option<String> {
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return None;
    }
    if holds_token(&words) {
        return Some("something with a token in it".to_owned());
    }
    Some(format!("`{}`", shortened(&words, LONGEST_SAID)))
}

/// The beginning, as far as it fits.
fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The end of a log, one line.
fn tail(lines: &[String]) -> String {
    let kept: Vec<_> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !holds_token(line)).collect();
    let text = kept.join(" | ");
    let skipped = text.chars().count().saturating_sub(LONGEST_TAIL);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests;
