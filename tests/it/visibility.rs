//! Private stays private: who could not read the source cannot read the copy, unless the user says so.

use std::sync::Arc;

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::huggingface::{Gated, RepoKind};
use standins::modelscope::{self, Visibility};

use crate::world::{KIB, MIB, World, bytes};

/// Names that nobody may learn from a public copy.
const SOURCE: &str = "alice/unborn-product";

fn fill_hf(world: &World) -> standins::huggingface::RepoHandle {
    let source = world.hf.repo(RepoKind::Model, SOURCE);
    source.file("model.safetensors", bytes(1, 2 * MIB)).file("config.json", "{}").file("README.md", "# x\n").commit("all");
    source
}

fn fill_ms(world: &World) -> modelscope::RepoHandle {
    let source = world.ms.repo(modelscope::RepoKind::Model, SOURCE);
    source.file("model.safetensors", bytes(1, 2 * MIB)).file("config.json", "{}").file("README.md", "# x\n").commit("all");
    source
}

/// Migrates and gives the report.
#[track_caller]
fn migrated(world: &World, source: &str, more: &[&str]) -> Value {
    world.run(&[&["migrate", source, "--json"], more].concat()).exits(0).json()
}

#[test]
fn a_public_source_becomes_a_public_copy() {
    let world = World::start();
    fill_hf(&world);
    migrated(&world, "hf:alice/unborn-product", &[]);
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, SOURCE).visibility(), Visibility::Public);
    let world = World::start();
    fill_ms(&world);
    migrated(&world, "ms:alice/unborn-product", &[]);
    assert!(!world.hf.repo(RepoKind::Model, SOURCE).is_private());
}

#[test]
fn a_private_source_becomes_a_private_copy() {
    let world = World::start();
    fill_hf(&world).private();
    migrated(&world, "hf:alice/unborn-product", &[]);
    let copy = world.ms.repo(modelscope::RepoKind::Model, SOURCE);
    assert_eq!((copy.visibility(), copy.is_gated()), (Visibility::Private, false));
    let world = World::start();
    fill_ms(&world).private();
    migrated(&world, "ms:alice/unborn-product", &[]);
    assert!(world.hf.repo(RepoKind::Model, SOURCE).is_private());
}

#[test]
fn a_private_dataset_becomes_a_private_copy() {
    let world = World::start();
    world.hf.repo(RepoKind::Dataset, SOURCE).file("train.csv", bytes(1, 200 * KIB)).commit("all").private();
    migrated(&world, "hf:alice/unborn-product", &[]);
    assert_eq!(world.ms.repo(modelscope::RepoKind::Dataset, SOURCE).visibility(), Visibility::Private);
    let world = World::start();
    world.ms.repo(modelscope::RepoKind::Dataset, SOURCE).file("train.csv", bytes(1, 200 * KIB)).commit("all").private();
    migrated(&world, "ms:alice/unborn-product", &[]);
    assert!(world.hf.repo(RepoKind::Dataset, SOURCE).is_private());
}

#[test]
fn a_gated_source_becomes_a_private_copy() {
    for (name, gate) in [("gated_auto_plan", Gated::Auto), ("gated_manual_plan", Gated::Manual)] {
        let world = World::start();
        fill_hf(&world).gated(gate);
        insta::assert_snapshot!(name, world.run(&["plan", "hf:alice/unborn-product"]).exits(0).shown(&world));
        migrated(&world, "hf:alice/unborn-product", &[]);
        assert_eq!(world.ms.repo(modelscope::RepoKind::Model, SOURCE).visibility(), Visibility::Private);
    }
    let world = World::start();
    fill_ms(&world).gated();
    migrated(&world, "ms:alice/unborn-product", &[]);
    assert!(world.hf.repo(RepoKind::Model, SOURCE).is_private());
}

#[test]
fn a_source_for_signed_in_users_becomes_a_private_copy() {
    let world = World::start();
    fill_ms(&world).internal();
    migrated(&world, "ms:alice/unborn-product", &[]);
    assert!(world.hf.repo(RepoKind::Model, SOURCE).is_private());
}

#[test]
fn a_private_source_is_not_put_into_a_public_destination() {
    let world = World::start();
    fill_hf(&world).private();
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/open");
    let before = copy.head();
    let arguments = ["migrate", "hf:alice/unborn-product", "--dest", "alice/open"];
    insta::assert_snapshot!("loosened_ms", world.run(&arguments).exits(3).shown(&world));
    let yes = world.run(&[&arguments[..], &["--yes", "--json"]].concat()).exits(3).json();
    assert_eq!(yes["error"]["kind"], "needs_confirmation");
    assert_eq!((copy.head(), world.ms.journal().bytes_uploaded()), (before, 0));
    assert_eq!(world.ms.journal().requests("batch"), 0, "not even its digests are told");
}

