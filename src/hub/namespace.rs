//! What a user or an organisation has on a hub.

use std::time::SystemTime;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::Hub;
use super::shore::Shore;
use crate::error::{Error, ErrorKind, Result};
use crate::repo::{RepoId, RepoRef, RepoType, Visibility};

/// A repository as the listing of its namespace tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its address.
    pub repo: RepoRef,
    /// Bytes, where the hub tells: on Hugging Face all that is stored, older revisions included.
    pub size: Option<u64>,
    /// Who may read it.
    pub visibility: Visibility,
    /// When it changed last, where the hub tells.
    pub changed: Option<SystemTime>,
}

/// The name of a listed repository, if it is one of this namespace.
///
/// Fails with `Protocol` where it is one and no address can hold its name: left out, it would pass for done.
pub(in crate::hub) fn own(namespace: &str, id: &str) -> Result<Option<RepoId>> {
    if !id.split_once('/').is_some_and(|(owner, _)| owner.eq_ignore_ascii_case(namespace)) {
        return Ok(None);
    }
    let unknown = |_| {
        Error::new(ErrorKind::Protocol, "a repository of this namespace has a name that hf2ms cannot address")
            .with("repo", format!("{id:?}"))
            .hint_to("name the others one by one, with --from-file; this one has to be renamed first")
    };
    id.parse().map(Some).map_err(unknown)
}

impl Hub {
    /// Every repository of this kind in a namespace that this token may see, in the order of their names. ModelScope's studios are not listed.
    ///
    /// Fails with `Unsupported` when the hub cannot list all of them: never a shorter list.
    pub async fn namespace(&self, namespace: &str, kind: RepoType) -> Result<Vec<Listed>> {
        let listed = match &self.shore {
            Shore::HuggingFace(hub) => hub.namespace(namespace, kind).await,
            Shore::ModelScope(hub) => hub.namespace(namespace, kind).await,
        };
        let named = |error: Error| error.with("namespace", format!("`{namespace}`")).with("kind", kind.plural());
        let mut listed = listed.map_err(named)?;
        listed.sort_by(|a, b| a.repo.id.name().cmp(b.repo.id.name()));
        listed.dedup_by(|a, b| a.repo == b.repo);
        Ok(listed)
    }
}

/// Which repositories of a namespace are meant, by their names.
#[derive(Clone, Debug)]
pub struct Names {
    only: Option<GlobSet>,
    not: GlobSet,
}

impl Names {
    /// Reads the globs. Fails with `Usage` naming the one that is none.
    pub fn new(only: &[String], not: &[String]) -> Result<Self> {
        let taken = set(only)?;
        Ok(Self { only: (!only.is_empty()).then_some(taken), not: set(not)? })
    }

    /// Whether a repository of this name is meant.
    pub fn take(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.is_match(name)) && !self.not.is_match(name)
    }
}

fn set(globs: &[String]) -> Result<GlobSet> {
    let bad = |error: globset::Error| {
        let got = error.glob().unwrap_or_default().to_owned();
        Error::usage("not a glob for names", "`*` takes any characters, `?` one, `[ab]` one of them, `{a,b}` either")
            .with("got", format!("`{got}`"))
            .because(error)
    };
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        builder.add(GlobBuilder::new(glob).build().map_err(bad)?);
    }
    builder.build().map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_repository_of_a_namespace_is_passed_over() {
        let name = |id: &str| own("acme", id).map(|id| id.map(|id| id.to_string())).map_err(|error| error.to_string());
        assert_eq!(name("Acme/a--b..c"), Ok(Some("Acme/a--b..c".to_owned())));
        assert_eq!([name("other/ü"), name("gpt2")], [Ok(None), Ok(None)]);
        assert!(name("acme/ü").unwrap_err().contains(r#"repo "acme/ü""#), "{:?}", name("acme/ü"));
    }

    #[test]
    fn names_are_chosen_by_globs() {
        let names = |only: &[&str], not: &[&str]| {
            let own = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
            Names::new(&own(only), &own(not)).map_err(|error| error.to_string())
        };
        assert!(names(&[], &[]).unwrap().take("bert"));
        let bert = names(&["bert-*", "gpt"], &["*-old"]).unwrap();
        assert_eq!(["bert-1", "gpt", "gpt2", "bert-old", "bert"].map(|name| bert.take(name)), [true, true, false, false, false]);
        assert!(names(&["bert["], &[]).unwrap_err().contains("bert["));
    }
}
