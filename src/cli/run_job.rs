//! `run-job`: line 1 of standard input the tokens, line 2 the job; or the job in a file and the tokens in the environment. Events on
//! standard output. With `--versions` no job: one line that says what this program is, where it runs and what it reaches.

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::args::Asked;
use super::json_out;
use crate::conductor::{Events, carry_shard, conduct, versions};
use crate::config::ModalSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{Job, Role};
use crate::secret::{Token, Tokens, holds_token};

/// A job with 100,000 pairs of digests is below 20 MiB.
const LINE_LIMIT: u64 = 64 << 20;
/// How long one who only says what it is waits to be ended.
const STAY: Duration = Duration::from_secs(120);

pub(super) fn run(own_session: bool, job: Option<&Path>, asked: &Asked) -> Result<u8> {
    if asked.versions {
        return say_versions(asked);
    }
    if own_session {
        rustix::process::setsid().map_err(|error| Error::new(ErrorKind::Local, "no session of its own").because(error))?;
    }
    let (tokens, job) = match job {
        Some(path) => read_file(path).inspect_err(tell)?,
        None => read(std::io::stdin().lock())?,
    };
    let modal = modal(&job)?;
    let runtime = runtime()?;
    let (events, writer) = Events::counted_from(job.before.first_event(), std::io::stdout());
    let report = runtime.block_on(async {
        let cancel = CancellationToken::new();
        tokio::spawn(stop_on_signal(cancel.clone()));
        match job.role {
            Role::Conductor => conduct(job, &tokens, modal, events, cancel).await,
            Role::Worker => Some(carry_shard(job, &tokens, events, cancel).await),
        }
    });
    // transfers that were broken off hold events until their tasks are gone
    runtime.shutdown_timeout(Duration::from_secs(2));
    writer.finish();
    Ok(report.map_or(0, |report| super::migrate::exit_code(&report)))
}

/// What a look into a sandbox asks for. It stays when told to, so that ending it from outside is tried as well.
fn say_versions(asked: &Asked) -> Result<u8> {
    runtime()?.block_on(async {
        json_out(&versions(&asked.reach).await)?;
        if asked.stay {
            let ended = CancellationToken::new();
            tokio::spawn(stop_on_signal(ended.clone()));
            // in time or not, it has said everything
            let _either = tokio::time::timeout(STAY, ended.cancelled()).await;
        }
        Ok(0)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(threads()).build();
    runtime.map_err(|error| Error::new(ErrorKind::Local, "no runtime").because(error))
}

fn read(input: impl BufRead) -> Result<(Tokens, Job)> {
    let mut input = input.take(2 * LINE_LIMIT);
    let mut line = || {
        let mut text = String::new();
        input.read_line(&mut text).map_err(|error| Error::new(ErrorKind::Local, "cannot read standard input").because(error))?;
        Ok::<_, Error>(text)
    };
    let (tokens, job) = (line()?, line()?);
    Ok((Tokens::from_line(tokens.trim())?, parse(&job, "the second line of standard input is no job")?))
}

/// In a container: the job is a mounted file, the tokens are secrets in the environment.
fn read_file(path: &Path) -> Result<(Tokens, Job)> {
    let broken = |error| {
        let error = Error::new(ErrorKind::Local, "cannot read the job").with("file", path.display()).because(error);
        error.hint_to("name a file that holds what `hf2ms plan --job` prints")
    };
    let text = std::fs::read_to_string(path).map_err(broken)?;
    Ok((Tokens { hf: token("HF_TOKEN")?, ms: token("MODELSCOPE_TOKEN")? }, parse(&text, "the file holds no job")?))
}

/// Says on standard output, too, why the job was not begun: of a process in a container that is all that is seen.
fn tell(error: &Error) {
    let (events, writer) = Events::into(std::io::stdout());
    events.warn(error.to_string());
    drop(events);
    writer.finish();
}

/// How a conductor that has workers starts them: as the job says, with the tokens among its secrets.
fn modal(job: &Job) -> Result<Option<ModalSettings>> {
    let Some(address) = job.modal.as_ref().filter(|_| job.role == Role::Conductor && job.workers > 0) else { return Ok(None) };
    let (id, secret) = (token("MODAL_TOKEN_ID")?, token("MODAL_TOKEN_SECRET")?);
    Ok(id.zip(secret).map(|(id, secret)| ModalSettings::inside(address, id, secret)))
}

/// A token among the secrets of a container.
fn token(name: &str) -> Result<Option<Token>> {
    std::env::var(name).ok().filter(|text| !text.trim().is_empty()).map(|text| Token::new(&text)).transpose()
}

fn parse(text: &str, refusal: &'static str) -> Result<Job> {
    serde_json::from_str(text.trim()).map_err(|error| {
        let refusal = Error::usage(refusal, "make one with `hf2ms plan --job`");
        // it may quote a value, and the value may be a token that stands in the wrong place
        if holds_token(&error.to_string()) { refusal } else { refusal.because(error) }
    })
}

/// Cancels at the first Ctrl-C or SIGTERM.
pub(super) async fn stop_on_signal(cancel: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    cancel.cancel();
}

/// Half of the processors. A chunk that is read, hashed and sent by one thread stays in one processor's cache, and idle threads take work
/// from each other; the other half is for the system's share of the same bytes. Half a core carries more than most lines.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).clamp(1, 8))
}
