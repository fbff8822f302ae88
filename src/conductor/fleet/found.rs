//! Workers that run already: those of a conductor that is no more.

use crate::conductor::replace::WorkerId;
use crate::error::Result;
use crate::runner::modal::{Listed, ModalClient};
use crate::runner::names::{self, tag};

/// A worker that is alive.
pub(super) struct Found {
    pub(super) worker: WorkerId,
    /// Its sandbox.
    pub(super) sandbox: String,
}

/// The living workers of a destination that have a shard of this cut, and the sandboxes of the others.
pub(super) async fn living(client: &ModalClient, destination: &str, cut: &str) -> Result<(Vec<Found>, Vec<String>)> {
    let (mut ours, mut strangers) = (Vec::new(), Vec::new());
    for listed in client.list(&names::of_workers(destination), false).await? {
        match worker(&listed, cut) {
            Some(worker) => ours.push(Found { worker, sandbox: listed.id }),
            None => strangers.push(listed.id),
        }
    }
    Ok((ours, strangers))
}

fn worker(listed: &Listed, cut: &str) -> Option<WorkerId> {
    let number = |tag: &str| listed.tags.get(tag)?.parse().ok();
    let ours = listed.tags.get(tag::CUT).is_some_and(|tag| tag == cut);
    Some(WorkerId { shard: number(tag::SHARD)?, attempt: number(tag::ATTEMPT)? }).filter(|_| ours)
}
