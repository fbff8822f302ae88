//! Looks at both shores before a plan is made: listings, the card, and the digests that only reading finds.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::StreamExt;

use crate::card;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Patience, retry};
use crate::hub::{Destination, Location, PLAIN_LIMIT, RepoInfo, Source};
use crate::plan::shard::{self, Blob};
use crate::plan::{Card, Decision, Existing, Inputs, Item, Selection, Takes, TransferPlan, apply_known, pairs};
use crate::protocol::Request;
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, Manifest, Platform, RepoPath};
use crate::worker::digests_of;

/// Reads at once while comparing. Each holds no more than a chunk.
const READS: usize = 16;

/// Source files without any digest are read to compare up to this size; larger ones are copied.
const COMPARED: u64 = 64 << 20;

/// How the warning begins that a source is read by git.
pub(super) const BY_GIT: &str = "the source is read by git";

/// What a survey is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To copy: the destination is asked whether it would take the card.
    Migrate,
    /// To look only.
    Compare,
}

/// Both shores, as a plan needs them.
pub struct Survey {
    /// The source, pinned, with the digests learned by reading.
    pub source: Manifest,
    /// The destination, if it exists.
    pub destination: Option<(RepoInfo, Existing)>,
    /// The source's card, if it has one and it is selected.
    pub card: Option<Card>,
    /// Which files the request is about.
    pub selection: Selection,
    /// Bytes read only to compare.
    pub compared: u64,
    /// The contents that workers may carry, from the source's listing alone, so that whoever surveys this commit finds the same: files that
    /// surely go as blobs and whose sha256 is listed.
    pub blobs: Vec<Blob>,
    /// Both digests of every file that was read.
    pub learned: Vec<Digests>,
    /// Files that the source lists and does not give, and why.
    unreadable: BTreeMap<RepoPath, String>,
    /// Whether the source was listed at a commit that its hub names.
    pub(super) pinned: bool,
    /// The commit that the source has moved on to since it was planned.
    moved_to: Option<String>,
    /// Why the source is read by git, if it is.
    by_git: Option<String>,
    pub(super) request: Request,
    takes: Takes,
    /// Files that go as a blob, as far as can be told beforehand: an estimate is made of them, no decision.
    streams: HashSet<RepoPath>,
}

impl Survey {
    /// Looks at both. `commit` pins the source where a plan has pinned it before; `known` saves reading.
    ///
    /// Fails with `NeedsConfirmation` when the source has moved and the pinned commit can no longer be read as it was.
    pub async fn new<S: Source, D: Destination>(
        source: &S,
        destination: &D,
        request: &Request,
        commit: Option<&str>,
        known: &[Digests],
        purpose: Purpose,
    ) -> Result<Self> {
        let selection = Selection::new(&request.include, &request.exclude)?;
        let from = async {
            let info = source.info(&request.source, request.revision.as_deref()).await?;
            let pinned = info.commit.is_some();
            let found = match commit {
                Some(planned) if info.commit.as_deref().is_none_or(|head| head != planned) => {
                    as_planned(source, request, info, planned).await?
                }
                _ => (source.manifest(&info).await?, None),
            };
            Ok::<_, Error>((found, pinned))
        };
        let (manifest, existing) = tokio::join!(from, look(destination, request));
        let ((mut manifest, moved_to), pinned) = manifest.map_err(|error| error.during("read source"))?;
        let existing = existing.map_err(|error| error.during("read destination"))?;
        let goes = |file: &FileEntry| {
            let own = file.path.is_git_attributes() || file.path.as_str() == "README.md";
            !own && selection.takes(&file.path) && destination.is_surely_lfs(&file.path, file.size)
        };
        let blobs = shard::blobs(&manifest.files, goes);
        apply_known(&mut manifest, known);
        let limits = destination.limits();
        // Hugging Face decides by name and content; what is a blob at the source is likely one there
        let likely = |file: &FileEntry| request.destination.platform == Platform::HuggingFace && file.lfs;
        let streams = manifest.files.iter().filter(|file| destination.is_surely_lfs(&file.path, file.size) || likely(file));
        let streams = streams.map(|file| file.path.clone()).collect();
        let mut survey = Self {
            source: manifest,
            destination: existing,
            card: None,
            selection,
            compared: 0,
            blobs,
            learned: Vec::new(),
            unreadable: BTreeMap::new(),
            pinned,
            moved_to,
            by_git: None,
            request: request.clone(),
            takes: Takes { actions: limits.actions, inline: limits.inline, negotiate: limits.negotiate },
            streams,
        };
        survey.read_card(source, destination, purpose).await?;
        survey.knock(source).await?;
        survey.look_closer(destination).await?;
        survey.compare(source, destination).await?;
        if purpose == Purpose::Migrate && request.source.platform == Platform::HuggingFace {
            survey.try_largest(source).await?;
        }
        survey.by_git = source.by_git().map(str::to_owned);
        Ok(survey)
    }

