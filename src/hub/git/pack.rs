//! A pack in memory: the objects of one commit as a git server sends them (git's `gitformat-pack`).
//!
//! Only the pack itself is held, compressed as it came, and where each object of it lies. An object is unpacked when it is asked for.

use std::collections::HashMap;

use miniz_oxide::inflate::stream::{self, InflateState};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};
use sha1::{Digest, Sha1};

use super::delta;
use crate::error::{Error, ErrorKind, Result};
use crate::repo::GitSha1;

/// The pack's own digest ends it.
const TRAILER: usize = 20;
/// No object of a pack is larger: hubs keep such files outside git (facts, huggingface §3 "Sizes", modelscope §3.5).
pub(super) const LARGEST: u64 = 128 << 20;
/// All objects together, unpacked: what takes hours to unpack is not sent by a hub.
const ALL: u64 = 16 << 30;
/// Git makes chains of 50 differences by default and of 4095 at most.
const LONGEST_CHAIN: usize = 4096;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

/// How an object is stored.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Whole(Kind),
    /// As what is different from another object of the pack, by its place in the list.
    Difference(usize),
}

struct Entry {
    stored: Stored,
    /// Where its compressed bytes begin.
    at: usize,
    /// How many bytes those unpack to.
    unpacked: u64,
}

/// What is known of an object without unpacking it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) kind: Kind,
    pub(super) size: u64,
    entry: usize,
}

/// Whether the pack's own digest, which ends it, is that of its bytes.
pub(super) fn is_as_made(bytes: &[u8]) -> bool {
    let (body, trailer) = bytes.split_at(bytes.len().saturating_sub(TRAILER));
    Sha1::digest(body).as_slice() == trailer
}

/// A pack whose every object was unpacked once and hashed.
pub(super) struct Pack {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    objects: HashMap<GitSha1, Known>,
}

impl Pack {
    /// Takes a pack as it came.
    ///
    /// Fails with `Corrupted` when its bytes are not those that the server made, and with `Protocol` when they are no pack, or one with
    /// objects that a hub would not keep in git.
    pub(super) fn new(bytes: Vec<u8>) -> Result<Self> {
        let body = bytes.get(..bytes.len().saturating_sub(TRAILER)).filter(|body| body.len() >= 12).ok_or_else(cut)?;
        if !is_as_made(&bytes) {
            return Err(Error::new(ErrorKind::Corrupted, "the bytes of the pack are not those the git server made"));
        }
        let [version, count] = [4, 8].map(|at| body[at..at + 4].iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)));
        if &body[..4] != b"PACK" || !matches!(version, 2 | 3) {
            return Err(odd("the answer is no pack"));
        }
        let (entries, wholes, bases) = read_entries(body, count)?;
        let mut pack = Self { bytes, entries, objects: wholes };
        pack.settle(bases)?;
        Ok(pack)
    }

    /// An object by its name.
    pub(super) fn known(&self, name: &GitSha1) -> Option<Known> {
        self.objects.get(name).copied()
    }

    /// Unpacks an object.
    pub(super) fn unpack(&self, known: Known) -> Result<Vec<u8>> {
        self.content(known.entry).map(|(_, content)| content)
    }

    /// Finds out what the objects are that are stored as differences: those first whose base is known.
    fn settle(&mut self, mut named: HashMap<usize, GitSha1>) -> Result<()> {
        let mut open: Vec<usize> =
            (0..self.entries.len()).filter(|index| matches!(self.entries[*index].stored, Stored::Difference(_))).collect();
        let mut total = 0;
        while !open.is_empty() {
            let before = open.len();
            let mut later = Vec::new();
            for index in open {
                if let Some(base) = named.get(&index) {
                    let Some(base) = self.objects.get(base) else {
                        later.push(index);
                        continue;
                    };
                    self.entries[index].stored = Stored::Difference(base.entry);
                    named.remove(&index);
                }
                if self.chain(index)?.iter().any(|link| named.contains_key(link)) {
                    later.push(index);
                    continue;
                }
                let (kind, content) = self.content(index)?;
                total += content.len() as u64;
                if total > ALL {
                    return Err(odd("the pack unpacks to more than a repository of a hub holds"));
                }
                self.objects.insert(name_of(kind, &content), Known { kind, size: content.len() as u64, entry: index });
            }
            open = later;
            if open.len() == before {
                return Err(odd("the pack builds on an object that it does not hold"));
            }
        }
        Ok(())
    }

    /// An object's entry and those it builds on, the whole one last.
    fn chain(&self, index: usize) -> Result<Vec<usize>> {
        let mut chain = vec![index];
        while let Some(Stored::Difference(base)) = chain.last().map(|last| self.entries[*last].stored) {
            if chain.len() > LONGEST_CHAIN {
                return Err(odd("an object of the pack builds on itself"));
            }
            chain.push(base);
            if base == usize::MAX {
                break;
            }
        }
        chain.retain(|link| *link != usize::MAX);
        Ok(chain)
    }

    fn content(&self, index: usize) -> Result<(Kind, Vec<u8>)> {
        let chain = self.chain(index)?;
        let mut links = chain.into_iter().rev();
        let whole = links.next().map(|link| &self.entries[link]);
        let Some(Entry { stored: Stored::Whole(kind), at, unpacked }) = whole else { return Err(odd("an object of the pack has no base")) };
        let mut content = inflate(&self.bytes[*at..], *unpacked)?.0;
        for link in links {
            let Entry { at, unpacked, .. } = &self.entries[link];
            content = delta::apply(&content, &inflate(&self.bytes[*at..], *unpacked)?.0)?;
        }
        Ok((*kind, content))
    }
}

