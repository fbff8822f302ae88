//! What the conductor sees of its workers, and what it is to do.

use crate::plan::shard::Blob;

/// One container's turn at a shard, or at a part of what is left of it. Its name is the lock: no second one of that name can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    /// The shard.
    pub shard: u32,
    /// Counts the containers of that shard from 0.
    pub attempt: u32,
}

impl WorkerId {
    /// The container's name; `destination` is the hash of the destination's address.
    pub fn name(self, destination: &str) -> String {
        format!("hf2ms-{destination}-{}-{}", self.shard, self.attempt)
    }
}

/// What the conductor sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The engine made the container, or it was running already.
    Started(WorkerId),
    /// The engine has no place for it now.
    Refused(WorkerId),
    /// The worker told how far it is.
    Heard {
        /// Who.
        worker: WorkerId,
        /// Files that are done.
        files: u64,
        /// Payload bytes sent.
        bytes: u64,
    },
    /// The worker told that a blob is at the destination.
    Landed {
        /// Who.
        worker: WorkerId,
        /// The blob's place.
        place: u32,
    },
    /// The engine says that the container is no more.
    Ended {
        /// Who.
        worker: WorkerId,
        /// How.
        how: Ending,
    },
    /// The destination answered to [`Action::Ask`].
    Missing {
        /// Whose blobs were asked about.
        worker: WorkerId,
        /// The places of those it lacks.
        places: Vec<u32>,
    },
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a report that says that all is carried.
    Done,
    /// Killed, evicted, out of memory, out of time, or with an error that another try may mend.
    Lost,
    /// With an error that no other try mends.
    Failed,
}

/// What the conductor is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a container that carries these.
    Start {
        /// Who.
        worker: WorkerId,
        /// Largest first.
        blobs: Vec<Blob>,
    },
    /// End a container. Told again as long as the engine does not say that it ended.
    End {
        /// Who.
        worker: WorkerId,
        /// Why.
        because: Because,
    },
    /// Ask the destination which of these it lacks.
    Ask {
        /// Who had them; it has ended.
        worker: WorkerId,
        /// Unknown to have landed.
        blobs: Vec<Blob>,
    },
    /// Nobody will carry these any more.
    GiveUp {
        /// Who had them last.
        worker: WorkerId,
        /// What was not carried.
        blobs: Vec<Blob>,
        /// Why.
        because: GaveUp,
    },
}

/// Why a worker is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It carries less than a quarter of what is usual.
    Slow,
    /// Nothing was heard of it.
    Silent,
    /// It is heard and carries nothing.
    Still,
}

/// Why blobs are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Their worker's error is one that no other try mends.
    Failed,
    /// [`ATTEMPTS`] workers had them.
    Attempts,
    /// The engine has had no place for a single worker time and again. The conductor may carry them itself.
    NoPlace,
}
