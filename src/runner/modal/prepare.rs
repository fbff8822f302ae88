//! What a sandbox needs before it can be created: the app it belongs to, the image it runs, the files that lie in it.

use std::time::Duration;

use tokio::time::Instant;

use super::ModalClient;
use super::failures::{self, Refusal};
use super::mount::MountedFile;
use super::retry::delay;
use super::wire::client::{
    AppGetOrCreateRequest, EnvironmentGetOrCreateRequest, GenericResult, Image, ImageGetOrCreateRequest, ImageJoinStreamingRequest,
};
use super::wire::{CREATE_IF_MISSING, LOOK_UP, SUCCESS, WORKSPACE, call};
use crate::error::{Error, ErrorKind, Result};

/// The image: nothing is built into it, so that it is made once for everybody.
const IMAGE: [&str; 1] = ["FROM debian:bookworm-slim"];
/// How long one look at an image that is being made lasts, in seconds.
const JOIN_SECONDS: f32 = 55.0;
/// And how much longer nothing at all may come.
const JOIN_GRACE: Duration = Duration::from_secs(15);
/// How long an image may take.
const MOST_IMAGE_WAIT: Duration = Duration::from_secs(20 * 60);
/// Looks that may fail one after the other.
const MOST_BROKEN: u32 = 10;
/// Lines of a failed build's log that are kept.
const LOG_LINES: usize = 20;

/// What every sandbox of a run has in common. Preparing the same again costs lookups only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The app's id.
    pub app: String,
    /// The image's id.
    pub image: String,
    /// The id of the mount with the files.
    pub mount: String,
}

impl ModalClient {
    /// Makes sure of the app, the image and the files, all at once as far as they do not need each other. What is there already is found
    /// by name or by hash; only missing files are sent.
    pub async fn prepare(&self, files: &[MountedFile]) -> Result<Prepared> {
        let (app, builder) = tokio::try_join!(self.app(), self.builder_version())?;
        let (image, mount) = tokio::try_join!(self.image(&app, builder), self.mount(&app, files))?;
        Ok(Prepared { app, image, mount })
    }

    /// What every sandbox of the workspace has in common: makes sure of the app and of the image, one after the other, so that what fails
    /// first is always the same. Gives their ids.
    pub async fn ground(&self) -> Result<(String, String)> {
        let app = self.app().await?;
        let image = self.image(&app, self.builder_version().await?).await?;
        Ok((app, image))
    }

    /// The id of the app that all sandboxes belong to; it is created when it is missing. It is deployed, so what runs in it goes on when
    /// this process ends.
    pub async fn app(&self) -> Result<String> {
        let ask = || async {
            let request = AppGetOrCreateRequest {
                app_name: super::APP.to_owned(),
                environment_name: self.environment.clone(),
                object_creation_type: CREATE_IF_MISSING,
            };
            let app = call!(self.rpc, app_get_or_create, request).await?.app_id;
            given(app, "an app's id")
        };
        self.app.get_or_try_init(ask).await.cloned().map_err(|error: Error| self.in_environment(error))
    }

    /// The setting of this machine wins; else the environment says it.
    async fn builder_version(&self) -> Result<String> {
        if let Some(version) = &self.builder_version {
            return Ok(version.clone());
        }
        let request = EnvironmentGetOrCreateRequest { deployment_name: self.environment.clone(), object_creation_type: LOOK_UP };
        let answer = call!(self.rpc, environment_get_or_create, request).await.map_err(|refusal| self.in_environment(refusal.into()))?;
        let settings = answer.metadata.and_then(|metadata| metadata.settings);
        // empty is the workspace's default
        Ok(settings.map(|settings| settings.image_builder_version).unwrap_or_default())
    }

    fn in_environment(&self, error: Error) -> Error {
        let name = if self.environment.is_empty() { "the default one" } else { &self.environment };
        error.with("environment", name)
    }

    async fn image(&self, app: &str, builder_version: String) -> Result<String> {
        let request = ImageGetOrCreateRequest {
            image: Some(Image { dockerfile_commands: IMAGE.map(str::to_owned).to_vec() }),
            app_id: app.to_owned(),
            namespace: WORKSPACE,
            builder_version,
        };
        let answer = call!(self.rpc, image_get_or_create, request).await?;
        let image = given(answer.image_id, "an image's id")?;
        let mut log = Vec::new();
        let result = match answer.result.filter(is_final) {
            Some(result) => result,
            None => self.join_image(&image, &mut log).await?,
        };
        match result.status {
            SUCCESS => Ok(image),
            status => Err(failures::image_failed(&image, status, &result.exception, &log)),
        }
    }

    /// Reads a build's log until its result is there.
    async fn join_image(&self, image: &str, log: &mut Vec<String>) -> Result<GenericResult> {
        let began = Instant::now();
        let mut last_entry_id = String::new();
        let mut broken = 0;
        while began.elapsed() < MOST_IMAGE_WAIT {
            match self.look_at_image(image, &mut last_entry_id, log).await {
                Ok(Some(result)) => return Ok(result),
                Ok(None) => broken = 0,
                Err(refusal) if broken < MOST_BROKEN && super::retry::is_transient(&refusal.status) => broken += 1,
                Err(refusal) => return Err(Error::from(refusal).with("image", image)),
            }
            tokio::time::sleep(delay(broken, Duration::from_secs(5))).await;
        }
        Err(failures::image_late(image, began.elapsed()))
    }

    /// One stream of the log. What follows the result is read too, since the reason of a failure may come after it.
    async fn look_at_image(
        &self,
        image: &str,
        last_entry_id: &mut String,
        log: &mut Vec<String>,
    ) -> Result<Option<GenericResult>, Refusal> {
        let request = ImageJoinStreamingRequest { image_id: image.to_owned(), timeout: JOIN_SECONDS, last_entry_id: last_entry_id.clone() };
        let rpc = self.rpc.streaming();
        let mut stream = call!(rpc, image_join_streaming, request).await?;
        let mut result: Option<GenericResult> = None;
        loop {
            let patience = match &result {
                Some(_) => Duration::from_secs(2),
                None => Duration::from_secs_f32(JOIN_SECONDS) + JOIN_GRACE,
            };
            let message = match tokio::time::timeout(patience, stream.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) | Err(_) => return Ok(result),
                Ok(Err(_)) if result.is_some() => return Ok(result),
                Ok(Err(status)) => return Err(self.rpc.refused("image_join_streaming", status)),
            };
            if !message.entry_id.is_empty() {
                *last_entry_id = message.entry_id;
            }
            for entry in message.task_logs {
                log.extend(entry.data.lines().map(str::to_owned));
            }
            log.drain(..log.len().saturating_sub(LOG_LINES));
            result = message.result.filter(is_final).or(result);
            if message.eof && result.is_some() {
                return Ok(result);
            }
        }
    }
}

fn is_final(result: &GenericResult) -> bool {
    result.status != 0
}

/// What an answer has to hold.
pub(super) fn given(text: String, what: &'static str) -> Result<String> {
    if text.is_empty() { Err(Error::new(ErrorKind::Protocol, "Modal's answer lacks something").with("missing", what)) } else { Ok(text) }
}
