//! The middle of a migration: which file goes which way, in which order, into which commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::publish::{Publisher, Terms, Voice, blob_action};
use super::{Conductor, Expected, Survey};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{Action, Destination, Hub, RepoInfo, Route, Sample, Source};
use crate::plan::{Decision, Item, TransferPlan};
use crate::protocol::What;
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, RepoPath, Sha256};
use crate::worker::{Carried, Worker, check};

/// The hub decides from this much of a file (facts, huggingface §3).
const SAMPLE: usize = 512;

/// One run through the copies of a plan.
struct Transfer<'a> {
    conductor: &'a Conductor<'a>,
    survey: &'a Survey,
    worker: Arc<Worker<Hub, Hub>>,
    publisher: Publisher<'a, Hub, Hub>,
    /// Blobs known to be at the destination, and whether they were there before.
    there: HashMap<Sha256, (bool, Digests)>,
    /// What was learned of the files copied.
    learned: HashMap<RepoPath, Expected>,
}

impl Conductor<'_> {
    /// Copies what the plan says. Returns what to expect at the destination, and whether anything was committed.
    pub(super) async fn transfer(&self, survey: &Survey, plan: &TransferPlan) -> Result<(Vec<Expected>, bool)> {
        let expected = |item: &Item| Expected { file: item.file.clone(), streamed: false };
        if plan.totals.copy == 0 {
            if plan.create {
                self.open_destination(survey, plan).await?;
            }
            return Ok((plan.wanted().map(expected).collect(), plan.create));
        }
        let (info, made) = self.open_destination(survey, plan).await?;
        let source = Arc::new(survey.source.clone());
        let worker = Worker::new(self.source.clone(), source, self.destination.clone(), info.clone(), self.job.limits, self.meter.clone());
        let worker = Arc::new(worker);
        let replaces = self.replaced(survey, plan, &info, made).await?;
        let terms = Terms::new(plan, self.job.consent, &self.job.id, replaces);
        let (events, committing) = (self.events.clone(), self.committing.clone());
        let publisher =
            Publisher::new(worker.clone(), self.destination.clone(), info, terms, Voice { events, committing, tally: self.tally });
        let mut transfer = Transfer { conductor: self, survey, worker, publisher, there: HashMap::new(), learned: HashMap::new() };
        let outcome = transfer.run(plan).await;
        let commits = transfer.publisher.commits();
        match outcome {
            Err(error) if !commits.is_empty() => return Err(error.with("commits already made", commits.len())),
            outcome => outcome?,
        }
        let committed = !commits.is_empty();
        let learned = transfer.learned;
        Ok((plan.wanted().map(|item| learned.get(&item.file.path).cloned().unwrap_or_else(|| expected(item))).collect(), committed))
    }

    /// The paths to copy that are there already. A fresh repository is listed for it: its hub put files of its own there, or somebody
    /// else created it in the meantime, and then the plan does not hold.
    async fn replaced(&self, survey: &Survey, plan: &TransferPlan, info: &RepoInfo, made: bool) -> Result<BTreeSet<RepoPath>> {
        if survey.destination.is_some() {
            let replaced = plan.copies().filter(|item| item.decision == Decision::Copy { replaces: true });
            return Ok(replaced.map(|item| item.file.path.clone()).collect());
        }
        if !made {
            return Err(Error::new(ErrorKind::Conflict, "somebody else created the destination").with("repo", &info.repo));
        }
        let fresh = self.destination.manifest(info).await?;
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&fresh.files);
        Ok(plan.copies().filter(|item| fresh.file(&item.file.path).is_some()).map(|item| item.file.path.clone()).collect())
    }
}