    /// The plan for what was found.
    pub fn plan(&self) -> Result<TransferPlan> {
        self.check_deletion()?;
        let inputs = Inputs {
            request: &self.request,
            source: &self.source,
            destination: self.destination.as_ref().map(|(_, existing)| existing),
            card: self.card.as_ref(),
            warnings: self.warnings(),
            unreadable: self.unreadable.clone(),
        };
        let plan = TransferPlan::new(&inputs, &self.selection)?;
        Ok(plan.estimated(self.takes, |item| !item.rewritten && self.streams.contains(&item.file.path)))
    }

    /// Takes files that the hub put there when this migration created the repository for the hub's own, whoever committed them when.
    pub fn know_hubs_own(&mut self, fresh: &[FileEntry]) {
        let Some((_, existing)) = &mut self.destination else { return };
        for there in &mut existing.manifest.files {
            there.hubs_own |= fresh.iter().any(|file| file.path == there.path && file.size == there.size && file.digests == there.digests);
        }
    }

    /// What of the destination this plan replaces: what the user is asked about, and confirms.
    pub fn replaced(&self, plan: &TransferPlan) -> Vec<FileEntry> {
        let existing = self.destination.as_ref().map(|(_, existing)| &existing.manifest);
        let there = |item: &Item| existing.and_then(|existing| existing.file(&item.file.path)).filter(|there| !there.hubs_own).cloned();
        plan.copies().filter(|item| item.decision == Decision::Copy { replaces: true }).filter_map(there).collect()
    }

