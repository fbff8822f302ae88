//! `plan_migration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::arguments::{Hub, Kind, Runner};
use super::super::asking::line;
use super::super::render::{cut, first};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::migration::figures::{size, time};
use crate::migration::{self, KeptPlan, Manner, Prepared, Reckoning, Wanted, time_limit};
use crate::plan::{Risk, TransferPlan};
use crate::protocol::{Deletion, RunnerKind};

/// Commits that take fewer seconds than this are not spoken of.
const WORTH_SAYING: u64 = 60;

/// Works out what a migration would do, without doing it: which files would be copied, are there already or are left out, sizes, changes to the card,
/// risks that need the user's word, time and price on Modal. Returns a plan_id for migrate. Creates, moves and changes nothing at either hub.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {
    /// The repository to read: `namespace/name`, with `hf:` or `ms:` before it to say where it is, or the address of its page. `@revision` may
    /// follow a name.
    #[schemars(length(min = 3, max = 500))]
    source: String,
    /// The hub to write to: Hugging Face (hf) or ModelScope (ms). Needed when source does not say where it is.
    to: Option<Hub>,
    /// The name at the destination, `namespace/name`; `namespace/` keeps the source's name. The source's whole name by default.
    #[schemars(length(min = 2, max = 300))]
    dest: Option<String>,
    /// What kind of repository it is; found out by default.
    repo_type: Option<Kind>,
    /// Branch, tag or commit to read; the default branch by default.
    #[schemars(length(max = 200))]
    revision: Option<String>,
    /// Globs of paths to take; all by default. `*` also matches `/`.
    #[serde(default)]
    #[schemars(length(max = 50))]
    include: Vec<String>,
    /// Globs of paths to leave, also of those that include takes.
    #[serde(default)]
    #[schemars(length(max = 50))]
    exclude: Vec<String>,
    /// Delete at the destination what the source does not have; what include and exclude leave out stays. A risk that only the user confirms, in a
    /// form or on a terminal. False by default.
    #[serde(default)]
    delete: bool,
    /// With delete: more files than this are never deleted. By default half of the destination's files, at least 10 and at most 50.
    max_delete: Option<u64>,
    /// Read the source's files by git, because its hub's API refuses to give them. Done by itself where the hub says that the account's storage is locked.
    #[serde(default)]
    use_git: bool,
    /// Where it would run: in Modal's cloud, or as a process of this machine, through whose network every byte then goes. Modal by default where
    /// its token is set.
    runner: Option<Runner>,
    /// On Modal: how many containers share the work, besides the one that conducts; by default the plan decides.
    #[schemars(range(min = 1, max = 99))]
    workers: Option<u32>,
    /// Stop after this time, such as `90m`, `3h30m` or a number of seconds; what arrived stays, and migrating again goes on. No limit by default.
    #[schemars(length(max = 40))]
    max_time: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    summary: String,
    next_step: String,
    /// For migrate. The plan with every file is the resource `plan://{plan_id}`.
    plan_id: String,
    source: String,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_commit: Option<String>,
    source_visibility: &'static str,
    /// As it is, or as it would be created.
    destination_visibility: &'static str,
    creates_destination: bool,
    /// Files that the destination is to have.
    files: u64,
    bytes: u64,
    files_to_copy: u64,
    bytes_to_copy: u64,
    /// At the destination already, and the same.
    files_present: u64,
    files_left_out: u64,
    /// Files that only the destination has. They stay.
    extra_files: u64,
    /// Files that only the destination has, and that would be deleted.
    #[serde(skip_serializing_if = "crate::protocol::is_nothing")]
    files_to_delete: u64,
    /// What only the user may allow.
    risks: Vec<RiskShown>,
    /// Intended differences at the destination, the first few; untrusted repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
    changes_count: u64,
    /// The first of them; repository text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    warnings_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner: Option<&'static str>,
    /// Time and price on Modal.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<String>,
}

/// A risk's name, and what would happen.
#[derive(Serialize, JsonSchema)]
pub(super) struct RiskShown {
    /// `overwrite`, `left_out`, `cost`, `loosened_visibility` or `delete`.
    pub(super) risk: &'static str,
    /// What would happen; what stands in quotation marks is repository text.
    pub(super) what: String,
}

/// The name of a risk.
pub(super) fn name(risk: &Risk) -> &'static str {
    match risk {
        Risk::Overwrite { .. } => "overwrite",
        Risk::LeftOut { .. } => "left_out",
        Risk::LoosenedVisibility { .. } => "loosened_visibility",
        Risk::Cost { .. } => "cost",
        Risk::Delete { .. } => "delete",
    }
}

