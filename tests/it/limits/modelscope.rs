//! What ModelScope takes of files, folders and commits.

use serde_json::json;
use standins::content::Content;
use standins::modelscope::{Throttle, Throttled};
use standins::probe::Probe;

use super::bare::{BareMs, inline, inlines, oid, pointer};
use super::{left_out, plan, refused, rows, warned};
use crate::trip::{Repo, Trip, Way};
use crate::world::{KIB, MIB, bytes};

const GB: u64 = 1_000_000_000;

fn trip() -> Trip {
    Trip::new(Way::HfToMs)
}

fn dataset() -> Trip {
    Trip::of_dataset(Way::HfToMs)
}

rows! { "ms":
    fn git_path() {
        let bare = BareMs::new();
        assert_eq!(bare.commit(&[inline("sub/.git/x", "x")]).status, 400);
        let trip = trip();
        trip.source().regular_file("sub/.git/x", "x").file("kept.txt", "kept").commit();
        left_out(&trip, &["sub/.git/x"]);
    }

    fn control_characters() {
        for strict in [true, false] {
            let bare = BareMs::with(|behaviour| behaviour.refuses_control_characters = strict);
            assert_eq!(bare.commit(&[inline("two\nlines", "x")]).status, if strict { 400 } else { 200 });
            let trip = trip();
            trip.world.ms.behaviour(|behaviour| behaviour.refuses_control_characters = strict);
            trip.source().regular_file("two\nlines", "x").file("kept.txt", "kept").commit();
            left_out(&trip, &["two\nlines"]);
        }
    }

    fn collision() {
        let bare = BareMs::new();
        assert_eq!(bare.commit(&[inline("a", "a"), inline("a/b", "b")]).status, 400);
        let trip = trip();
        trip.source().file("a", "a").file("kept.txt", "kept").commit();
        trip.copy().file("a/theirs", "theirs").commit();
        left_out(&trip, &["a"]);
    }

    fn model_folder() {
        // it takes them, and then lists 3,000 of them without a word
        let bare = BareMs::new();
        assert_eq!((bare.commit(&inlines(2_000)).status, bare.commit(&inlines(3_001)[2_000..]).status), (200, 200));
        let repo = bare.ms.repo(standins::modelscope::RepoKind::Model, "alice/bert");
        let url = format!("{}/api/v1/models/alice/bert/repo/files?Revision={}&Recursive=True", bare.ms.endpoint(), repo.head());
        let listing = bare.signed(Probe::get(url)).send().json();
        assert_eq!((listing["Data"]["Files"].as_array().unwrap().len(), repo.files().len()), (3_000, 3_003));
        {
            // with what stays there they are too many as well
            let trip = trip();
            let (source, copy) = (trip.source(), trip.copy());
            for number in 0..1_500 {
                source.file(&format!("many/{number:04}.txt"), "x");
                copy.file(&format!("many/theirs-{number:04}.txt"), "x");
            }
            source.commit();
            copy.commit();
            assert!(refused(&trip, 2, &[]).contains("could not list a folder"));
        }
        let trip = trip();
        for number in 0..3_000 {
            trip.source().file(&format!("many/{number:04}.txt"), "x");
        }
        trip.source().commit();
        insta::assert_snapshot!("model_folder", refused(&trip, 2, &[]));
    }

    fn large_file() {
        let bare = BareMs::with(|behaviour| behaviour.largest_file = 100 * GB);
        let reply = bare.commit(&[pointer("large.bin", &oid(1), 101 * GB)]);
        assert!(reply.status == 400 && reply.text().contains("too large"), "{}", reply.text());
        let trip = trip();
        trip.source().lfs_file("large.bin", Content::claimed(1, 101 * GB)).commit();
        assert!(warned(&trip).contains("large.bin: 101 GB in one file, which ModelScope's own client does not take (over 100 GB)"));
    }

    fn dataset_folder() {
        let bare = BareMs::with(|behaviour| behaviour.entries_per_folder = 3);
        let files: Vec<_> = (0..4).map(|number| inline(&format!("data/{number}.txt"), "x")).collect();
        assert_eq!((bare.commit(&files).status, bare.commit(&files[..3]).status), (400, 200));
        let trip = dataset();
        for number in 0..50_001 {
            trip.source().lfs_file(&format!("data/{number:05}.txt"), "x");
        }
        trip.source().commit();
        assert_eq!(warned(&trip), "folder data: 50001 entries, which ModelScope's own client does not take (over 50000)\n");
    }

    fn files() {
        let bare = BareMs::with(|behaviour| behaviour.files_per_repo = 4);
        assert_eq!((bare.commit(&inlines(3)).status, bare.commit(&inlines(2)).status), (400, 200), "two are there already");
        let trip = dataset();
        for number in 0..100_000 {
            trip.source().lfs_file(&format!("{:02}/{number:06}.txt", number % 20), "x");
        }
        trip.source().commit();
        assert_eq!(warned(&trip), "100001 files in one repository, which ModelScope's own client does not take (over 100000)\n");
    }

    fn inline_total() {
        let bare = BareMs::with(|behaviour| behaviour.inline_total = 10);
        assert_eq!(bare.commit(&[inline("a.txt", "six of"), inline("b.txt", "them")]).status, 200);
        assert_eq!(bare.commit(&[inline("c.txt", "seven of"), inline("d.txt", "them")]).status, 413);
        let trip = dataset();
        for number in 0..8_000 {
            trip.source().lfs_file(&format!("{number}.txt"), Content::claimed(number, 64 * KIB));
        }
        trip.source().commit();
        let warned = warned(&trip);
        assert_eq!(warned, "524 MB of small files inside commits, which ModelScope's own client does not take at once (over 500 MB)\n");
    }

    fn inline_file() {
        let bare = BareMs::new();
        assert_eq!(bare.commit(&[inline("large.txt", vec![b'x'; (5 << 20) + 1])]).status, 400);
        let trip = trip();
        trip.source().regular_file("config.json", "x".repeat((5 << 20) + 1).as_str()).commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
        assert!(trip.copy().files()["config.json"].lfs);
    }

    fn metadata() {
        // it takes the pointer, and would then read it instead of the file
        let bare = BareMs::new();
        let content = Content::from("{}");
        bare.ms.repo(standins::modelscope::RepoKind::Model, "alice/other").lfs_file("x", content.clone()).commit("x");
        assert_eq!(bare.commit(&[pointer("config.json", content.sha256(), 2)]).status, 200);
        assert_eq!(bare.ms.strict().count_of(standins::modelscope::rules::METADATA_AS_LFS), 1);
        let trip = trip();
        trip.source().lfs_file("config.json", bytes(1, 200 * KIB)).commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
        assert!(!trip.copy().files()["config.json"].lfs);
    }

    fn licence() {
        let bare = BareMs::new();
        assert_eq!((bare.create("alice", "new", "llama3.1").status, bare.create("alice", "new", "Other").status), (400, 200));
        let trip = trip();
        trip.source().file("README.md", "---\nlicense: llama3.1\n---\n# bert\n").commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
        let Repo::Ms(copy) = trip.copy() else { unreachable!("the destination is ModelScope") };
        assert_eq!(copy.license_id(), "Other");
    }

    fn calls() {
        let bare = BareMs::new();
        bare.batch(&[10; 65]);
        assert_eq!(bare.ms.strict().count_of(standins::modelscope::rules::BATCH_TOO_LONG), 1);
        let trip = trip();
        for number in 0..100 {
            trip.source().lfs_file(&format!("{number}.bin"), bytes(number, 65 * KIB));
        }
        trip.source().commit();
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));
    }

    fn commit_actions() {
        let bare = BareMs::new();
        assert_eq!((bare.commit(&inlines(2_001)).status, bare.commit(&inlines(2_000)).status), (422, 200));
        let trip = dataset();
        for number in 0..4_001 {
            trip.source().lfs_file(&format!("{number}.bin"), Content::claimed(number, MIB));
        }
        trip.source().commit();
        // the card is one more
        assert_eq!(plan(&trip)["estimate"]["commits"], 3);
    }

    fn commit_policy() {
        let bare = BareMs::with(|behaviour| behaviour.policy_above = 2);
        let reply = bare.commit(&inlines(3));
        assert!(reply.status == 400 && reply.text().contains("policy"), "{}", reply.text());
        assert_eq!(bare.commit(&inlines(2)).status, 200);
        // what is too much at once is halved, nothing is sent again, and what follows is no larger
        let trip = dataset();
        trip.world.ms.behaviour(|behaviour| behaviour.policy_above = 600);
        for number in 0..3_000 {
            trip.source().file(&format!("text/{number:04}.txt"), format!("{number}").as_str());
        }
        for number in 0..40 {
            trip.source().lfs_file(&format!("blobs/{number}.bin"), bytes(number, 65 * KIB));
        }
        trip.source().commit();
        plan(&trip);
        trip.migrate(&[]).exits(0);
        trip.assert_arrived();
        let journal = trip.destination_journal();
        assert!(journal.sent_twice().is_empty());
        assert_eq!((journal.puts(), journal.bytes_uploaded()), (40, 40 * 65 * KIB));
        // 2,000 are refused three times, and so are 1,000
        assert_eq!(journal.failed("commit"), 6);
        assert!((6..=9).contains(&trip.copy().ours().len()), "{}", trip.copy().ours().len());
    }

    fn commits() {
        let throttle = |seconds| Throttle { commits: 1, window: std::time::Duration::from_secs(seconds), answer: Throttled::Told };
        let bare = BareMs::with(|behaviour| behaviour.commit_throttle = Some(throttle(60)));
        let commit = |number: u64| bare.commit(&[inline(&format!("{number}a"), "x"), inline(&format!("{number}b"), "x")]);
        assert_eq!((commit(1).status, commit(2).status), (200, 429));
        assert_eq!((commit(2).status, bare.ms.strict().count_of(standins::modelscope::rules::COMMIT_TOO_EARLY)), (429, 1), "it was told when");

        let mut trip = dataset();
        for number in 0..9_000 {
            trip.source().lfs_file(&format!("{number}.bin"), Content::claimed(number, MIB));
        }
        trip.source().commit();
        assert_eq!(plan(&trip)["estimate"]["commits"], 5);
        trip.world.unset("HF2MS_COMMIT_GAP");
        assert_eq!(plan(&trip)["estimate"]["commit_seconds"], json!(20));
        let shown = trip.world.run(&["plan", "hf:alice/bert"]).exits(0).stdout;
        assert!(shown.contains("ModelScope does not publish how often it takes a commit: the commits alone take about 20s"), "{shown}");
        trip.world.set("HF2MS_COMMIT_GAP", "30");
        assert_eq!(plan(&trip)["estimate"]["commit_seconds"], json!(120));
        for (name, gap) in [("gap_word", "soon"), ("gap_negative", "-1"), ("gap_long", "3601")] {
            trip.world.set("HF2MS_COMMIT_GAP", gap);
            insta::assert_snapshot!(name, trip.world.run(&["plan", "hf:alice/bert"]).exits(2).shown(&trip.world));
        }
    }
}