#[test]
fn what_is_not_public_is_not_put_into_a_public_destination_the_other_way() {
    type Close = fn(&modelscope::RepoHandle);
    let closed: [(&str, Close); 3] =
        [("private", |source| _ = source.private()), ("internal", |source| _ = source.internal()), ("gated", |source| _ = source.gated())];
    for (name, close) in closed {
        let world = World::start();
        close(&fill_ms(&world));
        let copy = world.hf.repo(RepoKind::Model, "alice/open");
        let before = copy.head();
        let outcome = world.run(&["migrate", "ms:alice/unborn-product", "--dest", "alice/open", "--yes"]).exits(3);
        insta::assert_snapshot!(format!("loosened_hf_{name}"), outcome.shown(&world));
        assert_eq!((copy.head(), world.hf.journal().bytes_uploaded(), world.hf.journal().requests("lfs.batch")), (before, 0, 0));
    }
}

#[test]
fn a_copy_made_public_on_request_does_not_name_its_private_source() {
    let world = World::start();
    let source = fill_hf(&world);
    source.private();
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/open");
    migrated(&world, "hf:alice/unborn-product", &["--dest", "alice/open", "--allow-public", "--yes"]);
    let message = copy.commits()[0].message.clone();
    assert!(!message.contains("unborn") && !message.contains(&source.head()), "{message}");
    assert_eq!(copy.commits().len(), 2);

    let world = World::start();
    let source = fill_ms(&world);
    source.internal();
    let copy = world.hf.repo(RepoKind::Model, "alice/open");
    migrated(&world, "ms:alice/unborn-product", &["--dest", "alice/open", "--allow-public"]);
    let commit = copy.commits()[0].clone();
    let message = format!("{}\n{}", commit.summary, commit.description);
    assert!(!message.contains("unborn") && !message.contains(&source.head()), "{message}");
}

#[test]
fn a_copy_that_is_no_more_open_names_its_source() {
    let world = World::start();
    let source = fill_hf(&world);
    source.private();
    migrated(&world, "hf:alice/unborn-product", &[]);
    let message = world.ms.repo(modelscope::RepoKind::Model, SOURCE).commits()[0].message.clone();
    assert!(message.contains("hf:alice/unborn-product") && message.contains(&source.head()), "{message}");
}

#[test]
fn a_hub_that_makes_it_public_against_the_request_gets_no_byte() {
    let world = World::start();
    fill_hf(&world).private();
    world.ms.behaviour(|behaviour| behaviour.ignores_visibility = true);
    insta::assert_snapshot!("ignored_ms", world.run(&["migrate", "hf:alice/unborn-product"]).exits(3).shown(&world));
    assert_eq!(
        (world.ms.journal().bytes_uploaded(), world.ms.journal().requests("commit"), world.ms.journal().requests("batch")),
        (0, 0, 0)
    );
    // the user is still in doubt: again, and nothing again
    world.run(&["migrate", "hf:alice/unborn-product", "--yes"]).exits(3);
    assert_eq!(world.ms.journal().bytes_uploaded(), 0);

    let world = World::start();
    fill_ms(&world).private();
    world.hf.behaviour(|behaviour| behaviour.ignores_visibility = true);
    let outcome = world.run(&["migrate", "ms:alice/unborn-product", "--yes", "--json"]).exits(3).json();
    assert_eq!((&outcome["state"], &outcome["destination"]["created"]), (&"refused".into(), &true.into()));
    insta::assert_snapshot!("ignored_hf", world.scrub(outcome["error"]["message"].as_str().unwrap()));
    let journal = world.hf.journal();
    assert_eq!(
        (journal.bytes_uploaded(), journal.requests("commit"), journal.requests("preupload"), journal.requests("lfs.batch")),
        (0, 0, 0, 0)
    );
}

#[test]
fn a_destination_that_becomes_public_on_the_way_gets_no_commit() {
    let world = World::start();
    fill_hf(&world).private();
    let copy = world.ms.repo(modelscope::RepoKind::Model, SOURCE);
    copy.private();
    let opened = copy.clone();
    world.ms.when_uploaded_bytes(MIB, Box::new(move || _ = opened.public()));
    let before = copy.head();
    insta::assert_snapshot!("became_public_ms", world.run(&["migrate", "hf:alice/unborn-product", "--yes"]).exits(3).shown(&world));
    assert_eq!((copy.head(), world.ms.journal().requests("commit")), (before, 0));

    let world = World::start();
    fill_ms(&world).private();
    let copy = world.hf.repo(RepoKind::Model, SOURCE);
    copy.private();
    let (opened, before) = (copy.clone(), copy.head());
    world.hf.when_uploaded_bytes(MIB, Box::new(move || _ = opened.public()));
    insta::assert_snapshot!("became_public_hf", world.run(&["migrate", "ms:alice/unborn-product", "--yes"]).exits(3).shown(&world));
    assert_eq!((copy.head(), world.hf.journal().requests("commit")), (before, 0));
}

#[test]
fn a_destination_that_becomes_public_after_the_plan_gets_no_byte() {
    let world = World::start();
    fill_ms(&world).private();
    let copy = world.hf.repo(RepoKind::Model, SOURCE);
    copy.private();
    // the first tree is the plan's, the second the conductor's: between them somebody opens the repository
    let opened = copy.clone();
    world.hf.fault(Rule::route("tree", Fault::Call(Arc::new(move || _ = opened.public()))));
    let before = copy.head();
    insta::assert_snapshot!("became_public_early", world.run(&["migrate", "ms:alice/unborn-product"]).exits(3).shown(&world));
    assert_eq!((copy.head(), world.hf.journal().bytes_uploaded()), (before, 0));
}
