//! Modal: sandboxes in the cloud, driven over gRPC (facts, modal). A sandbox goes on when the process that created it ends, and is found
//! again by name or tags from anywhere.
//!
//! [`ModalClient::connect`], then [`ModalClient::prepare`] (app, image, files), [`ModalClient::create`], [`ModalClient::lines`] for its
//! output, [`ModalClient::wait`] for its end. Two generations of calls are spoken; which one a sandbox belongs to shows in its id.

mod account;
mod auth;
mod channel;
mod failures;
mod find;
mod mount;
mod notices;
mod output;
mod prepare;
mod release;
mod retry;
mod rpc;
mod sandbox;
mod watch;
mod wire;
mod worker_binary;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use tonic::Code;

pub use account::Account;
pub use failures::is_full;
pub use find::Listed;
pub use mount::MountedFile;
pub use output::{Lines, Mark, Output};
pub use prepare::Prepared;
pub use release::Shelf;
pub use sandbox::{Sandbox, SandboxSpec};
pub use watch::{Ended, EndedHow};
pub use worker_binary::{WorkerBinary, find_worker};

use channel::Proxies;
use failures::Refusal;
use notices::Notices;
use rpc::Rpc;

use crate::config::{Generation, ModalSettings};
use crate::error::Result;
use crate::http::{Http, IDLE_TIMEOUT};
use crate::secret::Token;

/// The app that every sandbox belongs to.
pub const APP: &str = "hf2ms";

/// A client of Modal's control plane. Cloning shares connection and tokens.
///
/// Where a call says nothing else, it is tried again like Modal's own clients do: three times within two seconds, and for as long as Modal
/// itself asks to slow down. It fails with `Unauthorized`, `Forbidden`, `RateLimited` or `Unavailable` as the refusal means.
#[derive(Clone)]
pub struct ModalClient {
    rpc: Rpc,
    http: Http,
    proxies: Proxies,
    environment: String,
    builder_version: Option<String>,
    app: Arc<OnceCell<String>>,
    /// The newer generation is switched off, or the service has it no longer.
    only_older: Arc<AtomicBool>,
    /// What sandboxes gave when they were created, to be shown with later calls about them.
    sandbox_tokens: Arc<Mutex<BTreeMap<String, Token>>>,
}

impl std::fmt::Debug for ModalClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ModalClient({})", self.host())
    }
}

impl ModalClient {
    /// Connects to the first address that answers. The tokens are not checked: [`ModalClient::whoami`] does.
    ///
    /// Fails with `Usage` for an address that may not be called, with `Unavailable` when none answers.
    pub async fn connect(settings: &ModalSettings) -> Result<Self> {
        let proxies = if settings.proxy { Proxies::Environment } else { Proxies::None };
        let connected = channel::first_of(&settings.servers, proxies).await?;
        let http = Http::new(connected.loopback || !settings.proxy, IDLE_TIMEOUT)?;
        Ok(Self {
            rpc: Rpc::new(connected, settings, Notices::default())?,
            http,
            proxies,
            environment: settings.environment.clone(),
            builder_version: settings.builder_version.clone(),
            app: Arc::default(),
            only_older: Arc::new(AtomicBool::new(settings.generation == Generation::V1)),
            sandbox_tokens: Arc::default(),
        })
    }

    /// The same client, for work that nobody waits for: its calls are tried through an outage of ten minutes.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self { rpc: self.rpc.lasting(), ..self.clone() }
    }

    /// The same client, for sandboxes of another environment.
    #[must_use]
    pub fn of_environment(&self, environment: &str) -> Self {
        match self.environment == environment {
            true => self.clone(),
            false => Self { environment: environment.to_owned(), app: Arc::default(), ..self.clone() },
        }
    }

    /// Tells of warnings that Modal sends and of waits that it asks for, each once.
    pub fn tell_to(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        self.rpc.notices().tell_to(listener);
    }

    /// The host that is called.
    pub fn host(&self) -> &str {
        self.rpc.host()
    }

    fn generation(&self) -> Generation {
        if self.only_older.load(Ordering::Relaxed) { Generation::V1 } else { Generation::V2 }
    }

    /// Calls about this sandbox.
    fn about(&self, sandbox: &str) -> Result<Rpc> {
        let tokens = self.sandbox_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        self.rpc.about(tokens.get(sandbox))
    }

    fn remember(&self, sandbox: &str, token: &str) {
        if let Ok(token) = Token::new(token) {
            self.sandbox_tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(sandbox.to_owned(), token);
        }
    }
}

/// Which generation a sandbox is of: ids of the older one are `sb-` and 22 letters or digits (facts, modal §2.6).
fn generation_of(sandbox: &str) -> Generation {
    let older = sandbox.strip_prefix("sb-").is_some_and(|tail| tail.len() == 22 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if older { Generation::V1 } else { Generation::V2 }
}

/// Makes the call of this generation, and that of the other one when the service does not have it.
async fn either<A>(
    generation: Generation,
    newer: impl Future<Output = Result<A, Refusal>>,
    older: impl Future<Output = Result<A, Refusal>>,
) -> Result<A, Refusal> {
    let missing = |answer: &Result<A, Refusal>| matches!(answer, Err(refusal) if refusal.code() == Code::Unimplemented);
    match generation {
        Generation::V2 => match newer.await {
            answer if missing(&answer) => older.await,
            answer => answer,
        },
        Generation::V1 => match older.await {
            answer if missing(&answer) => newer.await,
            answer => answer,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_shows_in_the_id() {
        assert_eq!(generation_of("sb-0123456789abcdefghijKL"), Generation::V1);
        for newer in ["sb-0123456789abcdefghijKLM", "sb-0123456789abcdefghi-KL", "sb2-x", "", "sb-0123456789abcdefghij"] {
            assert_eq!(generation_of(newer), Generation::V2, "{newer}");
        }
    }
}
