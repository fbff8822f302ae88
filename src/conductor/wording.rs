//! The card that is put to the destination: what has to be different in it, by the word of the hub that takes it.

use super::survey::{Purpose, Survey};
use crate::card::{self, Rewrite};
use crate::error::{ErrorKind, Result};
use crate::hub::{Destination, Source};
use crate::plan::Card;
use crate::repo::{Digests, GIT_FILE_LIMIT, RepoPath, RepoRef};
use crate::worker::read_whole;

impl Survey {
    /// Reads the card and works out what the destination needs changed in it; the destination is asked, before anything moves.
    pub(super) async fn read_card<S: Source, D: Destination>(&mut self, source: &S, destination: &D, purpose: Purpose) -> Result<()> {
        let path = RepoPath::new("README.md")?;
        let Some(file) = self.source.file(&path).filter(|file| file.size <= GIT_FILE_LIMIT && self.selection.takes(&path)) else {
            return Ok(());
        };
        let original = read_whole(source, &self.source, file).await?.to_vec();
        let to = &self.request.destination;
        let candidates = card::candidates(&original, to.platform);
        let there = self.destination.as_ref().and_then(|(_, existing)| existing.manifest.file(&path));
        // one that lies there already was accepted
        let is_there = |one: &&Rewrite| {
            let wanted = Digests::of(one.bytes.as_deref().unwrap_or(&original));
            there.is_some_and(|there| there.digests.same(&wanted) == Some(true))
        };
        let rewrite = match (candidates.iter().find(is_there), purpose) {
            (Some(there), _) => there.clone(),
            (None, Purpose::Migrate) => accepted(destination, to, candidates, &original).await?,
            // who only compares asks nobody
            (None, Purpose::Compare) => card::rewrite(&original, to.platform),
        };
        self.compared += file.size;
        self.card = Some(Card { rewrite, original });
        Ok(())
    }
}

/// The first of these that the destination takes.
///
/// Fails with `InvalidInput`, and what is wrong with the last one, when it takes none.
async fn accepted<D: Destination>(destination: &D, repo: &RepoRef, candidates: Vec<Rewrite>, original: &[u8]) -> Result<Rewrite> {
    let mut refusal = None;
    for one in candidates {
        // what is no text has no front matter that anybody reads
        let Ok(text) = std::str::from_utf8(one.bytes.as_deref().unwrap_or(original)) else { return Ok(one) };
        match destination.check_card(repo, text).await {
            Ok(()) => return Ok(one),
            Err(error) if error.kind() == ErrorKind::InvalidInput => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refusal {
        None => Ok(Rewrite::default()),
        Some(error) => Err(error
            .with("file", "README.md")
            .hint_to("correct the front matter of README.md at the source, or leave the card out with --exclude README.md")),
    }
}
