//! What a namespace holds, and of each repository whether a copy that equals it exists on the other hub: the list that is wanted before
//! anything is deleted.

use std::collections::BTreeSet;
use std::time::SystemTime;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::batch::LOOKS;
use super::picks::Owner;
use super::resolve::{self, Asked, Wanted};
use super::{up_to_date, verify_request};
use crate::conductor::Purpose;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::namespace::{Listed, Names};
use crate::protocol::{Consent, Report, State};
use crate::repo::{Platform, RepoType, Visibility};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Inquiry {
    /// Whose repositories: `hf:acme`.
    pub namespace: String,
    /// Where their copies may be: a namespace of the other hub. Without it none are looked for.
    pub against: Option<String>,
    /// One kind alone.
    pub repo_type: Option<RepoType>,
}

/// What a namespace holds.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// Whose.
    pub namespace: String,
    /// Where copies were looked for.
    pub against: Option<String>,
    /// Models, then datasets, then Spaces, each by name.
    pub repositories: Vec<Entry>,
}

/// One repository.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its hub.
    pub platform: Platform,
    /// Its kind.
    #[serde(rename = "type")]
    pub repo_type: RepoType,
    /// Its name.
    pub repo: String,
    /// Bytes, where the hub tells: on Hugging Face all that is stored, older revisions included.
    pub size: Option<u64>,
    /// Who may read it.
    pub visibility: Visibility,
    /// When it changed last, in UTC, where the hub tells.
    pub changed: Option<String>,
    /// Its copy, where one was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<Found>,
}

/// What was found of a copy.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Where it is, or would be.
    pub repo: String,
    /// How it compares.
    pub state: CopyState,
    /// The migration that proved it, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// What differs, or why that could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How a copy compares with its source, at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// Every file is there and equal by hash.
    Verified,
    /// It is there, and not equal.
    Differs,
    /// There is none.
    Absent,
    /// It could not be told.
    Unknown,
}

impl CopyState {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Differs => "differs",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

impl Inventory {
    /// How many copies are in this state.
    pub fn count(&self, state: CopyState) -> usize {
        self.repositories.iter().filter(|entry| entry.copy.as_ref().is_some_and(|copy| copy.state == state)).count()
    }
}

/// Lists a namespace, and looks for its copies. Moves nothing, writes nothing.
///
/// Fails with `NotFound` when the namespace holds nothing that this token may see, and with `Usage` when both namespaces are on one hub. What is
/// wrong with one repository stands in its entry.
pub async fn inventory(config: &Config, inquiry: &Inquiry) -> Result<Inventory> {
    let owner = Owner::read(config, &inquiry.namespace, None)?;
    let other = owner.platform.other();
    let against = match &inquiry.against {
        Some(text) if text.contains(':') => Some(Owner::read(config, text, None)?),
        Some(text) => Some(Owner::read(config, &format!("{other}:{text}"), None)?),
        None => None,
    };
    if let Some(against) = against.as_ref().filter(|against| against.platform == owner.platform) {
        let hint = format!("copies are looked for on {}: --against {other}:{}", other.title(), against.name);
        return Err(Error::usage("both namespaces are on one hub", hint));
    }
    let every = Names::new(&[], &[])?;
    let listed = owner.list(config, inquiry.repo_type, &every).await?;
    if listed.is_empty() {
        return Err(owner.has_nothing());
    }
    let copies = match &against {
        Some(against) => against.list(config, inquiry.repo_type, &every).await?,
        None => Vec::new(),
    };
    // neither hub has two repositories whose names differ in case alone
    let there: BTreeSet<_> = copies.iter().map(|copy| (copy.repo.repo_type.plural(), copy.repo.id.name().to_lowercase())).collect();
    let entries = listed.iter().map(|one| {
        let there = &there;
        let against = against.as_ref();
        async move {
            let copy = match against {
                Some(against) => Some(compare(config, one, against, there).await),
                None => None,
            };
            entry(one, copy)
        }
    });
    let repositories = futures_util::stream::iter(entries).buffered(LOOKS).collect().await;
    Ok(Inventory { namespace: owner.to_string(), against: against.map(|against| against.to_string()), repositories })
}

fn entry(one: &Listed, copy: Option<Found>) -> Entry {
    let day = |at: SystemTime| humantime::format_rfc3339_seconds(at).to_string();
    Entry {
        platform: one.repo.platform,
        repo_type: one.repo.repo_type,
        repo: one.repo.id.to_string(),
        size: one.size,
        visibility: one.visibility,
        changed: one.changed.map(day),
        copy,
    }
}

/// Holds one repository against its copy: by what is proven where nothing changed since, else by both listings.
async fn compare(config: &Config, one: &Listed, against: &Owner, there: &BTreeSet<(&str, String)>) -> Found {
    let (kind, name) = (one.repo.repo_type, one.repo.id.name());
    let repo = format!("{}/{name}", against.name);
    let found = |state, migration, why| Found { repo: repo.clone(), state, migration, why };
    if kind == RepoType::Space {
        return found(CopyState::Unknown, None, Some("Spaces are not migrated".to_owned()));
    }
    if !there.contains(&(kind.plural(), name.to_lowercase())) {
        return found(CopyState::Absent, None, None);
    }
    let wanted = Wanted {
        source: format!("{}:{}", one.repo.platform, one.repo.id),
        dest: Some(repo.clone()),
        repo_type: Some(kind),
        ..Wanted::default()
    };
    match held(config, &wanted).await {
        Ok(report) if report.state == State::Verified && report.files.refused == 0 => {
            found(CopyState::Verified, Some(report.id).filter(|id| id.starts_with('m')), None)
        }
        Ok(report) => found(CopyState::Differs, None, Some(differs(&report))),
        Err(error) if error.kind() == ErrorKind::NotFound => found(CopyState::Absent, None, Some(error.message().to_owned())),
        Err(error) => found(CopyState::Unknown, None, Some(error.message().to_owned())),
    }
}

async fn held(config: &Config, wanted: &Wanted) -> Result<Report> {
    let asked: Asked = resolve::read(config, wanted)?;
    // without any consent: a copy from which something was left out is not the same
    if let Some((_, report)) = up_to_date::look(config, &asked, Consent::default()).await {
        return Ok(report);
    }
    let request = resolve::resolve(config, asked, Purpose::Compare, &resolve::Accounts::default()).await?;
    verify_request(config, &request, None, false).await
}

fn differs(report: &Report) -> String {
    let found = &report.verification;
    let parts = [
        (found.missing_count, "missing"),
        (found.differing_count, "differing"),
        (found.unproven_count, "not proven"),
        (report.files.refused, "left out"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if parts.is_empty() { report.error.as_ref().map(|error| error.message.clone()).unwrap_or_default() } else { parts.join(", ") }
}
