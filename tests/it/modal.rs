//! The whole job in Modal's sandboxes: the stand-in runs what was mounted, with the secrets it was given and nothing else.

use standins::huggingface::RepoKind;
use standins::modal::{Modal, Setup};
use standins::modelscope;

use crate::static_worker;
use crate::world::{KIB, MIB, World, generated};

/// A world with a Modal, and a command line that finds it.
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
        world.unset("HF2MS_RUNNER");
        world.set("HF2MS_WORKER_BIN", worker());
        Self { world, modal }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.modal.strict().assert_clean();
        }
    }
}

/// The static program.
pub fn worker() -> String {
    static_worker::path().to_owned()
}

#[test]
fn a_model_is_carried_by_a_sandbox() {
    let cloud = Cloud::start();
    let source = cloud.world.hf.repo(RepoKind::Model, "alice/bert");
    source.lfs_file("model.safetensors", generated(1, 12 * MIB)).file("config.json", generated(2, KIB)).commit("one");
    let outcome = cloud.world.run(&["migrate", "hf:alice/bert", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.shown(&cloud.world));
    assert_eq!(outcome.json()["runner"], "modal");
    assert_eq!(cloud.world.ms.repo(modelscope::RepoKind::Model, "alice/bert").commits().len(), 2);
    assert_eq!(cloud.modal.sandboxes().len(), 1);
}

#[test]
fn a_detached_migration_is_followed_from_another_machine() {
    let cloud = Cloud::start();
    let source = cloud.world.hf.repo(RepoKind::Model, "alice/bert");
    source.lfs_file("model.safetensors", generated(1, 12 * MIB)).commit("one");
    let started = cloud.world.run(&["migrate", "hf:alice/bert", "--detach", "--json"]);
    assert_eq!(started.code, 0, "{}", started.shown(&cloud.world));
    let id = started.json()["id"].as_str().unwrap().to_owned();
    cloud.world.forget_state();
    let followed = cloud.world.run(&["status", &id, "--follow", "--json"]);
    assert_eq!(followed.code, 0, "{}", followed.shown(&cloud.world));
    assert_eq!(followed.json()["state"], "verified");
}
