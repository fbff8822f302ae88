//! Preupload: which files go where.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::accounts::Caller;
use super::behaviour::Behaviour;
use super::hub::Hub;
use super::repo::{Repo, RepoKey};
use super::{answers, attributes, rules};
use crate::server::{Gone, Request, Response};

/// The server's limit on files in a call.
const MOST_FILES: usize = 256;
/// What a client sends of each file's beginning.
const SAMPLE: usize = 512;

impl Hub {
    pub(super) async fn preupload(&self, caller: &Caller, request: &mut Request, key: &RepoKey, revision: &str) -> Result<Response, Gone> {
        let body = match request.json(16 << 20).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(refusal),
        };
        if let Err(refusal) = self.writable(caller, key) {
            return Ok(refusal);
        }
        let Some(files) = body["files"].as_array() else { return Ok(answers::bad_request("\"files\" is required")) };
        if files.len() > MOST_FILES {
            self.rig.strict.broken(rules::PREUPLOAD_TOO_LONG, format!("{} files", files.len()));
            return Ok(answers::bad_request(&format!("\"files\" must contain less than or equal to {MOST_FILES} items")));
        }
        let behaviour = self.behaviour();
        let mut state = self.state();
        let Some(repo) = state.repo(key) else { return Ok(answers::repo_not_found(false)) };
        let Some(commit) = repo.resolve(revision).cloned() else { return Ok(answers::revision_not_found(revision)) };
        let own = Repo::attributes(&commit);
        let attributes = body["gitAttributes"].as_str().unwrap_or(&own);
        let ignore = body["gitIgnore"].as_str().unwrap_or_default();
        let mut told = Vec::with_capacity(files.len());
        for file in files {
            let wanted = match Wanted::read(file) {
                Ok(wanted) => wanted,
                Err(message) => return Ok(answers::bad_request(&message)),
            };
            if let Err(problem) = check_path(wanted.path, &behaviour) {
                self.rig.strict.broken(rules::BAD_PATH, wanted.path);
                return Ok(answers::bad_request(&problem));
            }
            let lfs = wanted.is_lfs(attributes, &behaviour);
            repo.manners.modes.insert(wanted.path.to_owned(), lfs);
            let mut answer = json!({ "path": wanted.path, "uploadMode": if lfs { "lfs" } else { "regular" },
                "shouldIgnore": is_ignored(ignore, wanted.path) });
            if let Some(there) = commit.files.get(wanted.path) {
                answer["oid"] = json!(there.etag());
            }
            told.push(answer);
        }
        Ok(Response::json(200, &json!({ "commitOid": commit.oid, "files": told })))
    }
}

struct Wanted<'b> {
    path: &'b str,
    size: u64,
    sample: Vec<u8>,
}

impl<'b> Wanted<'b> {
    fn read(file: &'b Value) -> Result<Self, String> {
        let path = file["path"].as_str().ok_or("\"path\" is required")?;
        let size = file["size"].as_u64().ok_or("\"size\" must be a number")?;
        let sample = file["sample"].as_str().ok_or("\"sample\" is required")?;
        let sample = STANDARD.decode(sample).map_err(|_| "\"sample\" must be base64")?;
        if sample.len() > SAMPLE {
            return Err(format!("\"sample\" must be at most {SAMPLE} bytes"));
        }
        Ok(Self { path, size, sample })
    }

    fn is_lfs(&self, attributes: &str, behaviour: &Behaviour) -> bool {
        let binary = is_binary(&self.sample) && self.size >= behaviour.binary_is_lfs_from;
        self.size > behaviour.regular_limit || attributes::tracks(attributes, self.path) || binary
    }
}

/// Whether a file of this kind would be LFS here; for files a test puts into a repository.
pub(super) fn would_be_lfs(path: &str, size: u64, sample: &[u8], attributes: &str, behaviour: &Behaviour) -> bool {
    size > 0 && Wanted { path, size, sample: sample.to_vec() }.is_lfs(attributes, behaviour)
}

/// As git judges: a NUL among the first bytes; or text that is none, cut characters at the end aside.
fn is_binary(sample: &[u8]) -> bool {
    let broken_text = std::str::from_utf8(sample).is_err_and(|error| error.error_len().is_some());
    sample.contains(&0) || broken_text
}

/// The paths no commit may hold.
pub(super) fn check_path(path: &str, behaviour: &Behaviour) -> Result<(), String> {
    let segments = || path.split('/');
    if path.is_empty() || path.starts_with('/') || segments().any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(format!("Invalid path: \"{path}\""));
    }
    if segments().any(|part| part.eq_ignore_ascii_case(".git")) {
        return Err(format!("Invalid path: \"{path}\" is inside a .git folder"));
    }
    if behaviour.refuses_control_characters && path.chars().any(char::is_control) {
        return Err(format!("Invalid path: {path:?} holds control characters"));
    }
    if behaviour.refuses_cache_folders && segments().any(|part| part == ".cache") {
        return Err(format!("Invalid path: \"{path}\" is inside a .cache folder"));
    }
    Ok(())
}

fn is_ignored(ignore: &str, path: &str) -> bool {
    let lines = ignore.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let prefixes = || path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]);
    lines.into_iter().any(|line| prefixes().any(|part| attributes::matches(line.trim_end_matches('/'), part)))
}
