//! A message as bytes: enough of the encoding to leave fields out without knowing the others.

/// The message without these of its own fields. From where it cannot be read on, everything is kept.
pub(super) fn without(message: &[u8], fields: &[u64]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let Some((field, length)) = field(rest) else {
            kept.extend_from_slice(rest);
            return kept;
        };
        if !fields.contains(&field) {
            kept.extend_from_slice(&rest[..length]);
        }
        rest = &rest[length..];
    }
    kept
}

/// The number of the first field, and its length with its tag.
fn field(bytes: &[u8]) -> Option<(u64, usize)> {
    let (tag, head) = varint(bytes)?;
    let rest = bytes.get(head..)?;
    let length = match tag & 7 {
        0 => varint(rest)?.1,
        1 => 8,
        2 => {
            let (length, head) = varint(rest)?;
            head.checked_add(usize::try_from(length).ok()?)?
        }
        5 => 4,
        _ => return None,
    };
    (rest.len() >= length).then_some((tag >> 3, head + length))
}

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_left_out_and_the_unknown_stays() {
        // field 1: varint 300; field 2: "ab"; field 9: "cd"
        let message = [0x08, 0xac, 0x02, 0x12, 2, b'a', b'b', 0x4a, 2, b'c', b'd'];
        assert_eq!(without(&message, &[2]), [0x08, 0xac, 0x02, 0x4a, 2, b'c', b'd']);
        assert_eq!(without(&[0xff, 1, 2], &[1]), [0xff, 1, 2]);
    }
}
