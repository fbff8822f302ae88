//! The unchanged case on a machine that holds nothing of it, as a container of CI is: two listings tell, and only while they are equal.

use serde_json::{Value, json};

use crate::trip::{Trip, Way, both_ways, stock};
use crate::up_to_date::{cost, hide};
use crate::world::{KIB, bytes};

const KINDS: [&str; 2] = ["model", "dataset"];

/// A copy that another machine made.
fn done(way: Way, kind: &str) -> Trip {
    let trip = if kind == "dataset" { Trip::of_dataset(way) } else { Trip::new(way) };
    stock(&trip.source());
    trip.migrate(&[]).exits(0);
    trip.world.forget_state();
    trip
}

/// Nothing is to do, and what that costs.
#[track_caller]
fn assert_equal(trip: &Trip, flags: &[&str]) -> (Value, u64) {
    trip.world.forget_state();
    let (head, sent) = (trip.copy().head(), trip.destination_journal().bytes_uploaded());
    let (outcome, calls, accounts) = cost(trip, || trip.migrate(flags));
    let report = outcome.exits(0).json();
    assert_eq!((&report["state"], &report["up_to_date"], accounts), (&json!("verified"), &json!(true), 0), "{report}");
    assert_eq!((&report["files"]["skipped"], &report["bytes"]["moved"]), (&report["files"]["total"], &json!(0)));
    assert_eq!(report["verification"]["how"], json!({ "streamed": 0, "reference": 0, "read_back": 0, "listed": report["files"]["total"] }));
    assert_eq!((trip.copy().head(), trip.destination_journal().bytes_uploaded()), (head, sent));
    assert!(!trip.world.home.join("state/migrations").exists(), "nothing was started");
    (report, calls)
}

/// Everything is looked at, and this comes out.
#[track_caller]
fn assert_looked_at(trip: &Trip, flags: &[&str], code: i32) -> Value {
    trip.world.forget_state();
    let report = trip.migrate(flags).exits(code).json();
    assert_eq!(report["up_to_date"], Value::Null, "{report}");
    report
}

both_ways! {
    fn what_has_not_changed_costs_three_calls_or_four(way) {
        for kind in KINDS {
            let trip = done(way, kind);
            let (report, calls) = assert_equal(&trip, &["--repo-type", kind]);
            // the seals are in the commit's message, which on Hugging Face is a call of its own
            assert_eq!(calls, if way == Way::HfToMs { 3 } else { 4 });
            assert_eq!((&report["source"]["revision"], &report["destination"]["revision"]), (&json!(trip.source().head()), &json!(trip.copy().head())));
            let files: u64 = trip.source().files().into_iter().filter(|(path, _)| path != ".gitattributes").map(|(_, file)| file.size).sum();
            assert_eq!(report["bytes"]["total"], files);
            let ours = trip.copy().ours();
            assert!(ours[0].contains(&format!("Hf2ms-Migration: {}", report["id"].as_str().unwrap())), "{report}");
            hide(&trip, true);
            hide_copy(&trip);
            assert_eq!(assert_equal(&trip, &["--repo-type", kind]).1, 3, "private on both sides");
        }
    }

    fn a_person_reads_how_that_is_known(way) {
        let trip = done(way, "model");
        let told = trip.world.run(&[&["migrate", "--repo-type", "model"], &trip.address()[..]].concat()).exits(0).stdout;
        assert!(told.starts_with("up to date  http://"), "{told}");
        assert!(told.contains("both hubs list the same hashes for every file; `hf2ms verify` reads them"), "{told}");
        assert!(told.contains("11 of 11 proven: 0 streamed, 0 by reference, 0 read back, 11 by listings"), "{told}");
    }

    fn detached_it_names_no_migration_that_this_machine_could_not_follow(way) {
        let trip = done(way, "model");
        let answer = trip.migrate(&["--repo-type", "model", "--detach"]).exits(0).json();
        assert_eq!((&answer["state"], &answer["up_to_date"]), (&json!("verified"), &json!(true)), "{answer}");
        assert!(answer["id"].is_string() && answer.get("follow").is_none() && answer.get("cancel").is_none(), "{answer}");
        let told = trip.world.run(&[&["migrate", "--repo-type", "model", "--detach"], &trip.address()[..]].concat()).exits(0);
        assert_eq!(told.stdout, "", "no id that nothing knows");
        assert!(told.stderr.contains("up to date  http://"), "{}", told.stderr);
    }

    fn a_source_that_is_read_by_git_is_not_listed_by_the_api(way) {
        let trip = done(way, "model");
        assert_looked_at(&trip, &["--repo-type", "model", "--use-git"], 0);
    }

    fn without_the_kind_everything_is_looked_at(way) {
        let trip = done(way, "model");
        assert_looked_at(&trip, &[], 0);
        assert_looked_at(&trip, &["--repo-type", "model", "--exclude", "*.none"], 0);
    }

    fn whatever_is_different_is_looked_at(way) {
        let flags = ["--repo-type", "model"];
        // a plain file of the same size, the card, a blob of the same size, one more here, one less there
        let cases: [(&str, Option<&str>, i32); 3] = [("vocab.txt", Some("x\ny\n"), 3), ("README.md", Some("---\nlicense: mit\n---\n# tert\n"), 3), ("theirs.txt", Some("1"), 0)];
        for (path, content, code) in cases {
            let trip = done(way, "model");
            trip.copy().file(path, content.unwrap()).commit();
            assert_looked_at(&trip, &flags, code);
        }
        let trip = done(way, "model");
        trip.copy().file("small.bin", bytes(99, 300 * KIB)).commit();
        assert_looked_at(&trip, &flags, 3);
        let trip = done(way, "model");
        trip.copy().remove("vocab.txt");
        assert_eq!(assert_looked_at(&trip, &flags, 0)["files"]["copied"], 1);
        assert_equal(&trip, &flags);
        trip.source().remove("vocab.txt");
        assert_eq!(assert_looked_at(&trip, &["--repo-type", "model", "--delete"], 0)["files"]["deleted"], 1);
        // no file comes from the commit that deleted, so on ModelScope too its message is a call of its own
        assert_eq!(assert_equal(&trip, &["--repo-type", "model", "--delete"]).1, 4);
        trip.source().file("vocab.txt", "new words\n").commit();
        assert_eq!(assert_looked_at(&trip, &flags, 0)["files"]["copied"], 1);
        assert_equal(&trip, &flags);
    }

    fn a_commit_by_somebody_else_that_changed_nothing_in_the_end_is_no_reason(way) {
        let trip = done(way, "model");
        trip.source().file("passing.txt", "1").commit();
        trip.source().remove("passing.txt");
        assert_equal(&trip, &["--repo-type", "model"]);
    }

    fn a_copy_that_more_people_can_read_is_not_up_to_date(way) {
        let trip = done(way, "model");
        hide(&trip, true);
        let refused = assert_looked_at(&trip, &["--repo-type", "model", "--yes"], 3);
        assert!(refused["error"]["message"].as_str().unwrap().contains("more people could read the files"), "{refused}");
        assert_equal(&trip, &["--repo-type", "model", "--allow-public"]);
    }

    fn a_seal_that_somebody_wrote_for_other_contents_is_worth_nothing(way) {
        let trip = done(way, "model");
        let ours = trip.copy().ours().remove(0);
        let lines: Vec<_> = ours.lines().filter(|line| line.starts_with("Hf2ms-Pairs") || line.starts_with("Hf2ms-Card")).collect();
        assert_eq!(lines.len(), 2, "{ours}");
        trip.copy().file("vocab.txt", "x\ny\n");
        match trip.copy() {
            crate::trip::Repo::Hf(repo) => drop(repo.commit(&lines.join("\n"))),
            crate::trip::Repo::Ms(repo) => drop(repo.commit(&lines.join("\n"))),
        }
        assert_looked_at(&trip, &["--repo-type", "model"], 3);
    }

    fn a_repository_that_is_not_there_yet_is_made(way) {
        let trip = Trip::new(way);
        stock(&trip.source());
        trip.assert_done(trip.migrate(&["--repo-type", "model"]));
    }
}

