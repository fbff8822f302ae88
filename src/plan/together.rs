//! Several migrations at the same time, under one cap.

use super::rates::{AT_ONCE_HERE, AT_ONCE_IN_CLOUD, CONTAINERS, LARGE, MOST_HERE};
use crate::error::{Error, Result};
use crate::protocol::RunnerKind;

/// What all migrations that run at the same time may have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// So many may run.
    places: u32,
    /// So many shares there are; what a share is depends on where they run.
    shares: u32,
}

impl Cap {
    /// So many at once as said, else as many as are useful. On this machine they share one process' memory and streams; in the cloud they share the
    /// containers, of which each migration takes what its plan says.
    ///
    /// Fails with `Usage` for none, and for more than get a useful share each.
    pub fn new(runner: RunnerKind, at_once: Option<u32>) -> Result<Self> {
        let (usual, most, why) = match runner {
            RunnerKind::Local => (AT_ONCE_HERE, MOST_HERE, "more of them on this machine would each have too little memory"),
            RunnerKind::Modal => (AT_ONCE_IN_CLOUD, CONTAINERS, "each takes a container, and a workspace of the smallest plan has no more"),
        };
        let places = at_once.unwrap_or(usual);
        if !(1..=most).contains(&places) {
            return Err(Error::usage(format!("1 to {most} migrations run at once"), why).with("--at-once", places));
        }
        let shares = if runner == RunnerKind::Local { places } else { CONTAINERS };
        Ok(Self { places, shares })
    }

    /// One after the other.
    pub fn is_one_by_one(self) -> bool {
        self.places == 1
    }

    /// Shares that a migration with so many bytes to carry takes on this machine: one, or, where its line is what it waits for, all.
    pub fn here(self, bytes: u64) -> u32 {
        if bytes > LARGE { self.shares } else { 1 }
    }

    /// Into how many parts what one process may have is divided, for one that takes so many shares.
    pub fn parts(self, shares: u32) -> u32 {
        self.shares / shares.max(1)
    }
}

/// What of a cap is in use.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    cap: Cap,
    running: u32,
    used: u32,
}

impl Room {
    /// Nobody runs yet.
    pub fn new(cap: Cap) -> Self {
        Self { cap, running: 0, used: 0 }
    }

    /// Whether one that takes so many shares may begin. One that takes more than there are begins where nobody else runs.
    pub fn has(&self, shares: u32) -> bool {
        self.running < self.cap.places && (self.used + shares <= self.cap.shares || self.running == 0)
    }

    /// One begins.
    pub fn enter(&mut self, shares: u32) {
        self.running += 1;
        self.used += shares;
    }

    /// One has ended.
    pub fn leave(&mut self, shares: u32) {
        self.running = self.running.saturating_sub(1);
        self.used = self.used.saturating_sub(shares);
    }

    /// Shares in use.
    pub fn used(&self) -> u32 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(runner: RunnerKind, at_once: impl Into<Option<u32>>) -> Cap {
        Cap::new(runner, at_once.into()).unwrap()
    }

    #[test]
    fn a_cap_has_bounds() {
        let words = |runner, at_once| Cap::new(runner, Some(at_once)).unwrap_err().to_string();
        assert_eq!(words(RunnerKind::Local, 0), "1 to 6 migrations run at once, --at-once 0");
        assert_eq!(words(RunnerKind::Local, 7), "1 to 6 migrations run at once, --at-once 7");
        assert_eq!(words(RunnerKind::Modal, 101), "1 to 100 migrations run at once, --at-once 101");
        assert!(cap(RunnerKind::Modal, 1).is_one_by_one() && !cap(RunnerKind::Local, None).is_one_by_one());
    }

    #[test]
    fn a_large_one_has_this_machine_for_itself() {
        let cap = cap(RunnerKind::Local, 3);
        assert_eq!([cap.here(0), cap.here(LARGE), cap.here(LARGE + 1)], [1, 1, 3]);
        assert_eq!([cap.parts(1), cap.parts(3)], [3, 1]);
        let mut room = Room::new(cap);
        room.enter(1);
        assert!(room.has(1) && !room.has(3));
        room.enter(1);
        room.enter(1);
        assert!(!room.has(1));
        for _ in 0..3 {
            room.leave(1);
        }
        assert!(room.has(3));
        room.enter(3);
        assert!(!room.has(1));
    }

    #[test]
    fn in_the_cloud_the_containers_are_shared_and_the_places_are_bounded() {
        let mut room = Room::new(cap(RunnerKind::Modal, 3));
        room.enter(60);
        assert!(room.has(40) && !room.has(41));
        room.enter(1);
        room.enter(1);
        assert_eq!(room.used(), 62);
        assert!(!room.has(1), "there are three places");
        room.leave(60);
        assert!(room.has(98) && !room.has(99));
    }
}
