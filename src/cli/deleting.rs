//! The flags of deleting what the source does not have.

use clap::Args;

use super::args::Sources;
use crate::error::{Error, Result};
use crate::protocol::Deletion;

/// Whether, and how much.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct Deleting {
    /// Delete at the destination what the source does not have; --yes does not allow it, only this does
    #[arg(long)]
    pub(super) delete: bool,
    /// Delete so many files at most, else refuse; by default half of the destination's files, at least 10 and at most 50
    #[arg(long, value_name = "N")]
    max_delete: Option<u64>,
}

impl Deleting {
    /// The sources with the wish to delete. Fails with `Usage` for a bound without the wish.
    pub(super) fn of(self, sources: Sources) -> Result<Sources> {
        if self.max_delete.is_some() && !self.delete {
            return Err(Error::usage("--max-delete bounds --delete, which is not given", "pass --delete too, or leave --max-delete out"));
        }
        let delete = self.delete.then_some(Deletion { most: self.max_delete });
        Ok(match sources {
            Sources::One(wanted) => Sources::One(crate::migration::Wanted { delete, ..wanted }),
            Sources::Several(wanted, sources) => Sources::Several(crate::migration::Wanted { delete, ..wanted }, sources),
        })
    }
}
