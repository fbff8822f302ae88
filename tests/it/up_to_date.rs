//! The unchanged case of a mirror loop: what it costs, counted at the hubs, and when it may not be believed.

use serde_json::{Value, json};
use standins::huggingface;

use crate::trip::{Trip, Way, both_ways, stock};
use crate::world::{KIB, Outcome, bytes, generated};

/// A model, or a dataset, that arrived.
fn done(way: Way, dataset: bool) -> Trip {
    let trip = if dataset { Trip::of_dataset(way) } else { Trip::new(way) };
    stock(&trip.source());
    trip.assert_done(trip.migrate(&[]));
    trip
}

/// What a call costs at both hubs, by route.
#[track_caller]
pub fn cost(trip: &Trip, call: impl FnOnce() -> Outcome) -> (Outcome, u64, u64) {
    let requests = || trip.world.hf.journal().total_requests() + trip.world.ms.journal().total_requests();
    let accounts = || {
        let of_hf = trip.world.hf.journal().by_route().get("whoami").copied().unwrap_or_default();
        of_hf + trip.world.ms.journal().by_route().get("me").copied().unwrap_or_default()
    };
    let before = (requests(), accounts());
    let outcome = call();
    let (all, whose) = (requests() - before.0, accounts() - before.1);
    (outcome, all - whose, whose)
}

/// Says that nothing is to do, in no more than three calls.
#[track_caller]
fn assert_up_to_date(trip: &Trip, flags: &[&str]) -> Value {
    let (head, commits) = (trip.copy().head(), trip.copy().ours().len());
    let (outcome, calls, accounts) = cost(trip, || trip.migrate(flags));
    let report = outcome.exits(0).json();
    assert_eq!((&report["state"], &report["up_to_date"]), (&json!("verified"), &json!(true)), "{report}");
    assert!(calls <= 3 && accounts == 0, "{calls} calls and {accounts} for the account");
    assert_eq!((&report["files"]["skipped"], &report["bytes"]["moved"]), (&report["files"]["total"], &json!(0)));
    assert_eq!((trip.copy().head(), trip.copy().ours().len()), (head, commits));
    report
}

/// Everything is looked at.
#[track_caller]
fn assert_looked_at(trip: &Trip, flags: &[&str]) -> Value {
    let report = trip.migrate(flags).exits(0).json();
    assert_eq!((&report["state"], &report["up_to_date"]), (&json!("verified"), &Value::Null), "{report}");
    report
}

