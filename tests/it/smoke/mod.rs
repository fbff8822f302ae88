//! `hf2ms smoke`: Modal from end to end, and everything that can be in its way.

mod failing;
pub mod program;
mod tokens;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use standins::modal::{Ending, Generation, Modal, Setup};

use self::program::{WAITS, program};
use crate::world::{Outcome, World, wait_until};

/// A world with a Modal, and a command line that finds it and the program for sandboxes.
struct Cloud {
    world: World,
    modal: Modal,
}

impl Cloud {
    fn start() -> Self {
        let mut world = World::start();
        let modal = Modal::start(Setup { marks: world.marks.clone(), ..Setup::default() });
        for (name, value) in modal.environment("alice") {
            world.set(name, value);
        }
        world.set("HF2MS_WORKER_BIN", crate::static_worker::path());
        Self { world, modal }
    }

    /// Takes this for the program for sandboxes.
    fn with_worker(mut self, bytes: &[u8]) -> Self {
        let path = self.world.home.join("worker");
        std::fs::write(&path, bytes).unwrap();
        self.world.set("HF2MS_WORKER_BIN", path.display().to_string());
        self
    }

    /// The whole command.
    fn smoke(&self, more: &[&str]) -> Outcome {
        let outcome = self.world.run(&[&["smoke"], more].concat());
        self.nothing_is_left();
        outcome
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        assert!(self.modal.living().is_empty(), "{:?}", self.modal.living());
        assert_eq!(self.modal.processes(), 0);
    }

    /// All that a user sees.
    fn shown(&self, outcome: &Outcome) -> String {
        self.scrub(&outcome.shown(&self.world))
    }

    /// Text with a name for everything that differs from run to run, and from machine to machine.
    fn scrub(&self, text: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_hf2ms"));
        let worker = self.world.variables.get("HF2MS_WORKER_BIN").cloned().unwrap_or_default();
        let mut text = self.world.scrub(text);
        for (value, name) in [
            (self.world.scrub(&worker), "[WORKER]"),
            (program.display().to_string(), "[PROGRAM]"),
            (program.parent().unwrap().display().to_string(), "[FOLDER]"),
            (self.modal.url().replace("http://", ""), "[MODAL-HOST]"),
            (env!("CARGO_PKG_VERSION").to_owned(), "[VERSION]"),
        ] {
            if !value.is_empty() {
                text = text.replace(&value, name);
            }
        }
        let mut words: Vec<String> = text.split(' ').map(scrub_word).collect();
        for at in 1..words.len() {
            if words[at].starts_with("processor") {
                (words[at - 1], words[at]) = ("[N]".to_owned(), words[at].replace("processor,", "processors,"));
            }
        }
        words.join(" ")
    }

    /// Runs it for a person and for a program, and compares; the exit code is this.
    #[track_caller]
    fn fails(&self, name: &str, code: i32, more: &[&str]) -> Value {
        let person = self.smoke(more).exits(code);
        assert_eq!(person.stderr, "", "the result is on standard output");
        insta::assert_snapshot!(name, self.shown(&person));
        let object = self.smoke(&[&["--json"], more].concat()).exits(code).json();
        assert_eq!(object["ok"], false);
        let failed = failed(&object);
        let message = failed["error"]["message"].as_str().unwrap();
        assert!(self.shown(&person).contains(&self.scrub(message)), "{message}\n{}", person.stdout);
        assert!(failed["error"]["hint"].is_string(), "{failed}");
        failed
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.modal.strict().assert_clean();
        }
    }
}

/// Ids of Modal's things, the trial's own, sizes and what the machine has: they differ.
fn scrub_word(word: &str) -> String {
    let ids = ["sb-", "im-", "hf2ms-smoke-"];
    let (head, tail) = word.find([',', '\n', ')']).map_or((word, ""), |at| word.split_at(at));
    let begins = |prefix: &&&str| head.starts_with(**prefix);
    match ids.iter().find(begins) {
        Some(prefix) => format!("{prefix}[ID]{tail}"),
        None if head.parse::<f64>().is_ok() && head.contains('.') => format!("[N]{tail}"),
        None => word.to_owned(),
    }
}

/// The first step that failed; those before it did not, and those after it were not tried, but for the end.
#[track_caller]
fn failed(object: &Value) -> Value {
    let steps = object["steps"].as_array().unwrap();
    let at = steps.iter().position(|step| step["ok"] == false).unwrap_or_else(|| panic!("nothing failed: {object}"));
    assert!(steps[at + 1..].iter().all(|step| step["step"] == "end"), "{object}");
    let tried: Vec<_> = steps.iter().map(|step| &step["step"]).collect();
    assert!(object["not_tried"].as_array().unwrap().iter().all(|step| !tried.contains(&step)), "{object}");
    steps[at].clone()
}

