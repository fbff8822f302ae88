//! Claude Code itself with the plugin, and a model that follows a script in place of the real one: what it makes of the command, the skill
//! and the server. It has a home of its own, a key that opens nothing, and no way out of this machine.

mod journeys;
mod noticed;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use standins::messages::{KEY, Model, Turn};

use crate::plugin::{claude, copy, tree};
use crate::world::{Outcome, World};

/// What Claude Code calls the plugin's server.
const SERVER: &str = "plugin:hf2ms:hf2ms";
/// The rule that allows all tools of it.
const ALLOWED: [&str; 2] = ["--allowedTools", "mcp__plugin_hf2ms_hf2ms"];
/// What of the checkout makes the plugin.
const PARTS: [&str; 4] = [".claude-plugin", "commands", "skills", "scripts"];

/// A tool as the model sees it.
fn tool(name: &str) -> String {
    format!("mcp__plugin_hf2ms_hf2ms__{name}")
}

/// A copy of the plugin, and a project's folder.
struct Desk {
    plugin: PathBuf,
    project: PathBuf,
}

/// How a run ended.
struct Run {
    outcome: Outcome,
}

impl Desk {
    fn new(world: &World) -> Self {
        let (plugin, project) = (world.home.join("plugin"), world.home.join("project"));
        fs::create_dir(&plugin).unwrap();
        fs::create_dir(&project).unwrap();
        PARTS.iter().for_each(|part| copy(&tree().join(part), &plugin.join(part)));
        Self { plugin, project }
    }

    /// Replaces a text in a file of the plugin.
    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.plugin.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} is not in {file}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// `claude -p` in the project's folder, to its end.
    fn ask(&self, world: &World, model: &Model, prompt: &str, more: &[&str]) -> Run {
        let mut command = Command::new(claude());
        command.args(["-p", prompt, "--plugin-dir"]).arg(&self.plugin).args(["--output-format", "stream-json", "--verbose"]).args(more);
        command.env_clear().envs(&world.variables).current_dir(&self.project);
        for (name, folder) in [("HOME", "own"), ("CLAUDE_CONFIG_DIR", "own/claude"), ("TMPDIR", "own/tmp")] {
            let folder = world.home.join(folder);
            fs::create_dir_all(&folder).unwrap();
            command.env(name, folder);
        }
        command.env("PATH", "/usr/bin:/bin").env("HF2MS_BIN", env!("CARGO_BIN_EXE_hf2ms"));
        command.env("ANTHROPIC_API_KEY", KEY).env("ANTHROPIC_BASE_URL", model.endpoint());
        for switch in [
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_AUTOUPDATER",
            "DISABLE_TELEMETRY",
            "DISABLE_ERROR_REPORTING",
            "DISABLE_BUG_COMMAND",
        ] {
            command.env(switch, "1");
        }
        // whoever asks for something from outside is told that nobody is there
        command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HTTP_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Run { outcome: world.finish(child) }
    }
}

impl Run {
    /// The first message of this type.
    #[track_caller]
    fn message(&self, kind: &str) -> Value {
        let outcome = &self.outcome;
        let found = outcome.events().into_iter().find(|message| message["type"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}\n{}\n{}", outcome.stdout, outcome.stderr))
    }

    /// Plugin and server are there, and the last words are these.
    #[track_caller]
    fn assert_said(&self, words: &str) {
        let init = self.message("system");
        let servers = json!([{ "name": SERVER, "status": "connected", "source": "plugin" }]);
        assert_eq!(init["mcp_servers"], servers, "{init}");
        let result = self.message("result");
        assert_eq!((&result["is_error"], &result["result"]), (&json!(false), &json!(words)), "{result}");
        assert_eq!(self.outcome.code, 0);
    }

    /// The tools that were asked for and not allowed.
    fn denied(&self) -> Vec<String> {
        let denials = self.message("result")["permission_denials"].as_array().cloned().unwrap_or_default();
        denials.iter().map(|denial| denial["tool_name"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// The first turn after `/COMMAND WORDS`: the command's body arrives with the words in it, step by step.
fn commanded(command: &str, words: &str) -> Turn {
    Turn::told([
        format!("<command-name>/{command}</command-name>").as_str(),
        &format!("<command-args>{words}</command-args>"),
        &format!("Migrate what these words ask for: {words}\n"),
        "## 2. Validate\n\nCall `validate_tokens`.",
        "## 4. Plan\n\nCall `plan_migration` for each source.",
        "## 5. Confirm\n\nAsk whether to go on, naming the risks.",
        "## 6. Migrate\n\nCall `migrate` with the plan's id",
        "call `status` with the id and `wait_seconds` 60 until the state is a last one",
    ])
    .calls(&tool("validate_tokens"), json!({}))
}

/// The turn after `validate_tokens`.
fn planning() -> Turn {
    Turn::told([r#""ready":true"#, r#""account":"alice""#]).calls(&tool("plan_migration"), json!({ "source": "alice/bert", "to": "ms" }))
}
