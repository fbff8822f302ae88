//! The calls of the control plane, one file a group.

mod apps;
mod create;
mod images;
mod lists;
mod logs;
mod mounts;
mod people;
mod sandboxes;

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::behaviour::Generation::{V1, V2};
use super::hub::Hub;
use super::proto::modal_client_server::ModalClient;
use super::proto::*;
use super::tokens::Pair;

pub(super) use sandboxes::is_gone;

/// An answer that goes on.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How an object is asked for.
mod creation {
    pub(super) const LOOKUP: i32 = 0;
    pub(super) const IF_MISSING: i32 = 1;
    pub(super) const OWNED_BY_APP: i32 = 4;
    pub(super) const EPHEMERAL: i32 = 5;
}

/// The control plane.
#[derive(Debug)]
pub(super) struct Control(pub(super) Arc<Hub>);

type Asked<T> = Request<T>;
type Told<T> = Result<Response<T>, Status>;

fn told<T>(answer: Result<T, Status>) -> Told<T> {
    answer.map(Response::new)
}

/// Who asks: the gate has put it there.
fn caller<T>(request: &Request<T>) -> Result<Pair, Status> {
    request.extensions().get::<Pair>().cloned().ok_or_else(|| Status::internal("nobody asked"))
}

#[tonic::async_trait]
impl ModalClient for Control {
    type ImageJoinStreamingStream = Messages<ImageJoinStreamingResponse>;
    type SandboxGetLogsStream = Messages<TaskLogsBatch>;

    async fn client_hello(&self, _: Asked<()>) -> Told<ClientHelloResponse> {
        told(Ok(people::hello(&self.0)))
    }

    async fn workspace_name_lookup(&self, _: Asked<()>) -> Told<WorkspaceNameLookupResponse> {
        told(Ok(people::workspace(&self.0)))
    }

    async fn token_info_get(&self, request: Asked<TokenInfoGetRequest>) -> Told<TokenInfoGetResponse> {
        told(Ok(people::token_info(&self.0, &caller(&request)?)))
    }

    async fn auth_token_get(&self, _: Asked<AuthTokenGetRequest>) -> Told<AuthTokenGetResponse> {
        told(Ok(people::auth_token(&self.0)))
    }

    async fn workspace_billing_rates(&self, _: Asked<WorkspaceBillingRatesRequest>) -> Told<WorkspaceBillingRatesResponse> {
        told(Ok(people::rates(&self.0)))
    }

    async fn app_get_or_create(&self, request: Asked<AppGetOrCreateRequest>) -> Told<AppGetOrCreateResponse> {
        told(apps::get_or_create(&self.0, request.into_inner()))
    }

    async fn app_stop(&self, request: Asked<AppStopRequest>) -> Told<()> {
        told(apps::stop(&self.0, &request.into_inner()))
    }

    async fn environment_get_or_create(&self, request: Asked<EnvironmentGetOrCreateRequest>) -> Told<EnvironmentGetOrCreateResponse> {
        told(apps::environment(&self.0, &request.into_inner()))
    }

    async fn image_get_or_create(&self, request: Asked<ImageGetOrCreateRequest>) -> Told<ImageGetOrCreateResponse> {
        told(images::get_or_create(&self.0, &request.into_inner()))
    }

    async fn image_join_streaming(&self, request: Asked<ImageJoinStreamingRequest>) -> Told<Self::ImageJoinStreamingStream> {
        told(images::join(&self.0, request.into_inner()))
    }

    async fn blob_create(&self, request: Asked<BlobCreateRequest>) -> Told<BlobCreateResponse> {
        told(mounts::blob_create(&self.0, request.into_inner()))
    }

    async fn mount_batched_check_existence(
        &self,
        request: Asked<MountBatchedCheckExistenceRequest>,
    ) -> Told<MountBatchedCheckExistenceResponse> {
        told(Ok(mounts::check_existence(&self.0, request.into_inner())))
    }

    async fn mount_put_file(&self, request: Asked<MountPutFileRequest>) -> Told<MountPutFileResponse> {
        told(mounts::put_file(&self.0, request.into_inner()))
    }

    async fn mount_get_or_create(&self, request: Asked<MountGetOrCreateRequest>) -> Told<MountGetOrCreateResponse> {
        told(mounts::get_or_create(&self.0, request.into_inner()))
    }

    async fn secret_get_or_create(&self, request: Asked<SecretGetOrCreateRequest>) -> Told<SecretGetOrCreateResponse> {
        told(mounts::secret(&self.0, request.into_inner()))
    }

