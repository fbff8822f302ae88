//! Any beginning of a migration's events is a valid state.

use hf2ms::progress::Progress;
use hf2ms::protocol::{Event, Filling, How, InFlight, LINE_LIMIT, LandedBlob, ProvenFile, ProvenFiles, State, What};
use hf2ms::repo::{Digests, RepoPath};
use proptest::prelude::*;

/// A plan and what is told until the next one: never more done than there is.
fn stretch() -> impl Strategy<Value = Vec<What>> {
    (0..1_000u64, 0..1u64 << 50)
        .prop_flat_map(|(files, bytes)| {
            let planned = What::Planned { source_commit: None, files, bytes, to_copy: files, bytes_to_copy: bytes, destination_head: None };
            let told = prop_oneof![
                6 => (0..=files, 0..=bytes, any::<u32>(), 0..=bytes).prop_map(|(files_done, bytes_done, moved, done)| {
                    let flight = InFlight { path: RepoPath::new("a.bin").unwrap(), size: done, done };
                    What::Progress { moved: moved.into(), files_done, bytes_done, streams: 1, allowed: 8, flying: done, in_flight: vec![flight] }
                }),
                2 => prop::collection::vec(proven(), 0..4).prop_map(|files| What::Blobs { blobs: files.into_iter().map(landed).collect() }),
                1 => Just(What::Committing { files }),
                1 => Just(What::Committed { commit: "c0ffee".to_owned() }),
                1 => Just(What::Warning { message: "planning again".to_owned() }),
                1 => Just(What::Verifying {}),
            ];
            (Just(planned), prop::collection::vec(told, 0..8))
        })
        .prop_map(|(planned, told)| std::iter::once(planned).chain(told).collect())
}

/// A proven file, whose path may be longer than a line and full of what JSON escapes.
fn proven() -> impl Strategy<Value = ProvenFile> {
    let path = prop_oneof![9 => "[a-z0-9.]{1,60}", 3 => "[a-zé\u{1}\"]{1,400}", 1 => "[x\u{1}]{3000,5000}"];
    (path, any::<u64>(), any::<u8>()).prop_filter_map("a path", |(path, size, seed)| {
        let digests = if seed < 40 { Digests::default() } else { Digests::of(&[seed]) };
        Some(ProvenFile { path: RepoPath::new(path).ok()?, size, digests, how: if seed % 2 == 0 { How::Streamed } else { How::ReadBack } })
    })
}

/// The same content as a blob.
fn landed(ProvenFile { path, size, digests, how }: ProvenFile) -> LandedBlob {
    LandedBlob { path, size, digests, reused: how == How::Streamed }
}

/// The line of an event, with its end.
fn line(what: What) -> String {
    serde_json::to_string(&Event { seq: u64::MAX, at: u64::MAX, what }).unwrap() + "\n"
}

fn read_back(lines: impl IntoIterator<Item = String>) -> Vec<ProvenFile> {
    let mut progress = Progress::default();
    lines.into_iter().for_each(|line| progress.apply(&serde_json::from_str(&line).unwrap()));
    progress.proven
}

proptest! {
    #[test]
    fn proven_files_come_back_in_their_order_from_lines_that_fit_and_are_few(files in prop::collection::vec(proven(), 0..120)) {
        let lines = ProvenFiles::lines_of(&files);
        for of in &lines {
            prop_assert!(!of.files.is_empty());
            prop_assert!(line(What::Proven(of.clone())).len() <= LINE_LIMIT || of.files.len() == 1, "{}", of.files.len());
        }
        for pair in lines.windows(2) {
            let both = ProvenFiles { files: [&pair[0].files[..], &pair[1].files].concat() };
            // what frames a line is reckoned generously
            prop_assert!(line(What::Proven(both)).len() > LINE_LIMIT - 128, "two lines would be one");
        }
        prop_assert_eq!(read_back(lines.into_iter().map(What::Proven).map(line)), files.clone());
        // and as they were told before: one a line, without a list
        let single = files.iter().map(|file| {
            let mut event = serde_json::to_value(file).unwrap();
            (event["seq"], event["at"], event["event"]) = (1.into(), 2.into(), "proven".into());
            event.to_string()
        });
        prop_assert_eq!(read_back(single), files);
    }

    #[test]
    fn blobs_come_back_in_their_order_from_lines_that_fit_and_are_few(files in prop::collection::vec(proven(), 0..120)) {
        let wanted: Vec<_> = files.into_iter().map(landed).collect();
        let mut filling = Filling::default();
        let mut lines: Vec<_> = wanted.iter().filter_map(|blob| filling.add(blob.clone())).collect();
        lines.extend(filling.take());
        for pair in lines.windows(2) {
            let both = pair.concat();
            prop_assert!(line(What::Blobs { blobs: both }).len() > LINE_LIMIT - 128, "two lines would be one");
        }
        let mut read = Vec::new();
        for blobs in lines {
            let (count, text) = (blobs.len(), line(What::Blobs { blobs }));
            prop_assert!(text.len() <= LINE_LIMIT || count == 1, "{}", count);
            let What::Blobs { blobs } = serde_json::from_str::<Event>(&text).unwrap().what else { panic!("{text}") };
            read.extend(blobs);
        }
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn counts_never_exceed_totals_and_nothing_is_verified_without_a_report(
        stretches in prop::collection::vec(stretch(), 1..5),
        steps in prop::collection::vec(0..20_000u64, 50),
    ) {
        let mut progress = Progress::default();
        let mut at = 0;
        for (what, step) in stretches.into_iter().flatten().zip(steps) {
            at += step;
            progress.apply(&Event { seq: 0, at, what });
            prop_assert!(progress.files_done <= progress.files, "{:?}", progress);
            prop_assert!(progress.bytes_done <= progress.bytes && progress.position() <= progress.bytes, "{:?}", progress);
            prop_assert!(matches!(progress.state, State::Running | State::Committing) && progress.report.is_none());
            prop_assert!(progress.rate().is_none_or(|rate| rate.is_finite() && rate >= 0.0));
            prop_assert!(progress.seconds_left().is_none_or(|left| left.is_finite() && left >= 0.0));
        }
    }
}
