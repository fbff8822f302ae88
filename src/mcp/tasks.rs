//! Tasks: a migration as the tasks extension of the protocol sees it. The task's id is the migration's, so that any server that comes later
//! answers for it; nothing is kept here.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, Task, TaskPayload, TaskStatus};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::render::{self, cut};
use super::{config, tools};
use crate::error::{Error, ErrorKind, ErrorReport, Result};
use crate::journal::Entry;
use crate::migration::{self, figures};
use crate::protocol::{RunnerKind, State};

/// How often a client may look, in milliseconds: here that costs a file, in the cloud a few calls.
const POLL_HERE: u64 = 2_000;
const POLL_IN_CLOUD: u64 = 5_000;

/// Who cancels is told that it is under way after this time; it goes on without being waited for.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);

/// One at a time: a client may cancel twice, and the second time there is nothing left to do.
static CANCELLING: Mutex<()> = Mutex::const_new(());

/// The task of a migration that runs.
pub(super) async fn begun(id: &str) -> Result<CreateTaskResult> {
    let (_, entry) = migration::status(&config()?, id).await?;
    Ok(CreateTaskResult::new(task(id, &entry)))
}

/// `tasks/get`: where it stands, and once it ended what `status` says of it.
pub(super) async fn get(id: &str) -> Result<GetTaskResult, ErrorData> {
    let (_, entry) = known(async { migration::status(&config()?, id).await }.await)?;
    let payload = match entry.progress.state {
        State::Running | State::Committing => TaskPayload::Working,
        State::Cancelled => TaskPayload::Cancelled,
        _ => TaskPayload::Completed { result: object(&render::answer(tools::ended(id, &entry)))? },
    };
    Ok(GetTaskResult::new(DetailedTask::new(task(id, &entry), payload)))
}

/// `tasks/update`: a migration that runs asks nothing, so there is nothing to take.
pub(super) async fn update(id: &str) -> Result<(), ErrorData> {
    known(async { migration::status(&config()?, id).await }.await)?;
    Ok(())
}

/// `tasks/cancel`: stops it. One that has ended stays as it is.
pub(super) async fn cancel(id: String) -> Result<(), ErrorData> {
    known(async { migration::status(&config()?, &id).await }.await)?;
    let ending = super::server::apart(move || async move {
        let _one = CANCELLING.lock().await;
        let outcome = async { migration::cancel(&config()?, &id).await.map(|_| ()) }.await;
        if let Err(error) = &outcome {
            super::say(&format!("{id} is not cancelled: {error}"));
        }
        outcome
    });
    match tokio::time::timeout(ACKNOWLEDGED, ending).await {
        Ok(outcome) => known(outcome?),
        // what it comes to is told by `tasks/get`
        Err(_) => Ok(()),
    }
}

fn task(id: &str, entry: &Entry) -> Task {
    let span = entry.progress.span;
    let utc = |milliseconds: u64| figures::utc(milliseconds / 1_000);
    let made = made(id).or(span.map(|(first, _)| first)).unwrap_or_default();
    let last = span.map_or(made, |(_, last)| last.max(made));
    let poll = match entry.place.as_ref().map(|place| place.kind()) {
        Some(RunnerKind::Modal) => POLL_IN_CLOUD,
        _ => POLL_HERE,
    };
    // `Task::new` leaves the time to live unlimited: the folder stays until somebody removes it
    Task::new(id, status(entry.progress.state), utc(made), utc(last))
        .with_poll_interval_ms(poll)
        .with_status_message(render::shown(&cut(&message(entry), 300)))
}

fn status(state: State) -> TaskStatus {
    match state {
        State::Running | State::Committing => TaskStatus::Working,
        State::Cancelled => TaskStatus::Cancelled,
        _ => TaskStatus::Completed,
    }
}

fn message(entry: &Entry) -> String {
    match entry.progress.state.is_final() {
        false => figures::line(&entry.progress),
        true => tools::sentence(entry),
    }
}

/// When it was started, in milliseconds since 1970: its id begins with that.
fn made(id: &str) -> Option<u64> {
    id.get(1..11)?.parse::<u64>().ok()?.checked_mul(1_000)
}

fn object(result: &CallToolResult) -> Result<JsonObject, ErrorData> {
    match serde_json::to_value(result) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(ErrorData::internal_error("no JSON", None)),
    }
}

fn known<T>(outcome: Result<T>) -> Result<T, ErrorData> {
    outcome.map_err(|error| match error.kind() {
        // the id is not repeated: it may be anything
        ErrorKind::NotFound => ErrorData::invalid_params("no such task; status without migration_id lists the migrations", None),
        _ => failed(&error),
    })
}

/// A failure of this program or of a service, for who asked for no tool.
pub(super) fn failed(error: &Error) -> ErrorData {
    let ErrorReport { message, hint, .. } = render::report(ErrorReport::from(error));
    ErrorData::internal_error(message, hint.map(|hint| json!({ "hint": hint })))
}
