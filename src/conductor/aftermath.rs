//! What a migration that was cancelled leaves at the destination: it may have come too late.

use crate::error::{Error, ErrorKind};
use crate::hub::{Hub, Source};
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
    let Traces { before, created, committed, commit_under_way } = traces;
    let Some(before) = before else { return stopped("nothing was committed") };
    let what = match destination.info(repo, None).await {
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
    };
    stopped(&what)
}

/// A cancellation, and what is at the destination.
fn stopped(what: &str) -> Error {
    Error::new(ErrorKind::Cancelled, format!("cancelled; {what}"))
        .hint_to("run the same command again to go on; what was sent need not be sent again")
}
