//! Whether a sandbox still runs, how it ended, and ending it (facts, modal §2.7, §2.8).

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::Code;

use super::failures::{self, Refusal};
use super::wire::client::{GenericResult, SandboxGetTaskIdRequest, SandboxTerminateRequest, SandboxWaitRequest};
use super::wire::{FAILURE, SUCCESS, call};
use super::{ModalClient, Sandbox, either, generation_of};
use crate::config::Generation;
use crate::error::{Error, ErrorKind, Result};

/// How long the service holds one question.
const HOLD: Duration = Duration::from_secs(10);
/// And how much longer its answer may take.
const GRACE: Duration = Duration::from_secs(5);
/// How long a terminated sandbox may take to be gone.
const MOST_TERMINATING: Duration = Duration::from_secs(60);
/// How long the older generation may take to find a container, and how often it is asked.
const MOST_STARTING: Duration = Duration::from_secs(21 * 60);
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How a sandbox ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its id.
    pub sandbox: String,
    /// In which way.
    pub how: EndedHow,
    /// Its process's exit code, when it ended by itself.
    pub exit: Option<i32>,
    status: i32,
    exception: String,
}

/// The ways in which a sandbox ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedHow {
    /// Its process ended well.
    Done,
    /// Its process ended badly.
    Failed,
    /// Somebody ended it, or its app was stopped, or a spend limit was reached.
    Terminated,
    /// It reached its time limit.
    TimedOut,
    /// It did not come up.
    NotStarted,
    /// Modal lost it.
    Lost,
    /// It seemed idle.
    Idle,
    /// It ran out of memory.
    OutOfMemory,
    /// In a way that is not known; never a success.
    Unknown,
}

impl Ended {
    /// `None` while it runs.
    pub(super) fn of(sandbox: &str, result: Option<GenericResult>) -> Option<Self> {
        let GenericResult { status, exception, exitcode } = result.filter(|result| result.status != 0)?;
        let exit = matches!(status, SUCCESS | FAILURE).then_some(exitcode);
        let how = match status {
            SUCCESS if exitcode == 0 => EndedHow::Done,
            SUCCESS | FAILURE => EndedHow::Failed,
            3 => EndedHow::Terminated,
            4 => EndedHow::TimedOut,
            5 => EndedHow::NotStarted,
            6 => EndedHow::Lost,
            7 => EndedHow::Idle,
            8..=10 => EndedHow::OutOfMemory,
            _ => EndedHow::Unknown,
        };
        Some(Self { sandbox: sandbox.to_owned(), how, exit, status, exception })
    }

    /// What went wrong, for a user; `None` when its process ended well.
    pub fn failure(&self) -> Option<Error> {
        let failed = self.how != EndedHow::Done;
        failed.then(|| failures::ended(&self.sandbox, self.status, self.exit, &self.exception))
    }
}

impl ModalClient {
    /// Whether a sandbox has ended. Fails with `NotFound` when there is none with this id.
    pub async fn poll(&self, sandbox: &str) -> Result<Option<Ended>> {
        self.wait_once(sandbox, Duration::ZERO).await
    }

    /// Waits until a sandbox ends, at most this long; `None` when it still runs. An outage of the control plane is borne for ten minutes,
    /// longer than the wait if need be.
    pub async fn wait(&self, sandbox: &str, most: Duration) -> Result<Option<Ended>> {
        let began = Instant::now();
        loop {
            let left = most.saturating_sub(began.elapsed());
            let ended = self.wait_once(sandbox, left.min(HOLD)).await?;
            if ended.is_some() || began.elapsed() >= most {
                return Ok(ended);
            }
            // a service that answers at once is not asked without pause
            sleep(Duration::from_millis(50).min(left)).await;
        }
    }

    async fn wait_once(&self, sandbox: &str, hold: Duration) -> Result<Option<Ended>> {
        let rpc = self.about(sandbox)?.lasting().within(hold + GRACE);
        let request = SandboxWaitRequest { sandbox_id: sandbox.to_owned(), timeout: hold.as_secs_f32() };
        let newer = async { call!(rpc, sandbox_wait_v2, request.clone()).await };
        let older = async { call!(rpc, sandbox_wait, request.clone()).await };
        let answer = either(generation_of(sandbox), newer, older).await.map_err(|refusal| Error::from(refusal).with("sandbox", sandbox))?;
        Ok(Ended::of(sandbox, answer.result))
    }