    /// Refuses to replace what was not there, or was something else, when the user confirmed.
    ///
    /// Fails with `NeedsConfirmation`, naming the file.
    pub fn check_replaced(&self, plan: &TransferPlan, confirmed: &[FileEntry]) -> Result<()> {
        let confirmed: HashMap<_, _> = confirmed.iter().map(|file| (&file.path, file)).collect();
        let same = |there: &FileEntry| {
            confirmed.get(&there.path).is_some_and(|file| {
                file.size == there.size && (file.digests == there.digests || file.digests.same(&there.digests) == Some(true))
            })
        };
        match self.replaced(plan).iter().find(|there| !same(there)) {
            None => Ok(()),
            Some(there) => {
                Err(Error::new(ErrorKind::NeedsConfirmation, "a file at the destination was changed since overwriting was confirmed")
                    .with("file", &there.path)
                    .hint_to("look at it, then run the same command again: it plans anew"))
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(head) = &self.moved_to {
            let planned = self.source.commit.as_deref().unwrap_or_default();
            warnings.push(format!("the source has moved on to commit {head}; this is about commit {planned}, as it was planned"));
        }
        if let Some(why) = &self.by_git {
            warnings.push(format!("{BY_GIT}: {why}"));
        }
        if self.request.source.repo_type == crate::repo::RepoType::Space {
            warnings.push("the source is a Space: its files are copied, it will not run as an app".to_owned());
        }
        if self.source.visibility.is_gated() {
            let terms = self.card.as_ref().and_then(|card| card::terms(&card.original));
            let terms = terms.unwrap_or_else(|| "its card names no terms, its page does".to_owned());
            let gate = if self.destination.is_none() { "; the copy gets no gate until you set one on its page" } else { "" };
            warnings.push(format!("the source is {}: {terms}{gate}", self.source.visibility.word()));
        }
        if self.source.files.is_empty() {
            warnings.push("the source holds no files".to_owned());
        } else if self.source.files.iter().all(|file| file.path.is_git_attributes()) {
            warnings.push("the source holds nothing but .gitattributes, which is not copied".to_owned());
        }
        let blind = self.source.files.iter().filter(|file| file.digests == Digests::default() && file.size > 0).count();
        if blind > 0 {
            warnings.push(format!("{blind} files have no digest at the source; each is read twice, and both reads must agree"));
        }
        warnings
    }

    /// The listing of a gated repository is open where its files are not: one byte tells before anything is created.
    async fn knock<S: Source>(&self, source: &S) -> Result<()> {
        let file = self.source.files.iter().filter(|file| self.selection.takes(&file.path)).max_by_key(|file| file.size);
        let (true, Some(file)) = (self.source.visibility.is_gated(), file.filter(|file| file.size > 0)) else { return Ok(()) };
        let opened = retry(Patience::ATTENDED, || source.open(&self.source, file, 0..1, Location::Fresh)).await;
        opened.map(|_| ()).map_err(|error| error.during("read").with("file", &file.path))
    }

    /// Asks for one byte of the files that a hub may not give over plain HTTP (facts, huggingface §2: those over 50 GB), the largest
    /// first: what is not to be had is known before anything is created. What the destination has already is not asked for.
    async fn try_largest<S: Source>(&mut self, source: &S) -> Result<()> {
        let there = |file: &FileEntry| {
            let there = self.destination.as_ref().and_then(|(_, existing)| existing.manifest.file(&file.path));
            there.is_some_and(|there| there.size == file.size && there.digests.same(&file.digests) == Some(true))
        };
        let asked = |file: &&FileEntry| file.size > PLAIN_LIMIT && self.selection.takes(&file.path) && !there(file);
        let mut large: Vec<_> = self.source.files.iter().filter(asked).collect();
        large.sort_by_key(|file| std::cmp::Reverse(file.size));
        let manifest = &self.source;
        let refusal = |file| async move {
            match retry(Patience::ATTENDED, || source.open(manifest, file, 0..1, Location::Fresh)).await {
                Ok(_) => Ok(None),
                Err(error) if error.kind() == ErrorKind::TooLarge => Ok(Some(&file.path)),
                Err(error) => Err(error.during("read").with("file", &file.path)),
            }
        };
        let Some((largest, others)) = large.split_first() else { return Ok(()) };
        // where the largest is given, all are
        let Some(first) = refusal(largest).await? else { return Ok(()) };
        let others: Vec<_> = futures_util::stream::iter(others.iter().map(|file| refusal(file))).buffer_unordered(READS).collect().await;
        let hub = self.request.source.platform.title();
        let why = format!("{hub} gives a file of this size over Xet only, which hf2ms does not speak");
        let refused = others.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().chain([first]);
        self.unreadable = refused.map(|path| (path.clone(), why.clone())).collect();
        Ok(())
    }

    /// Finds out what the destination lists without any digest (facts, modelscope §2.3), where it may be what is wanted.
    async fn look_closer<D: Source>(&mut self, destination: &D) -> Result<()> {
        let Some((_, existing)) = &self.destination else { return Ok(()) };
        let wanted = |there: &FileEntry| {
            let card = self.card.as_ref().filter(|_| there.path.as_str() == "README.md").map(|card| card.wanted().len() as u64);
            card.or(self.source.file(&there.path).map(|file| file.size)) == Some(there.size) && self.selection.takes(&there.path)
        };
        let blind = existing.manifest.files.iter().filter(|there| there.digests == Digests::default());
        let reads = blind
            .filter(|there| wanted(there))
            .map(|there| async { (there.path.clone(), digests_there(destination, &existing.manifest, there).await) });
        let found: Vec<_> = futures_util::stream::iter(reads).buffer_unordered(READS).collect().await;
        for (path, digests) in found {
            let there =
                self.destination.as_mut().and_then(|(_, existing)| existing.manifest.files.iter_mut().find(|file| file.path == path));
            // one that cannot be read stays unknown, and is replaced only when the user says so
            if let (Some(there), Ok(digests)) = (there, digests) {
                self.compared += if there.size <= GIT_FILE_LIMIT { there.size } else { 1 };
                there.digests = digests;
            }
        }
        Ok(())
    }

    /// Finds out whether files that lie on both sides with the same size are the same, where the listings have no kind of digest in
    /// common: by the seal of an earlier migration, else by reading them. On Hugging Face only plain git files have no sha256, and those
    /// are 10 MB or a little more.
    async fn compare<S: Source, D: Source>(&mut self, source: &S, destination: &D) -> Result<()> {
        let Some((info, existing)) = &self.destination else { return Ok(()) };
        let unclear = |file: &&FileEntry| {
            let there = existing.manifest.file(&file.path);
            there.is_some_and(|there| {
                there.size == file.size && there.digests != Digests::default() && there.digests.same(&file.digests).is_none()
            }) && file.size <= COMPARED
                && self.selection.takes(&file.path)
                && !file.path.is_git_attributes()
                && !(self.card.is_some() && file.path.as_str() == "README.md")
        };
        let unclear: Vec<_> = self.source.files.iter().filter(unclear).cloned().collect();
        if unclear.is_empty() {
            return Ok(());
        }
        let taken_together = |file: &FileEntry| {
            let there = existing.manifest.file(&file.path).map(|there| there.digests).unwrap_or_default();
            file.digests.or(there)
        };
        let sealed = unclear.iter().filter(|file| pairs::is_sealed(file)).map(|file| (&file.path, taken_together(file)));
        let learned: HashMap<_, _> = match pairs::seal(sealed) {
            // a message that cannot be read only costs reading the files
            Some(seal) if destination.message(info).await.ok().flatten().and_then(|text| pairs::seal_in(&text)) == Some(seal) => {
                unclear.iter().map(|file| (file.path.clone(), taken_together(file))).collect()
            }
            _ => {
                let manifest = &self.source;
                let reads = unclear.iter().map(|file| async move { Ok::<_, Error>((file, digests_of(source, manifest, file).await?)) });
                let found: Vec<_> = futures_util::stream::iter(reads).buffer_unordered(READS).collect().await;
                let found = found.into_iter().collect::<Result<Vec<_>>>()?;
                self.compared += found.iter().map(|(file, _)| file.size).sum::<u64>();
                found.into_iter().map(|(file, digests)| (file.path.clone(), digests)).collect()
            }
        };
        self.learned.extend(learned.values());
        for file in &mut self.source.files {
            // by path: a file that the hub lists without any digest has nothing else to be known by
            if let Some(digests) = learned.get(&file.path) {
                file.digests = file.digests.or(*digests);
            }
        }
        Ok(())
    }
}

/// The digests of a file that is listed without any: of a small one by reading it, of a large one as the storage names them with its
/// first byte (facts, modelscope §2.4: `X-Linked-ETag`), which is as good as a listing.
async fn digests_there<D: Source>(destination: &D, manifest: &Manifest, there: &FileEntry) -> Result<Digests> {
    if there.size <= GIT_FILE_LIMIT {
        return digests_of(destination, manifest, there).await;
    }
    let opened = retry(Patience::ATTENDED, || destination.open(manifest, there, 0..1, Location::Fresh)).await?;
    let named = opened.validator.filter(|_| opened.total == Some(there.size));
    Ok(Digests { sha256: named.and_then(|tag| tag.parse().ok()), git_sha1: None })
}

/// The source at the commit that was planned, and where its branch is now if the hub tells.
///
/// Fails with `NeedsConfirmation` when that commit can no longer be listed as it was.
async fn as_planned<S: Source>(source: &S, request: &Request, info: RepoInfo, planned: &str) -> Result<(Manifest, Option<String>)> {
    let moved = |now: Option<&str>| {
        Error::new(ErrorKind::NeedsConfirmation, "the source has moved since it was planned")
            .with("planned", planned)
            .with("now", now.unwrap_or("none"))
            .hint_to("run the same command again: it plans anew")
    };
    let Some(head) = info.commit.clone() else {
        // a hub without history names its newest commit in the listing
        let manifest = source.manifest(&info).await?;
        return if manifest.commit.as_deref() == Some(planned) { Ok((manifest, None)) } else { Err(moved(manifest.commit.as_deref())) };
    };
    // the branch has moved on: the commit itself is read
    let pinned = async {
        let info = source.info(&request.source, Some(planned)).await?;
        source.manifest(&info).await
    };
    match pinned.await {
        Ok(manifest) if manifest.commit.as_deref() == Some(planned) => Ok((manifest, Some(head))),
        Ok(_) => Err(moved(Some(&head))),
        // some sites list branches only (facts, modelscope §2.3 [?])
        Err(error) if error.kind() == ErrorKind::NotFound => Err(moved(Some(&head))),
        Err(error) => Err(error),
    }
}

/// The destination, or nothing where it does not exist yet.
async fn look<D: Destination>(destination: &D, request: &Request) -> Result<Option<(RepoInfo, Existing)>> {
    let info = match destination.info(&request.destination, None).await {
        Ok(info) => info,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let manifest = destination.manifest(&info).await?;
    Ok(Some((info, Existing { manifest })))
}
