//! `migrate`, `plan` and `verify` of several sources.

use super::args::{MigrateOptions, VerifyOptions};
use super::migrate::{Looking, agrees, cancel, exit_code, flags, follow, is_attended, who_carries};
use super::{json_out, out, render, say, together, unobeyed};
use crate::conductor::Purpose;
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::migration::{self, Batch, Counts, How, Member, Picks, Reckoning, Stage, Wanted};
use crate::plan::Risk;
use crate::plan::sum::{Order, Sum};
use crate::plan::together::Cap;
use crate::protocol::{Consent, Report, RunnerKind};

pub(super) async fn plan(config: &Config, wanted: &Wanted, sources: &Picks, looking: Looking) -> Result<u8> {
    let Looking { how, at_once, skip_existing, json } = looking;
    let cap = Cap::new(how.map_or(RunnerKind::Local, |how| how.runner), at_once)?;
    let mut batch = resolved(config, wanted, sources, Purpose::Migrate, None).await?;
    batch.leaves_existing = skip_existing;
    let reckoning = Reckoning::new(config, how).await;
    let mut estimates = Vec::new();
    // as text: of many plans, each may be of many files
    let mut plans: Vec<String> = Vec::new();
    let count = batch.members.len();
    let mut gap = "";
    batch
        .prepare(config, |index, batch| {
            let member = &batch.members[index];
            match &member.stage {
                Stage::Ready(prepared) => {
                    let estimate = reckoning.as_ref().map(|reckoning| reckoning.of(prepared));
                    match json {
                        true => plans.push(in_json(&render::PlanShown::new(config, prepared, estimate.as_ref()))),
                        false => out(&format!("{gap}{}", render::plan(config, prepared, estimate.as_ref()))),
                    }
                    gap = "\n";
                    estimates.extend(estimate);
                }
                _ if json => plans.push(member.entry().to_string()),
                // a Space, which no request is made of, was warned of
                Stage::Skipped(error) if error.kind() == ErrorKind::NotMigrated && member.request.is_none() => {}
                _ => say(&render::error_lines(index, count, member)),
            }
        })
        .await;
    let sum = Sum::of(&estimates, Order::Capped(cap));
    match (json, sum) {
        (true, Some(sum)) => out(&unobeyed(&format!("{{\"plans\":[{}],\"modal\":{}}}", plans.join(","), in_json(&sum)))),
        (true, None) => out(&unobeyed(&format!("{{\"plans\":[{}]}}", plans.join(",")))),
        (false, Some(sum)) => out(&format!("\n{}", sum.text())),
        (false, None) => {}
    }
    Ok(code(&batch))
}

/// A value in JSON, or the error that there is none.
fn in_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|error| serde_json::json!({ "error": { "kind": "local", "message": error.to_string() } }).to_string())
}

pub(super) async fn verify(config: &Config, options: &VerifyOptions, wanted: &Wanted, sources: &Picks) -> Result<u8> {
    let mut batch = resolved(config, wanted, sources, Purpose::Compare, None).await?;
    let count = batch.members.len();
    batch.compare(config, options.deep, |index, batch| told(index, count, &batch.members[index], options.json)).await;
    finish(&batch, "comparisons", options.json)
}