#[test]
fn a_modal_that_works_is_said_to_work_step_by_step() {
    let cloud = Cloud::start();
    let outcome = cloud.smoke(&[]).exits(0);
    insta::assert_snapshot!("works", cloud.shown(&outcome));
    let sandbox = &cloud.modal.sandboxes()[0];
    assert_eq!((sandbox.generation(), sandbox.ending()), (Generation::V2, Some(Ending::terminated())));
    // no token of anybody goes along, and should nobody end it, it ends soon
    assert_eq!(sandbox.environment(), &BTreeMap::new());
    assert!((150..=300).contains(&sandbox.timeout_secs()), "{}", sandbox.timeout_secs());
    assert_eq!(sandbox.mounted(), BTreeMap::from([("/hf2ms/hf2ms".to_owned(), 0o755)]));
    let second = cloud.smoke(&["--json"]).exits(0).json();
    assert_eq!((&second["ok"], &second["not_tried"]), (&json!(true), &json!([])));
    let steps: Vec<_> = second["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["token", "server", "account", "worker", "image", "files", "sandbox", "run", "hubs", "end"]);
    assert_eq!(second["steps"][5], json!({ "step": "files", "ok": true, "found": "the program was stored already" }));
}

#[test]
fn the_older_generation_works_where_it_is_chosen_or_the_newer_one_is_gone() {
    for withdrawn in [false, true] {
        let mut cloud = Cloud::start();
        if withdrawn {
            cloud.modal.behaviour(|behaviour| behaviour.withdrawn = Some(Generation::V2));
        } else {
            cloud.world.set("MODAL_SANDBOX_V2", "0");
        }
        let outcome = cloud.smoke(&[]).exits(0);
        insta::assert_snapshot!("works_v1", cloud.shown(&outcome));
        assert_eq!(cloud.modal.sandboxes()[0].generation(), Generation::V1);
        assert_eq!(cloud.modal.sandboxes()[0].ending(), Some(Ending::terminated()));
    }
}

#[test]
fn no_token_of_a_hub_is_needed_and_a_warning_of_modals_is_passed_on() {
    let mut cloud = Cloud::start();
    cloud.world.unset("HF_TOKEN");
    cloud.world.unset("MODELSCOPE_API_TOKEN");
    cloud.modal.behaviour(|behaviour| behaviour.warnings = vec!["this client is old".to_owned()]);
    let token = cloud.modal.token_until("alice", Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800)));
    cloud.world.set("MODAL_TOKEN_ID", token.id);
    cloud.world.set("MODAL_TOKEN_SECRET", token.secret);
    let outcome = cloud.smoke(&[]).exits(0);
    insta::assert_snapshot!("warned", cloud.shown(&outcome));
}

#[test]
#[cfg(target_os = "linux")]
fn ctrl_c_ends_the_sandbox_too() {
    for json in [false, true] {
        let cloud = Cloud::start().with_worker(&program(&WAITS));
        let arguments: &[&str] = if json { &["smoke", "--json"] } else { &["smoke"] };
        let child = cloud.world.command(arguments).spawn().unwrap();
        wait_until("a sandbox runs", || cloud.modal.living().iter().any(|sandbox| sandbox.process().is_some()));
        let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let outcome = cloud.world.finish(child).exits(130);
        cloud.nothing_is_left();
        assert_eq!(cloud.modal.sandboxes()[0].ending(), Some(Ending::terminated()));
        if json {
            assert_eq!(failed(&outcome.json())["error"]["kind"], "cancelled");
        } else {
            insta::assert_snapshot!("ctrl_c", cloud.shown(&outcome));
        }
    }
}

#[test]
fn what_a_sandbox_says_can_be_asked_for_here() {
    let cloud = Cloud::start();
    let hub = format!("hf={}", cloud.world.hf.endpoint());
    let outcome = cloud.world.run(&["run-job", "--versions", "--reach", &hub]).exits(0);
    let said = outcome.json();
    assert_eq!((&said["program"], &said["protocol"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(2)));
    assert_eq!(said["hubs"][0]["error"], Value::Null);
    assert!(said["processors"].as_u64().unwrap() > 0, "{said}");
    cloud.world.run(&["run-job", "--stay"]).exits(2);
    cloud.world.run(&["run-job", "--versions", "--reach", "gh=https://github.com"]).exits(2);
}
