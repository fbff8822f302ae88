//! Creating a sandbox, or attaching to the one that has the name already (facts, modal §2.5, §2.6).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::Code;

use super::ModalClient;
use super::failures::{self, Refusal};
use super::prepare::Prepared;
use super::wire::client::sandbox::OpenPortsOneof;
use super::wire::client::secret_source::Source;
use super::wire::client::{
    NetworkAccess, PortSpecs, Resources, Sandbox as Definition, SandboxCreateRequest, SandboxCreateV2Request, SandboxTag,
    SchedulerPlacement, SecretGetOrCreateRequest, SecretSource, StringMap,
};
use super::wire::{EPHEMERAL, OPEN_NETWORK, call};
use crate::config::Generation;
use crate::error::{Error, Result};
use crate::secret::{Token, holds_token};

/// The longest life of a sandbox.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Arguments together may have this many bytes.
const MOST_ARGUMENTS: usize = 65_536;
/// Tries to create a sandbox whose name comes and goes.
const NAME_TRIES: u32 = 3;
/// Creating may wait for a container.
const CREATE_TIMEOUT: Duration = Duration::from_secs(120);

/// What a sandbox is to be.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// A name that no other running sandbox of the app has: 1 to 64 of `[A-Za-z0-9-_.]`.
    pub name: Option<String>,
    /// By which it is found: keys and values are 1 to 63 of `[A-Za-z0-9._-]`.
    pub tags: BTreeMap<String, String>,
    /// The program and its arguments. No secrets.
    pub args: Vec<String>,
    /// Environment variables that are secret.
    pub secrets: BTreeMap<String, Token>,
    /// Thousandths of a physical core to ask for.
    pub milli_cpu: u32,
    /// Memory to ask for, in MiB.
    pub memory_mib: u32,
    /// How long it may live, 24 hours at most.
    pub timeout: Duration,
    /// Mounts besides the prepared one.
    pub mounts: Vec<String>,
    /// Where it may run; empty is anywhere, at the lowest price.
    pub regions: Vec<String>,
}

/// A sandbox that was created or found.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Its id.
    pub id: String,
    /// The id of its task, when it is known.
    pub task: Option<String>,
    /// It was there already under its name.
    pub attached: bool,
    /// Where its output is read first.
    pub(super) access: Option<Access>,
}

/// A worker's host and the key to it.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) url: String,
    pub(super) jwt: Token,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(****)")
    }
}

impl Access {
    /// `None` when either is missing.
    pub(super) fn new(url: String, jwt: &str) -> Option<Self> {
        Token::new(jwt).ok().filter(|_| !url.is_empty()).map(|jwt| Self { url, jwt })
    }
}

impl Sandbox {
    /// Which family of calls it belongs to.
    pub fn generation(&self) -> Generation {
        super::generation_of(&self.id)
    }

    /// A sandbox that is known by its id.
    pub fn known(id: impl Into<String>) -> Self {
        Self { id: id.into(), task: None, attached: true, access: None }
    }
}

impl ModalClient {
    /// Creates a sandbox; attaches to the running one that has its name. When it is not clear whether creating worked, the sandbox is
    /// looked up by its name; without a name, or when that does not help, the error says so.
    ///
    /// Fails with `Usage` when the spec breaks a rule, with `Forbidden` when a limit of the workspace is reached.
    pub async fn create(&self, prepared: &Prepared, spec: &SandboxSpec) -> Result<Sandbox> {
        spec.check()?;
        for attempt in 1.. {
            let refusal = match self.create_once(prepared, spec).await {
                Ok(sandbox) => return Ok(sandbox),
                Err(refusal) => refusal,
            };
            let taken = refusal.code() == Code::AlreadyExists;
            let Some(name) = spec.name.as_deref().filter(|_| taken || refusal.is_ambiguous()) else {
                let uncertain = refusal.is_ambiguous();
                let error = Error::from(refusal);
                return Err(if uncertain { failures::uncertain(None, error) } else { error });
            };
            match self.running(name).await {
                Ok(Some(id)) => return Ok(Sandbox::known(id)),
                // it ended in between, or was never created: its name keeps a second one from coming up
                Ok(None) if attempt < NAME_TRIES => tokio::time::sleep(Duration::from_millis(200)).await,
                Ok(None) if taken => return Err(failures::name_flickers(name)),
                Ok(None) | Err(_) => return Err(failures::uncertain(Some(name), refusal.into())),
            }
        }
        Err(failures::name_flickers(spec.name.as_deref().unwrap_or_default()))
    }

    async fn create_once(&self, prepared: &Prepared, spec: &SandboxSpec) -> Result<Sandbox, Refusal> {
        if self.generation() == Generation::V2 {
            match self.create_newer(prepared, spec).await {
                Err(refusal) if refusal.code() == Code::Unimplemented => self.only_older.store(true, Ordering::Relaxed),
                answer => return answer,
            }
        }
        self.create_older(prepared, spec).await
    }

