//! A sandbox's standard output as one stream of lines, whatever breaks on the way (facts, modal §3). Both generations look alike here.
//!
//! Where another channel takes the place of one that is gone, lines may come twice, when it is not certain that they are the same: whoever
//! needs each once has a number in each.

mod assemble;
mod history;
mod logs;
mod router;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::logs::LogsReader;
use self::router::RouterReader;
use super::{ModalClient, Sandbox, generation_of};
use crate::config::Generation;
use crate::error::Result;

/// What comes of a sandbox's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A line, without its end. What is no UTF-8 is replaced. A line longer than 64 KiB comes in pieces.
    Line(String),
    /// That many bytes were dropped before they were read. The line after it may lack its beginning.
    Gap(u64),
}

/// A place between two lines, from which reading can go on, also in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// How many bytes were before it.
    Offset(u64),
    /// The entry that was read last.
    Entry(String),
}

/// How many lines wait for their reader.
const WAITING: usize = 64;

/// The lines, as they come. Dropping it stops reading and leaves the sandbox as it is.
pub struct Lines {
    /// Until the first line is asked for.
    feed: Option<Feed>,
    lines: Option<mpsc::Receiver<Result<(Output, Mark)>>>,
    task: Option<JoinHandle<()>>,
    mark: Mark,
}

/// Reads them. It has a task of its own, so that whoever waits for a line can be called off without breaking a connection that comes up.
struct Feed {
    client: ModalClient,
    sandbox: Sandbox,
    reader: Reader,
    ready: VecDeque<(Output, Mark)>,
    mark: Mark,
    /// `None` when it did not begin at the beginning, or something is missing.
    given: Option<Given>,
    over: bool,
}

enum Reader {
    Router(RouterReader),
    Logs(LogsReader),
}

/// Whether there may be more to read.
#[derive(Debug)]
enum Step {
    More,
    Over,
    /// The channel is gone; this is all that is kept of the output, from its beginning.
    Kept(Vec<String>),
}

/// What was given out since the beginning of the output, so that it can be told from what is kept.
#[derive(Clone, Default)]
struct Given {
    lines: usize,
    digest: Sha256,
}

impl Given {
    fn add(&mut self, line: &str) {
        self.lines += 1;
        self.digest.update(line);
        self.digest.update("\n");
    }

    /// How many of these lines were given out: all of them or none.
    fn in_front_of(&self, lines: &[String]) -> usize {
        let mut same = Self::default();
        lines.iter().take(self.lines).for_each(|line| same.add(line));
        if same.lines == self.lines && same.digest.finalize() == self.digest.clone().finalize() { self.lines } else { 0 }
    }
}

impl ModalClient {
    /// A sandbox's standard output, live and afterwards, from the beginning or from a mark. A mark of the other generation is the beginning.
    pub fn lines(&self, sandbox: &Sandbox, from: Option<&Mark>) -> Lines {
        let (reader, mark) = match (generation_of(&sandbox.id), from) {
            (Generation::V2, Some(Mark::Offset(offset))) => (Reader::Router(RouterReader::new(sandbox, *offset)), Mark::Offset(*offset)),
            (Generation::V2, _) => (Reader::Router(RouterReader::new(sandbox, 0)), Mark::Offset(0)),
            (Generation::V1, Some(Mark::Entry(entry))) => (Reader::Logs(LogsReader::new(entry)), Mark::Entry(entry.clone())),
            (Generation::V1, _) => (Reader::Logs(LogsReader::new("")), Mark::Entry(String::new())),
        };
        let given = matches!(&mark, Mark::Offset(0)).then(Given::default);
        let given = given.or_else(|| (mark == Mark::Entry(String::new())).then(Given::default));
        let (client, sandbox) = (self.clone(), sandbox.clone());
        let feed = Feed { client, sandbox, reader, ready: VecDeque::new(), mark: mark.clone(), given, over: false };
        Lines { feed: Some(feed), lines: None, task: None, mark }
    }
}

impl Lines {
    /// The next line; `None` after the last one. Waits as long as the sandbox runs; a broken connection, a worker's host that cannot be
    /// reached and an outage of ten minutes only delay it. May be called off and asked again: no line is lost.
    ///
    /// Fails with `NotFound` for a sandbox that does not exist, with `Unavailable` when the outage lasts. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Option<Output>> {
        if let Some(feed) = self.feed.take() {
            let (sender, receiver) = mpsc::channel(WAITING);
            self.lines = Some(receiver);
            self.task = Some(tokio::spawn(feed.run(sender)));
        }
        let Some(lines) = &mut self.lines else { return Ok(None) };
        match lines.recv().await.transpose()? {
            Some((output, mark)) => {
                self.mark = mark;
                Ok(Some(output))
            }
            None => Ok(None),
        }
    }

    /// Where reading goes on after the line that was given last.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Feed {
    /// Hands over line by line until the end, an error, or nobody listens.
    async fn run(mut self, sender: mpsc::Sender<Result<(Output, Mark)>>) {
        while let Some(next) = self.next().await.transpose() {
            let failed = next.is_err();
            if sender.send(next).await.is_err() || failed {
                return;
            }
        }
    }

    async fn next(&mut self) -> Result<Option<(Output, Mark)>> {
        loop {
            if let Some((output, mark)) = self.ready.pop_front() {
                self.mark.clone_from(&mark);
                match (&output, &mut self.given) {
                    (Output::Line(line), Some(given)) => given.add(line),
                    _ => self.given = None,
                }
                return Ok(Some((output, mark)));
            }
            if self.over {
                return Ok(None);
            }
            let step = match &mut self.reader {
                Reader::Router(reader) => reader.step(&self.client, &self.sandbox, &mut self.ready).await?,
                Reader::Logs(reader) => reader.step(&self.client, &self.sandbox, &mut self.ready).await?,
            };
            match step {
                Step::More => {}
                Step::Over => self.over = true,
                Step::Kept(mut lines) => {
                    let known = self.given.as_ref().map_or(0, |given| given.in_front_of(&lines));
                    self.ready.extend(lines.drain(known..).map(|line| (Output::Line(line), self.mark.clone())));
                    self.over = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_out_is_found_in_front_of_what_is_kept_or_not_at_all() {
        let lines = ["a", "b", "c"].map(str::to_owned);
        let mut given = Given::default();
        assert_eq!(given.in_front_of(&lines), 0);
        given.add("a");
        given.add("b");
        assert_eq!(given.in_front_of(&lines), 2);
        assert_eq!(given.in_front_of(&lines[..2]), 2);
        assert_eq!(given.in_front_of(&lines[..1]), 0);
        assert_eq!(given.in_front_of(&lines[1..]), 0);
    }
}