    async fn sandbox_create(&self, request: Asked<SandboxCreateRequest>) -> Told<SandboxCreateResponse> {
        told(create::v1(&self.0, request.into_inner()))
    }

    async fn sandbox_create_v2(&self, request: Asked<SandboxCreateV2Request>) -> Told<SandboxCreateV2Response> {
        told(create::v2(&self.0, request.into_inner()))
    }

    async fn sandbox_get_task_id(&self, request: Asked<SandboxGetTaskIdRequest>) -> Told<SandboxGetTaskIdResponse> {
        told(sandboxes::task_id(&self.0, &request.into_inner(), V1).await)
    }

    async fn sandbox_get_task_id_v2(&self, request: Asked<SandboxGetTaskIdRequest>) -> Told<SandboxGetTaskIdResponse> {
        told(sandboxes::task_id(&self.0, &request.into_inner(), V2).await)
    }

    async fn sandbox_wait(&self, request: Asked<SandboxWaitRequest>) -> Told<SandboxWaitResponse> {
        told(sandboxes::wait(&self.0, &request.into_inner(), V1).await)
    }

    async fn sandbox_wait_v2(&self, request: Asked<SandboxWaitRequest>) -> Told<SandboxWaitResponse> {
        told(sandboxes::wait(&self.0, &request.into_inner(), V2).await)
    }

    async fn sandbox_terminate(&self, request: Asked<SandboxTerminateRequest>) -> Told<SandboxTerminateResponse> {
        told(sandboxes::terminate(&self.0, &request.into_inner(), V1))
    }

    async fn sandbox_terminate_v2(&self, request: Asked<SandboxTerminateRequest>) -> Told<SandboxTerminateResponse> {
        told(sandboxes::terminate(&self.0, &request.into_inner(), V2))
    }

    async fn sandbox_list(&self, request: Asked<SandboxListRequest>) -> Told<SandboxListResponse> {
        told(lists::list(&self.0, &request.into_inner(), V1))
    }

    async fn sandbox_list_v2(&self, request: Asked<SandboxListRequest>) -> Told<SandboxListResponse> {
        told(lists::list(&self.0, &request.into_inner(), V2))
    }

    async fn sandbox_get_from_name(&self, request: Asked<SandboxGetFromNameRequest>) -> Told<SandboxGetFromNameResponse> {
        told(lists::from_name(&self.0, &request.into_inner(), V1))
    }

    async fn sandbox_get_from_name_v2(&self, request: Asked<SandboxGetFromNameRequest>) -> Told<SandboxGetFromNameResponse> {
        told(lists::from_name(&self.0, &request.into_inner(), V2))
    }

    async fn sandbox_tags_get(&self, request: Asked<SandboxTagsGetRequest>) -> Told<SandboxTagsGetResponse> {
        told(sandboxes::tags(&self.0, &request.into_inner(), V1))
    }

    async fn sandbox_tags_get_v2(&self, request: Asked<SandboxTagsGetRequest>) -> Told<SandboxTagsGetResponse> {
        told(sandboxes::tags(&self.0, &request.into_inner(), V2))
    }

    async fn sandbox_tags_set(&self, request: Asked<SandboxTagsSetRequest>) -> Told<()> {
        told(sandboxes::set_tags(&self.0, request.into_inner(), V1))
    }

    async fn sandbox_tags_set_v2(&self, request: Asked<SandboxTagsSetRequest>) -> Told<()> {
        told(sandboxes::set_tags(&self.0, request.into_inner(), V2))
    }

    async fn sandbox_set_name(&self, request: Asked<SandboxSetNameRequest>) -> Told<SandboxSetNameResponse> {
        told(sandboxes::set_name(&self.0, request.into_inner()))
    }

    async fn sandbox_get_command_router_access(
        &self,
        request: Asked<SandboxGetCommandRouterAccessRequest>,
    ) -> Told<SandboxGetCommandRouterAccessResponse> {
        told(sandboxes::access(&self.0, request.into_inner()))
    }

    async fn task_get_command_router_access(
        &self,
        request: Asked<TaskGetCommandRouterAccessRequest>,
    ) -> Told<TaskGetCommandRouterAccessResponse> {
        told(sandboxes::access_of_task(&self.0, &request.into_inner()))
    }

    async fn sandbox_get_logs(&self, request: Asked<SandboxGetLogsRequest>) -> Told<Self::SandboxGetLogsStream> {
        told(logs::follow(&self.0, request.into_inner()))
    }

    async fn app_fetch_logs(&self, request: Asked<AppFetchLogsRequest>) -> Told<AppFetchLogsResponse> {
        told(logs::fetch(&self.0, &request.into_inner()))
    }
}
