//! Finding sandboxes again: by tags, by name (facts, modal §2.9 to §2.11).

use std::collections::{BTreeMap, BTreeSet};

use tonic::Code;

use super::sandbox::tags;
use super::watch::Ended;
use super::wire::call;
use super::wire::client::{SandboxGetFromNameRequest, SandboxInfo, SandboxListRequest, SandboxTagsGetRequest, SandboxTagsSetRequest};
use super::{APP, ModalClient, either, generation_of};
use crate::error::{Error, Result};

/// A sandbox in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created, in seconds since 1970.
    pub created: f64,
    /// When it came up, if it did.
    pub started: Option<f64>,
    /// The id of its task, if it has one.
    pub task: Option<String>,
    /// How it ended, if it did.
    pub ended: Option<Ended>,
}

impl ModalClient {
    /// All sandboxes of the app that have all of these tags, newest first, of both generations; finished ones too when asked for, as far
    /// back as the service keeps them.
    pub async fn list(&self, with: &BTreeMap<String, String>, finished: bool) -> Result<Vec<Listed>> {
        let app_id = self.app().await?;
        let mut listed = Vec::new();
        let mut seen = BTreeSet::new();
        let mut before_timestamp = 0.0;
        loop {
            let request = SandboxListRequest {
                app_id: app_id.clone(),
                before_timestamp,
                environment_name: self.environment.clone(),
                include_finished: finished,
                tags: tags(with),
            };
            let newer = async { call!(self.rpc, sandbox_list_v2, request.clone()).await };
            let older = async { call!(self.rpc, sandbox_list, request.clone()).await };
            let page = either(self.generation(), newer, older).await?.sandboxes;
            let Some(last) = page.last() else { return Ok(listed) };
            before_timestamp = last.created_at;
            let known = seen.len();
            listed.extend(page.into_iter().filter(|info| seen.insert(info.id.clone())).map(Listed::from));
            // a page that brings nothing new would come again for ever
            if seen.len() == known {
                return Ok(listed);
            }
        }
    }

    /// The running sandbox with this name, else the one that ended last, where the service still knows it.
    pub async fn find(&self, name: &str) -> Result<Option<String>> {
        self.named(name, true).await
    }

    /// The running sandbox with this name.
    pub async fn running(&self, name: &str) -> Result<Option<String>> {
        self.named(name, false).await
    }

    async fn named(&self, name: &str, include_terminated: bool) -> Result<Option<String>> {
        let request = SandboxGetFromNameRequest {
            sandbox_name: name.to_owned(),
            environment_name: self.environment.clone(),
            app_name: APP.to_owned(),
            include_terminated,
        };
        let newer = async { call!(self.rpc, sandbox_get_from_name_v2, request.clone()).await };
        // the older one finds running sandboxes only
        let older = async {
            call!(self.rpc, sandbox_get_from_name, SandboxGetFromNameRequest { include_terminated: false, ..request.clone() }).await
        };
        match either(self.generation(), newer, older).await {
            Ok(answer) => Ok(Some(answer.sandbox_id).filter(|id| !id.is_empty())),
            Err(refusal) if refusal.code() == Code::NotFound => Ok(None),
            Err(refusal) => Err(Error::from(refusal).with("name", name)),
        }
    }

    /// A sandbox's tags.
    pub async fn tags(&self, sandbox: &str) -> Result<BTreeMap<String, String>> {
        let rpc = self.about(sandbox)?;
        let request = SandboxTagsGetRequest { sandbox_id: sandbox.to_owned() };
        let newer = async { call!(rpc, sandbox_tags_get_v2, request.clone()).await };
        let older = async { call!(rpc, sandbox_tags_get, request.clone()).await };
        let answer = either(generation_of(sandbox), newer, older).await.map_err(|refusal| Error::from(refusal).with("sandbox", sandbox))?;
        Ok(answer.tags.into_iter().map(|tag| (tag.tag_name, tag.tag_value)).collect())
    }

    /// Replaces all tags of a sandbox.
    pub async fn set_tags(&self, sandbox: &str, to: &BTreeMap<String, String>) -> Result<()> {
        let rpc = self.about(sandbox)?;
        let request = SandboxTagsSetRequest { environment_name: String::new(), sandbox_id: sandbox.to_owned(), tags: tags(to) };
        let newer = async { call!(rpc, sandbox_tags_set_v2, request.clone()).await };
        let in_environment = SandboxTagsSetRequest { environment_name: self.environment.clone(), ..request.clone() };
        let older = async { call!(rpc, sandbox_tags_set, in_environment.clone()).await };
        either(generation_of(sandbox), newer, older).await.map_err(|refusal| Error::from(refusal).with("sandbox", sandbox))?;
        Ok(())
    }
}

impl From<SandboxInfo> for Listed {
    fn from(info: SandboxInfo) -> Self {
        let task = info.task_info.unwrap_or_default();
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            ended: Ended::of(&info.id, task.result),
            id: info.id,
            name: some(info.name),
            tags: info.tags.into_iter().map(|tag| (tag.tag_name, tag.tag_value)).collect(),
            created: info.created_at,
            started: Some(task.started_at).filter(|at| *at > 0.0),
            task: some(task.id),
        }
    }
}
