//! What is said of workers: why one was replaced, why a shard was given up, and what to do then.

use crate::conductor::replace::{Because, GaveUp, WorkerId};
use crate::error::{Error, ErrorKind, ErrorReport};
use crate::plan::rates::ATTEMPTS;

/// Whether an error that ended a worker would end the next one too.
pub(super) fn is_final(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::Cancelled | ErrorKind::Interrupted | ErrorKind::Local => false,
        ErrorKind::Usage
        | ErrorKind::InvalidInput
        | ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::Corrupted
        | ErrorKind::Unproven
        | ErrorKind::NeedsConfirmation
        | ErrorKind::Unsupported
        | ErrorKind::NotMigrated
        | ErrorKind::Protocol => true,
    }
}

/// Why a worker is ended, for a warning.
pub(super) fn because(because: Because) -> &'static str {
    match because {
        Because::Slow => "it was slow beside the others and was ended",
        Because::Silent => "nothing was heard of it and it was ended",
        Because::Still => "it carried nothing and was ended",
    }
}

/// That a worker is replaced.
pub(super) fn replaced(worker: WorkerId, files: usize, why: &str) -> String {
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    format!("worker {} left {files} that others carry: {why}", worker.shard)
}

/// That blobs are given up. `why` is how their last worker ended.
pub(super) fn gave_up(worker: WorkerId, files: usize, because: GaveUp, why: Option<ErrorReport>) -> Error {
    let error = match (because, why) {
        (GaveUp::Failed, Some(why)) => Error::from(why),
        (GaveUp::Failed, None) => Error::new(ErrorKind::Unavailable, "a worker failed and did not say why"),
        (GaveUp::Attempts, why) => {
            let error = Error::new(ErrorKind::Unavailable, format!("{ATTEMPTS} workers in a row did not carry what they were given"));
            let error = match why {
                Some(why) => error.with("the last", format!("\"{}\"", why.message)),
                None => error,
            };
            error.hint_to(
                "run the same command again: it goes on with what the destination lacks; if it ends like this again, try fewer --workers",
            )
        }
        (GaveUp::NoPlace, _) => Error::new(ErrorKind::Unavailable, "Modal has no place for a single worker").hint_to(
            "look at what runs at https://modal.com/apps and at the workspace's limits, then run the same command again; \
             `--workers 1` takes no container beside the conductor's",
        ),
    };
    error.during("fan-out").with("shard", worker.shard).with("files not carried", files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerId = WorkerId { shard: 7, attempt: 4 };

    #[test]
    fn what_is_given_up_names_the_shard_the_reason_and_the_next_step() {
        let missing = Error::new(ErrorKind::NotFound, "the source has no such file").with("file", "a.bin").hint_to("leave it out");
        let failed = gave_up(WORKER, 3, GaveUp::Failed, Some(ErrorReport::from(&missing)));
        assert_eq!(failed.to_string(), "fan-out: the source has no such file, file a.bin, shard 7, files not carried 3");
        assert_eq!((failed.kind(), failed.hint()), (ErrorKind::NotFound, Some("leave it out")));
        let lost = Error::new(ErrorKind::Interrupted, "the sandbox ran out of memory");
        let attempts = gave_up(WORKER, 1, GaveUp::Attempts, Some(ErrorReport::from(&lost)));
        assert_eq!(
            attempts.to_string(),
            "fan-out: 5 workers in a row did not carry what they were given, the last \"the sandbox ran out of memory\", shard 7, files not carried 1"
        );
        assert!(attempts.hint().is_some_and(|hint| hint.contains("again")));
        assert!(gave_up(WORKER, 1, GaveUp::NoPlace, None).hint().is_some_and(|hint| hint.contains("modal.com/apps")));
    }
}
