//! `validate_tokens`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::render;
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::migration::{self, PlatformCheck, Verdict};

/// Checks the access tokens of Hugging Face (hf), ModelScope (ms) and Modal: whether each is set, where it was found, whose it is, whether it may
/// read and write, and which namespaces it may write to. Shows no part of a token. Takes no arguments; tokens are set in the environment, a .env
/// file or the plugin's settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    summary: String,
    next_step: String,
    /// Both hubs' tokens are accepted, and Modal's is accepted or not set; see write for each hub.
    ready: bool,
    platforms: Vec<Checked>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Checked {
    /// `hf`, `ms` or `modal`.
    platform: String,
    present: bool,
    /// Where the token was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
    /// `yes`, `no` or `unknown`.
    read: String,
    /// `yes`, `no` or `unknown`.
    write: String,
    /// Namespaces that the token may write to: the first of them, where the service says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
    /// Whether the service does not take the token; with an error and without this, it could not be asked.
    #[serde(skip)]
    is_refused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

pub(super) async fn run(config: &Config, _: Arguments) -> Result<Outcome> {
    let checks = migration::validate(config, None, None).await;
    let ready = checks.iter().all(PlatformCheck::is_good);
    let platforms: Vec<_> = checks.iter().map(checked).collect();
    let lines: Vec<_> = platforms.iter().map(line).collect();
    let next_step = match platforms.iter().find(|check| check.error.is_some()) {
        None if ready => "Call plan_migration.".to_owned(),
        Some(check) if check.is_refused => {
            format!("Help the user to set a good token for {}; its hint says how. Then call validate_tokens again.", check.platform)
        }
        Some(check) => {
            format!("Nothing is known of {}'s token: do what the hint says, then call validate_tokens again.", check.platform)
        }
        None => "Help the user to set the missing token, then call validate_tokens again.".to_owned(),
    };
    Ok(Outcome { summary: lines.join("; "), next_step, ready, platforms, warnings: render::first(&config.warnings) })
}

fn checked(check: &PlatformCheck) -> Checked {
    let error = check.error.clone().map(render::report);
    let verdict = |verdict: Verdict| {
        match verdict {
            Verdict::Yes => "yes",
            Verdict::No => "no",
            Verdict::Unknown => "unknown",
        }
        .to_owned()
    };
    Checked {
        platform: check.platform.clone(),
        present: check.present,
        origin: check.origin.clone(),
        account: check.account.as_deref().map(|name| render::cut(name, 100)),
        workspace: check.workspace.as_deref().map(|name| render::cut(name, 100)),
        read: verdict(check.read),
        write: verdict(check.write),
        namespaces: check.namespaces.iter().flatten().take(20).map(|name| render::cut(name, 100)).collect(),
        is_refused: error.as_ref().is_some_and(|error| matches!(error.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden)),
        error: error.as_ref().map(|error| error.message.clone()),
        hint: error.and_then(|error| error.hint).or_else(|| lacks(check)),
    }
}

/// What a token with scopes would need for its own account's namespace.
fn lacks(check: &PlatformCheck) -> Option<String> {
    (!check.lacks.is_empty()).then(|| render::cut(&format!("it lacks {}", check.lacks.join("; ")), 300))
}

fn line(check: &Checked) -> String {
    let Checked { platform, account, error, present, .. } = check;
    match (present, error, account) {
        (false, ..) => format!("{platform}: no token"),
        (true, Some(_), _) if check.is_refused => format!("{platform}: not accepted"),
        (true, Some(_), _) => format!("{platform}: could not be asked"),
        (true, None, Some(account)) => format!("{platform}: {account}, write {}", check.write),
        (true, None, None) => format!("{platform}: accepted"),
    }
}
