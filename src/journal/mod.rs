//! The folders of migrations on this machine. A convenience: what was migrated is always found out from the destination.

mod held;
mod plans;
mod sink;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use sink::Sink;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::protocol::{Event, Job, Request};
use crate::repo::Digests;
use crate::runner::Place;

/// How a line of the log about a request begins.
const REQUEST: &str = "request: ";

/// Pairs of digests taken over from earlier proofs, at most.
const KNOWN: usize = 100_000;

/// All migrations of one state folder.
#[derive(Clone, Debug)]
pub struct Journal {
    home: PathBuf,
}

/// One migration's folder: `job.json`, `place.json`, `events.jsonl`, `log`, and once it ended `report.json` and `proof.jsonl`.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    id: String,
}

impl Journal {
    /// The journal below a state folder, which need not exist yet.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    fn migrations(&self) -> PathBuf {
        self.home.join("migrations")
    }

    /// A new id: its time, and something random. Sorted by text is sorted by time.
    pub fn new_id() -> String {
        use std::hash::{BuildHasher, RandomState};
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let random = RandomState::new().hash_one(std::process::id()) & 0x3fff;
        // milliseconds are ten bits
        format!("m{:010}-{:06x}", now.as_secs(), (u64::from(now.subsec_millis()) << 14) | random)
    }

    /// Makes the folder of a new migration, readable by its owner only.
    pub fn create(&self, job: &Job) -> Result<Folder> {
        let path = self.migrations().join(&job.id);
        let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        make.map_err(|error| at(error, "make a folder", &path))?;
        let folder = Folder { path, id: job.id.clone() };
        // what was known travels with the job; here it would only be read again and again
        folder.write("job.json", &Job { known: Vec::new(), ..job.clone() })?;
        Ok(folder)
    }

    /// The folder of a migration. Fails with `NotFound`.
    pub fn open(&self, id: &str) -> Result<Folder> {
        let named = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let path = self.migrations().join(id);
        if !named || !path.join("job.json").is_file() {
            return Err(Error::new(ErrorKind::NotFound, "no such migration on this machine")
                .with("id", format!("{id:?}"))
                .hint_to("`hf2ms status` lists the recent ones; what is at a destination tells `hf2ms verify SOURCE`"));
        }
        Ok(Folder { path, id: id.to_owned() })
    }

    /// Every migration, the newest first.
    pub fn all(&self) -> Vec<Folder> {
        let mut ids: Vec<_> =
            fs::read_dir(self.migrations()).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        ids.sort_by(|a, b| b.cmp(a));
        ids.iter().filter_map(|id| self.open(id).ok()).collect()
    }

    /// Keeps two migrations from being started at the same time, by this process or by two. Released when dropped.
    pub async fn lock(&self) -> Result<File> {
        let journal = self.clone();
        // the system's call waits, and other work of this thread must not
        let waiting = tokio::task::spawn_blocking(move || journal.wait_for_lock());
        waiting.await.map_err(|error| Error::new(ErrorKind::Local, "cannot wait for the lock").because(error))?
    }

    fn wait_for_lock(&self) -> Result<File> {
        let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.home);
        make.map_err(|error| at(error, "make a folder", &self.home))?;
        let path = self.home.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| at(error, "open", &path))?;
        file.lock().map_err(|error| at(error, "lock", &path))?;
        Ok(file)
    }

    /// Pairs of digests from the proofs of earlier migrations of the same source.
    pub fn known(&self, request: &Request) -> Vec<Digests> {
        let same = |folder: &Folder| folder.job().is_ok_and(|job| job.request.source == request.source);
        let proofs = self.all().into_iter().filter(same).flat_map(|folder| folder.proof());
        let mut seen = std::collections::HashSet::new();
        let pairs = proofs.filter(|digests| digests.sha256.is_some() && digests.git_sha1.is_some());
        pairs.filter(|digests| seen.insert(digests.sha256)).take(KNOWN).collect()
    }
}

/// What is known of a migration.
pub struct Entry {
    /// What was asked for.
    pub job: Job,
    /// Where it runs or ran.
    pub place: Option<Place>,
    /// Its events, folded.
    pub progress: Progress,
}

impl Folder {
    /// The migration's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The job it was started with.
    pub fn job(&self) -> Result<Job> {
        self.read("job.json")
    }

    /// Where it runs or ran; `None` when it was never started.
    pub fn place(&self) -> Option<Place> {
        self.read("place.json").ok()
    }

    /// Notes where it runs.
    pub fn set_place(&self, place: &Place) -> Result<()> {
        self.write("place.json", place)
    }

