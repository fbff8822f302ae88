//! What the commits of a migration say, and what they may do.

use std::collections::BTreeSet;

use crate::plan::TransferPlan;
use crate::protocol::Consent;
use crate::repo::{RepoPath, Visibility};

/// What every commit of a migration says and may do.
pub(super) struct Terms {
    pub(super) source_visibility: Visibility,
    pub(super) consent: Consent,
    /// Title and trailers, with the source's name and without.
    pub(super) named: (String, String),
    pub(super) anonymous: (String, String),
    /// The paths that are there already with other content.
    pub(super) replaces: BTreeSet<RepoPath>,
    /// Lines that save whoever comes later from reading plain files and the card to compare them. Known once all are read.
    pub(super) seals: Vec<String>,
}

impl Terms {
    /// The terms of a plan.
    pub(super) fn new(plan: &TransferPlan, consent: Consent, id: &str, replaces: BTreeSet<RepoPath>) -> Self {
        let anonymous = ("Add files with hf2ms".to_owned(), format!("Hf2ms-Migration: {id}"));
        Self { source_visibility: plan.source_visibility, consent, named: message(plan, id), anonymous, replaces, seals: Vec::new() }
    }
}

/// Title and trailers. A destination that more people can read does not learn them.
fn message(plan: &TransferPlan, id: &str) -> (String, String) {
    let title = format!("Migrate from {} with hf2ms", plan.request.source);
    let source = &plan.request.source;
    let revision = plan.source_commit.as_deref().unwrap_or("none");
    (
        title,
        format!("Hf2ms-Source: {} {} {}\nHf2ms-Revision: {revision}\nHf2ms-Migration: {id}", source.platform, source.repo_type, source.id),
    )
}
