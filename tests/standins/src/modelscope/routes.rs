//! Which call a request is: one place that knows the paths (facts/modelscope §1–§3).

use percent_encoding::percent_decode_str;

use super::repo::RepoKind;
use crate::server::Route;

/// The origin of the API and of small files.
pub const API: &str = "api";
/// The origin that takes LFS objects: `lfs.modelscope.cn`.
pub const LFS: &str = "lfs";
/// The origin that serves them: `cdn-lfs-cn-1.modelscope.cn`.
pub const CDN: &str = "cdn";
pub(super) const ORIGINS: [&str; 3] = [API, LFS, CDN];

/// A repository as a path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Named(RepoKind, String),
    /// A dataset by number.
    Numbered(u64),
}

/// A call, with what its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Login,
    Me,
    Organizations,
    LoginInfo,
    Brief(String),
    Acceleration,
    Index(RepoKind),
    ListDatasets,
    OpenInfo(Address),
    Info(Address),
    Create(RepoKind),
    SetVisibility(Address),
    Delete,
    Revisions(Address),
    Commits(Address),
    Files(Address),
    Tree(Address),
    Download(Address),
    Resolve(Address, String, String),
    Tag(Address),
    Batch(Address),
    Commit(Address, String),
    Put(Address, String, String),
    Object(String),
    /// What git asks of the repository: the path after its name.
    Git(Address, &'static str),
    /// Where git-lfs asks for large files.
    GitBatch(Address),
    /// A file read through `repos/`, which the service sends round in circles.
    Looped,
    Unknown,
}

impl Call {
    /// Reads method and path.
    pub(super) fn of(origin: &str, method: &str, path: &str) -> Self {
        let segments: Vec<String> = path.split('/').skip(1).map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        // A HEAD is answered like the GET it stands for.
        let method = if method == "HEAD" { "GET" } else { method };
        match (origin, segments.as_slice()) {
            (LFS, ["api", "v1", "repos", kind, owner, name, "blobs", oid, size]) if method == "PUT" => {
                on(kind, owner, name, |address| Self::Put(address, (*oid).into(), (*size).into()))
            }
            (CDN, ["prod", "lfs-objects", one, two, rest]) => Self::Object(format!("{one}{two}{rest}")),
            (API, ["openapi", "v1", rest @ ..]) => open(method, rest),
            (API, ["api", "v1", "repos", rest @ ..]) => repos(method, rest),
            (API, ["api", "v1", rest @ ..]) => legacy(method, rest),
            (API, [kind, owner, name, "resolve", revision, path @ ..]) if method == "GET" => {
                on(kind, owner, name, |address| Self::Resolve(address, (*revision).into(), path.join("/")))
            }
            (API, words) => git(method, words),
            _ => Self::Unknown,
        }
    }

    /// The name by which rules and journal know the call.
    pub(super) fn route(&self) -> Route {
        match self {
            Self::Login => Route::talk("login"),
            Self::Me => Route::talk("me"),
            Self::Organizations => Route::talk("organizations"),
            Self::LoginInfo => Route::talk("login-info"),
            Self::Brief(_) => Route::talk("brief"),
            Self::Acceleration => Route::talk("acceleration"),
            Self::Index(_) => Route::talk("index"),
            Self::ListDatasets => Route::talk("list-datasets"),
            Self::OpenInfo(_) => Route::talk("open-info"),
            Self::Info(_) => Route::talk("info"),
            Self::Create(_) => Route::talk("create"),
            Self::SetVisibility(_) => Route::talk("set-visibility"),
            Self::Delete => Route::talk("delete"),
            Self::Revisions(_) => Route::talk("revisions"),
            Self::Commits(_) => Route::talk("commits"),
            Self::Files(_) => Route::talk("files"),
            Self::Tree(_) => Route::talk("tree"),
            Self::Download(_) => Route::download("download"),
            Self::Resolve(..) => Route::download("resolve"),
            Self::Tag(_) => Route::talk("tag"),
            Self::Batch(_) => Route::talk("batch"),
            Self::Commit(..) => Route::talk("commit"),
            Self::Put(..) => Route::upload("put"),
            Self::Object(_) => Route::download("object"),
            Self::Git(_, "/info/refs") => Route::talk("git.refs"),
            Self::Git(..) => Route::talk("git.fetch"),
            Self::GitBatch(_) => Route::talk("git.batch"),
            Self::Looped => Route::talk("looped"),
            Self::Unknown => Route::talk("unknown"),
        }
    }
}

fn on(kind: &str, owner: &str, name: &str, call: impl FnOnce(Address) -> Call) -> Call {
    match RepoKind::of_plural(kind) {
        Some(kind) => call(Address::Named(kind, format!("{owner}/{name}"))),
        None => Call::Unknown,
    }
}