pub(super) fn shown<'a>(risks: impl IntoIterator<Item = &'a Risk>) -> Vec<RiskShown> {
    risks.into_iter().map(|risk| RiskShown { risk: name(risk), what: cut(&line(risk), 600) }).collect()
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> Result<Outcome> {
    let Arguments { source, to, dest, repo_type, revision, include, exclude, delete, max_delete, use_git, runner, workers, max_time } =
        arguments;
    if max_delete.is_some() && !delete {
        return Err(Error::usage("max_delete bounds delete, which is not set", "set delete too, or leave max_delete out"));
    }
    let delete = delete.then_some(Deletion { most: max_delete });
    let manner = Manner { runner: runner.map(Into::into), workers, max_seconds: max_time.as_deref().map(seconds).transpose()? };
    // without a runner a plan is still a plan; migrate is what needs it
    let how = match manner.how(config) {
        Err(error) if manner.runner.is_some() || manner.workers.is_some() => return Err(error),
        how => how.ok(),
    };
    let repo_type = repo_type.map(Into::into);
    let wanted = Wanted { source, to: to.map(Into::into), dest, repo_type, revision, include, exclude, delete, use_git };
    let reckoning = async { Ok(Reckoning::new(config, how).await) };
    let (mut prepared, reckoning) = tokio::try_join!(migration::prepare(config, &wanted), reckoning)?;
    let estimate = reckoning.map(|reckoning| reckoning.of(&prepared));
    KeptPlan::keep(config, &mut prepared, manner, estimate.as_ref())?;
    Ok(outcome(&prepared, how.map(|how| how.runner), estimate.map(|estimate| estimate.line())))
}

fn seconds(text: &str) -> Result<u64> {
    let limit = time_limit(text).map_err(|instead| Error::usage("max_time is no time", instead))?;
    Ok(limit.as_secs())
}

fn outcome(prepared: &Prepared, runner: Option<RunnerKind>, estimate: Option<String>) -> Outcome {
    let plan = &prepared.plan;
    let (totals, request) = (&plan.totals, &plan.request);
    Outcome {
        summary: summary(plan, runner),
        next_step: next_step(plan, runner),
        plan_id: plan.plan_id.clone(),
        source: format!("{} ({})", request.source, request.source.repo_type),
        destination: format!("{} ({})", request.destination, request.destination.repo_type),
        source_commit: plan.source_commit.clone(),
        source_visibility: plan.source_visibility.word(),
        destination_visibility: plan.destination_visibility.word(),
        creates_destination: plan.create,
        files: totals.files,
        bytes: totals.bytes,
        files_to_copy: totals.copy,
        bytes_to_copy: totals.copy_bytes,
        files_present: totals.present,
        files_left_out: totals.left_out,
        extra_files: plan.extra.len() as u64,
        files_to_delete: plan.deletes.len() as u64,
        risks: shown(&plan.risks),
        changes: first(&plan.changes),
        changes_count: plan.changes.len() as u64,
        warnings: first(&plan.warnings),
        warnings_count: plan.warnings.len() as u64,
        runner: runner.map(RunnerKind::name),
        estimate: estimate.map(|line| cut(&line, 600)),
    }
}

fn summary(plan: &TransferPlan, runner: Option<RunnerKind>) -> String {
    let (totals, request) = (&plan.totals, &plan.request);
    let create = match plan.create {
        true => format!("; the destination would be created {}", plan.destination_visibility.word()),
        false => String::new(),
    };
    let passes = match runner {
        Some(RunnerKind::Local) if totals.copy > 0 => "; every byte would pass through this machine",
        _ => "",
    };
    let extra = match plan.extra.len() {
        0 => String::new(),
        count => format!("; {count} that only the destination has would stay"),
    };
    let extra = match plan.deletes.len() {
        0 => extra,
        count => format!("{extra}; {count} that only the destination has would be deleted"),
    };
    // shorter ones are lost in what everything else takes
    let commits = match plan.estimate {
        Some(estimate) if estimate.commit_seconds >= WORTH_SAYING => {
            format!(
                "; {} takes its {} commits in {} or more",
                request.destination.platform.title(),
                estimate.commits,
                time(estimate.commit_seconds as f64)
            )
        }
        _ => String::new(),
    };
    format!(
        "{} → {}: {} of {} files to copy ({}), {} there already{extra}{create}{passes}{commits}.",
        request.source,
        request.destination,
        totals.copy,
        totals.files,
        size(totals.copy_bytes),
        totals.present
    )
}

fn next_step(plan: &TransferPlan, runner: Option<RunnerKind>) -> String {
    if runner.is_none() {
        return "No runner is chosen. Ask the user: set Modal's token (MODAL_TOKEN_ID and MODAL_TOKEN_SECRET) to carry in the cloud, or plan \
            again with runner local to carry through this machine."
            .to_owned();
    }
    let by = format!("call migrate with plan_id {}", plan.plan_id);
    match plan.risks.is_empty() {
        true => format!("Show the plan to the user; if they agree, {by}."),
        false if plan.risks.iter().all(Risk::needs_own_word) => {
            format!(
                "Show the risks to the user; if they agree, {by}: it asks them in a form, or names the command with which they allow it."
            )
        }
        false => {
            let confirmable: Vec<_> = plan.risks.iter().filter(|risk| !risk.needs_own_word()).map(name).collect();
            let rest = match plan.risks.iter().any(Risk::needs_own_word) {
                true => " For the others it asks the user in a form, or names the command with which they allow them.",
                false => "",
            };
            format!("Show the risks to the user. If they allow them, {by} and confirm_risks {}.{rest}", serde_json::json!(confirmable))
        }
    }
}