    /// Ends a sandbox and waits until it is gone; tells how it ended when it had ended before. `None` when there is none with this id.
    ///
    /// Fails with `Unavailable` when it is not gone after a minute.
    pub async fn terminate(&self, sandbox: &str) -> Result<Option<Ended>> {
        let rpc = self.about(sandbox)?.lasting();
        let request = SandboxTerminateRequest { sandbox_id: sandbox.to_owned() };
        let newer = async { call!(rpc, sandbox_terminate_v2, request.clone()).await };
        let older = async { call!(rpc, sandbox_terminate, request.clone()).await };
        match either(generation_of(sandbox), newer, older).await {
            Err(refusal) if refusal.code() == Code::NotFound => return Ok(None),
            Err(refusal) => return Err(Error::from(refusal).with("sandbox", sandbox)),
            Ok(answer) => {
                if let Some(ended) = Ended::of(sandbox, answer.existing_result) {
                    return Ok(Some(ended));
                }
            }
        }
        match self.wait(sandbox, MOST_TERMINATING).await? {
            Some(ended) => Ok(Some(ended)),
            None => Err(Error::new(ErrorKind::Unavailable, "the sandbox was told to end, and still runs")
                .with("sandbox", sandbox)
                .hint_to("end it at https://modal.com/apps, or run the same command again")),
        }
    }

    /// The id of a sandbox's task, once it has a container. Where none is found in 21 minutes the sandbox is ended.
    ///
    /// Fails with `Unavailable` for want of capacity, or with how it ended before it had one.
    pub async fn started(&self, sandbox: &Sandbox) -> Result<String> {
        if let Some(task) = &sandbox.task {
            return Ok(task.clone());
        }
        let began = Instant::now();
        while began.elapsed() < MOST_STARTING {
            if let Some(task) = self.task(&sandbox.id).await? {
                return Ok(task);
            }
            sleep(ASK_EVERY).await;
        }
        self.terminate(&sandbox.id).await?;
        Err(failures::no_capacity(&sandbox.id, began.elapsed()))
    }

    /// The id of a sandbox's task, if it has one.
    pub(super) async fn task(&self, sandbox: &str) -> Result<Option<String>> {
        let named = |error: Refusal| Error::from(error).with("sandbox", sandbox);
        let rpc = self.about(sandbox)?.lasting();
        let request = SandboxGetTaskIdRequest { sandbox_id: sandbox.to_owned() };
        let newer = async { call!(rpc, sandbox_get_task_id_v2, request.clone()).await };
        let older = async { call!(rpc, sandbox_get_task_id, request.clone()).await };
        let answer = either(generation_of(sandbox), newer, older).await.map_err(named)?;
        if let Some(task) = answer.task_id.filter(|task| !task.is_empty()) {
            return Ok(Some(task));
        }
        match Ended::of(sandbox, answer.task_result).and_then(|ended| ended.failure()) {
            // the older generation says here why it could not start
            Some(error) if generation_of(sandbox) == Generation::V1 => Err(error),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: i32, exitcode: i32) -> Option<Ended> {
        Ended::of("sb-1", Some(GenericResult { status, exception: String::new(), exitcode }))
    }

    #[test]
    fn only_a_process_that_ended_by_itself_has_an_exit_code() {
        assert_eq!(ended(1, 0).map(|ended| (ended.how, ended.exit)), Some((EndedHow::Done, Some(0))));
        assert_eq!(ended(2, 3).map(|ended| (ended.how, ended.exit)), Some((EndedHow::Failed, Some(3))));
        assert_eq!(ended(1, 3).map(|ended| (ended.how, ended.exit)), Some((EndedHow::Failed, Some(3))));
        for (status, how) in [(3, EndedHow::Terminated), (4, EndedHow::TimedOut), (9, EndedHow::OutOfMemory), (77, EndedHow::Unknown)] {
            assert_eq!(ended(status, 0).map(|ended| (ended.how, ended.exit)), Some((how, None)));
        }
    }

    #[test]
    fn no_result_and_status_0_are_a_sandbox_that_runs() {
        assert_eq!(Ended::of("sb-1", None), None);
        assert_eq!(ended(0, 0), None);
    }

    #[test]
    fn an_unknown_status_is_never_a_success() {
        assert!(ended(1, 0).unwrap().failure().is_none());
        for status in (2..12).chain([-1, 1000]) {
            assert!(ended(status, 0).unwrap().failure().is_some(), "{status}");
        }
    }
}
