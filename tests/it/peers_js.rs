//! A second client of Hugging Face, written by others in another language: it uploads what hf2ms reads, and downloads what hf2ms wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use standins::content::Content;
use standins::{huggingface, modelscope};

use crate::world::{KIB, MIB, World, bytes, generated};

/// The folder with the client, installed when it is not there yet.
fn client() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-js");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    // tests are processes of their own: one sets up, the others wait
    lock.lock().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/setup-js.sh");
    let made = Command::new(script).arg(&folder).status().unwrap();
    assert!(made.success(), "tests/peers/setup-js.sh failed: the tests need node 20 or newer with npm, and its registry");
    folder
}

/// Runs the client. While it runs, rules that only hf2ms keeps are not counted.
fn run(world: &World, arguments: &[&str]) -> Value {
    world.hf.strict().set_lenient_peers(true);
    let mut command = Command::new("node");
    command.arg(client().join("peer.mjs")).args(arguments).env_clear().envs(&world.variables).current_dir(&world.home);
    command.env("PATH", std::env::var("PATH").unwrap());
    let output = world.finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    world.hf.strict().set_lenient_peers(false);
    output.exits(0).json()
}

/// Text inside of git and out of it, binaries in one piece and in parts, nothing at all, and names that every client gets through a URL.
fn files() -> BTreeMap<&'static str, Content> {
    BTreeMap::from([
        ("README.md", Content::from("---\nlicense: mit\n---\n# bert\n")),
        ("config.json", Content::from("{\"model_type\":\"bert\"}")),
        ("empty.txt", Content::from("")),
        ("a folder/notes ü 模型 [v1].txt", Content::from("noted\n")),
        ("a folder/vocab.txt", bytes_of_text(200 * KIB)),
        ("small.bin", bytes(1, 100 * KIB)),
        ("onnx/model (1).onnx", generated(2, 3 * MIB)),
        ("model.safetensors", generated(3, 20 * MIB + 7)),
        ("copy/model.safetensors", generated(3, 20 * MIB + 7)),
    ])
}

fn bytes_of_text(size: u64) -> Content {
    let text: String = (0..).map(|number| format!("token-{number}\n")).take(size as usize / 10).collect();
    Content::from(text.as_str())
}

fn sums(files: &BTreeMap<&'static str, Content>) -> BTreeMap<String, String> {
    files.iter().map(|(path, content)| ((*path).to_owned(), content.sha256().to_owned())).collect()
}

/// The client uploads to Hugging Face, hf2ms carries it to ModelScope.
fn uploads(dataset: bool) {
    let (world, files) = (World::start(), files());
    let folder = world.home.join("upload");
    for (path, content) in &files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content.to_bytes()).unwrap();
    }
    let kind = if dataset { "dataset" } else { "model" };
    let uploaded = run(&world, &["upload", "--type", kind, "--repo", "alice/bert", "--folder", folder.to_str().unwrap()]);
    assert_eq!(uploaded["files"], files.len());
    let sent = world.hf.repo(if dataset { huggingface::RepoKind::Dataset } else { huggingface::RepoKind::Model }, "alice/bert");
    assert!(sent.is_private() && sent.files()["model.safetensors"].lfs && !sent.files()["config.json"].lfs);

    let report = world.run(&["migrate", "hf:alice/bert", "--repo-type", kind, "--json"]).exits(0).json();

    assert_eq!((&report["state"], &report["files"]["total"]), (&"verified".into(), &files.len().into()));
    let copy = world.ms.repo(if dataset { modelscope::RepoKind::Dataset } else { modelscope::RepoKind::Model }, "alice/bert");
    for (path, sha256) in sums(&files) {
        assert_eq!(
            (copy.files()[&path].sha256.as_str(), copy.content(&path).unwrap().sha256()),
            (sha256.as_str(), sha256.as_str()),
            "{path}"
        );
    }
}

/// hf2ms carries a repository from ModelScope to Hugging Face, the client lists and downloads it.
fn downloads(dataset: bool) {
    let (world, files) = (World::start(), files());
    let kind = if dataset { "dataset" } else { "model" };
    let source = world.ms.repo(if dataset { modelscope::RepoKind::Dataset } else { modelscope::RepoKind::Model }, "alice/bert");
    for (path, content) in &files {
        source.file(path, content.clone());
    }
    source.private().commit("all");
    assert_eq!(world.run(&["migrate", "ms:alice/bert", "--repo-type", kind, "--json"]).exits(0).json()["state"], "verified");

    let folder = world.home.join("download");
    let got = run(&world, &["download", "--type", kind, "--repo", "alice/bert", "--to", folder.to_str().unwrap()]);

    let got = got["files"].as_object().unwrap();
    let arrived = got.iter().filter(|(path, _)| *path != ".gitattributes");
    let arrived: BTreeMap<_, _> = arrived.map(|(path, file)| (path.clone(), file["sha256"].as_str().unwrap().to_owned())).collect();
    assert_eq!(arrived, sums(&files));
    for (path, content) in &files {
        assert_eq!((got[*path]["listed"].as_u64(), got[*path]["size"].as_u64()), (Some(content.len()), Some(content.len())), "{path}");
        assert_eq!(Content::from(std::fs::read(folder.join(path)).unwrap()).sha256(), content.sha256(), "{path}");
    }
    assert_eq!(got["model.safetensors"]["lfs"], files["model.safetensors"].sha256());
}

#[test]
fn what_the_javascript_client_uploads_as_a_model_goes_to_modelscope() {
    uploads(false);
}

#[test]
fn what_the_javascript_client_uploads_as_a_dataset_goes_to_modelscope() {
    uploads(true);
}

#[test]
fn what_came_from_modelscope_as_a_model_is_listed_and_downloaded_by_the_javascript_client() {
    downloads(false);
}

#[test]
fn what_came_from_modelscope_as_a_dataset_is_listed_and_downloaded_by_the_javascript_client() {
    downloads(true);
}
