//! The official client keeps the stand-in honest: it writes to it, reads from it, and lives through its misfortunes.
//!
//! Run with `--run-ignored all` after `tests/peers/setup.sh`; `PEERS_PYTHON` names another interpreter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::modelscope::{ModelScope, RepoKind, Setup, Tier, Visibility, misfortunes};

/// A folder that goes away with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("standins-peers-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, content: &Content) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content.to_bytes()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Peer {
    ms: ModelScope,
    token: String,
    home: Folder,
}

impl Peer {
    fn new(name: &str) -> Self {
        let ms = ModelScope::start(Setup { lenient_peers: true, ..Setup::default() });
        let token = ms.token("alice", Tier::Write);
        Self { ms, token, home: Folder::new(name) }
    }

    /// Runs the peer script; gives the object it prints.
    fn run(&self, arguments: &[&str]) -> Value {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = std::env::var_os("PEERS_PYTHON").map_or_else(|| top.join(".venv/bin/python"), PathBuf::from);
        let home = &self.home.0;
        let output = Command::new(python)
            .arg(top.join("tests/peers/peer.py"))
            .args(arguments)
            .env("HOME", home)
            .env("MODELSCOPE_HOME", home.join("modelscope"))
            .env("MODELSCOPE_CACHE", home.join("cache"))
            .env("MODELSCOPE_ENDPOINT", self.ms.endpoint())
            .env("MODELSCOPE_API_TOKEN", &self.token)
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .expect("the official clients are set up: tests/peers/setup.sh");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended with {}:\n{words}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn upload(&self, kind: &str, folder: &Folder) {
        let folder = folder.0.to_str().unwrap();
        self.run(&["upload", "--hub", "ms", "--type", kind, "--repo", "alice/peer", "--folder", folder]);
    }

    /// Downloads with the official client and compares every file with what is in the folder.
    fn download_equals(&self, kind: &str, folder: &Folder) {
        let to = self.home.0.join(format!("down-{kind}"));
        let to = to.to_str().unwrap();
        let got = self.run(&["download", "--hub", "ms", "--type", kind, "--repo", "alice/peer", "--to", to]);
        let wanted = self.run(&["hashes", folder.0.to_str().unwrap()]);
        for (path, digest) in wanted["files"].as_object().unwrap() {
            assert_eq!(&got["files"][path], digest, "{path}");
        }
    }
}

fn sample(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("README.md", &"---\nlicense: apache-2.0\n---\n# A sample\n".into());
    folder.write("sub/config.json", &"{\"hidden_size\": 8}\n".into());
    folder.write("empty.txt", &"".into());
    folder.write("zero.bin", &"".into());
    folder.write("model.bin", &Content::generated(12, 12 << 20));
    folder
}

#[test]
#[ignore = "wants the official clients: tests/peers/setup.sh"]
fn the_official_client_writes_and_reads_models_and_datasets() {
    for (name, kind) in [("model", RepoKind::Model), ("dataset", RepoKind::Dataset)] {
        let (peer, folder) = (Peer::new(name), sample(&format!("{name}-sample")));
        peer.upload(name, &folder);
        let repo = peer.ms.repo(kind, "alice/peer");
        assert_eq!(repo.visibility(), Visibility::Private);
        assert_eq!(repo.files()["model.bin"].size, 12 << 20);
        assert!(repo.files()["model.bin"].lfs && !repo.files()["sub/config.json"].lfs);
        peer.download_equals(name, &folder);
        peer.ms.strict().assert_clean();
        // The only request that fails: the client creates the repository once more before it uploads.
        let failed: Vec<_> = peer.ms.journal().records().into_iter().filter(|record| record.status >= 400).collect();
        assert!(failed.iter().all(|record| record.route == "create"), "{failed:?}");
    }
}

#[test]
#[ignore = "wants the official clients: tests/peers/setup.sh"]
fn the_official_client_lives_through_misfortunes() {
    let (peer, folder) = (Peer::new("misfortunes"), sample("misfortunes-sample"));
    for number in 0..250 {
        folder.write(&format!("many/{number:03}.txt"), &number.to_string().as_str().into());
    }
    peer.ms.fault(Rule::route("put", Fault::status(500)));
    peer.ms.fault(Rule::route("put", Fault::ResetUpload(3 << 20)).skip(1));
    peer.ms.fault(Rule::route("commit", misfortunes::commit_frequency(Some(1))));
    peer.ms.fault(Rule::route("commit", misfortunes::branch_changed()).skip(1));
    peer.upload("dataset", &folder);
    peer.ms.fault(Rule::route("tree", misfortunes::spurious_denial()).path("PageNumber=2"));
    // Not an expired URL: this client takes the CDN's 403 for a lack of permission and gives up.
    peer.ms.fault(Rule::route("object", Fault::ResetDownload(5 << 20)));
    peer.download_equals("dataset", &folder);
    assert_eq!(peer.ms.faults().fired(), 6);
    peer.ms.strict().assert_clean();
}
