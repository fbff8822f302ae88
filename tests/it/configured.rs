//! Where tokens come from: the environment first, then `.env` files, then the token file of the official client; nothing else does.

use std::fs;

use standins::huggingface::{RepoKind, Role};
use standins::modelscope::{self, Tier};

use crate::tokens::{assert_hidden, assert_nothing_written};
use crate::world::World;

/// A model at Hugging Face that only `bob` may read, and a namespace of his at ModelScope.
fn bobs_world() -> (World, String, String) {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "bob/secret").private().file("a.txt", "a").commit("all");
    world.ms.user("bob");
    let (hf, ms) = (world.hf.token("bob", Role::Read), world.ms.token("bob", Tier::Write));
    (world, hf, ms)
}

#[test]
fn tokens_are_taken_from_an_env_file_and_the_environment_wins() {
    let (mut world, hf, ms) = bobs_world();
    fs::write(world.home.join(".env"), format!("# mine\nexport HF_TOKEN='{hf}'\nMODELSCOPE_API_TOKEN=\"{ms}\" # yes\n")).unwrap();
    // alice's, of the environment, reads no repository of bob's
    let outcome = world.run(&["migrate", "hf:bob/secret"]).exits(1);
    assert_hidden(&world, &outcome);
    assert_nothing_written(&world);
    world.unset("HF_TOKEN");
    world.unset("MODELSCOPE_API_TOKEN");
    insta::assert_snapshot!("env_file_plan", world.run(&["plan", "hf:bob/secret"]).exits(0).shown(&world));
    let outcome = world.run(&["migrate", "hf:bob/secret"]).exits(0);
    for (name, token) in [("HF_TOKEN", hf), ("MODELSCOPE_API_TOKEN", ms)] {
        // so that they are looked for
        world.set(name, token);
    }
    assert_hidden(&world, &outcome);
    let copy = world.ms.repo(modelscope::RepoKind::Model, "bob/secret");
    assert_eq!(copy.commits()[0].author, "bob");
}

#[test]
fn the_state_folders_env_file_comes_before_the_working_directorys() {
    let (mut world, hf, _) = bobs_world();
    fs::create_dir_all(world.home.join("state")).unwrap();
    fs::write(world.home.join("state/.env"), format!("HF_TOKEN={hf}\n")).unwrap();
    fs::write(world.home.join(".env"), "HF_TOKEN=hf_0123456789abcdefghijABCDEFGHIJ0123\n").unwrap();
    world.unset("HF_TOKEN");
    let checks = world.run(&["validate", "--json"]).exits(0).json();
    assert_eq!(checks["platforms"][0]["account"], "bob");
    assert_eq!(world.scrub(checks["platforms"][0]["origin"].as_str().unwrap()), "HF_TOKEN in [HOME]/state/.env");
}

#[test]
fn a_cloned_projects_env_file_redirects_nothing() {
    let world = World::start();
    let trap = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("a.txt", "a").commit("all");
    let (hf, ms) = (trap.hf.endpoint(), trap.ms.endpoint());
    let lines = format!(
        "HF_ENDPOINT={hf}\nMODELSCOPE_ENDPOINT={ms}\nMODELSCOPE_DOMAIN={ms}\nHF2MS_HOME=/tmp/elsewhere\nHF2MS_RUNNER=modal\n\
         HF2MS_WORKER_BIN=/bin/sh\nMODAL_SERVER_URL={hf}\nHTTPS_PROXY={hf}\nLD_PRELOAD=/tmp/x.so\nPATH=/tmp\nno line at all\n"
    );
    fs::write(world.home.join(".env"), lines).unwrap();
    let outcome = world.run(&["migrate", "hf:alice/bert"]).exits(0);
    // the trap's addresses are not those of this world
    let shown = outcome.shown(&world);
    assert!(!shown.contains(&hf) && !shown.contains(&ms), "{shown}");
    insta::assert_snapshot!("env_file_ignored", shown);
    assert_hidden(&world, &outcome);
    assert_eq!(trap.hf.journal().total_requests() + trap.ms.journal().total_requests(), 0);
}

#[test]
fn a_token_on_an_odd_line_of_an_env_file_is_not_shown() {
    let mut world = World::start();
    let hf = world.variables["HF_TOKEN"].clone();
    world.unset("HF_TOKEN");
    // a token as a key, without a key, and under a key that is not known
    fs::write(world.home.join(".env"), format!("{hf}=1\n{hf}\nHUGGINGFACE_TOKEN={hf}\n")).unwrap();
    let outcome = world.run(&["validate"]).exits(3);
    world.set("HF_TOKEN", hf);
    assert_hidden(&world, &outcome);
    insta::assert_snapshot!("env_file_odd", outcome.shown(&world));
}

#[test]
fn the_official_clients_token_file_is_used() {
    let (mut world, hf, _) = bobs_world();
    let folder = world.home.join(".cache/huggingface");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("token"), format!("{hf}\n")).unwrap();
    world.unset("HF_TOKEN");
    let outcome = world.run(&["migrate", "hf:bob/secret", "--dest", "alice/secret"]).exits(0);
    let checks = world.run(&["validate", "--json"]).exits(0).json();
    assert_eq!(world.scrub(checks["platforms"][0]["origin"].as_str().unwrap()), "[HOME]/.cache/huggingface/token");
    world.set("HF_TOKEN", hf);
    assert_hidden(&world, &outcome);
}
