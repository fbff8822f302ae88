//! What becomes visible at the destination, when, and as how many commits.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use standins::faults::{Fault, Rule};
use standins::probe::Probe;
use standins::rig::CommitMoment;

use crate::trip::{CARD, Repo, Trip, Way, both_ways, stock};
use crate::world::{KIB, MIB, Outcome, bytes, generated};

pub type Seen = Arc<Mutex<Vec<BTreeSet<String>>>>;

/// Notes which files are visible at the destination each time a commit is asked for, those the hub made itself left out.
pub fn watch(trip: &Trip, copy: &Repo) -> Seen {
    let (seen, own): (Seen, BTreeSet<String>) = (Seen::default(), copy.files().into_keys().collect());
    let (log, copy) = (seen.clone(), copy.clone());
    let look = move || log.lock().unwrap().push(copy.files().into_keys().filter(|path| !own.contains(path)).collect());
    trip.destination_fault(Rule::route("commit", Fault::Call(Arc::new(look))).always());
    seen
}

/// Runs something once the destination has been sent this many bytes, with its repository.
fn meddle(trip: &Trip, at: u64, act: impl FnOnce(&Repo) + Send + 'static) {
    let copy = trip.copy();
    trip.when_uploaded(at, move || act(&copy));
}

pub const LOADABLE: [&str; 3] = ["README.md", "config.json", "model.safetensors.index.json"];