type Read = (Vec<Entry>, HashMap<GitSha1, Known>, HashMap<usize, GitSha1>);

/// Goes through the pack once: where each object lies, the names of those that are whole, and the bases that are named by digest.
fn read_entries(body: &[u8], count: u32) -> Result<Read> {
    let (mut entries, mut wholes, mut named, mut at_offset) = (Vec::new(), HashMap::new(), HashMap::new(), HashMap::new());
    let (mut at, mut total) = (12, 0);
    for index in 0..count as usize {
        let offset = at;
        at_offset.insert(offset, index);
        let (kind, unpacked) = read_head(body, &mut at)?;
        total += unpacked;
        if unpacked > LARGEST || total > ALL {
            return Err(odd("an object in git is larger than a hub keeps there"));
        }
        let stored = match kind {
            1..=4 => Stored::Whole([Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag][usize::from(kind) - 1]),
            6 => {
                let back = read_offset(body, &mut at)?;
                let base = offset.checked_sub(back).and_then(|base| at_offset.get(&base)).filter(|base| **base != index);
                Stored::Difference(*base.ok_or_else(|| odd("an object of the pack builds on nothing"))?)
            }
            7 => {
                let name = body.get(at..at + 20).ok_or_else(cut)?;
                named.insert(index, hex::encode(name).parse()?);
                at += 20;
                Stored::Difference(usize::MAX)
            }
            _ => return Err(odd("the pack holds an object of an unknown kind")),
        };
        let (content, taken) = inflate(body.get(at..).ok_or_else(cut)?, unpacked)?;
        if let Stored::Whole(kind) = stored {
            wholes.insert(name_of(kind, &content), Known { kind, size: unpacked, entry: index });
        }
        entries.push(Entry { stored, at, unpacked });
        at += taken;
    }
    if at == body.len() { Ok((entries, wholes, named)) } else { Err(odd("the pack holds more than it says")) }
}

/// Kind and unpacked size.
fn read_head(body: &[u8], at: &mut usize) -> Result<(u8, u64)> {
    let first = next(body, at)?;
    let mut size = u64::from(first & 15);
    let (mut shift, mut byte) = (4, first);
    while byte & 0x80 != 0 {
        byte = next(body, at)?;
        size |= u64::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 57).ok_or_else(|| odd("a size that no object has"))?;
        shift += 7;
    }
    Ok((first >> 4 & 7, size))
}

/// How far before this object its base lies.
fn read_offset(body: &[u8], at: &mut usize) -> Result<usize> {
    let mut byte = next(body, at)?;
    let mut back = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = next(body, at)?;
        back = back.checked_add(1).and_then(|back| back.checked_mul(128)).ok_or_else(cut)? | usize::from(byte & 0x7f);
    }
    Ok(back)
}

pub(super) fn next(bytes: &[u8], at: &mut usize) -> Result<u8> {
    let byte = *bytes.get(*at).ok_or_else(cut)?;
    *at += 1;
    Ok(byte)
}

/// Unpacks so many bytes, and says how many packed ones they took.
fn inflate(packed: &[u8], size: u64) -> Result<(Vec<u8>, usize)> {
    // room for one more, so that one that is longer is seen
    let mut content = vec![0; size.min(LARGEST) as usize + 1];
    let mut state = InflateState::new_boxed(DataFormat::Zlib);
    let (mut read, mut written) = (0, 0);
    loop {
        let step = stream::inflate(&mut state, packed.get(read..).unwrap_or_default(), &mut content[written..], MZFlush::Finish);
        (read, written) = (read + step.bytes_consumed, written + step.bytes_written);
        match step.status {
            Ok(MZStatus::StreamEnd) if written as u64 == size => break,
            Ok(MZStatus::Ok) if step.bytes_consumed + step.bytes_written > 0 => {}
            Ok(_) | Err(MZError::Buf) => return Err(odd("an object of the pack is not as long as it says")),
            Err(_) => return Err(odd("the pack does not unpack")),
        }
    }
    content.truncate(written);
    Ok((content, read))
}

