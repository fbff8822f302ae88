//! The bytes of a file: kept in memory, or generated from a seed so that a terabyte costs nothing.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use bytes::{Bytes, BytesMut};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// Generated contents repeat one random block of this size, each repetition stamped with its index.
const BLOCK: u64 = 1 << 20;
/// Only the stamped head of a block is ever copied; the rest of it is shared.
const HEAD: u64 = 64 << 10;
/// The longest chunk that [`Content::range`] yields.
const CHUNK: usize = 256 << 10;

/// Generated contents by sha256, so that bytes one stand-in generated can be served by the other without being kept.
static GENERATED: LazyLock<Mutex<HashMap<String, Content>>> = LazyLock::new(Mutex::default);

/// Immutable bytes of known length. Cloning is cheap; digests are computed once, when first asked for.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    kind: Kind,
    len: u64,
    sha256: OnceLock<String>,
    git_sha1: OnceLock<String>,
}

enum Kind {
    /// Pieces in order, each with the offset of its first byte.
    Pieces(Vec<(u64, Bytes)>),
    /// From this seed, with the unstamped block, at most [`BLOCK`] long, once it is needed.
    Generated(u64, OnceLock<Bytes>),
}

impl Content {
    /// The given bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::pieces(vec![bytes.into()])
    }

    /// The given pieces, one after the other.
    pub fn pieces(pieces: Vec<Bytes>) -> Self {
        let mut len = 0;
        let mut placed = Vec::with_capacity(pieces.len());
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            let start = len;
            len += piece.len() as u64;
            placed.push((start, piece));
        }
        Self::new(Kind::Pieces(placed), len)
    }

    /// `size` pseudo-random bytes. The same seed and size give the same bytes; nothing but one block is kept in memory.
    pub fn generated(seed: u64, size: u64) -> Self {
        Self::new(Kind::Generated(seed, OnceLock::new()), size)
    }

    /// The same, with digests that are made up: for contents so large that hashing them takes minutes. Nothing that reads them whole
    /// may believe them.
    pub fn claimed(seed: u64, size: u64) -> Self {
        let content = Self::generated(seed, size);
        let name = format!("{seed} {size}");
        let _unset = content.0.sha256.set(hex::encode(Sha256::digest(&name)));
        let _unset = content.0.git_sha1.set(hex::encode(Sha1::digest(&name)));
        content
    }

    fn new(kind: Kind, len: u64) -> Self {
        Self(Arc::new(Inner { kind, len, sha256: OnceLock::new(), git_sha1: OnceLock::new() }))
    }

    /// The generated content with this sha256, if this process has generated and hashed one.
    pub fn find_generated(sha256: &str) -> Option<Self> {
        GENERATED.lock().unwrap().get(sha256).cloned()
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The bytes from `at` on: at least one and at most `max`, or none at the end.
    pub fn read(&self, at: u64, max: usize) -> Bytes {
        if at >= self.0.len || max == 0 {
            return Bytes::new();
        }
        let wanted = (max as u64).min(self.0.len - at);
        match &self.0.kind {
            Kind::Pieces(pieces) => {
                let index = pieces.partition_point(|(start, _)| *start <= at) - 1;
                let (start, piece) = &pieces[index];
                let from = (at - start) as usize;
                piece.slice(from..piece.len().min(from + wanted as usize))
            }
            Kind::Generated(seed, block) => {
                let block = block.get_or_init(|| random_block(*seed, self.0.len.min(BLOCK) as usize));
                read_generated(block, at, wanted)
            }
        }
    }

    /// The bytes of a range, chunk by chunk. A range past the end is cut off there.
    pub fn range(&self, range: Range<u64>) -> Chunks {
        Chunks { content: self.clone(), at: range.start, end: range.end.min(self.0.len) }
    }

    /// All bytes in one piece. For small contents.
    pub fn to_bytes(&self) -> Bytes {
        if let Kind::Pieces(pieces) = &self.0.kind
            && let [(_, only)] = pieces.as_slice()
        {
            return only.clone();
        }
        let mut all = BytesMut::with_capacity(self.0.len as usize);
        self.range(0..self.0.len).for_each(|chunk| all.extend_from_slice(&chunk));
        all.freeze()
    }

    /// Whether these bytes are in it at this offset.
    pub fn has(&self, at: u64, bytes: &[u8]) -> bool {
        let mut compared = 0;
        while compared < bytes.len() {
            let own = self.read(at + compared as u64, bytes.len() - compared);
            if own.is_empty() || own[..] != bytes[compared..compared + own.len()] {
                return false;
            }
            compared += own.len();
        }
        true
    }

    /// The SHA-256 of the bytes, in hex.
    pub fn sha256(&self) -> &str {
        let first_time = self.0.sha256.get().is_none();
        let hash = self.0.sha256.get_or_init(|| {
            let mut hasher = Sha256::new();
            self.range(0..self.0.len).for_each(|chunk| hasher.update(&chunk));
            hex::encode(hasher.finalize())
        });
        if first_time && matches!(self.0.kind, Kind::Generated(..)) {
            GENERATED.lock().unwrap().insert(hash.clone(), self.clone());
        }
        hash
    }

    /// The git blob id: SHA-1 of `"blob " + size + NUL + bytes`, in hex.
    pub fn git_sha1(&self) -> &str {
        self.0.git_sha1.get_or_init(|| {
            let mut hasher = Sha1::new();
            hasher.update(format!("blob {}\0", self.0.len).as_bytes());
            self.range(0..self.0.len).for_each(|chunk| hasher.update(&chunk));
            hex::encode(hasher.finalize())
        })
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0.kind {
            Kind::Pieces(_) => "bytes",
            Kind::Generated(..) => "generated",
        };
        write!(f, "Content({kind}, {} bytes)", self.0.len)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::bytes(bytes)
    }
}

