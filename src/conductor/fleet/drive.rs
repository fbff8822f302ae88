//! Drives a fleet: takes what is seen to [`Fleet`], and does what it says.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::engine::{Engine, Letter, News};
use super::found::Found;
use super::words;
use crate::conductor::Conductor;
use crate::conductor::replace::{Action, Fleet, Seen, WorkerId};
use crate::error::{ErrorReport, Result};
use crate::hub::Hub;
use crate::plan::rates::CONTAINERS;
use crate::plan::shard::{Blob, Shard};
use crate::protocol::{LandedBlob, Report, What};
use crate::repo::{Digests, FileEntry, Sha256};
use crate::runner::modal::Sandbox;
use crate::worker::{Carried, Worker};

/// How often the fleet is asked what to do.
const TICK: Duration = Duration::from_millis(250);
/// How long workers that are through may take to end by themselves.
const LEAVE: Duration = Duration::from_secs(10);
/// What a worker printed before it was found comes in a rush that says nothing about its rate: so long it is not listened to.
const RUSH: Duration = Duration::from_secs(3);

/// What is shared among workers.
pub(super) struct Share {
    pub(super) shards: Vec<Shard>,
    /// The files of all contents in them.
    pub(super) files: HashMap<Sha256, FileEntry>,
    /// Workers that run already.
    pub(super) living: Vec<Found>,
}

/// A worker that may be alive.
struct Member {
    /// Its sandbox, as soon as it has one.
    sandbox: Option<String>,
    /// Since when it is there, if it was found.
    found: Option<Instant>,
    /// It is to end.
    is_to_end: bool,
    /// Files done and bytes moved, as told since the last step.
    told: Option<(u64, u64)>,
    _task: AbortOnDropHandle<()>,
}

/// A fleet under way.
pub(super) struct Drive<'a, L> {
    conductor: &'a Conductor<'a>,
    worker: &'a Arc<Worker<Hub, Hub>>,
    engine: Engine,
    news: mpsc::Receiver<Letter>,
    fleet: Fleet,
    /// The places of contents in the listing, and their files.
    places: HashMap<Sha256, u32>,
    files: HashMap<u32, FileEntry>,
    landed: HashSet<u32>,
    crew: BTreeMap<WorkerId, Member>,
    /// Sandboxes being ended, questions to the destination.
    tasks: JoinSet<()>,
    seen: Vec<Seen>,
    /// How workers ended, or why they were ended.
    whys: BTreeMap<WorkerId, Why>,
    /// What workers warned of.
    warned: BTreeSet<String>,
    land: L,
}

/// Why a worker is no more.
enum Why {
    /// It was ended for this.
    Ordered(&'static str),
    /// It ended with this.
    Own(Option<ErrorReport>),
}

impl<'a, L: FnMut(Carried)> Drive<'a, L> {
    pub(super) fn new(
        conductor: &'a Conductor<'a>,
        worker: &'a Arc<Worker<Hub, Hub>>,
        engine: Engine,
        news: mpsc::Receiver<Letter>,
        Share { shards, mut files, living }: Share,
        land: L,
    ) -> Self {
        let blobs = shards.iter().flat_map(|shard| &shard.blobs);
        let places: HashMap<_, _> = blobs.map(|blob| (blob.sha256, blob.place)).collect();
        let running: Vec<_> = living.iter().map(|found| found.worker).collect();
        let files = places.iter().filter_map(|(sha256, place)| Some((*place, files.remove(sha256)?))).collect();
        let join = |Found { worker, sandbox }| {
            let task = tokio::spawn(engine.clone().follow(worker, Sandbox::known(sandbox)));
            (worker, Member::new(task, Some(Instant::now())))
        };
        Self {
            conductor,
            worker,
            crew: living.into_iter().map(join).collect(),
            engine,
            news,
            fleet: Fleet::new(shards, CONTAINERS - 1, &running),
            places,
            files,
            landed: HashSet::new(),
            tasks: JoinSet::new(),
            seen: Vec::new(),
            whys: BTreeMap::new(),
            warned: BTreeSet::new(),
            land,
        }
    }

    /// Until every blob is at the destination. Then no worker is left, unless it ends with an error.
    pub(super) async fn run(mut self) -> Result<()> {
        let began = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.fleet.is_finished() {
            tokio::select! {
                Some((worker, news)) = self.news.recv() => self.take(worker, news)?,
                _ = tick.tick() => {
                    self.listen();
                    let seen = std::mem::take(&mut self.seen);
                    for action in self.fleet.step(began.elapsed(), seen) {
                        self.act(action)?;
                    }
                    while self.tasks.try_join_next().is_some() {}
                }
            }
        }
        self.dismiss().await
    }

    /// What was told since the last step, once for each worker.
    fn listen(&mut self) {
        for (worker, member) in &mut self.crew {
            if member.found.is_some_and(|since| since.elapsed() < RUSH) {
                continue;
            }
            self.seen.extend(member.told.take().map(|(files, bytes)| Seen::Heard { worker: *worker, files, bytes }));
        }
    }

