//! What a user can do about an error that says nothing of it itself, and what was kept.

use crate::error::{Error, ErrorKind};
use crate::plan::TransferPlan;

/// Adds to the hint, or makes one where the error has none: what is at the destination, and the next step. `committed` says whether
/// commits were made, `moved` how many bytes were sent.
pub(super) fn advised(error: Error, committed: bool, moved: u64) -> Error {
    if let Some(own) = error.own_hint().map(str::to_owned) {
        let visible = if committed { "; part of the files is visible at the destination already" } else { "" };
        let kept = match error.kind() {
            ErrorKind::Unauthorized | ErrorKind::Forbidden if moved > 0 && !own.contains("again") => {
                "; then run the same command again; what was sent need not be sent again"
            }
            ErrorKind::NeedsConfirmation if moved > 0 => "; what was sent need not be sent again",
            ErrorKind::Unproven | ErrorKind::Cancelled | ErrorKind::Interrupted => return error,
            _ => "",
        };
        return error.hint_instead(format!("{own}{visible}{kept}"));
    }
    let there = if committed { "part of the files is visible at the destination already" } else { "nothing was committed" };
    let when = match (error.kind(), error.fact("asks to wait")) {
        (ErrorKind::Unavailable, _) | (ErrorKind::RateLimited, None) => "run the same command again later".to_owned(),
        (ErrorKind::RateLimited, Some(wait)) => format!("run the same command again in {wait}"),
        (ErrorKind::Conflict, _) => "run the same command again when nobody else changes the destination".to_owned(),
        (ErrorKind::Protocol, _) => "run the same command again, and if it ends like this again, report the line above".to_owned(),
        (ErrorKind::InvalidInput | ErrorKind::TooLarge, _) => {
            "mend what the hub minds, or leave the file out with --exclude, and run again".to_owned()
        }
        _ => return error,
    };
    let kept = if moved > 0 { "; what was sent need not be sent again" } else { "" };
    error.hint_to(format!("{there}; {when}{kept}"))
}

/// Names the file of a blob that a hub knows by its digest only.
pub(super) fn with_file(error: Error, plan: &TransferPlan) -> Error {
    let file = error.fact("oid").and_then(|oid| {
        let is_it = |digest: crate::repo::Sha256| digest.to_string() == oid;
        plan.copies().find(|item| item.file.digests.sha256.is_some_and(is_it)).map(|item| item.file.path.clone())
    });
    match file {
        Some(file) => error.with("file", file),
        None => error,
    }
}

/// What was committed could not be read back: it is there, and not proven.
pub(super) fn unproven(error: Error) -> Error {
    let error = crate::hub::gone(error);
    let next = "do not delete the source; once the destination can be read, run the same command again: it proves what is there";
    let hint = error.own_hint().map_or_else(|| next.to_owned(), |hint| format!("{hint}; {next}"));
    Error::new(ErrorKind::Unproven, format!("everything was committed, but it could not be read back: {error}")).hint_to(hint)
}
