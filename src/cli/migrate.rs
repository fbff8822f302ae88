//! `migrate` and `plan`.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::args::{MigrateOptions, PlanOptions, Sources, would_run};
use super::bars::Bars;
use super::{batch, json_out, out, render, say};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Folder, Journal};
use crate::migration::{self, How, Prepared, Reckoning, Wanted, choose_runner};
use crate::plan::modal::ModalEstimate;
use crate::protocol::{Consent, Report, RunnerKind, State};

/// How a plan is looked at.
#[derive(Clone, Copy)]
pub(super) struct Looking {
    /// As it would run, where that is known.
    pub(super) how: Option<How>,
    /// So many of several at the same time.
    pub(super) at_once: Option<u32>,
    /// A destination that is there with other content is left alone.
    pub(super) skip_existing: bool,
    pub(super) json: bool,
}

pub(super) async fn plan(config: &Config, options: &PlanOptions) -> Result<u8> {
    let sources = options.deleting.of(options.selecting.wanted()?)?;
    if matches!(sources, Sources::One(_)) {
        options.fanning_out.for_one()?;
    }
    if let (Sources::Several(..), true) = (&sources, options.job) {
        return Err(Error::usage("--job prints one job", "name one source"));
    }
    let how = would_run(config, options.runner.as_deref(), &options.fanning_out)?;
    match sources {
        Sources::One(wanted) if options.job => {
            let prepared = migration::prepare(config, &wanted).await?;
            let consent = Consent { risks: options.yes, loosened_visibility: false, deletion: options.deleting.delete };
            // unless it is said where, for this machine
            let how = how.filter(|_| options.runner.is_some() || options.fanning_out.is_given()).unwrap_or(How::HERE);
            json_out(&prepared.job(config, &Journal::new_id(), consent, how))?;
            Ok(0)
        }
        sources => {
            let looking = Looking { how, at_once: options.fanning_out.at_once, skip_existing: false, json: options.json };
            look(config, sources, looking).await
        }
    }
}

/// Shows what would happen, and what it takes where it would run.
async fn look(config: &Config, sources: Sources, looking: Looking) -> Result<u8> {
    let wanted = match sources {
        Sources::One(wanted) => wanted,
        Sources::Several(wanted, sources) => return batch::plan(config, &wanted, &sources, looking).await,
    };
    let (prepared, estimate) = prepare(config, &wanted, looking.how).await?;
    if looking.skip_existing {
        prepared.leaves_existing()?;
    }
    match looking.json {
        true => json_out(&render::PlanShown::new(config, &prepared, estimate.as_ref()))?,
        false => out(&render::plan(config, &prepared, estimate.as_ref())),
    }
    Ok(0)
}

/// The plan, and what it takes in the cloud if it would run there.
async fn prepare(config: &Config, wanted: &Wanted, how: Option<How>) -> Result<(Prepared, Option<ModalEstimate>)> {
    let reckoning = async { Ok(Reckoning::new(config, how).await) };
    let (prepared, reckoning) = tokio::try_join!(migration::prepare(config, wanted), reckoning)?;
    let estimate = reckoning.map(|reckoning| reckoning.of(&prepared));
    Ok((prepared, estimate))
}

pub(super) async fn run(config: &Config, options: &MigrateOptions) -> Result<u8> {
    let sources = options.deleting.of(options.selecting.wanted()?)?;
    if matches!(sources, Sources::One(_)) {
        options.fanning_out.for_one()?;
    }
    if options.dry_run && options.detach {
        return Err(Error::usage("--dry-run and --detach contradict each other", "a dry run starts nothing that could be detached"));
    }
    if options.detach && options.fanning_out.at_once.is_some() {
        return Err(Error::usage(
            "--at-once and --detach contradict each other",
            "detached migrations start all at once: leave one of them out",
        ));
    }
    if options.dry_run {
        let how = would_run(config, options.runner.as_deref(), &options.fanning_out)?;
        let at_once = options.fanning_out.at_once;
        return look(config, sources, Looking { how, at_once, skip_existing: options.skip_existing, json: options.json }).await;
    }
    let how = options.fanning_out.how(choose_runner(config, options.runner.as_deref())?)?;
    let how = How { max_time: options.max_time, ..how };
    match sources {
        Sources::One(wanted) => one(config, options, &wanted, how).await,
        Sources::Several(wanted, sources) => batch::migrate(config, options, &wanted, &sources, how).await,
    }
}

