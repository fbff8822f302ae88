//! Whether a token may write to a destination, as far as its hub says beforehand. Where it does not say, the first write tells: creating the
//! repository, or asking which blobs it lacks. Neither moves a byte.

use crate::error::{Error, ErrorKind, Result};
use crate::hub::{Account, Grant, Hub, Source, WRITES};
use crate::repo::RepoRef;

/// What a token may do at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Create it and write to it, or the hub does not say.
    Whole,
    /// Write to it if it is there: the token is for single repositories.
    OnlyIfThere,
}

/// Refuses a token of which the hub says that it may not write there. `page` is where tokens are made.
pub(super) fn check(account: &Account, repo: &RepoRef, page: &str) -> Result<Right> {
    let (title, namespace) = (repo.platform.title(), repo.id.namespace());
    if let Some((_, steps)) = account.owed.iter().find(|(org, _)| org == namespace) {
        let message = format!("`{namespace}` wants more of the account before it may write there: {}", steps.join(", "));
        return Err(Error::new(ErrorKind::Forbidden, message)
            .with("account", &account.name)
            .hint_to(format!("open the page of `{namespace}` on {title} while signed in, do what it asks for, and run again")));
    }
    if account.grants.is_empty() {
        return plain(account, repo, page);
    }
    let listed = |names: &Vec<String>| names.iter().any(|name| name == namespace);
    if account.writable.as_ref().is_none_or(listed) {
        return Ok(Right::Whole);
    }
    if account.grants.iter().any(|grant| grant.writes_to(repo)) {
        return Ok(Right::OnlyIfThere);
    }
    let granted = account.grants.iter().any(|grant| grant.is_of_namespace() && grant.writes() && grant.name == namespace);
    let message = match granted {
        true => format!("the {title} token has `{WRITES}` for `{namespace}`, but its account may only read there"),
        false => format!("the {title} token lacks `{WRITES}` for `{namespace}`"),
    };
    let elsewhere = match account.writable.as_ref().and_then(|names| names.first().map(|first| (names.join(", "), first))) {
        Some((names, first)) => format!(", or choose a namespace it may write to ({names}), as with --dest {first}/{}", repo.id.name()),
        None => String::new(),
    };
    let own = match granted {
        true => format!("ask an administrator of `{namespace}` for a role that may write"),
        false => format!("give it `{WRITES}` on `{namespace}` at {page}"),
    };
    let scopes: Vec<_> = account.grants.iter().map(Grant::describe).collect();
    Err(Error::new(ErrorKind::Forbidden, message)
        .with("account", &account.name)
        .with("its scopes", scopes.join("; "))
        .hint_to(format!("{own}{elsewhere}")))
}

/// The same for a token without scopes.
fn plain(account: &Account, repo: &RepoRef, page: &str) -> Result<Right> {
    let title = repo.platform.title();
    if account.may_write == Some(false) {
        return Err(Error::new(ErrorKind::Forbidden, format!("the {title} token may only read"))
            .with("account", &account.name)
            .with("permission", &account.permission)
            .hint_to(format!("make a token that may write at {page}, and set it instead")));
    }
    if let Some(writable) = account.writable.as_ref().filter(|writable| !writable.iter().any(|name| name == repo.id.namespace())) {
        return Err(Error::new(ErrorKind::Forbidden, format!("the {title} token may not write to `{}`", repo.id.namespace()))
            .with("account", &account.name)
            .hint_to(format!("it may write to: {}; choose one with --dest NAMESPACE/{}", writable.join(", "), repo.id.name())));
    }
    Ok(Right::Whole)
}

/// Refuses a token for single repositories where the one it names is not there: it may write to it, but not create it.
pub(super) async fn is_there(hub: &Hub, account: &Account, repo: &RepoRef, page: &str) -> Result<()> {
    match hub.info(repo, None).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let title = repo.platform.title();
            Err(Error::new(
                ErrorKind::Forbidden,
                format!("the {title} token is for `{}` alone, which does not exist, and cannot create it", repo.id),
            )
            .with("account", &account.name)
            .hint_to(format!("give it `{WRITES}` on `{}` at {page}, or create the repository on its page", repo.id.namespace())))
        }
        // whatever else is wrong with it is found when it is surveyed
        _ => Ok(()),
    }
}

/// What a token with scopes would need to write to its own account's namespace.
pub(super) fn lacks(account: &Account, page: &str) -> Option<String> {
    let own = |names: &Vec<String>| names.contains(&account.name);
    let lacks = !account.grants.is_empty() && !account.writable.as_ref().is_none_or(own);
    lacks.then(|| format!("`{WRITES}` for `{}`: give it at {page}", account.name))
}
