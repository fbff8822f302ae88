//! Who may see and change what.

use super::accounts::{Accounts, Caller, Role, Token};
use super::answers;
use super::repo::{Gated, Repo, RepoKey};
use crate::server::Response;

/// Whether the caller may know of this repository and read its listings.
pub(super) fn may_see(accounts: &Accounts, caller: &Caller, repo: &Repo) -> Result<(), Response> {
    if repo.private && !is_insider(accounts, caller, repo) {
        return Err(answers::repo_not_found(matches!(caller, Caller::Anonymous)));
    }
    if repo.disabled {
        return Err(answers::disabled());
    }
    Ok(())
}

/// Whether the caller finds this repository in a list.
pub(super) fn is_listed(accounts: &Accounts, caller: &Caller, repo: &Repo) -> bool {
    !repo.private || is_insider(accounts, caller, repo)
}

/// Whether the caller may read the bytes of its files: of a gated repository, not everyone who may see it.
pub(super) fn may_download(accounts: &Accounts, caller: &Caller, repo: &Repo) -> Result<(), Response> {
    may_see(accounts, caller, repo)?;
    let granted = caller.token().is_some_and(|token| repo.granted.contains(&token.user));
    let open = match repo.gated {
        None => true,
        Some(Gated::Auto | Gated::Manual) => granted || is_insider(accounts, caller, repo),
    };
    if open { Ok(()) } else { Err(answers::gated(&repo.key.id, matches!(caller, Caller::Anonymous))) }
}

/// Whether the caller may change this repository.
pub(super) fn may_write(accounts: &Accounts, caller: &Caller, repo: &Repo) -> Result<(), Response> {
    may_see(accounts, caller, repo)?;
    let Some(token) = caller.token() else { return Err(answers::repo_not_found(true)) };
    if writes(accounts, token, &repo.key, Some(&repo.creator)) {
        return Ok(());
    }
    let message = "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request, or use a token with write access.";
    Err(answers::forbidden(message))
}

/// Whether the caller may create this repository.
pub(super) fn may_create(accounts: &Accounts, token: &Token, key: &RepoKey) -> Result<(), Response> {
    if writes(accounts, token, key, None) {
        return Ok(());
    }
    let message = format!("You don't have the rights to create a {} under the namespace \"{}\"", key.kind.name(), key.namespace());
    Err(answers::forbidden(&message))
}

fn writes(accounts: &Accounts, token: &Token, key: &RepoKey, creator: Option<&str>) -> bool {
    let role = accounts.role_in(&token.user, key.namespace());
    let member = match role {
        Some("admin" | "write") => true,
        // May create, and write to what they created themselves.
        Some("contributor") => creator.is_none_or(|creator| creator == token.user),
        _ => false,
    };
    member
        && accounts.is_square(&token.user, key.namespace())
        && match &token.role {
            Role::Read => false,
            Role::Write => true,
            Role::FineGrained(scopes) => scopes.iter().any(|scope| {
                let whole_namespace = matches!(scope.entity, "user" | "org") && scope.name == key.namespace();
                // A scope on a repository is no right to create it.
                let this_one = scope.entity == key.kind.name() && scope.name == key.id && creator.is_some();
                (whole_namespace || this_one) && scope.permissions.contains(&"repo.write")
            }),
        }
}

fn is_insider(accounts: &Accounts, caller: &Caller, repo: &Repo) -> bool {
    let Some(token) = caller.token() else { return false };
    if accounts.role_in(&token.user, repo.key.namespace()).is_none() {
        return false;
    }
    match &token.role {
        Role::Read | Role::Write => true,
        Role::FineGrained(scopes) => scopes.iter().any(|scope| {
            let named = scope.name == repo.key.namespace() || scope.name == repo.key.id;
            named && scope.permissions.iter().any(|permission| *permission == "repo.content.read" || *permission == "repo.write")
        }),
    }
}
