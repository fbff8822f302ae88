//! The middle of a migration: which file goes which way, in which order, into which commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::publish::{Publisher, Voice, blob_action};
use super::terms::Terms;
use super::{Conductor, Expected, Survey, fleet};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{Action, Blob, Destination, Hub, RepoInfo, Route, Sample, Source};
use crate::plan::pace::Pace;
use crate::plan::{Decision, Item, TransferPlan, equal, pairs, removal};
use crate::protocol::LandedBlob;
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, Platform, RepoPath, Sha256};
use crate::worker::{Carried, Content, Worker, check};

/// The hub decides from this much of a file (facts, huggingface §3).
const SAMPLE: usize = 512;
/// Small files asked about at a time.
const GROUP: usize = 256;

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
    /// The files that travel inside commits.
    plain: HashSet<RepoPath>,
}

/// Small files that go as blobs.
#[derive(Default)]
struct Sending {
    flying: JoinSet<Result<Carried>>,
    /// The contents under way or landed.
    begun: HashSet<Sha256>,
    /// All of them, for the commit.
    items: Vec<Item>,
}

impl Conductor<'_> {
    /// Copies what the plan says. Returns what to expect at the destination, and whether anything was committed.
    pub(super) async fn transfer(&self, survey: &Survey, plan: &TransferPlan) -> Result<(Vec<Expected>, bool)> {
        let expected = |item: &Item| Expected { file: item.file.clone(), streamed: false };
        if plan.totals.copy == 0 && plan.deletes.is_empty() {
            if plan.create {
                self.open_destination(survey, plan).await?;
            }
            return Ok((plan.wanted().map(expected).collect(), plan.create));
        }
        let (info, made) = self.open_destination(survey, plan).await?;
        if !made {
            self.try_to_write(&info, plan).await?;
        }
        let source = Arc::new(survey.source.clone());
        let worker = Worker::new(self.source.clone(), source, self.destination.clone(), info.clone(), self.job.limits, self.meter.clone());
        let worker = Arc::new(worker);
        let replaces = self.replaced(survey, plan, &info, made).await?;
        let terms = Terms::new(plan, self.job.consent, &self.job.id, replaces);
        let (events, committing) = (self.events.clone(), self.committing.clone());
        let pace = Pace::of(info.repo.platform, self.job.limits.commit_millis.map(Duration::from_millis));
        let voice = Voice { events, committing, tally: self.tally };
        let publisher = Publisher::new(worker.clone(), self.destination.clone(), info, terms, pace, voice);
        let mut transfer =
            Transfer { conductor: self, survey, worker, publisher, there: HashMap::new(), learned: HashMap::new(), plain: HashSet::new() };
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

    /// A hub that does not say beforehand whether its token may write is asked which blobs it lacks, as one who writes asks, before the source is
    /// read for nothing. Where blobs go first that is the first thing anyway.
    async fn try_to_write(&self, info: &RepoInfo, plan: &TransferPlan) -> Result<()> {
        let silent = info.repo.platform == Platform::ModelScope;
        if !silent || plan.copies().any(|item| self.destination.is_surely_lfs(&item.file.path, item.file.size)) {
            return Ok(());
        }
        let nothing = Blob { sha256: Sha256::of(b""), size: 0 };
        match self.destination.negotiate(info, &[nothing]).await {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Unauthorized) => Err(error.during("before reading")),
            // whatever else it says about a blob that nobody wants to send is no matter
            _ => Ok(()),
        }
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
        // what stands in the way goes before what takes its place
        let copied = plan.copies().map(|item| item.file.path.as_str()).collect();
        let (at_once, at_last) = removal::in_the_way(&plan.deletes, &copied);
        self.delete(&at_once).await?;
        let (last, first): (Vec<_>, Vec<_>) = large.into_iter().partition(|item| item.file.path.makes_loadable());
        self.push_blobs(first).await?;
        let (last_small, first_small): (Vec<_>, Vec<_>) = small.into_iter().partition(|item| item.file.path.makes_loadable());
        self.small(first_small).await?;
        self.push_blobs(last).await?;
        self.small(last_small).await?;
        // last of all, so that nothing is gone before what takes its place is there
        self.delete(&at_last).await?;
        let seals = self.seal(plan).map(pairs::trailer).into_iter().chain(self.card_seal(plan));
        self.publisher.finish(seals.collect()).await
    }

    /// The line that seals the card.
    fn card_seal(&self, plan: &TransferPlan) -> Option<String> {
        let card = self.survey.card.as_ref()?;
        let (original, wanted) = (Digests::of(&card.original), Digests::of(card.wanted()));
        let from = plan.request.source.platform;
        let (on_hf, on_ms) = if from == Platform::HuggingFace { (original, wanted) } else { (wanted, original) };
        Some(equal::card_trailer(equal::card_seal(from, on_hf.git_sha1?, on_ms.sha256?)))
    }

    /// Queues what is deleted.
    async fn delete(&mut self, paths: &[&RepoPath]) -> Result<()> {
        let Some((_, existing)) = &self.survey.destination else { return Ok(()) };
        for there in paths.iter().filter_map(|path| existing.manifest.file(path)) {
            self.publisher.push(Action::Delete { path: there.path.clone() }, there.clone()).await?;
        }
        Ok(())
    }

    /// The seal over every file that Hugging Face lists by git's sha1, whichever side it is on. `None` when one was never read.
    fn seal(&self, plan: &TransferPlan) -> Option<Sha256> {
        let there = self.survey.destination.as_ref().map(|(_, existing)| &existing.manifest);
        let is_plain = |file: &FileEntry| match plan.request.source.platform {
            Platform::HuggingFace => !file.lfs,
            Platform::ModelScope => {
                self.plain.contains(&file.path) || there.and_then(|there| there.file(&file.path)).is_some_and(|there| !there.lfs)
            }
        };
        let sealed = plan.wanted().map(|item| &item.file).filter(|file| pairs::is_sealed(file) && is_plain(file));
        pairs::seal(sealed.map(|file| (&file.path, self.learned.get(&file.path).map_or(file.digests, |learned| learned.file.digests))))
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
        let land = |carried| land(conductor, there, learned, carried);
        match conductor.job.workers {
            0 => self.worker.carry_all(files, land).await,
            _ => fleet::carry(conductor, self.survey, &self.worker, files, land).await,
        }
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

    /// Files that are read whole first: the hub decides from their start, or nobody knows their sha256 yet. While one group is asked
    /// about and sent, the next ones are read.
    async fn small(&mut self, items: Vec<Item>) -> Result<()> {
        let most = self.conductor.destination.limits().route.min(GROUP);
        let (mut group, files) = self.at_hand(items)?;
        let (files, mut others) = unique(files);
        let mut contents = self.worker.read_ahead(files);
        let mut sending = Sending::default();
        let mut held = 0;
        loop {
            let next = contents.next().await?;
            let is_last = next.is_none();
            if let Some(content) = next {
                held += content.held();
                self.conductor.tally().compared(content.compared);
                let more = others.remove(&content.file.path).unwrap_or_default();
                group.extend(more.into_iter().map(|file| content.under(file)));
                group.push(content);
            }
            while group.len() >= most || (!group.is_empty() && (held >= self.worker.room() / 2 || is_last)) {
                let asked = group.drain(..group.len().min(most)).collect();
                self.small_group(asked, &mut sending).await?;
                // what is left holds memory that the next ones may wait for
                held = group.iter().map(Content::held).sum();
            }
            if is_last {
                break;
            }
        }
        while let Some(landed) = sending.flying.join_next().await {
            self.landed(landed.map_err(|error| Error::new(ErrorKind::Local, "a transfer died").because(error)).flatten()?);
        }
        self.push_blobs(sending.items).await
    }

    /// What need not be read: the card, as the destination takes it, and empty files; and what must.
    fn at_hand(&self, items: Vec<Item>) -> Result<(Vec<Content>, Vec<FileEntry>)> {
        let (mut contents, mut files) = (Vec::new(), Vec::new());
        for item in items {
            match self.survey.card.as_ref().filter(|_| item.file.path.as_str() == "README.md") {
                Some(card) => contents.push(Content::at_hand(item.file, Bytes::copy_from_slice(card.wanted()))),
                None if item.file.size == 0 => {
                    // a listing that gives a size of 0 beside the digest of something else is wrong in one of them
                    check(&item.file, Digests::of(b""))?;
                    contents.push(Content::at_hand(item.file, Bytes::new()));
                }
                None => files.push(item.file),
            }
        }
        Ok((contents, files))
    }

    /// Asks how the hub wants these, queues what travels inside commits, and starts to send the rest.
    async fn small_group(&mut self, contents: Vec<Content>, sending: &mut Sending) -> Result<()> {
        let (empty, asked): (Vec<_>, Vec<_>) = contents.into_iter().partition(|content| content.bytes.is_empty());
        let sample = |content: &Content| Sample {
            path: content.file.path.clone(),
            size: content.file.size,
            head: content.bytes.slice(..content.bytes.len().min(SAMPLE)),
        };
        let samples: Vec<_> = asked.iter().map(sample).collect();
        let routes = match samples.is_empty() {
            true => Vec::new(),
            false => self.conductor.destination.route(self.publisher.info(), &samples).await?,
        };
        for content in empty {
            self.push_inline(content.file, content.bytes).await?;
        }
        let mut blobs = Vec::new();
        for (content, route) in asked.into_iter().zip(routes) {
            match route {
                Route::Inline => self.push_inline(content.file, content.bytes).await?,
                Route::Lfs => {
                    let file = content.file.clone();
                    let is_new =
                        file.digests.sha256.is_some_and(|sha256| !self.there.contains_key(&sha256) && sending.begun.insert(sha256));
                    if is_new {
                        blobs.push(content);
                    }
                    sending.items.push(Item { file, rewritten: false, decision: Decision::Copy { replaces: false } });
                }
            }
        }
        for carried in self.worker.send_all(blobs, &mut sending.flying).await? {
            self.landed(carried);
        }
        while let Some(landed) = sending.flying.try_join_next() {
            self.landed(landed.map_err(|error| Error::new(ErrorKind::Local, "a transfer died").because(error)).flatten()?);
        }
        Ok(())
    }

    fn landed(&mut self, carried: Carried) {
        land(self.conductor, &mut self.there, &mut self.learned, carried);
    }

    async fn push_inline(&mut self, file: FileEntry, content: Bytes) -> Result<()> {
        self.conductor.meter.moved_inline(content.len() as u64);
        self.conductor.meter.file_done(file.size);
        self.conductor.tally().file(file.size, false);
        self.learned.insert(file.path.clone(), Expected { file: file.clone(), streamed: true });
        self.plain.insert(file.path.clone());
        self.publisher.push(Action::Inline { path: file.path.clone(), content }, file).await
    }
}

/// The files of which each content is read, and by their paths the other files with the same.
fn unique(files: Vec<FileEntry>) -> (Vec<FileEntry>, HashMap<RepoPath, Vec<FileEntry>>) {
    let mut first: HashMap<(Digests, u64), RepoPath> = HashMap::new();
    let (mut read, mut others) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    for file in files {
        let content = (file.digests, file.size);
        match first.get(&content).filter(|_| file.digests != Digests::default()) {
            Some(path) => others.entry(path.clone()).or_default().push(file),
            None => {
                first.insert(content, file.path.clone());
                read.push(file);
            }
        }
    }
    (read, others)
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
    conductor.tally().lands(file.size, reused);
    conductor.events.landed(LandedBlob { path: file.path.clone(), size: file.size, digests, reused });
    learned.insert(file.path.clone(), Expected { file: FileEntry { digests: file.digests.or(digests), ..file }, streamed: !reused });
}
