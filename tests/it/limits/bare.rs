//! Clients without manners, each with a hub of its own: they send what should not be sent, and are refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use standins::huggingface::{self, HuggingFace, Role};
use standins::modelscope::{self, ModelScope, Tier};
use standins::probe::{Probe, Reply};

/// At Hugging Face, with the model `alice/bert`.
pub struct BareHf {
    pub hf: HuggingFace,
    pub token: String,
}

impl BareHf {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(turn: impl FnOnce(&mut huggingface::Behaviour)) -> Self {
        let hf = HuggingFace::start(huggingface::Setup::default());
        let token = hf.user("alice").token("alice", Role::Write);
        hf.repo(huggingface::RepoKind::Model, "alice/bert");
        hf.behaviour(turn);
        Self { hf, token }
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        Probe::post(format!("{}{path}", self.hf.endpoint()), body).token(&self.token).send()
    }

    pub fn create(&self, namespace: &str, name: &str, visibility: &str) -> Reply {
        self.post("/api/repos/create", &json!({ "name": name, "organization": namespace, "type": "model", "visibility": visibility }))
    }

    pub fn commit(&self, operations: &[Value]) -> Reply {
        let head = self.hf.repo(huggingface::RepoKind::Model, "alice/bert").head();
        let header = json!({ "key": "header", "value": { "summary": "all", "parentCommit": head } });
        let lines: Vec<_> = std::iter::once(&header).chain(operations).map(Value::to_string).collect();
        let url = format!("{}/api/models/alice/bert/commit/main", self.hf.endpoint());
        Probe::new("POST", url).token(&self.token).body(lines.join("\n")).send()
    }

    pub fn preupload(&self, files: usize) -> Reply {
        let files: Vec<_> = (0..files).map(|number| json!({ "path": format!("{number}.txt"), "size": 1, "sample": "eA==" })).collect();
        self.post("/api/models/alice/bert/preupload/main", &json!({ "files": files }))
    }

    /// Offers blobs of these sizes.
    pub fn batch(&self, name: &str, sizes: &[u64]) -> Reply {
        let body = json!({ "operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256", "objects": objects(sizes) });
        self.post(&format!("/alice/{name}.git/info/lfs/objects/batch"), &body)
    }
}

/// A file inside a commit to Hugging Face.
pub fn file(path: &str, content: impl AsRef<[u8]>) -> Value {
    json!({ "key": "file", "value": { "path": path, "encoding": "base64", "content": STANDARD.encode(content) } })
}

/// A blob that is named in a commit to Hugging Face.
pub fn lfs_file(path: &str, number: u64) -> Value {
    json!({ "key": "lfsFile", "value": { "path": path, "algo": "sha256", "oid": oid(number), "size": 10 } })
}

/// At ModelScope, with the model `alice/bert`.
pub struct BareMs {
    pub ms: ModelScope,
    pub token: String,
}

impl BareMs {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(turn: impl FnOnce(&mut modelscope::Behaviour)) -> Self {
        let ms = ModelScope::start(modelscope::Setup::default());
        ms.user("alice");
        let token = ms.token("alice", Tier::Write);
        ms.repo(modelscope::RepoKind::Model, "alice/bert");
        ms.behaviour(turn);
        Self { ms, token }
    }

    pub fn signed(&self, probe: Probe) -> Probe {
        probe.token(&self.token).header("cookie", &format!("m_session_id={}", self.token))
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.signed(Probe::post(format!("{}{path}", self.ms.endpoint()), body)).send()
    }

    pub fn create(&self, namespace: &str, name: &str, licence: &str) -> Reply {
        self.post("/api/v1/models", &json!({ "Path": namespace, "Name": name, "Visibility": 1, "License": licence }))
    }

    pub fn commit(&self, actions: &[Value]) -> Reply {
        self.post("/api/v1/repos/models/alice/bert/commit/master", &json!({ "commit_message": "all", "actions": actions }))
    }

    pub fn batch(&self, sizes: &[u64]) -> Reply {
        self.post("/api/v1/repos/models/alice/bert/info/lfs/objects/batch", &json!({ "operation": "upload", "objects": objects(sizes) }))
    }
}

/// A file inside a commit to ModelScope.
pub fn inline(path: &str, content: impl AsRef<[u8]>) -> Value {
    let content = content.as_ref();
    json!({ "action": "create", "path": path, "type": "normal", "size": content.len(), "sha256": "", "encoding": "base64", "content": STANDARD.encode(content) })
}

/// A blob that is named in a commit to ModelScope.
pub fn pointer(path: &str, sha256: &str, size: u64) -> Value {
    json!({ "action": "create", "path": path, "type": "lfs", "size": size, "sha256": sha256, "content": "", "encoding": "" })
}

/// So many small files inside a commit to ModelScope.
pub fn inlines(count: usize) -> Vec<Value> {
    (0..count).map(|number| inline(&format!("{number}.txt"), "x")).collect()
}

fn objects(sizes: &[u64]) -> Vec<Value> {
    sizes.iter().zip(0..).map(|(size, number)| json!({ "oid": oid(number), "size": size })).collect()
}

pub fn oid(number: u64) -> String {
    format!("{number:064x}")
}
