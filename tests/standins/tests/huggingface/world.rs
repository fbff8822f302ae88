//! A hub with one user, and the calls a client makes, one function each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use standins::content::Content;
use standins::huggingface::{HuggingFace, RepoHandle, RepoKind, Role, Setup};
use standins::marks::TOKEN_ASTRAY;
use standins::probe::{Probe, Reply};
use standins::strict::RuleName;

/// Bytes that are LFS by name wherever they lie.
pub(crate) const WEIGHTS: &str = "model.safetensors";

pub(crate) struct World {
    pub(crate) hf: HuggingFace,
    pub(crate) token: String,
    pub(crate) url: String,
}

impl World {
    pub(crate) fn start() -> Self {
        let hf = HuggingFace::start(Setup::default());
        let token = hf.user("alice").token("alice", Role::Write);
        let url = hf.endpoint();
        Self { hf, token, url }
    }

    /// The model `alice/bert`, there from the beginning.
    pub(crate) fn bert(&self) -> RepoHandle {
        self.hf.repo(RepoKind::Model, "alice/bert")
    }

    #[track_caller]
    pub(crate) fn assert_broken(&self, rule: RuleName) {
        let mut broken: Vec<&str> = self.hf.strict().violations().iter().map(|violation| violation.rule).collect();
        // the general rule about tokens is broken along with a hub's own
        broken.retain(|name| *name != TOKEN_ASTRAY.name);
        assert_eq!(broken, [rule.name], "{:?}", self.hf.strict().violations());
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        Probe::get(format!("{}{path}", self.url)).token(&self.token).identity().send()
    }

    pub(crate) fn head(&self, path: &str) -> Reply {
        Probe::new("HEAD", format!("{}{path}", self.url)).token(&self.token).identity().send()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        Probe::post(format!("{}{path}", self.url), body).token(&self.token).send()
    }

    pub(crate) fn create(&self, id: &str, visibility: &str) -> Reply {
        let name = id.split_once('/').unwrap().1;
        self.post(
            "/api/repos/create",
            &json!({ "name": name, "organization": id.split('/').next(), "type": "model", "visibility": visibility }),
        )
    }

    pub(crate) fn info(&self, id: &str) -> Value {
        self.get(&format!("/api/models/{id}")).json()
    }

    pub(crate) fn preupload(&self, id: &str, files: &[(&str, &[u8])]) -> Reply {
        let file = |(path, bytes): &(&str, &[u8])| {
            let sample = STANDARD.encode(&bytes[..bytes.len().min(512)]);
            json!({ "path": path, "size": bytes.len(), "sample": sample })
        };
        let files: Vec<Value> = files.iter().map(file).collect();
        self.post(&format!("/api/models/{id}/preupload/main"), &json!({ "files": files }))
    }

    pub(crate) fn batch(&self, id: &str, objects: &[(&str, u64)]) -> Reply {
        let objects: Vec<Value> = objects.iter().map(|(oid, size)| json!({ "oid": oid, "size": size })).collect();
        let body = json!({ "operation": "upload", "transfers": ["basic", "multipart"], "hash_algo": "sha256",
            "ref": { "name": "main" }, "objects": objects });
        self.post(&format!("/{id}.git/info/lfs/objects/batch"), &body)
    }

    /// The ticket for one object.
    pub(crate) fn ticket(&self, id: &str, content: &Content) -> Value {
        self.batch(id, &[(content.sha256(), content.len())]).json()["objects"][0].clone()
    }

    /// Sends an object whole, as the batch tells.
    pub(crate) fn upload(&self, id: &str, content: &Content) {
        let ticket = self.ticket(id, content);
        if let Some(href) = ticket["actions"]["upload"]["href"].as_str() {
            assert_eq!(Probe::put(href, content.to_bytes()).send().status, 200);
        }
    }

    pub(crate) fn commit(&self, id: &str, parent: Option<&str>, operations: &[Value]) -> Reply {
        let mut header = json!({ "summary": "A commit", "description": "" });
        if let Some(parent) = parent {
            header["parentCommit"] = json!(parent);
        }
        let mut lines = vec![json!({ "key": "header", "value": header }).to_string()];
        lines.extend(operations.iter().map(Value::to_string));
        let url = format!("{}/api/models/{id}/commit/main", self.url);
        Probe::new("POST", url).token(&self.token).header("Content-Type", "application/x-ndjson").body(lines.join("\n")).send()
    }

    /// A file at the head, by redirects, without the token where it does not belong.
    pub(crate) fn download(&self, id: &str, path: &str) -> Vec<u8> {
        let sha = self.info(id)["sha"].as_str().unwrap().to_owned();
        let reply = self.get(&format!("/{id}/resolve/{sha}/{path}"));
        let location = reply.header("location").unwrap().to_owned();
        match reply.status {
            307 => self.get(&location).body,
            302 => Probe::get(location).identity().send().body,
            other => panic!("{other}: {}", reply.text()),
        }
    }
}

pub(crate) fn file(path: &str, text: &str) -> Value {
    json!({ "key": "file", "value": { "path": path, "content": STANDARD.encode(text), "encoding": "base64" } })
}

pub(crate) fn lfs_file(path: &str, content: &Content) -> Value {
    json!({ "key": "lfsFile", "value": { "path": path, "algo": "sha256", "oid": content.sha256(), "size": content.len() } })
}

/// The part URLs of a ticket, in order.
pub(crate) fn parts(ticket: &Value) -> Vec<String> {
    let header = ticket["actions"]["upload"]["header"].as_object().unwrap();
    let count = header.keys().filter(|key| key.as_str() != "chunk_size").count();
    (1..=count).map(|number| header[&number.to_string()].as_str().unwrap().to_owned()).collect()
}

/// Sends the parts and gives what completion wants to hear.
pub(crate) fn send_parts(ticket: &Value, content: &Content) -> Vec<Value> {
    let size: u64 = ticket["actions"]["upload"]["header"]["chunk_size"].as_str().unwrap().parse().unwrap();
    let send = |(url, number): (String, u64)| {
        let start = (number - 1) * size;
        let bytes: Vec<u8> = content.range(start..start + size).flatten().collect();
        let reply = Probe::put(url, bytes).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        json!({ "partNumber": number, "etag": reply.header("etag").unwrap() })
    };
    parts(ticket).into_iter().zip(1..).map(send).collect()
}
