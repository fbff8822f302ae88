//! Which files a request is about.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};
use crate::repo::RepoPath;

/// The globs of `--include` and `--exclude`. As on the hubs' own clients `*` also crosses `/`: `*.bin` takes `sub/x.bin`.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Selection {
    /// Reads the globs. Fails with `Usage` naming the one that is none.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let included = set(include)?;
        Ok(Self { include: (!include.is_empty()).then_some(included), exclude: set(exclude)? })
    }

    /// Whether the request is about this file.
    pub fn takes(&self, path: &RepoPath) -> bool {
        self.include.as_ref().is_none_or(|include| include.is_match(path.as_str())) && !self.exclude.is_match(path.as_str())
    }
}

fn set(globs: &[String]) -> Result<GlobSet> {
    let bad = |glob: &str, error| {
        Error::usage("not a glob", "`*` takes any characters, `?` one, `[ab]` one of them, `{a,b}` either; escape with `\\`")
            .with("got", format!("`{glob}`"))
            .because(error)
    };
    let mut builder = GlobSetBuilder::new();
    for glob in globs {
        // a trailing slash means all below, as the official clients read it
        let whole = if glob.ends_with('/') { format!("{glob}*") } else { glob.clone() };
        builder.add(GlobBuilder::new(&whole).backslash_escape(true).build().map_err(|error| bad(glob, error))?);
    }
    builder.build().map_err(|error| bad(&globs.join(" "), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let own = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        Selection::new(&own(include), &own(exclude)).unwrap().takes(&RepoPath::new(path).unwrap())
    }

    #[test]
    fn globs_select_as_the_official_clients_do() {
        assert!(takes(&[], &[], "a/b.bin"));
        assert!(takes(&["*.bin"], &[], "a/b.bin"));
        assert!(!takes(&["*.bin"], &["a/*"], "a/b.bin"));
        assert!(takes(&["a/"], &[], "a/b/c.txt"));
        assert!(!takes(&["*.safetensors"], &[], "a.bin"));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let error = Selection::new(&["[a".to_owned()], &[]).unwrap_err();
        assert!(error.to_string().contains("`[a`"), "{error}");
    }
}
