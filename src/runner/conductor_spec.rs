//! The sandbox of a conductor: what is mounted, which tokens it is given, how it is found. The first of a migration is started from a
//! user's machine, a successor by the conductor before it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::modal::{MountedFile, SandboxSpec};
use super::names::{self, JOB, PROGRAM, tag};
use crate::config::ModalSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::modal::Container;
use crate::plan::rates::Way;
use crate::protocol::Job;
use crate::secret::{Token, Tokens};

/// As long as Modal lets a sandbox live.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How much longer than its process may take a sandbox lives, so that a commit under way and the last word fit in.
const LAST_WORD: Duration = Duration::from_secs(15 * 60);

/// The program and the job.
pub fn files(job: &Job, program: MountedFile) -> Result<[MountedFile; 2]> {
    let text = serde_json::to_vec(job).map_err(|error| Error::new(ErrorKind::Local, "cannot write the job").because(error))?;
    Ok([program, MountedFile { path: JOB.to_owned(), bytes: text.into(), mode: 0o644 }])
}

/// The sandbox. Where the conductor has workers to start it is given the pair of Modal's tokens, and only then.
pub fn spec(job: &Job, tokens: &Tokens, settings: &ModalSettings) -> SandboxSpec {
    let way = Way { from: job.request.source.platform, to: job.request.destination.platform };
    let container = Container::of(way);
    let secret = |name: &str, token: &Option<Token>| token.clone().map(|token| (name.to_owned(), token));
    let mut secrets: BTreeMap<_, _> =
        [secret("HF_TOKEN", &tokens.hf), secret("MODELSCOPE_TOKEN", &tokens.ms)].into_iter().flatten().collect();
    if job.workers > 0 {
        secrets.insert("MODAL_TOKEN_ID".to_owned(), settings.token_id.clone());
        secrets.insert("MODAL_TOKEN_SECRET".to_owned(), settings.token_secret.clone());
    }
    let mut tags = names::of_conductors(&names::of_destination(job));
    tags.insert(tag::ID.to_owned(), job.id.clone());
    tags.insert(tag::REQUEST.to_owned(), digest_of(job));
    tags.insert(tag::GENERATION.to_owned(), job.before.generation().to_string());
    SandboxSpec {
        name: Some(names::of_conductor(job, job.before.generation())),
        tags,
        args: [PROGRAM, "run-job", "--job", JOB].map(str::to_owned).into(),
        secrets,
        milli_cpu: container.milli_cpu,
        memory_mib: container.memory_mib,
        timeout: life(job.max_seconds),
        mounts: Vec::new(),
        regions: Vec::new(),
    }
}

/// How long a sandbox may live whose process stops by itself after so many seconds: longer than these, as far as Modal lets it.
fn life(max_seconds: Option<u64>) -> Duration {
    max_seconds.map_or(LIFE, |seconds| Duration::from_secs(seconds).saturating_add(LAST_WORD).min(LIFE))
}

/// What is migrated: the request, between which sites, and from which commit.
fn digest_of(job: &Job) -> String {
    let what = (&job.request, &job.endpoints, &job.source_commit);
    names::digest(serde_json::to_string(&what).unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_outlives_the_time_of_its_process_as_far_as_modal_lets_it() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(life(None), LIFE);
        assert_eq!(life(Some(7_200)), hours(2) + LAST_WORD);
        for seconds in [1, 60, 3_600, 23 * 3_600, 24 * 3_600 - 1] {
            assert!((Duration::from_secs(seconds)..=LIFE).contains(&life(Some(seconds))), "{seconds}");
        }
        assert_eq!([life(Some(90_000)), life(Some(u64::MAX))], [LIFE, LIFE]);
    }
}
