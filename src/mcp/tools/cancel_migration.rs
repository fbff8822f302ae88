//! `cancel_migration`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::status::{self, Outcome};
use crate::config::Config;
use crate::error::Result;
use crate::migration;

/// Stops a running migration and tells what is at the destination then. What arrived is kept there, and the same migration, planned
/// again, goes on from it. Deletes nothing. One that has ended already is only reported. May take some minutes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {
    /// The migration, as migrate or status named it.
    #[schemars(extend("pattern" = "^m[0-9]{10}-[0-9a-f]{6}$"))]
    migration_id: String,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> Result<Outcome> {
    let (_, entry) = migration::cancel(config, &arguments.migration_id).await?;
    Ok(status::of(&arguments.migration_id, &entry))
}