async fn one(config: &Config, options: &MigrateOptions, wanted: &Wanted, how: How) -> Result<u8> {
    if let Some(report) = migration::up_to_date(config, wanted, flags(options)).await? {
        return nothing_to_do(config, &report, how.runner, options);
    }
    let (prepared, estimate) = prepare(config, wanted, Some(how)).await?;
    if options.skip_existing {
        prepared.leaves_existing()?;
    }
    let consent = consent(config, options, &prepared, estimate.as_ref())?;
    prepared.plan.check(consent)?;
    // what costs money is said before
    if let (Some(estimate), false) = (&estimate, options.json) {
        say(&format!("{}\n{}", render::start(&prepared.plan), estimate.text()));
    }
    who_carries(&prepared, how, options.json || estimate.is_some()).iter().for_each(|line| say(line));
    // from here on Ctrl-C is meant for the migration
    let mut interrupts = Interrupts::new()?;
    let (folder, ran_already) = migration::start(config, &prepared, consent, how).await?;
    if estimate.is_none() && !options.json {
        say(&render::start(&prepared.plan));
        if prepared.plan.totals.copy > 0 {
            say(render::PASSES_HERE);
        }
    }
    if ran_already {
        say(&runs_already(&folder, how));
    }
    if options.detach {
        return detached(&folder, how.runner, options.json);
    }
    let report = attend(config, &folder, Bars::new(options.json), CtrlC::Cancels, &mut interrupts).await?;
    show_report(&report, options.json)
}

/// The one that runs keeps the limits it was started with.
fn runs_already(folder: &Folder, how: How) -> String {
    let limit = if how.max_time.is_some() { "; --max-time does not change how long it may run" } else { "" };
    format!("it runs already, as {}; following that one{limit}", folder.id())
}

/// What is done otherwise than asked, and how many workers carry.
pub(super) fn who_carries(prepared: &Prepared, how: How, quiet: bool) -> Vec<String> {
    let fan_out = prepared.fan_out(how);
    let instead = fan_out.instead.iter().map(|instead| format!("warning: {instead}"));
    let workers = (fan_out.workers > 0 && !quiet)
        .then(|| format!("up to {} workers carry, each in a container of its own ({})", fan_out.workers, fan_out.because));
    instead.chain(workers).collect()
}

/// What the user allows: by flag, or by answering on a terminal. Visibility is loosened, and files are deleted, by flag only.
fn consent(config: &Config, options: &MigrateOptions, prepared: &Prepared, estimate: Option<&ModalEstimate>) -> Result<Consent> {
    let mut consent = flags(options);
    let open = prepared.plan.uncovered(consent);
    let by_flag_only = open.iter().any(|risk| risk.needs_own_word());
    if open.is_empty() || by_flag_only || !is_attended(options.json) {
        return Ok(consent);
    }
    say(&render::plan(config, prepared, estimate));
    consent.risks = agrees("Go on? [y/N]")?;
    Ok(consent)
}

/// What the flags allow.
pub(super) fn flags(options: &MigrateOptions) -> Consent {
    Consent { risks: options.yes, loosened_visibility: options.allow_public, deletion: options.deleting.delete }
}

/// Says that everything is there. Who wants to follow something has the migration that proved it, where this machine knows it: one of another
/// machine is named by a commit, and is followed there.
fn nothing_to_do(config: &Config, report: &Report, runner: RunnerKind, options: &MigrateOptions) -> Result<u8> {
    if !options.detach {
        return show_report(report, options.json);
    }
    let id = &report.id;
    let is_known = Journal::new(&config.home).open(id).is_ok();
    if options.json {
        let named = (!id.is_empty()).then_some(id);
        let mut answer = serde_json::json!({ "id": named, "state": report.state, "runner": runner, "up_to_date": true });
        if is_known {
            answer["follow"] = follow(id).into();
            answer["cancel"] = cancel(id).into();
        }
        json_out(&answer)?;
    } else {
        if is_known {
            out(id);
        }
        say(&render::report(report));
    }
    Ok(exit_code(report))
}

/// Whether a person sits there who can be asked.
pub(super) fn is_attended(json: bool) -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !json
}

