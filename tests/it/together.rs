//! Migrations of a batch that run at the same time, under one cap.

use std::collections::BTreeSet;
use std::process::{Child, Command};

use serde_json::Value;
use standins::faults::{Fault, Rule};
use standins::huggingface::{self, RepoKind};
use standins::modelscope;

use crate::cloud::attach;
use crate::usage::{assert_untouched, refused};
use crate::world::{KIB, MIB, World, bytes, generated, is_still, wait_until};

/// So many models of 2 MiB each, at a hub that gives them slowly.
fn slow_models(count: u64) -> (World, Vec<String>) {
    let world = World::start();
    let names: Vec<String> = (0..count).map(|number| format!("hf:alice/m{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let repo = world.hf.repo(RepoKind::Model, &name[3..]);
        repo.lfs_file("model.safetensors", generated(number as u64, 2 * MIB)).file("config.json", "{}").commit("all");
    }
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB);
    (world, names)
}

fn spawn(world: &World, sources: &[String], arguments: &[&str]) -> Child {
    let sources = sources.iter().map(String::as_str);
    world.command(&["migrate"].into_iter().chain(sources).chain(arguments.iter().copied()).collect::<Vec<_>>()).spawn().unwrap()
}

/// The job of every migration that was started, and whether its process lives.
fn started(world: &World) -> Vec<(Value, bool)> {
    let Ok(folders) = std::fs::read_dir(world.home.join("state/migrations")) else { return Vec::new() };
    let read = |path: std::path::PathBuf| std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let look = |folder: std::path::PathBuf| {
        let (job, place) = (read(folder.join("job.json"))?, read(folder.join("place.json"))?);
        let pid = u32::try_from(place["pid"].as_u64()?).ok()?;
        Some((job, is_still(pid, place["started"].as_str()?)))
    };
    folders.filter_map(|folder| look(folder.ok()?.path())).collect()
}

/// How many were started and have not said their last word. A process takes a moment to end after that, and its place is free by then.
fn running(world: &World) -> usize {
    let look = || {
        let folders = std::fs::read_dir(world.home.join("state/migrations")).into_iter().flatten().map(|folder| folder.unwrap().path());
        folders.filter(|folder| folder.join("place.json").is_file() && !folder.join("report.json").is_file()).count()
    };
    // one may end and the next one begin while the folders are looked at
    look().min(look())
}

