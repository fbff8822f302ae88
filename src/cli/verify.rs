//! `verify`.

use super::args::VerifyOptions;
use super::migrate::show_report;
use super::say;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::migration;

pub(super) async fn run(config: &Config, options: &VerifyOptions) -> Result<u8> {
    let wanted = options.selecting.wanted()?;
    let is_id = !wanted.source.contains(['/', ':']) && wanted.source.starts_with('m');
    if options.deep && !options.json {
        say("reading the destination back whole; every byte passes through this machine");
    }
    if is_id && !options.selecting.names_only_a_source() {
        return Err(Error::usage(
            "a migration's id says already what is compared",
            "leave the other flags out, or name the source instead",
        ));
    }
    let report = if is_id {
        migration::verify_migration(config, &wanted.source, options.deep).await?
    } else {
        migration::verify(config, &wanted, options.deep).await?
    };
    show_report(&report, options.json)
}