pub(super) async fn migrate(config: &Config, options: &MigrateOptions, wanted: &Wanted, sources: &Picks, how: How) -> Result<u8> {
    let cap = Cap::new(how.runner, options.fanning_out.at_once)?;
    let mut batch = resolved(config, wanted, sources, Purpose::Migrate, Some(flags(options))).await?;
    batch.leaves_existing = options.skip_existing;
    let reckoning = Reckoning::new(config, Some(how)).await;
    let mut estimates = Vec::new();
    let count = batch.members.len();
    for (index, member) in batch.members.iter().enumerate() {
        if matches!(member.stage, Stage::Ended(_)) {
            told(index, count, member, options.json);
        }
    }
    batch
        .prepare(config, |index, batch| match &batch.members[index].stage {
            Stage::Ready(prepared) if !options.json => {
                // those that start at once share the containers, and how many they are is not known yet
                let estimate = reckoning.as_ref().filter(|_| !options.detach).map(|reckoning| reckoning.of(prepared));
                say(&render::planned(index, count, &prepared.plan, estimate.as_ref()));
                estimates.extend(estimate);
            }
            Stage::Failed(_) if !options.json => say(&render::error_lines(index, count, &batch.members[index])),
            _ => {}
        })
        .await;
    let ready = batch.members.iter().filter(|member| matches!(member.stage, Stage::Ready(_))).count();
    let how = if options.detach { how.shared_by(ready)? } else { how };
    if let (Some(reckoning), true, false) = (reckoning, options.detach, options.json) {
        let reckoning = reckoning.with(how);
        for (index, member) in batch.members.iter().enumerate() {
            let Stage::Ready(prepared) = &member.stage else { continue };
            let estimate = reckoning.of(prepared);
            say(&render::takes(index, count, member, &estimate));
            estimates.push(estimate);
        }
    }
    // what costs money is said before
    if let Some(sum) = Sum::of(&estimates, if options.detach { Order::AllAtOnce } else { Order::Capped(cap) }) {
        say(&sum.text());
    }
    let consent = consent(&batch, options)?;
    batch.check(consent);
    for (index, member) in batch.members.iter().enumerate() {
        // what failed for another reason was said while it was planned
        if member.error().is_some_and(|error| error.kind() == ErrorKind::NeedsConfirmation) && !options.json {
            say(&render::error_lines(index, count, member));
        }
    }
    if !options.json && how.runner == RunnerKind::Local && batch.members.iter().any(|member| matches!(member.stage, Stage::Ready(_))) {
        say(render::PASSES_HERE);
    }
    match options.detach {
        true => detach(config, &mut batch, consent, how, options.json).await,
        false => {
            together::carry(config, &mut batch, consent, how, cap, options.json).await?;
            finish(&batch, "migrations", options.json)
        }
    }
}

/// The batch, with what is known before anything is planned. With `consent`, what is up to date is not looked at any further.
async fn resolved(config: &Config, wanted: &Wanted, sources: &Picks, purpose: Purpose, consent: Option<Consent>) -> Result<Batch> {
    let mut batch = Batch::new(config, wanted, sources).await?;
    if let Some(consent) = consent {
        batch.end_up_to_date(config, consent).await;
    }
    batch.resolve(config, purpose).await?;
    for source in &batch.repeated {
        say(&format!("warning: {source} is named more than once and done once"));
    }
    for member in &batch.members {
        if let Stage::Skipped(error) = &member.stage
            && error.kind() == ErrorKind::NotMigrated
        {
            say(&format!("warning: {} is skipped: {}", member.source(), error.message()));
        }
    }
    Ok(batch)
}

/// What the user allows, for all sources at once: by flag, or by answering on a terminal.
fn consent(batch: &Batch, options: &MigrateOptions) -> Result<Consent> {
    let mut consent = flags(options);
    let ready = batch.members.iter().filter_map(|member| match &member.stage {
        Stage::Ready(prepared) => Some((member, prepared.plan.uncovered(consent))),
        _ => None,
    });
    let ready: Vec<_> = ready.collect();
    // what only a flag allows is not asked about
    let by_flag_only = |risks: &[&Risk]| risks.iter().any(|risk| risk.needs_own_word());
    let open: Vec<_> = ready.iter().filter(|(_, risks)| !risks.is_empty() && !by_flag_only(risks)).collect();
    if open.is_empty() || !is_attended(options.json) {
        return Ok(consent);
    }
    let free = ready.iter().filter(|(_, risks)| risks.is_empty()).count();
    for (member, risks) in &open {
        for risk in risks {
            say(&format!("! {}: {}", member.source(), risk.describe()));
        }
    }
    let rest = match free {
        0 => "otherwise nothing is migrated".to_owned(),
        1 => "the other one goes on either way; Ctrl-C begins nothing".to_owned(),
        free => format!("the other {free} go on either way; Ctrl-C begins nothing"),
    };
    consent.risks = agrees(&format!("Allow this for {} of {} sources? ({rest}) [y/N]", open.len(), batch.members.len()))?;
    Ok(consent)
}