/// The chunks of a range of a [`Content`].
#[derive(Debug)]
pub struct Chunks {
    content: Content,
    at: u64,
    end: u64,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let max = CHUNK.min(self.end.saturating_sub(self.at) as usize);
        let chunk = self.content.read(self.at, max);
        self.at += chunk.len() as u64;
        (!chunk.is_empty()).then_some(chunk)
    }
}

fn read_generated(block: &Bytes, at: u64, wanted: u64) -> Bytes {
    let (index, offset) = (at / BLOCK, at % BLOCK);
    if offset >= HEAD {
        return block.slice(offset as usize..(offset + wanted).min(BLOCK) as usize);
    }
    let end = (offset + wanted).min(HEAD).min(block.len() as u64);
    let mut head = BytesMut::from(&block[offset as usize..end as usize]);
    for (place, byte) in index.to_le_bytes().into_iter().enumerate().skip(offset as usize) {
        if let Some(stamped) = head.get_mut(place - offset as usize) {
            *stamped ^= byte;
        }
    }
    head.freeze()
}

/// SplitMix64 over the seed: well mixed, not compressible, and the same on every machine.
fn random_block(seed: u64, size: usize) -> Bytes {
    let mut state = seed;
    let mut block = Vec::with_capacity(size + 8);
    while block.len() < size {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        block.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    block.truncate(size);
    block.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_of_a_generated_content_is_that_part_of_the_whole() {
        let content = Content::generated(7, 3 * BLOCK + 12_345);
        let whole = content.to_bytes();
        for range in [0..10, 3..9, BLOCK - 3..BLOCK + 5, HEAD - 1..HEAD + 1, 2 * BLOCK + 4..3 * BLOCK + 12_345] {
            let part: Vec<u8> = content.range(range.clone()).flatten().collect();
            assert_eq!(part, whole[range.start as usize..range.end as usize], "{range:?}");
        }
        assert_ne!(whole[..8], whole[BLOCK as usize..BLOCK as usize + 8], "blocks carry their index");
    }

    #[test]
    fn digests_are_those_of_git_and_sha256sum() {
        let content = Content::from("hello\n");
        assert_eq!(content.git_sha1(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(content.sha256(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert_eq!(Content::from("").git_sha1(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }

    #[test]
    fn pieces_read_as_one() {
        let content = Content::pieces(vec!["abc".into(), "".into(), "defg".into()]);
        assert_eq!(content.len(), 7);
        assert_eq!(content.to_bytes(), "abcdefg");
        assert_eq!(content.range(2..5).flatten().collect::<Vec<u8>>(), b"cde");
    }

    #[test]
    fn a_claimed_content_is_made_of_the_same_bytes_under_another_digest() {
        let (claimed, honest) = (Content::claimed(3, 5_000), Content::generated(3, 5_000));
        assert_eq!(claimed.to_bytes(), honest.to_bytes());
        assert_ne!(claimed.sha256(), honest.sha256());
        assert_eq!(claimed.sha256(), Content::claimed(3, 5_000).sha256());
    }

    #[test]
    fn a_hashed_generated_content_can_be_found_again() {
        let content = Content::generated(99, 5_000);
        assert_eq!(Content::find_generated(content.sha256()).unwrap().to_bytes(), content.to_bytes());
    }
}
