//! The server among programs that are not ours: the official client of MCP in Python, the MCP Inspector, and the conformance suite.

#[cfg(feature = "conformance")]
mod conformance;
mod inspector;
mod python;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::plugin::tree;
use crate::world::{Outcome, World};

/// A folder that a script of `tests/peers` fills, once.
pub fn set_up(script: &str, folder: &str, needs: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let lock = File::create(folder.with_extension("lock")).unwrap();
    // tests are processes of their own: one sets up, the others wait
    lock.lock().unwrap();
    let made = Command::new(tree().join("tests/peers").join(script)).arg(&folder).status().unwrap();
    assert!(made.success(), "tests/peers/{script} failed: the tests need {needs}");
    folder
}

/// Runs a peer with the world's variables, which its server inherits, and no way out of this machine.
fn run(world: &World, mut command: Command) -> Outcome {
    command.env_clear().envs(&world.variables).current_dir(&world.home).env("PATH", std::env::var("PATH").unwrap());
    command.env("HF2MS_BIN", env!("CARGO_BIN_EXE_hf2ms")).env("MCP_INSPECTOR_SECRET_STORE", "memory");
    command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
    world.finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}
