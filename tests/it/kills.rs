//! Killed at many moments, each drawn from a seed: at any byte that reaches the destination, or around its commit.
//!
//! `HF2MS_KILL_SEEDS=200` draws more of them, `HF2MS_KILL_SEEDS=17..18` one again.

use std::ops::Range;
use std::path::PathBuf;

use standins::rig::CommitMoment;

use crate::kill::{Numbers, finish, interrupted, kill, settle};
use crate::trip::{Trip, Way, both_ways};
use crate::world::{KIB, bytes, generated};

/// How many there are in both directions together.
const SEEDS: u64 = 50;

fn seeds(way: Way) -> impl Iterator<Item = u64> {
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("HF2MS_KILL_SEEDS is a count or a range, not `{text}`"));
    let range: Range<u64> = match std::env::var("HF2MS_KILL_SEEDS") {
        Err(_) => 0..SEEDS,
        Ok(text) => text.split_once("..").map_or_else(|| 0..number(&text), |(from, to)| number(from)..number(to)),
    };
    range.filter(move |seed| (seed % 2 == 0) == (way == Way::HfToMs))
}

/// When the process that carries is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// When this byte has reached the destination.
    Byte(u64),
    /// Between a commit's sending and its answer.
    Commit(CommitMoment),
}

/// A source of a few hundred kilobytes: in parts on Hugging Face, in one piece on ModelScope, one content at two paths, small files in the
/// commit itself. Says how much of it goes to storage.
pub fn small_trip(way: Way, numbers: &mut Numbers) -> (Trip, u64) {
    let trip = Trip::new(way);
    trip.world.hf.behaviour(|hub| (hub.part_size, hub.multipart_above) = (64 * KIB, 64 * KIB));
    let source = trip.source();
    let mut sent = 0;
    for number in 0..4 {
        // no less, or ModelScope gets it inside the commit
        let size = 65 * KIB + numbers.below(140 * KIB);
        source.lfs_file(&format!("data/{number}.bin"), generated(numbers.below(1 << 40), size));
        sent += size;
    }
    let twice = bytes(numbers.below(1 << 40), 70 * KIB);
    source.lfs_file("one.bin", twice.clone()).lfs_file("copy/one.bin", twice);
    source.file("config.json", "{}").file("vocab.txt", "a\nb\n").file("empty.txt", "").commit();
    (trip, sent + 70 * KIB)
}

fn moment(numbers: &mut Numbers, sent: u64) -> Moment {
    match numbers.below(10) {
        0 => Moment::Commit(CommitMoment::BeforeApply),
        1 | 2 => Moment::Commit(CommitMoment::AfterApplyBeforeAnswer),
        // the very last byte, whose answer nobody hears
        3 => Moment::Byte(sent),
        _ => Moment::Byte(1 + numbers.below(sent)),
    }
}

both_ways! {
    fn killed_at_any_moment_it_goes_on_where_it_was(way) {
        for seed in seeds(way) {
            let mut numbers = Numbers(seed);
            let (trip, sent) = small_trip(way, &mut numbers);
            let moment = moment(&mut numbers, sent);
            eprintln!("seed {seed}: killed at {moment:?} of {sent} bytes; once more with HF2MS_KILL_SEEDS={seed}..{}", seed + 1);
            let home: PathBuf = trip.world.home.clone();
            match moment {
                Moment::Byte(at) => trip.when_uploaded(at, move || kill(&home)),
                Moment::Commit(at) => trip.when_commit(at, move || kill(&home)),
            }
            let outcome = trip.migrate(&[]);
            settle(&trip);
            // a dead process proves nothing, whatever is at the destination by then
            interrupted(&trip, outcome);
            match moment {
                Moment::Byte(_) => assert!(trip.copy().ours().is_empty(), "nothing is visible"),
                Moment::Commit(_) => wait_for_the_commit(&trip),
            }
            if numbers.below(2) == 0 {
                trip.world.forget_state();
            }
            let report = finish(&trip);
            if matches!(moment, Moment::Commit(_)) {
                assert_eq!(report["bytes"]["moved"], 0, "all of it had landed");
            }
            // done is done
            let again = trip.migrate(&[]).exits(0).json();
            assert_eq!(again["bytes"]["moved"], 0);
            assert_eq!(trip.copy().ours().len(), 1);
        }
    }
}

/// The commit that was sent is made, by whoever sent it being there or not.
fn wait_for_the_commit(trip: &Trip) {
    while trip.copy().ours().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
