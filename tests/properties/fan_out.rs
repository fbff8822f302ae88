//! The fan-out: every content in one shard, whatever the listing looks like, and a fleet that ends, whatever becomes of its workers.
//! Time is virtual: the simulator of `benches/fan_out` says what happens when.

#[path = "../../benches/fan_out/shapes.rs"]
mod shapes;
#[path = "../../benches/fan_out/simulator.rs"]
mod simulator;

use std::collections::{BTreeMap, BTreeSet};

use hf2ms::conductor::replace::WorkerId;
use hf2ms::plan::fan_out::{Ask, FanOut, Load};
use hf2ms::plan::rates::{ALONE, CONTAINER, CONTAINERS, DESTINATION, START, STREAM, STREAMS, Way};
use hf2ms::plan::shard::{Blob, Shard, blobs, cut, deal};
use hf2ms::protocol::Places;
use hf2ms::repo::{Digests, FileEntry, Platform, RepoPath, Sha256};
use proptest::prelude::*;
use shapes::{Seeded, mixed};
use simulator::{Outcome, World, run};

fn listing() -> impl Strategy<Value = Vec<FileEntry>> {
    // a content's size follows from its digest; contents repeat
    let file = ("[a-z]{1,6}", 0..40_u8, any::<bool>()).prop_map(|(path, content, known)| {
        let size = if content == 0 { 0 } else { 1_u64 << (content % 34) };
        let sha256 = known.then(|| Sha256::of(&[content]));
        let digests = Digests { sha256, git_sha1: None };
        FileEntry { path: RepoPath::new(path).unwrap(), size, digests, lfs: true, read_at: None, hubs_own: false }
    });
    prop::collection::btree_map("[a-z]{1,6}", file, 0..80)
        .prop_map(|files| files.into_iter().map(|(path, file)| FileEntry { path: RepoPath::new(path).unwrap(), ..file }).collect())
}

fn digests(shards: &[Shard]) -> Vec<Vec<Sha256>> {
    shards.iter().map(|shard| shard.blobs.iter().map(|blob| blob.sha256).collect()).collect()
}

