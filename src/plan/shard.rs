//! Cuts what is to be carried into shards: the shares of a plan that one container carries each.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::rates::FILE_WEIGHT;
use crate::protocol::Places;
use crate::repo::{FileEntry, RepoPath, Sha256};

/// A content to carry, once, under whichever path comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    /// Which file of the listing has it.
    pub place: u32,
    /// Its bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: Sha256,
}

impl Blob {
    /// What it takes to carry, in bytes: its own, and those that could have been moved while its calls are made.
    pub fn weight(&self) -> u64 {
        self.size + FILE_WEIGHT
    }
}

/// What one container carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Counts from 0.
    pub number: u32,
    /// Its blobs, largest first. Never none.
    pub blobs: Vec<Blob>,
}

impl Shard {
    /// Its bytes.
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.size).sum()
    }

    /// What it takes to carry, in bytes.
    pub fn weight(&self) -> u64 {
        self.blobs.iter().map(Blob::weight).sum()
    }

    /// Its blobs as a job names them.
    pub fn places(&self) -> Places {
        places(&self.blobs)
    }
}

/// Blobs as a job names them: by the places of their files in the listing.
pub fn places(blobs: &[Blob]) -> Places {
    blobs.iter().map(|blob| blob.place).collect()
}

/// The contents that workers carry, each once: those of the files that `goes` takes and that have bytes and a sha256. All else is the
/// conductor's.
///
/// `files` is the listing of the pinned source, whole, in the order of its paths, so that a place means the same to whoever lists that
/// commit. What the destination holds must have no say in `goes`: a second conductor has to come to the same shards as the first.
pub fn blobs(files: &[FileEntry], goes: impl Fn(&FileEntry) -> bool) -> Vec<Blob> {
    let mut first: HashMap<Sha256, (&RepoPath, Blob)> = HashMap::new();
    for (place, file) in files.iter().enumerate().filter(|(_, file)| file.size > 0 && goes(file)) {
        let (Some(sha256), Ok(place)) = (file.digests.sha256, u32::try_from(place)) else { continue };
        let blob = Blob { place, size: file.size, sha256 };
        first.entry(sha256).and_modify(|known| *known = (*known).min((&file.path, blob))).or_insert((&file.path, blob));
    }
    let mut blobs: Vec<_> = first.into_values().map(|(_, blob)| blob).collect();
    in_order(&mut blobs);
    blobs
}

/// Cuts into as many shards, fewer where there are not as many blobs. The same blobs give the same shards, however they are ordered.
pub fn cut(blobs: Vec<Blob>, count: u32) -> Vec<Shard> {
    deal(blobs, count).into_iter().zip(0..).map(|(blobs, number)| Shard { number, blobs }).collect()
}

/// Deals blobs out, largest first, each to whom has least to carry so far: no share is heavier than another by more than one blob.
pub fn deal(mut blobs: Vec<Blob>, count: u32) -> Vec<Vec<Blob>> {
    let count = blobs.len().min(usize::try_from(count.max(1)).unwrap_or(usize::MAX));
    in_order(&mut blobs);
    let mut shares = vec![Vec::new(); count];
    let mut least: BinaryHeap<_> = (0..count).map(|share| Reverse((0, share))).collect();
    for blob in blobs {
        let Some(Reverse((weight, share))) = least.pop() else { break };
        shares[share].push(blob);
        least.push(Reverse((weight + blob.weight(), share)));
    }
    shares
}

/// Largest first; of the same size, by digest, because that order is nobody's choice.
fn in_order(blobs: &mut [Blob]) {
    blobs.sort_unstable_by_key(|blob| (Reverse(blob.size), blob.sha256));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::Digests;

    fn file(path: &str, size: u64, sha256: Option<&[u8]>) -> FileEntry {
        let digests = Digests { sha256: sha256.map(Sha256::of), git_sha1: None };
        FileEntry { path: RepoPath::new(path).unwrap(), size, digests, lfs: true, read_at: None, hubs_own: false }
    }

    #[test]
    fn each_content_is_carried_once_and_what_has_no_digest_or_no_bytes_is_the_conductors() {
        let files = [
            file("a", 5, Some(b"x")),
            file("b", 9, None),
            file("c", 0, Some(b"")),
            file("d", 5, Some(b"x")),
            file("e", 7, Some(b"y")),
            file("f", 8, Some(b"z")),
        ];
        let blobs = blobs(&files, |file| file.path.as_str() != "f");
        assert_eq!(blobs.iter().map(|blob| (blob.place, blob.size)).collect::<Vec<_>>(), [(4, 7), (0, 5)]);
    }

    #[test]
    fn the_largest_goes_first_and_each_to_whom_has_least() {
        let sizes = [90, 70, 40, 30, 20].map(|size| size * 1_000_000_000);
        let files: Vec<_> = (0..5).map(|i| file(&format!("{i}"), sizes[i], Some(&[i as u8]))).collect();
        let shards = cut(blobs(&files, |_| true), 2);
        let places: Vec<Vec<_>> = shards.iter().map(|shard| shard.blobs.iter().map(|blob| blob.place).collect()).collect();
        assert_eq!(places, [vec![0, 3], vec![1, 2, 4]]);
        assert_eq!(cut(blobs(&files, |_| true), 9).len(), 5);
        assert_eq!(cut(Vec::new(), 9), []);
    }

    #[test]
    fn a_hundred_thousand_small_files_are_dealt_out_by_their_number_and_named_in_few_bytes() {
        let blobs = (0..100_000_u32).map(|i| Blob { place: i, size: 10 + u64::from(i % 7), sha256: Sha256::of(&i.to_le_bytes()) });
        let shards = cut(blobs.collect(), 99);
        assert!(shards.iter().all(|shard| shard.blobs.len().abs_diff(1010) <= 1));
        let longest = shards.iter().map(|shard| String::from(shard.places()).len()).max().unwrap();
        assert!(longest < 4_096, "{longest}");
    }
}
