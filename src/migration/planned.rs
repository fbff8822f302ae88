//! Plans that are kept: a migration can be started by a plan's id, as long as it would still do what the plan says.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{How, Prepared, Reckoning, choose_runner, prepare_request};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Journal;
use crate::plan::fan_out::Ask;
use crate::plan::modal::ModalEstimate;
use crate::plan::rates::CONTAINERS;
use crate::plan::{Risk, TransferPlan};
use crate::protocol::{Request, RunnerKind};
use crate::repo::Sha256;

/// Of each list of a plan that is shown whole, at most.
const LISTED: usize = 200;
/// Characters of a plan that is shown whole, above which its lists are cut further.
const SHOWN: usize = 40_000;

/// How it shall run, as far as that was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manner {
    /// Where.
    pub runner: Option<RunnerKind>,
    /// Among how many workers it is shared.
    pub workers: Option<u32>,
    /// After so many seconds it stops.
    pub max_seconds: Option<u64>,
}

impl Manner {
    /// What that means with this configuration.
    ///
    /// Fails as [`choose_runner`] does, and with `Usage` for a count of workers that cannot be had.
    pub fn how(self, config: &Config) -> Result<How> {
        let ask = Ask::new(false, self.workers, None)?;
        let runner = choose_runner(config, self.runner.map(RunnerKind::name))?;
        if runner == RunnerKind::Local && ask != Ask::Nothing {
            return Err(Error::usage("one process carries on this machine", "leave workers out, or use runner `modal`"));
        }
        Ok(How { runner, ask, containers: CONTAINERS, share: 1, max_time: self.max_seconds.map(Duration::from_secs) })
    }
}

/// What is kept of a plan: what was asked for, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPlan {
    /// The plan's id: hash of what was found, of the manner, and of the risks.
    pub plan_id: String,
    /// What was asked for.
    pub request: Request,
    /// The source's commit that was planned for.
    pub source_commit: Option<String>,
    /// What only the user may allow, as it was shown.
    pub risks: Vec<Risk>,
    /// How it shall run.
    pub manner: Manner,
    /// The plan and what it takes in the cloud, for a closer look; its lists are cut and say so.
    pub shown: Value,
    /// What a person is being asked about it.
    #[serde(default)]
    asked: Option<Question>,
}

/// What was asked for and is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    handle: String,
    risks: Vec<Risk>,
}

impl KeptPlan {
    /// Keeps a plan in the state folder, where some hundred of them are kept, and gives it its id. What it would cost becomes one of its risks
    /// where that is above the limit.
    pub fn keep(config: &Config, prepared: &mut Prepared, manner: Manner, estimate: Option<&ModalEstimate>) -> Result<()> {
        let plan = &mut prepared.plan;
        plan.risks.extend(cost(config, estimate));
        let parts = (&plan.plan_id, manner, &plan.risks);
        let text = serde_json::to_vec(&parts).map_err(|error| Error::new(ErrorKind::Local, "no plan id").because(error))?;
        plan.plan_id = format!("plan-{}", &Sha256::of(&text).to_string()[..16]);
        let kept = Self {
            plan_id: plan.plan_id.clone(),
            request: plan.request.clone(),
            source_commit: plan.source_commit.clone(),
            risks: plan.risks.clone(),
            manner,
            shown: shown(plan, manner, estimate)?,
            asked: None,
        };
        kept.write(config)
    }

    fn write(&self, config: &Config) -> Result<()> {
        Journal::new(&config.home).keep_plan(&self.plan_id, self)
    }

    /// A plan that was kept. Fails with `NotFound`.
    pub fn open(config: &Config, plan_id: &str) -> Result<Self> {
        Journal::new(&config.home).kept_plan(plan_id)
    }

    /// Notes that a person is asked for these risks; gives a handle by which the answer finds what was asked. A question before is forgotten.
    pub fn ask(&mut self, config: &Config, risks: &[Risk]) -> Result<String> {
        let handle = format!("ask-{:016x}{:016x}", random(), random());
        self.asked = Some(Question { handle: handle.clone(), risks: risks.to_vec() });
        self.write(config)?;
        Ok(handle)
    }

