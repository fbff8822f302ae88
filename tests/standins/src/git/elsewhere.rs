//! An LFS server that is not ours: the hub's door passes on what it is asked.

use serde_json::Value;

use crate::probe::Probe;
use crate::server::Response;

/// What that server answers to this batch.
pub(crate) async fn pass_on(server: &str, body: &Value) -> Response {
    let media = "application/vnd.git-lfs+json";
    let request = Probe::post(format!("{server}/objects/batch"), body).header("Accept", media);
    match tokio::task::spawn_blocking(move || request.try_send()).await {
        Ok(Ok(reply)) => Response::bytes(reply.status, reply.body).header("content-type", media),
        _ => Response::text(502, "the LFS server does not answer"),
    }
}
