//! Makes carried blobs visible: as one commit where the hub's limits allow, in an order that never leaves a loadable half.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::events::Events;
use super::pacer::Pacer;
use super::tally::Tally;
use super::terms::Terms;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience};
use crate::hub::{Action, Commit, Destination, RepoInfo, Source};
use crate::plan::pace::Pace;
use crate::protocol::What;
use crate::repo::{Digests, FileEntry};
use crate::worker::Worker;

/// How often a commit whose fate nobody knows is sent again.
const COMMIT_TRIES: u32 = 3;
/// After an answer that says nothing the head is looked at again after so many seconds: a hub may finish a commit after it stopped
/// answering (facts, huggingface §3). One that happens later still meets a parent that has moved, or the same contents.
const LOOKS: [u64; 4] = [1, 2, 4, 8];
/// A commit that carries more than this and is broken off time and again may be more than somebody on the way takes.
const HEAVY: usize = 1 << 20;
/// A commit of no more actions than this is not too big for anybody.
const SMALL: usize = 50;
/// How often a commit that is against a repository's policy is tried whole. What is called so may be too much at once, or too soon.
const POLICY_TRIES: u32 = 3;
/// Fewer actions than this are never the reason to make all later commits smaller: they would be more, and commits are what is rationed.
const FEW: usize = 256;
/// Who waits longer than this for the next commit is told so.
const WORTH_TELLING: Duration = Duration::from_secs(60);
/// A head may be listed late: it is read again after so many seconds.
const LAG: [u64; 4] = [1, 2, 4, 8];

/// Whom a publisher tells what it does.
pub(super) struct Voice<'a> {
    pub(super) events: Events,
    /// Whether a commit is under way.
    pub(super) committing: Arc<watch::Sender<bool>>,
    pub(super) tally: &'a Mutex<Tally>,
}

/// Collects actions and commits them.
pub(super) struct Publisher<'a, S, D> {
    worker: Arc<Worker<S, D>>,
    destination: Arc<D>,
    voice: Voice<'a>,
    terms: Terms,
    info: RepoInfo,
    /// The head that the next commit builds on, and the one before it.
    parent: Option<String>,
    grandparent: Option<String>,
    pending: Vec<(Action, FileEntry)>,
    inline: u64,
    inline_limit: u64,
    /// Actions in one commit: fewer than the hub is known to take once it took no more.
    most: usize,
    pacer: Pacer,
    /// How long was waited last for a hub that asked for less, since it took nothing: halves of what it refused are not tried sooner.
    held_off: Duration,
    commits: Vec<String>,
}

/// How a try to commit ended, if not with an error.
enum Outcome {
    Done(String),
    /// The hub takes no commit of this size.
    TooBig(Error),
}

/// What comes after a commit that failed.
enum Next {
    /// The same once more, after this time.
    Again(Duration),
    /// Halves of it.
    Halve,
    /// Nothing.
    GiveUp,
}

/// What was heard of one commit so far.
struct Heard {
    unclear: u32,
    policy: u32,
    /// How long it is waited where the hub asks to come later.
    backoff: Backoff,
    throttled: bool,
}

impl<'a, S: Source + 'static, D: Destination + 'static> Publisher<'a, S, D> {
    /// A publisher to `info`'s repository.
    pub(super) fn new(worker: Arc<Worker<S, D>>, destination: Arc<D>, info: RepoInfo, terms: Terms, pace: Pace, voice: Voice<'a>) -> Self {
        let most = destination.limits().actions;
        let inline_limit = destination.limits().inline.min(worker.memory() * 2 / 3);
        Self {
            worker,
            destination,
            voice,
            terms,
            parent: info.commit.clone(),
            grandparent: None,
            info,
            pending: Vec::new(),
            inline: 0,
            inline_limit,
            most,
            pacer: Pacer::new(pace),
            held_off: Duration::ZERO,
            commits: Vec::new(),
        }
    }

