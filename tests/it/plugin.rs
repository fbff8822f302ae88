//! The plugin as Claude Code's own validator sees it, and what its files have to say alike.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::world::{Outcome, World};

/// What the plugin consists of, in a checkout.
pub const PARTS: [&str; 7] = [".claude-plugin", "commands", "skills", "scripts", "README.md", "CHANGELOG.md", "LICENSE"];

pub fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(tree().join(name)).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// Claude Code, installed when it is not there yet.
pub fn claude() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-claude");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    // tests are processes of their own: one sets up, the others wait
    lock.lock().unwrap();
    let made = Command::new(tree().join("tests/peers/setup-claude.sh")).arg(&folder).status().unwrap();
    assert!(made.success(), "tests/peers/setup-claude.sh failed: the tests need node 20 or newer with npm, and its registry");
    folder.join("claude")
}

/// Copies a file or a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Runs the validator on a copy of the plugin that `change` may change. Its home is empty, and no way leads out of this machine.
fn validated(change: impl FnOnce(&Path)) -> Outcome {
    let world = World::start();
    let plugin = world.home.join("plugin");
    fs::create_dir(&plugin).unwrap();
    PARTS.iter().for_each(|part| copy(&tree().join(part), &plugin.join(part)));
    change(&plugin);
    let mut command = Command::new(claude());
    command.args(["plugin", "validate", ".", "--strict", "--json", "--profile", "directory"]).current_dir(&plugin).env_clear();
    command
        .env("PATH", std::env::var("PATH").unwrap())
        .env("HOME", world.home.join("own"))
        .env("CLAUDE_CONFIG_DIR", world.home.join("own"));
    command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("DISABLE_AUTOUPDATER", "1");
    // whoever asks for something from outside is told that nobody is there
    command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HTTP_PROXY", "http://127.0.0.1:9");
    world.finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn claude_code_has_nothing_to_object_to() {
    let found = validated(|_| {}).exits(0).json();
    assert_eq!((&found["success"], &found["strict"]), (&true.into(), &true.into()), "{found:#}");
    let none = Value::Array(Vec::new());
    let objections = [&found["manifest"]["errors"], &found["manifest"]["warnings"], &found["contents"], &found["directory"]["findings"]];
    assert_eq!(objections, [&none; 4], "{found:#}");
    let provides = &found["provides"];
    assert_eq!(provides["mcpServers"][0]["target"], "${CLAUDE_PLUGIN_ROOT}/scripts/hf2ms-mcp");
    assert_eq!((&provides["commands"][0], &provides["skills"][0]), (&"hf2ms:migrate".into(), &"hf2ms:hub-migration".into()));
}

#[test]
fn claude_code_objects_to_a_key_that_it_does_not_know() {
    let outcome = validated(|plugin| {
        let mut manifest = json(".claude-plugin/plugin.json");
        manifest["surprise"] = true.into();
        fs::write(plugin.join(".claude-plugin/plugin.json"), manifest.to_string()).unwrap();
    });
    assert_ne!(outcome.code, 0, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("surprise"), "{}", outcome.stdout);
}

#[test]
fn the_command_that_setup_installs_is_one_that_claude_code_takes() {
    let outcome = validated(|plugin| {
        let made = Command::new(env!("CARGO_BIN_EXE_hf2ms")).args(["setup", "claude"]).current_dir(plugin).output().unwrap();
        assert!(made.status.success());
        fs::rename(plugin.join(".claude/commands/migrate.md"), plugin.join("commands/migrate.md")).unwrap();
    });
    assert_eq!(outcome.exits(0).json()["contents"], Value::Array(Vec::new()));
}

#[test]
fn the_plugin_and_the_launcher_have_the_programs_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(json(".claude-plugin/plugin.json")["version"], version);
    let pinned = read("scripts/hf2ms-mcp").lines().find_map(|line| line.strip_prefix("version=").map(str::to_owned));
    assert_eq!(pinned.as_deref(), Some(version));
}

#[test]
fn every_setting_of_the_plugin_is_handed_to_the_launcher_and_none_has_to_be_set() {
    let manifest = json(".claude-plugin/plugin.json");
    let launcher = read("scripts/hf2ms-mcp");
    let options = manifest["userConfig"].as_object().unwrap();
    let handed = manifest["mcpServers"]["hf2ms"]["env"].as_object().unwrap();
    assert_eq!(handed.len(), options.len());
    for (key, option) in options {
        let name = format!("HF2MS_PLUGIN_{}", key.to_uppercase());
        assert_eq!(handed[&name], format!("${{user_config.{key}}}"));
        assert!(launcher.contains(&name), "{name}");
        assert_eq!(option["required"], false, "a client starts no server while a required one is unset");
        assert_eq!(option["sensitive"] == true, key.contains("token"), "{key}");
    }
}

#[test]
fn the_icon_is_a_square_picture() {
    let icon = fs::read(tree().join(".claude-plugin/icon.png")).unwrap();
    assert!(icon.starts_with(b"\x89PNG\r\n\x1a\n"));
    let side = |at: usize| u32::from_be_bytes(icon[at..at + 4].try_into().unwrap());
    assert_eq!((side(16), side(20)), (512, 512));
}

#[test]
fn the_skill_names_references_that_are_there() {
    let skill = read("skills/hub-migration/SKILL.md");
    let mut there: Vec<_> = fs::read_dir(tree().join("skills/hub-migration/references"))
        .unwrap()
        .map(|entry| format!("references/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    there.sort();
    let mut named: Vec<_> = skill.split('`').filter(|word| word.starts_with("references/")).map(str::to_owned).collect();
    named.sort();
    assert_eq!(named, there);
}
