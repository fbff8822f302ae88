//! The command router of a worker's host: the output of V2 sandboxes, by byte.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use super::behaviour::{Behaviour, StreamEnd};
use super::calls::{self, Messages};
use super::hub::Hub;
use super::output::{Channel, Piece};
use super::proto::router::task_command_router_server::TaskCommandRouter;
use super::proto::router::{SandboxStdioReadV2Request, SandboxStdioReadV2Response};
use super::rules;
use super::sandbox::Sandbox;
use super::tokens::{Opens, Refused};

type Sender = mpsc::Sender<Result<SandboxStdioReadV2Response, Status>>;

/// The router.
#[derive(Debug)]
pub(super) struct Router(pub(super) Arc<Hub>);

#[tonic::async_trait]
impl TaskCommandRouter for Router {
    type SandboxStdioReadV2Stream = Messages<SandboxStdioReadV2Response>;

    async fn sandbox_stdio_read_v2(
        &self,
        request: Request<SandboxStdioReadV2Request>,
    ) -> Result<Response<Self::SandboxStdioReadV2Stream>, Status> {
        let hub = &self.0;
        admit(hub, request.metadata(), &request.get_ref().task_id)?;
        let request = request.into_inner();
        let sandbox = hub.task(&request.task_id)?;
        if calls::is_gone(hub, &sandbox) {
            return Err(Status::unavailable("the host is gone"));
        }
        let channel = Channel::of_router(request.file_descriptor);
        let channel = channel.ok_or_else(|| Status::invalid_argument("no such file descriptor"))?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(read(Arc::clone(hub), sandbox, channel, request.offset, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn admit(hub: &Hub, metadata: &MetadataMap, task_id: &str) -> Result<(), Status> {
    let token = metadata.get("authorization").and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        return Err(hub.refuse(rules::ROUTER_TOKEN, Code::Unauthenticated, "the router without a token"));
    };
    let checked = hub.state().tokens.check(token, &Opens::Task(task_id.to_owned()));
    match checked {
        Ok(()) => Ok(()),
        Err(Refused::Expired) => Err(Status::unauthenticated("token expired")),
        Err(Refused::Foreign) if hub.state().tokens.is_router_token(token) => {
            Err(hub.refuse(rules::FOREIGN_TASK, Code::PermissionDenied, format!("the token of another task than {task_id}")))
        }
        Err(Refused::Foreign) => Err(hub.refuse(rules::ROUTER_TOKEN, Code::Unauthenticated, "the router with a token of its own making")),
    }
}

/// Sends what was printed from an offset on, and what is printed from now on. The first message says where it begins.
async fn read(hub: Arc<Hub>, sandbox: Arc<Sandbox>, channel: Channel, mut offset: u64, sender: Sender) {
    let behaviour = hub.behaviour();
    let mut left = behaviour.stream_messages.unwrap_or(u64::MAX);
    let mut changes = sandbox.output.watch();
    let mut first = true;
    loop {
        changes.mark_unchanged();
        match sandbox.output.read(channel, offset, behaviour.output_piece.max(1)) {
            Piece::End => return,
            Piece::Bytes(..) if left == 0 => return cut(&behaviour, &sender).await,
            Piece::Bytes(from, data) => {
                offset = from + data.len() as u64;
                left -= 1;
                let starting_offset = if std::mem::take(&mut first) { from } else { 0 };
                if sender.send(Ok(SandboxStdioReadV2Response { data, starting_offset })).await.is_err() {
                    return;
                }
            }
            Piece::Wait => {
                let gone = sender.closed();
                tokio::select! {
                    _ = changes.changed() => {}
                    () = gone => return,
                }
            }
        }
    }
}

async fn cut(behaviour: &Behaviour, sender: &Sender) {
    if behaviour.stream_end == StreamEnd::Unavailable {
        // nobody listening is as good as cut
        let _ = sender.send(Err(Status::unavailable("stream cut"))).await;
    }
}
