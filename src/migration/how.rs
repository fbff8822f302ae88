//! How a migration is to run, beside what it moves.

use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::fan_out::{Ask, FanOut, Load};
use crate::plan::rates::Way;
use crate::protocol::RunnerKind;

/// Where it runs, with how many containers, for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// Where the conductor runs.
    pub runner: RunnerKind,
    /// What is said about the number of containers. Means something in the cloud only.
    pub ask: Ask,
    /// The most containers that it may have, the conductor's included.
    pub containers: u32,
    /// After this time it stops, cleanly and so that the same command goes on; no limit when absent.
    pub max_time: Option<Duration>,
}

impl How {
    /// A process of this machine, without a limit.
    pub const HERE: Self = Self { runner: RunnerKind::Local, ask: Ask::Nothing, containers: 1, max_time: None };

    /// The share of one of so many migrations that run at the same time: together they stay below what a workspace of the smallest plan has.
    ///
    /// Fails with `Usage` when there are more of them than containers.
    pub fn shared_by(self, migrations: usize) -> Result<Self> {
        match u32::try_from(migrations).ok().and_then(|migrations| self.containers.checked_div(migrations)) {
            _ if self.runner == RunnerKind::Local => Ok(self),
            Some(0) => Err(Error::usage("a migration takes a container, and so many at once there are not", "start fewer at a time")
                .with("migrations", migrations)
                .with("containers", self.containers)),
            Some(containers) => Ok(Self { containers, ..self }),
            None => Ok(self),
        }
    }

    /// Who carries such a load. On this machine one process does.
    pub fn fan_out(&self, load: Load, way: Way) -> FanOut {
        match self.runner {
            RunnerKind::Modal => FanOut::decide(self.ask, load, way, self.containers),
            RunnerKind::Local => FanOut { workers: 0, because: "this machine carries".to_owned(), instead: None },
        }
    }
}

/// Where it is to run: as it was asked for, else Modal where its tokens are set. The local runner is never chosen unasked, because then the
/// bytes pass through this machine.
///
/// Fails with `NeedsConfirmation` when nobody chose, and with `Usage` or `Unauthorized` when what was chosen cannot be had.
pub fn choose_runner(config: &Config, asked: Option<&str>) -> Result<RunnerKind> {
    match asked.or(config.runner.as_deref()) {
        Some("local") => Ok(RunnerKind::Local),
        Some("modal") => config.modal_settings().map(|_| RunnerKind::Modal),
        Some(other) => Err(Error::usage("no such runner", "use `--runner modal` or `--runner local`").with("got", format!("`{other}`"))),
        None if config.modal.is_some() => config.modal_settings().map(|_| RunnerKind::Modal),
        None => Err(Error::new(ErrorKind::NeedsConfirmation, "no runner is chosen").hint_to(
            "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET to carry in the cloud, or pass --runner local, or set HF2MS_RUNNER=local, to carry on \
             this machine: every byte then passes through its network connection",
        )),
    }
}

/// Reads a time limit: `90m`, `2h`, `3h30m`, or seconds without a unit. Gives what to write instead when it is none, or below a second.
pub fn time_limit(text: &str) -> std::result::Result<Duration, String> {
    let text = text.trim();
    let read = match text.parse().map(Duration::from_secs) {
        Ok(seconds) => Some(seconds),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    match read {
        Some(time) if time >= Duration::from_secs(1) => Ok(time),
        Some(_) => Err("give at least one second".to_owned()),
        None => Err("give a time such as `90m`, `2h`, `3h30m`, or a number of seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn migrations_at_the_same_time_share_the_containers() {
        let cloud = How { runner: RunnerKind::Modal, containers: 100, ..How::HERE };
        let of = |migrations| cloud.shared_by(migrations).map(|how| how.containers).map_err(|error| error.kind());
        assert_eq!([of(0), of(1), of(3), of(100), of(101)], [Ok(100), Ok(100), Ok(33), Ok(1), Err(ErrorKind::Usage)]);
        assert_eq!(How::HERE.shared_by(500).map(|how| how.containers).ok(), Some(1));
    }
}
