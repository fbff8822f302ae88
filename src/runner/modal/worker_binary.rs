//! The program that runs in a sandbox: this one, built static for x86_64 Linux, and where to find it (facts, modal §7).

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::MountedFile;
use super::release::{Release, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{PROTOCOL, Stamp};
use crate::runner::names::PROGRAM;

/// Names it has beside this program.
const BESIDE: [&str; 2] = ["hf2ms-x86_64-unknown-linux-musl", "hf2ms-worker"];
/// A program larger than this is none of ours.
pub(super) const LARGEST: u64 = 256 << 20;
/// How it is built.
pub(super) const BUILD: &str = "in a checkout, `rustup target add x86_64-unknown-linux-musl && cargo build --release --target x86_64-unknown-linux-musl` \
                     builds it (Debian needs the package musl-tools; another system builds it on a Linux machine or in a container); then set \
                     HF2MS_WORKER_BIN to target/x86_64-unknown-linux-musl/release/hf2ms, or put that file beside this program under the name \
                     hf2ms-x86_64-unknown-linux-musl";

/// A static x86_64 Linux program, checked.
#[derive(Clone)]
pub struct WorkerBinary {
    /// Where it was found.
    pub path: PathBuf,
    /// The program itself.
    pub bytes: Bytes,
}

impl fmt::Debug for WorkerBinary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerBinary({}, {} bytes)", self.path.display(), self.bytes.len())
    }
}

impl WorkerBinary {
    /// A program in a file that holds these bytes. The error completes "it …".
    pub(super) fn of(path: PathBuf, bytes: Bytes) -> Result<Self, &'static str> {
        check(&bytes)?;
        Ok(Self { path, bytes })
    }

    /// What it says of itself.
    ///
    /// Fails with `Usage` when it is no hf2ms, or one that speaks another protocol.
    pub fn stamp(&self) -> Result<Stamp> {
        let refused = |why| Error::usage(why, BUILD).with("file", self.path.display());
        match Stamp::find(&self.bytes) {
            None => Err(refused("the program for sandboxes is no hf2ms of this time")),
            Some(stamp) if stamp.protocol != PROTOCOL => Err(refused("the program for sandboxes speaks another version of the protocol")
                .with("its version", stamp.version)
                .with("it speaks", stamp.protocol)
                .with("this program speaks", PROTOCOL)),
            Some(stamp) => Ok(stamp),
        }
    }

    /// The program as it is mounted, with the permission to run it.
    ///
    /// Fails like [`Self::stamp`]: a program that does not understand its job is never sent.
    pub fn mounted(&self) -> Result<MountedFile> {
        self.stamp()?;
        Ok(MountedFile { path: PROGRAM.to_owned(), bytes: self.bytes.clone(), mode: 0o755 })
    }
}

/// Finds the program for sandboxes: what `HF2MS_WORKER_BIN` names, else a file beside this program, else this program itself when it
/// qualifies, else the release that it was built with, fetched onto the shelf; without a shelf nothing is fetched.
///
/// Fails with `Usage` when what is named is not what it should be, with `Local` when there is none, and where a release was built in with
/// what is wrong with that; each says how to build one.
pub async fn find_worker(shelf: Option<Shelf<'_>>) -> Result<WorkerBinary> {
    let named = std::env::var_os("HF2MS_WORKER_BIN").filter(|name| !name.is_empty()).map(PathBuf::from);
    let own = std::env::current_exe().ok();
    match (search(named.as_deref(), own.as_deref())?, shelf, Release::pinned()) {
        (Some(worker), ..) => Ok(worker),
        (None, Some(shelf), Some(release)) => release.get(shelf).await,
        (None, ..) => Err(none(own.as_deref())),
    }
}

/// What is on this machine.
fn search(named: Option<&Path>, own: Option<&Path>) -> Result<Option<WorkerBinary>> {
    if let Some(path) = named {
        return load(path).map(Some).map_err(|flaw| {
            Error::usage("HF2MS_WORKER_BIN does not name a program that runs in a sandbox", BUILD)
                .with("file", path.display())
                .with("it", flaw)
        });
    }
    let folder = own.and_then(Path::parent);
    let beside = folder.and_then(|folder| BESIDE.map(|name| folder.join(name)).into_iter().find(|path| path.exists()));
    if let Some(path) = beside {
        // somebody put it there for this: it is not passed over in silence
        return load(&path).map(Some).map_err(|flaw| {
            Error::usage("the file beside this program does not run in a sandbox", BUILD).with("file", path.display()).with("it", flaw)
        });
    }
    Ok(own.and_then(|path| load(path).ok()))
}

fn none(own: Option<&Path>) -> Error {
    let looked = own.and_then(Path::parent).map(|folder| folder.display().to_string()).unwrap_or_default();
    Error::new(ErrorKind::Local, "there is no program to run in a Modal sandbox: it is a static one for x86_64 Linux, and this one is not")
        .with("looked in", looked)
        .hint_to(BUILD)
}

/// Reads a file and checks it. The error completes "it …".
fn load(path: &Path) -> Result<WorkerBinary, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(format!("is no file of at most {} MiB", LARGEST >> 20));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    WorkerBinary::of(path.to_owned(), bytes.into()).map_err(str::to_owned)
}

