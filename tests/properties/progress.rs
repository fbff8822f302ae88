//! Any beginning of a migration's events is a valid state.

use hf2ms::progress::Progress;
use hf2ms::protocol::{Event, InFlight, State, What};
use hf2ms::repo::RepoPath;
use proptest::prelude::*;

/// A plan and what is told until the next one: never more done than there is.
fn stretch() -> impl Strategy<Value = Vec<What>> {
    (0..1_000u64, 0..1u64 << 50)
        .prop_flat_map(|(files, bytes)| {
            let planned = What::Planned { source_commit: None, files, bytes, to_copy: files, bytes_to_copy: bytes, destination_head: None };
            let told = prop_oneof![
                6 => (0..=files, 0..=bytes, any::<u32>(), 0..=bytes).prop_map(|(files_done, bytes_done, moved, done)| {
                    let flight = InFlight { path: RepoPath::new("a.bin").unwrap(), size: done, done };
                    What::Progress { moved: moved.into(), files_done, bytes_done, streams: 1, allowed: 8, in_flight: vec![flight] }
                }),
                1 => Just(What::Committing { files }),
                1 => Just(What::Committed { commit: "c0ffee".to_owned() }),
                1 => Just(What::Warning { message: "planning again".to_owned() }),
                1 => Just(What::Verifying {}),
            ];
            (Just(planned), prop::collection::vec(told, 0..8))
        })
        .prop_map(|(planned, told)| std::iter::once(planned).chain(told).collect())
}

proptest! {
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
