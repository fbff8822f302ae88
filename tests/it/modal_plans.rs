//! What a plan says where the runner is Modal: containers, minutes, dollars, and how far that may be from the truth.

use std::ops::{Deref, DerefMut};

use serde_json::Value;
use standins::faults::{Fault, GrpcAnswer, Rule};
use standins::huggingface::RepoKind;
use standins::modal::misfortunes::status;
use standins::modal::{Modal, Setup};
use standins::modelscope;
use tonic::Code;

use crate::static_worker;
use crate::usage::{assert_untouched, refused};
use crate::world::{KIB, MIB, Outcome, World, bytes, generated};

/// A world with tokens for a Modal.
struct Cloud {
    world: World,
    modal: Modal,
}

impl Cloud {
    /// Hugging Face has `alice/bert` of five files.
    fn start() -> Self {
        let mut world = World::start();
        let modal = Modal::start(Setup { marks: world.marks.clone(), ..Setup::default() });
        for (name, value) in modal.environment("alice") {
            world.set(name, value);
        }
        world.unset("HF2MS_RUNNER");
        let source = world.hf.repo(RepoKind::Model, "alice/bert");
        source.lfs_file("model.safetensors", generated(1, 12 * MIB)).file("config.json", generated(2, KIB));
        source.file("a.txt", "a").file("b.txt", "b").file("README.md", "# bert\n").commit("one");
        Self { world, modal }
    }

    /// As a user sees it, without what differs from day to day.
    fn shown(&self, outcome: &Outcome) -> String {
        let address = self.modal.url().replace("http://", "");
        let text = outcome.shown(&self.world).replace(&address, "[MODAL]");
        let mut pieces = text.split("this workspace's rates (20");
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| format!("{text}this workspace's rates ([DATE]{}", &piece[8..]))
    }

    fn modal_of(&self, arguments: &[&str]) -> Value {
        self.world.run(&[arguments, &["--json"]].concat()).exits(0).json()["modal"].clone()
    }
}

impl Deref for Cloud {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Cloud {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.modal.strict().assert_clean();
        }
    }
}

#[test]
fn a_plan_says_what_it_takes_in_the_cloud() {
    let cloud = Cloud::start();
    insta::assert_snapshot!("plan", cloud.shown(&cloud.run(&["plan", "hf:alice/bert"]).exits(0)));
    let dry_run = cloud.run(&["migrate", "hf:alice/bert", "--dry-run"]).exits(0);
    assert_eq!(dry_run.stdout, cloud.run(&["plan", "hf:alice/bert"]).stdout, "a dry run is a plan");
    let modal = cloud.modal_of(&["plan", "hf:alice/bert"]);
    assert_eq!((&modal["containers"], &modal["workers"], &modal["minutes"]), (&1.into(), &0.into(), &0.5.into()));
    assert!(modal["dollars"].as_f64().is_some_and(|dollars| dollars > 0.0 && dollars < 0.01), "{modal}");
    assert_eq!((&modal["because"], modal.get("instead")), (&"one container carries it in 1 s".into(), None));
    assert_eq!(modal["rates"]["source"], "this workspace's rates");
    let date = modal["rates"]["date"].as_str().unwrap();
    assert!(date.len() == 10 && date.starts_with("20"), "{date}");
    assert!(modal["accuracy"].as_str().unwrap().contains("guessed rates"), "{modal}");
    assert_untouched(&cloud);
    assert_eq!(cloud.modal.sandboxes().len(), 0, "a plan starts nothing");
    assert_eq!(cloud.modal.journal().requests("AppGetOrCreate"), 0, "and makes nothing");
}

