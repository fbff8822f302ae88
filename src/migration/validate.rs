//! Looks at every token: is it there, from where, whose is it, what may it do.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::timeout;

use super::permission::{self, Right};
use crate::config::{Config, ModalSettings};
use crate::error::{Error, ErrorKind, ErrorReport, Result};
use crate::hub::{Account, Grant, Hub, Source};
use crate::plan::limits;
use crate::repo::{Address, Platform, RepoId, RepoRef, RepoType};
use crate::runner::modal::{Account as ModalAccount, ModalClient};

/// How long Modal may take to say whose token it is.
const MODAL_ANSWER: Duration = Duration::from_secs(30);
/// Where Modal's tokens are made.
const MODAL_PAGE: &str = "https://modal.com/settings/tokens";

/// Yes, no, or the service does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may.
    Yes,
    /// It may not.
    No,
    /// The service does not say beforehand.
    Unknown,
}

/// One platform's token.
#[derive(Clone, Debug, Serialize)]
pub struct PlatformCheck {
    /// `hf`, `ms` or `modal`.
    pub platform: String,
    /// Whether a token is set.
    pub present: bool,
    /// Where it was found.
    pub origin: Option<String>,
    /// Whose it is.
    pub account: Option<String>,
    /// The workspace it is good for; Modal's alone has one.
    pub workspace: Option<String>,
    /// Until when it is good, in UTC (RFC 3339); Modal alone says it, and only of tokens that expire.
    pub expires: Option<String>,
    /// May it read.
    pub read: Verdict,
    /// May it write.
    pub write: Verdict,
    /// The namespaces it may write to, where the service says.
    pub namespaces: Option<Vec<String>>,
    /// How the service calls its permission.
    pub permission: Option<String>,
    /// Of a token with scopes: what each of them allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What a token with scopes would need for its own account's namespace, and where that is set; and what organisations want of the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// The destination that was asked about, if it may be written to as far as the service says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Hosts that receive it.
    pub hosts: Vec<String>,
    /// The page where such a token is made.
    pub page: String,
    /// What is wrong.
    pub error: Option<ErrorReport>,
}

impl PlatformCheck {
    /// Whether a migration can use it, or can do without: Modal's may be absent.
    pub fn is_good(&self) -> bool {
        self.error.is_none() && (self.present || self.platform == MODAL)
    }
}

/// The name of Modal's entry.
const MODAL: &str = "modal";

/// Checks the tokens of both hubs, and Modal's when there is one; and whether they may write to `destination`, where one is asked about.
pub async fn validate(config: &Config, destination: Option<&RepoId>, at: Option<Platform>) -> Vec<PlatformCheck> {
    let of = |platform| destination.filter(|_| at == Some(platform));
    let (hf, ms) = (Platform::HuggingFace, Platform::ModelScope);
    let (hf, ms, modal) = tokio::join!(check(config, hf, of(hf)), check(config, ms, of(ms)), modal(config));
    vec![hf, ms, modal]
}

/// Reads `hf:NS/NAME`, or `hf:NS` for any repository of a namespace.
///
/// Fails with `Usage`.
pub fn destination(config: &Config, text: &str) -> Result<(RepoId, Platform)> {
    let namespace = text.trim_end_matches('/');
    let whole = if namespace.contains("://") || namespace.contains('/') { text.to_owned() } else { format!("{namespace}/{ANY}") };
    let address = Address::parse(&whole, &config.hosts()).map_err(|error| error.with("--dest", format!("`{text}`")))?;
    let platform = address.platform.ok_or_else(|| {
        Error::usage("--dest does not say on which hub", format!("write `hf:{0}` or `ms:{0}`", text)).with("--dest", format!("`{text}`"))
    })?;
    limits::check_name(platform, &address.id)?;
    Ok((address.id, platform))
}

/// Stands for a repository of which only the namespace matters.
const ANY: &str = "NAME";

