//! Starting a sandbox's process, and ending it with everything it has started.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};

/// How often a program that is busy is tried again.
const BUSY_TRIES: u32 = 100;

/// What to start. Nothing else reaches the process: no other variable, no input.
#[derive(Debug)]
pub(super) struct Start<'s> {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<PathBuf>,
    pub(super) environment: &'s BTreeMap<String, String>,
    pub(super) folder: PathBuf,
}

/// Starts a process in a group of its own.
pub(super) async fn start(start: &Start<'_>) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        let mut command = Command::new(&start.program);
        command.args(&start.arguments).env_clear().envs(start.environment).current_dir(&start.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            // another thread forked while the file was being written: its child holds the file open until it executes
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => tries += 1,
            outcome => return outcome,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a signal to a process's group.
pub(super) fn signal(process: u32, signal: Signal) {
    if let Some(group) = pid(process) {
        // a group that is gone wants no signal
        let _ = kill_process_group(group, signal);
    }
}

/// How long a process runs, and how long it then does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doze {
    pub(super) awake: Duration,
    pub(super) asleep: Duration,
}

/// Stops a process's group and lets it go on, in turns, for ever.
pub(super) async fn doze(process: u32, doze: Option<Doze>) -> Infallible {
    let Some(Doze { awake, asleep }) = doze else { return std::future::pending().await };
    loop {
        tokio::time::sleep(awake).await;
        signal(process, Signal::STOP);
        tokio::time::sleep(asleep).await;
        signal(process, Signal::CONT);
    }
}

/// Ends whatever is left of a process's group, and whatever else runs from or in the sandbox's folder: a container takes all
/// with it, whatever group they have moved to.
pub(super) fn end_all(process: u32, root: &Path) {
    signal(process, Signal::KILL);
    for stray in inside(root) {
        let _ = kill_process(stray, Signal::KILL);
    }
}

/// The processes whose program or working directory lies in a folder.
pub(super) fn inside(folder: &Path) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let processes = entries.flatten().filter_map(|entry| Some((entry.path(), entry.file_name().to_str()?.parse::<u32>().ok()?)));
    let lies = |path: &Path| ["exe", "cwd"].iter().any(|link| std::fs::read_link(path.join(link)).is_ok_and(|at| at.starts_with(folder)));
    processes.filter(|(path, _)| lies(path)).filter_map(|(_, number)| pid(number)).collect()
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// The exit code as a shell has it.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// A process that outlives the stand-in by a moment, to end what it leaves behind however it ends itself.
#[derive(Debug)]
pub(super) struct Reaper(Mutex<std::process::Child>);

/// Keeps a list of groups as it is told, `+` and `-`. When its input ends, so do they, and all that runs in the folder.
const REAPER: &str = r#"
trap '' INT TERM HUP
list=' '
while read -r line; do
    case $line in
        +*) list="$list${line#+} " ;;
        -*) case $list in *" ${line#-} "*) list="${list%% "${line#-}" *} ${list#* "${line#-}" }" ;; esac ;;
    esac
done
for group in $list; do kill -s KILL -- "-$group" 2>/dev/null; done
for process in /proc/[0-9]*; do
    for link in exe cwd; do
        case $(readlink "$process/$link" 2>/dev/null) in "$1" | "$1"/*) kill -s KILL "${process#/proc/}" 2>/dev/null ;; esac
    done
done
rm -rf "$1"
"#;

impl Reaper {
    pub(super) fn start(folder: &Path) -> Self {
        let mut command = std::process::Command::new("/bin/sh");
        command.args([OsStr::new("-c"), OsStr::new(REAPER), OsStr::new("reaper"), folder.as_os_str()]);
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(Mutex::new(command.spawn().expect("a shell")))
    }

    pub(super) fn add(&self, group: u32) {
        self.tell(&format!("+{group}\n"));
    }

    pub(super) fn remove(&self, group: u32) {
        self.tell(&format!("-{group}\n"));
    }

    /// Ends everything it knows of, and itself.
    pub(super) fn close(&self) {
        let mut reaper = self.0.lock().unwrap();
        drop(reaper.stdin.take());
        let _ = reaper.wait();
    }

    fn tell(&self, line: &str) {
        let mut reaper = self.0.lock().unwrap();
        if let Some(input) = reaper.stdin.as_mut() {
            let _ = input.write_all(line.as_bytes());
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path) -> std::process::Child {
        let mut command = std::process::Command::new("/bin/sleep");
        command.arg("60").current_dir(folder).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn the_reaper_ends_what_it_knows_and_what_runs_in_the_folder() {
        let folder = std::env::temp_dir().join(format!("standins-reaper-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let reaper = Reaper::start(&folder);
        let elsewhere = Path::new("/");
        let (mut known, mut inside, mut other) = (sleeper(elsewhere), sleeper(&folder), sleeper(elsewhere));
        let mut forgotten = sleeper(elsewhere);
        for group in [known.id(), forgotten.id()] {
            reaper.add(group);
        }
        reaper.remove(forgotten.id());
        // as the kernel does it for a process that was killed
        reaper.close();
        assert!(!known.wait().unwrap().success() && !inside.wait().unwrap().success());
        for spared in [&mut other, &mut forgotten] {
            assert!(spared.try_wait().unwrap().is_none());
            spared.kill().unwrap();
            spared.wait().unwrap();
        }
        assert!(!folder.exists());
    }
}
