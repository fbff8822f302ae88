//! Two far shores, a home of its own, and the real binary between them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use standins::content::Content;
use standins::huggingface::{self, HuggingFace, Role};
use standins::marks::Marks;
use standins::modelscope::{self, ModelScope, Tier};

use crate::secrets;

/// No command of a test may take longer. Nothing is asserted about time; this only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(240);

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// Both hubs with a user `alice` who may write on each, and an empty home. When it ends well, no rule of either hub was broken, and
/// nobody saw a secret: not in what was printed, not in the state folder, not in how a process was started, not in a request.
pub struct World {
    pub hf: HuggingFace,
    pub ms: ModelScope,
    pub home: PathBuf,
    pub variables: BTreeMap<String, String>,
    /// The secrets of both hubs.
    pub marks: Marks,
}

impl World {
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("world-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let marks = Marks::default();
        let hf = HuggingFace::start(huggingface::Setup { marks: marks.clone(), ..Default::default() });
        let ms = ModelScope::start(modelscope::Setup { marks: marks.clone(), ..Default::default() });
        hf.user("alice");
        ms.user("alice");
        let variables = [
            ("HF_ENDPOINT", hf.endpoint()),
            ("HF_TOKEN", hf.token("alice", Role::Write)),
            ("MODELSCOPE_ENDPOINT", ms.endpoint()),
            ("MODELSCOPE_API_TOKEN", ms.token("alice", Tier::Write)),
            ("HF2MS_HOME", home.join("state").display().to_string()),
            ("HF2MS_RUNNER", "local".to_owned()),
            // no test waits for a limit that its ModelScope has not
            ("HF2MS_COMMIT_GAP", "0.05".to_owned()),
            ("HOME", home.display().to_string()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { hf, ms, home, variables, marks }
    }

    /// Sets a variable of the commands that follow.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        secrets::mark(&self.marks, name, &value);
        self.variables.insert(name.to_owned(), value);
    }

    /// Unsets a variable of the commands that follow.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// The binary, ready to start in the home folder with nothing of the environment but [`World::variables`].
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hf2ms"));
        command.args(arguments).env_clear().envs(&self.variables).current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.finish(self.command(arguments).spawn().unwrap())
    }

