//! What is kept of a sandbox's output after its end, for both generations. It comes late and is kept for a time that depends on the plan.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::assemble::Assembler;
use crate::config::Generation;
use crate::error::{Error, Result};
use crate::runner::modal::account::stamp;
use crate::runner::modal::wire::client::{AppFetchLogsRequest, TaskLogs, Timestamp};
use crate::runner::modal::wire::{STDOUT, call};
use crate::runner::modal::{ModalClient, Sandbox, generation_of};

/// The most entries of one answer.
const LIMIT: u32 = 20_000;
/// The most answers that are put together.
const PAGES: usize = 50;
const HOUR: Duration = Duration::from_secs(3600);
/// How far back to look, one after the other, when nobody knows when it ran.
const WINDOWS: [Duration; 4] =
    [HOUR, Duration::from_secs(24 * 3600), Duration::from_secs(7 * 24 * 3600), Duration::from_secs(30 * 24 * 3600)];
/// Pauses between looks at a history that still grows.
const SETTLING: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(8),
];

impl ModalClient {
    /// What is kept of a sandbox's standard output since then, oldest first; without a time as far back as anything is found, 30 days at
    /// most. What was written last may be missing for some seconds.
    pub async fn history(&self, sandbox: &Sandbox, since: Option<SystemTime>) -> Result<Vec<String>> {
        let windows: Vec<_> = match since {
            Some(since) => vec![since],
            None => WINDOWS.iter().filter_map(|window| SystemTime::now().checked_sub(*window)).collect(),
        };
        let task = match (generation_of(&sandbox.id), &sandbox.task) {
            (Generation::V1, _) => None,
            (Generation::V2, Some(task)) => Some(task.clone()),
            (Generation::V2, None) => self.task(&sandbox.id).await?,
        };
        for since in windows {
            let entries = self.entries(&sandbox.id, task.as_deref(), since).await?;
            if !entries.is_empty() {
                return Ok(lines(&entries));
            }
        }
        Ok(Vec::new())
    }

    /// The history, once it no longer grows and holds at least so many bytes, or half a minute later as it is then.
    pub(super) async fn settled_history(&self, sandbox: &Sandbox, bytes: u64) -> Result<Vec<String>> {
        let size = |lines: &[String]| lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
        let mut last = self.history(sandbox, None).await?;
        for pause in SETTLING {
            sleep(pause).await;
            let next = self.history(sandbox, None).await?;
            let settled = next.len() == last.len() && !next.is_empty() && size(&next) >= bytes;
            last = next;
            if settled {
                break;
            }
        }
        Ok(last)
    }

    /// All entries since then. The service gives the newest of a range, so what is older is asked for until nothing is.
    async fn entries(&self, sandbox: &str, task: Option<&str>, since: SystemTime) -> Result<Vec<TaskLogs>> {
        let app_id = self.app().await?;
        let mut until = stamp(SystemTime::now() + HOUR);
        let mut all: Vec<TaskLogs> = Vec::new();
        for _page in 0..PAGES {
            let request = AppFetchLogsRequest {
                app_id: app_id.clone(),
                since: Some(stamp(since)),
                until: Some(until),
                limit: LIMIT,
                source: STDOUT,
                task_id: task.unwrap_or_default().to_owned(),
                // entries of the newer generation are found by task (facts, modal §3)
                sandbox_id: if task.is_none() { sandbox.to_owned() } else { String::new() },
            };
            let rpc = self.rpc.lasting();
            let answer = call!(rpc, app_fetch_logs, request).await.map_err(|refusal| Error::from(refusal).with("sandbox", sandbox))?;
            let mut page: Vec<_> = answer.batches.into_iter().flat_map(|batch| batch.items).collect();
            let oldest = page.iter().map(moment).filter(|moment| *moment > 0).min();
            let full = page.len() >= LIMIT as usize;
            let Some(oldest) = oldest.filter(|_| full) else {
                page.append(&mut all);
                return Ok(page);
            };
            // of the oldest moment some may be cut off: they come whole with the next page, unless that moment is all there is
            if page.iter().any(|entry| moment(entry) > oldest) {
                page.retain(|entry| moment(entry) > oldest);
                until = nanoseconds(oldest + 1);
            } else {
                until = nanoseconds(oldest);
            }
            page.append(&mut all);
            all = page;
        }
        Ok(all)
    }
}

/// When an entry was written, in nanoseconds since 1970; zero when it does not say.
fn moment(entry: &TaskLogs) -> u64 {
    if entry.timestamp_ns > 0 { entry.timestamp_ns } else { (entry.timestamp * 1e9) as u64 }
}

fn nanoseconds(moment: u64) -> Timestamp {
    let (seconds, nanos) = (moment / 1_000_000_000, moment % 1_000_000_000);
    Timestamp { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: i32::try_from(nanos).unwrap_or_default() }
}

fn lines(entries: &[TaskLogs]) -> Vec<String> {
    let mut assembler = Assembler::default();
    let mut lines: Vec<_> = entries.iter().flat_map(|entry| assembler.push(entry.data.as_bytes())).map(|(line, _)| line).collect();
    lines.extend(assembler.finish().map(|(line, _)| line));
    lines
}
