//! `verify proof.json`: a destination held against the proof of an earlier migration, when the source is gone.

use serde_json::{Value, json};
use standins::content::Content;
use standins::huggingface::RepoKind;

use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::{MIB, World, bytes};

/// Seven files of every kind, migrated; their proof in `proof.json`; and then a source that is no more.
fn proven(way: Way) -> Trip {
    let trip = Trip::new(way);
    let source = trip.source();
    source.lfs_file("weights.bin", bytes(1, 2 * MIB)).lfs_file("a.bin", bytes(2, MIB)).lfs_file("b.bin", bytes(3, MIB));
    source.file("config.json", "{}").file("left.json", "[1]").file("right.json", "[2]").commit();
    let report = trip.migrate(&[]).exits(0).json();
    trip.world.run(&["proof", report["id"].as_str().unwrap(), "-o", "proof.json"]).exits(0);
    match source {
        Repo::Hf(repo) => repo.delete(),
        Repo::Ms(repo) => repo.delete(),
    }
    trip
}

/// `weights.bin` with one bit that is another.
fn flipped() -> Content {
    let mut bytes = bytes(1, 2 * MIB).to_bytes().to_vec();
    bytes[1_000_000] ^= 1;
    Content::from(bytes)
}

/// Requests to the hub that the source was on.
fn asked_of_the_source(trip: &Trip, way: Way) -> u64 {
    match way {
        Way::HfToMs => trip.world.hf.journal().total_requests(),
        Way::MsToHf => trip.world.ms.journal().total_requests(),
    }
}

/// The command's report.
#[track_caller]
fn again(trip: &Trip, more: &[&str], code: i32) -> Value {
    trip.world.run(&[&["verify", "proof.json", "--json"], more].concat()).exits(code).json()
}

both_ways! {
    fn what_is_as_it_was_proven_is_proven_again_without_the_source(way) {
        let trip = proven(way);
        let before = asked_of_the_source(&trip, way);
        let report = again(&trip, &[], 0);
        assert_eq!((&report["state"], &report["verification"]["matched"]), (&json!("verified"), &json!(7)));
        assert_eq!((&report["files"]["total"], &report["warnings"]), (&json!(7), &json!([])));
        let deep = again(&trip, &["--deep"], 0);
        assert_eq!(deep["verification"]["how"], json!({ "streamed": 0, "reference": 0, "read_back": 7 }));
        assert_eq!(asked_of_the_source(&trip, way), before, "the source's hub was asked");
        assert_eq!(trip.copy().ours().len(), 1, "nothing is committed");
    }

    fn a_bit_that_flipped_in_storage_is_found_by_reading(way) {
        let trip = proven(way);
        trip.copy().serves_instead("weights.bin", flipped());
        again(&trip, &[], 0);
        let deep = again(&trip, &["--deep"], 4);
        assert_eq!((&deep["state"], &deep["verification"]["differing"]), (&json!("unproven"), &json!(["weights.bin"])));
        assert_eq!(deep["verification"]["matched"], 6);
    }

    fn a_bit_that_was_committed_is_found_in_the_listing(way) {
        let trip = proven(way);
        trip.copy().lfs_file("weights.bin", flipped()).commit();
        let report = again(&trip, &[], 4);
        assert_eq!(report["verification"]["differing"], json!(["weights.bin"]));
        let warnings = report["warnings"].as_array().unwrap();
        assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains(&trip.copy().head()), "{warnings:?}");
        assert!(report["error"]["hint"].as_str().unwrap().contains("after the proof was made"), "{}", report["error"]);
    }

    fn a_swapped_pair_is_found(way) {
        let trip = proven(way);
        trip.copy().lfs_file("a.bin", bytes(3, MIB)).lfs_file("b.bin", bytes(2, MIB));
        trip.copy().file("left.json", "[2]").file("right.json", "[1]").commit();
        assert_eq!(again(&trip, &[], 4)["verification"]["differing"], json!(["a.bin", "b.bin", "left.json", "right.json"]));
    }

    fn a_file_that_went_and_one_that_came_are_found(way) {
        let trip = proven(way);
        trip.copy().file("came.txt", "new").commit();
        let more = again(&trip, &[], 0);
        assert!(more["verification"]["extra"].as_array().unwrap().contains(&json!("came.txt")), "{more}");
        trip.copy().remove("b.bin");
        trip.copy().commit();
        let report = again(&trip, &[], 4);
        assert_eq!((&report["verification"]["missing"], &report["verification"]["matched"]), (&json!(["b.bin"]), &json!(6)));
    }

    fn a_destination_that_is_gone_is_an_error(way) {
        let trip = proven(way);
        match trip.copy() {
            Repo::Hf(repo) => repo.delete(),
            Repo::Ms(repo) => repo.delete(),
        }
        assert_eq!(again(&trip, &[], 1)["error"]["kind"], "not_found");
    }
}