both_ways! {
    fn all_becomes_visible_at_once_and_says_where_it_is_from(way) {
        let trip = Trip::stocked(way);
        let copy = trip.copy();
        let (seen, before) = (Arc::new(Mutex::new(Vec::new())), copy.files());
        let log = seen.clone();
        let repo = copy.clone();
        trip.when_commit(CommitMoment::BeforeApply, move || log.lock().unwrap().push(repo.files()));

        let report = trip.migrate(&[]).exits(0).json();

        assert_eq!(*seen.lock().unwrap(), [before], "nothing is visible before the commit");
        let message = &copy.ours()[0];
        assert_eq!(copy.ours().len(), 1);
        for part in ["alice/bert", &trip.source().head(), report["id"].as_str().unwrap()] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert_eq!(report["destination"]["revision"], copy.head());
    }

    fn a_commit_that_is_too_large_is_halved_and_what_loads_comes_last(way) {
        let too_much = r#"{"Code":422,"Success":false,"Message":"commit request exceeds actions limit: 2001 > 2000"}"#;
        for fault in [Fault::status(413), Fault::status(422).body(too_much)] {
            if way == Way::MsToHf && format!("{fault:?}").contains("422") {
                continue;
            }
            let trip = Trip::stocked(way);
            trip.destination_fault(Rule::route("commit", fault).times(2));
            let copy = trip.copy();
            let seen = watch(&trip, &copy);
            trip.migrate(&[]).exits(0);
            trip.assert_arrived();
            assert!(copy.ours().len() > 1, "several commits");
            let last = seen.lock().unwrap().last().unwrap().clone();
            assert!(last.contains("model-00001.safetensors"));
            assert!(LOADABLE.iter().all(|path| !last.contains(*path)), "{last:?}");
        }
    }

    fn a_file_that_somebody_else_adds_meanwhile_is_kept_and_ours_are_added(way) {
        let trip = Trip::stocked(way);
        trip.copy().file("README.md", CARD).commit();
        meddle(&trip, 5 * MIB, |copy| {
            copy.file("theirs.txt", "theirs").commit();
        });
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["state"], "verified");
        assert_eq!(report["verification"]["extra"], json!(["theirs.txt"]));
        trip.assert_arrived();
        assert_eq!(trip.copy().ours().len(), 1);
        assert!(trip.copy().files().contains_key("theirs.txt"));
        assert!(trip.destination_journal().sent_twice().is_empty());
    }

    fn a_file_of_ours_that_somebody_else_writes_meanwhile_is_not_overwritten_unasked(way) {
        let trip = Trip::stocked(way);
        meddle(&trip, 5 * MIB, |copy| {
            copy.file("vocab.txt", "theirs").commit();
        });
        let report = trip.migrate(&[]).exits(3).json();
        assert_eq!(report["state"], "refused");
        assert!(report["error"]["message"].as_str().unwrap().contains("vocab.txt"), "{report}");
        assert!(trip.copy().ours().is_empty());
        assert_eq!(trip.copy().content("vocab.txt").unwrap().to_bytes(), "theirs");

        let report = trip.migrate(&["--yes"]).exits(0).json();
        assert_eq!(report["bytes"]["reused"].as_u64().unwrap() / MIB, 39, "the blobs were there: {report}");
        trip.assert_arrived();
    }

    fn a_file_of_ours_that_somebody_else_adds_with_the_same_content_is_left_to_them(way) {
        let trip = Trip::stocked(way);
        trip.copy().file("README.md", CARD).commit();
        meddle(&trip, 5 * MIB, |copy| {
            copy.file("vocab.txt", "a\nb\n").commit();
        });
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["files"]["skipped"], 2);
        trip.assert_arrived();
    }

    fn a_repository_that_somebody_else_creates_meanwhile_is_used_if_it_takes_nothing_of_theirs(way) {
        let trip = Trip::stocked(way);
        // ModelScope puts a card there itself, which would be theirs to keep
        let report = migrate_into_theirs(&trip, way, &[("theirs.txt", "theirs"), ("README.md", CARD)]).exits(0).json();
        assert_eq!(report["state"], "verified");
        assert!(trip.copy().files().contains_key("theirs.txt"));
        trip.assert_arrived();
    }

    fn a_repository_that_somebody_else_creates_meanwhile_is_not_overwritten_unasked(way) {
        let trip = Trip::stocked(way);
        let report = migrate_into_theirs(&trip, way, &[("vocab.txt", "theirs")]).exits(3).json();
        assert!(report["error"]["message"].as_str().unwrap().contains("vocab.txt"), "{report}");
        assert!(trip.copy().ours().is_empty());
    }

    fn a_commit_at_the_source_meanwhile_is_not_mixed_in(way) {
        let trip = Trip::stocked(way);
        let source = trip.source();
        let planned = source.head();
        trip.when_uploaded(5 * MIB, move || {
            source.file("vocab.txt", "newer").file("optimizer.bin", bytes(1, 5)).commit();
        });
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["source"]["revision"], planned);
        assert_eq!(trip.copy().content("vocab.txt").unwrap().to_bytes(), "a\nb\n");
        assert_eq!(trip.copy().files()["optimizer.bin"].size, 4 * MIB + 1);
        trip.migrate(&["--yes"]).exits(0);
        trip.assert_arrived();
    }

    fn blobs_that_were_collected_before_the_commit_are_carried_again(way) {
        let trip = Trip::stocked(way);
        let copy = trip.copy();
        let collect = move || assert!(copy.collect_garbage() > 0, "there was something to collect");
        // small files come after the large ones
        trip.source_fault(Rule::route(way.small(), Fault::Call(Arc::new(collect))).path("vocab.txt"));
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!(report["state"], "verified");
        trip.assert_arrived();
        assert_eq!(trip.copy().ours().len(), 1);
        assert!(!trip.destination_journal().sent_twice().is_empty(), "they went again");
    }

    fn files_without_content_make_a_commit_without_an_upload(way) {
        let trip = Trip::of_dataset(way);
        trip.source().remove("README.md");
        trip.source().file("a.txt", "").file("data/b.bin", "").file("c.safetensors", "").commit();
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!((report["state"].as_str(), report["files"]["copied"].as_u64()), (Some("verified"), Some(3)));
        trip.assert_arrived();
        assert_eq!(trip.destination_journal().puts(), 0);
    }

    fn an_empty_repository_becomes_an_empty_repository(way) {
        let trip = Trip::new(way);
        for path in trip.source().files().into_keys() {
            trip.source().remove(&path);
        }
        let report = trip.migrate(&[]).exits(0).json();
        assert_eq!((report["state"].as_str(), report["files"]["total"].as_u64()), (Some("verified"), Some(0)));
        assert_eq!(report["destination"]["created"], true);
        assert!(trip.copy().ours().is_empty());
        trip.migrate(&[]).exits(0);
    }

    fn sizes_around_every_limit_arrive(way) {
        let trip = Trip::new(way);
        let source = trip.source();
        for size in [64 * KIB - 1, 64 * KIB, 64 * KIB + 1] {
            source.file(&format!("binary-{size}.bin"), bytes(size, size)).file(&format!("text-{size}.txt"), text(size).as_str());
        }
        for size in [10_000_000, 10_000_001, 10 * MIB, 10 * MIB + 1] {
            source.file(&format!("binary-{size}.bin"), generated(size, size)).file(&format!("text-{size}.txt"), text(size).as_str());
        }
        source.file("one.bin", bytes(1, 1)).file("part.bin", generated(3, 16 * MIB)).file("part+1.bin", generated(4, 16 * MIB + 1)).commit();
        trip.assert_done(trip.migrate(&[]));
        trip.assert_done(trip.migrate(&[]));
    }

    fn a_commit_that_never_works_leaves_nothing_visible_and_says_why(way) {
        let trip = Trip::new(way);
        trip.source().file("weights.bin", bytes(1, 200 * KIB)).commit();
        trip.destination_fault(Rule::route("commit", Fault::status(503)).always());
        let report = trip.migrate(&[]).exits(1).json();
        assert_eq!((report["state"].as_str(), report["error"]["kind"].as_str()), (Some("failed"), Some("unavailable")));
        assert!(report["error"]["message"].as_str().unwrap().contains("503"), "{report}");
        assert!(trip.copy().ours().is_empty());
        trip.destination_faults().clear();
        let again = trip.assert_done(trip.migrate(&[]));
        assert_eq!(again["files"]["reused"], 1, "what was sent is not sent again");
    }
}

