//! What a migration that was cancelled, or ran out of time, leaves at the destination: it may have come too late.

use crate::error::{Error, ErrorKind};
use crate::hub::{Hub, Source};
use crate::plan::fan_out::gigabytes;
use crate::repo::RepoRef;

/// What is known of a migration that was broken off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// The destination's head before its first commit; nothing when nobody had looked yet.
    pub before: Option<Option<String>>,
    /// Whether it created the repository.
    pub created: bool,
    /// Whether it made a commit.
    pub committed: bool,
    /// Whether a commit was under way whose answer nobody heard.
    pub commit_under_way: bool,
}

/// The cancellation as an error that tells what is at the destination, by looking there.
pub async fn cancelled(destination: &Hub, repo: &RepoRef, traces: Traces) -> Error {
    Error::new(ErrorKind::Cancelled, format!("cancelled; {}", left(destination, repo, traces).await))
        .hint_to("run the same command again to go on; what was sent need not be sent again")
}

/// The end of the time that it, or its container, might take as an error that tells the same. `files` of `bytes` landed as blobs.
pub(super) async fn time_over(destination: &Hub, repo: &RepoRef, traces: Traces, whose: &str, (files, bytes): (u64, u64)) -> Error {
    let what = left(destination, repo, traces).await;
    let landed = match files {
        0 => String::new(),
        1 => format!("the content of 1 file ({}) has landed; ", gigabytes(bytes)),
        files => format!("the contents of {files} files ({}) have landed; ", gigabytes(bytes)),
    };
    Error::new(ErrorKind::Interrupted, format!("{whose} is over; {landed}{what}"))
        .hint_to("run the same command again: it goes on with what is missing, and nothing that has landed is sent again")
}

/// What is at the destination.
async fn left(destination: &Hub, repo: &RepoRef, traces: Traces) -> String {
    let Traces { before, created, committed, commit_under_way } = traces;
    let Some(before) = before else { return "nothing was committed".to_owned() };
    match destination.info(repo, None).await {
        Ok(info) if info.commit == before && !committed && commit_under_way => {
            "a commit was under way and nothing is seen of it yet: look with `hf2ms verify`".to_owned()
        }
        Ok(info) if info.commit == before && created => "the repository was created, nothing was committed".to_owned(),
        Ok(info) if info.commit == before => "nothing was committed".to_owned(),
        Ok(info) if committed => format!("already published: the destination's head is {}", info.commit.unwrap_or_default()),
        Ok(info) => format!(
            "the destination's head moved to {} meanwhile, by somebody else or by a commit whose answer was lost: look with `hf2ms verify`",
            info.commit.unwrap_or_default()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => "nothing was created".to_owned(),
        Err(error) => format!("what is at the destination could not be read ({error})"),
    }
}
