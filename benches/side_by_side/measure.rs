//! A process that starts one tool, outlives it with all its descendants, and says what they took.
//!
//! It is its own process so that the kernel does the sums: a subreaper inherits every orphan below it, and what a reaped
//! process took in time and in bytes written is added to who reaped it. So a process that leaves its parent's session, as the
//! one that carries for hf2ms does, is counted like any other. Memory has no such sum: the high-water mark of every descendant
//! is looked at every few milliseconds.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};
use serde::{Deserialize, Serialize};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long descendants may outlive the command.
const PATIENCE: Duration = Duration::from_secs(30);
/// The kernel counts time in hundredths of a second on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a command and all its descendants took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// From the start of the command to its end.
    pub(crate) seconds: f64,
    /// User and system time of all processes.
    pub(crate) cpu_seconds: f64,
    /// The share of it that the kernel took.
    pub(crate) system_seconds: f64,
    /// The largest resident set of any one process, in bytes.
    pub(crate) peak_rss: u64,
    /// What all processes gave the file system to write.
    pub(crate) disk_written: u64,
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) timed_out: bool,
    /// Whether descendants outlived the command for so long that they were ended.
    pub(crate) left_behind: bool,
}

/// Runs a command to its end through a process of its own. What the command prints goes to the log.
pub(crate) fn measure(command: &Command, log: &Path, limit: Duration) -> Measured {
    let mut meter = Command::new(std::env::current_exe().unwrap());
    meter.args([crate::METER, &limit.as_secs().to_string()]).arg(log).arg(command.get_program()).args(command.get_args());
    meter.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        meter.current_dir(folder);
    }
    let output = meter.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The process of its own: `SECONDS LOG PROGRAM ARGUMENTS…`, an answer on stdout.
pub(crate) fn run_meter(arguments: &[String]) -> ExitCode {
    let [limit, log, program, rest @ ..] = arguments else { return ExitCode::from(2) };
    let limit = Duration::from_secs(limit.parse().unwrap());
    set_child_subreaper(Some(getpid())).unwrap();
    let log = File::create(log).unwrap();
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let began = Instant::now();
    let child = command.spawn().unwrap().id();
    let ends = reap_everybody();
    let mut measured = Measured::default();
    let mut command_ended = None;
    loop {
        match ends.recv_timeout(LOOK) {
            Ok((pid, code, at)) if pid == child => {
                command_ended = Some(at);
                measured.code = code;
                measured.seconds = at.duration_since(began).as_secs_f64();
            }
            Ok(_) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => look(&mut measured),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        measured.timed_out |= command_ended.is_none() && began.elapsed() > limit;
        measured.left_behind |= command_ended.is_some_and(|at| at.elapsed() > PATIENCE);
        if measured.timed_out || measured.left_behind {
            descendants().into_iter().for_each(kill);
        }
    }
    let [user, system] = times(13);
    (measured.cpu_seconds, measured.system_seconds) = (user + system, system);
    measured.disk_written = disk_written();
    println!("{}", serde_json::to_string(&measured).unwrap());
    ExitCode::SUCCESS
}

/// Waits for every process below this one; hangs up when there is none left.
fn reap_everybody() -> mpsc::Receiver<(u32, Option<i32>, Instant)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(Some((pid, status))) = wait(WaitOptions::empty()) {
            let _listening = sender.send((pid.as_raw_nonzero().get() as u32, status.exit_status(), Instant::now()));
        }
    });
    receiver
}

fn look(measured: &mut Measured) {
    let peaks = descendants().into_iter().map(|pid| peak_of(&pid.to_string()));
    measured.peak_rss = peaks.fold(measured.peak_rss, u64::max);
}

/// The largest resident set a process ever had, in bytes.
pub(crate) fn peak_of(process: &str) -> u64 {
    number(&format!("/proc/{process}/status"), "VmHWM:").unwrap_or_default() * 1_024
}

/// Every process below this one.
fn descendants() -> Vec<u32> {
    let processes: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, fields_of_stat(&format!("/proc/{pid}/stat"))?.get(1)?.parse().ok()?)))
        .collect();
    let mut found = vec![std::process::id()];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, Signal::KILL);
    }
}

/// The fields of a `stat` file from the state on; the name before it may hold anything.
fn fields_of_stat(path: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// CPU seconds of this process itself.
pub(crate) fn own_time() -> f64 {
    times(11).iter().sum()
}

/// User and system seconds from this process's `stat`, by the place of the first of the two fields counted from the state: its
/// own are at 11, those of everybody it has reaped at 13.
fn times(place: usize) -> [f64; 2] {
    let fields = fields_of_stat("/proc/self/stat").unwrap();
    [0, 1].map(|next| fields[place + next].parse::<f64>().unwrap() / TICKS_PER_SECOND)
}

/// Bytes this process and everybody it has reaped made dirty for a disk to take.
fn disk_written() -> u64 {
    number("/proc/self/io", "write_bytes:").unwrap_or_default()
}

fn number(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
