//! A real model through a sandbox, between the official clients of both hubs.

use crate::cloud::attach;
use crate::peers::real_model_travels;
use crate::world::World;

/// No byte of it is carried by this machine: the one process that carries is in a sandbox.
fn in_a_sandbox(from: &str, to: &str) {
    let mut world = World::start();
    let modal = attach(&mut world);
    let report = real_model_travels(&world, from, to, "model");
    assert_eq!((&report["state"], &report["runner"]), (&"verified".into(), &"modal".into()), "{report}");
    let sandboxes = modal.sandboxes();
    assert_eq!(sandboxes.len(), 1, "{sandboxes:?}");
    assert_eq!(sandboxes[0].tags()["role"], "conductor");
    assert_eq!(sandboxes[0].ended().status, 1, "{sandboxes:?}");
    let told = String::from_utf8(sandboxes[0].stdout()).unwrap();
    let last = told.lines().last().unwrap();
    assert!(last.contains("\"verified\"") && last.contains(report["id"].as_str().unwrap()), "{last}");
    assert_eq!((world.carrier(), modal.processes()), (None, 0));
    modal.strict().assert_clean();
}

#[test]
fn the_real_model_goes_from_hugging_face_to_modelscope_through_a_sandbox() {
    in_a_sandbox("hf", "ms");
}

#[test]
fn the_real_model_goes_from_modelscope_to_hugging_face_through_a_sandbox() {
    in_a_sandbox("ms", "hf");
}
