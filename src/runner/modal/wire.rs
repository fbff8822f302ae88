//! Modal's messages and calls. The Rust is made from `proto/`, is committed beside it, and a test makes it again.

/// The control plane.
#[allow(clippy::all, missing_docs, unreachable_pub, dead_code, reason = "generated")]
pub(super) mod client {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/modal.client.rs"));
}

/// A worker's host.
#[allow(clippy::all, missing_docs, unreachable_pub, dead_code, reason = "generated")]
pub(super) mod router {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/modal.task_command_router.rs"));
}

/// `ObjectCreationType`: look up only, create when missing, belongs to an app, goes with its user.
pub(super) const LOOK_UP: i32 = 0;
pub(super) const CREATE_IF_MISSING: i32 = 1;
pub(super) const OWNED_BY_APP: i32 = 4;
pub(super) const EPHEMERAL: i32 = 5;
/// `DeploymentNamespace`: the workspace's own.
pub(super) const WORKSPACE: i32 = 1;
/// `FileDescriptor`: standard output; the router counts otherwise.
pub(super) const STDOUT: i32 = 1;
pub(super) const ROUTER_STDOUT: i32 = 0;
/// `NetworkAccessType`: everything.
pub(super) const OPEN_NETWORK: i32 = 1;
/// `GenericStatus`: it ended by itself, well or badly; only then an exit code counts.
pub(super) const SUCCESS: i32 = 1;
pub(super) const FAILURE: i32 = 2;

/// Sends a request by the generated method of that name, as the [`Rpc`](super::rpc::Rpc) says.
macro_rules! call {
    ($rpc:expr, $method:ident, $request:expr) => {
        $rpc.send(stringify!($method), $request, |mut client, request| async move { client.$method(request).await })
    };
}
pub(super) use call;
