//! What a sandbox prints: by byte for the router, by entry for the logs.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::SystemTime;

use tokio::sync::watch;

/// Where something was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

impl Channel {
    /// By the numbers of the control plane.
    pub(super) fn of_logs(number: i32) -> Option<Self> {
        [None, Some(Self::Stdout), Some(Self::Stderr)].get(usize::try_from(number).ok()?).copied().flatten()
    }

    /// By the numbers of the router.
    pub(super) fn of_router(number: i32) -> Option<Self> {
        Self::of_logs(number.checked_add(1)?)
    }

    pub(super) fn number_in_logs(self) -> i32 {
        if self == Self::Stdout { 1 } else { 2 }
    }
}

/// One entry of the logs. Where it was cut has nothing to do with lines.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) channel: Channel,
    pub(super) at: SystemTime,
    pub(super) data: String,
}

/// What a reader at an offset gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes, the first of them at this offset: a later one than was asked for when older bytes were dropped.
    Bytes(u64, Vec<u8>),
    /// Nothing yet.
    Wait,
    /// Nothing any more.
    End,
}

#[derive(Debug, Default)]
struct Tape {
    dropped: u64,
    bytes: VecDeque<u8>,
    /// The start of a character whose rest has not come.
    broken: Vec<u8>,
}

#[derive(Debug, Default)]
struct Inner {
    stdout: Tape,
    stderr: Tape,
    log: Vec<Entry>,
    ended: bool,
}

impl Inner {
    fn tape(&mut self, channel: Channel) -> &mut Tape {
        if channel == Channel::Stdout { &mut self.stdout } else { &mut self.stderr }
    }
}

/// Everything that one sandbox has printed.
#[derive(Debug)]
pub(super) struct Output {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Default for Output {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Output {
    /// Adds what was printed. Keeps the last `kept` bytes for the router, if that is given.
    pub(super) fn push(&self, channel: Channel, chunk: &[u8], kept: Option<u64>) {
        let mut inner = self.inner.lock().unwrap();
        let tape = inner.tape(channel);
        tape.bytes.extend(chunk);
        let excess = kept.map_or(0, |kept| (tape.bytes.len() as u64).saturating_sub(kept));
        tape.forget(excess);
        let text = tape.text(chunk);
        if !text.is_empty() {
            inner.log.push(Entry { channel, at: SystemTime::now(), data: text });
        }
        drop(inner);
        self.notify();
    }

    /// Adds the empty entry that logs begin with.
    pub(super) fn begin(&self) {
        self.inner.lock().unwrap().log.push(Entry { channel: Channel::Stdout, at: SystemTime::now(), data: String::new() });
        self.notify();
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.inner.lock().unwrap().ended = true;
        self.notify();
    }

    /// Drops bytes from the front until so many are left.
    pub(super) fn keep(&self, channel: Channel, kept: u64) {
        let mut inner = self.inner.lock().unwrap();
        let tape = inner.tape(channel);
        let excess = (tape.bytes.len() as u64).saturating_sub(kept);
        tape.forget(excess);
    }

    /// How many bytes were printed, those dropped since included.
    pub(super) fn printed(&self, channel: Channel) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        let tape = inner.tape(channel);
        tape.dropped + tape.bytes.len() as u64
    }

    /// What is still kept.
    pub(super) fn bytes(&self, channel: Channel) -> Vec<u8> {
        self.inner.lock().unwrap().tape(channel).bytes.iter().copied().collect()
    }

    /// What comes at an offset, at most so much of it.
    pub(super) fn read(&self, channel: Channel, offset: u64, most: usize) -> Piece {
        let mut inner = self.inner.lock().unwrap();
        let ended = inner.ended;
        let tape = inner.tape(channel);
        let from = offset.max(tape.dropped);
        let skip = usize::try_from(from - tape.dropped).unwrap_or(usize::MAX);
        let bytes: Vec<u8> = tape.bytes.iter().skip(skip).take(most).copied().collect();
        match (bytes.is_empty(), ended) {
            (false, _) => Piece::Bytes(from, bytes),
            (true, true) => Piece::End,
            (true, false) => Piece::Wait,
        }
    }

    /// The entries from this number on, of all channels, each with the number that follows it; and whether more may come.
    pub(super) fn entries(&self, from: usize) -> (Vec<(usize, Entry)>, bool) {
        let inner = self.inner.lock().unwrap();
        let numbered = inner.log.iter().cloned().enumerate().skip(from).map(|(number, entry)| (number + 1, entry));
        (numbered.collect(), !inner.ended)
    }

    /// Hears of every change from now on.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn notify(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Tape {
    fn forget(&mut self, bytes: u64) {
        self.bytes.drain(..bytes as usize);
        self.dropped += bytes;
    }

    /// The text in a chunk: whole characters only, the rest waits for what follows.
    fn text(&mut self, chunk: &[u8]) -> String {
        let bytes = [std::mem::take(&mut self.broken).as_slice(), chunk].concat();
        let whole = match std::str::from_utf8(&bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        self.broken = bytes[whole..].to_vec();
        String::from_utf8_lossy(&bytes[..whole]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_told_where_the_kept_bytes_begin() {
        let output = Output::default();
        output.push(Channel::Stdout, b"0123456789", Some(4));
        assert_eq!(output.read(Channel::Stdout, 0, 3), Piece::Bytes(6, b"678".to_vec()));
        assert_eq!(output.read(Channel::Stdout, 10, 3), Piece::Wait);
        output.end();
        assert_eq!(output.read(Channel::Stdout, 10, 3), Piece::End);
        assert_eq!(output.printed(Channel::Stdout), 10);
    }

    #[test]
    fn a_character_in_two_chunks_is_one_in_the_logs() {
        let output = Output::default();
        output.push(Channel::Stdout, &"ü".as_bytes()[..1], None);
        output.push(Channel::Stdout, &"ü".as_bytes()[1..], None);
        let (entries, _) = output.entries(0);
        assert_eq!(entries.iter().map(|(_, entry)| entry.data.as_str()).collect::<String>(), "ü");
    }
}