/// The name of an object is the digest of its kind, size and content.
fn name_of(kind: Kind, content: &[u8]) -> GitSha1 {
    if kind == Kind::Blob {
        return GitSha1::of(content);
    }
    GitSha1::of_object(kind.word(), content)
}

pub(super) fn odd(message: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, message)
}

pub(super) fn cut() -> Error {
    odd("the pack ends in the middle")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pack of these objects: kind, what follows the size, content.
    fn pack(objects: &[(u8, &[u8], &[u8])]) -> Vec<u8> {
        let mut bytes = b"PACK\0\0\0\x02".to_vec();
        bytes.extend((objects.len() as u32).to_be_bytes());
        for (kind, base, content) in objects {
            let mut size = content.len();
            let mut byte = kind << 4 | (size & 15) as u8;
            size >>= 4;
            while size > 0 {
                bytes.push(byte | 0x80);
                byte = (size & 0x7f) as u8;
                size >>= 7;
            }
            bytes.push(byte);
            bytes.extend(*base);
            bytes.extend(miniz_oxide::deflate::compress_to_vec_zlib(content, 6));
        }
        let digest = Sha1::digest(&bytes);
        bytes.extend(digest);
        bytes
    }

    fn digest(content: &[u8]) -> Vec<u8> {
        hex::decode(GitSha1::of(content).to_string()).unwrap()
    }

    /// "hello, world" from "hello": copy five, insert seven.
    const WORLD: &[u8] = b"\x05\x0c\x90\x05\x07, world";

    #[test]
    fn differences_are_applied_in_whatever_order_they_come() {
        let (one, two) = (digest(b"hello"), digest(b"hello, world"));
        // "hello, world!" from "hello, world"
        let third = b"\x0c\x0d\x90\x0c\x01!";
        let pack = Pack::new(pack(&[(7, &two, third), (7, &one, WORLD), (3, &[], b"hello")])).unwrap();
        for content in [&b"hello"[..], b"hello, world", b"hello, world!"] {
            let known = pack.known(&GitSha1::of(content)).unwrap();
            assert_eq!((known.kind, known.size), (Kind::Blob, content.len() as u64));
            assert_eq!(pack.unpack(known).unwrap(), content);
        }
        assert_eq!(pack.known(&GitSha1::of(b"other")), None);
    }

    #[test]
    fn a_base_may_be_named_by_its_place() {
        let bytes = pack(&[(3, &[], b"hello"), (3, &[], b"")]);
        // where the first entry ends is where the second began
        let length = bytes.len() - TRAILER - 12 - 9;
        let with = pack(&[(3, &[], b"hello"), (6, &[length as u8], WORLD)]);
        let pack = Pack::new(with).unwrap();
        assert!(pack.known(&GitSha1::of(b"hello, world")).is_some());
    }

    #[test]
    fn what_is_no_whole_pack_is_refused() {
        let good = pack(&[(3, &[], b"hello"), (7, &digest(b"hello"), WORLD)]);
        assert!(Pack::new(good.clone()).is_ok());
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            assert_eq!(Pack::new(flipped).err().map(|error| error.kind()), Some(ErrorKind::Corrupted), "byte {at}");
            assert!(Pack::new(good[..at].to_vec()).is_err(), "{at} bytes");
        }
        let refused = |objects: &[(u8, &[u8], &[u8])]| Pack::new(pack(objects)).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused(&[(7, &digest(b"absent"), WORLD)]).contains("does not hold"));
        assert!(refused(&[(6, &[0], WORLD)]).contains("builds on nothing"));
        assert!(refused(&[(5, &[], b"x")]).contains("unknown kind"));
        assert!(refused(&[(3, &[], b"other"), (7, &digest(b"other"), b"\x05\x0c\x90\x05\x07, wor")]).contains("middle"));
        assert!(refused(&[(3, &[], b"othe"), (7, &digest(b"othe"), WORLD)]).contains("another object"));
        assert!(refused(&[(3, &[], b"hello"), (7, &digest(b"hello"), b"\x05\x0c\x91\x09\x05\x07, world")]).contains("middle"));
        assert!(refused(&[(3, &[], b"hello"), (7, &digest(b"hello"), b"\x05\x0c\0")]).contains("not understood"));
        assert!(refused(&[(3, &[], b"hello"), (7, &digest(b"hello"), b"\x05\x0d\x90\x05\x07, world")]).contains("another length"));
    }
}
