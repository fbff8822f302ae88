//! `verify_migration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::arguments::{Hub, Kind};
use super::super::shown;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::migration::{self, Wanted};
use crate::protocol::State;

/// Compares a source with its destination file by file, by hash, and tells what matches, differs or is missing. Give either migration_id or source.
/// With deep it reads every byte of the destination back through this machine, which takes as long as a download: do that before a source is
/// deleted. Without, it compares what both hubs list. Writes nothing at either hub.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {
    /// The migration to check, against the commit it was made from.
    #[schemars(extend("pattern" = "^m[0-9]{10}-[0-9a-f]{6}$"))]
    migration_id: Option<String>,
    /// Instead of a migration: the repository that was read, as plan_migration takes it.
    #[schemars(length(min = 3, max = 500))]
    source: Option<String>,
    /// With source: the hub that has the copy.
    to: Option<Hub>,
    /// With source: the copy's name, `namespace/name`; the source's by default.
    #[schemars(length(max = 300))]
    dest: Option<String>,
    /// With source: what kind of repository it is; found out by default.
    repo_type: Option<Kind>,
    /// With source: branch, tag or commit.
    #[schemars(length(max = 200))]
    revision: Option<String>,
    /// Read the destination back whole.
    #[serde(default)]
    deep: bool,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    summary: String,
    next_step: String,
    report: shown::Ended,
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> Result<Outcome> {
    let Arguments { migration_id, source, to, dest, repo_type, revision, deep } = arguments;
    let about_source = to.is_some() || dest.is_some() || repo_type.is_some() || revision.is_some();
    let report = match (migration_id, source) {
        (Some(id), None) if !about_source => migration::verify_migration(config, &id, deep).await?,
        (None, Some(source)) => {
            let wanted =
                Wanted { source, to: to.map(Into::into), dest, repo_type: repo_type.map(Into::into), revision, ..Wanted::default() };
            migration::verify(config, &wanted, deep).await?
        }
        (Some(_), _) => {
            return Err(Error::usage(
                "a migration's id says already what is compared",
                "leave the other arguments out, or name the source instead",
            ));
        }
        (None, None) => return Err(Error::usage("nothing to compare is named", "name a migration_id or a source")),
    };
    let next_step = match (report.state, shown::keep(&report)) {
        (State::Verified, Some(keep)) => keep,
        (State::Verified, None) if deep => "Nothing is left to do: every byte was read back.".to_owned(),
        (State::Verified, None) => "Before a source is deleted, call this again with deep true.".to_owned(),
        _ => "The source must not be deleted. Call plan_migration and migrate to bring over what is missing or differs.".to_owned(),
    };
    Ok(Outcome { summary: shown::sentence(&report), next_step, report: shown::ended(&report) })
}
