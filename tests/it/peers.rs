//! The official clients keep the stand-ins honest: they write what hf2ms reads, and read what hf2ms wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::world::World;

/// The environment with the clients, made when it is not there yet.
fn peers() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    // tests are processes of their own: one sets up, the others wait
    lock.lock().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/setup.sh");
    let made = Command::new(script).arg(&folder).status().unwrap();
    assert!(made.success(), "tests/peers/setup.sh failed: the tests need python3 with venv, and PyPI");
    folder
}

struct Peer<'a> {
    world: &'a World,
    venv: PathBuf,
}

impl Peer<'_> {
    /// Runs one of the official clients. While it runs, rules that only hf2ms keeps are not counted.
    fn run(&self, arguments: &[&str]) -> Value {
        self.lenient(true);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/peer.py");
        let mut command = Command::new(self.venv.join("bin/python"));
        command.arg(script).args(arguments).env_clear().envs(&self.world.variables).current_dir(&self.world.home);
        command.env("HF_HUB_DISABLE_XET", "1").env("NO_PROXY", "127.0.0.1").env("PATH", std::env::var("PATH").unwrap());
        let output = self.world.finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        self.lenient(false);
        output.exits(0).json()
    }

    fn lenient(&self, lenient: bool) {
        self.world.hf.strict().set_lenient_peers(lenient);
        self.world.ms.strict().set_lenient_peers(lenient);
    }

    /// Path → sha256 of every file below a folder, but for the attributes, which each hub keeps for itself.
    fn hashes(&self, folder: &str) -> BTreeMap<String, String> {
        let hashes = self.run(&["hashes", folder]);
        let files = hashes["files"].as_object().unwrap();
        let files = files.iter().filter(|(path, _)| *path != ".gitattributes");
        files.map(|(path, file)| (path.clone(), file["sha256"].as_str().unwrap().to_owned())).collect()
    }
}

/// The official client of one hub uploads the real model, hf2ms carries it, the official client of the other hub downloads it. Every file
/// is what it was. Gives hf2ms's report.
pub fn real_model_travels(world: &World, from: &str, to: &str, kind: &str) -> Value {
    let peer = Peer { world, venv: peers() };
    let model = peer.run(&["model-path"])["path"].as_str().unwrap().to_owned();
    peer.run(&["upload", "--hub", from, "--type", kind, "--repo", "alice/minilm", "--folder", &model]);

    let source = format!("{from}:alice/minilm");
    let report = world.run(&["migrate", &source, "--repo-type", kind, "--json"]).exits(0).json();

    assert_eq!(report["state"], "verified");
    let arrived = world.home.join("arrived");
    let folder = arrived.to_str().unwrap();
    peer.run(&["download", "--hub", to, "--type", kind, "--repo", "alice/minilm", "--to", folder]);
    let (sent, mut got) = (peer.hashes(&model), peer.hashes(folder));
    // what a hub put into the fresh repository itself
    got.retain(|path, _| sent.contains_key(path) || !matches!(path.as_str(), "configuration.json" | "dataset_infos.json"));
    assert_eq!(got, sent);
    let weights = sent.keys().find(|path| path.ends_with(".safetensors")).unwrap();
    let opened = peer.run(&["open-safetensors", arrived.join(weights).to_str().unwrap()]);
    assert!(opened["tensors"].as_u64().unwrap() > 50, "{opened}");
    report
}

#[test]
fn the_real_model_goes_from_hugging_face_to_modelscope_as_a_model() {
    real_model_travels(&World::start(), "hf", "ms", "model");
}

#[test]
fn the_real_model_goes_from_hugging_face_to_modelscope_as_a_dataset() {
    real_model_travels(&World::start(), "hf", "ms", "dataset");
}

#[test]
fn the_real_model_goes_from_modelscope_to_hugging_face_as_a_model() {
    real_model_travels(&World::start(), "ms", "hf", "model");
}

#[test]
fn the_real_model_goes_from_modelscope_to_hugging_face_as_a_dataset() {
    real_model_travels(&World::start(), "ms", "hf", "dataset");
}

/// The official client deletes at both stand-ins; what it deleted at the source hf2ms deletes at the destination.
fn what_the_official_client_deletes(from: &str, to: &str) {
    let world = World::start();
    let peer = Peer { world: &world, venv: peers() };
    let folder = world.home.join("sent");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    for path in ["README.md", "sub/a.txt", "b.bin", "c.txt"] {
        std::fs::write(folder.join(path), format!("# {path}\n")).unwrap();
    }
    std::fs::write(folder.join("weights.safetensors"), vec![7; 300_000]).unwrap();
    let repo = ["--type", "model", "--repo", "alice/mirror"];
    peer.run(&[&["upload", "--hub", from, "--folder", folder.to_str().unwrap()], &repo[..]].concat());
    let source = format!("{from}:alice/mirror");
    world.run(&["migrate", &source, "--json"]).exits(0);
    peer.run(&[&["delete", "--hub", from, "--path", "sub/a.txt", "--path", "weights.safetensors"], &repo[..]].concat());
    // the copy loses one at the hand of its hub's own client, too
    peer.run(&[&["delete", "--hub", to, "--path", "weights.safetensors"], &repo[..]].concat());

    let report = world.run(&["migrate", &source, "--delete", "--json"]).exits(0).json();

    assert_eq!((&report["files"]["deleted"], &report["files"]["skipped"]), (&1.into(), &3.into()), "{report}");
    let arrived = world.home.join("arrived");
    peer.run(&[&["download", "--hub", to, "--to", arrived.to_str().unwrap()], &repo[..]].concat());
    let left = peer.hashes(arrived.to_str().unwrap());
    let left: Vec<_> = left.keys().filter(|path| *path != "configuration.json").collect();
    assert_eq!(left, ["README.md", "b.bin", "c.txt"]);
}

#[test]
fn what_the_official_client_deletes_on_hugging_face_goes_on_modelscope() {
    what_the_official_client_deletes("hf", "ms");
}

#[test]
fn what_the_official_client_deletes_on_modelscope_goes_on_hugging_face() {
    what_the_official_client_deletes("ms", "hf");
}
