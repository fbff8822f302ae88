//! What went wrong, with next steps that fit here: there is no migration that would go on.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::runner::modal::{Ended, EndedHow};
use crate::secret::holds_token;

/// How much is shown of a line that says nothing.
const LONGEST: usize = 200;

/// The time was over before this step was done.
pub(super) fn late(step: &str, most: Duration) -> Error {
    let (message, hint) = match step {
        "worker" => (
            "the program for sandboxes has not come yet",
            "it is fetched once, from the release that this program was built with; over a slow line give it a longer --timeout",
        ),
        "image" => (
            "the image is not ready",
            "the first image of a workspace can take minutes: run `hf2ms smoke` again, or with a longer --timeout",
        ),
        "files" => ("the program is not stored yet", "it goes up once; over a slow line give it a longer --timeout"),
        "sandbox" => (
            "Modal has found no container for the sandbox",
            "Modal has no room just now, or the workspace has as many containers as it may: run `hf2ms smoke` again later",
        ),
        "run" => (
            "the program in the sandbox has said nothing",
            "if Modal's dashboard (https://modal.com/apps) shows a line of it, its output does not get through to here: with the other value \
             of MODAL_SANDBOX_V2 (1, or 0 for the older calls) it goes another way. If it shows none, run `hf2ms smoke` again",
        ),
        _ => (
            "Modal does not answer",
            "check the network and, behind a proxy, HTTPS_PROXY; https://status.modal.com tells whether Modal itself is down",
        ),
    };
    Error::new(ErrorKind::Unavailable, message).with("waited", format!("{} s in all", most.as_secs())).hint_to(hint)
}

/// Ctrl-C.
pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped on request")
}

/// Creating failed; whether it was carried out may be open.
pub(super) fn not_created(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable => {
            error.hint_instead("run `hf2ms smoke` again; https://status.modal.com tells whether Modal itself is down")
        }
        _ => error,
    }
}

/// The sandbox's output is over, and what was asked for was not in it.
pub(super) fn ended_unasked(sandbox: &str, ended: Option<&Ended>, first_line: Option<&str>) -> Error {
    let again = "run `hf2ms smoke` again; Modal's dashboard (https://modal.com/apps) keeps all that the sandbox printed";
    let error = match ended.and_then(|ended| Some((ended.how, ended.failure()?))) {
        // these have a next step of their own
        Some((EndedHow::NotStarted | EndedHow::Terminated, error)) => error,
        Some((_, error)) => error.hint_instead(again),
        None => Error::new(ErrorKind::Interrupted, "the program in the sandbox ended without a word")
            .with("sandbox", sandbox)
            .hint_to("is the program for sandboxes (HF2MS_WORKER_BIN) an hf2ms of this version? If it is, run `hf2ms smoke` again"),
    };
    match first_line.filter(|line| !holds_token(line)) {
        Some(line) => {
            let line: String = line.chars().filter(|character| !character.is_control()).take(LONGEST).collect();
            error.with("it printed", format!("`{line}`"))
        }
        None => error,
    }
}

/// Ending took too long.
pub(super) fn not_ended() -> Error {
    Error::new(ErrorKind::Unavailable, "whether the sandbox was ended is not known")
}

/// It was told to end.
pub(super) fn still_runs(sandbox: &str) -> Error {
    Error::new(ErrorKind::Unavailable, "the sandbox was told to end, and still runs").with("sandbox", sandbox)
}

/// Nothing has to be done about a sandbox that is left; it costs what it runs.
pub(super) fn ends_by_itself(error: Error) -> Error {
    error.hint_instead("it ends by itself before long; sooner at https://modal.com/apps")
}

/// The error with another next step, where its own is about migrations, or it has none.
pub(super) fn fitting(error: Error) -> Error {
    match error.kind() {
        ErrorKind::RateLimited => error.reword("Modal asks to wait for longer than this check may take").hint_instead(
            "Modal has no room for another container just now, or was asked too much: run `hf2ms smoke` again later; a migration would wait",
        ),
        ErrorKind::Unavailable if error.own_hint().is_none() => {
            error.hint_to("run `hf2ms smoke` again; https://status.modal.com tells whether Modal itself is down")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_still_on_its_way_is_told_from_a_modal_that_does_not_answer() {
        let error = late("worker", Duration::from_secs(150));
        insta::assert_snapshot!(format!("{error}\nhint: {}", error.hint().unwrap_or_default()), @"
        the program for sandboxes has not come yet, waited 150 s in all
        hint: it is fetched once, from the release that this program was built with; over a slow line give it a longer --timeout
        ");
        assert_ne!(late("account", Duration::from_secs(150)).message(), error.message());
    }
}
