//! Memory for parts that are held: pieces of one size that are used again, so that what the process ever held is what it held at once.
//!
//! An allocator keeps freed memory per thread, and parts are filled by one thread and freed by another: without the pool, peak memory
//! was measured at twice what is held.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Bytes of a piece. A chunk as it comes off a socket keeps a buffer alive that may be twice its size, so it is copied.
const SLAB: usize = 256 << 10;

/// Pieces that are free.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Mutex<Vec<Vec<u8>>>,
}

/// A piece; goes back to the pool when the last one who reads it is done.
struct Slab {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Slab {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

/// Copies chunks into pieces, for a part that is held.
pub(super) struct Slabs {
    pool: Arc<Pool>,
    filling: Option<Slab>,
}

impl Slabs {
    /// With pieces from `pool`.
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, filling: None }
    }

    /// Takes a chunk and gives what is full.
    pub(super) fn fill(&mut self, mut chunk: Bytes) -> Vec<Bytes> {
        let mut full = Vec::new();
        while !chunk.is_empty() {
            let mut slab = self.filling.take().unwrap_or_else(|| {
                let free = self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
                Slab { bytes: free.unwrap_or_else(|| Vec::with_capacity(SLAB)), pool: self.pool.clone() }
            });
            let room = SLAB - slab.bytes.len();
            slab.bytes.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
            if slab.bytes.len() == SLAB {
                full.push(Bytes::from_owner(slab));
            } else {
                self.filling = Some(slab);
            }
        }
        full
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.filling.take().map(Bytes::from_owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_together_are_the_chunks_and_are_used_again() {
        let pool = Arc::new(Pool::default());
        let whole: Vec<u8> = (0..700_000u32).map(|number| (number / 7) as u8).collect();
        for _round in 0..3 {
            let mut slabs = Slabs::new(pool.clone());
            let mut got = Vec::new();
            for chunk in whole.chunks(99_991) {
                slabs.fill(Bytes::copy_from_slice(chunk)).iter().for_each(|piece| got.extend_from_slice(piece));
            }
            got.extend_from_slice(&slabs.rest().unwrap());
            assert_eq!(got, whole);
        }
        assert!(pool.free.lock().unwrap().len() <= 2, "no more than a full one and the next were held");
    }
}