async fn check(config: &Config, platform: Platform, destination: Option<&RepoId>) -> PlatformCheck {
    let found = config.found(platform);
    let mut check = PlatformCheck {
        platform: platform.to_string(),
        present: found.is_some(),
        origin: found.map(|found| found.origin.clone()),
        account: None,
        workspace: None,
        expires: None,
        read: Verdict::Unknown,
        write: Verdict::Unknown,
        namespaces: None,
        permission: None,
        scopes: Vec::new(),
        lacks: Vec::new(),
        destination: None,
        hosts: config.token_hosts(platform),
        page: config.token_page(platform),
        error: None,
    };
    let asked = async {
        let hub = super::hub(config, platform)?;
        let account = hub.account().await?;
        Ok::<_, Error>((hub, account))
    };
    match asked.await {
        Ok((hub, account)) => {
            check.scopes = account.grants.iter().map(Grant::describe).collect();
            let owed = account.owed.iter().map(|(org, steps)| format!("for `{org}`: {}", steps.join(", ")));
            check.lacks = permission::lacks(&account, &check.page).into_iter().chain(owed).collect();
            if let Some(id) = destination {
                match may_write(&hub, &account, platform, id, &check.page).await {
                    Ok(()) => check.destination = Some(format!("{platform}:{id}")),
                    Err(error) => check.error = Some(ErrorReport::from(&error)),
                }
            }
            check.account = Some(account.name);
            check.read = Verdict::Yes;
            check.write = match account.may_write {
                Some(true) => Verdict::Yes,
                Some(false) => Verdict::No,
                None => Verdict::Unknown,
            };
            check.namespaces = account.writable;
            check.permission = Some(account.permission);
        }
        Err(error) => {
            if error.kind() == ErrorKind::Unauthorized {
                (check.read, check.write) = (Verdict::No, Verdict::No);
            }
            check.error = Some(ErrorReport::from(&error));
        }
    }
    check
}

/// Whether a token may write to a repository of this name, of either kind; one for single repositories may only where they are.
async fn may_write(hub: &Hub, account: &Account, platform: Platform, id: &RepoId, page: &str) -> Result<()> {
    let mut refusal = None;
    for kind in [RepoType::Model, RepoType::Dataset] {
        let repo = RepoRef::new(platform, kind, id.clone());
        match permission::check(account, &repo, page) {
            Ok(Right::Whole) => return Ok(()),
            Ok(Right::OnlyIfThere) => match permission::is_there(hub, account, &repo, page).await {
                Ok(()) => return Ok(()),
                // of two reasons this one is about the very repository
                Err(error) => refusal = Some(error),
            },
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Asks Modal whose token it is. A token that is not there is no error, because a migration can run on this machine; half of one is.
async fn modal(config: &Config) -> PlatformCheck {
    let mut check = PlatformCheck {
        platform: MODAL.to_owned(),
        present: config.modal.is_some(),
        origin: config.modal.clone(),
        account: None,
        workspace: None,
        expires: None,
        read: Verdict::Unknown,
        write: Verdict::Unknown,
        namespaces: None,
        permission: None,
        scopes: Vec::new(),
        lacks: Vec::new(),
        destination: None,
        hosts: Vec::new(),
        page: MODAL_PAGE.to_owned(),
        error: None,
    };
    let account = match (config.modal_settings(), config.lacks_modal()) {
        (Err(_), Ok(true)) => {
            // a file may name a profile without tokens
            (check.present, check.origin) = (false, None);
            return check;
        }
        (Err(error), _) => Err(error),
        (Ok(settings), _) => {
            (check.present, check.origin) = (true, Some(settings.origin.clone()));
            check.hosts = settings.hosts();
            timeout(MODAL_ANSWER, account(&settings, config.say)).await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Unavailable, "Modal does not answer").with("waited", format!("{} s", MODAL_ANSWER.as_secs())))
            })
        }
    };
    match account {
        Ok(account) => {
            check.expires = until(&account);
            check.account = account.user;
            check.workspace = Some(account.workspace);
        }
        Err(error) => {
            if error.kind() == ErrorKind::Unauthorized {
                (check.read, check.write) = (Verdict::No, Verdict::No);
            }
            let error = match error.own_hint() {
                None if error.kind() == ErrorKind::Unavailable => {
                    error.hint_to("run `hf2ms validate` again; https://status.modal.com tells whether Modal itself is down")
                }
                _ => error,
            };
            check.error = Some(ErrorReport::from(&error));
        }
    }
    check
}

async fn account(settings: &ModalSettings, say: fn(&str)) -> Result<ModalAccount> {
    let client = ModalClient::connect(settings).await?;
    client.tell_to(say);
    client.whoami().await
}

/// Until when Modal's token is good, if it expires.
pub(super) fn until(account: &ModalAccount) -> Option<String> {
    let seconds = account.expires?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Some(super::proof::utc(seconds))
}
