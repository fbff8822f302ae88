//! The migrations of a batch, as many at a time as there is room for, followed from one terminal.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::bars::Board;
use super::batch::end_of;
use super::migrate::{CtrlC, Interrupts, attend, who_carries};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Folder;
use crate::migration::{self, Batch, How, Prepared, Stage};
use crate::plan::together::{Cap, Room};
use crate::protocol::{Consent, Report, RunnerKind, State};
use crate::repo::Sha256;

/// What all of them have in common.
struct Together<'a> {
    config: &'a Config,
    consent: Consent,
    board: Board,
    interrupts: Interrupts,
    json: bool,
}

/// One that is about to be carried.
struct Turn {
    index: usize,
    /// `[2/5]`.
    name: String,
    source: String,
    /// What it takes of the room.
    shares: u32,
    /// What it is the first of the batch to send.
    contents: HashSet<Sha256>,
    prepared: Box<Prepared>,
    how: How,
}

/// How one ended.
struct Ended {
    index: usize,
    shares: u32,
    contents: HashSet<Sha256>,
    started: Result<Folder>,
    outcome: Option<Result<Report>>,
}

/// Begins each in its turn, as soon as there is room for it, and follows it to its end.
pub(super) async fn carry(config: &Config, batch: &mut Batch, consent: Consent, how: How, cap: Cap, json: bool) -> Result<()> {
    let together = Together { config, consent, board: Board::new(json, cap.is_one_by_one()), interrupts: Interrupts::new()?, json };
    let began = Instant::now();
    let count = batch.members.len();
    let mut room = Room::new(cap);
    let mut sending = Sending::default();
    let mut running = FuturesUnordered::new();
    for index in 0..count {
        let Stage::Ready(prepared) = &batch.members[index].stage else { continue };
        let ((shares, how), mut contents) = (share(prepared, how, cap), prepared.contents.clone());
        while !room.has(shares) || sending.shares_with(&contents) {
            let next: Option<Ended> = running.next().await;
            let Some(ended) = next else { break };
            room.leave(ended.shares);
            sending.end(&ended);
            together.ends(batch, ended);
        }
        // the time is that of all of them; a process counts it in whole seconds
        let left = how.max_time.map(|time| time.saturating_sub(began.elapsed()));
        together.stops(batch, left);
        let source = batch.members[index].source();
        // those before it may have ended the batch
        let Some(prepared) = batch.take(index) else { continue };
        room.enter(shares);
        sending.begin(&mut contents);
        let how = How { max_time: left, ..how };
        running.push(together.one(Turn { index, name: format!("[{}/{count}]", index + 1), source, shares, contents, prepared, how }));
    }
    while let Some(ended) = running.next().await {
        together.ends(batch, ended);
        together.stops(batch, None);
    }
    Ok(())
}

/// The contents that migrations are sending. Two that send one content at the same time would each be told that it is missing, and both would
/// send it; after one of them has ended, the other one finds it there.
#[derive(Default)]
struct Sending {
    now: HashSet<Sha256>,
    sent: HashSet<Sha256>,
}

impl Sending {
    fn shares_with(&self, contents: &HashSet<Sha256>) -> bool {
        contents.iter().any(|content| self.now.contains(content))
    }

    /// One begins: of these, it sends what nobody sent before.
    fn begin(&mut self, contents: &mut HashSet<Sha256>) {
        contents.retain(|content| !self.sent.contains(content));
        self.now.extend(contents.iter());
    }

    /// One has ended. What it sent is there if it ended well, else the next one that has it sends it.
    fn end(&mut self, ended: &Ended) {
        self.now.retain(|content| !ended.contents.contains(content));
        if matches!(&ended.outcome, Some(Ok(report)) if report.state == State::Verified) {
            self.sent.extend(&ended.contents);
        }
    }
}

/// What one takes of the room, and how it runs with that.
fn share(prepared: &Prepared, how: How, cap: Cap) -> (u32, How) {
    match how.runner {
        RunnerKind::Modal => (prepared.fan_out(how).workers + 1, how),
        RunnerKind::Local => {
            let shares = cap.here(prepared.load.bytes);
            (shares, how.one_of(cap.parts(shares)))
        }
    }
}

impl Together<'_> {
    /// Starts one and follows it.
    async fn one(&self, turn: Turn) -> Ended {
        let Turn { index, name, source, shares, contents, prepared, how } = turn;
        for line in who_carries(&prepared, how, self.json) {
            self.board.say(&format!("{name} {line}"));
        }
        match migration::start(self.config, &prepared, self.consent, how).await {
            Err(error) => Ended { index, shares, contents, started: Err(error), outcome: None },
            Ok((folder, ran_already)) => {
                drop(prepared);
                if !self.json {
                    let how = if ran_already { "runs already" } else { "runs" };
                    self.board.say(&format!("{name} {source} {how} as {}", folder.id()));
                }
                let bars = self.board.bars(&name);
                let outcome = attend(self.config, &folder, bars, CtrlC::Cancels, &mut self.interrupts.clone()).await;
                Ended { index, shares, contents, started: Ok(folder), outcome: Some(outcome) }
            }
        }
    }

    /// Takes how one ended, and says it.
    fn ends(&self, batch: &mut Batch, ended: Ended) {
        let Ended { index, started, outcome, .. } = ended;
        batch.started(index, started);
        if let Some(outcome) = outcome {
            batch.ended(index, outcome);
        }
        if let Some(text) = end_of(index, batch.members.len(), &batch.members[index]).filter(|_| !self.json) {
            self.board.say(&text);
        }
    }

    /// Begins no other one where the user cancelled, or the time is over.
    fn stops(&self, batch: &mut Batch, left: Option<Duration>) {
        if self.interrupts.pressed() {
            let reason = || Error::new(ErrorKind::Cancelled, "not begun: the batch was cancelled");
            batch.stop(|| reason().hint_to("run the same command again to go on"));
        }
        if left.is_some_and(|left| left < Duration::from_secs(1)) {
            let reason = || Error::new(ErrorKind::Interrupted, "not begun: the time is over");
            batch.stop(|| reason().hint_to("run the same command again: it goes on with what is missing"));
        }
    }
}