proptest! {
    #[test]
    fn every_content_is_in_exactly_one_shard(files in listing(), count in 1..99_u32) {
        let shards = cut(blobs(&files, |_| true), count);
        let dealt: Vec<_> = digests(&shards).concat();
        let wanted: BTreeSet<_> = files.iter().filter(|file| file.size > 0).filter_map(|file| file.digests.sha256).collect();
        prop_assert_eq!(dealt.len(), wanted.len());
        prop_assert_eq!(dealt.into_iter().collect::<BTreeSet<_>>(), wanted.clone());
        prop_assert_eq!(shards.len(), wanted.len().min(count as usize));
        for blob in shards.iter().flat_map(|shard| &shard.blobs) {
            let file = &files[blob.place as usize];
            prop_assert_eq!((file.size, file.digests.sha256), (blob.size, Some(blob.sha256)));
        }
    }

    #[test]
    fn no_shard_is_heavier_than_another_by_more_than_one_blob(files in listing(), count in 1..20_u32) {
        let shards = cut(blobs(&files, |_| true), count);
        let weights: Vec<_> = shards.iter().map(Shard::weight).collect();
        let heaviest = shards.iter().flat_map(|shard| &shard.blobs).map(Blob::weight).max().unwrap_or_default();
        prop_assert!(weights.iter().max().unwrap_or(&0) - weights.iter().min().unwrap_or(&0) <= heaviest, "{:?}", weights);
    }

    #[test]
    fn the_order_of_a_listing_cuts_no_other_shards(
        (files, shuffled) in listing().prop_flat_map(|files| (Just(files.clone()), Just(files).prop_shuffle())),
        count in 1..20_u32,
    ) {
        let (one, two) = (cut(blobs(&files, |_| true), count), cut(blobs(&shuffled, |_| true), count));
        prop_assert_eq!(digests(&one), digests(&two));
        let paths = |files: &[FileEntry], shards: &[Shard]| -> Vec<Vec<RepoPath>> {
            let path = |blob: &Blob| files[blob.place as usize].path.clone();
            shards.iter().map(|shard| shard.blobs.iter().map(path).collect()).collect()
        };
        prop_assert_eq!(paths(&files, &one), paths(&shuffled, &two));
    }

    #[test]
    fn places_read_as_written(places in prop::collection::btree_set(0..5_000_u32, 0..300)) {
        let written: Places = places.iter().copied().collect();
        let read: Places = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
        prop_assert_eq!(read.as_slice(), places.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn there_are_never_more_workers_than_places_and_contents(
        (files, shared) in (0..100_000_u64).prop_flat_map(|files| (Just(files), 0..=files)),
        size in 1..200_000_000_000_u64, containers in 1..101_u32, workers in 1..100_u32, to in prop::bool::ANY,
    ) {
        let (from, to) = if to { (Platform::HuggingFace, Platform::ModelScope) } else { (Platform::ModelScope, Platform::HuggingFace) };
        let load = Load { files, shared, bytes: files * size, largest: size * files.min(1) };
        for ask in [Ask::Nothing, Ask::Parallel, Ask::Workers(workers), Ask::Chunk(size)] {
            let fan_out = FanOut::decide(ask, load, Way { from, to }, containers);
            prop_assert!(fan_out.containers() <= containers, "{:?} {:?}", ask, fan_out);
            prop_assert!(u64::from(fan_out.workers) <= shared && fan_out.workers != 1, "{:?} {:?}", ask, fan_out);
        }
    }
}

/// Blobs for shards that each take a container so many seconds, ten files a stream.
fn ten_files_a_stream(workers: u32, seconds: u64, destination: u64) -> Vec<Blob> {
    let files = workers as usize * STREAMS as usize * 10;
    let rate = (CONTAINER * u64::from(workers)).min(destination);
    shapes::blobs(vec![rate * seconds / files as u64; files])
}

#[track_caller]
fn all_landed(world: &World, outcome: &Outcome) -> f64 {
    let wanted: BTreeSet<u32> = world.shards.iter().flat_map(|shard| &shard.blobs).map(|blob| blob.place).collect();
    assert_eq!(outcome.landed, wanted);
    assert_eq!((&outcome.doubled, &outcome.given_up), (&BTreeSet::new(), &BTreeSet::new()));
    assert!(outcome.most <= world.most as usize);
    outcome.makespan.expect("it ends")
}

/// What a straggler 20 times slower from second `from` on costs, in parts of the time without it.
fn costs(calm: &World, straggler: u32, from: f64) -> f64 {
    let without = all_landed(calm, &run(calm));
    let slow = World { slow: vec![(WorkerId { shard: straggler, attempt: 0 }, from, 0.05)], ..calm.clone() };
    all_landed(&slow, &run(&slow)) / without - 1.0
}

#[test]
fn a_straggler_twenty_times_slower_costs_less_than_a_tenth_with_twelve_workers() {
    for seconds in [240, 600, 1_800] {
        let calm = World::calm(cut(ten_files_a_stream(12, seconds, DESTINATION), 12), CONTAINERS - 1);
        for (straggler, from) in [(0, 0.0), (11, 0.0), (5, seconds as f64 / 2.0)] {
            let cost = costs(&calm, straggler, from);
            assert!(cost <= 0.1, "{cost:.3} with shards of {seconds} s, slow from {from}");
        }
    }
}

#[test]
fn a_straggler_twenty_times_slower_costs_less_than_a_tenth_in_a_full_house() {
    // no place is free but the one it leaves, whether the destination holds all back or nobody
    for (workers, seconds, destination) in [(99, 600, DESTINATION), (100, 600, u64::MAX)] {
        let blobs = ten_files_a_stream(workers, seconds, destination);
        let calm = World { destination, ..World::calm(cut(blobs, workers), workers) };
        let cost = costs(&calm, 3, 0.0);
        assert!(cost <= 0.1, "{cost:.3} with {workers} workers and shards of {seconds} s into {destination}");
    }
}

#[test]
fn a_straggler_among_files_of_many_sizes_costs_less_than_a_tenth() {
    let calm = World::calm(cut(shapes::blobs(mixed(12_000, 1_000_000, 1_000_000_000)), 12), CONTAINERS - 1);
    let cost = costs(&calm, 2, 0.0);
    assert!(cost <= 0.1, "{cost:.3}");
}

#[test]
fn without_a_straggler_nobody_is_ended() {
    let large = std::iter::once(80_000_000_000).chain(vec![200_000_000; 2_000]).chain(vec![20_000; 20_000]);
    for (sizes, workers) in [(mixed(5_000, 1_000, 20_000_000_000), 12), (large.collect(), 7), (vec![5_000_000; 20_000], 40)] {
        let calm = World::calm(cut(shapes::blobs(sizes), workers), CONTAINERS - 1);
        let outcome = run(&calm);
        all_landed(&calm, &outcome);
        assert_eq!(outcome.started, workers);
    }
}

#[test]
fn a_fleet_is_close_to_what_no_plan_can_beat() {
    for (sizes, workers) in [(vec![500_000_000; 4_000], 12), (mixed(20_000, 1_000_000, 4_000_000_000), 30)] {
        let load = Load::of(sizes.iter().copied());
        let bound = load.bytes as f64 / f64::from(workers) / CONTAINER as f64;
        let bound = bound.max(load.largest as f64 / STREAM as f64).max(load.bytes as f64 / DESTINATION as f64);
        let calm = World::calm(cut(shapes::blobs(sizes), workers), CONTAINERS - 1);
        let makespan = all_landed(&calm, &run(&calm));
        assert!((bound..bound * 1.1 + START.as_secs_f64()).contains(&makespan), "{makespan} {bound}");
    }
}

#[test]
fn shards_that_the_plan_cuts_by_itself_take_no_longer_than_one_container_may_alone() {
    let way = Way { from: Platform::ModelScope, to: Platform::HuggingFace };
    let sizes = vec![500_000_000; 3_000];
    let load = Load::of(sizes.iter().copied());
    let fan_out = FanOut::decide(Ask::Nothing, load, way, CONTAINERS);
    let calm = World::calm(cut(shapes::blobs(sizes), fan_out.workers), CONTAINERS - 1);
    let makespan = all_landed(&calm, &run(&calm));
    assert!(makespan <= ALONE.as_secs_f64() * 1.1 + START.as_secs_f64(), "{makespan} with {}", fan_out.workers);
    // and the plan tells the time it takes
    let told = load.seconds(fan_out.workers, way) + START.as_secs_f64();
    assert!((0.9..1.1).contains(&(makespan / told)), "{makespan} {told}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_fleet_ends_and_no_blob_has_two_living_workers_whatever_dies(
        seed in any::<u64>(), workers in 1..8_u32, spare in 0..4_u32, engine in 1..10_u32, files in 1..400_usize,
        deaths in prop::collection::vec((0.0..900.0, 0..100_usize), 0..60),
        slow in prop::collection::vec((0..8_u32, 0..3_u32, 0.0..400.0, prop_oneof![Just(0.0), 0.05..1.0]), 0..6),
    ) {
        let mut seeded = Seeded::new(seed);
        let sizes: Vec<_> = (0..files).map(|_| 1 + seeded.next() % 2_000_000_000).collect();
        let shards = cut(shapes::blobs(sizes), workers);
        let slow = slow.into_iter().map(|(shard, attempt, from, speed)| (WorkerId { shard, attempt }, from, speed)).collect();
        let world = World { shards, most: workers.saturating_sub(2) + spare + 1, slow, deaths, engine, destination: DESTINATION };
        let outcome = run(&world);
        prop_assert!(outcome.makespan.is_some());
        prop_assert_eq!(&outcome.doubled, &BTreeSet::new());
        prop_assert!(outcome.most <= world.most.min(engine) as usize);
        // whatever is not at the destination was given up by name
        let wanted: BTreeSet<u32> = (0..files as u32).collect();
        prop_assert_eq!(wanted.difference(&outcome.landed).filter(|place| !outcome.given_up.contains(place)).count(), 0);
        if world.deaths.len() < 5 {
            prop_assert_eq!(&outcome.given_up, &BTreeSet::new());
        }
    }

    #[test]
    fn dealing_keeps_every_blob(sizes in prop::collection::vec(0..u64::from(u32::MAX), 1..200), count in 0..40_u32) {
        let blobs = shapes::blobs(sizes);
        let shares = deal(blobs.clone(), count);
        let dealt: BTreeMap<u32, Blob> = shares.iter().flatten().map(|blob| (blob.place, *blob)).collect();
        prop_assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), blobs.len());
        prop_assert_eq!(dealt.into_values().collect::<Vec<_>>(), blobs);
        prop_assert!(shares.iter().all(|share| !share.is_empty()));
    }
}