#[test]
fn a_plan_names_every_host_that_receives_a_token() {
    let cloud = Cloud::start();
    let plan = cloud.run(&["plan", "hf:alice/bert", "--json"]).exits(0).json();
    let host = |url: &str| url.replace("http://", "");
    let gateway = format!("{} (and its upload gateway)", host(&cloud.ms.endpoint()));
    let tokens = serde_json::json!([
        { "platform": "hf", "origin": "HF_TOKEN", "hosts": [host(&cloud.hf.endpoint())] },
        { "platform": "ms", "origin": "MODELSCOPE_API_TOKEN", "account": "alice", "hosts": [gateway] },
        { "platform": "modal", "origin": "MODAL_TOKEN_ID", "hosts": [host(&cloud.modal.url())] },
    ]);
    assert_eq!(plan["tokens"], tokens);
    // the same in a batch, and where it runs on this machine without Modal's
    let plans = cloud.run(&["plan", "hf:alice/bert,hf:alice/bert", "--json", "--runner", "local"]).exits(0).json();
    let of_hubs: Vec<_> = plans["plans"][0]["tokens"].as_array().unwrap().iter().map(|token| &token["platform"]).collect();
    assert_eq!(of_hubs, ["hf", "ms"]);
}

#[test]
fn what_is_asked_for_is_reckoned_with_and_what_is_done_instead_is_said() {
    let cloud = Cloud::start();
    let of = |flags: &[&str]| cloud.modal_of(&[&["plan", "hf:alice/bert"], flags].concat());
    // what travels inside the commit is the conductor's
    let alone = of(&["--workers", "3"]);
    assert_eq!(
        (&alone["workers"], &alone["instead"]),
        (&0.into(), &"--workers: a single content can be shared, so the conductor carries alone".into())
    );
    let source = cloud.world.hf.repo(RepoKind::Model, "alice/bert");
    for number in 0..4 {
        source.lfs_file(&format!("data/{number}.bin"), generated(10 + number, MIB));
    }
    // a content that is there already is nobody's work
    source.lfs_file("copy/0.bin", generated(10, MIB)).commit("more");
    let three = of(&["--workers", "3"]);
    assert_eq!((&three["containers"], &three["workers"], &three["because"]), (&4.into(), &3.into(), &"--workers 3".into()));
    let nine = of(&["--workers", "9"]);
    assert_eq!((&nine["workers"], &nine["instead"]), (&5.into(), &"--workers: there is no work for more than 5".into()));
    assert!(nine["dollars"].as_f64() > three["dollars"].as_f64(), "{nine} {three}");
    assert_eq!(of(&["--parallel"])["workers"], 2);
    let chunks = of(&["--chunk-size", "0.005"]);
    assert_eq!((&chunks["workers"], &chunks["because"]), (&4.into(), &"--chunk-size 5.0 MB".into()));
    insta::assert_snapshot!("plan_workers", cloud.shown(&cloud.run(&["plan", "hf:alice/bert", "--workers", "9"]).exits(0)));
    let job = cloud.run(&["plan", "hf:alice/bert", "--job", "--runner", "modal", "--workers", "3"]).exits(0).json();
    assert_eq!((&job["runner"], &job["workers"]), (&"modal".into(), &3.into()));
    let job = cloud.run(&["plan", "hf:alice/bert", "--job", "--workers", "3"]).exits(0).json();
    assert_eq!((&job["runner"], &job["workers"]), (&"modal".into(), &3.into()), "who shares the work says where it runs");
    let job = cloud.run(&["plan", "hf:alice/bert", "--job"]).exits(0).json();
    assert_eq!((&job["runner"], &job["workers"]), (&"local".into(), &0.into()), "a job is for where it is printed, unless it is said");
    assert_untouched(&cloud);
}

#[test]
fn flags_that_contradict_each_other_are_refused_by_name() {
    let cloud = Cloud::start();
    for (name, flags) in [
        ("both", &["--workers", "3", "--chunk-size", "1"][..]),
        ("no_workers", &["--workers", "0"]),
        ("hundred_workers", &["--workers", "100"]),
        ("no_chunk", &["--chunk-size", "0"]),
        ("workers_here", &["--workers", "3", "--runner", "local"]),
    ] {
        for verb in ["plan", "migrate"] {
            insta::assert_snapshot!(name, refused(&cloud, 2, &[&[verb, "hf:alice/bert"], flags].concat()));
        }
    }
}

