//! One error for the whole crate: what kind, whether to try again, during what, with which facts, caused by what.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller would branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The command, argument or job is wrong; nothing was tried.
    Usage,
    /// A service says that what was sent is not acceptable.
    InvalidInput,
    /// The token is missing, wrong or expired.
    Unauthorized,
    /// The token is good, but may not do this.
    Forbidden,
    /// A repository, revision or file does not exist, or is hidden from this token.
    NotFound,
    /// Somebody else changed the thing, or it exists already.
    Conflict,
    /// The service asks to slow down.
    RateLimited,
    /// The service or the way to it is down.
    Unavailable,
    /// The service takes nothing of this size.
    TooLarge,
    /// Bytes do not match their digest.
    Corrupted,
    /// Everything was done, but not everything could be proven.
    Unproven,
    /// Only the user may allow this: overwriting, publishing.
    NeedsConfirmation,
    /// What is asked for is not part of the program.
    Unsupported,
    /// The source is of a kind that does not migrate as it is: a Space.
    NotMigrated,
    /// Stopped on request.
    Cancelled,
    /// The process that did the work is gone, or its time is over.
    Interrupted,
    /// An answer that is not what the service's contract says.
    Protocol,
    /// This machine: files, processes.
    Local,
}

impl ErrorKind {
    /// The process exit code that goes with it (1 failed, 2 usage, 3 refused, 4 unproven, 130 cancelled).
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::Unsupported => 2,
            Self::Unauthorized | Self::Forbidden | Self::NeedsConfirmation | Self::NotMigrated => 3,
            Self::Unproven => 4,
            Self::Cancelled => 130,
            _ => 1,
        }
    }

    /// The kind as it stands in JSON: `not_found`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::InvalidInput => "invalid_input",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too_large",
            Self::Corrupted => "corrupted",
            Self::Unproven => "unproven",
            Self::NeedsConfirmation => "needs_confirmation",
            Self::Unsupported => "unsupported",
            Self::NotMigrated => "not_migrated",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Protocol => "protocol",
            Self::Local => "local",
        }
    }

    /// What helps against most errors of the kind, where nobody knew better.
    fn next_step(self) -> Option<&'static str> {
        match self {
            Self::Unavailable => {
                Some("run the same command again when the service, or the way to it, works again; it goes on with what is missing")
            }
            Self::RateLimited => Some("run the same command again when the limit is over; it goes on with what is missing"),
            Self::Conflict => Some("run the same command again; it plans anew"),
            Self::Corrupted => Some(
                "what came is not what is listed, and nothing of it was committed; run the same command again, or leave the file out with --exclude",
            ),
            Self::InvalidInput => {
                Some("what the service says tells what it does not accept; if that is nothing of yours, report this line")
            }
            Self::TooLarge => Some("leave the file out with --exclude"),
            Self::Protocol => Some("hf2ms does not know this answer; run the same command again, and report this line if it stays"),
            _ => None,
        }
    }
}

/// Whether the same request may pass on another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may pass, after the given time if the service named one.
    Later(Option<Duration>),
}

/// What went wrong. Shown, it is one line that names the thing; a hint stands apart in [`Error::hint`].
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    retry: Retry,
    message: Cow<'static, str>,
    operations: Vec<&'static str>,
    facts: Vec<(&'static str, String)>,
    hint: Option<Cow<'static, str>>,
    cause: Option<anyhow::Error>,
}

impl Error {
    /// A permanent error: lower case, no "failed to", no period.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            retry: Retry::Never,
            message: message.into(),
            operations: Vec::new(),
            facts: Vec::new(),
            hint: None,
            cause: None,
        }))
    }

    /// Wrong usage, with what to do instead.
    pub fn usage(message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Usage, message).hint_to(hint)
    }

    /// Adds the operation it happened in; outer ones are added later and shown first.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        if self.0.operations.last() != Some(&operation) {
            self.0.operations.push(operation);
        }
        self
    }

    /// Adds a fact that names the thing. A fact already named keeps its first value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        if !self.0.facts.iter().any(|(known, _)| *known == name) {
            self.0.facts.push((name, value.to_string()));
        }
        self
    }

    /// Sets another message than the one it has, by somebody who knows better what it means here.
    #[must_use]
    pub fn reword(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Sets another hint than the one it has.
    #[must_use]
    pub fn hint_instead(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets what the user can do about it. The innermost hint stays.
    #[must_use]
    pub fn hint_to(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Sets whether it may pass on another try.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<anyhow::Error>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether to try again.
    pub fn retryable(&self) -> Retry {
        self.0.retry
    }

    /// What the user can do about it: what was set, else what helps against errors of the kind.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref().or_else(|| self.0.kind.next_step())
    }

    /// What was set as hint, for this very error.
    pub fn own_hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// A fact by its name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.0.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The message alone, without operations and facts.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in self.0.operations.iter().rev() {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)?;
        for (name, value) in &self.0.facts {
            write!(f, ", {name} {value}")?;
        }
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause:#}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(AsRef::as_ref)
    }
}

/// An error as it crosses a process wall and stands in `--json`: `{"kind","message","hint"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// What kind it is.
    pub kind: ErrorKind,
    /// One line that names the thing.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl From<&Error> for ErrorReport {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string(), hint: error.hint().map(Into::into) }
    }
}

impl From<ErrorReport> for Error {
    fn from(report: ErrorReport) -> Self {
        let error = Self::new(report.kind, report.message);
        match report.hint {
            Some(hint) => error.hint_to(hint),
            None => error,
        }
    }
}
