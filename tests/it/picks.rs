//! Many repositories in few words: a list, a whole namespace, new names.

use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::usage::refused;
use crate::world::World;

fn three() -> World {
    let world = World::start();
    for (kind, id) in [(RepoKind::Model, "alice/a"), (RepoKind::Model, "alice/b"), (RepoKind::Dataset, "alice/a")] {
        world.hf.repo(kind, id).file("config.json", id).commit("all");
    }
    world.hf.repo(RepoKind::Model, "alice/b").private();
    world.hf.repo(RepoKind::Space, "alice/demo").file("app.py", "1").commit("all");
    world
}

#[test]
fn a_whole_namespace_is_a_batch() {
    let world = three();
    let first = world.run(&["migrate", "--all-of", "hf:alice", "--rename", "b=c", "--json"]).exits(0).json();
    assert_eq!((&first["succeeded"], &first["failed"], &first["skipped"]), (&3.into(), &0.into(), &1.into()), "{first}");
    assert!(world.ms.repo_exists(modelscope::RepoKind::Model, "alice/c"));
    let again = world.run(&["migrate", "--all-of", "hf:alice", "--rename", "b=c", "--json"]).exits(0).json();
    let fresh = again["migrations"].as_array().unwrap().iter().filter(|one| one["up_to_date"] == true).count();
    assert_eq!(fresh, 3, "{again}");
    let back =
        world.run(&["plan", "--all-of", "ms:alice", "--type", "model", "--skip-name", "c", "--dest", "alice", "--json"]).exits(0).json();
    assert_eq!(back["plans"].as_array().unwrap().len(), 1, "{back}");
}

#[test]
fn a_list_has_destinations_of_its_own() {
    let world = three();
    world.ms.org("acme").member("alice");
    std::fs::write(world.home.join("list.txt"), "# ours\nhf:alice/b -> acme/x\n").unwrap();
    world.run(&["migrate", "--from-file", "list.txt"]).exits(0);
    assert!(world.ms.repo_exists(modelscope::RepoKind::Model, "acme/x"));
}

#[test]
fn words_that_are_wrong_are_refused() {
    let world = three();
    std::fs::write(world.home.join("bad.txt"), "hf:alice/a\nhf:alice/b ->\n").unwrap();
    insta::assert_snapshot!("list_line", refused(&world, 2, &["migrate", "--from-file", "bad.txt"]));
    insta::assert_snapshot!("no_source_of_that_name", refused(&world, 2, &["migrate", "hf:alice/b", "--rename", "z=c"]));
    insta::assert_snapshot!("namespace_is_more", refused(&world, 2, &["migrate", "--all-of", "hf:alice/b"]));
    insta::assert_snapshot!("nothing_there", refused(&world, 1, &["migrate", "--all-of", "hf:nobody"]));
}