    /// Runs `hf2ms run-job` with the job that `plan --job` prints for these arguments, through pipes alone.
    pub fn run_job(&self, wrapper: &[&str], arguments: &[&str]) -> Outcome {
        let job = self.run(&[&["plan", "--job"], arguments].concat());
        assert_eq!(job.code, 0, "{}", job.shown(self));
        let binary = env!("CARGO_BIN_EXE_hf2ms");
        let words: Vec<&str> = wrapper.iter().copied().chain([binary, "run-job"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("PATH", std::env::var("PATH").unwrap()).current_dir(&self.home);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let tokens = serde_json::json!({ "hf": self.variables["HF_TOKEN"], "ms": self.variables["MODELSCOPE_API_TOKEN"] });
        let mut stdin = child.stdin.take().unwrap();
        write!(stdin, "{tokens}\n{}\n", job.stdout.trim()).unwrap();
        drop(stdin);
        self.finish(child)
    }

    /// Waits for a command, or ends it when it takes too long.
    pub fn finish(&self, child: Child) -> Outcome {
        self.finish_within(child, PATIENCE)
    }

    /// The same for one that takes long.
    pub fn finish_within(&self, mut child: Child, patience: Duration) -> Outcome {
        let reader = |pipe: Option<Box<dyn Read + Send>>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                if let Some(mut pipe) = pipe {
                    pipe.read_to_string(&mut text).unwrap();
                }
                text
            })
        };
        let stdout = reader(child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
        let stderr = reader(child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
        let started = Instant::now();
        let mut carriers = secrets::Carriers::default();
        let status = loop {
            carriers.look(&self.home, &self.marks);
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() > patience => {
                    child.kill().unwrap();
                    panic!("the command did not end");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let outcome = Outcome { code: status.code().unwrap_or(-1), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() };
        secrets::assert_unseen(&self.marks, &outcome);
        outcome
    }

    /// Asserts what every end-to-end test asserts besides its own matter: no rule was broken.
    pub fn assert_clean(&self) {
        self.hf.strict().assert_clean();
        self.ms.strict().assert_clean();
    }

    /// Removes the state folder, as if it was another machine.
    pub fn forget_state(&self) {
        secrets::assert_none_below(&self.marks, &self.home.join("state"));
        let _absent = std::fs::remove_dir_all(self.home.join("state"));
    }

    /// The process that carries the newest migration, if it lives.
    pub fn carrier(&self) -> Option<u32> {
        carrier_in(&self.home)
    }

    /// Text with everything that is different from run to run replaced by a name.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, name) in [
            (self.hf.endpoint(), "[HF]"),
            (self.ms.endpoint(), "[MS]"),
            (host(&self.hf.endpoint()), "[HF-HOST]"),
            (host(&self.ms.endpoint()), "[MS-HOST]"),
            (self.hf.origin(huggingface::CDN), "[HF-CDN]"),
            (self.ms.origin(modelscope::CDN), "[MS-CDN]"),
            (self.home.display().to_string(), "[HOME]"),
        ] {
            text = text.replace(&value, name);
        }
        scrub_words(&text)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(pid) = self.carrier() {
            // a carrier of a test that failed must not live on
            let _gone = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let leak = secrets::leak_below(&self.marks, &self.home.join("state"));
        let _gone = std::fs::remove_dir_all(&self.home);
        if !std::thread::panicking() {
            assert_eq!(leak, None);
            self.assert_clean();
        }
    }
}

/// The process that carries the newest migration of this home, if it lives, for closures that cannot hold the world.
pub fn carrier_in(home: &Path) -> Option<u32> {
    let newest = std::fs::read_dir(home.join("state/migrations")).ok()?.filter_map(|entry| Some(entry.ok()?.path())).max()?;
    let place: Value = serde_json::from_slice(&std::fs::read(newest.join("place.json")).ok()?).ok()?;
    let pid = u32::try_from(place["pid"].as_u64()?).ok()?;
    is_still(pid, place["started"].as_str()?).then_some(pid)
}

/// Whether a process is the one that was started then: its number alone may be another's by now.
pub fn is_still(pid: u32, started: &str) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    started_at(pid).as_deref() == Some(started)
}

/// When a process was started, as its system counts.
pub fn started_at(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

fn host(endpoint: &str) -> String {
    endpoint.trim_start_matches("http://").to_owned()
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Everything a user sees, for a snapshot.
    pub fn shown(&self, world: &World) -> String {
        let stderr = in_their_order(&without_progress(&self.stderr));
        world.scrub(&format!("exit {}\n--- stdout\n{}--- stderr\n{stderr}", self.code, self.stdout))
    }

    /// Standard output as the one JSON object it is with `--json`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// The events on standard output.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Fails the test, showing all, unless the exit code is this.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Replaces ids, digests, durations and rates.
fn scrub_words(text: &str) -> String {
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name_of = |word: &str| -> Option<&'static str> {
        match word.len() {
            64 if is_hex(word) => Some("[SHA256]"),
            40 if is_hex(word) => Some("[COMMIT]"),
            32 if is_hex(word) => Some("[REQUEST]"),
            16 if is_hex(word) => Some("[HASH]"),
            36 if word.bytes().filter(|byte| *byte == b'-').count() == 4 && is_hex(&word.replace('-', "")) => Some("[REQUEST]"),
            18 if word.starts_with('m') && word.as_bytes()[11] == b'-' => Some("[ID]"),
            10 if word.starts_with("1-") && is_hex(&word[2..]) => Some("[REQUEST]"),
            21 if word.starts_with("plan-") && is_hex(&word[5..]) => Some("[PLAN]"),
            _ => None,
        }
    };
    let mut scrubbed = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, scrubbed: &mut String| {
        scrubbed.push_str(name_of(word).unwrap_or(word));
        word.clear();
    };
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == '-' {
            word.push(character);
        } else {
            flush(&mut word, &mut scrubbed);
            scrubbed.push(character);
        }
    }
    flush(&mut word, &mut scrubbed);
    scrubbed.lines().map(scrub_time).collect::<Vec<_>>().join("\n")
}

/// `in 3s` at a line's end, and the progress of a line, depend on the machine.
fn scrub_time(line: &str) -> String {
    if let Some((before, _)) = line.split_once(" read to compare, in ") {
        return format!("{before} read to compare, in [TIME]");
    }
    line.to_owned()
}

/// Lines of progress come as the machine is fast or slow: without them.
fn without_progress(text: &str) -> String {
    let is_progress = |line: &&str| {
        let line = of_member(line).map_or(*line, |(_, rest)| rest);
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.contains('/') && word.split('/').all(|part| part.parse::<u64>().is_ok()))
            && words.next() == Some("files")
    };
    text.lines().filter(|line| !is_progress(line)).collect::<Vec<_>>().join("\n")
}

/// The number and the words of a line that tells of one migration of several: `[2/5] verified  hf:alice/gpt`.
fn of_member(line: &str) -> Option<(usize, &str)> {
    let (number, rest) = line.strip_prefix('[')?.split_once("] ")?;
    Some((number.split_once('/')?.0.parse().ok()?, rest))
}

/// Those that run at the same time say what becomes of them as it comes: each one's words together, in the order of the sources.
fn in_their_order(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let begins = lines.iter().position(|line| line.starts_with("the bytes pass through")).unwrap_or(lines.len());
    let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
    for line in &lines[begins..] {
        match (of_member(line), blocks.last_mut()) {
            (None, Some(block)) => block.1.push(line),
            (member, _) => blocks.push((member.map_or(0, |(number, _)| number), vec![line])),
        }
    }
    blocks.sort_by_key(|(number, _)| *number);
    lines[..begins].iter().copied().chain(blocks.into_iter().flat_map(|(_, lines)| lines)).collect::<Vec<_>>().join("\n")
}

/// Content that is made while it is read: any size costs no memory.
pub fn generated(seed: u64, size: u64) -> Content {
    Content::generated(seed, size)
}

/// Content of this size that is held in memory, different for each seed.
pub fn bytes(seed: u64, size: u64) -> Content {
    Content::from(Content::generated(seed, size).to_bytes())
}

/// Looks until it is so.
#[track_caller]
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
