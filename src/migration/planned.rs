//! Plans that are kept: a migration can be started by a plan's id, as long as it would still do what the plan says.

use serde::{Deserialize, Serialize};

use super::{Prepared, prepare_request};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Journal;
use crate::plan::{Risk, TransferPlan};
use crate::protocol::{Request, RunnerKind};

/// What is kept of a plan: what was asked for, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPlan {
    /// The plan's id.
    pub plan_id: String,
    /// What was asked for.
    pub request: Request,
    /// The source's commit that was planned for.
    pub source_commit: Option<String>,
    /// What only the user may allow, as it was shown.
    pub risks: Vec<Risk>,
    /// Where it should run, if that was said.
    pub runner: Option<RunnerKind>,
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
    /// Keeps a plan in the state folder, where some hundred of them are kept.
    pub fn keep(config: &Config, plan: &TransferPlan, runner: Option<RunnerKind>) -> Result<()> {
        let kept = Self {
            plan_id: plan.plan_id.clone(),
            request: plan.request.clone(),
            source_commit: plan.source_commit.clone(),
            risks: plan.risks.clone(),
            runner,
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
    pub async fn again(&self, config: &Config) -> Result<Prepared> {
        let prepared = prepare_request(config, self.request.clone()).await?;
        self.still_holds(&prepared.plan)?;
        Ok(prepared)
    }

    fn still_holds(&self, now: &TransferPlan) -> Result<()> {
        let mut differences = Vec::new();
        if now.source_commit != self.source_commit {
            let named = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "no commit".to_owned());
            differences.push(format!("the source moved from {} to {}", named(&self.source_commit), named(&now.source_commit)));
        }
        let new = now.risks.iter().filter(|risk| !self.risks.contains(risk));
        differences.extend(new.map(|risk| format!("a risk is new: {}", risk.describe())));
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, format!("the plan no longer holds: {}", differences.join("; ")))
            .with("plan", &self.plan_id)
            .hint_to("plan again, look at what is different, and migrate by the new plan"))
    }
}

/// Not to be guessed.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
