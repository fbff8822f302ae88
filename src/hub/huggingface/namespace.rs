//! Listing a namespace: `GET /api/{type}s?author=`, in pages that a `Link` header chains. With a token its private repositories are in it.

use reqwest::Method;
use serde::Deserialize;

use super::{HuggingFace, wire};
use crate::error::{Error, ErrorKind, Result};
use crate::hub::namespace::{Listed, own};
use crate::repo::{Platform, RepoRef, RepoType, Visibility, encode};

#[derive(Deserialize)]
struct Entry {
    id: String,
    /// Not said means not asked for, which would be a fault of the hub's: it is taken for the narrowest.
    private: Option<bool>,
    #[serde(default)]
    gated: serde_json::Value,
    #[serde(rename = "lastModified")]
    changed: Option<String>,
    #[serde(rename = "usedStorage")]
    stored: Option<u64>,
}

impl Entry {
    /// The repository; nothing for one without namespace, which is nobody's here.
    fn into_listed(self, kind: RepoType, namespace: &str) -> Result<Option<Listed>> {
        let visibility = match (self.private, &self.gated) {
            (Some(false), serde_json::Value::Null | serde_json::Value::Bool(false)) => Visibility::Public,
            (Some(false), gated) => match gated.as_str() {
                Some("auto") => Visibility::GatedAuto,
                Some("manual") => Visibility::GatedManual,
                _ => Visibility::Gated,
            },
            _ => Visibility::Private,
        };
        let Some(id) = own(namespace, &self.id)? else { return Ok(None) };
        let changed = self.changed.and_then(|text| humantime::parse_rfc3339_weak(&text).ok());
        Ok(Some(Listed { repo: RepoRef::new(Platform::HuggingFace, kind, id), size: self.stored, visibility, changed }))
    }
}

impl HuggingFace {
    pub(in crate::hub) async fn namespace(&self, namespace: &str, kind: RepoType) -> Result<Vec<Listed>> {
        // a Space has no gate, and to expand what a kind does not have is refused
        let gate = if kind == RepoType::Space { "" } else { "&expand=gated" };
        let asked = format!("limit=1000&expand=private&expand=lastModified&expand=usedStorage{gate}");
        let mut next = Some(self.url(&format!("/api/{}?author={}&{asked}", kind.plural(), encode(namespace)))?);
        let (mut listed, mut seen) = (Vec::new(), std::collections::HashSet::new());
        while let Some(url) = next {
            let request = self.request(Method::GET, url)?;
            let (page, link) =
                self.http.call(request, self.patience, |answer| Ok((wire::data::<Vec<Entry>>(answer)?, wire::next_page(answer)?))).await?;
            for entry in page {
                listed.extend(entry.into_listed(kind, namespace)?);
            }
            next = link.map(|link| self.given(&link)).transpose()?;
            if next.as_ref().is_some_and(|url| !seen.insert(url.expose().clone())) {
                return Err(Error::new(ErrorKind::Protocol, "the listing repeats a page"));
            }
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_is_not_said_to_be_open_is_private() {
        let visibility =
            |text: &str| serde_json::from_str::<Entry>(text).unwrap().into_listed(RepoType::Model, "a").unwrap().map(|one| one.visibility);
        assert_eq!(visibility(r#"{"id":"a/b","private":false,"gated":false}"#), Some(Visibility::Public));
        assert_eq!(visibility(r#"{"id":"a/b","private":false,"gated":"manual"}"#), Some(Visibility::GatedManual));
        assert_eq!(visibility(r#"{"id":"a/b","private":true,"gated":"auto"}"#), Some(Visibility::Private));
        assert_eq!(visibility(r#"{"id":"a/b"}"#), Some(Visibility::Private));
        assert_eq!(visibility(r#"{"id":"gpt2","private":false}"#), None);
    }

    #[test]
    fn times_are_read() {
        let text = r#"{"id":"a/b","private":false,"lastModified":"2026-01-02T03:04:05.000Z"}"#;
        let listed = serde_json::from_str::<Entry>(text).unwrap().into_listed(RepoType::Model, "a").unwrap().unwrap();
        assert_eq!(
            listed.changed.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|at| at.as_secs()),
            Some(1_767_323_045)
        );
    }
}
