//! Resources stay of a size that a client can read: the newest migrations, and the first files of a proof.

use serde_json::{Value, json};
use standins::huggingface::RepoKind;

use super::{Client, Era};
use crate::world::World;

/// What the server lists, and shows of a proof.
const LISTED: usize = 20;
const PROVEN: usize = 100;

#[test]
fn the_newest_migrations_are_listed_and_the_first_files_of_a_proof_shown() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    (0..150).for_each(|number| _ = source.file(&format!("file-{number:03}.txt"), number.to_string().as_str()));
    source.commit("all");
    // a run that finds nothing to do is no migration of its own
    let run = |number: usize| {
        let arguments = ["migrate", "hf:alice/bert", "--dest", &format!("alice/copy-{number}"), "--json"];
        world.run(&arguments).exits(0).json()["id"].as_str().unwrap().to_owned()
    };
    let ids: Vec<String> = (0..LISTED + 3).map(run).collect();
    let mut client = Client::start(&world, Era::Stateless);
    let list = client.request("resources/list", json!({}));
    let listed: Vec<_> = list["resources"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    let newest: Vec<_> = ids.iter().rev().take(LISTED).map(String::as_str).collect();
    assert_eq!(listed, newest);

    // one that is not listed can be read
    let read = client.request("resources/read", json!({ "uri": format!("migration://{}", ids[0]) }));
    let document: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
    let proof = &document["proof"];
    assert_eq!((proof["files"].as_array().unwrap().len(), &proof["files_not_shown"]), (PROVEN, &json!(150 - PROVEN)));
}
