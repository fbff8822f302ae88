//! What a path means.

use super::repo::{RepoKey, RepoKind};
use crate::server::Route;

/// A request's target on the API origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    WhoAmI,
    Create,
    Delete,
    Move,
    ValidateYaml,
    /// All repositories of a kind.
    List(RepoKind),
    Complete,
    ResolveCache(RepoKey, String, String),
    Resolve(RepoKey, String, String),
    Batch(RepoKey),
    Verify(RepoKey),
    /// What git asks of the repository: the path after its name.
    Git(RepoKey, &'static str),
    /// A verb on a repository, with what follows it in the path.
    Repo(RepoKey, &'static str, Vec<String>),
    Unknown,
}

/// The verbs after `/api/{models|datasets|spaces}/{repo}/`. Also what cannot be the name of a repository without namespace.
const VERBS: &[(&str, &str)] = &[
    ("revision", "repo.info"),
    ("tree", "tree"),
    ("paths-info", "paths-info"),
    ("refs", "refs"),
    ("commits", "commits"),
    ("auth-check", "auth-check"),
    ("branch", "branch"),
    ("tag", "tag"),
    ("preupload", "preupload"),
    ("commit", "commit"),
    ("settings", "repo.settings"),
    ("xet-read-token", "xet-token"),
    ("xet-write-token", "xet-token"),
];

/// Reads the decoded segments of a path.
pub(super) fn parse(segments: &[String]) -> Target {
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["api", "whoami-v2"] => Target::WhoAmI,
        ["api", "repos", "create"] => Target::Create,
        ["api", "repos", "delete"] => Target::Delete,
        ["api", "repos", "move"] => Target::Move,
        ["api", "validate-yaml"] => Target::ValidateYaml,
        ["api", "complete_multipart"] => Target::Complete,
        ["api", "resolve-cache", kind, rest @ ..] => resolve_cache(kind, rest),
        ["api", kind, rest @ ..] => api(kind, rest),
        ["datasets", rest @ ..] => files(RepoKind::Dataset, rest),
        ["spaces", rest @ ..] => files(RepoKind::Space, rest),
        rest => files(RepoKind::Model, rest),
    }
}

fn kind_of(plural: &str) -> Option<RepoKind> {
    [RepoKind::Model, RepoKind::Dataset, RepoKind::Space].into_iter().find(|kind| kind.plural() == plural)
}

fn verb(word: &str) -> Option<&'static str> {
    VERBS.iter().find(|(verb, _)| *verb == word).map(|(verb, _)| *verb)
}

fn api(kind: &str, rest: &[&str]) -> Target {
    let Some(kind) = kind_of(kind) else { return Target::Unknown };
    let (id, rest) = match rest {
        [] => return Target::List(kind),
        [name] => ((*name).to_owned(), &rest[1..]),
        // Legacy repositories have no namespace: `gpt2/tree/main`.
        [name, word, ..] if verb(word).is_some() => ((*name).to_owned(), &rest[1..]),
        [namespace, name, ..] => (format!("{namespace}/{name}"), &rest[2..]),
    };
    let key = RepoKey { kind, id };
    match rest {
        [] => Target::Repo(key, "revision", Vec::new()),
        [word, after @ ..] => match verb(word) {
            Some(verb) => Target::Repo(key, verb, after.iter().map(|word| (*word).to_owned()).collect()),
            None => Target::Unknown,
        },
    }
}

fn files(kind: RepoKind, words: &[&str]) -> Target {
    if let Some(at) = words.iter().position(|word| *word == "resolve")
        && (1..=2).contains(&at)
        && words.len() > at + 2
    {
        let key = RepoKey { kind, id: words[..at].join("/") };
        return Target::Resolve(key, words[at + 1].to_owned(), words[at + 2..].join("/"));
    }
    match words {
        [.., name, "info", "lfs", "objects", last] if name.ends_with(".git") && words.len() <= 6 => {
            let id = words[..words.len() - 4].join("/");
            let key = RepoKey { kind, id: id.trim_end_matches(".git").to_owned() };
            match *last {
                "batch" => Target::Batch(key),
                "verify" => Target::Verify(key),
                _ => Target::Unknown,
            }
        }
        [.., name, "info", "refs"] if name.ends_with(".git") && words.len() <= 4 => git(kind, &words[..words.len() - 2], "/info/refs"),
        [.., name, "git-upload-pack"] if name.ends_with(".git") && words.len() <= 3 => {
            git(kind, &words[..words.len() - 1], "/git-upload-pack")
        }
        _ => Target::Unknown,
    }
}

fn git(kind: RepoKind, id: &[&str], path: &'static str) -> Target {
    Target::Git(RepoKey { kind, id: id.join("/").trim_end_matches(".git").to_owned() }, path)
}

fn resolve_cache(kind: &str, rest: &[&str]) -> Target {
    let Some(kind) = kind_of(kind) else { return Target::Unknown };
    let commit = |word: &&str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match rest.iter().position(commit) {
        Some(at) if (1..=2).contains(&at) && rest.len() > at + 1 => {
            let key = RepoKey { kind, id: rest[..at].join("/") };
            Target::ResolveCache(key, rest[at].to_owned(), rest[at + 1..].join("/"))
        }
        _ => Target::Unknown,
    }
}

impl Target {
    /// The route by name.
    pub(super) fn route(&self) -> Route {
        Route::talk(match self {
            Self::WhoAmI => "whoami",
            Self::Create => "repo.create",
            Self::Delete => "repo.delete",
            Self::Move => "repo.move",
            Self::ValidateYaml => "validate-yaml",
            Self::List(_) => "list",
            Self::Complete => "lfs.complete",
            Self::ResolveCache(..) => return Route::download("resolve-cache"),
            Self::Resolve(..) => return Route::download("resolve"),
            Self::Batch(_) => "lfs.batch",
            Self::Verify(_) => "lfs.verify",
            Self::Git(_, "/info/refs") => "git.refs",
            Self::Git(..) => "git.fetch",
            Self::Repo(_, verb, _) => VERBS.iter().find(|(word, _)| word == verb).map_or("unknown", |(_, name)| *name),
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        parse(&path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>())
    }

    fn model(id: &str) -> RepoKey {
        RepoKey::new(RepoKind::Model, id)
    }

    #[test]
    fn paths_are_understood() {
        assert_eq!(target("/api/models/a/b"), Target::Repo(model("a/b"), "revision", vec![]));
        assert_eq!(target("/api/models/gpt2/tree/main"), Target::Repo(model("gpt2"), "tree", vec!["main".into()]));
        assert_eq!(target("/a/b/resolve/main/x/resolve/y"), Target::Resolve(model("a/b"), "main".into(), "x/resolve/y".into()));
        assert_eq!(target("/a/b.git/info/lfs/objects/batch"), Target::Batch(model("a/b")));
        let dataset = RepoKey::new(RepoKind::Dataset, "a/b");
        assert_eq!(target("/datasets/a/b.git/info/lfs/objects/batch"), Target::Batch(dataset));
        assert_eq!(target("/api/spaces"), Target::List(RepoKind::Space));
        assert_eq!(target("/api/agent-harnesses"), Target::Unknown);
    }
}