#[test]
fn what_is_no_whole_proof_is_refused_by_what_is_wrong_with_it() {
    let trip = proven(Way::HfToMs);
    let file = trip.world.home.join("proof.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let before = trip.world.hf.journal().total_requests() + trip.world.ms.journal().total_requests();
    // where in a line something stands follows from the length of a port's number
    let refused = |name: &str, text: &str| {
        let text =
            &text.replace(&trip.world.hf.endpoint(), "http://127.0.0.1:65535").replace(&trip.world.ms.endpoint(), "http://127.0.0.1:65535");
        std::fs::write(&file, text).unwrap();
        insta::assert_snapshot!(name, trip.world.run(&["verify", "proof.json"]).exits(2).shown(&trip.world));
    };
    let changed = |turn: &dyn Fn(&mut Value)| {
        let mut proof = whole.clone();
        turn(&mut proof);
        proof.to_string()
    };
    refused("empty", "");
    refused("no_json", "# proof\n");
    refused("other_json", r#"{"license":"mit"}"#);
    refused("later_version", &changed(&|proof| proof["proof"] = 2.into()));
    refused("file_gone", &changed(&|proof| drop(proof["files"].as_array_mut().unwrap().pop())));
    refused("file_twice", &changed(&|proof| proof["files"][1] = proof["files"][0].clone()));
    refused("size_changed", &changed(&|proof| proof["files"][0]["size"] = 1.into()));
    refused(
        "digest_gone",
        &changed(&|proof| {
            let file = proof["files"][0].as_object_mut().unwrap();
            file.retain(|key, _| key != "sha256" && key != "git_sha1");
        }),
    );
    refused("digest_short", &changed(&|proof| proof["files"][0]["sha256"] = "abc".into()));
    refused("path_out", &changed(&|proof| proof["files"][0]["path"] = "../etc/passwd".into()));
    refused("one_hub", &changed(&|proof| proof["source"]["platform"] = "ms".into()));
    std::fs::remove_file(&file).unwrap();
    insta::assert_snapshot!("no_file", trip.world.run(&["verify", "proof.json"]).exits(2).shown(&trip.world));
    std::fs::create_dir(&file).unwrap();
    insta::assert_snapshot!("folder", trip.world.run(&["verify", "proof.json"]).exits(2).shown(&trip.world));
    let after = trip.world.hf.journal().total_requests() + trip.world.ms.journal().total_requests();
    assert_eq!(after, before, "a hub was asked");
}

#[test]
fn a_proof_is_compared_by_itself_and_never_taken_for_a_source() {
    let trip = proven(Way::HfToMs);
    insta::assert_snapshot!("with_a_flag", trip.world.run(&["verify", "proof.json", "--to", "ms"]).exits(2).shown(&trip.world));
    insta::assert_snapshot!("among_sources", trip.world.run(&["verify", "hf:alice/bert", "proof.json"]).exits(2).shown(&trip.world));
    insta::assert_snapshot!("told", trip.world.run(&["verify", "./proof.json"]).exits(0).shown(&trip.world));
    let world = World::start();
    for file in ["proof.json", "./proofs/bert", "out/Proof.JSON", "/nowhere/proof.jsonl", "../proof"] {
        let outcome = world.run(&["verify", file]).exits(2);
        assert!(outcome.stderr.contains("there is no such file"), "{}", outcome.stderr);
    }
    assert_eq!(world.hf.journal().total_requests() + world.ms.journal().total_requests(), 0, "a hub was asked");
    // a repository may be called so
    world.hf.repo(RepoKind::Model, "alice/data.json").file("config.json", "{}").commit("all");
    world.run(&["migrate", "hf:alice/data.json"]).exits(0);
    world.run(&["verify", "hf:alice/data.json"]).exits(0);
}
