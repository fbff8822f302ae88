//! Lines out of pieces that begin and end anywhere.

/// A line without an end is given out at this length.
const LONGEST: usize = 64 << 10;

/// Holds the line that has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    partial: Vec<u8>,
}

impl Assembler {
    /// Takes a piece; gives the lines that end in it, each with the bytes it took, its end included.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Vec<(String, u64)> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let room = LONGEST - self.partial.len();
            let end = bytes.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len().min(room), |at| at + 1);
            self.partial.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if end.is_some() || self.partial.len() == LONGEST {
                lines.extend(self.finish());
            }
        }
        lines
    }

    /// What is held, as a line; nothing when nothing is.
    pub(super) fn finish(&mut self) -> Option<(String, u64)> {
        let bytes = std::mem::take(&mut self.partial);
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        (!bytes.is_empty()).then(|| (String::from_utf8_lossy(text).into_owned(), bytes.len() as u64))
    }

    /// Whether a line is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.partial.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "{\"seq\":1}\n\n{\"é\":2}\nlast".as_bytes();
        for size in 1..=text.len() {
            let mut assembler = Assembler::default();
            let mut lines: Vec<_> = text.chunks(size).flat_map(|piece| assembler.push(piece)).collect();
            lines.extend(assembler.finish());
            let expected = [("{\"seq\":1}", 10), ("", 1), ("{\"é\":2}", 9), ("last", 4)];
            assert_eq!(lines, expected.map(|(line, bytes)| (line.to_owned(), bytes)), "cut by {size}");
            assert!(assembler.is_empty());
        }
    }

    #[test]
    fn a_line_without_end_does_not_grow_without_end() {
        let mut assembler = Assembler::default();
        let lines = assembler.push(&vec![b'x'; 3 * LONGEST + 5]);
        assert_eq!(lines.iter().map(|(line, _)| line.len()).collect::<Vec<_>>(), [LONGEST; 3]);
        assert_eq!(assembler.finish(), Some(("xxxxx".to_owned(), 5)));
        assert_eq!(assembler.finish(), None);
    }
}
