//! `status` and `cancel`.

use super::bars::Bars;
use super::migrate::{CtrlC, Interrupts, attend, exit_code, show_report};
use super::{json_out, out, render, say};
use crate::config::Config;
use crate::error::Result;
use crate::journal::Entry;
use crate::migration;

/// How many of the recent migrations are listed.
const RECENT: usize = 20;

pub(super) async fn run(config: &Config, id: Option<&str>, follow: bool, json: bool) -> Result<u8> {
    let Some(id) = id else {
        if follow {
            return Err(crate::error::Error::usage("--follow needs a migration", "`hf2ms status` lists the recent ones"));
        }
        let glances = migration::recent(config, RECENT).await?;
        if json {
            json_out(&serde_json::json!({ "migrations": glances }))?;
        } else {
            out(&render::recent(&glances));
        }
        return Ok(0);
    };
    let (folder, entry) = migration::status(config, id).await?;
    if follow {
        let report = attend(config, &folder, Bars::new(json), CtrlC::Leaves, &mut Interrupts::new()?).await?;
        return show_report(&report, json);
    }
    show(id, &entry, json)?;
    Ok(0)
}

fn show(id: &str, entry: &Entry, json: bool) -> Result<()> {
    match &entry.progress.report {
        Some(report) => show_report(report, json).map(|_| ()),
        None if json => json_out(&migration::glance(id, entry)),
        None => {
            out(&render::glance(&migration::glance(id, entry), &entry.progress));
            Ok(())
        }
    }
}

pub(super) async fn cancel(config: &Config, id: &str, json: bool) -> Result<u8> {
    let (_, entry) = migration::cancel(config, id).await?;
    show(id, &entry, json)?;
    match &entry.progress.report {
        // it came too late: what it reports is the truth, and the call itself worked
        Some(report) if exit_code(report) == 0 => {
            say("it had ended before it could be cancelled");
            Ok(0)
        }
        _ => Ok(0),
    }
}
