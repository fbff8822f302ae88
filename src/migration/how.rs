//! How a migration is to run, beside what it moves.

use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::fan_out::{Ask, FanOut, Load};
use crate::plan::rates::{DETACHED_HERE, MOST_HERE, Way};
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
    /// On this machine: it takes one of so many parts of what a process may hold and have in flight.
    pub share: u32,
    /// After this time it stops, cleanly and so that the same command goes on; no limit when absent.
    pub max_time: Option<Duration>,
}

impl How {
    /// A process of this machine, without a limit.
    pub const HERE: Self = Self { runner: RunnerKind::Local, ask: Ask::Nothing, containers: 1, share: 1, max_time: None };

    /// The share of one of so many migrations that all start at once: together they stay below what a workspace of the smallest plan has, and
    /// below what this machine should hold.
    ///
    /// Fails with `Usage` when there are more of them than containers, or than this machine should run.
    pub fn shared_by(self, migrations: usize) -> Result<Self> {
        if self.runner == RunnerKind::Local {
            if migrations > DETACHED_HERE {
                return Err(Error::usage(
                    format!("detached migrations start all at once, and this machine runs {DETACHED_HERE} at most"),
                    "leave --detach out: then each begins when there is room for it; or start fewer",
                )
                .with("migrations", migrations));
            }
            return Ok(self.one_of(u32::try_from(migrations).unwrap_or(MOST_HERE)));
        }
        match u32::try_from(migrations).ok().and_then(|migrations| self.containers.checked_div(migrations)) {
            Some(0) => Err(Error::usage("a migration takes a container, and so many at once there are not", "start fewer at a time")
                .with("migrations", migrations)
                .with("containers", self.containers)),
            Some(containers) => Ok(Self { containers, ..self }),
            None => Ok(self),
        }
    }

    /// The same for one of so many processes that share what one may hold. A part is never so small that one carries badly.
    pub fn one_of(self, share: u32) -> Self {
        Self { share: share.clamp(1, MOST_HERE), ..self }
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
        let here = |migrations| How::HERE.shared_by(migrations).map(|how| how.share).map_err(|error| error.kind());
        assert_eq!([here(0), here(1), here(4), here(16), here(17)], [Ok(1), Ok(1), Ok(4), Ok(6), Err(ErrorKind::Usage)]);
    }
}
