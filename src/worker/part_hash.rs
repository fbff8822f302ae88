//! The hash of a file in parts, on its way from part to part.
//!
//! The part whose turn it is hashes as it reads, while the bytes are in the processor's cache. A part that is ahead of it holds what it
//! has read until its turn comes.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::slabs::{Pool, Slabs};
use crate::repo::Hasher;

/// Held pieces that are hashed for each chunk that arrives: more than arrives, so that it catches up, and few, so that reading goes on.
const CATCH_UP: usize = 2;

/// One part's share of the hash.
pub(super) struct PartHash {
    from: oneshot::Receiver<Hasher>,
    turn: Option<Turn>,
    /// Read and not hashed yet.
    held: VecDeque<Bytes>,
    slabs: Slabs,
    /// For all of the part; given back once nothing has to be held any more.
    memory: Option<OwnedSemaphorePermit>,
}

/// The hash of everything before the part, and of as much of the part as was hashed.
struct Turn {
    before: Hasher,
    now: Hasher,
}

impl PartHash {
    /// For a part that gets the hash by `from`. Without memory it waits for that before it takes anything.
    pub(super) fn new(from: oneshot::Receiver<Hasher>, memory: Option<OwnedSemaphorePermit>, pool: Arc<Pool>) -> Self {
        Self { from, turn: None, held: VecDeque::new(), slabs: Slabs::new(pool), memory }
    }

    /// Takes the next chunk of the part and gives what may be sent of it, and of those before.
    pub(super) async fn take(&mut self, chunk: Bytes) -> Vec<Bytes> {
        if self.turn.is_none() && (self.memory.is_none() || !self.from.is_empty()) {
            self.come().await;
        }
        let Some(turn) = &mut self.turn else { return self.hold(chunk) };
        for held in self.held.drain(..self.held.len().min(CATCH_UP)) {
            turn.now.update(&held);
        }
        if !self.held.is_empty() {
            return self.hold(chunk);
        }
        // it has caught up: from here on nothing is held
        self.memory = None;
        let mut pieces = Vec::from_iter(self.slabs.rest());
        pieces.push(chunk);
        for piece in &pieces {
            turn.now.update(piece);
        }
        pieces
    }

    /// What has not been given out yet, at the end of the part.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let rest = self.slabs.rest()?;
        self.held.push_back(rest.clone());
        Some(rest)
    }

    fn hold(&mut self, chunk: Bytes) -> Vec<Bytes> {
        let pieces = self.slabs.fill(chunk);
        self.held.extend(pieces.iter().cloned());
        pieces
    }

    /// The part starts over: what was hashed of it does not count, so that the digest is always that of the bytes that were stored.
    pub(super) fn start_over(&mut self) {
        self.held.clear();
        self.slabs.rest();
        if let Some(turn) = &mut self.turn {
            turn.now = turn.before.clone();
        }
    }

    /// Once all of the part is stored: the hash of everything up to its end.
    pub(super) async fn finish(mut self) -> Hasher {
        let mut now = match self.turn.take() {
            Some(turn) => turn.now,
            None => self.wait().await,
        };
        for held in self.held {
            now.update(&held);
            tokio::task::coop::consume_budget().await;
        }
        now
    }

    async fn wait(&mut self) -> Hasher {
        match (&mut self.from).await {
            Ok(hasher) => hasher,
            // the part before has failed, and with it the file: its error is the one to be shown, and this part is broken off
            Err(_) => std::future::pending().await,
        }
    }

    async fn come(&mut self) {
        let before = self.wait().await;
        self.turn = Some(Turn { now: before.clone(), before });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::Digests;

    fn digests(bytes: &[u8]) -> Digests {
        Digests::of(bytes)
    }

    fn chunks(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
        bytes.chunks(99_991).map(|chunk| bytes.slice_ref(chunk))
    }

    async fn fill(part: &mut PartHash, bytes: &Bytes) -> Vec<u8> {
        let mut sent = Vec::new();
        for chunk in chunks(bytes) {
            sent.extend(part.take(chunk).await.concat());
        }
        sent.extend(part.rest().unwrap_or_default());
        sent
    }

    #[tokio::test]
    async fn the_hash_is_that_of_all_parts_in_order_whenever_each_turn_comes() {
        let whole = Bytes::from((0..5_000_000u32).map(|number| (number / 7) as u8).collect::<Vec<_>>());
        let (first, second) = (whole.slice(..2_500_000), whole.slice(2_500_000..));
        let empty = Hasher::new(whole.len() as u64, digests(&whole));
        // the second part's turn comes before it begins, after some of its chunks, or after all of them; each starts over once
        for turn_after in [0, 5, 24, 1000] {
            let memory = Arc::new(tokio::sync::Semaphore::new(1));
            let (give, from) = oneshot::channel();
            let mut part = PartHash::new(from, Some(memory.clone().acquire_owned().await.unwrap()), Arc::default());
            fill(&mut part, &first.slice(..700_000)).await;
            part.start_over();
            let (mut before, mut give, mut sent) = (empty.clone(), Some(give), Vec::new());
            before.update(&first);
            for (number, chunk) in chunks(&second).enumerate() {
                if number == turn_after {
                    assert!(give.take().unwrap().send(before.clone()).is_ok());
                }
                sent.extend(part.take(chunk).await.concat());
            }
            sent.extend(part.rest().unwrap_or_default());
            assert_eq!(sent, second, "what is sent is what came");
            assert_eq!(memory.available_permits(), usize::from(turn_after <= 5), "memory is given back where all of it is hashed");
            if turn_after == 5 {
                part.start_over();
                assert_eq!(fill(&mut part, &second).await, second);
            }
            if let Some(give) = give.take() {
                assert!(give.send(before.clone()).is_ok());
            }
            assert_eq!(part.finish().await.finish(), digests(&whole), "turn after {turn_after} chunks");
        }
    }

    #[tokio::test]
    async fn without_memory_nothing_is_taken_before_its_turn() {
        let (give, from) = oneshot::channel();
        let mut part = PartHash::new(from, None, Arc::default());
        let chunk = Bytes::from_static(b"abc");
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), part.take(chunk.clone())).await;
        assert!(early.is_err());
        assert!(give.send(Hasher::new(3, digests(&chunk))).is_ok());
        assert_eq!(part.take(chunk.clone()).await, std::slice::from_ref(&chunk));
        assert_eq!(part.finish().await.finish(), digests(&chunk));
    }
}
