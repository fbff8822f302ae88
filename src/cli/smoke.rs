//! `smoke`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::run_job::stop_on_signal;
use super::{json_out, out};
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::migration::{self, Step};

/// 0 when all of it works; 3 when the token, a permission or a limit of the workspace is in the way, 130 after Ctrl-C, 1 for anything
/// else.
pub(super) async fn run(config: &Config, seconds: u64, json: bool) -> Result<u8> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let show = |step: &Step| {
        if !json {
            out(&line(step));
        }
    };
    let smoke = migration::smoke(config, Duration::from_secs(seconds), &stop, show).await?;
    // the first one is why nothing more was tried
    let failed = smoke.steps.iter().find_map(|step| step.error.as_ref()).map(|error| error.kind);
    if json {
        json_out(&smoke)?;
    } else {
        let outcome = match failed {
            None => "Modal works.",
            Some(ErrorKind::Cancelled) => "Stopped.",
            Some(_) => "Modal does not work yet.",
        };
        let rest = if smoke.not_tried.is_empty() { String::new() } else { format!(" Not tried: {}.", smoke.not_tried.join(", ")) };
        out(&format!("{outcome}{rest}"));
    }
    Ok(match failed {
        None => 0,
        Some(ErrorKind::Cancelled) => 130,
        Some(kind) if kind.exit_code() == 3 => 3,
        Some(_) => 1,
    })
}

/// A step as a person sees it: its mark, its name, what was found, or what is wrong and what to do.
fn line(step: &Step) -> String {
    let (mark, words) = match (&step.found, &step.error) {
        (_, Some(error)) => ("✗", error.message.as_str()),
        (found, None) => ("✓", found.as_deref().unwrap_or_default()),
    };
    let hint = step.error.as_ref().and_then(|error| error.hint.as_deref());
    let hint = hint.map(|hint| format!("\n{:11}hint: {hint}", "")).unwrap_or_default();
    format!("{mark} {:<9}{words}{hint}", step.step)
}
