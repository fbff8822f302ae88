//! What Hugging Face takes of files, folders and commits.

use serde_json::json;
use standins::content::Content;

use super::bare::{BareHf, file, lfs_file};
use super::{left_out, plan, rows, warned};
use crate::trip::{Trip, Way};
use crate::world::{KIB, MIB, bytes};

const GB: u64 = 1_000_000_000;

fn trip() -> Trip {
    Trip::new(Way::MsToHf)
}

fn dataset() -> Trip {
    Trip::of_dataset(Way::MsToHf)
}

rows! { "hf":
    fn licence() {
        let bare = BareHf::new();
        assert_eq!(bare.commit(&[file("README.md", "---\nlicense: Apache License 2.0\n---\n")]).status, 400);
        let trip = trip();
        trip.source().file("README.md", "---\nlicense: Apache License 2.0\n---\n# bert\n").commit();
        let changes = plan(&trip)["changes"].to_string();
        assert!(changes.contains("license `Apache License 2.0` → `apache-2.0`"), "{changes}");
        trip.migrate(&[]).exits(0);
        assert_eq!(trip.copy().content("README.md").unwrap().to_bytes(), "---\nlicense: apache-2.0\n---\n# bert\n");
    }

    fn git_path() {
        let bare = BareHf::new();
        assert_eq!(bare.commit(&[file("sub/.git/x", "x")]).status, 400);
        let trip = trip();
        trip.source().regular_file("sub/.git/x", "x").file("kept.txt", "kept").commit();
        left_out(&trip, &["sub/.git/x"]);
    }

    fn cache_path() {
        // whether the hub is as strict as its client is not known: the plan is made for the stricter one
        for strict in [true, false] {
            let bare = BareHf::with(|behaviour| behaviour.refuses_cache_folders = strict);
            assert_eq!(bare.commit(&[file(".cache/x", "x")]).status, if strict { 400 } else { 200 });
            let trip = trip();
            trip.world.hf.behaviour(|behaviour| behaviour.refuses_cache_folders = strict);
            trip.source().regular_file(".cache/x", "x").file("kept.txt", "kept").commit();
            left_out(&trip, &[".cache/x"]);
        }
    }

    fn control_characters() {
        for strict in [true, false] {
            let bare = BareHf::with(|behaviour| behaviour.refuses_control_characters = strict);
            assert_eq!(bare.commit(&[file("two\nlines", "x")]).status, if strict { 400 } else { 200 });
            let trip = trip();
            trip.world.hf.behaviour(|behaviour| behaviour.refuses_control_characters = strict);
            trip.source().regular_file("two\nlines", "x").file("kept.txt", "kept").commit();
            left_out(&trip, &["two\nlines"]);
        }
    }

    fn collision() {
        let bare = BareHf::new();
        assert_eq!(bare.commit(&[file("a", "a"), file("a/b", "b")]).status, 400);
        let trip = trip();
        trip.source().file("a", "a").file("kept.txt", "kept").commit();
        trip.copy().file("a/theirs", "theirs").commit();
        left_out(&trip, &["a"]);
    }

    fn file_over_the_limit() {
        let bare = BareHf::new();
        let answer = bare.batch("bert", &[501 * GB]).json();
        assert_eq!(answer["objects"][0]["error"]["code"], 422, "{answer}");
        let trip = trip();
        trip.source().lfs_file("huge.bin", Content::claimed(1, 501 * GB)).file("kept.txt", "kept").commit();
        left_out(&trip, &["huge.bin"]);
    }

    fn large_file() {
        let bare = BareHf::with(|behaviour| behaviour.largest_file = 200 * GB);
        assert_eq!(bare.batch("bert", &[201 * GB]).json()["objects"][0]["error"]["code"], 422);
        let trip = trip();
        trip.source().lfs_file("large.bin", Content::claimed(1, 201 * GB)).commit();
        assert!(warned(&trip).contains("large.bin: 201 GB in one file, which Hugging Face advises against (over 200 GB)"));
    }

    fn folder() {
        let bare = BareHf::with(|behaviour| behaviour.entries_per_folder = 3);
        let files: Vec<_> = (0..4).map(|number| file(&format!("data/{number}.txt"), "x")).collect();
        assert_eq!((bare.commit(&files).status, bare.commit(&files[..3]).status), (400, 200));
        let trip = dataset();
        for number in 0..10_001 {
            trip.source().file(&format!("data/{number:05}.txt"), "x");
        }
        trip.source().commit();
        assert!(warned(&trip).contains("folder data: 10001 entries, which Hugging Face advises against (over 10000)"));
    }

    fn files() {
        let bare = BareHf::with(|behaviour| behaviour.files_per_repo = 3);
        let files: Vec<_> = (0..3).map(|number| file(&format!("{number}.txt"), "x")).collect();
        assert_eq!((bare.commit(&files).status, bare.commit(&files[..2]).status), (400, 200));
        let trip = dataset();
        for number in 0..100_000 {
            trip.source().file(&format!("{:02}/{number:06}.txt", number % 20), "x");
        }
        trip.source().commit();
        assert_eq!(warned(&trip), "100001 files in one repository, which Hugging Face advises against (over 100000)\n");
    }

    fn git_file() {
        let bare = BareHf::new();
        assert_eq!(bare.commit(&[file("large.txt", vec![b'x'; (10 << 20) + 1])]).status, 400);
        assert_eq!(bare.commit(&[file("binary.txt", [0, 1, 2, 3])]).status, 400);
        let trip = trip();
        trip.source().regular_file("large.txt", "x".repeat((10 << 20) + 1).as_str()).regular_file("binary.txt", vec![0, 1, 2, 3]).commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
        assert!(trip.copy().files()["large.txt"].lfs && trip.copy().files()["binary.txt"].lfs);
    }

    fn empty_blob() {
        let bare = BareHf::new();
        assert_eq!(bare.batch("bert", &[0]).json()["objects"][0]["error"]["code"], 422);
        let trip = trip();
        trip.source().file("empty.safetensors", "").commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
    }

    fn calls() {
        let bare = BareHf::new();
        assert_eq!((bare.preupload(257).status, bare.preupload(256).status), (400, 200));
        assert_eq!((bare.batch("bert", &[10; 257]).status, bare.batch("bert", &[10; 256]).status), (413, 200));
        let trip = trip();
        for number in 0..300 {
            trip.source().file(&format!("blobs/{number}.bin"), bytes(number, 100)).file(&format!("texts/{number}.txt"), format!("{number}").as_str());
        }
        trip.source().commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
    }

    fn commit_files() {
        let bare = BareHf::with(|behaviour| behaviour.lfs_files_per_commit = 2);
        let blobs: Vec<_> = (0..3).map(|number| lfs_file(&format!("{number}.bin"), number)).collect();
        let reply = bare.commit(&blobs);
        assert!(reply.status == 400 && reply.text().contains("Too many LFS files"), "{}", reply.text());
        // the plan counts with what is known of the limit
        let trip = dataset();
        for number in 0..25_001 {
            trip.source().lfs_file(&format!("{:02}/{number:05}.bin", number % 20), Content::claimed(number, 20 * MIB));
        }
        trip.source().commit();
        assert_eq!(plan(&trip)["estimate"]["commits"], 2);
        // and a hub that takes less is given less
        let trip = self::trip();
        trip.world.hf.behaviour(|behaviour| behaviour.lfs_files_per_commit = 5);
        for number in 0..12 {
            trip.source().lfs_file(&format!("{number}.bin"), bytes(number, 20 * KIB));
        }
        trip.source().commit();
        trip.migrate(&[]).exits(0);
        trip.assert_arrived();
        assert!(trip.copy().ours().len() > 2);
        assert!(trip.destination_journal().sent_twice().is_empty());
    }

    fn commit_bytes() {
        let bare = BareHf::with(|behaviour| behaviour.commit_payload = 1_000);
        assert_eq!(bare.commit(&[file("large.txt", "x".repeat(2_000_000))]).status, 413);
        let trip = trip();
        for number in 0..10 {
            trip.source().regular_file(&format!("{number}.txt"), Content::claimed(number, 9_000_000));
        }
        trip.source().commit();
        assert_eq!(plan(&trip)["estimate"]["commits"], 2, "64 MiB in one");
    }

    fn commits() {
        let bare = BareHf::with(|behaviour| behaviour.commits_per_hour = 1);
        assert_eq!((bare.commit(&[file("a.txt", "a")]).status, bare.commit(&[file("b.txt", "b")]).status), (200, 429));
        let trip = dataset();
        for number in 0..1_000 {
            trip.source().regular_file(&format!("{number}.txt"), Content::claimed(number, 9_000_000));
        }
        trip.source().commit();
        let estimate = plan(&trip)["estimate"].take();
        assert_eq!((&estimate["commits"], &estimate["commit_seconds"]), (&json!(143), &json!(3_600)), "{estimate}");
        let shown = trip.world.run(&["plan", "ms:alice/bert"]).exits(0).stdout;
        assert!(shown.contains("Hugging Face takes 128 commits an hour: the commits alone take about 1h00m"), "{shown}");
    }
}
