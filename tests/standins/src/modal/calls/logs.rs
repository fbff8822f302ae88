//! Output over the control plane: followed live in the first generation, fetched afterwards in both.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::Messages;
use crate::modal::behaviour::{Generation, StreamEnd};
use crate::modal::exchange::within;
use crate::modal::hub::Hub;
use crate::modal::output::{Channel, Entry};
use crate::modal::proto::{AppFetchLogsRequest, AppFetchLogsResponse, SandboxGetLogsRequest, TaskLogs, TaskLogsBatch};
use crate::modal::rules;
use crate::modal::sandbox::Sandbox;

type Sender = mpsc::Sender<Result<TaskLogsBatch, Status>>;

/// What a sandbox prints, from an entry on. Ends with `eof` at its end, without when the time is up or the stream is cut.
pub(super) fn follow(hub: &Arc<Hub>, request: SandboxGetLogsRequest) -> Result<Messages<TaskLogsBatch>, Status> {
    let sandbox = hub.sandbox(&request.sandbox_id, Generation::V1)?;
    let channel = Channel::of_logs(request.file_descriptor);
    let channel = channel.ok_or_else(|| Status::invalid_argument("file_descriptor must be stdout or stderr"))?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(tell(Arc::clone(hub), sandbox, channel, request, sender));
    Ok(Box::pin(ReceiverStream::new(receiver)))
}

async fn tell(hub: Arc<Hub>, sandbox: Arc<Sandbox>, channel: Channel, request: SandboxGetLogsRequest, sender: Sender) {
    let mut next: usize = request.last_entry_id.split('-').next().and_then(|entry| entry.parse().ok()).unwrap_or(0);
    let behaviour = hub.behaviour();
    let mut left = behaviour.stream_messages.unwrap_or(u64::MAX);
    let mut changes = sandbox.output.watch();
    let timeout = if request.timeout.is_finite() { request.timeout.clamp(0.0, 600.0) } else { 600.0 };
    let deadline = tokio::time::Instant::now() + Duration::from_secs_f32(timeout);
    loop {
        changes.mark_unchanged();
        let (entries, more) = sandbox.output.entries(next);
        for (number, entry) in entries {
            next = number;
            if entry.channel != channel {
                continue;
            }
            if left == 0 {
                return cut(behaviour.stream_end, &sender).await;
            }
            left -= 1;
            let batch = TaskLogsBatch { items: vec![item(&entry)], ..batch(&sandbox, number) };
            if sender.send(Ok(batch)).await.is_err() {
                return;
            }
        }
        if !more {
            let _ = sender.send(Ok(TaskLogsBatch { eof: true, ..batch(&sandbox, next) })).await;
            return;
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if within(left, changes.changed()).await.is_none() {
            return;
        }
    }
}

async fn cut(end: StreamEnd, sender: &Sender) {
    if end == StreamEnd::Unavailable {
        // nobody listening is as good as cut
        let _ = sender.send(Err(Status::unavailable("stream cut"))).await;
    }
}

fn batch(sandbox: &Sandbox, number: usize) -> TaskLogsBatch {
    let (task_id, sandbox_id) = (sandbox.task_id.clone(), sandbox.id.clone());
    TaskLogsBatch { task_id, sandbox_id, entry_id: format!("{number}-0"), items: Vec::new(), eof: false }
}

fn item(entry: &Entry) -> TaskLogs {
    let since = entry.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    TaskLogs {
        data: entry.data.clone(),
        timestamp: since.as_secs_f64(),
        file_descriptor: entry.channel.number_in_logs(),
        timestamp_ns: since.as_nanos() as u64,
    }
}

/// The newest entries of an app's history that fit, oldest first.
pub(super) fn fetch(hub: &Hub, request: &AppFetchLogsRequest) -> Result<AppFetchLogsResponse, Status> {
    if !hub.state().apps.iter().any(|app| app.id == request.app_id) {
        return Err(hub.unknown("app", &request.app_id));
    }
    let moment = |at: Option<prost_types::Timestamp>, otherwise: SystemTime| at.and_then(|at| at.try_into().ok()).unwrap_or(otherwise);
    let now = SystemTime::now();
    let (since, until) = (moment(request.since, UNIX_EPOCH), moment(request.until, now));
    let range = until.duration_since(since).map_err(|_| Status::invalid_argument("since lies after until"))?;
    let too_long = range > Duration::from_secs(rules::LOG_RANGE_SECS);
    if too_long || request.limit == 0 || request.limit > rules::LOG_LIMIT {
        let why = format!("{} entries of {} days", request.limit, range.as_secs() / 86_400);
        return Err(hub.refuse(rules::LOG_RANGE, Code::InvalidArgument, why));
    }
    let behaviour = hub.behaviour();
    let until = until.min(now.checked_sub(behaviour.history_delay).unwrap_or(UNIX_EPOCH));
    let channel = Channel::of_logs(request.source);
    let of_sandbox = |sandbox: &Sandbox| sandbox.generation == Generation::V1 || behaviour.history_by_sandbox_id;
    let sandboxes = hub.state().sandboxes.clone();
    let meant = sandboxes.iter().filter(|sandbox| {
        sandbox.app_id == request.app_id
            && (request.task_id.is_empty() || sandbox.task_id == request.task_id)
            && (request.sandbox_id.is_empty() || sandbox.id == request.sandbox_id && of_sandbox(sandbox))
    });
    let mut found: Vec<(&Arc<Sandbox>, usize, Entry)> = Vec::new();
    for sandbox in meant {
        let of_range = |entry: &Entry| (since..=until).contains(&entry.at) && channel.is_none_or(|channel| entry.channel == channel);
        let entries = sandbox.output.entries(0).0.into_iter();
        let entries = entries.filter(|(_, entry)| of_range(entry) && entry.data.contains(&request.search_text));
        found.extend(entries.map(|(number, entry)| (sandbox, number, entry)));
    }
    found.sort_by_key(|(_, _, entry)| entry.at);
    let newest = found.len().saturating_sub(request.limit as usize);
    Ok(AppFetchLogsResponse { batches: in_batches(&found[newest..]) })
}

/// Entries in a row of one task make a batch.
fn in_batches(found: &[(&Arc<Sandbox>, usize, Entry)]) -> Vec<TaskLogsBatch> {
    let rows = found.chunk_by(|(one, _, _), (other, _, _)| one.id == other.id);
    let batch_of = |row: &[(&Arc<Sandbox>, usize, Entry)]| {
        let (sandbox, number, _) = row.last()?;
        Some(TaskLogsBatch { items: row.iter().map(|(_, _, entry)| item(entry)).collect(), ..batch(sandbox, *number) })
    };
    rows.filter_map(batch_of).collect()
}
