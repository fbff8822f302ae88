//! One source of a batch, and how far it is.

use super::Prepared;
use super::resolve::Asked;
use crate::error::{Error, ErrorReport};
use crate::journal::Folder;
use crate::protocol::{Report, Request, State};
use crate::repo::RepoType;

/// One source of a batch.
pub struct Member {
    /// What the words say of it.
    pub asked: Asked,
    /// The request, once the hubs were asked.
    pub request: Option<Request>,
    /// The migration's id, once it started.
    pub id: Option<String>,
    /// How far it is.
    pub stage: Stage,
}

/// How far a source of a batch is.
pub enum Stage {
    /// Nobody has looked yet.
    Waiting,
    /// Planned.
    Ready(Box<Prepared>),
    /// About to be carried.
    Starting,
    /// A migration carries it.
    Started(Folder),
    /// It came to its end.
    Ended(Box<Report>),
    /// It came to no end.
    Failed(Error),
    /// Not begun, for this reason, which is not its own fault.
    Skipped(Error),
}

impl Member {
    /// The source, as far as it is known.
    pub fn source(&self) -> String {
        let revision = self.asked.revision.as_ref().map(|revision| format!("@{revision}")).unwrap_or_default();
        format!("{}:{}{revision}", self.asked.from, self.asked.id)
    }

    /// Its kind, as far as it is known.
    pub fn kind(&self) -> Option<RepoType> {
        self.request.as_ref().map(|request| request.source.repo_type).or(self.asked.named)
    }

    /// The destination.
    pub fn destination(&self) -> String {
        format!("{}:{}", self.asked.from.other(), self.asked.destination)
    }

    /// The word for what became of it.
    pub fn state(&self) -> &'static str {
        match &self.stage {
            Stage::Waiting | Stage::Skipped(_) => "skipped",
            Stage::Ready(_) | Stage::Starting => "ready",
            Stage::Started(_) => State::Running.name(),
            Stage::Ended(report) => report.state.name(),
            Stage::Failed(error) => State::after(error.kind()).name(),
        }
    }

    /// Why it did not come to an end.
    pub fn error(&self) -> Option<&Error> {
        match &self.stage {
            Stage::Failed(error) | Stage::Skipped(error) => Some(error),
            Stage::Waiting | Stage::Ready(_) | Stage::Starting | Stage::Started(_) | Stage::Ended(_) => None,
        }
    }

    /// The member in JSON where there is no report: the same keys as a report, as far as they are known.
    pub fn entry(&self) -> serde_json::Value {
        let Asked { from, id, destination, .. } = &self.asked;
        let repo_type = self.kind();
        let mut entry = serde_json::json!({
            "id": self.id,
            "state": self.state(),
            "source": { "platform": from, "repo": id, "type": repo_type, "revision": self.asked.revision },
            "destination": { "platform": from.other(), "repo": destination },
        });
        if let Some(error) = self.error() {
            entry["error"] = serde_json::json!(ErrorReport::from(error));
        }
        entry
    }
}
