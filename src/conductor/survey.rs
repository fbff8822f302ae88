//! Looks at both shores before a plan is made: listings, the card, and the digests that only reading finds.

use futures_util::StreamExt;

use crate::card;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Patience, retry};
use crate::hub::{Destination, Location, RepoInfo, Source};
use crate::plan::{Card, Existing, Inputs, Selection, TransferPlan, apply_known};
use crate::protocol::Request;
use crate::repo::{Digests, FileEntry, GIT_FILE_LIMIT, Manifest, RepoPath, Visibility};
use crate::worker::{digests_of, read_whole};

/// Reads at once while comparing. Each holds no more than a chunk.
const READS: usize = 8;

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
    /// Both digests of every file that was read.
    pub learned: Vec<Digests>,
    request: Request,
}

impl Survey {
    /// Looks at both. `commit` pins the source where a plan has pinned it before; `known` saves reading.
    pub async fn new<S: Source, D: Destination>(
        source: &S,
        destination: &D,
        request: &Request,
        commit: Option<&str>,
        known: &[Digests],
    ) -> Result<Self> {
        let selection = Selection::new(&request.include, &request.exclude)?;
        let from = async {
            let info = source.info(&request.source, commit.or(request.revision.as_deref())).await?;
            source.manifest(&info).await
        };
        let (manifest, existing) = tokio::join!(from, look(destination, request));
        let mut manifest = manifest.map_err(|error| error.during("read source"))?;
        let existing = existing.map_err(|error| error.during("read destination"))?;
        apply_known(&mut manifest, known);
        let mut survey =
            Self { source: manifest, destination: existing, card: None, selection, compared: 0, learned: Vec::new(), request: request.clone() };
        survey.read_card(source, destination).await?;
        survey.knock(source).await?;
        survey.compare(source).await?;
        Ok(survey)
    }

    /// The plan for what was found.
    pub fn plan(&self) -> Result<TransferPlan> {
        let inputs = Inputs {
            request: &self.request,
            source: &self.source,
            destination: self.destination.as_ref().map(|(_, existing)| existing),
            card: self.card.as_ref(),
            warnings: self.warnings(),
        };
        TransferPlan::new(&inputs, &self.selection)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.request.source.repo_type == crate::repo::RepoType::Space {
            warnings.push("the source is a Space: its files are copied, it will not run as an app".to_owned());
        }
        let reviewed: Vec<_> = self.source.files.iter().filter(|file| file.size > 50_000_000_000).collect();
        if let (crate::repo::Platform::HuggingFace, Some(file)) = (self.request.source.platform, reviewed.first()) {
            // facts, huggingface §2: the official client demands Xet there; whether ranged reads pass is not known
            warnings.push(format!("{}: Hugging Face may refuse plain downloads of files over 50 GB", file.path));
        }
        warnings
    }

    /// Reads the card and works out what the destination needs changed in it; then asks the destination, before anything moves.
    async fn read_card<S: Source, D: Destination>(&mut self, source: &S, destination: &D) -> Result<()> {
        let path = RepoPath::new("README.md")?;
        let Some(file) = self.source.file(&path).filter(|file| file.size <= GIT_FILE_LIMIT && self.selection.takes(&path)) else {
            return Ok(());
        };
        let there = self.destination.as_ref().and_then(|(_, existing)| existing.manifest.file(&path));
        let original = read_whole(source, &self.source, file).await?.to_vec();
        let card = Card { rewrite: card::rewrite(&original, self.request.destination.platform), original };
        let wanted = Digests::of(card.wanted());
        if there.and_then(|there| there.digests.same(&wanted)) != Some(true)
            && let Ok(text) = std::str::from_utf8(card.wanted())
        {
            destination.check_card(&self.request.destination, text).await.map_err(|error| match error.kind() {
                ErrorKind::InvalidInput => error
                    .with("file", "README.md")
                    .hint_to("correct the front matter of README.md at the source, or leave the card out with --exclude README.md"),
                _ => error,
            })?;
        }
        self.compared += file.size;
        self.card = Some(card);
        Ok(())
    }

    /// The listing of a gated repository is open where its files are not: one byte tells before anything is created.
    async fn knock<S: Source>(&self, source: &S) -> Result<()> {
        let file = self.source.files.iter().filter(|file| self.selection.takes(&file.path)).max_by_key(|file| file.size);
        let (Visibility::Gated, Some(file)) = (self.source.visibility, file.filter(|file| file.size > 0)) else { return Ok(()) };
        let opened = retry(Patience::ATTENDED, || source.open(&self.source, file, 0..1, Location::Fresh)).await;
        opened.map(|_| ()).map_err(|error| error.during("read").with("file", &file.path))
    }

    /// Finds out by reading whether files that lie on both sides with the same size are the same, where the listings have no kind of
    /// digest in common. Only plain git files have no sha256, and those are 10 MB or a little more.
    async fn compare<S: Source>(&mut self, source: &S) -> Result<()> {
        let Some((_, existing)) = &self.destination else { return Ok(()) };
        let unclear = |file: &&FileEntry| {
            let there = existing.manifest.file(&file.path);
            there.is_some_and(|there| there.size == file.size && there.digests != Digests::default() && there.digests.same(&file.digests).is_none())
                && self.selection.takes(&file.path)
                && !file.path.is_git_attributes()
                && !(self.card.is_some() && file.path.as_str() == "README.md")
        };
        let unclear: Vec<_> = self.source.files.iter().filter(unclear).cloned().collect();
        let manifest = &self.source;
        let reads = unclear.iter().map(|file| async move { Ok::<_, Error>((file, digests_of(source, manifest, file).await?)) });
        let found: Vec<_> = futures_util::stream::iter(reads).buffer_unordered(READS).collect().await;
        for outcome in found {
            let (file, digests) = outcome?;
            self.compared += file.size;
            self.learned.push(digests);
        }
        let learned = std::mem::take(&mut self.learned);
        apply_known(&mut self.source, &learned);
        self.learned = learned;
        Ok(())
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
    let is_new = info.is_new && manifest.files.iter().all(|file| is_hubs_own(&file.path));
    Ok(Some((info, Existing { manifest, is_new })))
}

/// What ModelScope puts into a fresh repository (facts, modelscope §3.1).
fn is_hubs_own(path: &RepoPath) -> bool {
    matches!(path.as_str(), ".gitattributes" | "README.md" | "configuration.json" | "dataset_infos.json")
}
