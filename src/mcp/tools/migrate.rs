//! `migrate`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::asking::{Asked, Asking, Word};
use super::super::confirmed::Confirmed;
use super::super::shown;
use super::Answer;
use super::plan_migration::{self, RiskShown};
use super::status;
use crate::config::Config;
use crate::error::Result;
use crate::journal::{Entry, Folder};
use crate::migration::{self, KeptPlan};
use crate::plan::{Risk, TransferPlan};
use crate::protocol::{Consent, Deletion, Request, RunnerKind, State};

/// After how many seconds there may be something new.
const POLL: u64 = 10;

/// Starts the migration that a plan describes and returns within seconds; it goes on by itself, also when this session ends, and status follows it.
/// Plans again first and refuses if the source changed or a new risk appeared. Called again with the same plan while it runs, it names the running
/// one. With unconfirmed risks nothing starts: a client with forms asks the user, else the state is needs_confirmation. Deletes and
/// overwrites only what a confirmed risk names.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Arguments {
    /// The plan to carry out, from plan_migration.
    #[schemars(extend("pattern" = "^plan-[0-9a-f]{16}$"))]
    plan_id: String,
    /// Risks of the plan that the user allows. Loosened visibility and deleting are not among them: only a person allows those, in a form or on a
    /// terminal.
    #[serde(default)]
    confirm_risks: Vec<Confirmed>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::mcp) struct Outcome {
    summary: String,
    next_step: String,
    /// `running`; or nothing was started: `needs_confirmation`, or `declined` when a person was asked and did not allow it. Of a task that has ended,
    /// how it ended.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    migration_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_after_s: Option<u64>,
    /// Whether it ran before this call.
    #[serde(skip_serializing_if = "Option::is_none")]
    already_running: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner: Option<&'static str>,
    /// Risks that are not confirmed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unconfirmed: Vec<RiskShown>,
    /// Of a task that has ended: the migration as status shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    migration: Option<shown::Migration>,
    /// Of a task that has ended: how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<shown::Ended>,
}

impl Outcome {
    fn answer(self) -> Result<Answer> {
        let id = self.migration_id.clone().filter(|_| self.state == State::Running.name());
        let value = super::value(Ok(self))?;
        Ok(match id {
            Some(id) => Answer::Runs { id, value },
            None => Answer::Given(value),
        })
    }

    /// Nothing but words.
    fn saying(state: &'static str, summary: String, next_step: String) -> Self {
        Self {
            summary,
            next_step,
            state,
            migration_id: None,
            poll_after_s: None,
            already_running: None,
            runner: None,
            unconfirmed: Vec::new(),
            migration: None,
            report: None,
        }
    }
}

/// What it came to: what `status` says of it.
pub(super) fn ended(id: &str, entry: &Entry) -> Outcome {
    let status::Outcome { summary, next_step, migration, report, .. } = status::of(id, entry);
    let state = entry.progress.state.name();
    Outcome { migration_id: Some(id.to_owned()), migration, report, ..Outcome::saying(state, summary, next_step) }
}

pub(super) async fn run(config: &Config, arguments: Arguments, mut asking: Asking<'_>) -> Result<Answer> {
    let Arguments { plan_id, confirm_risks } = arguments;
    let mut kept = KeptPlan::open(config, &plan_id)?;
    if let Some(folder) = migration::running_for(config, &kept.request, kept.source_commit.as_deref()).await? {
        return started(&folder, &kept.request, true).answer();
    }
    let how = kept.manner.how(config)?;
    let mut allowed = match asking.answer(config, &mut kept)? {
        None => Vec::new(),
        Some((Word::Yes, risks)) => risks,
        Some((no, risks)) => return refused(&kept, no, &risks, how.runner).answer(),
    };
    loop {
        let prepared = kept.again(config, how).await?;
        let is_open = |risk: &&Risk| !is_confirmed(risk, &confirm_risks) && !allowed.iter().any(|allowed| allowed.covers(risk));
        let open: Vec<Risk> = prepared.plan.risks.iter().filter(is_open).cloned().collect();
        prepared.plan.check_deletion()?;
        if open.is_empty() {
            let (folder, ran_already) = migration::start(config, &prepared, consent(&prepared.plan), how).await?;
            return started(&folder, &kept.request, ran_already).answer();
        }
        match asking.ask(config, &mut kept, &open).await? {
            // somebody took their time: what they allowed must still be all there is
            Asked::Answered(Word::Yes) => allowed.extend(open),
            Asked::Answered(no) => return refused(&kept, no, &open, how.runner).answer(),
            Asked::Later(question) => return Ok(Answer::Asks(question)),
            Asked::Nobody => return unconfirmed(&kept, &open, how.runner).answer(),
        }
    }
}

/// Whether the caller may confirm it and does. Who may read the files, and what is deleted, is for a person.
fn is_confirmed(risk: &Risk, confirmed: &[Confirmed]) -> bool {
    match risk {
        Risk::Overwrite { .. } => confirmed.contains(&Confirmed::Overwrite),
        Risk::LeftOut { .. } => confirmed.contains(&Confirmed::LeftOut),
        Risk::Cost { .. } => confirmed.contains(&Confirmed::Cost),
        Risk::LoosenedVisibility { .. } | Risk::Delete { .. } => false,
    }
}

