//! What refusals mean on either hub, and what a person can do about them.

use std::time::Duration;

use reqwest::StatusCode;

use crate::error::{Error, ErrorKind, Retry};
use crate::http::{classify, later};

/// A refusal that says no more.
pub(super) const MAY_NOT: &str = "the token may not do this";
/// A refusal of who has not been let in.
pub(super) const GATED: &str = "the repository is gated and its terms are not accepted";

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
    match (error.kind(), error.hint().map(str::to_owned)) {
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
    let error = match kind {
        ErrorKind::Unavailable => Error::new(kind, format!("{hub} is not working right now")),
        _ => Error::new(kind, format!("{hub} refused")),
    };
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

/// A service's words, fit for one line: no control characters, at most 300 characters.
pub(super) fn quoted(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().filter(|character| !character.is_control()).take(300).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
