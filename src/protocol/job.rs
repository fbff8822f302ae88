//! What goes in.

use serde::{Deserialize, Serialize};

use crate::repo::{Digests, FileEntry, Platform, RepoRef};

/// What a process is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`super::PROTOCOL`] of the writer.
    pub protocol: u32,
    /// The migration's id.
    pub id: String,
    /// What this process is in it.
    pub role: Role,
    /// What to migrate.
    pub request: Request,
    /// The source's commit that the plan was made for. Another one is never migrated under this job.
    pub source_commit: Option<String>,
    /// What the user confirmed.
    pub consent: Consent,
    /// What lies at the destination where the user confirmed that it is replaced. Anything else is not.
    #[serde(default)]
    pub replaces: Vec<FileEntry>,
    /// What of the destination the user saw to be deleted. Anything else is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<FileEntry>,
    /// Where the hubs are.
    pub endpoints: Endpoints,
    /// Pairs of digests of one content, found by hashing it; they save reading it again to compare.
    #[serde(default)]
    pub known: Vec<Digests>,
    /// Bytes that were read for those of them that are new, for the report.
    #[serde(default)]
    pub compared: u64,
    /// What the process may use.
    #[serde(default)]
    pub limits: Limits,
    /// Where the process runs.
    #[serde(default)]
    pub runner: RunnerKind,
    /// How many workers a conductor shares the work among; 0: it carries alone.
    #[serde(default)]
    pub workers: u32,
    /// After so many seconds it stops, cleanly; never when absent.
    #[serde(default)]
    pub max_seconds: Option<u64>,
    /// After so many seconds its container is near its end: a conductor with workers starts its successor then, one without stops. Never when
    /// absent.
    #[serde(default)]
    pub container_seconds: Option<u64>,
    /// What conductors before this one did.
    #[serde(default)]
    pub before: Before,
    /// What a worker carries: of each content one file, with its sha256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileEntry>,
    /// Where a conductor starts its workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modal: Option<ModalAddress>,
}

/// What was done of a migration by conductors whose containers came to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// How many there were.
    pub conductors: u32,
    /// Payload bytes that they and their workers sent to the destination.
    pub moved: u64,
    /// What of that workers told that go on: shard, attempt, bytes. They tell it again.
    pub workers: Vec<(u32, u32, u64)>,
    /// Seconds that they took.
    pub seconds: u64,
    /// Whether one of them created the destination.
    pub created: bool,
}

impl Before {
    /// The number of the next one's first event: higher than that of any event before.
    pub fn first_event(&self) -> u64 {
        u64::from(self.conductors) * 1_000_000_000
    }

    /// Which conductor of its migration the next one is, counted from 1.
    pub fn generation(&self) -> u32 {
        self.conductors.saturating_add(1)
    }
}

/// How a conductor that shares its work reaches Modal. Without the tokens: those are secrets of its sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModalAddress {
    /// Addresses of the control plane, of which the first that answers is used.
    pub servers: Vec<String>,
    /// The environment's name; empty is the workspace's default.
    pub environment: String,
    /// The version of the image builder, where it is not the environment's own.
    pub builder_version: Option<String>,
    /// Whether calls of the older generation are made.
    pub older: bool,
    /// What the client says it is: type, version, library.
    pub client: (u32, String, Option<String>),
    /// Seconds that a call may be throttled; as long as it takes when absent.
    pub most_throttle_seconds: Option<u64>,
}

/// Where a process runs, as flags and reports call it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerKind {
    /// On the machine it was started from.
    #[default]
    Local,
    /// In a sandbox of Modal.
    Modal,
}

impl RunnerKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Modal => "modal",
        }
    }
}

/// What a process is in a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides, carries, commits, verifies.
    Conductor,
    /// Carries the blobs that its job names, and nothing else.
    Worker,
}

/// What the user asked for, resolved: both addresses, what to select.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The repository read.
    pub source: RepoRef,
    /// Branch, tag or commit to read; the default branch when absent.
    pub revision: Option<String>,
    /// The repository written.
    pub destination: RepoRef,
    /// Globs of paths to take; all when empty.
    #[serde(default)]
    pub include: Vec<String>,
    /// Globs of paths to leave.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether what the source no longer has is deleted at the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Deletion>,
    /// Whether the source's files are read by git, whether or not its hub's API gives them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_git: bool,
}

/// The wish to delete at the destination what the source does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// So many files are deleted at most; the plan's own bound when absent.
    #[serde(default)]
    pub most: Option<u64>,
}

/// What the user confirmed beyond the ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Overwriting files that differ, leaving out what cannot be copied.
    pub risks: bool,
    /// Putting what is not public into a repository that more people can read.
    pub loosened_visibility: bool,
    /// Deleting files at the destination.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletion: bool,
}

/// Where the hubs are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Hugging Face.
    pub hf: String,
    /// ModelScope.
    pub ms: String,
}

impl Endpoints {
    /// The endpoint of one platform.
    pub fn of(&self, platform: Platform) -> &str {
        match platform {
            Platform::HuggingFace => &self.hf,
            Platform::ModelScope => &self.ms,
        }
    }
}

/// What one process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Transfers at once to begin with; then as many as both sides bear.
    pub streams: usize,
    /// Transfers at once that are never exceeded.
    pub most_streams: usize,
    /// Bytes of file content held at once.
    pub memory: u64,
    /// How long nothing may come of a download before it is asked for anew.
    pub idle_seconds: u64,
    /// At least so many milliseconds between two commits, where the hub does not publish how often it takes one; by default what is known to be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_millis: Option<u64>,
}

impl Limits {
    /// What one of so many processes takes that share this.
    pub fn shared_by(self, processes: u32) -> Self {
        let (processes, of) = (processes.max(1), |streams: usize| (streams / processes.max(1) as usize).max(1));
        Self { streams: of(self.streams), most_streams: of(self.most_streams), memory: self.memory / u64::from(processes), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: 8, most_streams: 64, memory: 96 << 20, idle_seconds: 20, commit_millis: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_that_does_not_delete_wrote_is_read_and_written_as_it_was() {
        let request = r#"{"source":{"platform":"hf","type":"model","id":"alice/bert"},"revision":null,"destination":{"platform":"ms","type":"model","id":"alice/bert"},"include":[],"exclude":[]}"#;
        let consent = r#"{"risks":true,"loosened_visibility":false}"#;
        for text in [request, consent] {
            let again = match serde_json::from_str::<Request>(text) {
                Ok(request) => serde_json::to_string(&request).unwrap(),
                Err(_) => serde_json::to_string(&serde_json::from_str::<Consent>(text).unwrap()).unwrap(),
            };
            assert_eq!(again, text);
        }
        let asked = Request { delete: Some(Deletion { most: Some(3) }), ..serde_json::from_str(request).unwrap() };
        assert_eq!(serde_json::from_str::<Request>(&serde_json::to_string(&asked).unwrap()).unwrap(), asked);
    }
}
