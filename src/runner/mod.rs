//! Where a conductor runs: as a child process of this machine, or in a sandbox of Modal.

pub mod conductor_spec;
mod local;
pub mod modal;
pub mod names;
mod sandboxed;
mod watch;
pub mod workers;

use serde::{Deserialize, Serialize};

pub use local::Local;
pub use sandboxed::Sandboxed;
pub use watch::Watch;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::journal::Folder;
use crate::protocol::{Job, RunnerKind};
use crate::secret::Tokens;

/// Where a migration's conductor was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runner", rename_all = "snake_case")]
pub enum Place {
    /// A process of this machine.
    Local {
        /// Its number.
        pid: u32,
        /// When it started, as the system counts: the same number at another time is another process.
        started: String,
    },
    /// A sandbox of Modal.
    Modal {
        /// Its name, which no other running sandbox has.
        name: String,
        /// The migration it conducts: another one may have had the name before, or may have it now.
        #[serde(default)]
        migration: String,
        /// Its id; absent while it is not known whether it was created.
        sandbox: Option<String>,
        /// Modal's environment; empty is the workspace's default.
        environment: String,
    },
}

impl Place {
    /// Which runner it belongs to.
    pub fn kind(&self) -> RunnerKind {
        match self {
            Self::Local { .. } => RunnerKind::Local,
            Self::Modal { .. } => RunnerKind::Modal,
        }
    }
}

/// How starting a conductor went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs, at this place.
    Here(Place),
    /// Another one writes to the destination already.
    Already {
        /// The id of its migration.
        id: String,
        /// Whether it does the same.
        same: bool,
    },
}

/// Runs conductors. Each goes on when the process that started it ends.
pub trait Runner: Send + Sync {
    /// Starts a job and notes in the folder where, before the job can do anything.
    fn start(&self, job: &Job, tokens: &Tokens, folder: &Folder) -> impl Future<Output = Result<Started>> + Send;

    /// Whether it still runs.
    fn is_alive(&self, place: &Place) -> impl Future<Output = Result<bool>> + Send;

    /// Asks it to stop, or stops it. Nothing happens when it has ended already.
    fn cancel(&self, place: &Place) -> impl Future<Output = Result<()>> + Send;
}

/// Both runners; the one in the cloud is connected to when it is needed.
#[derive(Clone, Debug)]
pub struct Runners {
    local: Local,
    modal: Sandboxed,
}

impl Runners {
    /// The runners of this configuration.
    pub fn new(config: &Config) -> Self {
        Self { local: Local, modal: Sandboxed::new(config) }
    }

    /// The one in the cloud.
    pub fn modal(&self) -> &Sandboxed {
        &self.modal
    }

    /// Starts a job where it says that it runs.
    pub async fn start(&self, job: &Job, tokens: &Tokens, folder: &Folder) -> Result<Started> {
        match job.runner {
            RunnerKind::Local => self.local.start(job, tokens, folder).await,
            RunnerKind::Modal => self.modal.start(job, tokens, folder).await,
        }
    }

    /// Whether a conductor still runs.
    pub async fn is_alive(&self, place: &Place) -> Result<bool> {
        match place.kind() {
            RunnerKind::Local => self.local.is_alive(place).await,
            RunnerKind::Modal => self.modal.is_alive(place).await,
        }
    }

    /// What ended a conductor that could not say it itself; `None` where nobody knows, or nothing went wrong.
    pub async fn failure(&self, place: &Place) -> Result<Option<Error>> {
        match place.kind() {
            RunnerKind::Local => Ok(None),
            RunnerKind::Modal => self.modal.failure(place).await,
        }
    }

    /// Stops a conductor.
    pub async fn cancel(&self, place: &Place) -> Result<()> {
        match place.kind() {
            RunnerKind::Local => self.local.cancel(place).await,
            RunnerKind::Modal => self.modal.cancel(place).await,
        }
    }

    /// Looks at a migration from here: brings its events to the folder.
    pub fn watch(&self, folder: &Folder) -> Watch {
        Watch::new(self.clone(), folder.clone())
    }
}
