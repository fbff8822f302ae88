//! Repositories of every shape: at the limits where a hub changes its mind, the same thing many times, nothing at all, and very many files.

use std::collections::BTreeMap;

use serde_json::Value;
use standins::journal::Journal;

use crate::again::idle;
use crate::trip::{Trip, Way, both_ways};
use crate::world::{KIB, MIB, Outcome, bytes};

/// Where text turns into an LFS file on Hugging Face: its documents say 10 MB, which may be either.
const TEN: [u64; 2] = [10_000_000, 10 * MIB];

/// Text of this length, different for each seed.
fn text(seed: u64, size: u64) -> Vec<u8> {
    let line = format!("line of {seed}, as long as it takes to see that it is text and not the same in any other file\n");
    let mut text = line.repeat((size / line.len() as u64 + 1) as usize).into_bytes();
    text.truncate(size as usize);
    text
}

/// What a user sees, kept under this name.
#[track_caller]
fn snapshot(trip: &Trip, name: &str, outcome: &Outcome) {
    insta::assert_snapshot!(name, outcome.shown(&trip.world));
}

/// `name_to_modelscope` or `name_to_hugging_face`.
fn named(name: &str, way: Way) -> String {
    format!("{name}_to_{}", if way == Way::HfToMs { "modelscope" } else { "hugging_face" })
}

/// Below, at and above a limit.
fn around(limit: u64) -> [u64; 3] {
    [limit - 1, limit, limit + 1]
}

both_ways! {
    fn files_around_ten_megabytes_arrive(way) {
        for limit in TEN {
            let trip = Trip::new(way);
            trip.world.hf.behaviour(|behaviour| behaviour.regular_limit = limit);
            for size in around(limit) {
                trip.source().file(&format!("{size}.txt"), text(size, size)).file(&format!("{size}.bin"), bytes(size, size));
            }
            trip.source().commit();
            trip.assert_done(trip.migrate(&[]));
            idle(&trip);
            if way == Way::MsToHf {
                let files = trip.copy().files();
                let lfs = around(limit).map(|size| files[&format!("{size}.txt")].lfs);
                // above ten million bytes nobody asks: as an LFS file it is taken either way
                assert_eq!(lfs, if limit == TEN[0] { [false, false, true] } else { [true; 3] });
            }
        }
    }

    fn files_around_the_limits_of_what_modelscope_takes_inside_a_commit_arrive(way) {
        for limit in [64 * KIB, MIB] {
            let trip = Trip::of_dataset(way);
            for size in around(limit) {
                trip.source().regular_file(&format!("{size}.txt"), text(size, size)).lfs_file(&format!("{size}.bin"), bytes(size, size));
            }
            trip.source().commit();
            trip.assert_done(trip.migrate(&[]));
            idle(&trip);
            if way == Way::HfToMs {
                let lfs = around(limit).map(|size| trip.copy().files()[&format!("{size}.txt")].lfs);
                assert_eq!(lfs, if limit == MIB { [true; 3] } else { [false, false, true] });
            }
        }
    }

    fn what_a_hub_reads_itself_stays_in_git_as_long_as_the_hub_takes_it(way) {
        let trip = Trip::new(way);
        for (number, size) in around(5 * MIB).into_iter().enumerate() {
            trip.source().regular_file(&format!("{number}/config.json"), text(size, size));
        }
        trip.source().regular_file("big/config.json", text(1, 9 * MIB)).regular_file("dataset_infos.json", text(2, 100 * KIB)).commit();
        trip.assert_done(trip.migrate(&[]));
        idle(&trip);
        if way == Way::HfToMs {
            let files = trip.copy().files();
            let lfs = ["0/config.json", "1/config.json", "2/config.json", "big/config.json", "dataset_infos.json"].map(|path| files[path].lfs);
            assert_eq!(lfs, [false, false, true, true, false]);
        }
    }

    fn one_content_under_many_paths_is_read_and_sent_once(way) {
        let trip = Trip::new(way);
        let weights = bytes(1, 300 * KIB);
        for number in 0..300 {
            trip.source().lfs_file(&format!("copies/{number:03}/weights.bin"), weights.clone());
        }
        trip.source().commit();
        let report = trip.assert_done(trip.migrate(&[]));
        let journal = trip.destination_journal();
        assert_eq!((journal.puts(), journal.bytes_uploaded()), (1, 300 * KIB));
        assert_eq!((&report["files"]["copied"], &report["files"]["reused"]), (&2.into(), &299.into()));
        idle(&trip);
    }

    fn one_content_under_many_paths_is_read_once(way) {
        let trip = Trip::new(way);
        for number in 0..300 {
            trip.source().regular_file(&format!("copies/{number:03}/notes.txt"), "the same\n");
            trip.source().lfs_file(&format!("copies/{number:03}/weights.bin"), bytes(1, 100 * KIB));
        }
        trip.source().commit();
        trip.assert_done(trip.migrate(&[]));
        let journal = match way {
            Way::HfToMs => trip.world.hf.journal(),
            Way::MsToHf => trip.world.ms.journal(),
        };
        // the card, read by the plan and again by the process that carries
        let reads = journal.requests(if way == Way::HfToMs { "resolve" } else { "download" });
        assert!(reads <= 6, "{reads}");
    }

    fn empty_files_arrive_alone_and_in_numbers(way) {
        for count in [1, 700] {
            let trip = Trip::of_dataset(way);
            for number in 0..count {
                trip.source().file(&format!("empty/{number:03}.bin"), "");
            }
            trip.source().commit();
            let report = trip.assert_done(trip.migrate(&[]));
            assert_eq!(report["files"]["total"], count + 1);
            assert_eq!((trip.destination_journal().puts(), trip.destination_journal().bytes_uploaded()), (0, 0));
            idle(&trip);
        }
    }

    fn a_repository_of_a_card_alone_arrives(way) {
        let trip = Trip::new(way);
        let report = trip.assert_done(trip.migrate(&[]));
        assert_eq!(report["files"]["total"], 1);
        idle(&trip);
    }

    fn a_repository_of_nothing_but_attributes_makes_an_empty_one_and_says_so(way) {
        let trip = Trip::new(way);
        trip.source().remove("README.md");
        assert_eq!(trip.source().files().into_keys().collect::<Vec<_>>(), [".gitattributes"]);
        snapshot(&trip, &named("attributes_only", way), &trip.world.run(&["migrate", trip.address()[0]]).exits(0));
        assert_eq!(trip.copy().ours().len(), 0);
        assert_eq!(trip.migrate(&[]).exits(0).json()["files"]["total"], 0);
    }

    fn an_empty_repository_makes_an_empty_one_and_says_so(way) {
        let trip = Trip::new(way);
        trip.source().remove("README.md");
        trip.source().remove(".gitattributes");
        snapshot(&trip, &named("empty_plan", way), &trip.world.run(&["plan", trip.address()[0]]).exits(0));
        snapshot(&trip, &named("empty", way), &trip.world.run(&["migrate", trip.address()[0]]).exits(0));
        assert_eq!(trip.copy().ours().len(), 0);
    }

    fn a_repository_of_what_nobody_takes_is_refused_and_leaves_nothing_behind(way) {
        let trip = Trip::new(way);
        trip.source().remove("README.md");
        for number in 0..30 {
            trip.source().regular_file(&format!(".git/objects/{number:02}"), "x");
        }
        trip.source().regular_file("bell\u{7}", "x").commit();
        snapshot(&trip, &named("nothing_taken", way), &trip.world.run(&["plan", trip.address()[0]]).exits(0));
        trip.migrate(&[]).exits(3);
        let journal = trip.destination_journal();
        assert_eq!(journal.requests("create") + journal.requests("repo.create") + journal.requests("commit"), 0);
    }

    fn a_selection_of_nothing_is_wrong_usage(way) {
        let trip = Trip::new(way);
        let refused = trip.migrate(&["--include", "*.none"]).exits(2).json();
        assert!(refused["error"]["message"].as_str().unwrap().contains("no file of the source is selected"), "{refused}");
    }
}