/// Reads the few header fields that tell whether a program runs on x86_64 Linux without anything beside it.
fn check(bytes: &[u8]) -> Result<(), &'static str> {
    let cut_off = "is cut off";
    let number = |at: usize, size: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    if bytes.get(..4) != Some(b"\x7fELF") {
        return Err("is no Linux program");
    }
    // 64 bits, little end first, x86_64
    if (number(4, 1), number(5, 1), number(18, 2)) != (Some(2), Some(1), Some(62)) {
        return Err("is not for x86_64");
    }
    if !matches!(number(16, 2), Some(2 | 3)) {
        return Err("is no program but an object file or a core");
    }
    let at = |number: Option<u64>| number.and_then(|number| usize::try_from(number).ok()).ok_or(cut_off);
    let (table, size, count) = (at(number(32, 8))?, at(number(54, 2))?, at(number(56, 2))?);
    if count == 0 {
        return Err("has nothing to load");
    }
    for entry in 0..count {
        let start = entry.checked_mul(size).and_then(|offset| offset.checked_add(table)).ok_or(cut_off)?;
        // PT_INTERP names the loader that a dynamic program needs
        if number(start, 4).ok_or(cut_off)? == 3 {
            return Err("is not static");
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The smallest program with these program headers.
    pub(in crate::runner::modal) fn program(machine: u8, headers: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + headers.len() * 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[16], bytes[18], bytes[32], bytes[54], bytes[56]) = (3, machine, 64, 56, headers.len() as u8);
        for (index, kind) in headers.iter().enumerate() {
            bytes[64 + index * 56] = *kind;
        }
        bytes
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hf2ms-worker-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_a_static_program_for_x86_64_passes() {
        assert_eq!(check(&program(62, &[1, 6])), Ok(()));
        assert_eq!(check(&program(62, &[1, 3])), Err("is not static"));
        assert_eq!(check(&program(183, &[1])), Err("is not for x86_64"));
        assert_eq!(check(&program(62, &[])), Err("has nothing to load"));
        assert_eq!(check(&program(62, &[1, 1])[..100]), Err("is cut off"));
        assert_eq!(check(b"\x7fELF\x02\x01"), Err("is not for x86_64"));
        assert_eq!(check(b"#!/bin/sh"), Err("is no Linux program"));
        let mut object = program(62, &[1]);
        object[16] = 1;
        assert_eq!(check(&object), Err("is no program but an object file or a core"));
    }

    #[test]
    fn only_an_hf2ms_that_speaks_the_same_protocol_is_taken_for_one() {
        let stamped = |text: String| WorkerBinary { path: "w".into(), bytes: [program(62, &[1]), text.into()].concat().into() };
        let own = Stamp::own();
        let good = stamped(format!("[hf2ms program {} protocol {PROTOCOL}]", own.version));
        assert_eq!(good.stamp().unwrap(), own);
        assert_eq!(stamped(String::new()).stamp().unwrap_err().kind(), ErrorKind::Usage);
        let other = stamped(format!("[hf2ms program 9.9.9 protocol {}]", PROTOCOL + 1)).stamp().unwrap_err();
        assert_eq!((other.kind(), other.fact("its version")), (ErrorKind::Usage, Some("9.9.9")));
        let mounted = good.mounted().unwrap();
        assert_eq!((mounted.path.as_str(), mounted.mode, &mounted.bytes), (PROGRAM, 0o755, &good.bytes));
        assert_eq!(stamped(String::new()).mounted().unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn what_is_named_goes_before_what_lies_beside() {
        let folder = folder("order");
        let (named, own) = (folder.join("named"), folder.join("hf2ms"));
        std::fs::write(&own, program(62, &[1])).unwrap();
        assert_eq!(search(None, Some(&own)).unwrap().unwrap().path, own);
        std::fs::write(folder.join(BESIDE[1]), program(62, &[1])).unwrap();
        assert_eq!(search(None, Some(&own)).unwrap().unwrap().path, folder.join(BESIDE[1]));
        std::fs::write(folder.join(BESIDE[0]), program(62, &[1])).unwrap();
        assert_eq!(search(None, Some(&own)).unwrap().unwrap().path, folder.join(BESIDE[0]));
        std::fs::write(&named, program(62, &[1, 1])).unwrap();
        assert_eq!(search(Some(&named), Some(&own)).unwrap().unwrap().bytes.len(), 64 + 112);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_wrong_file_is_not_passed_over() {
        let folder = folder("wrong");
        let own = folder.join("hf2ms");
        std::fs::write(&own, program(62, &[1])).unwrap();
        let missing = search(Some(&folder.join("nothing")), Some(&own)).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Usage);
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
        std::fs::write(folder.join(BESIDE[0]), program(62, &[3])).unwrap();
        let error = search(None, Some(&own)).unwrap_err();
        assert_eq!(error.fact("it"), Some("is not static"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_any_the_error_says_how_to_build_one() {
        let folder = folder("none");
        let own = folder.join("hf2ms");
        std::fs::write(&own, "#!/bin/sh").unwrap();
        assert!(search(None, Some(&own)).unwrap().is_none());
        let error = none(Some(&own));
        assert_eq!((error.kind(), error.fact("looked in")), (ErrorKind::Local, folder.to_str()));
        let hint = error.hint().unwrap();
        assert!(hint.contains("cargo build --release --target x86_64-unknown-linux-musl") && hint.contains("HF2MS_WORKER_BIN"), "{hint}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
