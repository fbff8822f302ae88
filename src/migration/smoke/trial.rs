//! The sandbox that is tried: created, asked what it is, ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::words;
use crate::error::Result;
use crate::journal::Journal;
use crate::plan::modal::Container;
use crate::plan::rates::Way;
use crate::protocol::Versions;
use crate::repo::Platform;
use crate::runner::modal::{EndedHow, ModalClient, Output, Prepared, Sandbox, SandboxSpec};
use crate::runner::names::PROGRAM;

/// When creating was broken off it may be carried out all the same: so much later is looked again.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How long the end of a sandbox whose output has ended is waited for.
const LAST: Duration = Duration::from_secs(10);

/// Everything by which its sandbox is made, and found again.
pub(super) struct Trial {
    client: ModalClient,
    id: String,
    hubs: Vec<(Platform, String)>,
    life: Duration,
    /// The sandbox's id, once creating was answered.
    pub(super) sandbox: Option<String>,
}

impl Trial {
    /// Should nobody end its sandbox, it ends after this time by itself.
    pub(super) fn new(client: ModalClient, hubs: Vec<(Platform, String)>, life: Duration) -> Self {
        Self { client, id: Journal::new_id(), hubs, life, sandbox: None }
    }

    fn name(&self) -> String {
        format!("hf2ms-smoke-{}", self.id)
    }

    fn tags(&self) -> BTreeMap<String, String> {
        [("hf2ms", "1"), ("role", "smoke"), ("id", &self.id)].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    /// As large as the one of a migration, and without any secret.
    fn spec(&self) -> SandboxSpec {
        let container = Container::of(Way { from: Platform::HuggingFace, to: Platform::ModelScope });
        let asked = [PROGRAM, "run-job", "--versions", "--stay"].map(str::to_owned).into_iter();
        let reach = self.hubs.iter().flat_map(|(platform, endpoint)| ["--reach".to_owned(), format!("{platform}={endpoint}")]);
        SandboxSpec {
            name: Some(self.name()),
            tags: self.tags(),
            args: asked.chain(reach).collect(),
            secrets: BTreeMap::new(),
            milli_cpu: container.milli_cpu,
            memory_mib: container.memory_mib,
            timeout: self.life,
            mounts: Vec::new(),
            regions: Vec::new(),
        }
    }

    /// A sandbox that has a container.
    pub(super) async fn create(&self, prepared: &Prepared) -> Result<(Sandbox, String)> {
        let sandbox = self.client.create(prepared, &self.spec()).await.map_err(words::not_created)?;
        self.client.started(&sandbox).await?;
        let found = format!("{} was created ({:?})", self.name(), sandbox.generation());
        Ok((sandbox, found))
    }

    /// What the program says that runs in it.
    pub(super) async fn answer(&self, sandbox: &Sandbox) -> Result<(Versions, String)> {
        let mut lines = self.client.lines(sandbox, None);
        let mut first = None;
        while let Some(output) = lines.next().await? {
            let Output::Line(line) = output else { continue };
            match serde_json::from_str::<Versions>(&line) {
                Ok(versions) => {
                    let found = said(&versions);
                    return Ok((versions, found));
                }
                Err(_) => {
                    first.get_or_insert(line);
                }
            }
        }
        let ended = self.client.wait(&sandbox.id, LAST).await?;
        Err(words::ended_unasked(&sandbox.id, ended.as_ref(), first.as_deref()))
    }

    /// Ends every sandbox of this trial, and makes sure that none is left.
    pub(super) async fn end(&self) -> Result<((), String)> {
        // the one that is known needs no looking up, which may fail
        let mut running: BTreeSet<_> = self.sandbox.iter().cloned().collect();
        if running.is_empty() {
            running = self.running().await?;
        }
        if running.is_empty() {
            tokio::time::sleep(SECOND_LOOK).await;
            running = self.running().await?;
        }
        let mut terminated = false;
        for id in running {
            let ended = self.client.terminate(&id).await?;
            terminated |= ended.is_some_and(|ended| ended.how == EndedHow::Terminated);
        }
        if let Some(id) = self.running().await?.first() {
            return Err(words::still_runs(id));
        }
        Ok((
            (),
            match (terminated, &self.sandbox) {
                (true, _) => "the sandbox was terminated, and none is left".to_owned(),
                (false, Some(_)) => "the sandbox had ended by itself, and none is left".to_owned(),
                (false, None) => "there is no sandbox to end".to_owned(),
            },
        ))
    }

    /// Its sandboxes that run: a listing may lag behind, so the name is asked for too.
    async fn running(&self) -> Result<BTreeSet<String>> {
        let listed = self.client.list(&self.tags(), false).await?;
        let mut ids: BTreeSet<_> = listed.into_iter().filter(|sandbox| sandbox.ended.is_none()).map(|sandbox| sandbox.id).collect();
        ids.extend(self.client.running(&self.name()).await?);
        Ok(ids)
    }
}

fn said(versions: &Versions) -> String {
    let memory = versions.memory.map(|bytes| format!(", {:.1} GB of memory", bytes as f64 / 1e9)).unwrap_or_default();
    let region = versions.region.as_ref().map(|region| format!(", in {region}")).unwrap_or_default();
    let processors = match versions.processors {
        1 => "1 processor".to_owned(),
        many => format!("{many} processors"),
    };
    format!("it says: version {}, protocol {}, {}, {processors}{memory}{region}", versions.program, versions.protocol, versions.target)
}