/// Text of this length.
fn text(size: u64) -> String {
    "one line of text\n".repeat(size as usize / 17 + 1)[..size as usize].to_owned()
}

/// Migrates while somebody else is faster in creating the destination, with these files.
pub fn migrate_into_theirs(trip: &Trip, way: Way, files: &[(&str, &str)]) -> Outcome {
    let (route, base, token) = match way {
        Way::HfToMs => ("create", trip.world.ms.endpoint(), &trip.world.variables["MODELSCOPE_API_TOKEN"]),
        Way::MsToHf => ("repo.create", trip.world.hf.endpoint(), &trip.world.variables["HF_TOKEN"]),
    };
    trip.destination_fault(Rule::route(route, Fault::Delay(Duration::from_secs(2))));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while trip.destination_journal().requests(route) == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
            theirs(way, &base, token, files);
        });
        trip.migrate(&[])
    })
}

/// Creates and commits over the API, as any other client would.
fn theirs(way: Way, base: &str, token: &str, files: &[(&str, &str)]) {
    let encoded = |text: &str| STANDARD.encode(text);
    if way == Way::HfToMs {
        let body = json!({ "Path": "alice", "Name": "bert", "Visibility": 5, "License": "mit" });
        let signed = |probe: Probe| probe.token(token).header("cookie", &format!("m_session_id={token}"));
        assert_eq!(signed(Probe::post(format!("{base}/api/v1/models"), &body)).send().status, 200);
        assert_eq!(signed(Probe::get(format!("{base}/api/v1/models/alice/bert"))).send().status, 200);
        let actions: Vec<_> = files
            .iter()
            .map(|(path, text)| {
                json!({ "action": "create", "path": path, "type": "normal", "size": text.len(), "sha256": "",
                    "encoding": "base64", "content": encoded(text) })
            })
            .collect();
        let body = json!({ "commit_message": "theirs", "actions": actions });
        assert_eq!(signed(Probe::post(format!("{base}/api/v1/repos/models/alice/bert/commit/master"), &body)).send().status, 200);
    } else {
        let body = json!({ "name": "bert", "organization": "alice", "type": "model", "visibility": "public" });
        assert_eq!(Probe::post(format!("{base}/api/repos/create"), &body).token(token).send().status, 200);
        let info = Probe::get(format!("{base}/api/models/alice/bert")).token(token).send().json();
        let mut lines = json!({ "key": "header", "value": { "summary": "theirs", "parentCommit": info["sha"] } }).to_string();
        for (path, text) in files {
            let value = json!({ "path": path, "encoding": "base64", "content": encoded(text) });
            lines.push_str(&format!("\n{}", json!({ "key": "file", "value": value })));
        }
        let commit = Probe::new("POST", format!("{base}/api/models/alice/bert/commit/main")).token(token).body(lines.into_bytes());
        assert_eq!(commit.send().status, 200);
    }
}