    /// Whether it may be that a process is just starting it: it is not known where it runs, and somebody starts something.
    pub fn is_being_started(&self) -> bool {
        let is_nowhere = self.place().is_none_or(|place| matches!(place, Place::Modal { sandbox: None, .. }));
        let lock = self.path.ancestors().nth(2).and_then(|home| File::open(home.join("lock")).ok());
        is_nowhere && lock.is_some_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Everything known of it.
    pub fn entry(&self) -> Result<Entry> {
        let mut progress = Progress::default();
        let mut tail = self.tail();
        tail.read(|event| progress.apply(event))?;
        Ok(Entry { job: self.job()?, place: self.place(), progress })
    }

    /// The file that events are appended to.
    pub fn events(&self) -> Result<File> {
        self.append("events.jsonl")
    }

    /// The file for what a process says besides events.
    pub fn log(&self) -> Result<File> {
        self.append("log")
    }

    /// The last lines of the log, without those about requests.
    pub fn last_words(&self) -> String {
        let text = fs::read(self.path.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).into_owned();
        text.lines()
            .filter(|line| !line.starts_with(REQUEST))
            .rev()
            .take(5)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Reads events as they are appended.
    pub fn tail(&self) -> Tail {
        Tail { path: self.path.join("events.jsonl"), offset: 0 }
    }

    /// Whether its last word is known.
    pub fn has_report(&self) -> bool {
        self.path.join("report.json").is_file()
    }

    /// Removes it, with everything in it: nothing was started.
    pub fn discard(&self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|error| at(error, "remove", &self.path))
    }

    /// Writes report and proof once they are known.
    pub fn finish(&self, progress: &Progress) -> Result<()> {
        let Some(report) = &progress.report else { return Ok(()) };
        if !self.path.join("report.json").exists() {
            let mut lines = Vec::new();
            for file in &progress.proven {
                serde_json::to_writer(&mut lines, file).map_err(|error| Error::new(ErrorKind::Local, "no proof").because(error))?;
                lines.push(b'\n');
            }
            self.write_bytes("proof.jsonl", &lines)?;
            self.write("report.json", report)?;
        }
        Ok(())
    }

    fn proof(&self) -> Vec<Digests> {
        let Ok(file) = File::open(self.path.join("proof.jsonl")) else { return Vec::new() };
        BufReader::new(file).lines().map_while(std::io::Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    fn append(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(|error| at(error, "open", &path))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path.join(name);
        let text = fs::read(&path).map_err(|error| at(error, "read", &path))?;
        serde_json::from_slice(&text).map_err(|error| at(error.into(), "understand", &path))
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = serde_json::to_vec_pretty(value).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
        self.write_bytes(name, &text)
    }

    fn write_bytes(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.path.join(name), bytes)
    }
}

/// All or nothing: a process or a machine that dies here leaves the old file.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    // two that write the same at the same time, each its own
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}-{}.draft", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
    let write = || {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        // a name that outlives a loss of power must not outlive its content
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| at(error, "write", path))
}

/// A place in a growing file of events.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    offset: u64,
}

impl Tail {
    /// Takes the events that came since the last call. A line that is not finished stays for the next one; one that is no event, from
    /// a process that was killed while writing, is passed over.
    pub fn read(&mut self, mut take: impl FnMut(&Event)) -> Result<()> {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() == self.offset) {
            return Ok(());
        }
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(error, "read", &self.path)),
        };
        file.seek(SeekFrom::Start(self.offset)).map_err(|error| at(error, "read", &self.path))?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().read_until(b'\n', &mut line).map_err(|error| at(error, "read", &self.path))?;
            if read == 0 || line.last() != Some(&b'\n') {
                return Ok(());
            }
            self.offset += read as u64;
            if let Ok(event) = serde_json::from_slice(&line) {
                take(&event);
            }
        }
    }
}

fn at(error: std::io::Error, verb: &'static str, path: &Path) -> Error {
    Error::new(ErrorKind::Local, format!("cannot {verb}")).with("path", path.display()).because(error)
}

/// What a person may know of a migration at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Glance {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: crate::protocol::State,
    /// From where.
    pub source: String,
    /// To where.
    pub destination: String,
    /// Files done, and all.
    pub files_done: u64,
    /// Files that shall be there.
    pub files: u64,
    /// Bytes done.
    pub bytes_done: u64,
    /// Bytes that shall be there.
    pub bytes: u64,
    /// Payload bytes sent.
    pub moved: u64,
    /// Bytes a second.
    pub rate: Option<f64>,
    /// Seconds left at this rate.
    pub seconds_left: Option<f64>,
    /// When it started, in seconds since 1970.
    pub started: Option<u64>,
}