/// So many files, in folders of a thousand, between a few bytes and 20 KB of text each, no two the same.
fn fill(trip: &Trip, count: u64) {
    for number in 0..count {
        let path = format!("data/part-{:03}/{number:05}.txt", number / 1_000);
        trip.source().regular_file(&path, text(number, 100 + number * 7_919 % 19_900));
    }
    trip.source().commit();
}

/// Where bodies of files come and go. A small file of Hugging Face lies behind a redirect to a cache, as a large one behind one to a
/// CDN.
const BODIES: [&str; 7] = ["cdn", "resolve-cache", "storage.put", "storage.part", "storage.other", "object", "put"];

/// Calls to the hubs' own API by route: `hf tree`.
fn calls(trip: &Trip) -> BTreeMap<String, u64> {
    let of = |name: &str, journal: &Journal| -> Vec<(String, u64)> {
        let routes = journal.by_route().into_iter().filter(|(route, _)| !BODIES.contains(route));
        routes.map(|(route, count)| (format!("{name} {route}"), count)).collect()
    };
    [of("hf", trip.world.hf.journal()), of("ms", trip.world.ms.journal())].concat().into_iter().collect()
}

/// Migrates a repository of so many small files and holds the calls against the budget: a thousand, and one for every body that moves.
fn within_budget(trip: &Trip, way: Way, count: u64) -> Value {
    // a free account has 5,000 resolves and 1,000 other calls in five minutes, and the program waits for the next window: here the
    // calls are counted, not waited for
    trip.world.hf.behaviour(|behaviour| behaviour.resolve_quota = 5 * count);
    fill(trip, count);
    let report = trip.migrate(&[]).exits(0).json();
    assert_eq!(report["state"], "verified");
    assert_eq!((&report["files"]["total"], &report["files"]["copied"]), (&Value::from(count + 1), &Value::from(count + 1)));
    trip.assert_arrived();

    let kept = trip.world.home.join("state/migrations").join(report["id"].as_str().unwrap()).join("report.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    let peak = kept["resources"]["peak_memory"].as_u64().unwrap_or_default() / MIB;
    let calls = calls(trip);
    let total: u64 = calls.values().sum();
    eprintln!("{count} files {way:?}: {peak} MiB, {total} calls, {calls:?}");
    assert!(total <= 1_000 + count + 1, "{total} calls: {calls:?}");
    assert!(peak <= 128, "{peak} MiB");
    report
}

both_ways! {
    fn twenty_thousand_files_of_a_dataset_take_few_calls(way) {
        within_budget(&Trip::of_dataset(way), way, 20_000);
    }

    fn a_second_look_at_many_files_takes_a_call_for_each(way) {
        let trip = Trip::of_dataset(way);
        within_budget(&trip, way, 2_000);
        let before: u64 = calls(&trip).values().sum();
        idle(&trip);
        let again: u64 = calls(&trip).values().sum::<u64>() - before;
        eprintln!("2,000 files again {way:?}: {again} calls");
        // what is there already is proven by reading it at the destination, a call for each
        assert!(again <= 2_001 + 100, "{again} calls");
        trip.world.forget_state();
        let before: u64 = calls(&trip).values().sum();
        idle(&trip);
        let elsewhere: u64 = calls(&trip).values().sum::<u64>() - before;
        eprintln!("2,000 files again from another machine {way:?}: {elsewhere} calls");
        // nobody there knows both digests of a file: those of the source are found by reading it
        assert!(elsewhere <= 2 * 2_001 + 100, "{elsewhere} calls");
    }
}

#[test]
fn twenty_thousand_files_of_a_model_take_few_calls_though_modelscope_lists_three_thousand_at_most() {
    within_budget(&Trip::new(Way::HfToMs), Way::HfToMs, 20_000);
}

#[test]
fn small_files_that_hugging_face_keeps_as_blobs_cost_a_second_call_each() {
    let trip = Trip::of_dataset(Way::MsToHf);
    // the hub asks for a word after each upload, and that counts among its 1,000 calls in five minutes
    trip.world.hf.behaviour(|behaviour| behaviour.api_quota = 5_000);
    for number in 0..1_000 {
        trip.source().file(&format!("data/{number:04}.bin"), bytes(number, 50 + number));
    }
    trip.source().commit();
    trip.assert_done(trip.migrate(&[]));
    let calls = calls(&trip);
    eprintln!("1,000 small blobs: {calls:?}");
    assert_eq!((calls["ms download"], calls["hf lfs.verify"]), (1_002, 1_000));
    assert!(calls.values().sum::<u64>() <= 2_002 + 100, "{calls:?}");
}

both_ways! {
    fn a_plan_of_twenty_thousand_files_shows_the_few_that_matter_and_is_whole_for_programs(way) {
        let trip = Trip::of_dataset(way);
        let (source, copy) = (trip.source(), trip.copy());
        for number in 0..20_000_u64 {
            let path = format!("data/part-{:03}/{number:05}.bin", number % 40);
            let content = bytes(number, 20 + number % 100);
            match number {
                19_990.. => drop(source.lfs_file(&path, content)),
                _ if number % 4_000 == 17 => {
                    source.lfs_file(&path, content);
                    copy.lfs_file(&path, bytes(30_000 + number, 50));
                }
                _ => {
                    source.lfs_file(&path, content.clone());
                    copy.lfs_file(&path, content);
                }
            }
        }
        source.regular_file("data/.git/index", "x").regular_file("README.md", "# mine\n").commit();
        copy.regular_file("README.md", "# theirs\n").regular_file("theirs.txt", "theirs").commit();

        snapshot(&trip, &named("plan_of_twenty_thousand", way), &trip.world.run(&["plan", trip.address()[0]]).exits(0));
        let plan = trip.world.run(&["plan", trip.address()[0], "--json"]).exits(0).json();
        let items = plan["items"].as_array().unwrap();
        let wanted: Vec<_> = source.files().into_keys().collect();
        assert_eq!(items.iter().map(|item| item["path"].as_str().unwrap()).collect::<Vec<_>>(), wanted, "every file, in order");
        let with = |decision: &str| items.iter().filter(|item| item["decision"] == decision).count();
        assert_eq!([with("copy"), with("already_there"), with("left_out")], [16, 19_985, 2]);
        assert_eq!(plan["totals"]["files"], 20_001);
    }
}
