//! How each tool is started, and what its environment is. Nothing of the caller's own: no tokens, no proxies, an own home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::{Direction, Tool};
use crate::shores::REPO;

/// The interpreter with the rivals, made when it is not there yet.
pub(crate) fn rivals() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rivals");
    let script = here().join("setup.sh");
    let made = Command::new(script).arg(&folder).status().unwrap();
    assert!(made.success(), "benches/rivals/setup.sh failed: the rivals need python3 with venv, and PyPI");
    folder.join("bin/python")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals")
}

/// The command a user would give, in an empty folder.
pub(crate) fn command(tool: Tool, direction: Direction, python: Option<&Path>, folder: &Path, hubs: &BTreeMap<String, String>) -> Command {
    let source = match direction {
        Direction::HfMs => format!("hf:{REPO}"),
        Direction::MsHf => format!("ms:{REPO}"),
    };
    let mut command = match tool {
        Tool::Hf2ms => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hf2ms"));
            command.args(["migrate", &source, "--json"]).env("HF2MS_HOME", folder.join("state")).env("HF2MS_RUNNER", "local");
            command
        }
        Tool::Bridge => {
            let mut command = Command::new(python.unwrap());
            let (verb, option, token) = match direction {
                Direction::HfMs => ("hf2ms", "--ms-token", "MODELSCOPE_API_TOKEN"),
                Direction::MsHf => ("ms2hf", "--hf-token", "HF_TOKEN"),
            };
            command.arg(here().join("bridge.py")).args([verb, REPO, REPO, option, &hubs[token]]);
            command
        }
        Tool::Sdk => {
            let mut command = Command::new(python.unwrap());
            command.arg(here().join("store_and_forward.py")).args([direction.name(), REPO]).arg(folder.join("snapshot"));
            command
        }
        Tool::Relay => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg(crate::RELAY).args([folder.join("errands.json"), folder.join("etags.json")]);
            command
        }
    };
    command.envs(hubs).env("HOME", folder).env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(folder);
    // the stand-ins have no Xet; everything else the official clients do by default
    command.env("HF_HUB_DISABLE_XET", "1").env("NO_PROXY", "127.0.0.1").env("LANG", "C.UTF-8");
    command
}