#[test]
fn a_head_that_moves_at_the_last_moment_makes_hugging_face_refuse_and_us_plan_again() {
    let trip = Trip::stocked(Way::MsToHf);
    let copy = trip.copy();
    trip.when_commit(CommitMoment::BeforeApply, move || {
        copy.file("theirs.txt", "theirs").commit();
    });
    trip.assert_done(trip.migrate(&[]));
    assert!(trip.copy().files().contains_key("theirs.txt"));
    assert_eq!(trip.destination_journal().requests("commit"), 2);
}

#[test]
fn more_files_than_modelscope_takes_at_once_come_in_two_commits() {
    let trip = Trip::of_dataset(Way::HfToMs);
    let source = trip.source();
    for number in 0..2_100 {
        source.file(&format!("part-{}/{number:04}.txt", number / 700), format!("{number}").as_str());
    }
    source.file("weights.bin", bytes(1, 100 * KIB)).file("config.json", "{}").file("data.index.json", "{}").commit();
    let copy = trip.copy();
    let seen = watch(&trip, &copy);
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!(report["files"]["total"], 2_104);
    trip.assert_arrived();
    let seen = seen.lock().unwrap();
    assert_eq!((copy.ours().len(), seen.len()), (2, 2));
    assert_eq!(seen[1].len(), 2_000);
    assert!(seen[1].contains("weights.bin") && !seen[1].contains("config.json") && !seen[1].contains("data.index.json"));
}

#[test]
fn more_text_than_one_commit_carries_to_hugging_face_comes_in_several() {
    let trip = Trip::new(Way::MsToHf);
    for number in 0..10 {
        trip.source().file(&format!("text-{number}.txt"), format!("{number}{}", text(8_000_000)).as_str());
    }
    trip.source().file("weights.bin", generated(1, 12 * MIB)).file("config.json", "{}").commit();
    let copy = trip.copy();
    let seen = watch(&trip, &copy);
    trip.migrate(&[]).exits(0);
    trip.assert_arrived();
    let seen = seen.lock().unwrap();
    assert_eq!((copy.ours().len(), seen.len()), (2, 2));
    assert!(seen[1].contains("weights.bin") && seen[1].contains("text-0.txt"));
    assert!(!seen[1].contains("README.md") && !seen[1].contains("config.json"));
}

/// A hub that takes so few bytes in a commit gets six texts of this size.
fn gives_less(limit: usize, size: u64) {
    let trip = Trip::new(Way::MsToHf);
    trip.world.hf.behaviour(|behaviour| behaviour.commit_payload = limit);
    for number in 0..6 {
        trip.source().file(&format!("text-{number}.txt"), format!("{number}{}", text(size)).as_str());
    }
    stock(&trip.source());
    trip.migrate(&[]).exits(0);
    trip.assert_arrived();
    assert!(trip.copy().ours().len() > 1);
}

#[test]
fn a_hub_that_takes_less_than_it_says_is_given_less() {
    gives_less(400_000, 600_000);
}

#[test]
fn a_hub_that_breaks_off_what_is_too_much_is_given_less() {
    gives_less(3_000_000, 1_500_000);
}
