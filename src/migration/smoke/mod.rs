//! Modal from end to end, in a minute: everything a migration needs of it is tried in turn until something fails, and a sandbox that was
//! created is ended whatever happens. No hub's token takes part.

mod steps;
mod trial;
mod words;

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use self::trial::Trial;
use crate::config::Config;
use crate::error::{Error, ErrorReport, Result};
use crate::repo::Platform;
use crate::runner::modal::Prepared;

/// What is tried, in this order; the last one as soon as there may be a sandbox.
const STEPS: [&str; 10] = ["token", "server", "account", "worker", "image", "files", "sandbox", "run", "hubs", "end"];
/// How long ending may take, beyond the time that all the rest has.
const ENDING: Duration = Duration::from_secs(30);

/// One thing that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its name: `token server account worker image files sandbox run hubs end`.
    pub step: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong, with what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// What was tried, and whether all of it works.
#[derive(Clone, Debug, Serialize)]
pub struct Smoke {
    /// Whether everything works.
    pub ok: bool,
    /// What was tried, in its order.
    pub steps: Vec<Step>,
    /// What was not, because something before it does not work.
    pub not_tried: Vec<&'static str>,
}

/// Tries Modal, showing each step as it is done. Takes `most`, and half a minute more to end what was created; `stop` ends it sooner, and
/// in the same way. What does not work is in the result.
///
/// Fails with `Usage` when the address of a hub is none that may be called; then nothing was tried.
pub async fn smoke(config: &Config, most: Duration, stop: &CancellationToken, show: impl FnMut(&Step)) -> Result<Smoke> {
    let hubs = hubs(config)?;
    let mut check = Check { steps: Vec::new(), show, most, deadline: Instant::now() + most, stop };
    let mut trial = None;
    // what failed stands among the steps
    let _noted = check.try_all(config, hubs, &mut trial).await;
    if let Some(trial) = &trial {
        check.end(trial).await;
    }
    Ok(check.finish())
}

/// The hubs that a sandbox is to reach. A client is made of each only to see that its address may be called, and holds no secret.
fn hubs(config: &Config) -> Result<Vec<(Platform, String)>> {
    let platforms = [Platform::HuggingFace, Platform::ModelScope];
    platforms
        .into_iter()
        .map(|platform| super::hub(config, platform).map(|_| (platform, config.endpoints.of(platform).to_owned())))
        .collect()
}

/// A step failed, and was noted.
struct Noted;

struct Check<'a, S> {
    steps: Vec<Step>,
    show: S,
    most: Duration,
    deadline: Instant,
    stop: &'a CancellationToken,
}

impl<S: FnMut(&Step)> Check<'_, S> {
    async fn try_all(&mut self, config: &Config, hubs: Vec<(Platform, String)>, trial: &mut Option<Trial>) -> Result<(), Noted> {
        let settings = self.step("token", std::future::ready(steps::token(config, self.most))).await?;
        let client = self.step("server", steps::server(&settings, config.say)).await?;
        self.step("account", steps::account(&client, &settings)).await?;
        let worker = self.step("worker", steps::worker(config)).await?;
        let (app, image) = self.step("image", steps::image(&client)).await?;
        let mount = self.step("files", steps::files(&client, &app, &worker)).await?;
        let trial = trial.insert(Trial::new(client, hubs, self.most + ENDING));
        let prepared = Prepared { app, image, mount };
        let sandbox = self.step("sandbox", trial.create(&prepared)).await?;
        trial.sandbox = Some(sandbox.id.clone());
        let versions = self.step("run", trial.answer(&sandbox)).await?;
        self.step("hubs", std::future::ready(steps::hubs(&versions.hubs))).await
    }

    /// Ends what may have been created; for that Ctrl-C does not count.
    async fn end(&mut self, trial: &Trial) {
        let ended = timeout(ENDING, trial.end()).await.unwrap_or_else(|_| Err(words::not_ended()));
        let _noted = self.note("end", ended.map_err(words::ends_by_itself));
    }

    /// Tries one thing within the time that is left.
    async fn step<T>(&mut self, name: &'static str, work: impl Future<Output = Result<(T, String)>>) -> Result<T, Noted> {
        let outcome = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(words::stopped()),
            outcome = timeout_at(self.deadline, work) => outcome.unwrap_or_else(|_| Err(words::late(name, self.most))),
        };
        self.note(name, outcome)
    }

    fn note<T>(&mut self, name: &'static str, outcome: Result<(T, String)>) -> Result<T, Noted> {
        let (found, error, result) = match outcome {
            Ok((value, found)) => (Some(found), None, Ok(value)),
            Err(error) => (None, Some(report(error)), Err(Noted)),
        };
        let step = Step { step: name, ok: error.is_none(), found, error };
        (self.show)(&step);
        self.steps.push(step);
        result
    }

    fn finish(self) -> Smoke {
        let tried = |name: &&str| self.steps.iter().any(|step| step.step == *name);
        let not_tried: Vec<_> = STEPS.into_iter().filter(|name| !tried(name)).collect();
        Smoke { ok: not_tried.is_empty() && self.steps.iter().all(|step| step.ok), not_tried, steps: self.steps }
    }
}

fn report(error: Error) -> ErrorReport {
    ErrorReport::from(&words::fitting(error))
}