/// Starts all of them, each with its share of the containers; each runs by itself from then on.
async fn detach(config: &Config, batch: &mut Batch, consent: Consent, how: How, json: bool) -> Result<u8> {
    let count = batch.members.len();
    let mut started = 0;
    for index in 0..count {
        let Stage::Ready(prepared) = &batch.members[index].stage else { continue };
        who_carries(prepared, how, json).iter().for_each(|line| say(&format!("[{}/{count}] {line}", index + 1)));
        let Some(prepared) = batch.take(index) else { continue };
        let folder = migration::start(config, &prepared, consent, how).await.map(|(folder, _)| folder);
        batch.started(index, folder);
        match &batch.members[index] {
            Member { id: Some(id), .. } if !json => {
                out(id);
                say(&format!("[{}/{count}] {}\nfollow: {}\ncancel: {}", index + 1, batch.members[index].source(), follow(id), cancel(id)));
            }
            _ => told(index, count, &batch.members[index], json),
        }
        started += u64::from(batch.members[index].id.is_some());
    }
    if !json {
        let where_they_run = match how.runner {
            RunnerKind::Local => "They run on this machine, all at once, so they end when it sleeps or stops.",
            RunnerKind::Modal => "They run in Modal's app hf2ms, all at once: this machine may be switched off.",
        };
        say(&format!("{started} of {count} began. {where_they_run}"));
        return Ok(code(batch));
    }
    let entry = |member: &Member| {
        if let Stage::Ended(report) = &member.stage {
            return serde_json::json!(report);
        }
        let mut entry = member.entry();
        if let Some(id) = &member.id {
            entry["runner"] = how.runner.name().into();
            entry["follow"] = follow(id).into();
            entry["cancel"] = cancel(id).into();
        }
        entry
    };
    let Counts { succeeded, failed, skipped } = batch.counts();
    let migrations: Vec<_> = batch.members.iter().map(entry).collect();
    json_out(&serde_json::json!({
        "migrations": migrations, "started": started, "succeeded": succeeded, "failed": failed, "skipped": skipped
    }))?;
    Ok(code(batch))
}

/// One source's end, as soon as it is known.
fn told(index: usize, count: usize, member: &Member, json: bool) {
    if let Some(text) = end_of(index, count, member).filter(|_| !json) {
        say(&text);
    }
}

/// How one source ended, unless it was not begun.
pub(super) fn end_of(index: usize, count: usize, member: &Member) -> Option<String> {
    (!matches!(member.stage, Stage::Skipped(_))).then(|| render::error_lines(index, count, member))
}

/// The summary, and the exit code.
fn finish(batch: &Batch, key: &'static str, json: bool) -> Result<u8> {
    if json {
        let entry = |member: &Member| match &member.stage {
            Stage::Ended(report) => serde_json::json!(Report { resources: None, ..Report::clone(report) }),
            _ => member.entry(),
        };
        let Counts { succeeded, failed, skipped } = batch.counts();
        let entries: Vec<_> = batch.members.iter().map(entry).collect();
        json_out(&serde_json::json!({ key: entries, "succeeded": succeeded, "failed": failed, "skipped": skipped }))?;
    } else {
        out(&render::batch(batch));
    }
    Ok(code(batch))
}

/// From the gravest to the lightest: stopped by the user, published and not proven, failed, refused, of wrong usage.
const GRAVEST_FIRST: [u8; 5] = [130, 4, 1, 3, 2];

/// The gravest of what became of the sources. A Space that is skipped is no failure, nor is what is left alone by wish, unless there was
/// nothing else.
fn code(batch: &Batch) -> u8 {
    let of = |member: &Member| match &member.stage {
        Stage::Ended(report) => exit_code(report),
        Stage::Skipped(error) if error.kind() == ErrorKind::NotMigrated => 0,
        Stage::Failed(error) | Stage::Skipped(error) => error.kind().exit_code(),
        Stage::Waiting | Stage::Ready(_) | Stage::Starting | Stage::Started(_) => 0,
    };
    let codes: Vec<_> = batch.members.iter().map(of).collect();
    let only_skipped = batch.members.iter().all(|member| member.error().is_some_and(|error| error.kind() == ErrorKind::NotMigrated));
    match GRAVEST_FIRST.iter().find(|code| codes.contains(code)) {
        Some(code) => *code,
        None if only_skipped => 3,
        None => 0,
    }
}
