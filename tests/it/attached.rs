//! What somebody sees who stays while many sandboxes carry: the bytes of all of them, as they arrive.

use std::io::{BufRead, BufReader};

use crate::fan_out::Cloud;
use crate::trip::{Way, both_ways};
use crate::world::MIB;

/// What a line of progress says: `3/8 files  12.5 MB of 25.2 MB  1.0 MB/s  …`.
#[derive(Debug)]
struct Line {
    files: (u64, u64),
    megabytes: (f64, f64),
    rate: bool,
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [files, "files", done, unit, "of", all, "MB", rest @ ..] = &words[..] else { return None };
        let (done_files, all_files) = files.split_once('/')?;
        let scale = match *unit {
            "MB" => 1.0,
            "kB" => 1e-3,
            _ => 1e-6,
        };
        Some(Self {
            files: (done_files.parse().ok()?, all_files.parse().ok()?),
            megabytes: (done.parse::<f64>().ok()? * scale, all.parse().ok()?),
            rate: rest.first().is_some_and(|word| word.parse::<f64>().is_ok_and(|rate| rate > 0.0)),
        })
    }
}

/// Throttles what the source serves.
fn slow_source(cloud: &Cloud, way: Way, bytes_per_second: u64) {
    let dials = if way == Way::HfToMs { cloud.trip.world.hf.dials() } else { cloud.trip.world.ms.dials() };
    dials.each(|lane| lane.set_download_per_host(bytes_per_second));
}

/// A line, and the bytes that had arrived when it was read.
#[derive(Debug)]
struct Seen {
    line: Line,
    arrived: f64,
}

both_ways! {
    fn whoever_stays_sees_the_bytes_of_all_workers_arrive(way) {
        // all of them are in flight at the same time, many more than are named
        let (cloud, bytes) = Cloud::with_files(way, 24, if way == Way::HfToMs { 4 * MIB } else { 10 * MIB });
        // at the source, because systems take megabytes of an upload at once
        slow_source(&cloud, way, bytes / 32);
        let arguments = [&["migrate"], &cloud.trip.address()[..], &["--workers", "3"]].concat();
        let mut child = cloud.trip.world.command(&arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let line = lines.next().expect("it ended without three lines of progress");
            eprintln!("{line}");
            let arrived = cloud.trip.destination_journal().bytes_uploaded() as f64 / 1e6;
            seen.extend(Line::read(&line).map(|line| Seen { line, arrived }));
        }
        assert_eq!(cloud.workers().iter().filter(|worker| worker.process().is_some()).count(), 3, "{:?}", cloud.workers());
        slow_source(&cloud, way, 0);
        // what nobody reads would hold it up
        lines.for_each(drop);
        cloud.trip.world.finish(child).exits(0);

        let whole = bytes as f64 / 1e6;
        assert!(seen.iter().all(|seen| (seen.line.megabytes.1 - whole).abs() < 0.1), "{whole}: {seen:?}");
        for pair in seen.windows(2) {
            // the conductor carries none of them: this is what workers told
            assert!(pair[1].line.megabytes.0 + 0.1 >= pair[0].arrived, "what had arrived ten seconds before is not seen: {seen:?}");
            assert!(pair[1].line.megabytes.0 > pair[0].line.megabytes.0, "{seen:?}");
        }
        assert!(seen[2].line.rate && seen[2].line.files.0 < seen[2].line.files.1, "{seen:?}");
        cloud.trip.assert_identical();
        cloud.assert_nobody_left();
    }
}
