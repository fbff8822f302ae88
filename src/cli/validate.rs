//! `validate`.

use super::{json_out, out, render};
use crate::config::Config;
use crate::error::Result;
use crate::migration;

/// 0 when the tokens of both hubs are there and accepted, and Modal's is accepted or not set; 3 when a hub's token is missing, half of
/// Modal's is, or one of them is refused; 1 when a service could not be asked, or Modal is configured wrongly. With a destination also 3 when its
/// hub says that the token may not write there.
pub(super) async fn run(config: &Config, dest: Option<&str>, json: bool) -> Result<u8> {
    let (id, at) = dest.map(|text| migration::destination(config, text)).transpose()?.unzip();
    let checks = migration::validate(config, id.as_ref(), at).await;
    if json {
        json_out(&serde_json::json!({ "platforms": checks }))?;
    } else {
        out(&render::checks(&checks));
    }
    let refused = |check: &migration::PlatformCheck| check.error.as_ref().is_some_and(|error| error.kind.exit_code() == 3);
    Ok(match checks.iter().all(migration::PlatformCheck::is_good) {
        true => 0,
        false if checks.iter().any(refused) => 3,
        false => 1,
    })
}
