//! A desk to work from: a ModelScope with one account, and well-mannered requests to start from.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "a shared part of several test binaries")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use standins::content::Content;
use standins::marks::TOKEN_ASTRAY;
use standins::modelscope::{LFS, ModelScope, RepoKind, Setup, Tier};
use standins::probe::{Probe, Reply};
use standins::strict::RuleName;

pub struct Desk {
    pub ms: ModelScope,
    pub token: String,
}

/// A model of alice's, of which no rule is broken yet.
pub const REPO: &str = "alice/bert";

impl Desk {
    pub fn new() -> Self {
        let ms = ModelScope::start(Setup::default());
        let token = ms.token("alice", Tier::Write);
        ms.repo(RepoKind::Model, REPO);
        Self { ms, token }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ms.endpoint())
    }

    /// Adds both halves of the credentials.
    pub fn signed(&self, probe: Probe) -> Probe {
        probe.token(&self.token).header("Cookie", &format!("m_session_id={}", self.token))
    }

    pub fn get(&self, path: &str) -> Reply {
        self.signed(Probe::get(self.url(path)).identity()).send()
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.signed(Probe::post(self.url(path), body)).send()
    }

    /// Creates a repository and reads its visibility back.
    pub fn create(&self, name: &str) -> Reply {
        let body = json!({ "Path": "alice", "Name": name, "Visibility": 1, "License": "Apache-2.0" });
        let reply = self.post("/api/v1/models", &body);
        self.get(&format!("/api/v1/models/alice/{name}"));
        reply
    }

    pub fn blob_url(&self, content: &Content) -> String {
        self.blob_url_of(content.sha256(), content.len())
    }

    pub fn blob_url_of(&self, oid: &str, size: u64) -> String {
        format!("{}/api/v1/repos/models/{REPO}/blobs/{oid}/{size}", self.ms.origin(LFS))
    }

    pub fn put(&self, content: &Content) -> Reply {
        self.signed(Probe::put(self.blob_url(content), content.to_bytes())).send()
    }

    pub fn batch(&self, objects: &[(&str, u64)]) -> Reply {
        let objects: Vec<Value> = objects.iter().map(|(oid, size)| json!({ "oid": oid, "size": size })).collect();
        let body = json!({ "operation": "upload", "objects": objects });
        self.post(&format!("/api/v1/repos/models/{REPO}/info/lfs/objects/batch"), &body)
    }

    pub fn commit(&self, actions: &[Value]) -> Reply {
        self.commit_to("master", actions)
    }

    pub fn commit_to(&self, revision: &str, actions: &[Value]) -> Reply {
        let body = json!({ "commit_message": "a commit", "actions": actions });
        self.post(&format!("/api/v1/repos/models/{REPO}/commit/{revision}"), &body)
    }

    pub fn files(&self, query: &str) -> Reply {
        self.get(&format!("/api/v1/models/{REPO}/repo/files?{query}"))
    }

    pub fn download(&self, revision: &str, path: &str) -> Reply {
        self.get(&format!("/api/v1/models/{REPO}/repo?Revision={revision}&FilePath={path}"))
    }

    pub fn head(&self) -> String {
        self.ms.repo(RepoKind::Model, REPO).head()
    }

    /// Counts how often a rule was broken by `act`, and that no other was, but for the general one about tokens.
    #[track_caller]
    pub fn breaks(&self, rule: RuleName, act: impl FnOnce(&Self)) {
        self.ms.strict().assert_clean();
        act(self);
        assert_ne!(self.ms.strict().count_of(rule), 0, "{} was not counted", rule.name);
        let others: Vec<_> =
            self.ms.strict().violations().into_iter().filter(|broken| ![rule.name, TOKEN_ASTRAY.name].contains(&broken.rule)).collect();
        assert!(others.is_empty(), "also broken: {others:?}");
        self.ms.strict().forget();
    }
}

pub fn inline(path: &str, bytes: &[u8]) -> Value {
    json!({
        "action": "create", "path": path, "type": "normal", "size": bytes.len(), "sha256": "",
        "content": STANDARD.encode(bytes), "encoding": "base64",
    })
}

pub fn lfs(path: &str, oid: &str, size: u64) -> Value {
    json!({ "action": "create", "path": path, "type": "lfs", "size": size, "sha256": oid, "content": "", "encoding": "" })
}

pub fn pointer(path: &str, content: &Content) -> Value {
    lfs(path, content.sha256(), content.len())
}

pub fn delete(path: &str) -> Value {
    json!({ "action": "delete", "path": path, "type": "normal", "size": 0, "sha256": "", "content": "", "encoding": "" })
}

/// The paths of a listing.
pub fn paths(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let files = body["Data"]["Files"].as_array().cloned().unwrap_or_default();
    files.iter().filter_map(|entry| entry["Path"].as_str().map(str::to_owned)).collect()
}

#[track_caller]
pub fn assert_refused(reply: &Reply, status: u16, code: u64, text: &str) {
    let body = reply.json();
    assert_eq!(reply.status, status, "{body}");
    assert_eq!(body["Success"], false, "{body}");
    assert_eq!(body["Code"], code, "{body}");
    assert!(body["Message"].as_str().unwrap_or_default().contains(text), "{body}");
}
