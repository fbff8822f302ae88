//! Workers in sandboxes of their own: shards are cut, workers started, watched and replaced, and nobody is left behind. What to do decides
//! [`super::replace`]; here it is done.

mod drive;
mod engine;
mod found;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Conductor, Survey};
use crate::config::ModalSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::Hub;
use crate::plan::shard::{Blob, Shard, cut};
use crate::repo::{FileEntry, Sha256};
use crate::runner::modal::ModalClient;
use crate::runner::{names, workers};
use crate::worker::{Carried, Worker};
use drive::{Drive, Share};
use engine::Engine;

/// How long a call waits where Modal asks to slow down, until there seems to be no place.
const THROTTLED: Duration = Duration::from_secs(60);
/// Waits, in seconds, before Modal is called again when it cannot be reached.
const WAITS: [u64; 8] = [1, 2, 5, 10, 20, 60, 120, 240];

/// Carries the blobs of these files, each content once: what the source's listing gives to workers by workers, the rest here. What the
/// destination has already is given to nobody.
///
/// Fails with what ended a worker when no other try mends it, with `Unavailable` when a shard was lost time and again. Where that is before
/// they are watched, or it is called off, [`Conductor::end_workers`] ends those that run.
pub(super) async fn carry(
    conductor: &Conductor<'_>,
    survey: &Survey,
    worker: &Arc<Worker<Hub, Hub>>,
    files: Vec<FileEntry>,
    mut land: impl FnMut(Carried),
) -> Result<()> {
    let client = conductor.cloud().await?;
    let destination = names::of_destination(conductor.job);
    let cut = cut_of(conductor, survey);
    // those of another cut may carry anything, so they are waited for
    let (living, strangers) = found::living(client, &destination, &cut).await?;
    workers::end(client, strangers).await?;

    let listed: HashSet<_> = survey.blobs.iter().map(|blob| blob.sha256).collect();
    let (mut shared, mut own): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.digests.sha256.is_some_and(|sha256| listed.contains(&sha256)));
    if survey.destination.is_some() {
        shared = lacking(worker, shared, &mut land).await?;
    }
    let files: HashMap<Sha256, FileEntry> = shared.into_iter().filter_map(|file| Some((file.digests.sha256?, file))).collect();
    let shards = shards(survey, conductor.job.workers, &files);
    let (living, idle): (Vec<_>, Vec<_>) =
        living.into_iter().partition(|found| shards.iter().any(|shard| shard.number == found.worker.shard));
    workers::end(client, idle.into_iter().map(|found| found.sandbox)).await?;
    if shards.len() < 2 && living.is_empty() {
        // what is left one carries as well, and it is here already
        own.extend(files.into_values());
        return worker.carry_all(own, land).await;
    }

    conductor.tally().workers(u32::try_from(shards.len()).unwrap_or(u32::MAX));
    let (mail, news) = engine::mailbox();
    let engine = Engine::new(client.clone(), conductor, survey, destination, cut, mail).await?;
    let outcome = Drive::new(conductor, worker, engine, news, Share { shards, files, living }, &mut land).run().await;
    if outcome.is_err() {
        conductor.end_workers().await;
    }
    outcome?;
    worker.carry_all(own, land).await
}

impl Conductor<'_> {
    /// Modal, connected.
    pub(super) async fn cloud(&self) -> Result<&ModalClient> {
        let settings = self.modal.ok_or_else(|| {
            Error::usage(
                "the job has workers, and nothing to start them with",
                "a job with workers is started by `hf2ms migrate --runner modal`",
            )
        })?;
        let most = settings.most_throttle_wait.map_or(THROTTLED, |wait| wait.min(THROTTLED));
        let settings = ModalSettings { most_throttle_wait: Some(most), ..settings.clone() };
        let make = || async {
            let client = connect(&settings).await?.patient();
            let say = self.events.faintly();
            client.tell_to(move |words| say(words.to_owned()));
            Ok(client)
        };
        self.cloud.get_or_try_init(make).await
    }

    /// Ends all workers that may run. What goes wrong with that is a warning: the migration's own end is told all the same.
    pub(super) async fn end_workers(&self) {
        let Some(client) = self.cloud.get() else { return };
        let destination = names::of_destination(self.job);
        if let Err(error) = workers::end_all(client, &destination).await {
            self.events.warn(format!("workers may still run: {error}"));
        }
    }
}

/// Connects, through an outage of some minutes.
async fn connect(settings: &ModalSettings) -> Result<ModalClient> {
    let mut waits = WAITS.iter();
    loop {
        let error = match ModalClient::connect(settings).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => error,
            answer => return answer,
        };
        let Some(seconds) = waits.next() else { return Err(error) };
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
    }
}

/// What a worker's tag says of the shards: workers of the same cut have the same ones.
fn cut_of(conductor: &Conductor<'_>, survey: &Survey) -> String {
    let request = &conductor.job.request;
    let cut = (&survey.source.repo, &survey.source.commit, &request.include, &request.exclude, conductor.job.workers);
    names::digest(serde_json::to_string(&cut).unwrap_or_default().as_bytes())
}

/// Asks for all of them; the ones that are there have landed, the others are given back.
async fn lacking(worker: &Arc<Worker<Hub, Hub>>, files: Vec<FileEntry>, land: &mut impl FnMut(Carried)) -> Result<Vec<FileEntry>> {
    let missing: HashSet<_> = worker.missing(&files).await?.into_iter().map(|file| file.digests.sha256).collect();
    let (lacking, there): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| missing.contains(&file.digests.sha256));
    there.into_iter().for_each(|file| land(Carried { digests: file.digests, file, reused: true }));
    Ok(lacking)
}

/// The shards, with no more in them than is wanted: cut from the whole listing first, so that they are the same however much has landed.
fn shards(survey: &Survey, count: u32, wanted: &HashMap<Sha256, FileEntry>) -> Vec<Shard> {
    let mut shards = cut(survey.blobs.clone(), count);
    for shard in &mut shards {
        shard.blobs.retain(|Blob { sha256, .. }| wanted.contains_key(sha256));
    }
    shards.retain(|shard| !shard.blobs.is_empty());
    shards
}
