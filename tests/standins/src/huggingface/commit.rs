//! Commits: NDJSON in, a new state out, or a precise refusal.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::accounts::Caller;
use super::behaviour::Behaviour;
use super::hub::{Hub, State};
use super::preupload::{check_path, would_be_lfs};
use super::repo::{Commit, Entry, Files, Note, Repo, RepoKey};
use super::{answers, attributes, card, lfs, rules};
use crate::content::Content;
use crate::fullness::Room;
use crate::rig::CommitMoment;
use crate::server::{Gone, Request, Response};

/// A commit as asked for.
#[derive(Debug, Default)]
struct Draft {
    summary: String,
    description: String,
    parent: Option<String>,
    operations: Vec<Operation>,
}

/// The files after a commit, worked out on top of a head.
struct Prepared {
    head: String,
    files: Files,
}

#[derive(Debug)]
enum Operation {
    File { path: String, content: Bytes, old_path: Option<String> },
    Lfs { path: String, oid: String, size: Option<u64>, old_path: Option<String> },
    DeleteFile(String),
    DeleteFolder(String),
}

impl Operation {
    fn path(&self) -> &str {
        match self {
            Self::File { path, .. } | Self::Lfs { path, .. } | Self::DeleteFile(path) | Self::DeleteFolder(path) => path,
        }
    }
}

