//! What migrations take in the cloud, with what this workspace pays for it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{How, Prepared, proof, way};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::modal::{ModalEstimate, Prices, Region};
use crate::protocol::RunnerKind;
use crate::runner::Runners;

/// How long the workspace's rates are waited for: a plan is not held up for a better guess.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reckons what plans take where they would run.
#[derive(Clone, Debug)]
pub struct Reckoning {
    how: How,
    prices: Prices,
}

impl Reckoning {
    /// For migrations that run like this: with the workspace's own rates, or else, which is said, with those of the table. `None` where
    /// nothing costs anything, because nothing runs in the cloud.
    pub async fn new(config: &Config, how: Option<How>) -> Option<Self> {
        let how = how.filter(|how| how.runner == RunnerKind::Modal)?;
        let prices = match tokio::time::timeout(PATIENCE, of_workspace(config)).await {
            Ok(Ok(prices)) => prices,
            Ok(Err(error)) => general(config, &error.to_string()),
            Err(_) => general(config, &format!("Modal did not answer within {} s", PATIENCE.as_secs())),
        };
        Some(Self { how, prices })
    }

    /// With the same prices, for migrations that run like this.
    #[must_use]
    pub fn with(self, how: How) -> Self {
        Self { how, ..self }
    }

    /// What this one takes.
    pub fn of(&self, prepared: &Prepared) -> ModalEstimate {
        let way = way(&prepared.plan.request);
        ModalEstimate::new(prepared.load, &self.how.fan_out(prepared.load, way), way, self.prices.clone(), Region::Any)
    }
}

async fn of_workspace(config: &Config) -> Result<Prices> {
    let runners = Runners::new(config);
    let rates = runners.modal().client().await?.billing_rates().await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let today: String = proof::utc(now).chars().take_while(|character| *character != 'T').collect();
    Prices::of_workspace(&rates, &today).ok_or_else(|| Error::new(ErrorKind::Protocol, "Modal names rates that hf2ms does not know"))
}

fn general(config: &Config, why: &str) -> Prices {
    let prices = Prices::default();
    (config.say)(&format!("warning: this workspace's rates could not be read, so the price is reckoned with {}: {why}", prices.text()));
    prices
}
