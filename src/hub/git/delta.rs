//! An object as what is different from another one: copies from its base, and bytes that are new.

use super::pack::{LARGEST, cut, next, odd};
use crate::error::Result;

/// Makes an object from its base and what is different.
pub(super) fn apply(base: &[u8], difference: &[u8]) -> Result<Vec<u8>> {
    let mut at = 0;
    let from = read_size(difference, &mut at)?;
    let size = read_size(difference, &mut at)?;
    if from != base.len() as u64 || size > LARGEST {
        return Err(odd("a difference in the pack is of another object"));
    }
    let mut content = Vec::with_capacity(size as usize);
    while at < difference.len() {
        let command = next(difference, &mut at)?;
        if command & 0x80 != 0 {
            let mut number = |bits: std::ops::Range<u8>| -> Result<usize> {
                let start = bits.start;
                bits.filter(|bit| command & 1 << bit != 0)
                    .try_fold(0, |number, bit| Ok(number | usize::from(next(difference, &mut at)?) << (8 * (bit - start))))
            };
            let (start, length) = (number(0..4)?, number(4..7)?);
            let length = if length == 0 { 0x10000 } else { length };
            content.extend_from_slice(base.get(start..start + length).ok_or_else(cut)?);
        } else if command > 0 {
            let end = at + usize::from(command);
            content.extend_from_slice(difference.get(at..end).ok_or_else(cut)?);
            at = end;
        } else {
            return Err(odd("a difference in the pack is not understood"));
        }
        if content.len() as u64 > size {
            break;
        }
    }
    if content.len() as u64 == size { Ok(content) } else { Err(odd("a difference in the pack makes another length than it says")) }
}

fn read_size(bytes: &[u8], at: &mut usize) -> Result<u64> {
    let (mut size, mut shift) = (0, 0);
    loop {
        let byte = next(bytes, at)?;
        size |= u64::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 57).ok_or_else(|| odd("a size that no object has"))?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Ok(size);
        }
    }
}
