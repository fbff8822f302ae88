//! How a migration is to run, beside what it moves.

use std::time::Duration;

use crate::plan::fan_out::{Ask, FanOut, Load};
use crate::plan::rates::{CONTAINERS, Way};
use crate::protocol::RunnerKind;

/// Where it runs, with how many containers, for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// Where the conductor runs.
    pub runner: RunnerKind,
    /// What is said about the number of containers. Means something in the cloud only.
    pub ask: Ask,
    /// After this time it stops, cleanly and so that the same command goes on; no limit when absent.
    pub max_time: Option<Duration>,
}

impl How {
    /// A process of this machine, without a limit.
    pub const HERE: Self = Self { runner: RunnerKind::Local, ask: Ask::Nothing, max_time: None };

    /// Who carries such a load. On this machine one process does.
    pub fn fan_out(&self, load: Load, way: Way) -> FanOut {
        match self.runner {
            RunnerKind::Modal => FanOut::decide(self.ask, load, way, CONTAINERS),
            RunnerKind::Local => FanOut { workers: 0, because: "this machine carries".to_owned(), instead: None },
        }
    }
}
