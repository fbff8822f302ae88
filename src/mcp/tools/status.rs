//! `status`.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::shown;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Entry, Folder};
use crate::migration;
use crate::migration::figures::line;
use crate::progress::Progress;

/// How many of the recent migrations are listed.
const RECENT: usize = 8;
/// The longest wait.
const LONGEST: u64 = 60;
/// How often progress is told.
const OFTEN: Duration = Duration::from_secs(1);

/// Tells where a migration stands: state, files and bytes done, rate, time left, and, once ended, its report. Also finds migrations that an earlier
/// session or, with Modal, another machine started. Without migration_id it lists the recent ones. Changes nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {
    /// The migration, as migrate named it.
    #[schemars(extend("pattern" = "^m[0-9]{10}-[0-9a-f]{6}$"))]
    migration_id: Option<String>,
    /// How long to wait for the end, in seconds; it returns earlier when the migration ends.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60))]
    wait_seconds: u64,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    pub(super) summary: String,
    pub(super) next_step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) migration: Option<shown::Migration>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) report: Option<shown::Ended>,
    /// The recent ones, the newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    migrations: Vec<shown::Migration>,
}

pub(super) async fn run(config: &Config, arguments: Arguments, context: &RequestContext<RoleServer>) -> Result<Outcome> {
    let Arguments { migration_id, wait_seconds } = arguments;
    if wait_seconds > LONGEST {
        return Err(Error::usage("wait_seconds is at most 60", "call status again to wait longer"));
    }
    let Some(id) = migration_id else {
        if wait_seconds > 0 {
            return Err(Error::usage("wait_seconds needs a migration_id", "status without arguments lists the recent ones"));
        }
        return recent(config).await;
    };
    let (folder, entry) = migration::status(config, &id).await?;
    if wait_seconds == 0 || entry.progress.state.is_final() {
        return Ok(of(&id, &entry));
    }
    wait(config, &folder, Duration::from_secs(wait_seconds), context).await?;
    let (_, entry) = migration::status(config, &id).await?;
    Ok(of(&id, &entry))
}

async fn recent(config: &Config) -> Result<Outcome> {
    let glances = migration::recent(config, RECENT).await?;
    let summary = match glances.len() {
        0 => "This machine knows no migration.".to_owned(),
        count => format!("{count} recent migrations, the newest first."),
    };
    let next_step = match glances.is_empty() {
        true => "Call plan_migration.".to_owned(),
        false => "Call status with a migration_id for more.".to_owned(),
    };
    Ok(Outcome { summary, next_step, migration: None, report: None, migrations: glances.iter().map(shown::of_glance).collect() })
}

/// One migration.
pub(super) fn of(id: &str, entry: &Entry) -> Outcome {
    Outcome {
        summary: sentence(entry),
        next_step: shown::next_step(id, entry.progress.state, entry.progress.report.as_ref()),
        migration: Some(shown::migration(id, entry)),
        report: entry.progress.report.as_ref().map(shown::ended),
        migrations: Vec::new(),
    }
}

/// Where it stands, in a sentence.
pub(super) fn sentence(entry: &Entry) -> String {
    match &entry.progress.report {
        Some(report) => shown::sentence(report),
        None if entry.progress.state.is_final() => "Interrupted: the process that carried it is gone without a last word.".to_owned(),
        None => format!("It runs: {}.", line(&entry.progress)),
    }
}

/// Waits for the end, telling the client how far it is when it asked for that.
async fn wait(config: &Config, folder: &Folder, longest: Duration, context: &RequestContext<RoleServer>) -> Result<()> {
    let (newest, changes) = watch::channel(Progress::default());
    let following = timeout(
        longest,
        migration::follow(config, folder, |progress| {
            newest.send_replace(progress.clone());
        }),
    );
    let outcome = match context.meta.get_progress_token() {
        None => following.await,
        Some(token) => tokio::select! {
            outcome = following => outcome,
            never = tell(changes, token, context) => match never {},
        },
    };
    match outcome {
        // that it was interrupted is what its state says
        Ok(Err(error)) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

async fn tell(changes: watch::Receiver<Progress>, token: ProgressToken, context: &RequestContext<RoleServer>) -> std::convert::Infallible {
    let mut ticks = interval(OFTEN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        let _now: Instant = ticks.tick().await;
        let (position, bytes, words) = {
            let progress = changes.borrow();
            (progress.position(), progress.bytes, line(&progress))
        };
        // it must grow with every word
        if bytes > 0 && last.is_none_or(|last| position > last) {
            last = Some(position);
            let word = ProgressNotificationParam::new(token.clone(), position as f64).with_total(bytes as f64).with_message(words);
            // a client that cannot be told will still be answered, or is gone
            let _untold = context.peer.notify_progress(word).await;
        }
    }
}
