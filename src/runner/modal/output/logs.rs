//! Output of the older generation: read from the control plane by entry.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Code, Streaming};

use super::assemble::Assembler;
use super::{Mark, Output, Step};
use crate::error::{Error, Result};
use crate::runner::modal::failures::{self, Refusal};
use crate::runner::modal::retry::{delay, is_transient};
use crate::runner::modal::wire::client::{SandboxGetLogsRequest, TaskLogsBatch};
use crate::runner::modal::wire::{STDOUT, call};
use crate::runner::modal::{ModalClient, Sandbox};

/// How long the service holds a stream that has nothing to say, in seconds.
const HOLD_SECONDS: f32 = 55.0;
/// Nothing at all for longer than that is a broken stream.
const SILENCE: Duration = Duration::from_secs(75);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Broken streams in a row that are nothing to speak of, and that are too many while the control plane answers otherwise.
const FEW: u32 = 10;
const TOO_MANY: u32 = 200;

/// Reads by entry, and goes on after the last one.
pub(super) struct LogsReader {
    last_entry: String,
    /// The entry up to which no line is under way.
    whole: String,
    stream: Option<Open>,
    assembler: Assembler,
    /// Streams in a row that broke, and that brought nothing.
    broken: u32,
    quiet: u32,
    ended: bool,
}

struct Open {
    stream: Streaming<TaskLogsBatch>,
    brought: bool,
    after_end: bool,
}

impl LogsReader {
    pub(super) fn new(entry: &str) -> Self {
        let (last_entry, whole) = (entry.to_owned(), entry.to_owned());
        Self { last_entry, whole, stream: None, assembler: Assembler::default(), broken: 0, quiet: 0, ended: false }
    }

    /// Reads a little more.
    pub(super) async fn step(&mut self, client: &ModalClient, sandbox: &Sandbox, ready: &mut VecDeque<(Output, Mark)>) -> Result<Step> {
        let Some(open) = &mut self.stream else { return self.reopen(client, sandbox).await };
        match timeout(SILENCE, open.stream.message()).await {
            Ok(Ok(Some(batch))) => {
                open.brought |= !batch.items.is_empty();
                (self.broken, self.quiet) = (0, 0);
                if self.take(batch, ready) {
                    return Ok(self.finish(ready));
                }
            }
            Ok(Ok(None)) => {
                let (brought, after_end) = (open.brought, open.after_end);
                self.stream = None;
                if after_end && !brought {
                    // it ended without saying that this is all; the history may hold more
                    return Ok(Step::Kept(client.settled_history(sandbox, 0).await?));
                }
                self.quiet = if brought { 0 } else { self.quiet + 1 };
            }
            Ok(Err(status)) => {
                self.stream = None;
                self.broke(client.rpc.refused("sandbox_get_logs", status), sandbox)?;
            }
            Err(_silent) => {
                self.stream = None;
                self.broken += 1;
            }
        }
        Ok(Step::More)
    }

    /// Takes a batch; says whether it is the last one.
    fn take(&mut self, batch: TaskLogsBatch, ready: &mut VecDeque<(Output, Mark)>) -> bool {
        for item in batch.items.iter().filter(|item| matches!(item.file_descriptor, 0 | STDOUT)) {
            for (line, _) in self.assembler.push(item.data.as_bytes()) {
                ready.push_back((Output::Line(line), Mark::Entry(self.whole.clone())));
            }
        }
        if !batch.entry_id.is_empty() {
            self.last_entry = batch.entry_id;
        }
        if self.assembler.is_empty() && self.whole != self.last_entry {
            self.whole.clone_from(&self.last_entry);
            if let Some((_, mark)) = ready.back_mut() {
                *mark = Mark::Entry(self.whole.clone());
            }
        }
        batch.eof
    }

    async fn reopen(&mut self, client: &ModalClient, sandbox: &Sandbox) -> Result<Step> {
        let worried = self.broken + self.quiet;
        if worried > 0 {
            sleep(delay(worried - 1, LONGEST_PAUSE)).await;
            // asked through an outage, so that it is not taken for the logs' own trouble
            if !self.ended && (self.quiet > 0 || self.broken.is_multiple_of(FEW)) {
                self.ended = client.poll(&sandbox.id).await?.is_some();
            }
        }
        let rpc = client.about(&sandbox.id)?.streaming();
        let request = SandboxGetLogsRequest {
            sandbox_id: sandbox.id.clone(),
            file_descriptor: STDOUT,
            timeout: HOLD_SECONDS,
            last_entry_id: self.last_entry.clone(),
        };
        match timeout(SILENCE, async { call!(rpc, sandbox_get_logs, request.clone()).await }).await {
            Ok(Ok(stream)) => self.stream = Some(Open { stream, brought: false, after_end: self.ended }),
            Ok(Err(refusal)) => self.broke(refusal, sandbox)?,
            Err(_silent) => self.broken += 1,
        }
        Ok(Step::More)
    }

    /// Takes note of a stream that broke or did not open. Fails for what stays, and after too many.
    fn broke(&mut self, refusal: Refusal, sandbox: &Sandbox) -> Result<()> {
        self.broken += 1;
        let lasting = !is_transient(&refusal.status) && refusal.code() != Code::ResourceExhausted;
        let error = Error::from(refusal).with("sandbox", &sandbox.id);
        if lasting {
            return Err(error);
        }
        if self.broken > TOO_MANY { Err(failures::output_lost(&sandbox.id, self.broken, error)) } else { Ok(()) }
    }

    /// The line without an end is one too.
    fn finish(&mut self, ready: &mut VecDeque<(Output, Mark)>) -> Step {
        self.stream = None;
        if let Some((line, _)) = self.assembler.finish() {
            ready.push_back((Output::Line(line), Mark::Entry(self.last_entry.clone())));
        }
        Step::Over
    }
}
