//! From what a person wrote to a request: which hub is which, which kind of repository, may the token write there.

use std::collections::HashMap;

use tokio::sync::Mutex;

use super::permission::{self, Right};
use crate::conductor::Purpose;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{Account, Hub, ReadBy, Source};
use crate::plan::{Selection, limits};
use crate::protocol::{Deletion, Request};
use crate::repo::{Address, Platform, RepoId, RepoRef, RepoType};

/// What a person asked for, word for word.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// SOURCE.
    pub source: String,
    /// `--to`.
    pub to: Option<Platform>,
    /// `--dest`: `NS/NAME`, or `NS/` for the source's name in another namespace.
    pub dest: Option<String>,
    /// `--repo-type`.
    pub repo_type: Option<RepoType>,
    /// `--revision`.
    pub revision: Option<String>,
    /// `--include`.
    pub include: Vec<String>,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--delete`, `--max-delete`.
    pub delete: Option<Deletion>,
    /// `--use-git`.
    pub use_git: bool,
}

/// What the words alone say. Which kind of repository it is may still be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The hub that is read.
    pub from: Platform,
    /// The repository that is read.
    pub id: RepoId,
    /// The kind that is named; `Space` with the wish to copy its files as a model is `Model`.
    pub named: Option<RepoType>,
    /// Branch, tag or commit to read.
    pub revision: Option<String>,
    /// The repository that is written, on the other hub.
    pub destination: RepoId,
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
    pub(super) delete: Option<Deletion>,
    pub(super) use_git: bool,
}

/// Reads the words. Everything wrong with them alone is found here, before a service is asked.
pub(super) fn read(config: &Config, wanted: &Wanted) -> Result<Asked> {
    let address = Address::parse(&wanted.source, &config.hosts())?;
    let from = direction(&address, wanted.to)?;
    let destination = match &wanted.dest {
        Some(dest) => destination_id(dest, from.other(), &address.id, &config.hosts())?,
        None => address.id.clone(),
    };
    limits::check_name(from.other(), &destination)?;
    let revision = revision(&address, wanted.revision.as_deref())?;
    let named = match (address.repo_type, wanted.repo_type) {
        (Some(page), Some(flag)) if page != flag && !(page == RepoType::Space && flag == RepoType::Model) => {
            return Err(Error::usage("the address and --repo-type contradict each other", "leave one of them out")
                .with("address", page)
                .with("--repo-type", flag));
        }
        (Some(RepoType::Space), Some(RepoType::Model)) => Some(RepoType::Model),
        (page, flag) => flag.or(page),
    };
    Selection::new(&wanted.include, &wanted.exclude)?;
    let (include, exclude) = (wanted.include.clone(), wanted.exclude.clone());
    Ok(Asked { from, id: address.id, named, revision, destination, include, exclude, delete: wanted.delete, use_git: wanted.use_git })
}

/// Whose the tokens are, asked once for all sources of a batch: hubs limit that call strictly (facts, huggingface §1).
pub(super) type Accounts = Mutex<HashMap<Platform, Account>>;

/// The request that is meant; to migrate, the token must be able to write.
pub(super) async fn resolve(config: &Config, asked: Asked, purpose: Purpose, accounts: &Accounts) -> Result<Request> {
    let Asked { from, id, named, revision, destination, include, exclude, delete, use_git } = asked;
    if named == Some(RepoType::Space) {
        return Err(is_space(&id));
    }
    let (source, target) = (super::hub_by(config, from, ReadBy::wish(use_git))?, super::hub(config, from.other())?);
    let (read_as, write_as) = detect(&source, from, &id, named).await?;
    let request = Request {
        source: RepoRef::new(from, read_as, id),
        revision,
        destination: RepoRef::new(from.other(), write_as, destination),
        include,
        exclude,
        delete,
        use_git,
    };
    if purpose == Purpose::Migrate {
        // held while one asks, so that no other one asks too
        let mut known = accounts.lock().await;
        let account = match known.get(&request.destination.platform) {
            Some(account) => account.clone(),
            None => {
                let account = target.account().await.map_err(|error| error.during("destination"))?;
                known.insert(request.destination.platform, account.clone());
                account
            }
        };
        drop(known);
        let page = config.token_page(request.destination.platform);
        let right = permission::check(&account, &request.destination, &page);
        if matches!(right, Ok(Right::OnlyIfThere)) {
            permission::is_there(&target, &account, &request.destination, &page).await?;
        }
        right?;
    }
    Ok(request)
}

/// Which hub is read: by prefix or page, or the one that `--to` is not.
fn direction(address: &Address, to: Option<Platform>) -> Result<Platform> {
    match (address.platform, to) {
        (Some(from), None) => Ok(from),
        (None, Some(to)) => Ok(to.other()),
        (Some(from), Some(to)) if from != to => Ok(from),
        (Some(from), Some(_)) => Err(Error::usage(
            format!("source and destination are both {}", from.title()),
            format!("`{from}:` says where the repository is and --to where it shall go; use --to {}", from.other()),
        )),
        (None, None) => Err(Error::usage(
            "the direction is not clear",
            format!("say where it shall go with --to ms or --to hf, or where it is with hf:{0} or ms:{0}", address.id),
        )),
    }
}

/// `--dest` names the other hub or none. `NS/` keeps the source's name.
fn destination_id(dest: &str, to: Platform, source: &RepoId, hosts: &[(String, Platform)]) -> Result<RepoId> {
    let whole = match dest.strip_suffix('/').filter(|rest| !rest.contains('/')) {
        Some(namespace) => format!("{namespace}/{}", source.name()),
        None => dest.to_owned(),
    };
    let address = Address::parse(&whole, hosts).map_err(|error| {
        let error = error.with("--dest", format!("`{dest}`"));
        let name = dest.rsplit(':').next().unwrap_or(dest);
        match format!("{name}/{}", source.name()).parse::<RepoId>() {
            Ok(id) if !dest.contains('/') => error.hint_instead(format!(
                "--dest takes NS/NAME: `{id}` keeps the name, and so does `{name}/`; `{}/{name}` gives another one",
                source.namespace()
            )),
            _ => error,
        }
    })?;
    if address.platform.is_some_and(|platform| platform != to) {
        let right = match dest.ends_with('/') {
            true => format!("{}/", address.id.namespace()),
            false => address.id.to_string(),
        };
        let hint = format!("the destination is on {}: write `{to}:{right}`, or `{right}` alone", to.title());
        return Err(Error::usage("--dest names the hub that is read", hint));
    }
    if address.revision.is_some() {
        return Err(Error::usage("--dest takes no revision", format!("hf2ms writes to the branch `{}`", to.default_branch())));
    }
    Ok(address.id)
}

fn revision(address: &Address, flag: Option<&str>) -> Result<Option<String>> {
    match (&address.revision, flag) {
        (Some(at), Some(flag)) if at != flag => {
            Err(Error::usage("two revisions are named", "leave out `@REV` or --revision").with("source", at).with("--revision", flag))
        }
        (Some(at), _) => Ok(Some(at.clone())),
        (None, flag) => flag.map(crate::repo::revision).transpose(),
    }
}

/// Finds out which kind of repository has this name. A named kind is looked for alone; a model that is not there may be a Space, which
/// is then read as it is and written as a model.
async fn detect(source: &Hub, platform: Platform, id: &RepoId, named: Option<RepoType>) -> Result<(RepoType, RepoType)> {
    let exists = async |repo_type| match source.info(&RepoRef::new(platform, repo_type, id.clone()), None).await {
        Ok(_) => Ok(Ok(())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(error)),
        Err(error) => Err(error),
    };
    let spaces = platform == Platform::HuggingFace;
    match named {
        Some(RepoType::Model) => match exists(RepoType::Model).await? {
            Ok(()) => Ok((RepoType::Model, RepoType::Model)),
            Err(_) if spaces && exists(RepoType::Space).await?.is_ok() => Ok((RepoType::Space, RepoType::Model)),
            Err(error) => Err(error),
        },
        Some(other) => exists(other).await?.map(|()| (other, other)),
        None => {
            let (model, dataset) = tokio::join!(exists(RepoType::Model), exists(RepoType::Dataset));
            match (model?, dataset?) {
                (Ok(()), Ok(())) => Err(Error::usage(
                    "both a model and a dataset have this name",
                    "say which one with --repo-type model or --repo-type dataset",
                )
                .with("source", format!("{platform}:{id}"))),
                (Ok(()), Err(_)) => Ok((RepoType::Model, RepoType::Model)),
                (Err(_), Ok(())) => Ok((RepoType::Dataset, RepoType::Dataset)),
                (Err(_), Err(_)) if spaces && exists(RepoType::Space).await?.is_ok() => Err(is_space(id)),
                (Err(error), Err(_)) => Err(error),
            }
        }
    }
}

fn is_space(id: &RepoId) -> Error {
    Error::new(ErrorKind::NotMigrated, "the source is a Space, and Spaces are not migrated")
        .with("source", id)
        .hint_to("an app does not run on the other hub as it is; to copy its files as a model, pass --repo-type model")
}
