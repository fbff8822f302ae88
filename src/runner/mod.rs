//! Where a conductor runs: as a child process of this machine; the client of a cloud stands beside it.

mod local;
pub mod modal;

use serde::{Deserialize, Serialize};

pub use local::Local;

use crate::error::Result;
use crate::journal::Folder;
use crate::protocol::Job;
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
}

impl Place {
    /// The runner's name in flags and reports.
    pub fn runner(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
        }
    }
}

/// Runs conductors. Each goes on when the process that started it ends.
pub trait Runner: Send + Sync {
    /// Starts a job and notes in the folder where, before the job can do anything. Its events go to the folder.
    fn start(&self, job: &Job, tokens: &Tokens, folder: &Folder) -> impl Future<Output = Result<Place>> + Send;

    /// Whether it still runs.
    fn is_alive(&self, place: &Place) -> impl Future<Output = Result<bool>> + Send;

    /// Asks it to stop; it reports before it ends. Nothing happens when it has ended already.
    fn cancel(&self, place: &Place) -> impl Future<Output = Result<()>> + Send;
}