impl Hub {
    pub(super) async fn commit(&self, caller: &Caller, request: &mut Request, key: &RepoKey, branch: &str) -> Result<Response, Gone> {
        let behaviour = self.behaviour();
        if let Err(refusal) = self.writable(caller, key).and_then(|()| self.take_commit_quota(caller, &behaviour)) {
            return Ok(refusal);
        }
        if request.query.get("create_pr").is_some_and(|value| value != "0" && value != "false") {
            return Ok(answers::refuse(501, None, "Pull requests are not part of this stand-in"));
        }
        // Base64 makes four bytes of three; the lines around it are small.
        let Some(body) = request.body.read_all(behaviour.commit_payload / 3 * 4 + (1 << 20)).await? else {
            return Ok(answers::refuse(413, None, "Payload Too Large"));
        };
        let draft = match parse(&body) {
            Ok(draft) => draft,
            Err(problem) => return Ok(answers::bad_request(&problem)),
        };
        drop(body);
        let prepared = self.prepare(&mut self.state(), caller, key, branch, &draft, &behaviour);
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(refusal) => return Ok(refusal),
        };
        self.rig.moments.reach(CommitMoment::BeforeApply);
        let commit = match self.apply(prepared, caller, key, branch, &draft, &behaviour) {
            Ok(commit) => commit,
            Err(refusal) => return Ok(refusal),
        };
        self.rig.moments.reach(CommitMoment::AfterApplyBeforeAnswer);
        let url = format!("{}/{}{}/commit/{}", self.api, key.kind.prefix(), key.id, commit.oid);
        Ok(Response::json(200, &json!({ "success": true, "commitOid": commit.oid, "commitUrl": url, "hookOutput": "" })))
    }

    /// Its `RateLimit` header shows the API quota, which is not the one that has run out.
    fn take_commit_quota(&self, caller: &Caller, behaviour: &Behaviour) -> Result<(), Response> {
        let user = caller.token().map_or("", |token| &token.user).to_owned();
        let quota = behaviour.commits_per_hour;
        if self.state().limits.take("commits", &user, quota, Duration::from_secs(3_600)).allowed {
            return Ok(());
        }
        let message = format!(
            "You have exceeded the rate limit for repository commits ({quota} per hour). You can retry this action in about 1 hour."
        );
        Err(answers::refuse(429, None, &message))
    }

    /// Works out the files after the commit, or why there can be none.
    fn prepare(
        &self,
        state: &mut State,
        caller: &Caller,
        key: &RepoKey,
        branch: &str,
        draft: &Draft,
        behaviour: &Behaviour,
    ) -> Result<Prepared, Response> {
        let Some(repo) = state.repo(key) else { return Err(answers::repo_not_found(false)) };
        let Some(head) = repo.branches.get(branch).and_then(|oid| repo.commits.get(oid)).cloned() else {
            return Err(answers::revision_not_found(branch));
        };
        self.check_parent(repo, &head, caller, draft)?;
        if std::mem::take(&mut repo.manners.awaits_read_back) {
            self.rig.strict.broken(rules::NO_READ_BACK, format!("commit to {key}"));
        }
        self.check_operations(repo, draft, behaviour)?;
        for operation in &draft.operations {
            if let Operation::Lfs { oid, size, path, .. } = operation {
                self.check_blob(state, key, oid, *size, path, behaviour)?;
            }
        }
        let absent =
            draft.operations.iter().find(|operation| matches!(operation, Operation::DeleteFile(path) if !head.files.contains_key(path)));
        if let Some(operation) = absent {
            self.rig.strict.broken(rules::DELETES_ABSENT, format!("{} of {key}", operation.path()));
        }
        let repo = state.repo(key).expect("it was there a moment ago");
        let files = apply_operations(&head.files, draft, &repo.quirks.drops, |oid| self.store.get(oid).map(|blob| blob.size))?;
        let changed =
            files.len() != head.files.len() || files.iter().any(|(path, entry)| head.files.get(path).is_none_or(|old| !old.is_same(entry)));
        let room = Room { files: behaviour.files_per_repo, folder: behaviour.entries_per_folder };
        if let Some(problem) = room.lacks(files.keys().map(String::as_str)) {
            return Err(answers::bad_request(&problem));
        }
        if !changed && repo.quirks.drops.is_empty() {
            self.rig.strict.broken(rules::EMPTY_COMMIT, format!("{key}: {}", draft.summary));
        }
        Ok(Prepared { head: head.oid.clone(), files })
    }

    fn check_parent(&self, repo: &mut Repo, head: &Commit, caller: &Caller, draft: &Draft) -> Result<(), Response> {
        let Some(parent) = &draft.parent else {
            self.rig.strict.broken(rules::NO_PARENT, format!("{}: {}", repo.key, draft.summary));
            return Ok(());
        };
        if head.oid.starts_with(parent.as_str()) && parent.len() >= 7 && !repo.quirks.always_conflicts {
            return Ok(());
        }
        let attempt = (caller.id().to_owned(), parent.clone());
        if repo.manners.stale_parents.insert(attempt, repo.manners.reads) == Some(repo.manners.reads) {
            self.rig.strict.broken(rules::STALE_PARENT_REPEATED, format!("{} parent {parent}", repo.key));
        }
        let message = "The branch was updated since you opened this page. Please refresh and try again.";
        Err(answers::refuse(412, None, message))
    }

    fn check_operations(&self, repo: &Repo, draft: &Draft, behaviour: &Behaviour) -> Result<(), Response> {
        if draft.operations.is_empty() {
            self.rig.strict.broken(rules::EMPTY_COMMIT, format!("{}: no operations", repo.key));
            return Err(answers::bad_request("No files to commit"));
        }
        let large = draft.operations.iter().filter(|operation| matches!(operation, Operation::Lfs { .. })).count();
        if large > behaviour.lfs_files_per_commit {
            let limit = behaviour.lfs_files_per_commit;
            return Err(answers::bad_request(&format!("Too many LFS files in a commit: {large}, at most {limit}")));
        }
        for operation in &draft.operations {
            if let Err(problem) = check_path(operation.path(), behaviour) {
                self.rig.strict.broken(rules::BAD_PATH, operation.path());
                return Err(answers::bad_request(&problem));
            }
            if let Operation::File { path, content, .. } = operation {
                self.check_inline(repo, path, content, behaviour)?;
            }
        }
        Ok(())
    }

    fn check_inline(&self, repo: &Repo, path: &str, content: &Bytes, behaviour: &Behaviour) -> Result<(), Response> {
        if repo.manners.modes.get(path) == Some(&true) && !content.is_empty() {
            self.rig.strict.broken(rules::INLINE_LFS, format!("{path} of {}", repo.key));
        }
        let (size, sample) = (content.len() as u64, &content[..content.len().min(512)]);
        if size > behaviour.regular_limit {
            return Err(answers::bad_request(&format!(
                "Your push was rejected because it contains files larger than {} MiB. \
                 Please use https://git-lfs.github.com/ to store large files. Offending files: - {path} (ref: refs/heads/main)",
                behaviour.regular_limit >> 20
            )));
        }
        if would_be_lfs(path, size, sample, "", behaviour) {
            return Err(answers::bad_request(&format!(
                "Your push was rejected because it contains binary files. Offending files: - {path}"
            )));
        }
        if path == "README.md" {
            let opinion = card::judge(&String::from_utf8_lossy(content), &behaviour.licences);
            if !opinion.errors.is_empty() {
                return Err(answers::bad_request(&format!("Invalid metadata in README.md.\n- {}", opinion.errors.join("\n- "))));
            }
        }
        Ok(())
    }

    fn check_blob(
        &self,
        state: &mut State,
        key: &RepoKey,
        oid: &str,
        size: Option<u64>,
        path: &str,
        behaviour: &Behaviour,
    ) -> Result<(), Response> {
        let stored = self.stored(state, key, oid, behaviour);
        if lfs::is_oid(oid) && stored.is_some() && size.is_none_or(|size| stored == Some(size)) {
            return Ok(());
        }
        // What was collected after its sender had asked for it is not the sender's fault.
        if !state.repo(key).is_some_and(|repo| repo.manners.collected.remove(oid)) {
            self.rig.strict.broken(rules::UNKNOWN_BLOB, format!("{oid} as `{path}` of {key}, stored: {stored:?}"));
        }
        Err(answers::bad_request(&format!(
            "Your push was rejected because an LFS pointer pointed to a file that does not exist. Offending file: - {path}"
        )))
    }

    fn apply(
        &self,
        mut prepared: Prepared,
        caller: &Caller,
        key: &RepoKey,
        branch: &str,
        draft: &Draft,
        behaviour: &Behaviour,
    ) -> Result<Arc<Commit>, Response> {
        let mut state = self.state();
        let head = state.repo(key).and_then(|repo| repo.branches.get(branch).cloned());
        if head.as_ref() != Some(&prepared.head) {
            // The branch moved between the check and now.
            prepared = self.prepare(&mut state, caller, key, branch, draft, behaviour)?;
        }
        let author = caller.token().map_or("", |token| &token.user).to_owned();
        let note = Note { summary: draft.summary.clone(), description: draft.description.clone(), author };
        let repo = state.repo(key).ok_or_else(|| answers::repo_not_found(false))?;
        Ok(repo.add_commit(branch, prepared.files, note))
    }
}

