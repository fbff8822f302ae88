//! Sizes, times and progress in words, as every face shows them.

pub use super::proof::utc;
use crate::progress::Progress;
use crate::protocol::State;

/// `1.5 GB`: powers of ten, as both hubs show sizes.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `2h03m`, `4m05s`, `6s`.
pub fn time(seconds: f64) -> String {
    let whole = seconds.round().clamp(0.0, 1e9) as u64;
    match (whole / 3600, whole % 3600 / 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

/// The rate, the time left and what happens now.
pub fn pace(progress: &Progress) -> String {
    let doing = match progress.state {
        State::Committing => "committing",
        _ if progress.files > 0 && progress.files_done >= progress.files => "verifying",
        _ if progress.files == 0 => "planning",
        _ => "",
    };
    let rate = progress.rate().map(|rate| format!("{}/s", size(rate as u64))).unwrap_or_default();
    let left = progress.seconds_left().filter(|_| doing.is_empty()).map(|seconds| format!("{} left", time(seconds))).unwrap_or_default();
    [rate, left, doing.to_owned()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// One line of progress, for a log.
pub fn line(progress: &Progress) -> String {
    let files = format!("{}/{} files", progress.files_done, progress.files);
    let bytes = format!("{} of {}", size(progress.position()), size(progress.bytes));
    [files, bytes, pace(progress)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(4_000_000_000), "4.0 GB");
        assert_eq!(time(5.6), "6s");
        assert_eq!(time(245.0), "4m05s");
        assert_eq!(time(7_380.0), "2h03m");
    }
}
