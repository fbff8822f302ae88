//! What a refusal means to somebody who writes, whichever hub it comes from.

use crate::error::{Error, ErrorKind, Retry};
use crate::repo::RepoRef;

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

/// How long a service asks to wait, for a person.
pub(super) fn asks_to_wait(error: Error) -> Error {
    match error.retryable() {
        Retry::Later(Some(wait)) => {
            let asked = match wait.as_secs() {
                0 => return error,
                seconds @ ..120 => format!("{seconds} s"),
                seconds => format!("{} min", seconds.div_ceil(60)),
            };
            error.with("asks to wait", asked)
        }
        _ => error,
    }
}