fn parse(body: &[u8]) -> Result<Draft, String> {
    let mut draft = Draft::default();
    let mut has_header = false;
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let item: Value = serde_json::from_slice(line).map_err(|error| format!("line {}: {error}", number + 1))?;
        let value = &item["value"];
        match item["key"].as_str() {
            Some("header") if !has_header => {
                has_header = true;
                draft.summary = value["summary"].as_str().unwrap_or_default().to_owned();
                draft.description = value["description"].as_str().unwrap_or_default().to_owned();
                draft.parent = value["parentCommit"].as_str().map(str::to_owned);
            }
            Some("header") => return Err("There can be only one header".to_owned()),
            Some(_) if !has_header => return Err("The header must come first".to_owned()),
            Some(kind) => draft.operations.push(operation(kind, value)?),
            None => return Err(format!("line {}: \"key\" is required", number + 1)),
        }
    }
    if draft.summary.trim().is_empty() {
        return Err("\"summary\" is not allowed to be empty".to_owned());
    }
    Ok(draft)
}

fn operation(kind: &str, value: &Value) -> Result<Operation, String> {
    let path = value["path"].as_str().ok_or("\"path\" is required")?.to_owned();
    let old_path = value["oldPath"].as_str().map(str::to_owned);
    Ok(match kind {
        "file" => {
            let text = value["content"].as_str().ok_or("\"content\" is required")?;
            let content = match value["encoding"].as_str().unwrap_or("utf-8") {
                "base64" => STANDARD.decode(text).map_err(|error| format!("{path}: {error}"))?,
                "utf-8" => text.as_bytes().to_vec(),
                other => return Err(format!("{path}: unknown encoding \"{other}\"")),
            };
            Operation::File { path, content: content.into(), old_path }
        }
        "lfsFile" => {
            if value["algo"].as_str().is_some_and(|algo| algo != "sha256") {
                return Err(format!("{path}: \"algo\" must be sha256"));
            }
            let oid = value["oid"].as_str().ok_or("\"oid\" is required")?.to_owned();
            Operation::Lfs { path, oid, size: value["size"].as_u64(), old_path }
        }
        "deletedFile" => Operation::DeleteFile(path),
        "deletedFolder" => Operation::DeleteFolder(path.trim_end_matches('/').to_owned()),
        other => return Err(format!("Unknown key \"{other}\"")),
    })
}

