//! The conductor as a process of its own on this machine: own session, nothing inherited, its standard output the event file.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Place, Runner, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Folder;
use crate::protocol::Job;
use crate::secret::Tokens;

/// What the child may know of the environment: how to reach the network and what to write down, nothing else.
const PASSED: [&str; 9] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "HF2MS_LOG"];

/// Bytes of free memory that the process may keep for itself.
const HELD: &str = "33554432";
/// What is larger than this is given back at once: no chunk is, a long answer may be.
const LARGE: &str = "1048576";

/// The local runner.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Runner for Local {
    async fn start(&self, job: &Job, tokens: &Tokens, folder: &Folder) -> Result<Started> {
        let program = std::env::current_exe().map_err(|error| broken("cannot find this program").because(error))?;
        let mut child = Command::new(program)
            .args(["run-job", "--own-session"])
            .env_clear()
            .envs(PASSED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))))
            // glibc keeps freed memory for each thread; one arena keeps peak memory near what is held. Other systems ignore it
            .env("MALLOC_ARENA_MAX", "1")
            // and gives memory back only to ask for it again with the next chunk: a tenth of the processor time was spent on page faults
            .env("MALLOC_TRIM_THRESHOLD_", HELD)
            .env("MALLOC_MMAP_THRESHOLD_", LARGE)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(folder.events()?)
            .stderr(folder.log()?)
            .spawn()
            .map_err(|error| broken("cannot start the process that carries").because(error))?;
        let pid = child.id().ok_or_else(|| broken("the process that carries ended at once"))?;
        let mut stdin = child.stdin.take().ok_or_else(|| broken("no way to talk to the process that carries"))?;
        let place = Place::Local { pid, started: start_time(pid).unwrap_or_default() };
        // noted before it has its job: should this process end now, nothing runs that nobody knows of
        folder.set_place(&place)?;
        let job = serde_json::to_string(job).map_err(|error| broken("cannot write the job").because(error))?;
        let lines = format!("{}\n{job}\n", tokens.to_line());
        stdin.write_all(lines.as_bytes()).await.map_err(|error| broken("the process that carries does not listen").because(error))?;
        drop(stdin);
        // it outlives this process; while this one lives it reaps it
        tokio::spawn(async move {
            let _status = child.wait().await;
        });
        Ok(Started::Here(place))
    }

    async fn is_alive(&self, place: &Place) -> Result<bool> {
        let Place::Local { pid, started } = place else { return Ok(false) };
        Ok(start_time(*pid).is_some_and(|now| now == *started))
    }

    async fn cancel(&self, place: &Place) -> Result<()> {
        let Place::Local { pid, .. } = place else { return Ok(()) };
        if !self.is_alive(place).await? {
            return Ok(());
        }
        let number = i32::try_from(*pid).ok().and_then(Pid::from_raw).ok_or_else(|| broken("no such process"))?;
        kill_process(number, Signal::TERM).map_err(|error| broken("cannot stop the process").with("pid", pid).because(error))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }
}

fn broken(message: &'static str) -> Error {
    Error::new(ErrorKind::Local, message)
}

/// When a process started, in the system's own words; `None` when it is gone. A dead process that nobody has reaped yet is gone too.
fn start_time(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") {
        // the name in parentheses may hold anything; what follows it is `state`, and the start time is the 20th field after that
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        return if matches!(state, "Z" | "X") { None } else { fields.nth(18).map(str::to_owned) };
    }
    let output = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_known_by_number_and_start() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        assert!(Local.is_alive(&Place::Local { pid, started }).await.unwrap());
        assert!(!Local.is_alive(&Place::Local { pid, started: "another".to_owned() }).await.unwrap());
    }
}
