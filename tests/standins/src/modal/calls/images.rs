//! Images: a recipe, built once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::Messages;
use crate::modal::hub::{Hub, Image};
use crate::modal::proto::{
    GenericResult, ImageGetOrCreateRequest, ImageGetOrCreateResponse, ImageJoinStreamingRequest, ImageJoinStreamingResponse, ImageMetadata,
    TaskLogs,
};
use crate::modal::rules;

/// Builder versions there are.
const BUILDERS: [&str; 6] = ["2023.12", "2024.04", "2024.10", "2025.06", "2026.10", "PREVIEW"];

/// The image of a recipe, with its result once it is built.
pub(super) fn get_or_create(hub: &Hub, request: &ImageGetOrCreateRequest) -> Result<ImageGetOrCreateResponse, Status> {
    hub.app(&request.app_id)?;
    let image = request.image.clone().unwrap_or_default();
    inspect(hub, &image, &request.builder_version)?;
    let recipe = [request.builder_version.as_bytes(), &image.encode_to_vec()].concat();
    let mut state = hub.state();
    let known = state.images.iter().position(|image| image.recipe == recipe && !request.force_build);
    let at = known.unwrap_or_else(|| {
        state.images.push(Image { id: hub.ids.make("im"), recipe, begun: Instant::now(), seen: false });
        state.images.len() - 1
    });
    let built = known.is_some() && state.images[at].seen || hub.behaviour().image_build.cached;
    let result = built.then(|| result(hub)).flatten();
    state.images[at].seen |= result.as_ref().is_some_and(|result| result.status == SUCCESS);
    let image_id = state.images[at].id.clone();
    drop(state);
    Ok(ImageGetOrCreateResponse { image_id, result, metadata: Some(metadata(&request.builder_version)) })
}

const SUCCESS: i32 = 1;
const FAILURE: i32 = 2;

fn inspect(hub: &Hub, image: &crate::modal::proto::Image, builder: &str) -> Result<(), Status> {
    let refuse = |why: String| Err(hub.refuse(rules::BAD_IMAGE, Code::InvalidArgument, why));
    if !BUILDERS.contains(&builder) {
        return refuse(format!("image builder version `{builder}`"));
    }
    let first = image.dockerfile_commands.iter().find(|line| !line.trim().is_empty());
    if !first.is_some_and(|line| line.trim().to_ascii_uppercase().starts_with("FROM ")) {
        return refuse("a recipe that does not begin with FROM".to_owned());
    }
    let images: Vec<String> = hub.state().images.iter().map(|image| image.id.clone()).collect();
    let unknown = image.base_images.iter().find(|base| !images.contains(&base.image_id));
    unknown.map_or(Ok(()), |base| Err(hub.unknown("image", &base.image_id)))
}

fn metadata(builder: &str) -> ImageMetadata {
    ImageMetadata { image_builder_version: Some(builder.to_owned()) }
}

/// The result of a build that is over.
fn result(hub: &Hub) -> Option<GenericResult> {
    let fails = hub.behaviour().image_build.fails;
    let exception = if fails { "Image build terminated with exit code 1" } else { "" };
    Some(GenericResult { status: if fails { FAILURE } else { SUCCESS }, exception: exception.to_owned(), exitcode: i32::from(fails) })
}

/// What a build says from an entry on: its log, its result, and one more line after the result. Ends without a result when its time
/// is up or after as many messages as the dial allows.
pub(super) fn join(hub: &Arc<Hub>, request: ImageJoinStreamingRequest) -> Result<Messages<ImageJoinStreamingResponse>, Status> {
    let image = hub.state().images.iter().find(|image| image.id == request.image_id).cloned();
    let image = image.ok_or_else(|| hub.unknown("image", &request.image_id))?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(Arc::clone(hub), image, request, sender));
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

async fn tell(
    hub: Arc<Hub>,
    image: Image,
    request: ImageJoinStreamingRequest,
    sender: mpsc::Sender<Result<ImageJoinStreamingResponse, Status>>,
) {
    let behaviour = hub.behaviour();
    let from: usize = request.last_entry_id.split('-').next().and_then(|entry| entry.parse().ok()).unwrap_or(0);
    let log = behaviour.image_build.log.clone();
    let mut left = behaviour.image_stream_messages;
    let deadline = tokio::time::Instant::now() + Duration::from_secs_f32(request.timeout.clamp(0.0, 600.0));
    for entry in from..log.len() + 2 {
        if left == 0 {
            return;
        }
        left -= 1;
        let number = entry + 1;
        let mut message = ImageJoinStreamingResponse { entry_id: format!("{number}-0"), ..Default::default() };
        if let Some(line) = log.get(entry) {
            message.task_logs = vec![line_of(line)];
        } else if entry == log.len() {
            let done = tokio::time::Instant::from_std(image.begun + behaviour.image_build.takes);
            if done > deadline {
                return tokio::time::sleep_until(deadline).await;
            }
            tokio::time::sleep_until(done).await;
            message.result = result(&hub);
            message.metadata = Some(ImageMetadata { image_builder_version: Some(behaviour.image_builder_version.clone()) });
            let mut state = hub.state();
            let built = state.images.iter_mut().filter(|known| known.id == image.id && !behaviour.image_build.fails);
            built.for_each(|known| known.seen = true);
        } else {
            message.task_logs = vec![line_of("Saving image...\n")];
            message.eof = true;
        }
        if sender.send(Ok(message)).await.is_err() {
            return;
        }
    }
}

fn line_of(line: &str) -> TaskLogs {
    TaskLogs { data: line.to_owned(), file_descriptor: 3, ..Default::default() }
}
