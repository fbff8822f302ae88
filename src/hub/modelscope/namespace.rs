//! Listing a namespace (facts, modelscope §2.2). Models by the index, which ends at 3000; datasets by the older route too, because the index may
//! miss private ones.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::Value;

use super::ModelScope;
use super::wire::{About, judge};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::namespace::{Listed, own};
use crate::repo::{Platform, RepoId, RepoRef, RepoType, Visibility, encode};

/// The index takes no larger page, and none that goes past [`INDEX_END`].
const INDEX_PAGE: u64 = 50;
const INDEX_END: u64 = 3000;
/// Of the older route; its own limit is not published.
const PAGE: u64 = 100;
/// More pages of the older route than any namespace has: it would never end otherwise if the site repeated one.
const PAGES: u64 = 1_000;

#[derive(Deserialize)]
struct Index {
    total_count: Option<u64>,
    #[serde(default)]
    models: Vec<Open>,
    #[serde(default)]
    datasets: Vec<Open>,
}

/// A repository as the newer surface tells of it.
#[derive(Deserialize)]
struct Open {
    id: String,
    private: Option<bool>,
    #[serde(default)]
    gated: Option<bool>,
    #[serde(default)]
    login_required: Option<bool>,
    file_size: Option<u64>,
    #[serde(default)]
    last_modified: Value,
}

impl Open {
    fn into_listed(self, kind: RepoType, namespace: &str) -> Result<Option<Listed>> {
        // what is not said to be open is not open
        let visibility = match (self.gated, self.private, self.login_required) {
            (Some(true), ..) => Visibility::Gated,
            (_, Some(false), Some(true)) => Visibility::Internal,
            (_, Some(false), _) => Visibility::Public,
            _ => Visibility::Private,
        };
        let Some(id) = own(namespace, &self.id)? else { return Ok(None) };
        Ok(Some(Listed { repo: of(kind, id), size: self.file_size, visibility, changed: time(&self.last_modified) }))
    }
}

/// A dataset as the older surface tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Older {
    namespace: Option<String>,
    owner: Option<String>,
    name: String,
    #[serde(default)]
    gmt_modified: Value,
    #[serde(flatten)]
    about: About,
}

impl Older {
    fn into_listed(self, namespace: &str) -> Result<Option<Listed>> {
        let visibility = self.about.visibility()?;
        // where no owner is named it is that of the list
        let owner = self.namespace.or(self.owner).unwrap_or_else(|| namespace.to_owned());
        let Some(id) = own(namespace, &format!("{owner}/{}", self.name))? else { return Ok(None) };
        Ok(Some(Listed { repo: of(RepoType::Dataset, id), size: None, visibility, changed: time(&self.gmt_modified) }))
    }
}

fn of(kind: RepoType, id: RepoId) -> RepoRef {
    RepoRef::new(Platform::ModelScope, kind, id)
}

/// Seconds, milliseconds, or a date: which one is not documented. `[?]`
fn time(value: &Value) -> Option<SystemTime> {
    match value {
        Value::Number(number) => {
            let number = number.as_u64()?;
            // in milliseconds, that many are of the year 1973
            let since = if number < 100_000_000_000 { Duration::from_secs(number) } else { Duration::from_millis(number) };
            SystemTime::UNIX_EPOCH.checked_add(since)
        }
        Value::String(text) => match text.parse::<u64>() {
            Ok(number) => time(&number.into()),
            Err(_) => humantime::parse_rfc3339_weak(text).ok(),
        },
        _ => None,
    }
}

impl ModelScope {
    pub(in crate::hub) async fn namespace(&self, namespace: &str, kind: RepoType) -> Result<Vec<Listed>> {
        match kind {
            RepoType::Model => self.index(namespace, kind).await,
            RepoType::Dataset => {
                let mut listed = self.older(namespace).await?;
                // sizes are in the index alone; one that is not found there has none
                let sizes: HashMap<_, _> = match self.index(namespace, kind).await {
                    Ok(index) => index.into_iter().map(|one| (one.repo, one.size)).collect(),
                    Err(error) if error.kind() == ErrorKind::Unsupported => HashMap::new(),
                    Err(error) => return Err(error),
                };
                for one in &mut listed {
                    one.size = sizes.get(&one.repo).copied().flatten();
                }
                Ok(listed)
            }
            RepoType::Space => Ok(Vec::new()),
        }
    }

    async fn index(&self, namespace: &str, kind: RepoType) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for page in 1..=INDEX_END / INDEX_PAGE {
            let path = format!("/openapi/v1/{}?owner={}&page_number={page}&page_size={INDEX_PAGE}", kind.plural(), encode(namespace));
            let Index { total_count, models, datasets } = self.http.call(self.get(&path)?, self.patience, judge::<Index>).await?;
            if total_count.is_some_and(|total| total > INDEX_END) {
                return Err(endless());
            }
            let entries = if kind == RepoType::Model { models } else { datasets };
            let count = entries.len() as u64;
            for entry in entries {
                listed.extend(entry.into_listed(kind, namespace)?);
            }
            if count < INDEX_PAGE || total_count == Some(page * INDEX_PAGE) {
                return Ok(listed);
            }
        }
        Err(endless())
    }

    async fn older(&self, namespace: &str) -> Result<Vec<Listed>> {
        let mut listed: Vec<Listed> = Vec::new();
        for page in 1..=PAGES {
            let path = format!("/api/v1/datasets?owner={}&PageNumber={page}&PageSize={PAGE}", encode(namespace));
            let entries: Vec<Older> = self.http.call(self.get(&path)?, self.patience, judge::<Vec<Older>>).await?;
            let before = listed.len();
            // the site may hold its pages shorter than they were asked for: only an empty one, or one that tells nothing new, is surely the last
            for entry in entries {
                let new = entry.into_listed(namespace)?;
                listed.extend(new.filter(|one| !listed.iter().any(|known| known.repo == one.repo)));
            }
            if listed.len() == before {
                return Ok(listed);
            }
        }
        Err(endless())
    }
}

fn endless() -> Error {
    Error::new(ErrorKind::Unsupported, "ModelScope lists no more than 3000 repositories of a namespace, and this one has more")
        .hint_to("name the repositories one by one, with --from-file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_comes_in_three_ways() {
        let seconds = |value: Value| time(&value).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|at| at.as_secs());
        for value in [Value::from(1_767_323_045), Value::from(1_767_323_045_000_u64), Value::from("2026-01-02T03:04:05Z")] {
            assert_eq!(seconds(value), Some(1_767_323_045));
        }
        assert_eq!(seconds(Value::Null), None);
    }
}