#[test]
fn without_modal_a_plan_says_nothing_of_it() {
    let mut cloud = Cloud::start();
    let local = cloud.run(&["plan", "hf:alice/bert", "--runner", "local"]).exits(0);
    assert!(!local.stdout.contains("modal"), "{}", local.stdout);
    let asked = cloud.modal.journal().total_requests();
    assert_eq!(asked, 0, "nobody asks Modal what it costs to carry here");
    cloud.set("HF2MS_RUNNER", "local");
    assert_eq!(cloud.modal_of(&["plan", "hf:alice/bert"]), Value::Null);
    for name in ["HF2MS_RUNNER", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"] {
        cloud.unset(name);
    }
    assert_eq!(cloud.run(&["plan", "hf:alice/bert"]).exits(0).stdout, local.stdout);
    insta::assert_snapshot!("no_token", refused(&cloud, 3, &["plan", "hf:alice/bert", "--runner", "modal"]));
    insta::assert_snapshot!("workers_nowhere", refused(&cloud, 3, &["plan", "hf:alice/bert", "--workers", "3"]));
}

#[test]
fn the_workspaces_own_rates_are_reckoned_with() {
    let cloud = Cloud::start();
    let before = cloud.modal_of(&["plan", "hf:alice/bert"]);
    let dear = [("CPU core-second", "0.00008"), ("Memory GiB-second", "0.00002")];
    cloud.modal.behaviour(|behaviour| behaviour.billing_rates = dear.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let after = cloud.modal_of(&["plan", "hf:alice/bert"]);
    assert!(after["dollars"].as_f64() > before["dollars"].as_f64(), "{after} {before}");
    assert_eq!(after["minutes"], before["minutes"]);
}

#[test]
fn rates_that_cannot_be_read_are_taken_from_the_table_and_that_is_said() {
    let cloud = Cloud::start();
    let refusal = GrpcAnswer { code: 7, message: "no billing for this token".to_owned(), details: Vec::new(), after_work: false };
    cloud.modal.fault(Rule::route("WorkspaceBillingRates", Fault::Grpc(refusal)).always());
    insta::assert_snapshot!("rates_refused", cloud.shown(&cloud.run(&["plan", "hf:alice/bert"]).exits(0)));
    assert_eq!(cloud.modal_of(&["plan", "hf:alice/bert"])["rates"]["date"], "2026-11");
    cloud.modal.faults().clear();
    cloud
        .modal
        .behaviour(|behaviour| behaviour.billing_rates = [("GPU", "0.001")].map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    insta::assert_snapshot!("rates_unknown", cloud.shown(&cloud.run(&["plan", "hf:alice/bert"]).exits(0)));
}

#[test]
fn a_modal_that_is_half_configured_does_not_keep_a_plan_back() {
    let mut cloud = Cloud::start();
    cloud.set("HF2MS_MODAL_CLIENT_TYPE", "nine");
    let outcome = cloud.run(&["plan", "hf:alice/bert"]).exits(0);
    assert!(outcome.stderr.starts_with("warning: what it takes on Modal is not told: "), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("modal"), "{}", outcome.stdout);
    insta::assert_snapshot!("half_configured", refused(&cloud, 2, &["plan", "hf:alice/bert", "--runner", "modal"]));
}

#[test]
fn the_plans_of_a_batch_are_summed_up() {
    let cloud = Cloud::start();
    cloud.world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus").file("train.bin", bytes(3, 300 * KIB)).commit("all");
    let batch = ["plan", "hf:alice/bert", "ms:alice/corpus"];
    insta::assert_snapshot!("batch", cloud.shown(&cloud.run(&batch).exits(0)));
    let plans = cloud.run(&[&batch[..], &["--json"]].concat()).exits(0).json();
    let each: Vec<_> = plans["plans"].as_array().unwrap().iter().map(|plan| plan["modal"]["dollars"].as_f64().unwrap()).collect();
    let sum = &plans["modal"];
    assert_eq!((each.len(), &sum["migrations"], &sum["containers"]), (2, &2.into(), &2.into()));
    assert!((sum["dollars"].as_f64().unwrap() - each.iter().sum::<f64>()).abs() < 1e-4, "{sum} {each:?}");
    let minutes = |plan: usize| plans["plans"][plan]["modal"]["minutes"].as_f64().unwrap();
    assert_eq!(sum["minutes"].as_f64(), Some(minutes(0).max(minutes(1))), "both run at the same time");
    assert_eq!(sum["rates"]["source"], "this workspace's rates");
}

#[test]
fn migrations_that_start_at_once_share_the_containers_and_that_is_what_is_said() {
    let mut cloud = Cloud::start();
    cloud.set("HF2MS_WORKER_BIN", static_worker::path());
    for (name, seed) in [("alice/bert", 100), ("alice/gpt", 200)] {
        let source = cloud.world.hf.repo(RepoKind::Model, name);
        for number in 0..60 {
            source.lfs_file(&format!("data/{number:02}.bin"), generated(seed + number, 70 * KIB));
        }
        source.commit("many");
    }
    // nothing is created, and what was to be started stays known because that is not certain
    cloud.modal.fault(Rule::route("SandboxCreateV2", status(Code::Unavailable)).always());
    let outcome = cloud.run(&["migrate", "hf:alice/bert", "hf:alice/none", "hf:alice/gpt", "--detach", "--workers", "60"]).exits(1);
    let shown = cloud.shown(&outcome);
    let said: Vec<_> = shown.lines().filter(|line| ["modal", "workers", "warning"].iter().any(|word| line.contains(word))).collect();
    insta::assert_snapshot!("detached", said.join("\n"));
    let folders = std::fs::read_dir(cloud.world.home.join("state/migrations")).unwrap();
    let job = |folder: std::io::Result<std::fs::DirEntry>| std::fs::read(folder.unwrap().path().join("job.json")).unwrap();
    let jobs: Vec<Value> = folders.map(job).map(|text| serde_json::from_slice(&text).unwrap()).collect();
    assert_eq!(jobs.iter().map(|job| job["workers"].clone()).collect::<Vec<_>>(), [49, 49], "two share a hundred containers");
    // each that begins when there is room may have all of them: here one after the other
    let plan = cloud.run(&["plan", "hf:alice/bert", "hf:alice/none", "hf:alice/gpt", "--workers", "60", "--json"]).exits(1).json();
    assert_eq!((&plan["plans"][0]["modal"]["workers"], &plan["modal"]["containers"]), (&60.into(), &61.into()));
}

#[test]
fn a_migration_says_what_it_takes_before_it_starts() {
    let mut cloud = Cloud::start();
    cloud.set("HF2MS_WORKER_BIN", static_worker::path());
    let outcome = cloud.run(&["migrate", "hf:alice/bert", "--max-time", "2h"]).exits(0);
    let start = cloud.shown(&outcome);
    let start: Vec<_> = start.lines().skip_while(|line| *line != "--- stderr").collect();
    insta::assert_snapshot!("migrate", start.join("\n"));
    let lives: Vec<_> = cloud.modal.sandboxes().iter().map(|sandbox| sandbox.timeout_secs()).collect();
    assert_eq!(lives, [2 * 3600 + 15 * 60], "the sandbox outlives its process");
    // nothing runs for a plan that is refused, and what costs nothing is not reckoned
    cloud.world.hf.repo(RepoKind::Model, "alice/bert").file("config.json", "{}").commit("two");
    let refused = cloud.run(&["migrate", "hf:alice/bert"]).exits(3);
    assert!(!refused.stderr.contains("modal  "), "{}", refused.stderr);
    assert_eq!(cloud.modal.sandboxes().len(), 1);
}