fn apply_operations(before: &Files, draft: &Draft, drops: &[String], size_of: impl Fn(&str) -> Option<u64>) -> Result<Files, Response> {
    let mut files = before.clone();
    let mut large = Vec::new();
    for operation in draft.operations.iter().filter(|operation| !drops.iter().any(|path| path == operation.path())) {
        match operation {
            Operation::File { path, content, old_path } => {
                old_path.as_ref().map(|old| files.remove(old));
                files.insert(path.clone(), Entry::Regular(Content::bytes(content.clone())));
            }
            Operation::Lfs { path, oid, size, old_path } => {
                old_path.as_ref().map(|old| files.remove(old));
                let size = size.or_else(|| size_of(oid)).unwrap_or(0);
                files.insert(path.clone(), Entry::Lfs { sha256: oid.clone(), size });
                large.push(path.as_str());
            }
            Operation::DeleteFile(path) => {
                files.remove(path).ok_or_else(|| answers::entry_not_found(path))?;
            }
            Operation::DeleteFolder(folder) => files.retain(|path, _| !path.starts_with(&format!("{folder}/"))),
        }
    }
    check_collisions(&files, draft)?;
    track(&mut files, &large);
    Ok(files)
}

/// A path cannot be a file and a folder.
fn check_collisions(files: &Files, draft: &Draft) -> Result<(), Response> {
    for path in draft.operations.iter().map(Operation::path).filter(|path| files.contains_key(*path)) {
        let folder = path.match_indices('/').map(|(at, _)| &path[..at]).find(|folder| files.contains_key(*folder));
        let inside = format!("{path}/");
        let below = files.range(inside.clone()..).next().is_some_and(|(other, _)| other.starts_with(&inside));
        if let Some(clash) = folder.or(below.then_some(path)) {
            return Err(answers::bad_request(&format!("\"{clash}\" would be a file and a folder")));
        }
    }
    Ok(())
}

/// The server itself adds LFS paths that no pattern covers to `.gitattributes`.
fn track(files: &mut Files, large: &[&str]) {
    let mut text = match files.get(".gitattributes") {
        Some(Entry::Regular(content)) => String::from_utf8_lossy(&content.to_bytes()).into_owned(),
        _ => String::new(),
    };
    let before = text.len();
    for path in large {
        if !attributes::tracks(&text, path) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&attributes::line_of(path));
        }
    }
    if text.len() != before {
        files.insert(".gitattributes".to_owned(), Entry::Regular(text.as_str().into()));
    }
}