/// Makes the copy private too.
fn hide_copy(trip: &Trip) {
    match trip.copy() {
        crate::trip::Repo::Hf(repo) => drop(repo.private()),
        crate::trip::Repo::Ms(repo) => drop(repo.private()),
    }
}

#[test]
fn a_rewritten_card_is_known_by_its_seal() {
    let trip = Trip::new(Way::MsToHf);
    trip.source().file("README.md", "---\nlicense: MIT License\n---\n# bert\n").file("model.bin", bytes(1, 300 * KIB)).commit();
    trip.migrate(&[]).exits(0);
    assert_ne!(trip.source().files()["README.md"].sha256, trip.copy().files()["README.md"].sha256);
    assert_equal(&trip, &["--repo-type", "model"]);
    trip.source().file("README.md", "---\nlicense: Apache License 2.0\n---\n# bert\n").commit();
    assert_looked_at(&trip, &["--repo-type", "model"], 3);
}

#[test]
fn a_copy_whose_newest_commit_names_no_migration_has_no_id() {
    let trip = done(Way::MsToHf, "model");
    let ours = trip.copy().ours().remove(0);
    let seals: Vec<_> = ours.lines().filter(|line| line.starts_with("Hf2ms-Pairs") || line.starts_with("Hf2ms-Card")).collect();
    // the same content once more, by somebody who keeps the seals
    let words = trip.copy().content("vocab.txt").unwrap();
    trip.copy().file("vocab.txt", words);
    trip.world.hf.repo(standins::huggingface::RepoKind::Model, "alice/bert").commit(&seals.join("\n"));
    let answer = trip.migrate(&["--repo-type", "model", "--detach"]).exits(0).json();
    assert_eq!((&answer["up_to_date"], answer.get("id")), (&json!(true), Some(&Value::Null)), "{answer}");
}

#[test]
fn a_listing_that_is_cut_off_is_not_believed() {
    let trip = done(Way::HfToMs, "model");
    trip.copy().remove("vocab.txt");
    // the hub leaves the same file out of its answer by chance: then nothing tells; any other file it leaves out is found at the other hub
    trip.world.hf.fault(
        standins::faults::Rule::route(
            "repo.info",
            standins::faults::Fault::edit(|info| {
                if let Some(siblings) = info["siblings"].as_array_mut() {
                    siblings.retain(|file| file["rfilename"] != "small.bin" && file["rfilename"] != "vocab.txt");
                }
            }),
        )
        .always(),
    );
    assert_eq!(assert_looked_at(&trip, &["--repo-type", "model"], 0)["files"]["copied"], 1);
}
