//! Output of the newer generation: read from the worker's host by byte offset.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use super::assemble::Assembler;
use super::{Mark, Output, Step};
use crate::error::{Error, Result};
use crate::runner::modal::channel::{self, LARGEST_MESSAGE};
use crate::runner::modal::retry::delay;
use crate::runner::modal::sandbox::Access;
use crate::runner::modal::wire::client::SandboxGetCommandRouterAccessRequest;
use crate::runner::modal::wire::client::sandbox_get_command_router_access_request::Target;
use crate::runner::modal::wire::router::task_command_router_client::TaskCommandRouterClient;
use crate::runner::modal::wire::router::{SandboxStdioReadV2Request, SandboxStdioReadV2Response};
use crate::runner::modal::wire::{ROUTER_STDOUT, call};
use crate::runner::modal::{ModalClient, Sandbox};

/// The longest pause between two tries to reach a worker's host. It can take minutes to come up.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A stream that is silent for this long is opened anew: a worker says something every fifteen seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// Tries to reach the host of a sandbox that has ended, before its history is read.
const TRIES_AFTER_END: u32 = 3;

/// Reads by byte offset, and goes on where it stopped.
pub(super) struct RouterReader {
    task: Option<String>,
    access: Option<Access>,
    /// The host that was dialled, by its address.
    host: Option<(String, Channel)>,
    stream: Option<Open>,
    /// The byte to be read next, and where the line that is under way began.
    offset: u64,
    line_start: u64,
    assembler: Assembler,
    /// Tries in a row that brought nothing.
    idle: u32,
    /// The key was renewed since something came.
    renewed: bool,
    /// The sandbox has ended; what is opened now is all there will be.
    ended: bool,
}

/// A stream, and how much of what it brings is known already.
struct Open {
    stream: Streaming<SandboxStdioReadV2Response>,
    brought: bool,
    known: u64,
    after_end: bool,
}

/// Why there is no stream.
enum Closed {
    /// The key is not taken.
    Locked,
    /// The service knows the host no longer.
    Gone,
    /// It, or the way to it, is down.
    Down(String),
}

impl RouterReader {
    pub(super) fn new(sandbox: &Sandbox, offset: u64) -> Self {
        Self {
            task: sandbox.task.clone(),
            access: sandbox.access.clone(),
            host: None,
            stream: None,
            offset,
            line_start: offset,
            assembler: Assembler::default(),
            idle: 0,
            renewed: false,
            ended: false,
        }
    }

    /// Reads a little more.
    pub(super) async fn step(&mut self, client: &ModalClient, sandbox: &Sandbox, ready: &mut VecDeque<(Output, Mark)>) -> Result<Step> {
        let Some(open) = &mut self.stream else { return self.reopen(client, sandbox).await };
        match timeout(SILENCE, open.stream.message()).await {
            Ok(Ok(Some(message))) => self.take(message, ready),
            Ok(Ok(None)) => {
                // the end of the output, or of the connection: only a second look after the sandbox's end tells
                if open.after_end && !open.brought {
                    return Ok(self.finish(ready));
                }
                self.idle = if open.brought { 0 } else { self.idle + 1 };
                self.stream = None;
            }
            Ok(Err(status)) => {
                let brought = open.brought;
                self.stream = None;
                match because(&status) {
                    // it went forward: the next one may start at once
                    Closed::Down(_) if brought => {}
                    closed => self.closed(closed, client),
                }
            }
            Err(_silent) => {
                self.stream = None;
                self.idle += 1;
            }
        }
        Ok(Step::More)
    }

    /// Takes what came, and notices what was dropped before it.
    fn take(&mut self, message: SandboxStdioReadV2Response, ready: &mut VecDeque<(Output, Mark)>) {
        let Some(open) = &mut self.stream else { return };
        if !open.brought {
            open.known = self.offset.saturating_sub(message.starting_offset);
            let dropped = message.starting_offset.saturating_sub(self.offset);
            if dropped > 0 {
                // the line under way has lost its end
                self.assembler = Assembler::default();
                self.offset = message.starting_offset;
                self.line_start = self.offset;
                ready.push_back((Output::Gap(dropped), Mark::Offset(self.offset)));
            }
        }
        open.brought = true;
        let known = usize::try_from(open.known).unwrap_or(usize::MAX).min(message.data.len());
        open.known -= known as u64;
        let fresh = &message.data[known..];
        self.offset += fresh.len() as u64;
        for (line, bytes) in self.assembler.push(fresh) {
            self.line_start += bytes;
            ready.push_back((Output::Line(line), Mark::Offset(self.line_start)));
        }
        (self.idle, self.renewed) = (0, false);
    }

