//! `validate`.

use super::{json_out, out, render};
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::migration;

/// 0 when both hubs' tokens are there and accepted, 3 when one is missing or refused, 1 when a hub could not be asked.
pub(super) async fn run(config: &Config, json: bool) -> Result<u8> {
    let checks = migration::validate(config).await;
    if json {
        json_out(&serde_json::json!({ "platforms": checks }))?;
    } else {
        out(&render::checks(&checks));
    }
    let mut hubs = checks.iter().filter(|check| check.platform != "modal");
    let refused = |check: &&migration::PlatformCheck| check.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Unauthorized);
    Ok(match hubs.clone().all(migration::PlatformCheck::is_good) {
        true => 0,
        false if hubs.any(|check| refused(&check)) => 3,
        false => 1,
    })
}
