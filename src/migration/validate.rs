//! Looks at every token: is it there, from where, whose is it, what may it do.

use serde::Serialize;

use crate::config::Config;
use crate::error::{Error, ErrorKind, ErrorReport};
use crate::hub::Source;
use crate::repo::Platform;
use crate::secret::host_of;

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
    /// May it read.
    pub read: Verdict,
    /// May it write.
    pub write: Verdict,
    /// The namespaces it may write to, where the service says.
    pub namespaces: Option<Vec<String>>,
    /// How the service calls its permission.
    pub permission: Option<String>,
    /// Hosts that receive it.
    pub hosts: Vec<String>,
    /// The page where such a token is made.
    pub page: String,
    /// What is wrong.
    pub error: Option<ErrorReport>,
}

impl PlatformCheck {
    /// Whether a migration can use it.
    pub fn is_good(&self) -> bool {
        self.present && self.error.is_none()
    }
}

/// Checks the tokens of both hubs, and whether Modal's are there.
pub async fn validate(config: &Config) -> Vec<PlatformCheck> {
    let (hf, ms) = tokio::join!(check(config, Platform::HuggingFace), check(config, Platform::ModelScope));
    vec![hf, ms, modal(config)]
}

async fn check(config: &Config, platform: Platform) -> PlatformCheck {
    let found = config.found(platform);
    let mut check = PlatformCheck {
        platform: platform.to_string(),
        present: found.is_some(),
        origin: found.map(|found| found.origin.clone()),
        account: None,
        read: Verdict::Unknown,
        write: Verdict::Unknown,
        namespaces: None,
        permission: None,
        hosts: hosts(config, platform),
        page: config.token_page(platform),
        error: None,
    };
    let account = match super::hub(config, platform) {
        Ok(hub) => hub.account().await,
        Err(error) => Err(error),
    };
    match account {
        Ok(account) => {
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

/// Hosts that receive the token: the endpoint's, and ModelScope's upload gateway (facts, modelscope §1.3).
fn hosts(config: &Config, platform: Platform) -> Vec<String> {
    let Ok(url) = config.endpoints.of(platform).parse() else { return Vec::new() };
    let host = host_of(&url);
    match platform {
        Platform::HuggingFace => vec![host],
        Platform::ModelScope if url.domain().is_none() => vec![format!("{host} (and its upload gateway)")],
        Platform::ModelScope => {
            let base = if host.split('.').count() >= 3 { host.split_once('.').map_or(host.as_str(), |(_, base)| base) } else { &host };
            vec![host.clone(), format!("lfs.{base}")]
        }
    }
}

/// Modal is not used yet, so its token is not sent anywhere.
fn modal(config: &Config) -> PlatformCheck {
    let error = Error::new(ErrorKind::Unauthorized, "no Modal token is set")
        .hint_to("not needed: this version carries on this machine (--runner local)");
    PlatformCheck {
        platform: "modal".to_owned(),
        present: config.modal.is_some(),
        origin: config.modal.clone(),
        account: None,
        read: Verdict::Unknown,
        write: Verdict::Unknown,
        namespaces: None,
        permission: None,
        hosts: Vec::new(),
        page: "https://modal.com/settings/tokens".to_owned(),
        error: config.modal.is_none().then(|| ErrorReport::from(&error)),
    }
}