    /// Opens a stream, after a look whether the sandbox still runs when the last ones brought nothing.
    async fn reopen(&mut self, client: &ModalClient, sandbox: &Sandbox) -> Result<Step> {
        if self.idle > 0 {
            sleep(delay(self.idle - 1, LONGEST_PAUSE)).await;
            if !self.ended && client.poll(&sandbox.id).await?.is_some() {
                (self.ended, self.idle) = (true, 0);
            }
        }
        if self.ended && self.idle > TRIES_AFTER_END {
            return self.kept(client, sandbox).await;
        }
        match self.open(client, sandbox).await? {
            Ok(stream) => self.stream = Some(Open { stream, brought: false, known: 0, after_end: self.ended }),
            Err(Closed::Gone) if self.ended => return self.kept(client, sandbox).await,
            Err(closed) => self.closed(closed, client),
        }
        Ok(Step::More)
    }

    /// Takes note of a stream that broke or did not open.
    fn closed(&mut self, closed: Closed, client: &ModalClient) {
        match closed {
            Closed::Locked if !self.renewed => (self.access, self.renewed) = (None, true),
            Closed::Locked | Closed::Gone => {
                self.access = None;
                self.idle += 1;
            }
            Closed::Down(why) => {
                self.idle += 1;
                // a few breaks are nothing to speak of; the address may have changed
                if self.idle == 5 {
                    (self.access, self.host) = (None, None);
                    client.rpc.notices().tell(&format!("the sandbox's output cannot be read for now, the work goes on: {why}"));
                }
            }
        }
    }

    async fn open(&mut self, client: &ModalClient, sandbox: &Sandbox) -> Result<Result<Streaming<SandboxStdioReadV2Response>, Closed>> {
        let task = match &self.task {
            Some(task) => task.clone(),
            None => match client.task(&sandbox.id).await? {
                Some(task) => self.task.insert(task).clone(),
                None => return Ok(Err(Closed::Gone)),
            },
        };
        let access = match &self.access {
            Some(access) => access.clone(),
            None => match fetch_access(client, sandbox).await? {
                Some(access) => self.access.insert(access).clone(),
                None => return Ok(Err(Closed::Gone)),
            },
        };
        let channel = match &self.host {
            Some((url, channel)) if *url == access.url => channel.clone(),
            _ => match channel::dial_router(&access.url, client.rpc.is_loopback(), client.proxies).await {
                Ok(channel) => self.host.insert((access.url.clone(), channel)).1.clone(),
                Err(error) => return Ok(Err(Closed::Down(error.to_string()))),
            },
        };
        let mut router = TaskCommandRouterClient::new(channel).max_decoding_message_size(LARGEST_MESSAGE);
        let mut request = Request::new(SandboxStdioReadV2Request { task_id: task, offset: self.offset, file_descriptor: ROUTER_STDOUT });
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert(reqwest::header::AUTHORIZATION, access.jwt.bearer()?);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        // some services answer with the first message only
        Ok(match timeout(SILENCE, router.sandbox_stdio_read_v2(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(because(&status)),
            Err(_silent) => Err(Closed::Down("no answer in time".to_owned())),
        })
    }

    /// Reads what is kept of the output instead: all of it, since the two count differently.
    async fn kept(&self, client: &ModalClient, sandbox: &Sandbox) -> Result<Step> {
        let known = Sandbox { task: self.task.clone(), ..sandbox.clone() };
        Ok(Step::Kept(client.settled_history(&known, self.offset).await?))
    }

    /// The line without an end is one too.
    fn finish(&mut self, ready: &mut VecDeque<(Output, Mark)>) -> Step {
        self.stream = None;
        if let Some((line, bytes)) = self.assembler.finish() {
            self.line_start += bytes;
            ready.push_back((Output::Line(line), Mark::Offset(self.line_start)));
        }
        Step::Over
    }
}

fn because(status: &Status) -> Closed {
    match status.code() {
        Code::Unauthenticated => Closed::Locked,
        Code::FailedPrecondition | Code::NotFound => Closed::Gone,
        code => Closed::Down(format!("{code:?}")),
    }
}

/// Where a sandbox's host is, and the key to it; `None` when it is gone.
async fn fetch_access(client: &ModalClient, sandbox: &Sandbox) -> Result<Option<Access>> {
    let rpc = client.about(&sandbox.id)?.lasting();
    let request = SandboxGetCommandRouterAccessRequest { target: Some(Target::SandboxId(sandbox.id.clone())) };
    match call!(rpc, sandbox_get_command_router_access, request).await {
        Ok(answer) => Ok(Access::new(answer.url, &answer.jwt)),
        Err(refusal) if matches!(refusal.code(), Code::FailedPrecondition | Code::NotFound) => Ok(None),
        Err(refusal) => Err(Error::from(refusal).with("sandbox", &sandbox.id)),
    }
}
