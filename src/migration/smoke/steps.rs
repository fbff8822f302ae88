//! What is tried before there is a sandbox. Each gives what the next ones need, and what was found, in words.

use std::time::Duration;

use super::super::validate::until;
use crate::config::{Config, ModalSettings};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::Reach;
use crate::runner::modal::{APP, ModalClient, Shelf, WorkerBinary, find_worker};

/// The tokens, and a third of the time for waits that Modal asks for: then its reason is shown.
pub(super) fn token(config: &Config, most: Duration) -> Result<(ModalSettings, String)> {
    let settings = config.modal_settings()?;
    let found = format!("from {}", settings.origin);
    let wait = settings.most_throttle_wait.map_or(most / 3, |wait| wait.min(most / 3));
    Ok((ModalSettings { most_throttle_wait: Some(wait), ..settings }, found))
}

/// A connection over which something answers, and takes this client.
pub(super) async fn server(settings: &ModalSettings, say: fn(&str)) -> Result<(ModalClient, String)> {
    let client = ModalClient::connect(settings).await?;
    client.tell_to(say);
    let warnings = match client.hello().await {
        Ok(warnings) => warnings,
        Err(error) if error.kind() == ErrorKind::Unavailable || error.fact("client").is_some() => return Err(error),
        // it answers, and whether it takes the token is the next step's matter
        Err(_) => Vec::new(),
    };
    let identity = &settings.client;
    let library = identity.library.as_ref().map(|library| format!(", {library}")).unwrap_or_default();
    let warns = if warnings.is_empty() { String::new() } else { format!("; it warns: {}", warnings.join("; ")) };
    let found = format!("{} answers a client of type {}, version {}{library}{warns}", client.host(), identity.kind, identity.version);
    Ok((client, found))
}

/// Whose token it is.
pub(super) async fn account(client: &ModalClient, settings: &ModalSettings) -> Result<((), String)> {
    let account = client.whoami().await?;
    let user = account.user.as_ref().map(|user| format!(", user {user}")).unwrap_or_default();
    let expires = until(&account).map_or_else(|| "does not expire".to_owned(), |until| format!("is good until {until}"));
    let environment = if settings.environment.is_empty() { String::new() } else { format!(", environment {}", settings.environment) };
    Ok(((), format!("workspace {}{user}{environment}; the token {expires}", account.workspace)))
}

/// The program for sandboxes, checked as far as that is possible without running it.
pub(super) async fn worker(config: &Config) -> Result<(WorkerBinary, String)> {
    let worker = find_worker(Some(Shelf { home: &config.home, say: config.say })).await?;
    let stamp = worker.stamp()?;
    let found = format!(
        "{}: version {}, protocol {}, a static x86_64 Linux program of {:.1} MB",
        worker.path.display(),
        stamp.version,
        stamp.protocol,
        worker.bytes.len() as f64 / 1e6
    );
    Ok((worker, found))
}

/// The ids of app and image.
pub(super) async fn image(client: &ModalClient) -> Result<((String, String), String)> {
    let (app, image) = client.ground().await?;
    let found = format!("the app {APP} is there, and the image {image} is ready");
    Ok(((app, image), found))
}

/// The id of a mount with the program.
pub(super) async fn files(client: &ModalClient, app: &str, worker: &WorkerBinary) -> Result<(String, String)> {
    let file = worker.mounted()?;
    let stored = client.is_stored(&file).await?;
    let mount = client.mount(app, &[file]).await?;
    let found = if stored { "the program was stored already" } else { "the program was uploaded" };
    Ok((mount, found.to_owned()))
}

/// What the sandbox said about the hubs.
pub(super) fn hubs(hubs: &[Reach]) -> Result<((), String)> {
    let reached: Vec<_> = hubs.iter().filter(|hub| hub.error.is_none()).map(|hub| hub.host.as_str()).collect();
    let reached = reached.join(" and ");
    match hubs.iter().find_map(|hub| Some((hub, hub.error.as_ref()?))) {
        None => Ok(((), format!("from there {reached} can be reached"))),
        Some((hub, error)) => {
            let refused = Error::new(ErrorKind::Unavailable, format!("{} cannot be reached from the sandbox", hub.platform.title()));
            let refused = refused.with("host", &hub.host).with("it says", &error.message);
            let refused = if reached.is_empty() { refused } else { refused.with("reached", reached) };
            Err(refused.hint_to(
                "a sandbox reaches the public internet only: is this the hub's public address, and is the hub up? A migration with `--runner \
                 local` goes from this machine",
            ))
        }
    }
}
