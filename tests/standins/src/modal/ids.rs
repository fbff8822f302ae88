//! Names of objects: a prefix and letters that nobody can guess from the one before.

use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What follows the prefix of most ids.
const LENGTH: usize = 22;
/// What follows the prefix of a V2 sandbox: any other length than a V1 sandbox has.
const V2_LENGTH: usize = 26;
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes ids, each once.
#[derive(Debug, Default)]
pub(super) struct Ids(AtomicU64);

impl Ids {
    /// An id such as `ap-0aB…`.
    pub(super) fn make(&self, prefix: &str) -> String {
        self.of_length(prefix, LENGTH)
    }

    /// The id of a V2 sandbox, told from a V1 sandbox's by its length.
    pub(super) fn v2_sandbox(&self) -> String {
        self.of_length("sb", V2_LENGTH)
    }

    fn of_length(&self, prefix: &str, length: usize) -> String {
        let number = self.0.fetch_add(1, Relaxed);
        let digest = Sha256::digest(format!("{} {number}", std::process::id()));
        let letters = digest.iter().take(length).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        format!("{prefix}-{}", letters.collect::<String>())
    }
}

/// Whether a sandbox's id is one of the first generation: `sb-` and exactly 22 letters or digits.
pub(super) fn is_v1_sandbox(id: &str) -> bool {
    id.strip_prefix("sb-").is_some_and(|rest| rest.len() == LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether a text may be the name of an app or a sandbox.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether a text may be the key or the value of a tag.
pub(super) fn is_tag(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Whether a text has the shape of an app's id.
pub(super) fn is_app_id(text: &str) -> bool {
    text.strip_prefix("ap-").is_some_and(|rest| rest.len() == LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_shows_in_the_id() {
        let ids = Ids::default();
        assert!(is_v1_sandbox(&ids.make("sb")) && !is_v1_sandbox(&ids.v2_sandbox()));
        assert_ne!(ids.make("sb"), ids.make("sb"));
    }
}