impl Transfer<'_> {
    /// Blobs first; then what travels inside commits; last, also among commits, what makes the repository loadable.
    async fn run(&mut self, plan: &TransferPlan) -> Result<()> {
        let (mut large, small): (Vec<_>, Vec<_>) = plan.copies().cloned().partition(|item| self.goes_by_stream(item));
        for item in &mut large {
            if item.file.digests.sha256.is_none() {
                // the listing has no digest: one read finds it, a second one carries
                item.file.digests = item.file.digests.or(self.worker.hash(&item.file).await?);
                self.conductor.tally().compared(item.file.size);
            }
        }
        self.carry_large(&large).await?;
        let (last, first): (Vec<_>, Vec<_>) = large.into_iter().partition(|item| item.file.path.makes_loadable());
        self.push_blobs(first).await?;
        let (last_small, first_small): (Vec<_>, Vec<_>) = small.into_iter().partition(|item| item.file.path.makes_loadable());
        self.small(first_small).await?;
        self.push_blobs(last).await?;
        self.small(last_small).await?;
        self.publisher.flush().await
    }

    /// Whether a file streams from hub to hub: it goes as a blob without asking, and its content is the source's.
    fn goes_by_stream(&self, item: &Item) -> bool {
        let large = item.file.size > GIT_FILE_LIMIT;
        let known = item.file.digests.sha256.is_some();
        !item.rewritten && self.conductor.destination.is_surely_lfs(&item.file.path, item.file.size) && (known || large)
    }

    async fn carry_large(&mut self, items: &[Item]) -> Result<()> {
        let mut unique = HashSet::new();
        let files: Vec<_> = items.iter().map(|item| item.file.clone()).filter(|file| unique.insert(file.digests.sha256)).collect();
        let (there, learned, conductor) = (&mut self.there, &mut self.learned, self.conductor);
        self.worker.carry_all(files, |carried| land(conductor, there, learned, carried)).await
    }

    /// Queues the blobs of these files for the commit; a second path of a content needs no second transfer.
    async fn push_blobs(&mut self, items: Vec<Item>) -> Result<()> {
        for item in items {
            let first = self.learned.contains_key(&item.file.path);
            let sha256 = item.file.digests.sha256;
            let Some((was_there, digests)) = sha256.and_then(|sha256| self.there.get(&sha256).copied()) else {
                return Err(Error::new(ErrorKind::Local, "a blob that was not carried").with("file", &item.file.path));
            };
            if !first {
                let file = FileEntry { digests: item.file.digests.or(digests), ..item.file.clone() };
                self.learned.insert(file.path.clone(), Expected { file, streamed: !was_there });
                self.conductor.meter.file_done(item.file.size);
            }
            self.conductor.tally().file(item.file.size, was_there || !first);
            self.publisher.push(blob_action(&item.file)?, item.file).await?;
        }
        Ok(())
    }

    /// Files that are read whole first: the hub decides from their start, or nobody knows their sha256 yet. Taken in groups that fit
    /// into a quarter of the memory.
    async fn small(&mut self, items: Vec<Item>) -> Result<()> {
        let room = self.worker.memory() / 4;
        let most = self.conductor.destination.limits().route.min(256);
        let mut group = Vec::new();
        let mut bytes = 0;
        for item in items {
            if !group.is_empty() && (bytes + item.file.size > room || group.len() >= most) {
                self.small_group(std::mem::take(&mut group)).await?;
                bytes = 0;
            }
            bytes += item.file.size;
            group.push(item);
        }
        if group.is_empty() { Ok(()) } else { self.small_group(group).await }
    }

    async fn small_group(&mut self, items: Vec<Item>) -> Result<()> {
        let contents = self.contents(items).await?;
        let (empty, asked): (Vec<_>, Vec<_>) = contents.into_iter().partition(|(file, _)| file.size == 0);
        let samples: Vec<_> = asked
            .iter()
            .map(|(file, content)| Sample { path: file.path.clone(), size: file.size, head: content.slice(..content.len().min(SAMPLE)) })
            .collect();
        let routes = match samples.is_empty() {
            true => Vec::new(),
            false => self.conductor.destination.route(self.publisher.info(), &samples).await?,
        };
        let mut blobs = Vec::new();
        for (file, content) in empty {
            self.push_inline(file, content).await?;
        }
        for ((file, content), route) in asked.into_iter().zip(routes) {
            match route {
                Route::Inline => self.push_inline(file, content).await?,
                Route::Lfs => blobs.push((file, content)),
            }
        }
        let files: Vec<_> = blobs.iter().map(|(file, _)| file.clone()).collect();
        let (mut unique, known) = (HashSet::new(), self.there.keys().copied().collect::<HashSet<_>>());
        blobs.retain(|(file, _)| file.digests.sha256.is_some_and(|sha256| !known.contains(&sha256) && unique.insert(sha256)));
        let (there, learned, conductor) = (&mut self.there, &mut self.learned, self.conductor);
        self.worker.send_all(blobs, |carried| land(conductor, there, learned, carried)).await?;
        let items = files.into_iter().map(|file| Item { file, rewritten: false, decision: Decision::Copy { replaces: false } });
        self.push_blobs(items.collect()).await
    }

    /// Reads these files, several at a time; the card comes as the destination takes it. Both digests are known from here on.
    async fn contents(&self, items: Vec<Item>) -> Result<Vec<(FileEntry, Bytes)>> {
        let card = self.survey.card.as_ref();
        let at_hand =
            |item: &Item| card.filter(|_| item.file.path.as_str() == "README.md").map(|card| Bytes::copy_from_slice(card.wanted()));
        let (ready, read): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| at_hand(item).is_some() || item.file.size == 0);
        let files: Vec<_> = read.into_iter().map(|item| item.file).collect();
        let contents = self.worker.read_all(&files).await?;
        self.read_again(&files, &contents).await?;
        for item in ready.iter().filter(|item| item.file.size == 0 && at_hand(item).is_none()) {
            // a listing that gives a size of 0 beside the digest of something else is wrong in one of them
            check(&item.file, Digests::of(b""))?;
        }
        let ready = ready.into_iter().map(|item| (at_hand(&item).unwrap_or_default(), item.file)).map(|(content, file)| (file, content));
        Ok(ready
            .chain(files.into_iter().zip(contents))
            .map(|(file, content)| (FileEntry { digests: Digests::of(&content), ..file }, content))
            .collect())
    }

    /// Where the source lists no digest at all, only a second read can tell that the first one was right.
    async fn read_again(&self, files: &[FileEntry], contents: &[Bytes]) -> Result<()> {
        let blind = files.iter().zip(contents).filter(|(file, _)| file.digests == Digests::default());
        let (again, first): (Vec<_>, Vec<_>) =
            blind.map(|(file, content)| (FileEntry { digests: Digests::of(content), ..file.clone() }, content.len() as u64)).unzip();
        // checked against the digests of the first read
        self.worker.read_all(&again).await?;
        self.conductor.tally().compared(first.iter().sum());
        Ok(())
    }

    async fn push_inline(&mut self, file: FileEntry, content: Bytes) -> Result<()> {
        self.conductor.meter.moved_inline(content.len() as u64);
        self.conductor.meter.file_done(file.size);
        self.conductor.tally().file(file.size, false);
        self.learned.insert(file.path.clone(), Expected { file: file.clone(), streamed: true });
        self.publisher.push(Action::Inline { path: file.path.clone(), content }, file).await
    }
}

/// Notes a blob that is at the destination now.
fn land(
    conductor: &Conductor<'_>,
    there: &mut HashMap<Sha256, (bool, Digests)>,
    learned: &mut HashMap<RepoPath, Expected>,
    carried: Carried,
) {
    let Carried { file, digests, reused } = carried;
    if let Some(sha256) = file.digests.sha256 {
        there.insert(sha256, (reused, file.digests.or(digests)));
    }
    conductor.meter.file_done(file.size);
    conductor.events.send(What::Blob { path: file.path.clone(), size: file.size, digests, reused });
    learned.insert(file.path.clone(), Expected { file: FileEntry { digests: file.digests.or(digests), ..file }, streamed: !reused });
}
