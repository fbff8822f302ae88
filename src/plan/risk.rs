//! What only the user may allow.

use serde::{Deserialize, Serialize};

use crate::protocol::Consent;
use crate::repo::{RepoPath, Sha256, Visibility};

/// Something that only the user may allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "risk", rename_all = "snake_case")]
pub enum Risk {
    /// Files at the destination that differ will be replaced.
    Overwrite {
        /// How many.
        files: u64,
        /// The first of them.
        first: Vec<RepoPath>,
    },
    /// Files that the destination takes in no form, or the source does not give.
    LeftOut {
        /// How many.
        files: u64,
        /// The first of them.
        first: Vec<RepoPath>,
        /// Why, each reason once.
        reasons: Vec<String>,
    },
    /// Who could not read the source will be able to read the copy.
    LoosenedVisibility {
        /// The source's.
        from: Visibility,
        /// The destination's.
        to: Visibility,
    },
    /// Files that only the destination has will be deleted.
    Delete {
        /// How many.
        files: u64,
        /// The first of them.
        first: Vec<RepoPath>,
        /// So many may be deleted at once, whoever allows it.
        most: u64,
        /// A hash over all their paths: other files are another risk.
        listing: Sha256,
    },
    /// It costs more than may be spent without asking.
    Cost {
        /// About so much, in hundredths of a dollar.
        cents: u64,
        /// So much is spent without asking.
        limit_cents: u64,
    },
}

impl Risk {
    /// Whether who allowed this allowed the other one: the same, or the same for less.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cost { cents: allowed, .. }, Self::Cost { cents, .. }) => cents <= allowed,
            _ => self == other,
        }
    }

    /// One line for a person.
    pub fn describe(&self) -> String {
        let some = |first: &[RepoPath], files: u64| {
            let names: Vec<_> = first.iter().take(3).map(RepoPath::to_string).collect();
            let more = files.saturating_sub(names.len() as u64);
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{rest}", names.join(", "))
        };
        match self {
            Self::Overwrite { files: 1, first } => format!("overwrites a file that differs at the destination: {}", some(first, 1)),
            Self::Overwrite { files, first } => format!("overwrites {files} files that differ at the destination: {}", some(first, *files)),
            Self::LeftOut { files, first, reasons } => {
                let what = if *files == 1 { "a file".to_owned() } else { format!("{files} files") };
                format!("leaves out {what} that cannot be copied: {} ({})", some(first, *files), reasons.join("; "))
            }
            Self::Delete { files, first, most, .. } => {
                let what = if *files == 1 { "a file".to_owned() } else { format!("{files} files") };
                let more = if files > most { format!("; at most {most} may be deleted at once") } else { String::new() };
                format!("deletes {what} that only the destination has: {}{more}", some(first, *files))
            }
            Self::LoosenedVisibility { from, to } => {
                format!("the source is {} and the destination is {}: more people could read the files", from.word(), to.word())
            }
            Self::Cost { cents, limit_cents } => {
                let dollars = |cents: u64| format!("${}.{:02}", cents / 100, cents % 100);
                format!("costs about {} on Modal, and more than {} is asked about", dollars(*cents), dollars(*limit_cents))
            }
        }
    }

    /// Whether it takes a person's own word: a flag for it alone, or a field of a form. No answer to all risks together covers it.
    pub fn needs_own_word(&self) -> bool {
        matches!(self, Self::LoosenedVisibility { .. } | Self::Delete { .. })
    }

    /// Whether this consent covers it.
    pub fn is_covered_by(&self, consent: Consent) -> bool {
        match self {
            Self::Overwrite { .. } | Self::LeftOut { .. } | Self::Cost { .. } => consent.risks,
            Self::LoosenedVisibility { .. } => consent.loosened_visibility,
            Self::Delete { files, most, .. } => consent.deletion && files <= most,
        }
    }
}
