//! What refusals mean on either hub, and what a person can do about them.

use std::time::Duration;

use reqwest::StatusCode;

use crate::error::{Error, ErrorKind, Retry};
use crate::http::{classify, later};
use crate::repo::{RepoRef, is_obeyed};

/// A refusal that says no more.
pub(super) const MAY_NOT: &str = "the token may not do this";
/// A refusal of who has not been let in.
pub(super) const GATED: &str = "the repository is gated and its terms are not accepted";

/// A refusal of whose storage is over its limit.
pub(super) const LOCKED: &str = "the account's storage is used up or locked";

/// A refused read: who may see a gated repository may not yet read its files, and only its page lets them in.
pub(super) fn at_the_gate(error: Error, page: &str) -> Error {
    match error.message() {
        GATED => error.hint_instead(format!("open {page} while signed in, accept its terms or ask for access, and run again")),
        MAY_NOT => error.hint_instead(format!(
            "open {page} while signed in, accept its terms or ask for access, or use a token that may read it, and run again"
        )),
        _ => error,
    }
}

/// A refused download of a file that was listed: what is different now came in between.
pub(super) fn since_listed(error: Error, page: &str) -> Error {
    match (error.kind(), error.own_hint().map(str::to_owned)) {
        (ErrorKind::NotFound, _) => error.hint_instead(format!(
            "it was there when it was listed, so it was deleted, renamed or hidden since: look at {page}, then run the same command again"
        )),
        (ErrorKind::Unauthorized, Some(hint)) => {
            error.hint_instead(format!("{hint}; then run the same command again: it goes on with what is missing"))
        }
        _ => error,
    }
}

/// A refusal that the status alone explains.
pub(super) fn refused(hub: &str, status: StatusCode, asked: Option<Duration>) -> Error {
    let (kind, retry) = classify(status, asked);
    let message = match kind {
        ErrorKind::Unavailable => format!("{hub} is not working right now"),
        ErrorKind::TooLarge => format!("too much at once for {hub}"),
        ErrorKind::Protocol => format!("an answer that {hub} does not document"),
        _ => format!("{hub} refused"),
    };
    let error = Error::new(kind, message);
    match retry {
        Retry::Later(asked) => later(error, asked),
        Retry::Never => error,
    }
}

/// What a portal, a proxy or a gateway gives in place of an answer. It passes, mostly.
pub(super) fn web_page(hub: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("a web page came in place of an answer of {hub}"))
        .hint_to("look whether something stands between: a portal that wants a sign-in, a proxy; then run the same command again")
}

/// An answer to a download that nothing explains.
pub(super) fn unexpected() -> Error {
    Error::new(ErrorKind::Protocol, "an answer that is neither the file nor an error")
}

/// A service's words, fit for one line: nothing that a terminal would obey, at most 300 characters.
pub(super) fn quoted(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().filter(|character| !is_obeyed(*character)).take(300).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// A name that is taken by something that does not show itself to this token.
pub(super) fn taken(error: Error, repo: &RepoRef) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::new(ErrorKind::Forbidden, "the name is taken, by a repository that this token may not see")
            .with("repo", repo)
            .hint_to("nothing was created; choose another name with --dest"),
        _ => error,
    }
}

/// A repository that was there a moment ago, when the migration was planned.
pub fn gone(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error
            .reword("the destination is gone: it was deleted, or hidden from this token")
            .hint_instead("see what became of it on its page; the same command makes it anew and sends again what went with it"),
        _ => error,
    }
}