#[test]
fn as_many_run_at_the_same_time_as_the_cap_lets_and_share_what_one_may_hold() {
    for (arguments, cap) in [(&["--json"][..], 4), (&["--json", "--at-once", "2"], 2), (&["--json", "--at-once", "1"], 1)] {
        let (world, names) = slow_models(6);
        let mut batch = spawn(&world, &names, arguments);
        let mut most = 0;
        let status = loop {
            most = most.max(running(&world));
            match batch.try_wait().unwrap() {
                Some(status) => break status,
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        assert!(status.success());
        assert_eq!(most, cap, "{arguments:?}");
        let jobs = started(&world);
        assert_eq!(jobs.len(), 6);
        for (job, _) in jobs {
            let limits = &job["limits"];
            assert_eq!(limits["memory"].as_u64().unwrap() * cap as u64, 96 << 20);
            assert_eq!((limits["streams"].as_u64(), limits["most_streams"].as_u64()), (Some(8 / cap as u64), Some(64 / cap as u64)));
        }
        let report: Value = serde_json::from_reader(batch.stdout.take().unwrap()).unwrap();
        let sources: Vec<_> = report["migrations"].as_array().unwrap().iter().map(|one| one["source"]["repo"].as_str().unwrap()).collect();
        assert_eq!(sources, ["alice/m0", "alice/m1", "alice/m2", "alice/m3", "alice/m4", "alice/m5"], "in their order");
        assert_eq!(report["succeeded"], 6);
        assert_eq!(world.ms.journal().requests("commit"), 6, "one commit each");
        for number in 0..6 {
            let copy = world.ms.repo(modelscope::RepoKind::Model, &format!("alice/m{number}"));
            assert_eq!(copy.content("model.safetensors").unwrap().to_bytes(), generated(number, 2 * MIB).to_bytes());
        }
    }
}

#[test]
fn a_content_that_several_have_is_sent_once() {
    let world = World::start();
    let names: Vec<String> = (0..5).map(|number| format!("hf:alice/m{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let repo = world.hf.repo(RepoKind::Model, &name[3..]);
        repo.lfs_file("base.safetensors", generated(1_000, 3 * MIB))
            .lfs_file("own.safetensors", generated(number as u64, MIB))
            .commit("all");
    }
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(4 * MIB);
    let json = world.finish(spawn(&world, &names, &["--json"])).exits(0).json();
    assert_eq!(json["succeeded"], 5);
    assert!(world.ms.journal().sent_twice().is_empty());
    assert_eq!(world.ms.journal().bytes_uploaded(), 3 * MIB + 5 * MIB);
    let first = &json["migrations"][0]["bytes"];
    assert_eq!((&first["moved"], &json["migrations"][4]["bytes"]["moved"]), (&(4 * MIB).into(), &MIB.into()));
}

/// Memory is given out in whole KiB: many small files hold more of it than they have bytes, and the next one must still find room.
#[test]
fn small_files_leave_room_for_the_next_one_where_memory_is_shared() {
    let world = World::start();
    for (name, seed) in [("alice/m0", 0), ("alice/m1", 10)] {
        let repo = world.hf.repo(RepoKind::Model, name);
        for number in 0..3 {
            repo.regular_file(&format!("{number}.txt"), bytes(seed + number, 1_048_500));
        }
        repo.regular_file("3.txt", bytes(seed + 3, 100)).regular_file("4.txt", bytes(seed + 4, 3 * MIB)).commit("all");
    }
    let names = ["hf:alice/m0", "hf:alice/m1"].map(str::to_owned);
    let json = world.finish(spawn(&world, &names, &["--json"])).exits(0).json();
    assert_eq!(json["succeeded"], 2);
}

#[test]
fn a_large_one_has_the_machine_for_itself() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/small").file("config.json", "{}").commit("all");
    world.hf.repo(RepoKind::Model, "alice/large").lfs_file("model.safetensors", generated(1, 1_000_000_001)).commit("all");
    world.hf.repo(RepoKind::Model, "alice/last").file("config.json", "{}").commit("all");
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB);
    let names = ["hf:alice/small", "hf:alice/large", "hf:alice/last"].map(str::to_owned);
    let batch = spawn(&world, &names, &[]);
    wait_until("the large one moves", || world.ms.journal().bytes_uploaded() > MIB);
    let memory: Vec<_> = started(&world)
        .iter()
        .map(|(job, lives)| (job["limits"]["memory"].as_u64().unwrap() >> 20, *lives))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(memory, [(24, false), (96, true)], "the first has ended, the last has not begun");
    Command::new("kill").args(["-INT", &batch.id().to_string()]).status().unwrap();
    let outcome = world.finish(batch).exits(130);
    assert!(outcome.stdout.contains("1 verified, 1 not verified, 1 skipped"), "{}", outcome.stdout);
}

#[test]
fn ctrl_c_cancels_all_that_run_and_says_so_once() {
    let (world, names) = slow_models(6);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    let batch = spawn(&world, &names, &["--at-once", "3"]);
    wait_until("three run", || started(&world).iter().filter(|(_, lives)| *lives).count() == 3 && world.ms.journal().bytes_uploaded() > 0);
    Command::new("kill").args(["-INT", &batch.id().to_string()]).status().unwrap();
    let outcome = world.finish(batch).exits(130);
    assert!(outcome.stdout.contains("0 verified, 3 not verified, 3 skipped"), "{}", outcome.stdout);
    assert_eq!(outcome.stderr.matches("cancelling; press Ctrl-C again").count(), 1, "{}", outcome.stderr);
    assert!(started(&world).iter().all(|(_, lives)| !lives), "nothing runs any more");
    assert_eq!(started(&world).len(), 3);
}

#[test]
fn a_token_that_dies_ends_those_that_run_and_begins_no_other() {
    let (world, names) = slow_models(8);
    world.ms.fault(Rule::route("commit", Fault::status(401)).always());
    let json = world.finish(spawn(&world, &names, &["--json", "--at-once", "2"])).exits(3).json();
    let states: Vec<_> = json["migrations"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    let refused = states.iter().filter(|state| **state == "refused").count();
    assert!((1..=3).contains(&refused) && states.iter().filter(|state| **state == "skipped").count() == 8 - refused, "{states:?}");
    assert_eq!(started(&world).len(), refused, "no other one was started");
}

#[test]
fn a_token_that_dies_while_plans_are_made_is_not_asked_with_again() {
    let world = World::start();
    let names: Vec<String> = (0..12).map(|number| format!("hf:alice/m{number:02}")).collect();
    for name in &names {
        world.hf.repo(RepoKind::Model, &name[3..]).file("config.json", "{}").commit("all");
    }
    let dead = Fault::status(401).header("x-error-message", "Invalid credentials in Authorization header");
    world.hf.fault(Rule::route("tree", dead).always());
    let json = world.finish(spawn(&world, &names, &["--json"])).exits(3).json();
    let states: Vec<_> = json["migrations"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, [&["refused"][..], &["skipped"; 11]].concat());
    // as many as are looked at at a time
    assert!(world.hf.journal().requests("tree") <= 4, "{}", world.hf.journal().requests("tree"));
    assert_untouched(&world);
}

#[test]
fn the_time_is_that_of_all_of_them() {
    let (world, names) = slow_models(4);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(8 * KIB);
    let json = world.finish(spawn(&world, &names, &["--json", "--at-once", "2", "--max-time", "3"])).exits(1).json();
    let ends: Vec<_> = json["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["state"].as_str().unwrap(), one["error"]["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(
        ends,
        [("interrupted", "interrupted"), ("interrupted", "interrupted"), ("skipped", "interrupted"), ("skipped", "interrupted")]
    );
}

#[test]
fn numbers_that_cannot_be_had_are_refused() {
    let world = World::start();
    for name in ["alice/a", "alice/b"] {
        world.hf.repo(RepoKind::Model, name).file("config.json", "{}").commit("all");
    }
    let two = ["migrate", "hf:alice/a", "hf:alice/b"];
    insta::assert_snapshot!("none_at_once", refused(&world, 2, &[&two[..], &["--at-once", "0"]].concat()));
    insta::assert_snapshot!("too_many_here", refused(&world, 2, &[&two[..], &["--at-once", "7"]].concat()));
    insta::assert_snapshot!("at_once_of_one", refused(&world, 2, &["migrate", "hf:alice/a", "--at-once", "2"]));
    insta::assert_snapshot!("at_once_detached", refused(&world, 2, &[&two[..], &["--at-once", "2", "--detach"]].concat()));
    refused(&world, 2, &["plan", "hf:alice/a", "--at-once", "2"]);
    assert_untouched(&world);
}

#[test]
fn a_machine_starts_only_so_many_detached_ones() {
    let (world, names) = slow_models(17);
    let outcome = world.finish(spawn(&world, &names, &["--detach"])).exits(2);
    insta::assert_snapshot!("many_detached", outcome.stderr.lines().filter(|line| !line.starts_with('[')).collect::<Vec<_>>().join("\n"));
    assert!(started(&world).is_empty());
    assert_untouched(&world);
}

#[test]
fn in_the_cloud_each_has_a_container_and_no_more_run_than_may() {
    let (mut world, names) = slow_models(4);
    let modal = attach(&mut world);
    world.hf.dials().origin(huggingface::CDN).set_download_per_stream(MIB / 2);
    let mut batch = spawn(&world, &names, &["--json", "--at-once", "2"]);
    let mut most = 0;
    let status = loop {
        most = most.max(running(&world));
        match batch.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    let report: Value = serde_json::from_reader(batch.stdout.take().unwrap()).unwrap();
    assert!(status.success(), "{report}");
    assert_eq!((&report["succeeded"], modal.sandboxes().len()), (&4.into(), 4));
    assert_eq!(most, 2);
    for number in 0..4 {
        let copy = world.ms.repo(modelscope::RepoKind::Model, &format!("alice/m{number}"));
        assert_eq!(copy.content("model.safetensors").unwrap().to_bytes(), bytes(number, 2 * MIB).to_bytes());
    }
    modal.strict().assert_clean();
}
