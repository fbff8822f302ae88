//! Paths of files inside a repository.

use std::fmt::{self, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// What stays as it is in a URL path segment or query value (RFC 3986 "unreserved").
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path of a file in a repository: relative, with `/` between segments, none of them empty, `.` or `..`.
///
/// Git lets a name hold anything else, line ends and terminal escapes included: shown, such characters are escaped. Ordered by bytes, as
/// git and both hubs order their trees.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

impl RepoPath {
    /// Takes a path as a hub lists it.
    ///
    /// Fails with `Protocol` when it could name something outside the repository.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(Error::new(ErrorKind::Protocol, "a path that leaves the repository").with("path", format!("{text:?}")));
        }
        Ok(Self(text))
    }

    /// The path as it is, for a hub. People are shown the path itself, which escapes what a terminal would obey.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether it holds a character that is not text, such as a line end or the start of a terminal escape.
    pub fn holds_control_characters(&self) -> bool {
        self.0.chars().any(char::is_control)
    }

    /// Every segment percent-encoded, `/` kept.
    pub fn url_path(&self) -> String {
        self.0.split('/').map(|segment| utf8_percent_encode(segment, UNRESERVED).to_string()).collect::<Vec<_>>().join("/")
    }

    /// Whether a reader opens this first: the card, the configuration, a shard index. These go into the last commit.
    pub fn makes_loadable(&self) -> bool {
        matches!(self.as_str(), "README.md" | "config.json" | "configuration.json") || self.file_name().ends_with("index.json")
    }

    /// Whether the path is that of the repository's git attributes, which each hub writes itself. Those of a folder are a file like others.
    pub fn is_git_attributes(&self) -> bool {
        self.0 == ".gitattributes"
    }
}

/// Whether a terminal or a reader's eye would obey a character instead of showing it: control characters, ends of lines, and marks that
/// turn the direction of what follows.
pub fn is_obeyed(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Percent-encodes one path segment or query value, leaving nothing reserved.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

impl TryFrom<String> for RepoPath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match is_obeyed(character) {
            true => write!(f, "{}", character.escape_default()),
            false => f.write_char(character),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_encoded_segment_by_segment() {
        let path = RepoPath::new("a dir/ü#%,[v1]?.bin").unwrap();
        assert_eq!(path.url_path(), "a%20dir/%C3%BC%23%25%2C%5Bv1%5D%3F.bin");
    }

    #[test]
    fn a_path_stays_inside() {
        for text in ["", "/a", "a//b", "./a", "a/../b", "a/"] {
            assert!(RepoPath::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_escaped() {
        let path = RepoPath::new("ü 🤗/\u{1b}[2J\n\u{9b}\u{202e}x").unwrap();
        assert_eq!(path.to_string(), "ü 🤗/\\u{1b}[2J\\n\\u{9b}\\u{202e}x");
        assert!(path.holds_control_characters());
    }

    #[test]
    fn what_makes_a_repository_loadable_is_known() {
        for text in ["README.md", "config.json", "model.safetensors.index.json", "sub/x.index.json"] {
            assert!(RepoPath::new(text).unwrap().makes_loadable(), "{text}");
        }
        assert!(!RepoPath::new("sub/config.json").unwrap().makes_loadable());
    }
}
