//! What a program that runs jobs is: asked for while it runs, or read from its file.

use serde::{Deserialize, Serialize};

use crate::error::ErrorReport;
use crate::repo::Platform;

/// The line that `hf2ms run-job --versions` prints: what it is, where it runs, what it reaches from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Its version.
    pub program: String,
    /// [`super::PROTOCOL`] of it.
    pub protocol: u32,
    /// What it was built for: `x86_64-linux-musl`.
    pub target: String,
    /// Processors that it may use.
    pub processors: u64,
    /// Memory that it may use, in bytes, where the system tells.
    pub memory: Option<u64>,
    /// Where it runs, where the cloud tells.
    pub region: Option<String>,
    /// The hubs that it was asked to reach.
    pub hubs: Vec<Reach>,
}

/// Whether a hub answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The hub.
    pub platform: Platform,
    /// Its host.
    pub host: String,
    /// Why it could not be reached; absent when it answered.
    pub error: Option<ErrorReport>,
}

/// What a program's file says of itself. A file is asked because it may be for another system than this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The program's version.
    pub version: String,
    /// The version of the protocol that it speaks.
    pub protocol: u32,
}

/// How a stamp begins, continues and ends.
const MARKS: [&str; 3] = ["[hf2ms program ", " protocol ", "]"];
/// This program's own; a test holds its number against [`super::PROTOCOL`].
const OWN: &str = concat!("[hf2ms program ", env!("CARGO_PKG_VERSION"), " protocol 2]");
/// Longer numbers are no version.
const LONGEST: usize = 40;

impl Stamp {
    /// That of this program.
    pub fn own() -> Self {
        // so that the text stays in the file as it is
        let text = std::hint::black_box(OWN);
        Self::find(text.as_bytes()).unwrap_or_else(|| Self { version: env!("CARGO_PKG_VERSION").to_owned(), protocol: super::PROTOCOL })
    }

    /// The first one in a program's bytes; `None` when it is another program, or one from before there were stamps.
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let [begin, middle, end] = MARKS;
        let starts = bytes.windows(begin.len()).enumerate().filter(|(_, window)| *window == begin.as_bytes());
        let read = |start: usize| {
            let rest = bytes.get(start..)?;
            let text = rest.get(..rest.len().min(2 * LONGEST)).and_then(|rest| {
                let length = rest.iter().position(|byte| !byte.is_ascii_graphic() && *byte != b' ').unwrap_or(rest.len());
                std::str::from_utf8(&rest[..length]).ok()
            })?;
            let (version, rest) = text.split_once(middle)?;
            let (protocol, _) = rest.split_once(end)?;
            let is_version = (1..=LONGEST).contains(&version.len()) && !version.contains(' ');
            Some(Self { version: version.to_owned(), protocol: protocol.parse().ok()? }).filter(|_| is_version)
        };
        starts.map(|(start, _)| start + begin.len()).find_map(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_programs_stamp_is_true() {
        assert_eq!(Stamp::own(), Stamp { version: env!("CARGO_PKG_VERSION").to_owned(), protocol: super::super::PROTOCOL });
        assert_eq!(OWN, format!("{}{}{}{}{}", MARKS[0], env!("CARGO_PKG_VERSION"), MARKS[1], super::super::PROTOCOL, MARKS[2]));
    }

    #[test]
    fn a_stamp_is_found_among_other_bytes_and_parts_of_one_are_none() {
        let mut bytes = b"\x7fELF [hf2ms program ; [hf2ms program  protocol ] [hf2ms program 1 2 protocol 3]\0".to_vec();
        assert_eq!(Stamp::find(&bytes), None);
        bytes.extend_from_slice(b"\xff[hf2ms program 1.2.3 protocol 7]more\0[hf2ms program 9 protocol 9]");
        assert_eq!(Stamp::find(&bytes), Some(Stamp { version: "1.2.3".to_owned(), protocol: 7 }));
        assert_eq!(Stamp::find(b"[hf2ms program 1.2.3 protocol x]"), None);
        assert_eq!(Stamp::find(b"[hf2ms program 1.2.3 proto"), None);
        assert_eq!(Stamp::find(b""), None);
    }
}
