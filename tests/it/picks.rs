//! Many repositories in few words: a list, a whole namespace, new names.

use serde_json::Value;
use standins::huggingface::{Gated, RepoKind};
use standins::modelscope;

use crate::usage::refused;
use crate::world::{KIB, World, bytes};

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
    // what --dest cannot name is named otherwise
    std::fs::write(world.home.join("odd.txt"), "ms:alice/b -> alice/b--c\n").unwrap();
    insta::assert_snapshot!("odd_name", refused(&world, 2, &["migrate", "ms:alice/a", "ms:alice/b--c"]));
    insta::assert_snapshot!("odd_name_listed", refused(&world, 2, &["migrate", "--from-file", "odd.txt"]));
}

const COUNT: usize = 60;

/// An organisation of others with so many repositories of both kinds, three of which cannot be migrated, each for another reason.
fn organisation() -> World {
    let world = World::start();
    world.hf.org("acme").member("carol", "admin");
    for number in 0..COUNT {
        let kind = if number % 3 == 2 { RepoKind::Dataset } else { RepoKind::Model };
        let repo = world.hf.repo(kind, &name(number));
        repo.file("config.json", format!("{{\"number\":{number}}}").as_str()).lfs_file("weights.bin", bytes(number as u64, 20 * KIB));
        repo.commit("all");
        match number {
            10 => drop(repo.gated(Gated::Manual)),
            // other bytes than it lists
            21 => drop(repo.misbehave(|quirks| drop(quirks.serves_instead.insert("weights.bin".to_owned(), bytes(999, 20 * KIB))))),
            // something else lies there already
            32 => drop(world.ms.repo(modelscope::RepoKind::Dataset, "alice/r32").file("config.json", "theirs").commit("theirs")),
            _ => {}
        }
    }
    world
}

fn name(number: usize) -> String {
    format!("acme/r{number:02}")
}

const ALL: [&str; 5] = ["migrate", "--all-of", "hf:acme", "--dest", "alice"];

