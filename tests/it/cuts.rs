//! Downloads that are cut at many places, each drawn from a seed, by sources that may also forget the range that was asked for.

use standins::faults::{Fault, Rule};

use crate::kill::Numbers;
use crate::kills::small_trip;
use crate::trip::{Way, both_ways};
use crate::world::KIB;

/// Trips in each direction.
const SEEDS: u64 = 3;
/// Cuts of each trip. A file is cut more than once, also inside of what it has read already.
const CUTS: u64 = 6;

both_ways! {
    fn a_download_that_is_cut_anywhere_arrives_whole(way) {
        for seed in 0..SEEDS {
            let mut numbers = Numbers(seed);
            let (trip, _) = small_trip(way, &mut numbers);
            let mut cuts = Vec::new();
            for _ in 0..CUTS {
                let (skip, at) = (numbers.below(8), numbers.below(150 * KIB));
                let cut = if numbers.below(2) == 0 { Fault::ResetDownload(at) } else { Fault::Truncate(at) };
                cuts.push(format!("{cut:?} of request {skip}"));
                trip.source_fault(Rule::route(way.large(), cut).skip(skip));
            }
            for _ in 0..CUTS {
                let skip = numbers.below(14);
                cuts.push(format!("no range in request {skip}"));
                trip.source_fault(Rule::route(way.large(), Fault::IgnoreRange).skip(skip));
            }
            eprintln!("seed {seed}: {cuts:#?}");
            trip.assert_done(trip.migrate(&[]));
            assert!(trip.source_faults().fired() > 0, "nothing was cut");
        }
    }
}