/// Models lie at the root as well as below `models/` (facts/modelscope §3.5).
fn git(method: &str, words: &[&str]) -> Call {
    let (kind, words) = match words {
        [kind, rest @ ..] if RepoKind::of_plural(kind).is_some() => (*kind, rest),
        _ => ("models", words),
    };
    let [owner, name, rest @ ..] = words else { return Call::Unknown };
    let Some(name) = name.strip_suffix(".git") else { return Call::Unknown };
    match (method, rest) {
        ("GET", ["info", "refs"]) => on(kind, owner, name, |address| Call::Git(address, "/info/refs")),
        ("POST", ["git-upload-pack"]) => on(kind, owner, name, |address| Call::Git(address, "/git-upload-pack")),
        ("POST", ["info", "lfs", "objects", "batch"]) => on(kind, owner, name, Call::GitBatch),
        _ => Call::Unknown,
    }
}

fn open(method: &str, segments: &[&str]) -> Call {
    match (method, segments) {
        ("GET", ["users", "me"]) => Call::Me,
        ("GET", [kind]) => RepoKind::of_plural(kind).map_or(Call::Unknown, Call::Index),
        ("GET", [kind, owner, name]) => on(kind, owner, name, Call::OpenInfo),
        _ => Call::Unknown,
    }
}

fn legacy(method: &str, segments: &[&str]) -> Call {
    match (method, segments) {
        ("POST", ["login"]) => Call::Login,
        ("GET", ["users", "organizations"]) => Call::Organizations,
        ("GET", ["users", "login", "info"]) => Call::LoginInfo,
        ("GET", ["organizations", name, "brief"]) => Call::Brief((*name).into()),
        ("GET", ["datasets"]) => Call::ListDatasets,
        ("POST", [kind]) => RepoKind::of_plural(kind).map_or(Call::Unknown, Call::Create),
        (_, ["datasets", number, rest @ ..]) if number.parse::<u64>().is_ok() => {
            of_repo(method, Address::Numbered(number.parse().unwrap_or_default()), rest)
        }
        (_, [kind, owner, name, rest @ ..]) => on(kind, owner, name, |address| of_repo(method, address, rest)),
        _ => Call::Unknown,
    }
}

fn of_repo(method: &str, address: Address, rest: &[&str]) -> Call {
    match (method, rest) {
        ("GET", []) => Call::Info(address),
        ("PUT", []) => Call::SetVisibility(address),
        ("DELETE", [] | ["repo"] | ["file"]) => Call::Delete,
        ("GET", ["revisions"]) => Call::Revisions(address),
        ("GET", ["commits"]) => Call::Commits(address),
        ("GET", ["repo", "files"]) => Call::Files(address),
        ("GET", ["repo", "tree"]) => Call::Tree(address),
        ("GET", ["repo"]) => Call::Download(address),
        ("POST", ["repo", "tag"]) => Call::Tag(address),
        _ => Call::Unknown,
    }
}

fn repos(method: &str, segments: &[&str]) -> Call {
    match (method, segments) {
        ("GET", ["internalAccelerationInfo"]) => Call::Acceleration,
        ("POST", [kind, owner, name, "info", "lfs", "objects", "batch"]) => on(kind, owner, name, Call::Batch),
        ("POST", [kind, owner, name, "commit", branch @ ..]) if !branch.is_empty() => {
            on(kind, owner, name, |address| Call::Commit(address, branch.join("/")))
        }
        ("GET", [kind, _, _, "repo", ..]) if RepoKind::of_plural(kind).is_some() => Call::Looped,
        _ => Call::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_go_by_name_and_by_number() {
        let named = Address::Named(RepoKind::Dataset, "alice/d1".into());
        assert_eq!(Call::of(API, "GET", "/api/v1/datasets/alice/d1/repo/tree"), Call::Tree(named));
        assert_eq!(Call::of(API, "GET", "/api/v1/datasets/17/repo/tree"), Call::Tree(Address::Numbered(17)));
        assert_eq!(Call::of(API, "PUT", "/api/v1/datasets/17"), Call::SetVisibility(Address::Numbered(17)));
    }

    #[test]
    fn a_branch_may_hold_a_slash() {
        let model = Address::Named(RepoKind::Model, "alice/m1".into());
        let call = Call::of(API, "POST", "/api/v1/repos/models/alice/m1/commit/feature%2Fx");
        assert_eq!(call, Call::Commit(model, "feature/x".into()));
    }

    #[test]
    fn origins_do_not_answer_for_each_other() {
        let put = "/api/v1/repos/models/alice/m1/blobs/00/5";
        assert!(matches!(Call::of(LFS, "PUT", put), Call::Put(..)));
        assert_eq!(Call::of(API, "PUT", put), Call::Unknown);
    }
}
