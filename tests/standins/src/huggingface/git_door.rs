//! Reading by git: a real git server over the repository's commits, and the lock that makes somebody want that.

use super::accounts::Caller;
use super::hub::Hub;
use super::repo::RepoKey;
use super::routes::Target;
use super::{access, answers, rules};
use crate::git::{self, Snapshot};
use crate::server::{Gone, Request, Response};

impl Hub {
    /// The refusal of a locked account's API, which git does not meet.
    pub(super) fn locked(&self, target: &Target) -> Option<Response> {
        let (key, is_download) = match target {
            Target::Resolve(key, ..) | Target::ResolveCache(key, ..) => (key, true),
            Target::Repo(key, "revision" | "tree" | "paths-info" | "commits" | "refs" | "auth-check", _) => (key, false),
            _ => return None,
        };
        let mut state = self.state();
        let quirks = &state.repo(key)?.quirks;
        let text = quirks.api_locked.as_ref().or(quirks.downloads_locked.as_ref().filter(|_| is_download))?;
        Some(answers::forbidden(text))
    }

    pub(super) async fn git(&self, caller: &Caller, request: &mut Request, key: &RepoKey, path: &str) -> Result<Response, Gone> {
        let folder = match self.bare(caller, key) {
            Ok(folder) => folder,
            Err(refusal) => return Ok(refusal),
        };
        let Some(body) = request.body.read_all(git::LONGEST).await? else { return Ok(answers::refuse(413, None, "Payload Too Large")) };
        if git::is_deep(&body) {
            self.rig.strict.broken(rules::GIT_NOT_SHALLOW, key.to_string());
        }
        Ok(git::answer(request, &body, &folder, path).await)
    }

    /// The repository on disk, for who may read its files. Whoever may not is asked for a password.
    fn bare(&self, caller: &Caller, key: &RepoKey) -> Result<std::path::PathBuf, Response> {
        let mut state = self.state();
        let unknown =
            || answers::refuse(401, None, "Repository not found").header("www-authenticate", "Basic realm=\"Authentication required\"");
        state.visible(caller, key).map_err(|_| unknown())?;
        access::may_download(&state.accounts, caller, &state.repos[key])?;
        let repo = &state.repos[key];
        if let Some(folder) = &repo.elsewhere {
            return Ok(folder.clone());
        }
        let named = |(kind, names): (&str, &std::collections::BTreeMap<String, String>)| {
            names.iter().map(|(name, id)| (format!("refs/{kind}/{name}"), id.clone())).collect::<Vec<_>>()
        };
        let refs = [("heads", &repo.branches), ("tags", &repo.tags)].into_iter().flat_map(named).collect::<Vec<_>>();
        let commits: Vec<_> = repo.commits.values().cloned().collect();
        drop(state);
        let snapshots = commits.into_iter().map(|commit| {
            let files = commit.files.iter().map(|(path, entry)| (path.clone(), entry.in_git())).collect();
            (commit.oid.clone(), Snapshot { text: commit.text.clone(), files })
        });
        Ok(self.shelf.repository(&key.to_string(), &refs, "main", snapshots))
    }
}
