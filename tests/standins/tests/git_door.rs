//! The git door of both hubs: git and git-lfs themselves take it for a git server, and a bare client that breaks its rules is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use standins::content::Content;
use standins::huggingface::{self, HuggingFace};
use standins::modelscope::{self, ModelScope, Tier};
use standins::probe::{Probe, Reply};

/// A folder for one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("git-door-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Runs git in it, with git-lfs as its filter.
    fn git(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("git");
        for setting in [
            "filter.lfs.process=git-lfs filter-process",
            "filter.lfs.required=true",
            "filter.lfs.smudge=git-lfs smudge -- %f",
            "credential.helper=",
        ] {
            command.args(["-c", setting]);
        }
        command.args(arguments).current_dir(&self.0).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &self.0);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
        command.output().unwrap()
    }

    #[track_caller]
    fn clones(&self, url: &str) {
        let output = self.git(&["clone", "--quiet", url, "copy"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let check = self.git(&["-C", "copy", "fsck", "--strict"]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }

    fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.0.join("copy").join(path)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn with_password(url: &str, user: &str, password: &str) -> String {
    url.replace("http://", &format!("http://{user}:{password}@"))
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("anybody:{password}")))
}

/// A request of protocol 2, as bytes.
fn fetch(commit: &str, more: &[&str]) -> Vec<u8> {
    let line = |text: &str| format!("{:04x}{text}\n", text.len() + 5);
    let wants: String = [format!("want {commit}").as_str()].iter().chain(more).chain(&["done"]).map(|text| line(text)).collect();
    format!("{}{}0001{wants}0000", line("command=fetch"), line("object-format=sha1")).into_bytes()
}

fn post(url: String, body: Vec<u8>) -> Reply {
    let probe = Probe::new("POST", url).header("Git-Protocol", "version=2").header("Content-Type", "application/x-git-upload-pack-request");
    probe.body(body).send()
}

#[test]
fn git_and_git_lfs_clone_from_hugging_face() {
    let hf = HuggingFace::start(huggingface::Setup { lenient_peers: true, ..Default::default() });
    let token = hf.token("alice", huggingface::Role::Read);
    let (small, large) = (Content::from("a, [b]\n"), Content::generated(5, 3_000_000));
    for (kind, url) in [(huggingface::RepoKind::Model, "/alice/bert.git"), (huggingface::RepoKind::Dataset, "/datasets/alice/bert.git")] {
        let repo = hf.repo(kind, "alice/bert");
        repo.private().file("sub/a, [b].txt", small.clone()).lfs_file("w.bin", large.clone()).commit("first");
        repo.file("sub/a, [b].txt", "changed\n").commit("second");
        let folder = Folder::new();
        let output = folder.git(&["clone", "--quiet", &format!("{}{url}", hf.endpoint()), "copy"]);
        assert!(!output.status.success(), "nobody reads a private repository");
        folder.clones(&with_password(&format!("{}{url}", hf.endpoint()), "alice", &token));
        assert_eq!((folder.read("sub/a, [b].txt"), folder.read("w.bin")), (b"changed\n".to_vec(), large.to_bytes().to_vec()));
        let head = folder.git(&["-C", "copy", "rev-parse", "HEAD"]).stdout;
        assert_eq!(String::from_utf8(head).unwrap().trim(), repo.head(), "a commit has one id, whoever is asked");
        let log = folder.git(&["-C", "copy", "log", "--format=%s"]).stdout;
        assert!(String::from_utf8(log).unwrap().starts_with("second\nfirst\n"));
    }
    hf.strict().assert_clean();
}

#[test]
fn git_and_git_lfs_clone_from_modelscope() {
    let ms = ModelScope::start(modelscope::Setup { lenient_peers: true, ..Default::default() });
    let token = ms.token("alice", Tier::Write);
    let large = Content::generated(6, 2_000_000);
    for (kind, url) in [
        (modelscope::RepoKind::Model, "/alice/bert.git"),
        (modelscope::RepoKind::Model, "/models/alice/bert.git"),
        (modelscope::RepoKind::Dataset, "/datasets/alice/bert.git"),
    ] {
        let repo = ms.repo(kind, "alice/bert");
        repo.private().file("sub/模型.txt", "text\n").lfs_file("w.bin", large.clone()).commit("first");
        let login = Probe::post(format!("{}/api/v1/login", ms.endpoint()), &json!({ "AccessToken": token })).send().json();
        let password = login["Data"]["AccessToken"].as_str().unwrap().to_owned();
        let folder = Folder::new();
        let refused = folder.git(&["clone", "--quiet", &with_password(&format!("{}{url}", ms.endpoint()), "oauth2", &token), "copy"]);
        assert!(!refused.status.success(), "the API's token is not git's");
        // ModelScope puts no .gitattributes for it: what git-lfs is to read is said here
        let output = folder.git(&["clone", "--quiet", &with_password(&format!("{}{url}", ms.endpoint()), "oauth2", &password), "copy"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(folder.0.join("copy/.git/info/attributes"), "*.bin filter=lfs\n").unwrap();
        let pulled = folder.git(&["-C", "copy", "lfs", "pull"]);
        assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
        assert_eq!((folder.read("sub/模型.txt"), folder.read("w.bin")), (b"text\n".to_vec(), large.to_bytes().to_vec()));
    }
    ms.behaviour(|behaviour| behaviour.git_takes_api_tokens = true);
    let folder = Folder::new();
    assert!(folder.git(&["ls-remote", &with_password(&format!("{}/alice/bert.git", ms.endpoint()), "oauth2", &token)]).status.success());
    ms.strict().assert_clean();
}

#[test]
fn a_client_without_manners_at_hugging_faces_git_is_counted() {
    let hf = HuggingFace::start(huggingface::Setup::default());
    let token = hf.token("alice", huggingface::Role::Read);
    let repo = hf.repo(huggingface::RepoKind::Model, "alice/bert");
    repo.file("a.txt", "a\n").commit("first");
    let url = |path: &str| format!("{}{path}", hf.endpoint());
    let broken = || hf.strict().violations().into_iter().map(|broken| broken.rule).collect::<Vec<_>>();

    assert_eq!(post(url("/alice/bert.git/git-upload-pack"), fetch(&repo.head(), &["deepen 1"])).status, 200);
    assert!(broken().is_empty());
    assert_eq!(post(url("/alice/bert.git/git-upload-pack"), fetch(&repo.head(), &[])).status, 200);
    assert_eq!(broken(), [huggingface::rules::GIT_NOT_SHALLOW.name]);
    assert_eq!(Probe::get(url("/api/models/alice/bert")).header("Authorization", &basic(&token)).send().status, 401);
    assert_eq!(broken()[1..], [standins::marks::TOKEN_ASTRAY.name]);
    let objects: Vec<_> = (0..257).map(|number| json!({ "oid": format!("{number:064x}"), "size": 1 })).collect();
    let batch = json!({ "operation": "download", "transfers": ["basic"], "objects": objects });
    assert_eq!(Probe::post(url("/alice/bert.git/info/lfs/objects/batch"), &batch).send().status, 413);
    assert_eq!(broken()[2..], [huggingface::rules::BATCH_TOO_LONG.name]);
    assert_eq!(Probe::get(url("/alice/none.git/info/refs?service=git-upload-pack")).send().status, 401);
    let wrong = Probe::get(url("/alice/bert.git/info/refs?service=git-upload-pack")).header("Authorization", &basic("hf_wrong"));
    assert_eq!(wrong.send().status, 401);
    repo.gated(huggingface::Gated::Manual);
    assert_eq!(Probe::get(url("/alice/bert.git/info/refs?service=git-upload-pack")).send().status, 401);
}

#[test]
fn a_client_without_manners_at_modelscopes_git_is_counted() {
    let ms = ModelScope::start(modelscope::Setup::default());
    let repo = ms.repo(modelscope::RepoKind::Model, "alice/bert");
    repo.file("a.txt", "a\n").commit("first");
    let url = |path: &str| format!("{}{path}", ms.endpoint());
    let broken = || ms.strict().violations().into_iter().map(|broken| broken.rule).collect::<Vec<_>>();

    assert_eq!(post(url("/alice/bert.git/git-upload-pack"), fetch(&repo.head(), &["deepen 1"])).status, 200);
    assert!(broken().is_empty());
    assert_eq!(post(url("/alice/bert.git/git-upload-pack"), fetch(&repo.head(), &[])).status, 200);
    assert_eq!(broken(), [modelscope::rules::GIT_NOT_SHALLOW.name]);
    let objects: Vec<_> = (0..101).map(|number| json!({ "oid": format!("{number:064x}"), "size": 1 })).collect();
    let batch = json!({ "operation": "download", "transfers": ["basic"], "objects": objects });
    Probe::post(url("/alice/bert.git/info/lfs/objects/batch"), &batch).send();
    assert_eq!(broken()[1..], [modelscope::rules::BATCH_TOO_LONG.name]);
    repo.gated();
    assert_eq!(Probe::get(url("/alice/bert.git/info/refs?service=git-upload-pack")).send().status, 403);
}
