//! `verify`.

use super::args::{Sources, VerifyOptions, not_built};
use super::migrate::show_report;
use super::{batch, say};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::migration;

pub(super) async fn run(config: &Config, options: &VerifyOptions) -> Result<u8> {
    let sources = options.selecting.wanted()?;
    match &sources {
        Sources::One(wanted) => refuse_file(&wanted.source)?,
        Sources::Several(_, sources) => sources.iter().try_for_each(|source| refuse_file(source))?,
    }
    if options.deep && !options.json {
        say("reading the destination back whole; every byte passes through this machine");
    }
    let wanted = match sources {
        Sources::One(wanted) => wanted,
        Sources::Several(_, sources) if sources.iter().any(|source| is_id(source)) => {
            return Err(Error::usage("a migration's id stands among several sources", "compare a migration by itself: `hf2ms verify ID`"));
        }
        Sources::Several(wanted, sources) => return batch::verify(config, options, &wanted, &sources).await,
    };
    let is_id = is_id(&wanted.source);
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

/// Whether it is a migration's id and no repository.
fn is_id(source: &str) -> bool {
    !source.contains(['/', ':']) && source.starts_with('m')
}

/// A proof's file is no source; without this it would be looked for as a repository.
fn refuse_file(source: &str) -> Result<()> {
    let named = ["/", "./", "../", "~/"].iter().any(|start| source.starts_with(start));
    let json = !source.contains(':') && [".json", ".jsonl"].iter().any(|end| source.to_lowercase().ends_with(end));
    if !named && !json {
        return Ok(());
    }
    Err(not_built("verify FILE", "comparison with a proof's file")
        .with("file", format!("`{source}`"))
        .hint_instead("name the source or the migration's id; a repository that is called like a file is named with `hf:` or `ms:`"))
}
