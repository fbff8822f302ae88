//! LFS pointers: what git holds in place of a large file. Read strictly, because a pointer that is taken for the file, or a file for a
//! pointer, is a wrong file at the destination (git-lfs's `docs/spec.md`).

use crate::repo::Sha256;

/// A pointer is shorter than this.
pub(super) const SHORTER_THAN: u64 = 1024;

const VERSION: &str = "version https://git-lfs.github.com/spec/v1";
/// What older versions of git-lfs wrote.
const OLDER: [&str; 2] = ["version https://hawser.github.com/spec/v1", "version http://git-media.io/v/2"];

/// What a small file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Itself.
    Plain,
    /// A pointer to this content, of so many bytes.
    Pointer(Sha256, u64),
    /// Begins like a pointer and is none that could be followed.
    Broken,
}

/// Says what these bytes are: `version` first, then the other keys in the order of their names, `oid` and `size` among them, each once.
pub(super) fn read(bytes: &[u8]) -> Content {
    if bytes.len() as u64 >= SHORTER_THAN {
        return Content::Plain;
    }
    let begins =
        |version: &str| bytes.strip_prefix(version.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'\n' | b'\r')));
    if OLDER.iter().any(|version| begins(version)) {
        return Content::Broken;
    }
    if !begins(VERSION) {
        return Content::Plain;
    }
    std::str::from_utf8(bytes).ok().and_then(followed).map_or(Content::Broken, |(sha256, size)| Content::Pointer(sha256, size))
}

fn followed(text: &str) -> Option<(Sha256, u64)> {
    let lines = text.strip_suffix('\n')?.split('\n').skip(1);
    let (mut oid, mut size, mut last) = (None, None, "");
    for line in lines {
        let (key, value) = line.split_once(' ')?;
        let is_name =
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        if !is_name || key <= last {
            return None;
        }
        last = key;
        match key {
            "oid" => {
                oid = Some(value.strip_prefix("sha256:").filter(|hex| !hex.bytes().any(|byte| byte.is_ascii_uppercase()))?.parse().ok()?)
            }
            "size" => size = Some(value).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok(),
            // an extension changed the bytes before they were stored: the stored ones are not the file's
            _ => return None,
        }
    }
    oid.zip(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn a_pointer_is_read() {
        let text = format!("{VERSION}\noid sha256:{OID}\nsize 12345\n");
        assert_eq!(read(text.as_bytes()), Content::Pointer(OID.parse().unwrap(), 12345));
    }

    #[test]
    fn what_only_looks_like_one_is_no_file_and_no_pointer() {
        let upper = OID.to_uppercase();
        for broken in [
            VERSION.to_owned(),
            format!("{VERSION}\n"),
            format!("{VERSION}\noid sha256:{OID}\n"),
            format!("{VERSION}\nsize 1\n"),
            format!("{VERSION}\noid sha256:{OID}\nsize 1"),
            format!("{VERSION}\noid sha256:{OID}\nsize 1\n\n"),
            format!("{VERSION}\nsize 1\noid sha256:{OID}\n"),
            format!("{VERSION}\noid sha256:{OID}\noid sha256:{OID}\nsize 1\n"),
            format!("{VERSION}\noid sha256:{upper}\nsize 1\n"),
            format!("{VERSION}\noid sha512:{OID}\nsize 1\n"),
            format!("{VERSION}\noid sha256:{}\nsize 1\n", &OID[1..]),
            format!("{VERSION}\noid sha256:{OID}\nsize -1\n"),
            format!("{VERSION}\noid sha256:{OID}\nsize +1\n"),
            format!("{VERSION}\noid sha256:{OID}\nsize 99999999999999999999\n"),
            format!("{VERSION}\r\noid sha256:{OID}\r\nsize 1\r\n"),
            format!("{VERSION}\next-0-foo sha256:{OID}\noid sha256:{OID}\nsize 1\n"),
            format!("version https://hawser.github.com/spec/v1\noid sha256:{OID}\nsize 1\n"),
        ] {
            assert_eq!(read(broken.as_bytes()), Content::Broken, "{broken:?}");
        }
    }

    #[test]
    fn other_files_are_themselves() {
        let long = format!("{VERSION}\noid sha256:{OID}\nsize 1\n{}", "x".repeat(1024));
        let later = format!("# LFS\n{VERSION}\noid sha256:{OID}\nsize 1\n");
        for plain in ["", "version", "version https://git-lfs.github.com/spec/v12\n", long.as_str(), later.as_str()] {
            assert_eq!(read(plain.as_bytes()), Content::Plain, "{plain:?}");
        }
    }
}