/// Consent to the risks of a plan all of which were confirmed, and to no other.
fn consent(plan: &TransferPlan) -> Consent {
    Consent {
        risks: plan.risks.iter().any(|risk| !risk.needs_own_word()),
        loosened_visibility: plan.risks.iter().any(|risk| matches!(risk, Risk::LoosenedVisibility { .. })),
        deletion: plan.risks.iter().any(|risk| matches!(risk, Risk::Delete { .. })),
    }
}

fn started(folder: &Folder, request: &Request, already_running: bool) -> Outcome {
    let id = folder.id();
    let runner = folder.place().map(|place| place.kind());
    let where_it_runs = match runner {
        Some(RunnerKind::Local) => ", on this machine: it ends when the machine sleeps or stops",
        Some(RunnerKind::Modal) => ", in Modal's cloud: this machine may be switched off",
        None => "",
    };
    let verb = if already_running { "runs already" } else { "has started" };
    let summary = format!("The migration {} → {} {verb}{where_it_runs}.", request.source, request.destination);
    Outcome {
        migration_id: Some(id.to_owned()),
        poll_after_s: Some(POLL),
        already_running: Some(already_running),
        runner: runner.map(RunnerKind::name),
        ..Outcome::saying(State::Running.name(), summary, shown::next_step(id, State::Running, None))
    }
}

fn unconfirmed(plan: &KeptPlan, open: &[Risk], runner: RunnerKind) -> Outcome {
    let summary = format!("Nothing was started: {} of the plan's risks not confirmed ({}).", open.len(), names(open).join(", "));
    Outcome { unconfirmed: plan_migration::shown(open), ..Outcome::saying("needs_confirmation", summary, in_words(plan, open, runner)) }
}

/// A person was asked and did not say yes.
fn refused(plan: &KeptPlan, said: Word, risks: &[Risk], runner: RunnerKind) -> Outcome {
    let names = names(risks).join(", ");
    let (summary, next_step) = match said {
        Word::Nothing => (
            format!("Nothing was started: the question about {names} was closed without an answer, which means no."),
            in_words(plan, risks, runner),
        ),
        _ => (
            format!("Nothing was started: the user was asked about {names} and did not allow it."),
            "Do not migrate by this plan. Ask the user what should be otherwise, then call plan_migration.".to_owned(),
        ),
    };
    Outcome { unconfirmed: plan_migration::shown(risks), ..Outcome::saying("declined", summary, next_step) }
}

fn names(risks: &[Risk]) -> Vec<&'static str> {
    risks.iter().map(plan_migration::name).collect()
}

/// How a user allows it where no form asks them.
fn in_words(plan: &KeptPlan, open: &[Risk], runner: RunnerKind) -> String {
    let loosens = open.iter().any(|risk| matches!(risk, Risk::LoosenedVisibility { .. }));
    let deletes = open.iter().any(|risk| matches!(risk, Risk::Delete { .. }));
    let what = match (loosens, deletes) {
        (true, true) => Some("More people could read the copy than the source, and files at the destination would be deleted"),
        (true, false) => Some("More people could read the copy than the source"),
        (false, true) => Some("Files at the destination would be deleted"),
        (false, false) => None,
    };
    match what {
        Some(what) => format!("{what}. Only a person allows that, by running this on a terminal: {}", command(plan, runner)),
        None => format!(
            "Show the risks to the user. If they allow them, call migrate with plan_id {} and confirm_risks {}.",
            plan.plan_id,
            // with those that were confirmed in this call: the next one knows nothing of it
            serde_json::json!(plan.risks.iter().filter(|risk| !risk.needs_own_word()).map(plan_migration::name).collect::<Vec<_>>())
        ),
    }
}

/// What a person types to start the same, with what only they allow.
fn command(plan: &KeptPlan, runner: RunnerKind) -> String {
    let request = &plan.request;
    let mut words = vec!["hf2ms migrate".to_owned(), request.source.to_string()];
    words.push(format!("--dest {} --repo-type {}", request.destination.id, request.destination.repo_type));
    let quoted = |flag: &str, text: &String| format!("{flag} '{}'", text.replace('\'', r"'\''"));
    words.extend(request.revision.iter().map(|revision| quoted("--revision", revision)));
    words.extend(request.include.iter().map(|glob| quoted("--include", glob)));
    words.extend(request.exclude.iter().map(|glob| quoted("--exclude", glob)));
    words.extend(request.use_git.then(|| "--use-git".to_owned()));
    words.push(format!("--runner {} --detach", runner.name()));
    if plan.risks.iter().any(|risk| matches!(risk, Risk::LoosenedVisibility { .. })) {
        words.push("--allow-public".to_owned());
    }
    if let Some(Deletion { most }) = request.delete {
        words.push("--delete".to_owned());
        words.extend(most.map(|most| format!("--max-delete {most}")));
    }
    words.extend(plan.manner.workers.map(|workers| format!("--workers {workers}")));
    words.extend(plan.manner.max_seconds.map(|seconds| format!("--max-time {seconds}")));
    if plan.risks.iter().any(|risk| !risk.needs_own_word()) {
        words.push("--yes".to_owned());
    }
    words.join(" ")
}
