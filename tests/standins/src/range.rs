//! The `Range` request header, as far as hubs understand it: one range of bytes.

use std::ops::Range;

/// What a request wants of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes; never empty, never past the end.
    Part(Range<u64>),
    /// A range that begins at or after the end: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes. What is not understood counts as absent, as RFC 9110 allows.
pub fn wanted(header: Option<&str>, len: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Wanted::Whole };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), _) if first >= len => Wanted::Unsatisfiable,
        (Ok(first), Ok(last)) if last >= first => Wanted::Part(first..(last + 1).min(len)),
        (Ok(first), Err(_)) if last.trim().is_empty() => Wanted::Part(first..len),
        (Err(_), Ok(0)) if first.trim().is_empty() => Wanted::Unsatisfiable,
        (Err(_), Ok(suffix)) if first.trim().is_empty() && len > 0 => Wanted::Part(len.saturating_sub(suffix)..len),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_understood() {
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-3"), 10), Wanted::Part(0..4));
        assert_eq!(wanted(Some("bytes=4-"), 10), Wanted::Part(4..10));
        assert_eq!(wanted(Some("bytes=-3"), 10), Wanted::Part(7..10));
        assert_eq!(wanted(Some("bytes=4-99"), 10), Wanted::Part(4..10));
        assert_eq!(wanted(Some("bytes=10-"), 10), Wanted::Unsatisfiable);
        assert_eq!(wanted(Some("lines=1-2"), 10), Wanted::Whole);
    }
}
