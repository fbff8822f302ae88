//! Repositories by the sizes of their files.

use hf2ms::plan::shard::Blob;
use hf2ms::repo::Sha256;

/// Numbers without a pattern, the same each time.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 up to 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Blobs of these sizes.
pub(crate) fn blobs(sizes: impl IntoIterator<Item = u64>) -> Vec<Blob> {
    sizes.into_iter().zip(0_u32..).map(|(size, place)| Blob { place, size, sha256: Sha256::of(&place.to_le_bytes()) }).collect()
}

/// So many files, most of them small, a few up to `largest`: sizes spread evenly over their orders of magnitude.
pub(crate) fn mixed(files: usize, smallest: u64, largest: u64) -> Vec<u64> {
    let mut seeded = Seeded::new(7);
    let span = (largest as f64 / smallest as f64).ln();
    (0..files).map(|_| (smallest as f64 * (span * seeded.part()).exp()) as u64).collect()
}