    async fn create_newer(&self, prepared: &Prepared, spec: &SandboxSpec) -> Result<Sandbox, Refusal> {
        let env = Source::Env(StringMap { contents: spec.exposed() });
        let request = SandboxCreateV2Request {
            app_id: prepared.app.clone(),
            definition: Some(spec.definition(prepared, Vec::new())),
            tags: spec.tags(),
            secret_sources: if spec.secrets.is_empty() { Vec::new() } else { vec![SecretSource { source: Some(env) }] },
        };
        let rpc = self.rpc.within(CREATE_TIMEOUT);
        let answer = call!(rpc, sandbox_create_v2, request).await?;
        self.remember(&answer.sandbox_id, &answer.sandbox_token);
        let access = answer.command_router_access.and_then(|access| Access::new(access.url, &access.jwt));
        self.created("sandbox_create_v2", answer.sandbox_id, Some(answer.task_id).filter(|task| !task.is_empty()), access)
    }

    async fn create_older(&self, prepared: &Prepared, spec: &SandboxSpec) -> Result<Sandbox, Refusal> {
        let secrets = if spec.secrets.is_empty() {
            Vec::new()
        } else {
            let request = SecretGetOrCreateRequest {
                environment_name: self.environment.clone(),
                object_creation_type: EPHEMERAL,
                env_dict: spec.exposed(),
            };
            vec![call!(self.rpc, secret_get_or_create, request).await?.secret_id]
        };
        let request =
            SandboxCreateRequest { app_id: prepared.app.clone(), definition: Some(spec.definition(prepared, secrets)), tags: spec.tags() };
        let rpc = self.rpc.within(CREATE_TIMEOUT);
        let answer = call!(rpc, sandbox_create, request).await?;
        self.created("sandbox_create", answer.sandbox_id, None, None)
    }

    fn created(&self, method: &'static str, id: String, task: Option<String>, access: Option<Access>) -> Result<Sandbox, Refusal> {
        if id.is_empty() {
            let status = tonic::Status::data_loss("the answer names no sandbox");
            return Err(self.rpc.refused(method, status));
        }
        Ok(Sandbox { id, task, attached: false, access })
    }
}

impl SandboxSpec {
    /// The rules of the service, and that no token stands where it would be seen.
    fn check(&self) -> Result<()> {
        let refused = |what: String, hint: &'static str| Err(Error::usage(what, hint));
        if let Some(name) = self.name.as_deref().filter(|name| !is_word(name, 64)) {
            return refused(format!("`{name}` is no name for a sandbox"), "a name is 1 to 64 letters, digits, `-`, `_` and `.`");
        }
        if let Some((key, value)) = self.tags.iter().find(|(key, value)| !is_word(key, 63) || !is_word(value, 63)) {
            return refused(format!("`{key}`=`{value}` is no tag"), "both are 1 to 63 letters, digits, `-`, `_` and `.`");
        }
        if self.args.iter().map(|argument| argument.len() + 1).sum::<usize>() > MOST_ARGUMENTS {
            return refused("the arguments are too long for Modal".to_owned(), "put what is long into a mounted file");
        }
        if self.timeout > LONGEST_LIFE || self.timeout.is_zero() {
            return refused("a sandbox lives 24 hours at most".to_owned(), "set a timeout from 1 s to 24 h");
        }
        let seen = self.args.iter().chain(&self.name).chain(self.tags.values()).chain(self.tags.keys());
        let holds_secret = |text: &str| holds_token(text) || self.secrets.values().any(|secret| text.contains(secret.expose_to_secret()));
        match seen.into_iter().find(|text| holds_secret(text)) {
            // shown it would be out
            Some(_) => refused("a token stands where everybody can read it".to_owned(), "pass it among the secrets"),
            None => Ok(()),
        }
    }

    fn definition(&self, prepared: &Prepared, secret_ids: Vec<String>) -> Definition {
        let mounts = [&prepared.mount].into_iter().filter(|mount| !mount.is_empty()).chain(&self.mounts);
        Definition {
            entrypoint_args: self.args.clone(),
            mount_ids: mounts.cloned().collect(),
            image_id: prepared.image.clone(),
            secret_ids,
            resources: Some(Resources { memory_mb: self.memory_mib, milli_cpu: self.milli_cpu, ..Resources::default() }),
            timeout_secs: u32::try_from(self.timeout.as_secs().max(1)).unwrap_or(u32::MAX),
            workdir: None,
            scheduler_placement: (!self.regions.is_empty()).then(|| SchedulerPlacement { regions: self.regions.clone() }),
            network_access: Some(NetworkAccess { network_access_type: OPEN_NETWORK }),
            name: self.name.clone(),
            open_ports_oneof: Some(OpenPortsOneof::OpenPorts(PortSpecs {})),
        }
    }

    fn tags(&self) -> Vec<SandboxTag> {
        tags(&self.tags)
    }

    fn exposed(&self) -> BTreeMap<String, String> {
        self.secrets.iter().map(|(name, secret)| (name.clone(), secret.expose_to_secret().to_owned())).collect()
    }
}

/// Tags as they go over the wire.
pub(super) fn tags(tags: &BTreeMap<String, String>) -> Vec<SandboxTag> {
    tags.iter().map(|(name, value)| SandboxTag { tag_name: name.clone(), tag_value: value.clone() }).collect()
}

fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests;