    fn take(&mut self, worker: WorkerId, news: News) -> Result<()> {
        match news {
            News::Here(sandbox) => {
                self.seen.push(Seen::Started(worker));
                if let Some(member) = self.crew.get_mut(&worker) {
                    member.sandbox = Some(sandbox);
                    if member.is_to_end {
                        self.end(worker);
                    }
                }
            }
            News::Refused => {
                self.crew.remove(&worker);
                self.seen.push(Seen::Refused(worker));
            }
            News::Said(what) => self.hear(worker, *what),
            News::Ended(how, why) => {
                if self.crew.remove(&worker).is_some() {
                    self.conductor.meter.ended_elsewhere(key(worker));
                    self.whys.entry(worker).or_insert(Why::Own(why));
                    self.seen.push(Seen::Ended { worker, how });
                }
            }
            News::Answered { asked, lacking } => {
                let there = asked.into_iter().filter(|place| !lacking.contains(place));
                // who carried it did not live to tell how
                there.for_each(|place| self.landed(place, Digests::default(), true));
                self.seen.push(Seen::Missing { worker, places: lacking });
            }
            News::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes a line of a worker's.
    fn hear(&mut self, worker: WorkerId, what: What) {
        let told = match what {
            What::Blobs { blobs } => {
                for LandedBlob { path, size, digests, reused } in blobs {
                    self.conductor.meter.landed_elsewhere(key(worker), &path, size);
                    if let Some(place) = digests.sha256.and_then(|sha256| self.places.get(&sha256).copied()) {
                        self.landed(place, digests, reused);
                        self.seen.push(Seen::Landed { worker, place });
                    }
                }
                return;
            }
            What::Warning { message } => {
                if self.warned.insert(message.clone()) {
                    self.conductor.events.warn(message);
                }
                return;
            }
            What::Progress { moved, files_done, streams, allowed, flying, in_flight, .. } => {
                self.conductor.meter.told_elsewhere(key(worker), moved, (streams, allowed), flying, in_flight);
                (files_done, moved)
            }
            What::Report(Report { bytes, files, .. }) => {
                self.conductor.meter.told_elsewhere(key(worker), bytes.moved, (0, 0), 0, Vec::new());
                (files.copied + files.reused, bytes.moved)
            }
            What::Started { .. } => (0, 0),
            _ => return,
        };
        if let Some(member) = self.crew.get_mut(&worker) {
            member.told = Some(told);
        }
    }

    /// A blob is at the destination.
    fn landed(&mut self, place: u32, digests: Digests, reused: bool) {
        if let Some(file) = self.files.get(&place).filter(|_| self.landed.insert(place)) {
            (self.land)(Carried { digests: file.digests.or(digests), file: file.clone(), reused });
        }
    }

    fn act(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Start { worker, blobs } => {
                let task = tokio::spawn(self.engine.clone().run(worker, self.files_of(&blobs)));
                self.crew.insert(worker, Member::new(task, None));
            }
            Action::End { worker, because } => {
                self.whys.entry(worker).or_insert(Why::Ordered(words::because(because)));
                self.end(worker);
            }
            Action::Ask { worker, blobs } => {
                let files = self.files_of(&blobs);
                let why = match self.whys.get(&worker) {
                    Some(Why::Ordered(why)) => Some((*why).to_owned()),
                    Some(Why::Own(Some(why))) => Some(why.message.clone()),
                    Some(Why::Own(None)) | None => None,
                };
                let told = why.map(|why| words::replaced(worker, files.len(), &why));
                told.into_iter().for_each(|words| self.conductor.events.warn(words));
                self.ask(worker, &blobs, files);
            }
            Action::GiveUp { worker, blobs, because } => {
                let why = match self.whys.remove(&worker) {
                    Some(Why::Own(why)) => why,
                    Some(Why::Ordered(_)) | None => None,
                };
                return Err(words::gave_up(worker, blobs.len(), because, why));
            }
        }
        Ok(())
    }

    fn files_of(&self, blobs: &[Blob]) -> Vec<FileEntry> {
        blobs.iter().filter_map(|blob| self.files.get(&blob.place).cloned()).collect()
    }

    /// Ends a worker, at once or as soon as it has a sandbox.
    fn end(&mut self, worker: WorkerId) {
        let Some(member) = self.crew.get_mut(&worker) else { return };
        member.is_to_end = true;
        if let Some(sandbox) = &member.sandbox {
            self.tasks.spawn(self.engine.clone().end(worker, sandbox.clone()));
        }
    }

    /// Asks the destination which of these it lacks.
    fn ask(&mut self, worker: WorkerId, blobs: &[Blob], files: Vec<FileEntry>) {
        let (engine, carrier) = (self.engine.clone(), self.worker.clone());
        let asked: Vec<_> = blobs.iter().map(|blob| blob.place).collect();
        let places: HashMap<_, _> = blobs.iter().map(|blob| (Some(blob.sha256), blob.place)).collect();
        self.tasks.spawn(async move {
            let news = match carrier.missing(&files).await {
                Ok(files) => {
                    News::Answered { asked, lacking: files.iter().filter_map(|file| places.get(&file.digests.sha256).copied()).collect() }
                }
                Err(error) => News::Failed(error),
            };
            engine.tell(worker, news).await;
        });
    }

    /// Everything is there: lets the workers end, and ends who does not.
    async fn dismiss(mut self) -> Result<()> {
        let until = Instant::now() + LEAVE;
        while !self.crew.is_empty() {
            match timeout_at(until, self.news.recv()).await {
                // what goes wrong now is nobody's loss
                Ok(Some((_, News::Failed(_)))) => {}
                Ok(Some((worker, news))) => self.take(worker, news)?,
                Ok(None) | Err(_) => break,
            }
        }
        if !self.crew.is_empty() {
            self.conductor.end_workers().await;
        }
        Ok(())
    }
}

impl Member {
    fn new(task: tokio::task::JoinHandle<()>, found: Option<Instant>) -> Self {
        Self { sandbox: None, found, is_to_end: false, told: None, _task: AbortOnDropHandle::new(task) }
    }
}

fn key(worker: WorkerId) -> (u32, u32) {
    (worker.shard, worker.attempt)
}
