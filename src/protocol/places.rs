//! Which files of a listing are meant, in few bytes.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// More places than this are nobody's repository: a text that names more is refused before it takes memory.
const MOST: u64 = 10_000_000;

/// Places in a listing whose files are in the order of their paths, counted from 0: ascending, each once.
///
/// As text: how many files are skipped since the last one named, and after a `+` how many more follow directly, so that `2+3 1` means 2, 3,
/// 4, 5 and 7. A tenth of 100,000 files takes about 25 kB, all of them take 7 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Places(Vec<u32>);

impl Places {
    /// The places, in their order.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl FromIterator<u32> for Places {
    fn from_iter<I: IntoIterator<Item = u32>>(places: I) -> Self {
        let mut places: Vec<_> = places.into_iter().collect();
        places.sort_unstable();
        places.dedup();
        Self(places)
    }
}

impl From<Places> for String {
    fn from(places: Places) -> Self {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut next = 0;
        for place in places.0 {
            match runs.last_mut() {
                Some((_, more)) if place == next => *more += 1,
                _ => runs.push((place - next, 0)),
            }
            next = place + 1;
        }
        let run = |(skipped, more): &(u32, u32)| if *more == 0 { skipped.to_string() } else { format!("{skipped}+{more}") };
        runs.iter().map(run).collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for Places {
    type Error = Error;

    /// Reads the text. Fails with `Protocol` when it is none, or names more than ten million places.
    fn try_from(text: String) -> Result<Self> {
        let bad = |why, run: &str| Error::new(ErrorKind::Protocol, why).during("places").with("got", format!("`{run}`"));
        let mut places = Vec::new();
        let mut next = 0_u64;
        for run in text.split_ascii_whitespace() {
            let (skipped, more) = run.split_once('+').unwrap_or((run, "0"));
            let (Ok(skipped), Ok(more)) = (skipped.parse::<u32>(), more.parse::<u32>()) else {
                return Err(bad("not places of a listing", run));
            };
            let first = next + u64::from(skipped);
            next = first + u64::from(more) + 1;
            if next > MOST {
                return Err(bad("places beyond any listing", run));
            }
            places.extend((first..next).filter_map(|place| u32::try_from(place).ok()));
        }
        Ok(Self(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_bytes_and_read_as_written() {
        let text = |places: &[u32]| String::from(places.iter().copied().collect::<Places>());
        assert_eq!(text(&[7, 2, 3, 4, 5, 5]), "2+3 1");
        assert_eq!(text(&[]), "");
        assert_eq!(text(&(0..100_000).collect::<Vec<_>>()), "0+99999");
        for places in [vec![], vec![0], vec![4], vec![0, 1, 2, 9, 11, 12]] {
            assert_eq!(Places::try_from(text(&places)).unwrap().as_slice(), places);
        }
    }

    #[test]
    fn what_names_no_places_is_refused() {
        for wrong in ["x", "1+", "+1", "-1", "1.5", "4294967296", "0+4294967295"] {
            assert_eq!(Places::try_from(wrong.to_owned()).unwrap_err().kind(), ErrorKind::Protocol, "{wrong}");
        }
    }
}
