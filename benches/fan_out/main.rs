//! The fan-out in virtual time: how long so many workers take beside the bound that no plan can beat, with and without a straggler and
//! deaths, and what the planner would choose. Nothing here looks at a clock: it prints the same figures everywhere.
//!
//! `cargo bench --bench fan_out`
#![allow(clippy::print_stdout, reason = "a measurement prints")]

mod shapes;
mod simulator;

use hf2ms::conductor::replace::WorkerId;
use hf2ms::plan::fan_out::{Ask, FanOut, Load};
use hf2ms::plan::rates::{CONTAINER, CONTAINERS, DESTINATION, START, STREAM, STREAMS, Way};
use hf2ms::plan::shard::{Blob, cut};
use hf2ms::repo::Platform;
use shapes::{Seeded, blobs, mixed};
use simulator::{World, run};

const MB: u64 = 1_000_000;
const GB: u64 = 1_000 * MB;

fn main() {
    println!(
        "a stream {} MB/s, a container {} MB/s over {STREAMS} streams, the destination {} GB/s, {} s to start; times in seconds",
        STREAM / MB,
        CONTAINER / MB,
        DESTINATION / GB,
        START.as_secs()
    );
    println!("bound = max(B/(n·container), F/stream, B/destination); slow: one worker 20 times slower; deaths: every tenth dies once\n");
    for (name, sizes) in [
        ("one file of 80 GB", vec![80 * GB]),
        ("200 x 500 MB", vec![500 * MB; 200]),
        ("20,000 x 5 MB", vec![5 * MB; 20_000]),
        ("mixed, 5,000 files of 1 MB to 20 GB", mixed(5_000, MB, 20 * GB)),
    ] {
        table(name, &blobs(sizes), &[1, 4, 12, 40, 100], DESTINATION);
    }
    println!("ten files a stream in every shard, so large that a worker carries for so many seconds\n");
    for seconds in [120, 300, 600, 1_800] {
        for (workers, destination) in [(12, DESTINATION), (99, DESTINATION), (100, DESTINATION), (100, u64::MAX)] {
            let files = workers as usize * STREAMS as usize * 10;
            let rate = (CONTAINER * u64::from(workers)).min(destination);
            let held = if destination == u64::MAX { ", held back by nobody" } else { "" };
            table(&format!("{seconds} s{held}"), &blobs(vec![rate * seconds / files as u64; files]), &[workers], destination);
        }
    }
}

fn table(name: &str, blobs: &[Blob], counts: &[u32], destination: u64) {
    let load = Load::of_blobs(blobs);
    println!("{name}: {:.1} GB in {} files", load.bytes as f64 / 1e9, load.files);
    println!(
        "{:>8} {:>9} {:>9} {:>7} {:>9} {:>8} {:>9} {:>8} {:>8} {:>9}",
        "workers", "bound", "calm", "over", "slow", "costs", "deaths", "costs", "started", "sent"
    );
    for &count in counts.iter().filter(|count| **count as usize <= blobs.len()) {
        let shards = cut(blobs.to_vec(), count);
        let workers = shards.len() as u32;
        let bound = bound(load, workers, destination);
        // one container is the conductor; the user named the count, so that no place is kept free
        let calm = World { destination, ..World::calm(shards, (CONTAINERS - 1).max(count)) };
        let alone = run(&calm);
        let Some(calm_for) = alone.makespan else { continue };
        // a single worker has nobody to be compared with
        let straggler = World { slow: vec![(WorkerId { shard: 0, attempt: 0 }, 0.0, 0.05)], ..calm.clone() };
        let slow = (workers > 1).then(|| run(&straggler)).and_then(|outcome| outcome.makespan);
        let mut seeded = Seeded::new(u64::from(count));
        let deaths = (0..count.div_ceil(10)).map(|_| (seeded.part() * calm_for, seeded.next() as usize % 1_000)).collect();
        let died = run(&World { deaths, ..calm });
        let shown = |seconds: Option<f64>| match seconds {
            Some(seconds) => format!("{seconds:>9.0} {:>7.1}%", (seconds / calm_for - 1.0) * 100.0),
            None => format!("{:>9} {:>8}", "-", "-"),
        };
        let all = died.given_up.is_empty();
        println!(
            "{workers:>8} {bound:>9.0} {calm_for:>9.0} {:>6.0}% {} {} {:>8} {:>8.2}x",
            (calm_for / bound - 1.0) * 100.0,
            shown(slow),
            shown(died.makespan.filter(|_| all)),
            died.started,
            died.moved / load.bytes as f64
        );
    }
    for (from, to) in [(Platform::HuggingFace, Platform::ModelScope), (Platform::ModelScope, Platform::HuggingFace)] {
        let way = Way { from, to };
        let fan_out = FanOut::decide(Ask::Nothing, load, way, CONTAINERS);
        let seconds = load.seconds(fan_out.carriers(), way);
        println!("  to {}: {} workers, about {seconds:.0} s: {}", to.title(), fan_out.workers, fan_out.because);
    }
    println!();
}

/// What no plan can beat.
fn bound(load: Load, workers: u32, destination: u64) -> f64 {
    let through = load.bytes as f64 / (f64::from(workers) * CONTAINER as f64);
    through.max(load.largest as f64 / STREAM as f64).max(load.bytes as f64 / destination as f64)
}
