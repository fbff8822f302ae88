//! A repository as a person writes it: `ns/name`, `hf:ns/name@rev`, or the address of its web page.

use url::Url;

use super::{Platform, RepoId, RepoType, revision};
use crate::error::{Error, Result};

/// What a SOURCE says of a repository. What it does not say is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The hub, by prefix or host.
    pub platform: Option<Platform>,
    /// The kind, by the page's path.
    pub repo_type: Option<RepoType>,
    /// The name.
    pub id: RepoId,
    /// After `@`, or where a page's address has it: `/tree/REV`, `?version=REV`.
    pub revision: Option<String>,
}

impl Address {
    /// Reads an address. `hosts` are further hosts that stand for a hub, for endpoints of one's own.
    ///
    /// Fails with `Usage` naming what is wrong.
    pub fn parse(text: &str, hosts: &[(String, Platform)]) -> Result<Self> {
        if text.contains("://") {
            return Self::from_page(text, hosts);
        }
        let (platform, rest) = match text.split_once(':') {
            Some((prefix, rest)) => (Some(prefix.parse::<Platform>().map_err(|error| error.with("source", text))?), rest),
            None => (None, text),
        };
        let (id, at) = match rest.split_once('@') {
            Some((id, at)) => (id, Some(revision(at)?)),
            None => (rest, None),
        };
        Ok(Self { platform, repo_type: None, id: id.parse()?, revision: at })
    }

    fn from_page(text: &str, hosts: &[(String, Platform)]) -> Result<Self> {
        let refuse = |why: &'static str| {
            Error::usage(why, "use `ns/name`, `hf:ns/name`, `ms:ns/name`, or the address of the repository's page").with("source", text)
        };
        let (page, at) = match text.rsplit_once('@') {
            Some((page, at)) if !at.contains('/') => (page, Some(revision(at)?)),
            _ => (text, None),
        };
        let url = Url::parse(page).map_err(|_| refuse("not an address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage("the address holds a user name or token", "take it out; tokens come from the environment"));
        }
        let host = crate::secret::host_of(&url);
        let platform = platform_of(&host, hosts).ok_or_else(|| refuse("not an address of Hugging Face or ModelScope"))?;
        let segments: Vec<_> = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect();
        let (repo_type, rest) = match segments.split_first() {
            Some((&"models", rest)) => (RepoType::Model, rest),
            Some((&"datasets", rest)) => (RepoType::Dataset, rest),
            Some((&("spaces" | "studios"), rest)) => (RepoType::Space, rest),
            _ if platform == Platform::HuggingFace => (RepoType::Model, segments.as_slice()),
            _ => return Err(refuse("not the page of a repository")),
        };
        let [namespace, name, more @ ..] = rest else { return Err(refuse("not the page of a repository")) };
        let shown = match more {
            ["tree" | "blob" | "resolve" | "raw" | "commit" | "commits", shown, ..] => Some(revision(&decoded(shown))?),
            // ModelScope's pages: of a file, and of a version, which stands after the question mark
            ["file", "view", shown, ..] => Some(revision(&decoded(shown))?),
            _ => {
                let of_version = |key: &str| ["version", "revision"].iter().any(|known| key.eq_ignore_ascii_case(known));
                let shown = url.query_pairs().find(|(key, value)| of_version(key) && !value.is_empty());
                shown.map(|(_, shown)| revision(&shown)).transpose()?
            }
        };
        let id = format!("{namespace}/{name}").parse::<RepoId>()?;
        Ok(Self { platform: Some(platform), repo_type: Some(repo_type), id, revision: at.or(shown) })
    }
}

fn platform_of(host: &str, hosts: &[(String, Platform)]) -> Option<Platform> {
    match host.trim_start_matches("www.") {
        "huggingface.co" | "hf.co" => Some(Platform::HuggingFace),
        "modelscope.cn" | "modelscope.ai" => Some(Platform::ModelScope),
        _ => hosts.iter().find(|(known, _)| known == host).map(|(_, platform)| *platform),
    }
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = (Option<Platform>, Option<RepoType>, String, Option<String>);

    fn parse(text: &str) -> Result<Parsed> {
        let address = Address::parse(text, &[("127.0.0.1:9".to_owned(), Platform::ModelScope)])?;
        Ok((address.platform, address.repo_type, address.id.to_string(), address.revision))
    }

    #[test]
    fn prefixes_names_and_pages_are_read() {
        use Platform::{HuggingFace, ModelScope};
        let some = |text: &str| Some(text.to_owned());
        let name = || "alice/bert".to_owned();
        assert_eq!(parse("alice/bert").unwrap(), (None, None, name(), None));
        assert_eq!(parse("hf:alice/bert@v1").unwrap(), (Some(HuggingFace), None, name(), some("v1")));
        assert_eq!(parse("modelscope:alice/bert").unwrap(), (Some(ModelScope), None, name(), None));
        assert_eq!(parse("https://huggingface.co/alice/bert").unwrap(), (Some(HuggingFace), Some(RepoType::Model), name(), None));
        assert_eq!(
            parse("https://huggingface.co/datasets/alice/bert/tree/refs%2Fpr%2F1").unwrap(),
            (Some(HuggingFace), Some(RepoType::Dataset), name(), some("refs/pr/1"))
        );
        assert_eq!(
            parse("https://www.modelscope.cn/models/alice/bert/files").unwrap(),
            (Some(ModelScope), Some(RepoType::Model), name(), None)
        );
        for page in ["raw/v1/README.md", "commit/v1", "commits/v1", "blob/v1/a.txt", "resolve/v1/a.txt?download=true"] {
            assert_eq!(parse(&format!("https://huggingface.co/alice/bert/{page}")).unwrap().3, some("v1"), "{page}");
        }
        for page in ["files?version=v1", "file/view/v1/a.txt?status=1", "summary?version=v1", "resolve/v1/a.txt"] {
            let text = format!("https://www.modelscope.cn/models/alice/bert/{page}");
            assert_eq!(parse(&text).unwrap().3, some("v1"), "{page}");
        }
        assert_eq!(parse("http://127.0.0.1:9/datasets/alice/bert").unwrap().1, Some(RepoType::Dataset));
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in [
            "bert",
            "gh:alice/bert",
            "https://example.com/alice/bert",
            "https://huggingface.co/alice",
            "hf:alice/bert@",
            "hf:alice/bert@..",
            "https://huggingface.co/alice/bert@..",
            "https://huggingface.co/alice/bert/tree/a%20b",
            "https://u:p@huggingface.co/a/b",
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), crate::error::ErrorKind::Usage, "{text}: {error}");
        }
        assert!(!parse("https://u:p@huggingface.co/a/b").unwrap_err().to_string().contains("u:p"));
    }
}