    /// The risks that were asked for under this handle, which is used up by that.
    ///
    /// Fails with `Conflict` when nothing is asked, or something else.
    pub fn answered(&mut self, config: &Config, handle: &str) -> Result<Vec<Risk>> {
        match self.asked.take() {
            Some(question) if question.handle == handle => {
                self.write(config)?;
                Ok(question.risks)
            }
            _ => Err(Error::new(ErrorKind::Conflict, "the answer is to no question that is open for this plan")
                .with("plan", &self.plan_id)
                .hint_to("call migrate with the plan_id again: it asks anew")),
        }
    }

    /// Plans again what was asked for.
    ///
    /// Fails with `Conflict`, saying what is different, when the source moved or there is a risk that was not shown.
    pub async fn again(&self, config: &Config, how: How) -> Result<Prepared> {
        let reckoning = async { Ok(Reckoning::new(config, Some(how)).await) };
        let (mut prepared, reckoning) = tokio::try_join!(prepare_request(config, self.request.clone()), reckoning)?;
        let estimate = reckoning.map(|reckoning| reckoning.of(&prepared));
        prepared.plan.risks.extend(cost(config, estimate.as_ref()));
        self.still_holds(&prepared.plan)?;
        Ok(prepared)
    }

    fn still_holds(&self, now: &TransferPlan) -> Result<()> {
        let mut differences = Vec::new();
        if now.source_commit != self.source_commit {
            let named = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "no commit".to_owned());
            differences.push(format!("the source moved from {} to {}", named(&self.source_commit), named(&now.source_commit)));
        }
        let new = now.risks.iter().filter(|risk| !self.risks.iter().any(|known| known.covers(risk)));
        differences.extend(new.map(|risk| format!("a risk is new: {}", risk.describe())));
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, format!("the plan no longer holds: {}", differences.join("; ")))
            .with("plan", &self.plan_id)
            .hint_to("plan again, look at what is different, and migrate by the new plan"))
    }
}

/// The price, where it is above what may be spent without asking.
fn cost(config: &Config, estimate: Option<&ModalEstimate>) -> Option<Risk> {
    // never negative; to the next cent
    let cents = (estimate?.dollars * 100.0).ceil() as u64;
    (cents > config.cost_limit_cents).then_some(Risk::Cost { cents, limit_cents: config.cost_limit_cents })
}

/// The plan with lists that are short enough to be read; beside each that is cut stands how much is missing.
fn shown(plan: &TransferPlan, manner: Manner, estimate: Option<&ModalEstimate>) -> Result<Value> {
    let brief = |most: usize| -> serde_json::Result<Value> {
        let mut whole = serde_json::to_value(TransferPlan { items: Vec::new(), extra: Vec::new(), deletes: Vec::new(), ..plan.clone() })?;
        let items: Vec<_> = plan.items.iter().take(most).collect();
        let extra: Vec<_> = plan.extra.iter().take(most).collect();
        (whole["items"], whole["items_not_shown"]) = (json!(items), json!(plan.items.len() - items.len()));
        (whole["extra"], whole["extra_not_shown"]) = (json!(extra), json!(plan.extra.len() - extra.len()));
        if !plan.deletes.is_empty() {
            let deletes: Vec<_> = plan.deletes.iter().take(most).collect();
            (whole["deletes"], whole["deletes_not_shown"]) = (json!(deletes), json!(plan.deletes.len() - deletes.len()));
        }
        for (list, missing) in [("changes", "changes_not_shown"), ("warnings", "warnings_not_shown")] {
            if let Some(Value::Array(lines)) = whole.get_mut(list) {
                let cut = lines.len().saturating_sub(most);
                lines.truncate(most);
                whole[missing] = json!(cut);
            }
        }
        Ok(json!({ "plan": whole, "manner": manner, "modal": estimate }))
    };
    let mut most = LISTED;
    loop {
        let value = brief(most).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
        if most <= 1 || value.to_string().chars().count() <= SHOWN {
            return Ok(value);
        }
        most /= 2;
    }
}

/// Not to be guessed.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
