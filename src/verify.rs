//! What should be there against what is there. Pure: no I/O.

use crate::repo::{FileEntry, Manifest, RepoPath};

/// Two listings, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Same size and same digest of a common kind.
    pub matched: Vec<RepoPath>,
    /// Another size or digest.
    pub differing: Vec<RepoPath>,
    /// Not listed.
    pub missing: Vec<RepoPath>,
    /// Listed, but without a digest of a kind that is known of the source.
    pub incomparable: Vec<RepoPath>,
    /// Listed, not expected.
    pub extra: Vec<RepoPath>,
}

impl Verification {
    /// Whether every expected file is there with the expected content.
    pub fn is_complete(&self) -> bool {
        self.differing.is_empty() && self.missing.is_empty() && self.incomparable.is_empty()
    }
}

/// Compares what is expected with a listing. `.gitattributes` belongs to each hub and is never extra.
pub fn verify<'a>(expected: impl IntoIterator<Item = &'a FileEntry>, found: &Manifest) -> Verification {
    let mut verification = Verification::default();
    let mut known = std::collections::HashSet::new();
    for file in expected {
        known.insert(&file.path);
        let list = match found.file(&file.path) {
            None => &mut verification.missing,
            Some(there) if there.size != file.size => &mut verification.differing,
            Some(there) => match there.digests.same(&file.digests) {
                Some(true) => &mut verification.matched,
                Some(false) => &mut verification.differing,
                None => &mut verification.incomparable,
            },
        };
        list.push(file.path.clone());
    }
    let extra = found.files.iter().filter(|file| !known.contains(&file.path) && !file.path.is_git_attributes());
    verification.extra = extra.map(|file| file.path.clone()).collect();
    verification
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{Digests, Platform, RepoRef, RepoType, Visibility};

    fn file(path: &str, content: &[u8], digests: Digests) -> FileEntry {
        FileEntry { path: RepoPath::new(path).unwrap(), size: content.len() as u64, digests, lfs: false, read_at: None, hubs_own: false }
    }

    #[test]
    fn every_way_to_be_wrong_has_its_own_list() {
        let both = |content: &[u8]| Digests::of(content);
        let sha256 = |content: &[u8]| Digests { git_sha1: None, ..Digests::of(content) };
        let git = |content: &[u8]| Digests { sha256: None, ..Digests::of(content) };
        let expected = [
            file("dropped", b"a", both(b"a")),
            file("other-bytes", b"a", both(b"a")),
            file("other-size", b"a", both(b"a")),
            file("right", b"a", both(b"a")),
            file("unknown", b"a", git(b"a")),
        ];
        let found = Manifest {
            repo: RepoRef::new(Platform::ModelScope, RepoType::Model, "alice/bert".parse().unwrap()),
            commit: None,
            revision: "master".to_owned(),
            visibility: Visibility::Public,
            files: vec![
                file(".gitattributes", b"x", sha256(b"x")),
                file("extra", b"x", sha256(b"x")),
                file("other-bytes", b"b", sha256(b"b")),
                file("other-size", b"ab", sha256(b"ab")),
                file("right", b"a", sha256(b"a")),
                file("unknown", b"a", sha256(b"a")),
            ],
        };
        let names = |paths: &[RepoPath]| paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
        let verification = verify(&expected, &found);
        assert_eq!(names(&verification.matched), ["right"]);
        assert_eq!(names(&verification.differing), ["other-bytes", "other-size"]);
        assert_eq!(names(&verification.missing), ["dropped"]);
        assert_eq!(names(&verification.incomparable), ["unknown"]);
        assert_eq!(names(&verification.extra), ["extra"]);
        assert!(!verification.is_complete());
    }
}