#[test]
fn a_whole_organisation_is_migrated_but_for_what_cannot_be_and_again_only_that_is_tried() {
    let world = organisation();
    let first = world.run(&[&ALL[..], &["--json"]].concat()).exits(1).json();
    assert_eq!((&first["succeeded"], &first["failed"], &first["skipped"]), (&57.into(), &3.into(), &0.into()), "{first}");
    let kinds = |report: &Value| {
        let failed = report["migrations"].as_array().unwrap().iter().filter(|one| one["state"] != "verified");
        failed
            .map(|one| (one["source"]["repo"].as_str().unwrap().to_owned(), one["error"]["kind"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let wanted = [(10, "forbidden"), (21, "corrupted"), (32, "needs_confirmation")].map(|(number, kind)| (name(number), kind.to_owned()));
    let mut failed = kinds(&first);
    failed.sort();
    assert_eq!(failed, wanted);
    for number in (0..COUNT).filter(|number| ![10, 21, 32].contains(number)) {
        let kind = if number % 3 == 2 { modelscope::RepoKind::Dataset } else { modelscope::RepoKind::Model };
        let copy = world.ms.repo(kind, &format!("alice/r{number:02}"));
        assert_eq!(copy.content("weights.bin").unwrap().to_bytes(), bytes(number as u64, 20 * KIB).to_bytes(), "{number}");
    }

    // again: three are tried, of the others three calls at most tell that nothing is to do
    let (hf, ms) = (world.hf.journal().records().len(), world.ms.journal().records().len());
    let uploads = world.ms.journal().bytes_uploaded();
    let again = world.run(&ALL).exits(1);
    let calls: Vec<_> = world.hf.journal().records().split_off(hf).into_iter().chain(world.ms.journal().records().split_off(ms)).collect();
    for number in (0..COUNT).filter(|number| ![10, 21, 32].contains(number)) {
        let own = calls.iter().filter(|call| call.path.contains(&format!("/r{number:02}"))).count();
        assert!(own <= 3, "{own} calls for {}", name(number));
    }
    assert!(world.ms.journal().bytes_uploaded() - uploads <= 20 * KIB, "only the one that lies is read and sent again, and not to its end");
    assert!(calls.len() < 57 * 3 + 100, "{} calls", calls.len());
    let table: Vec<_> = again.stdout.lines().filter(|line| line.contains("hf:acme/")).collect();
    assert_eq!(table.iter().filter(|line| line.contains("up to date")).count(), 57, "{}", again.stdout);
    let short = table.iter().filter(|line| !line.contains("up to date") || line.contains("/r00") || line.contains("/r02"));
    let sums = again.stdout.lines().filter(|line| line.contains("not verified"));
    insta::assert_snapshot!("organisation", world.scrub(&short.copied().chain(sums).collect::<Vec<_>>().join("\n")));
}

#[test]
fn what_is_there_with_other_content_is_left_where_that_is_wished() {
    let world = three();
    world.run(&["migrate", "hf:alice/b", "--type", "model"]).exits(0);
    world.ms.repo(modelscope::RepoKind::Dataset, "alice/a").file("config.json", "theirs").commit("theirs");
    // a dry run answers as the real one
    let dry = world.run(&["migrate", "hf:alice/a", "--type", "dataset", "--skip-existing", "--dry-run"]).exits(3);
    let looked = world.run(&["migrate", "--all-of", "hf:alice", "--skip-existing", "--dry-run"]).exits(0);
    let told = "[3/4] skipped  hf:alice/a  the destination is there with other content, and is left as it is";
    assert!(looked.stderr.contains(told) && !looked.stdout.contains("(dataset"), "{looked:?}");
    let plans = world.run(&["migrate", "--all-of", "hf:alice", "--skip-existing", "--dry-run", "--json"]).exits(0).json();
    assert_eq!((&plans["plans"][2]["state"], &plans["plans"][2]["error"]["kind"]), (&"skipped".into(), &"not_migrated".into()), "{plans}");
    assert!(plans["plans"][0]["plan_id"].is_string(), "{plans}");
    let shown = world.run(&["migrate", "--all-of", "hf:alice", "--skip-existing"]).exits(0);
    insta::assert_snapshot!("skip_existing", shown.shown(&world));
    assert_eq!(world.ms.repo(modelscope::RepoKind::Dataset, "alice/a").content("config.json").unwrap().to_bytes(), "theirs");
    let alone = world.run(&["migrate", "hf:alice/a", "--type", "dataset", "--skip-existing"]).exits(3);
    insta::assert_snapshot!("skip_existing_alone", alone.shown(&world));
    assert_eq!((dry.stdout, dry.stderr), (alone.stdout, alone.stderr));
}

#[test]
fn an_inventory_says_which_copies_are_the_same() {
    let world = three();
    let plain = world.run(&["inventory", "hf:alice"]).exits(0);
    insta::assert_snapshot!("inventory", without_days(&plain.shown(&world)));
    world.run(&["migrate", "--all-of", "hf:alice", "--skip-name", "demo", "--yes"]).exits(0);
    world.hf.repo(RepoKind::Model, "alice/late").file("config.json", "late").commit("late");
    world.ms.repo(modelscope::RepoKind::Model, "alice/a").file("config.json", "changed").commit("changed");
    let (hf, ms) = (world.hf.journal().bytes_uploaded(), world.ms.journal().bytes_uploaded());
    let shown = world.run(&["inventory", "hf:alice", "--against", "alice"]).exits(0);
    insta::assert_snapshot!("inventory_against", without_days(&shown.shown(&world)));
    world.forget_state();
    let json = world.run(&["inventory", "hf:alice", "--against", "ms:alice", "--json"]).exits(0).json();
    let states = |json: &Value| {
        let of = |one: &Value| (one["type"].as_str().unwrap().to_owned(), one["copy"]["state"].as_str().unwrap().to_owned());
        json["repositories"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let wanted = [("model", "differs"), ("model", "verified"), ("model", "absent"), ("dataset", "verified"), ("space", "unknown")];
    assert_eq!(states(&json), wanted.map(|(kind, state)| (kind.to_owned(), state.to_owned())));
    let back = world.run(&["inventory", "ms:alice", "--against", "hf:alice", "--type", "dataset", "--json"]).exits(0).json();
    // ModelScope put a card of its own there, which the source never had
    assert_eq!(states(&back), [("dataset".to_owned(), "differs".to_owned())]);
    assert_eq!(back["repositories"][0]["copy"]["why"], "1 missing", "{back}");
    assert_eq!((world.hf.journal().bytes_uploaded(), world.ms.journal().bytes_uploaded()), (hf, ms), "nothing is written");
}

#[test]
fn an_inventory_of_wrong_words_is_refused() {
    let world = three();
    insta::assert_snapshot!("inventory_one_hub", refused(&world, 2, &["inventory", "hf:alice", "--against", "hf:acme"]));
    insta::assert_snapshot!("inventory_of_nobody", refused(&world, 1, &["inventory", "hf:nobody"]));
    insta::assert_snapshot!("inventory_unclear", refused(&world, 2, &["inventory", "alice"]));
}

/// Days depend on when a test runs.
fn without_days(text: &str) -> String {
    let is_day =
        |word: &str| word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && word.matches('-').count() == 2;
    text.split_inclusive(char::is_whitespace)
        .map(|word| if is_day(word.trim_end()) { word.replace(word.trim_end(), "YYYY-MM-DD") } else { word.to_owned() })
        .collect()
}

/// More than a page of either hub.
const MANY: usize = 1_203;

#[test]
fn namespaces_of_many_pages_are_listed_to_their_end() {
    let world = World::start();
    let (hf, ms) = (RepoKind::Model, modelscope::RepoKind::Model);
    for number in 0..MANY {
        world.hf.repo(hf, &format!("alice/m{number:04}")).file("config.json", format!("{{\"number\":{number}}}").as_str()).commit("all");
        world.ms.repo(ms, &format!("alice/n{number:04}")).file("config.json", format!("[{number}]").as_str()).commit("all");
    }
    for (namespace, first) in [("hf:alice", 'm'), ("ms:alice", 'n')] {
        let listed = world.run(&["inventory", namespace, "--json"]).exits(0).json();
        let names: std::collections::BTreeSet<_> =
            listed["repositories"].as_array().unwrap().iter().map(|one| one["repo"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, (0..MANY).map(|number| format!("alice/{first}{number:04}")).collect(), "{namespace}: each once");
    }
    // those that stand at the end of such a list are migrated like any other
    for (namespace, name) in [("hf:alice", "m12*"), ("ms:alice", "n12*")] {
        let report = world.run(&["migrate", "--all-of", namespace, "--type", "model", "--name", name, "--json"]).exits(0).json();
        assert_eq!((&report["succeeded"], &report["failed"], &report["skipped"]), (&3.into(), &0.into(), &0.into()), "{report}");
    }
    for number in 1_200..MANY {
        assert_eq!(
            world.ms.repo(ms, &format!("alice/m{number}")).content("config.json").unwrap().to_bytes(),
            format!("{{\"number\":{number}}}")
        );
        assert_eq!(world.hf.repo(hf, &format!("alice/n{number}")).content("config.json").unwrap().to_bytes(), format!("[{number}]"));
    }
}
