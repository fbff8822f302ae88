//! A branch, a tag or a commit is read, and nothing else.

use serde_json::json;
use standins::huggingface;
use standins::probe::Probe;

use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::{KIB, bytes};

/// Names the head of the source: a tag, or a branch.
#[track_caller]
fn name(trip: &Trip, kind: &str, name: &str) {
    match (trip.source(), kind) {
        (Repo::Hf(repo), kind) => {
            let path = match kind {
                "tag" => format!("/api/models/alice/bert/tag/{}", repo.head()),
                _ => format!("/api/models/alice/bert/branch/{}", name.replace('/', "%2F")),
            };
            let body = if kind == "tag" { json!({ "tag": name }) } else { json!({ "startingPoint": repo.head() }) };
            let url = format!("{}{path}", trip.world.hf.endpoint());
            let made = Probe::post(url, &body).token(&trip.world.variables["HF_TOKEN"]).send();
            assert!(made.status < 300, "{}", made.text());
        }
        (Repo::Ms(repo), "tag") => drop(repo.tag(name)),
        (Repo::Ms(repo), _) => drop(repo.branch(name)),
    }
}

both_ways! {
    fn a_branch_a_tag_and_a_commit_are_read_as_they_were(way) {
        let trip = Trip::new(way);
        let source = trip.source();
        source.file("model.bin", bytes(1, 100 * KIB)).file("old.txt", "old").commit();
        let old = source.head();
        name(&trip, "tag", "v1.0");
        name(&trip, "branch", "trial/one");
        let files = source.files();
        source.remove("old.txt");
        source.file("model.bin", bytes(2, 100 * KIB)).file("new.txt", "new").commit();
        for (number, revision) in ["v1.0", "trial/one", &old].iter().enumerate() {
            let dest = format!("alice/copy{number}");
            let report = trip.migrate(&["--revision", revision, "--dest", &dest]).exits(0).json();
            assert_eq!((&report["state"], &report["source"]["revision"]), (&json!("verified"), &json!(old)), "{revision}");
            let copy = trip.copy_named(&dest).files();
            for path in ["model.bin", "old.txt", "README.md"] {
                assert_eq!(copy[path].sha256, files[path].sha256, "{revision}: {path}");
            }
            assert!(!copy.contains_key("new.txt"), "{revision}");
            assert_eq!(trip.migrate(&["--revision", revision, "--dest", &dest]).exits(0).json()["up_to_date"], true, "{revision}");
        }
        // from the tag to the head and back: a mirror of what is named now
        trip.migrate(&["--dest", "alice/copy0", "--delete", "--yes"]).exits(0);
        let copy = trip.copy_named("alice/copy0").files();
        assert!(copy.contains_key("new.txt") && !copy.contains_key("old.txt"));
        let report = trip.migrate(&["--dest", "alice/copy0", "--delete", "--yes", "--revision", "v1.0"]).exits(0).json();
        assert!(report["bytes"]["moved"].as_u64().unwrap() < 100 * KIB, "{report}");
        let copy = trip.copy_named("alice/copy0").files();
        assert!(!copy.contains_key("new.txt") && copy.contains_key("old.txt"));
    }
}

#[test]
fn a_revision_that_is_not_there_is_named() {
    let trip = Trip::new(Way::HfToMs);
    assert!(trip.world.hf.repo_exists(huggingface::RepoKind::Model, "alice/bert"));
    let refused = trip.migrate(&["--revision", "v9"]);
    assert_ne!(refused.code, 0);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("no such revision"), "{}", refused.stdout);
}
