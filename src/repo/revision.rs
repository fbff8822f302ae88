//! Names of revisions.

use crate::error::{Error, Result};

/// Takes a branch, a tag or a commit as git allows them to be called: git-check-ref-format(1), which also keeps a name from meaning
/// something else as a part of a URL's path, like `..`.
///
/// Fails with `Usage` naming the revision.
pub fn revision(text: &str) -> Result<String> {
    if is_revision(text) {
        return Ok(text.to_owned());
    }
    Err(Error::usage("no revision is called that", "name a branch, a tag or a commit, like `main` or `v1.0`")
        .with("revision", format!("{text:?}")))
}

fn is_revision(text: &str) -> bool {
    let taken = |character: char| character.is_whitespace() || super::is_obeyed(character) || "~^:?*[\\".contains(character);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    !text.chars().any(taken)
        && text.split('/').all(part)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && !text.starts_with('-')
        && text != "@"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_takes_is_a_revision() {
        for text in ["main", "v1.0", "refs/pr/1", "0123abcd", "feature/größe", "a@b", "x.y/z", "50%"] {
            assert_eq!(revision(text).unwrap(), text);
        }
    }

    #[test]
    fn what_git_does_not_take_is_none() {
        for text in [
            "",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.",
            "a.lock",
            "a.lock/b",
            "a b",
            "a\nb",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "@",
            "a@{1}",
            "-a",
            "a\u{202e}b",
        ] {
            assert!(revision(text).is_err(), "{text:?}");
        }
        let error = revision("a/../b").unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
        assert!(error.to_string().contains("a/../b"), "{error}");
    }
}