/// Asks a person; only a yes is one.
pub(super) fn agrees(question: &str) -> Result<bool> {
    say(question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Error::new(ErrorKind::Local, "no answer").because(error))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn detached(folder: &Folder, runner: RunnerKind, json: bool) -> Result<u8> {
    let id = folder.id();
    let (follow, cancel) = (follow(id), cancel(id));
    if json {
        json_out(&serde_json::json!({ "id": id, "state": State::Running, "runner": runner, "follow": follow, "cancel": cancel }))?;
    } else {
        out(id);
        let where_it_runs = match runner {
            RunnerKind::Local => "It runs on this machine, so it ends when the machine sleeps or stops.",
            RunnerKind::Modal => {
                "It runs in Modal's app hf2ms (https://modal.com/apps): this machine may be switched off. From another one, the same Modal token \
                 and the id are all that is needed."
            }
        };
        say(&format!("follow: {follow}\ncancel: {cancel}\n{where_it_runs}"));
    }
    Ok(0)
}

/// The command that follows a migration.
pub(super) fn follow(id: &str) -> String {
    format!("hf2ms status {id} --follow")
}

/// The command that stops it.
pub(super) fn cancel(id: &str) -> String {
    format!("hf2ms cancel {id}")
}

/// What Ctrl-C does to a migration that is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CtrlC {
    /// Cancels it, and then its last word is waited for.
    Cancels,
    /// Ends the following only.
    Leaves,
}

/// Ctrl-C, from now on. What is pressed while nobody waits for it is not lost, and each clone hears of it.
#[derive(Clone)]
pub(super) struct Interrupts {
    presses: watch::Receiver<u32>,
    heard: u32,
    told: Arc<AtomicBool>,
}

impl Interrupts {
    pub(super) fn new() -> Result<Self> {
        let mut signal = signal(SignalKind::interrupt()).map_err(|error| Error::new(ErrorKind::Local, "no signals").because(error))?;
        let (count, presses) = watch::channel(0);
        tokio::spawn(async move {
            while !count.is_closed() && signal.recv().await.is_some() {
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { presses, heard: 0, told: Arc::default() })
    }

    /// Whether it was pressed.
    pub(super) fn pressed(&self) -> bool {
        *self.presses.borrow() > 0
    }

    /// Waits for the next press; one that came already counts.
    async fn next(&mut self) {
        let heard = self.heard;
        match self.presses.wait_for(|count| *count > heard).await {
            Ok(_) => self.heard += 1,
            // nobody listens for signals any more
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether nobody said yet what was heard: of several that hear it, one says it.
    fn is_first(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

/// Follows to the end with progress.
pub(super) async fn attend(config: &Config, folder: &Folder, mut bars: Bars, ctrl_c: CtrlC, interrupts: &mut Interrupts) -> Result<Report> {
    let gone = |message| Error::new(ErrorKind::Cancelled, message).with("id", folder.id());
    let outcome = {
        // shown while it is followed, and beside that
        let bars = RefCell::new(&mut bars);
        let follow = || Box::pin(migration::follow(config, folder, |progress| bars.borrow_mut().show(progress)));
        let mut following = follow();
        tokio::select! {
            report = &mut following => report,
            () = interrupts.next() => match ctrl_c {
                CtrlC::Leaves => Err(gone("no longer followed; it goes on")),
                CtrlC::Cancels => {
                    if interrupts.is_first() {
                        bars.borrow().say("cancelling; press Ctrl-C again not to wait for its last word");
                    }
                    // who cancels reads what it says from now on, and one at a time does that
                    drop(following);
                    tokio::select! {
                        cancelled = migration::cancel(config, folder.id()) => cancelled.map(|_| ()),
                        () = interrupts.next() => return Err(gone("no longer followed")),
                    }?;
                    follow().await
                }
            },
        }
    };
    bars.clear();
    outcome
}

/// Prints how it ended and gives the exit code.
pub(super) fn show_report(report: &Report, json: bool) -> Result<u8> {
    if json {
        json_out(&Report { resources: None, ..report.clone() })?;
    } else {
        out(&render::report(report));
        if let Some(error) = &report.error {
            say(&format!("error: {}", error.message));
            if let Some(hint) = &error.hint {
                say(&format!("hint: {hint}"));
            }
        }
    }
    Ok(exit_code(report))
}

/// The truth in the exit code.
pub(super) fn exit_code(report: &Report) -> u8 {
    match (report.state, &report.error) {
        (State::Verified, None) => 0,
        (State::Unproven, _) => 4,
        (State::Cancelled, _) => 130,
        (State::Refused, _) => 3,
        (_, Some(error)) if error.kind.exit_code() != 0 => error.kind.exit_code(),
        _ => 1,
    }
}