both_ways! {
    fn what_has_not_changed_costs_three_calls(way) {
        for dataset in [false, true] {
            let trip = done(way, dataset);
            let before = trip.world.run(&["status", "--json"]).exits(0).stdout;
            let kind = if dataset { "dataset" } else { "model" };
            for flags in [&[][..], &["--repo-type", kind], &["--yes"]] {
                assert_up_to_date(&trip, flags);
            }
            assert_eq!(trip.world.run(&["status", "--json"]).exits(0).stdout, before, "nothing was started");
        }
    }

    fn what_it_says_is_what_the_proof_says(way) {
        let trip = done(way, false);
        let first = trip.world.run(&["status", "--json"]).exits(0).json();
        let report = assert_up_to_date(&trip, &[]);
        let id = report["id"].as_str().unwrap();
        assert!(first.to_string().contains(id));
        assert_eq!(report["source"]["revision"], trip.source().head());
        assert_eq!(report["destination"]["revision"], trip.copy().head());
        assert_eq!((&report["files"]["copied"], &report["files"]["reused"], &report["bytes"]["reused"]), (&json!(0), &json!(0), &json!(0)));
        assert_eq!(report["destination"]["created"], false);
        let proof = trip.world.run(&["proof", id]).exits(0).json();
        assert_eq!(proof["totals"]["files"], report["verification"]["matched"]);
        assert_eq!(proof["totals"]["how"], report["verification"]["how"]);
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        trip.world.forget_state();
        let whole = assert_looked_at(&trip, &[]);
        assert_eq!(keys(&report).into_iter().filter(|key| key != "up_to_date").collect::<Vec<_>>(), keys(&whole));
    }

    fn a_person_reads_that_it_is_up_to_date(way) {
        let trip = done(way, false);
        let told = trip.world.run(&[&["migrate"], &trip.address()[..]].concat()).exits(0);
        assert!(told.stdout.starts_with("up to date  http://"), "{}", told.stdout);
        assert!(told.stdout.contains("are at the commits that m"), "{}", told.stdout);
        let detached = trip.world.run(&[&["migrate", "--detach"], &trip.address()[..]].concat()).exits(0);
        let state = trip.world.run(&["status", detached.stdout.trim(), "--json"]).exits(0).json();
        assert_eq!(state["state"], "verified", "{state}");
        let detached = trip.migrate(&["--detach"]).exits(0).json();
        assert_eq!((&detached["state"], &detached["up_to_date"]), (&json!("verified"), &json!(true)));
    }

    fn whatever_moved_is_looked_at(way) {
        let trip = done(way, false);
        trip.copy().file("theirs.txt", "by somebody else").commit();
        assert_looked_at(&trip, &[]);
        assert_up_to_date(&trip, &[]);
        trip.source().file("more.bin", generated(98, 300 * KIB)).commit();
        assert_eq!(assert_looked_at(&trip, &[])["files"]["copied"], 1);
        assert_up_to_date(&trip, &[]);
        // a file of the copy is overwritten by somebody: the head says so
        trip.copy().file("vocab.txt", "theirs").commit();
        trip.migrate(&[]).exits(3);
        assert_looked_at(&trip, &["--yes"]);
        assert_up_to_date(&trip, &[]);
    }

    fn another_request_is_looked_at(way) {
        let trip = done(way, false);
        for flags in [&["--exclude", "*.bin"][..], &["--include", "*.txt"], &["--dest", "alice/other"]] {
            assert_looked_at(&trip, flags);
            let (outcome, calls, _) = cost(&trip, || trip.migrate(flags));
            assert_eq!(outcome.exits(0).json()["up_to_date"], true);
            assert!(calls <= 3, "{calls}");
        }
        let head = trip.source().head();
        assert_looked_at(&trip, &["--revision", &head]);
        assert_up_to_date(&trip, &["--revision", &head]);
    }

    fn what_was_left_out_needs_the_same_word_again(way) {
        let trip = done(way, false);
        trip.source().lfs_file(".git.d/x", "1").lfs_file("a\u{1}b.bin", bytes(3, 100 * KIB)).commit();
        trip.migrate(&[]).exits(3);
        trip.migrate(&["--yes"]).exits(0);
        trip.migrate(&[]).exits(3);
        assert_up_to_date(&trip, &["--yes"]);
    }

    fn a_destination_that_became_more_open_than_the_source_is_not_up_to_date(way) {
        let trip = Trip::new(way);
        stock(&trip.source());
        hide(&trip, true);
        trip.migrate(&[]).exits(0);
        assert_up_to_date(&trip, &[]);
        hide(&trip, false);
        let refused = trip.migrate(&["--yes"]).exits(3).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("more people could read the files"), "{refused}");
        assert_up_to_date(&trip, &["--allow-public"]);
    }

    fn a_proof_that_is_not_whole_proves_nothing(way) {
        let trip = done(way, false);
        let id = assert_up_to_date(&trip, &[])["id"].as_str().unwrap().to_owned();
        let proof = trip.world.home.join(format!("state/migrations/{id}/proof.jsonl"));
        let text = std::fs::read_to_string(&proof).unwrap();
        std::fs::write(&proof, text.split_inclusive('\n').skip(1).collect::<String>()).unwrap();
        assert_looked_at(&trip, &[]);
        assert_up_to_date(&trip, &[]);
    }

    fn a_migration_of_another_version_is_looked_at_again(way) {
        let trip = done(way, false);
        let id = assert_up_to_date(&trip, &[])["id"].as_str().unwrap().to_owned();
        let events = trip.world.home.join(format!("state/migrations/{id}/events.jsonl"));
        let text = std::fs::read_to_string(&events).unwrap();
        std::fs::write(&events, text.replacen(env!("CARGO_PKG_VERSION"), "0.0.1", 1)).unwrap();
        assert_looked_at(&trip, &[]);
    }

    fn verify_compares_every_file_whatever_is_known(way) {
        let trip = done(way, false);
        assert_up_to_date(&trip, &[]);
        // the listing of a commit changes only where a hub lies; who wants to know asks for everything
        trip.copy().serves_instead("optimizer.bin", generated(999, 4 * (KIB << 10) + 1));
        assert_up_to_date(&trip, &[]);
        let report = trip.verify(&["--deep"]).exits(4).json();
        assert_eq!(report["verification"]["differing"], json!(["optimizer.bin"]));
        let (outcome, calls, _) = cost(&trip, || trip.verify(&[]));
        assert!(outcome.exits(0).json()["up_to_date"].is_null() && calls > 3);
    }

    fn a_loop_that_deletes_costs_no_more(way) {
        let trip = done(way, false);
        assert_looked_at_or_not(&trip);
        for _ in 0..2 {
            assert_up_to_date(&trip, &["--delete"]);
        }
        assert_up_to_date(&trip, &[]);
        trip.source().remove("vocab.txt");
        assert_eq!(assert_looked_at(&trip, &["--delete"])["files"]["deleted"], 1);
        assert_up_to_date(&trip, &["--delete"]);
    }

    fn a_run_that_nobody_followed_counts_too(way) {
        let trip = Trip::new(way);
        stock(&trip.source());
        let id = trip.migrate(&["--detach"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        crate::world::wait_until("it ended", || trip.world.carrier().is_none());
        let report = trip.world.home.join(format!("state/migrations/{id}/report.json"));
        assert!(!report.exists());
        assert_up_to_date(&trip, &[]);
    }

    fn a_batch_of_what_has_not_changed_costs_three_calls_each(way) {
        let trip = Trip::new(way);
        let names = ["alice/one", "alice/two", "alice/three"];
        for (number, name) in names.iter().enumerate() {
            trip.source_named(name).file("model.bin", bytes(number as u64, 300 * KIB)).commit();
        }
        let prefix = if way == Way::HfToMs { "hf" } else { "ms" };
        let sources: Vec<_> = names.iter().map(|name| format!("{prefix}:{name}")).collect();
        let migrate = |more: &[&str]| trip.world.run(&[&["migrate", "--json"], &sources.iter().map(String::as_str).collect::<Vec<_>>()[..], more].concat());
        migrate(&[]).exits(0);
        let (outcome, calls, accounts) = cost(&trip, || migrate(&[]));
        let report = outcome.exits(0).json();
        assert_eq!((&report["succeeded"], &report["failed"], &report["skipped"]), (&json!(3), &json!(0), &json!(0)));
        assert!(report["migrations"].as_array().unwrap().iter().all(|one| one["up_to_date"] == true && one["state"] == "verified"));
        assert!(calls <= 9 && accounts == 0, "{calls} {accounts}");

        trip.source_named("alice/two").file("model.bin", bytes(9, 300 * KIB)).commit();
        let report = migrate(&["--yes"]).exits(0).json();
        let fresh: Vec<_> = report["migrations"].as_array().unwrap().iter().map(|one| one["up_to_date"] == true).collect();
        assert_eq!(fresh, [true, false, true]);
        let table = trip.world.run(&[&["migrate"], &sources.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat()).exits(0);
        assert_eq!(table.stdout.matches("up to date").count(), 3, "{}", table.stdout);
        let detached = migrate(&["--detach"]).exits(0).json();
        assert_eq!((&detached["started"], &detached["migrations"][0]["up_to_date"]), (&json!(0), &json!(true)));
    }
}

/// The first run with the wish to delete looks, where the hub's own files may be what only the destination has.
fn assert_looked_at_or_not(trip: &Trip) {
    trip.migrate(&["--delete"]).exits(0);
}

/// Makes source and destination private, or the destination public again.
pub fn hide(trip: &Trip, private: bool) {
    use crate::trip::Repo;
    let turn = |repo: &Repo, private: bool| match (repo, private) {
        (Repo::Hf(repo), true) => drop(repo.private()),
        (Repo::Hf(repo), false) => drop(repo.public()),
        (Repo::Ms(repo), true) => drop(repo.private()),
        (Repo::Ms(repo), false) => drop(repo.public()),
    };
    if private {
        turn(&trip.source(), true);
    } else {
        turn(&trip.copy(), false);
    }
}

#[test]
fn a_model_and_a_dataset_of_one_name_are_not_taken_for_one_another() {
    let trip = done(Way::HfToMs, false);
    let dataset = trip.world.hf.repo(huggingface::RepoKind::Dataset, "alice/bert");
    dataset.file("a.txt", "a").commit("data");
    trip.world.run(&["migrate", "hf:alice/bert", "--repo-type", "dataset"]).exits(0);
    let refused = trip.migrate(&[]).exits(2).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("both a model and a dataset"), "{refused}");
    for kind in ["model", "dataset"] {
        let report = trip.migrate(&["--repo-type", kind]).exits(0).json();
        assert_eq!((&report["up_to_date"], &report["source"]["type"]), (&json!(true), &json!(kind)));
    }
}
