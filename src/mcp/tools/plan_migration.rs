//! `plan_migration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::arguments::{Hub, Kind, Runner};
use super::super::asking::line;
use super::super::render::{cut, first};
use crate::config::Config;
use crate::error::Result;
use crate::migration::figures::size;
use crate::migration::{self, How, KeptPlan, Prepared, Reckoning, Wanted, choose_runner};
use crate::plan::fan_out::Ask;
use crate::plan::rates::CONTAINERS;
use crate::plan::{Risk, TransferPlan, word};
use crate::protocol::RunnerKind;

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
    /// Globs of paths to take; all by default.
    #[serde(default)]
    #[schemars(length(max = 50))]
    include: Vec<String>,
    /// Globs of paths to leave.
    #[serde(default)]
    #[schemars(length(max = 50))]
    exclude: Vec<String>,
    /// Where it would run: in Modal's cloud, or as a process of this machine, whose network connection every byte then passes. Modal by default where
    /// its token is set.
    runner: Option<Runner>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    summary: String,
    next_step: String,
    plan_id: String,
    source: String,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_commit: Option<String>,
    source_visibility: &'static str,
    /// As it is, or as it would be created.
    destination_visibility: &'static str,
    creates_destination: bool,
    /// What shall be at the destination.
    files: u64,
    bytes: u64,
    files_to_copy: u64,
    bytes_to_copy: u64,
    /// At the destination already, and the same.
    files_present: u64,
    files_left_out: u64,
    /// Files that only the destination has. They stay.
    extra_files: u64,
    /// What only the user may allow.
    risks: Vec<RiskShown>,
    /// What will be different at the destination on purpose: the first of it; repository text.
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

/// A risk: its name for confirm_risks, and what it is.
#[derive(Serialize, JsonSchema)]
pub(super) struct RiskShown {
    /// `overwrite`, `left_out` or `loosened_visibility`.
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
    }
}

pub(super) fn shown<'a>(risks: impl IntoIterator<Item = &'a Risk>) -> Vec<RiskShown> {
    risks.into_iter().map(|risk| RiskShown { risk: name(risk), what: cut(&line(risk), 600) }).collect()
}

pub(super) async fn run(config: &Config, arguments: Arguments) -> Result<Outcome> {
    let Arguments { source, to, dest, repo_type, revision, include, exclude, runner } = arguments;
    let asked: Option<RunnerKind> = runner.map(Into::into);
    // without one a plan is still a plan; migrate is what needs it
    let chosen = match choose_runner(config, asked.map(RunnerKind::name)) {
        Err(error) if asked.is_some() => return Err(error),
        chosen => chosen,
    };
    let repo_type = repo_type.map(Into::into);
    let wanted = Wanted { source, to: to.map(Into::into), dest, repo_type, revision, include, exclude };
    let how = chosen.as_ref().ok().map(|runner| self::how(*runner));
    let reckoning = async { Ok(Reckoning::new(config, how).await) };
    let (prepared, reckoning) = tokio::try_join!(migration::prepare(config, &wanted), reckoning)?;
    KeptPlan::keep(config, &prepared.plan, asked)?;
    let estimate = reckoning.map(|reckoning| reckoning.of(&prepared).line());
    Ok(outcome(&prepared, chosen.ok(), estimate))
}

/// How a migration that a tool starts runs: as many containers as the plan decides.
pub(super) fn how(runner: RunnerKind) -> How {
    How { runner, ask: Ask::Nothing, containers: CONTAINERS, max_time: None }
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
        source_visibility: word(plan.source_visibility),
        destination_visibility: word(plan.destination_visibility),
        creates_destination: plan.create,
        files: totals.files,
        bytes: totals.bytes,
        files_to_copy: totals.copy,
        bytes_to_copy: totals.copy_bytes,
        files_present: totals.present,
        files_left_out: totals.left_out,
        extra_files: plan.extra.len() as u64,
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
        true => format!("; the destination would be created {}", word(plan.destination_visibility)),
        false => String::new(),
    };
    let passes = match runner {
        Some(RunnerKind::Local) if totals.copy > 0 => "; every byte would pass through this machine",
        _ => "",
    };
    format!(
        "{} → {}: {} of {} files to copy ({}), {} there already{create}{passes}.",
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
        false => format!("Show the risks to the user. For those they allow, {by} and name them in confirm_risks."),
    }
}
