//! Programs that run in a sandbox and are no hf2ms: a few words of a machine, as a file.

/// What ends at once with this exit code, in machine words of x86_64.
pub const EXITS: [u8; 12] = [0xbf, 3, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
/// The same with 0: it did its work, whatever that was.
pub const EXITS_WELL: [u8; 12] = [0xbf, 0, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
/// What waits for a signal, for ever.
pub const WAITS: [u8; 9] = [0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];

/// A program of these machine words, with what an hf2ms says of itself in its file.
pub fn program(code: &[u8]) -> Vec<u8> {
    let stamp = format!("[hf2ms program {} protocol 2]", env!("CARGO_PKG_VERSION"));
    [elf(code), stamp.into_bytes()].concat()
}

/// The smallest static program for x86_64 Linux.
pub fn elf(code: &[u8]) -> Vec<u8> {
    const AT: u64 = 0x40_0000;
    let size = 64 + 56 + code.len() as u64;
    let words = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    // the first instruction, the table of segments, no table of sections
    bytes.extend(words(&[AT + 120, 64, 0]));
    bytes.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // one segment to load, to read and to execute
    bytes.extend_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    bytes.extend(words(&[0, AT, AT, size, size, 0x1000]));
    bytes.extend_from_slice(code);
    bytes
}