    /// Adds one action; commits what waits when it would not fit with it.
    pub(super) async fn push(&mut self, action: Action, file: FileEntry) -> Result<()> {
        let size = match &action {
            Action::Inline { content, .. } => content.len() as u64,
            Action::Blob { .. } | Action::Delete { .. } => 0,
        };
        if self.pending.len() >= self.most || (self.inline > 0 && self.inline + size > self.inline_limit) {
            self.flush().await?;
        }
        self.inline += size;
        self.pending.push((action, file));
        Ok(())
    }

    /// Commits what waits. No actions, no commit.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.inline = 0;
        let mut queue = vec![std::mem::take(&mut self.pending)];
        while let Some(mut batch) = queue.pop() {
            if batch.is_empty() {
                continue;
            }
            // what was cut before it was known how much is taken
            if batch.len() > self.most {
                queue.push(batch.split_off(self.most));
            }
            match self.commit(&batch).await? {
                Outcome::Done(commit) => {
                    self.voice.events.send(What::Committed { commit: commit.clone() });
                    self.voice.tally.lock().unwrap_or_else(PoisonError::into_inner).committed(&commit);
                    self.grandparent = self.parent.replace(commit.clone());
                    self.commits.push(commit);
                }
                Outcome::TooBig(error) => {
                    if let [(_, file)] = &batch[..] {
                        return Err(error.with("file", &file.path));
                    }
                    self.voice.events.warn(format!("{} files are too much for one commit, it is halved: {error}", batch.len()));
                    self.takes_less(&batch, &error);
                    let mut first = batch;
                    let second = first.split_off(first.len() / 2);
                    queue.push(second);
                    queue.push(first);
                }
            }
        }
        Ok(())
    }

    /// What is too much now will be too much again: later commits are smaller from the start.
    fn takes_less(&mut self, batch: &[(Action, FileEntry)], error: &Error) {
        let content = inline_bytes(batch);
        if error.kind() == ErrorKind::TooLarge && content > HEAVY {
            self.inline_limit = self.inline_limit.min((content / 2).max(HEAVY) as u64);
        } else {
            self.most = self.most.min((batch.len() / 2).max(FEW));
        }
    }

    /// Commits what waits, for the last time: with it all is there, which the seals say.
    pub(super) async fn finish(&mut self, seals: Vec<String>) -> Result<()> {
        self.terms.seals = seals;
        self.flush().await
    }

    /// The repository written to, as it was found.
    pub(super) fn info(&self) -> &RepoInfo {
        &self.info
    }

    /// The commits made, in order.
    pub(super) fn commits(&self) -> &[String] {
        &self.commits
    }

    /// Commits a batch. Everything is looked at again before every try, and the destination is asked after every failure.
    async fn commit(&mut self, batch: &[(Action, FileEntry)]) -> Result<Outcome> {
        let mut heard = Heard { unclear: 0, policy: 0, backoff: Backoff::new(Patience::PATIENT), throttled: false };
        let mut told = None;
        self.keep_apart().await;
        tokio::time::sleep(self.held_off).await;
        loop {
            let loosened = self.check_shore().await?;
            self.fill_gaps(batch).await?;
            self.voice.events.send(What::Committing { files: batch.len() as u64 });
            let actions = batch.iter().map(|(action, _)| action.clone()).collect();
            self.voice.committing.send_replace(true);
            let outcome = self.send(actions, batch, loosened).await;
            self.voice.committing.send_replace(false);
            let error = match outcome {
                Ok(commit) => {
                    self.pacer.taken(heard.throttled);
                    self.held_off = Duration::ZERO;
                    return Ok(Outcome::Done(commit));
                }
                Err(error) => error,
            };
            let wait = match self.after(&error, batch, &mut heard).await? {
                Next::Again(wait) if error.kind() == ErrorKind::RateLimited => {
                    self.held_off = self.held_off.max(wait);
                    wait.max(self.held_off)
                }
                Next::Again(wait) => wait,
                Next::Halve => return Ok(Outcome::TooBig(error)),
                Next::GiveUp => return Err(error),
            };
            // the same again and again is said once
            let answer = (error.fact("status").map(str::to_owned), error.fact("says").map(str::to_owned));
            if told.replace(answer.clone()) != Some(answer) {
                self.voice.events.warn(format!("committing again: {error}"));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits until the hub takes another commit, as far as that is known.
    async fn keep_apart(&self) {
        let wait = self.pacer.wait();
        if wait >= WORTH_TELLING {
            self.voice
                .events
                .warn(format!("waiting {} min before the next commit: the hub takes no more of them at once", wait.as_secs().div_ceil(60)));
        }
        tokio::time::sleep(wait).await;
    }

    /// What to do after a commit failed.
    async fn after(&self, error: &Error, batch: &[(Action, FileEntry)], heard: &mut Heard) -> Result<Next> {
        let again = |wait: Option<Duration>| wait.map_or(Next::GiveUp, Next::Again);
        Ok(match error.kind() {
            ErrorKind::TooLarge => Next::Halve,
            ErrorKind::RateLimited => {
                heard.throttled = true;
                // "rejected by repository policy" may mean: too much at once (facts, modelscope §2.1)
                let is_policy = error.fact("says").is_some_and(|words| words.contains("policy"));
                heard.policy += u32::from(is_policy);
                if heard.policy >= POLICY_TRIES && batch.len() > SMALL {
                    return Ok(Next::Halve);
                }
                let Retry::Later(asked) = error.retryable() else { return Ok(Next::GiveUp) };
                // or too soon, and then it passes after a while
                let least = if is_policy && asked.is_none() { self.pacer.gap() * heard.policy.min(POLICY_TRIES) } else { Duration::ZERO };
                again(heard.backoff.next(asked).map(|wait| wait.max(least)))
            }
            ErrorKind::Unavailable | ErrorKind::Protocol => {
                heard.unclear += 1;
                // who refuses a long body before its end is heard as a broken connection only, and a gateway gives up on long work
                let size = matches!(error.fact("status"), None | Some("500" | "502" | "504"));
                if heard.unclear >= COMMIT_TRIES && size && (inline_bytes(batch) > HEAVY || batch.len() > SMALL) {
                    return Ok(Next::Halve);
                }
                again((heard.unclear < COMMIT_TRIES).then_some(Duration::from_secs(1)))
            }
            // another operation of the account: it passes
            ErrorKind::Conflict => match error.retryable() {
                Retry::Later(asked) => again(heard.backoff.next(asked)),
                Retry::Never => Next::GiveUp,
            },
            // a blob may have been collected since it was asked for
            ErrorKind::InvalidInput if heard.unclear < COMMIT_TRIES && self.fill_gaps(batch).await? => {
                heard.unclear += 1;
                Next::Again(Duration::ZERO)
            }
            _ => Next::GiveUp,
        })
    }

    /// Sends one commit. Whatever the answer was, it may have happened: the destination knows.
    async fn send(&self, actions: Vec<Action>, batch: &[(Action, FileEntry)], loosened: bool) -> Result<String> {
        let (title, trailers) = if loosened { &self.terms.anonymous } else { &self.terms.named };
        let commit = Commit {
            title: title.clone(),
            trailers: [std::slice::from_ref(trailers), if loosened { &[] } else { &self.terms.seals[..] }].concat().join("\n"),
            parent: self.parent.clone(),
            actions,
            replaces: self.terms.replaces.clone(),
        };
        let error = match self.destination.commit(&self.info, &commit).await {
            Ok(commit) => return Ok(commit),
            Err(error) => error,
        };
        let looks = match (error.kind(), error.fact("status")) {
            // no answer, or one from a gateway that did not wait for the end
            (ErrorKind::Unavailable | ErrorKind::Protocol, None | Some("502" | "504")) => &LOOKS[..],
            (ErrorKind::Unavailable | ErrorKind::Protocol | ErrorKind::Conflict, _) => &LOOKS[..1],
            // the answer says that nothing happened
            _ => &[],
        };
        if looks.is_empty() {
            return Err(error);
        }
        if let Some(head) = self.landed(batch).await? {
            return Ok(head);
        }
        for seconds in looks {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            if let Some(head) = self.landed(batch).await? {
                return Ok(head);
            }
        }
        Err(error)
    }

    /// Reads visibility and head again: neither may have changed since the plan, but by our own commits.
    /// Says whether more people can read it than the source.
    async fn check_shore(&self) -> Result<bool> {
        let mut lag = LAG.iter();
        loop {
            let now = self.destination.info(&self.info.repo, None).await;
            let now = now.map_err(|error| crate::hub::gone(error).during("before commit"))?;
            if now.repo.id != self.info.repo.id {
                return Err(Error::new(ErrorKind::Conflict, "the repository has another name by now").with("repo", &now.repo));
            }
            let loosened = self.terms.source_visibility.is_loosened_by(now.visibility);
            if loosened && now.visibility != self.info.visibility && !self.terms.consent.loosened_visibility {
                let (now, source) = (now.visibility.word(), self.terms.source_visibility.word());
                return Err(Error::new(ErrorKind::NeedsConfirmation, format!("the destination became {now} while the source is {source}"))
                    .with("repo", &self.info.repo)
                    .hint_to("nothing was committed; make it private again, or pass --allow-public"));
            }
            // a hub that names no commits cannot be asked about its head
            if now.commit == self.parent || (now.commit.is_none() && self.info.commit.is_none()) {
                return Ok(loosened);
            }
            match lag.next() {
                // our own last commit is not listed yet
                Some(seconds) if !self.commits.is_empty() && now.commit == self.grandparent => {
                    tokio::time::sleep(Duration::from_secs(*seconds)).await;
                }
                _ => return Err(Error::new(ErrorKind::Conflict, "somebody else changed the destination").with("repo", &self.info.repo)),
            }
        }
    }

    /// Asks for every blob once more, because a hub may collect what is not committed, and carries again what is missing.
    /// Says whether there was anything to carry.
    async fn fill_gaps(&self, batch: &[(Action, FileEntry)]) -> Result<bool> {
        let mut seen = std::collections::HashSet::new();
        let blobs: Vec<_> = batch
            .iter()
            .filter(|(action, file)| matches!(action, Action::Blob { .. }) && seen.insert(file.digests.sha256))
            .map(|(_, file)| file.clone())
            .collect();
        let missing = self.worker.missing(&blobs).await?;
        let Some(first) = missing.first() else { return Ok(false) };
        let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
        self.voice.events.warn(format!("gone from the destination's storage before the commit, carried again: {}{more}", first.path));
        self.worker.carry_all(missing, |_| {}).await?;
        Ok(true)
    }

    /// The head, if everything in the batch lies there.
    async fn landed(&self, batch: &[(Action, FileEntry)]) -> Result<Option<String>> {
        let info = self.destination.info(&self.info.repo, None).await.map_err(|error| error.during("after commit"))?;
        if info.commit.is_some() && info.commit == self.parent {
            return Ok(None);
        }
        let manifest = self.destination.manifest(&info).await.map_err(|error| error.during("after commit"))?;
        let there = |(action, file): &(Action, FileEntry)| match (action, manifest.file(&file.path)) {
            (Action::Delete { .. }, there) => there.is_none(),
            (_, Some(there)) => there.size == file.size && there.digests.same(&file.digests) == Some(true),
            (_, None) => false,
        };
        Ok(if batch.iter().all(there) { manifest.commit } else { None })
    }
}

fn inline_bytes(batch: &[(Action, FileEntry)]) -> usize {
    let carried = batch.iter().map(|(action, _)| match action {
        Action::Inline { content, .. } => content.len(),
        Action::Blob { .. } | Action::Delete { .. } => 0,
    });
    carried.sum()
}

/// An action for a blob.
pub(super) fn blob_action(file: &FileEntry) -> Result<Action> {
    let Digests { sha256: Some(sha256), .. } = file.digests else {
        return Err(Error::new(ErrorKind::Local, "a blob without sha256").with("file", &file.path));
    };
    Ok(Action::Blob { path: file.path.clone(), blob: crate::hub::Blob { sha256, size: file.size } })
}
