//! Packet lines: how git frames what client and server say (git's `gitprotocol-common`, `gitprotocol-v2`).

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, ErrorKind, Result};

/// A line's head: its length in hex, itself included.
const HEAD: usize = 4;
/// The longest line that git sends.
const LONGEST: usize = 65_520;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// Bytes.
    Data(Bytes),
    /// The end of a section.
    Delimiter,
    /// The end of a message.
    Flush,
}

/// Frames of a stream of which some has come.
#[derive(Default)]
pub(super) struct Packets(BytesMut);

impl Packets {
    /// Takes the next bytes of the stream.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next frame, or `None` until more of it has come.
    ///
    /// Fails with `Protocol` when the bytes are no frame.
    pub(super) fn next(&mut self) -> Result<Option<Packet>> {
        let Some(head) = self.0.get(..HEAD) else { return Ok(None) };
        let length = std::str::from_utf8(head).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let packet = match length {
            Some(0) => Packet::Flush,
            Some(1) => Packet::Delimiter,
            // 0002, the end of an answer, is sent over connections that last; 3 is no length
            Some(length @ HEAD..=LONGEST) => {
                if self.0.len() < length {
                    return Ok(None);
                }
                let mut line = self.0.split_to(length);
                line.advance(HEAD);
                return Ok(Some(Packet::Data(line.freeze())));
            }
            _ => {
                return Err(Error::new(ErrorKind::Protocol, "the answer is not what a git server says").with("got", format!("{head:02x?}")));
            }
        };
        self.0.advance(HEAD);
        Ok(Some(packet))
    }

    /// Whether everything that came was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The frames of an answer that is whole.
///
/// Fails with `Protocol` when it ends inside a frame.
pub(super) fn all(bytes: &[u8]) -> Result<Vec<Packet>> {
    let mut packets = Packets::default();
    packets.push(bytes);
    let mut all = Vec::new();
    while let Some(packet) = packets.next()? {
        all.push(packet);
    }
    if packets.is_empty() { Ok(all) } else { Err(Error::new(ErrorKind::Protocol, "the git server's answer ends in the middle")) }
}

/// A request of protocol 2: a command, then its arguments.
pub(super) fn request(command: &str, arguments: &[String]) -> Bytes {
    let mut body = BytesMut::new();
    let mut line = |text: &str| body.extend_from_slice(format!("{:04x}{text}\n", text.len() + HEAD + 1).as_bytes());
    line(&format!("command={command}"));
    line(concat!("agent=hf2ms/", env!("CARGO_PKG_VERSION")));
    line("object-format=sha1");
    body.extend_from_slice(b"0001");
    let mut line = |text: &str| body.extend_from_slice(format!("{:04x}{text}\n", text.len() + HEAD + 1).as_bytes());
    arguments.iter().for_each(|argument| line(argument));
    body.extend_from_slice(b"0000");
    body.freeze()
}

/// A line as text, without its end.
pub(super) fn text(line: &Bytes) -> String {
    String::from_utf8_lossy(line).trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_however_they_come() {
        let message = b"000ahello\n00010009bytes0000";
        let whole = all(message).unwrap();
        assert_eq!(whole, [Packet::Data("hello\n".into()), Packet::Delimiter, Packet::Data("bytes".into()), Packet::Flush]);
        let mut packets = Packets::default();
        let mut one_by_one = Vec::new();
        for byte in message {
            packets.push(&[*byte]);
            one_by_one.extend(packets.next().unwrap());
        }
        assert_eq!(one_by_one, whole);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for wrong in [&b"<htm"[..], b"0003", b"ffff", b"-001"] {
            assert_eq!(all(wrong).unwrap_err().kind(), ErrorKind::Protocol, "{wrong:?}");
        }
        assert!(all(b"0009by").unwrap_err().to_string().contains("in the middle"));
    }

    #[test]
    fn a_request_is_what_git_reads() {
        let body = request("fetch", &["want 0".to_owned(), "done".to_owned()]);
        let lines: Vec<_> = all(&body).unwrap();
        assert_eq!(lines[0], Packet::Data("command=fetch\n".into()));
        assert_eq!(lines[3..], [Packet::Delimiter, Packet::Data("want 0\n".into()), Packet::Data("done\n".into()), Packet::Flush]);
    }
}
