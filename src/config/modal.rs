//! How to reach Modal: the environment first, then the profile in the Modal client's own file (facts, modal §1).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::protocol::ModalAddress;
use crate::secret::{Token, host_of};

/// Where Modal is, unless configured otherwise. The second is dialled when the first does not answer.
const SERVERS: &str = "https://api.modal.com,https://api.modal2.com";
/// Where a token is made.
const TOKEN_PAGE: &str = "https://modal.com/settings/tokens";

/// What the client says it is. The service gates by it; which pairs it takes is known from its own clients only (facts, modal §1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// `x-modal-client-type`: 1 Python, 8 JavaScript, 9 Go.
    pub kind: u32,
    /// `x-modal-client-version`.
    pub version: String,
    /// `x-modal-libmodal-version`; Python sends none.
    pub library: Option<String>,
}

/// The two families of calls that Modal has for sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The older: secrets are objects, output comes through the control plane.
    V1,
    /// The newer: secrets travel with the call, output comes from the worker's host.
    V2,
}

/// Everything a connection to Modal needs.
#[derive(Clone, Debug)]
pub struct ModalSettings {
    /// `ak-…`.
    pub token_id: Token,
    /// `as-…`.
    pub token_secret: Token,
    /// Where the tokens were found.
    pub origin: String,
    /// Addresses of the control plane, of which the first that answers is used.
    pub servers: Vec<String>,
    /// The environment's name; empty is the workspace's default.
    pub environment: String,
    /// `MODAL_IMAGE_BUILDER_VERSION`, else the environment's own is asked for.
    pub builder_version: Option<String>,
    /// Which family of calls to begin with.
    pub generation: Generation,
    /// How long to wait, added up over a call, when Modal asks to slow down; `None` is as long as it takes, zero is not at all.
    pub most_throttle_wait: Option<Duration>,
    /// What the client says it is.
    pub client: ClientIdentity,
    /// Whether `HTTPS_PROXY` and its kin are followed.
    pub proxy: bool,
}

impl ModalSettings {
    /// Hosts of which the first that answers receives the token.
    pub fn hosts(&self) -> Vec<String> {
        self.servers.iter().filter_map(|server| Some(host_of(&server.parse().ok()?))).collect()
    }

    /// What a process elsewhere has to know beside the tokens.
    pub fn address(&self) -> ModalAddress {
        let ClientIdentity { kind, version, library } = self.client.clone();
        ModalAddress {
            servers: self.servers.clone(),
            environment: self.environment.clone(),
            builder_version: self.builder_version.clone(),
            older: self.generation == Generation::V1,
            client: (kind, version, library),
            most_throttle_seconds: self.most_throttle_wait.map(|wait| wait.as_secs()),
        }
    }

    /// The same settings in a sandbox, where there is no file and no proxy.
    pub fn inside(address: &ModalAddress, token_id: Token, token_secret: Token) -> Self {
        let (kind, version, library) = address.client.clone();
        Self {
            token_id,
            token_secret,
            origin: "the sandbox's secrets".to_owned(),
            servers: address.servers.clone(),
            environment: address.environment.clone(),
            builder_version: address.builder_version.clone(),
            generation: if address.older { Generation::V1 } else { Generation::V2 },
            most_throttle_wait: address.most_throttle_seconds.map(Duration::from_secs),
            client: ClientIdentity { kind, version, library },
            proxy: false,
        }
    }
}

/// What settings are made from: the variables that matter, and the tokens that a `.env` gave. Holds token texts, so it has no `Debug`
/// of its own words.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    variables: BTreeMap<String, String>,
    /// Text and origin.
    token_id: Option<(String, String)>,
    token_secret: Option<(String, String)>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources(****)")
    }
}

impl Sources {
    /// Keeps what is needed of the environment. The tokens come with their origin.
    pub(super) fn new(
        variables: &BTreeMap<String, String>,
        token_id: Option<(String, String)>,
        token_secret: Option<(String, String)>,
    ) -> Self {
        let matters = |name: &&String| name.starts_with("MODAL_") || name.starts_with("HF2MS_MODAL_") || *name == "HOME";
        let variables = variables.iter().filter(|(name, _)| matters(name));
        Self { variables: variables.map(|(name, value)| (name.clone(), value.clone())).collect(), token_id, token_secret }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The Modal client's file, if there is one to look for.
    fn path(&self) -> Option<PathBuf> {
        let named = self.variable("MODAL_CONFIG_PATH").map(PathBuf::from);
        named.or_else(|| Some(Path::new(self.variable("HOME")?).join(".modal.toml")))
    }

    /// What there is of tokens: those of the settings, else the half that was given.
    pub(super) fn tokens(&self) -> Vec<Token> {
        match self.settings() {
            Ok(settings) => vec![settings.token_id, settings.token_secret],
            Err(_) => [&self.token_id, &self.token_secret].into_iter().flatten().filter_map(|(text, _)| Token::new(text).ok()).collect(),
        }
    }

    /// The settings. Fails with `Unauthorized` when there is no pair of tokens, with `Usage` when a value or the file is not as it should be.
    pub(super) fn settings(&self) -> Result<ModalSettings> {
        let file = File::read(self.path())?;
        let given = self.token_id.is_some() && self.token_secret.is_some();
        let profile = file.profile(self.variable("MODAL_PROFILE"), given)?;
        let value = |variable: &str, key: &'static str| -> Result<Option<String>> {
            match self.variable(variable) {
                Some(value) => Ok(Some(value.to_owned())),
                None => profile.text(key),
            }
        };
        let (token_id, origin) = self.token(&self.token_id, "token_id", &profile)?;
        let (token_secret, _) = self.token(&self.token_secret, "token_secret", &profile)?;
        let servers = value("MODAL_SERVER_URL", "server_url")?.unwrap_or_else(|| SERVERS.to_owned());
        Ok(ModalSettings {
            token_id,
            token_secret,
            origin,
            servers: servers.split(',').map(str::trim).filter(|server| !server.is_empty()).map(str::to_owned).collect(),
            environment: value("MODAL_ENVIRONMENT", "environment")?.unwrap_or_default(),
            builder_version: value("MODAL_IMAGE_BUILDER_VERSION", "image_builder_version")?,
            generation: if is_no(value("MODAL_SANDBOX_V2", "sandbox_v2")?.as_deref()) { Generation::V1 } else { Generation::V2 },
            most_throttle_wait: self.most_throttle_wait()?,
            client: self.client()?,
            proxy: is_no(Some(self.variable("MODAL_DISABLE_API_PROXY").unwrap_or("0"))),
        })
    }

    /// Whether nobody has set up Modal here: neither half of a token stands anywhere. Fails like [`Sources::settings`] for a broken file.
    pub(super) fn is_unset(&self) -> Result<bool> {
        let file = File::read(self.path())?;
        let given = self.token_id.is_some() && self.token_secret.is_some();
        let profile = file.profile(self.variable("MODAL_PROFILE"), given)?;
        let has_id = self.token_id.is_some() || profile.text("token_id")?.is_some();
        Ok(!has_id && self.token_secret.is_none() && profile.text("token_secret")?.is_none())
    }

    fn token(&self, given: &Option<(String, String)>, key: &'static str, profile: &Profile<'_>) -> Result<(Token, String)> {
        let found = match given {
            Some(found) => Some(found.clone()),
            None => profile.text(key)?.map(|text| (text, profile.origin())),
        };
        let Some((text, origin)) = found else {
            return Err(Error::new(ErrorKind::Unauthorized, "no token for Modal").with("missing", key).hint_to(format!(
                "make a token at {TOKEN_PAGE} and set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or run with `--runner local`"
            )));
        };
        Token::new(&text).map(|token| (token, origin.clone())).map_err(|error| error.with("origin", origin))
    }

    fn most_throttle_wait(&self) -> Result<Option<Duration>> {
        let Some(text) = self.variable("MODAL_MAX_THROTTLE_WAIT") else { return Ok(None) };
        let seconds: u64 = text.parse().map_err(|_| {
            Error::usage("MODAL_MAX_THROTTLE_WAIT is no number of seconds", "set it to a whole number, 0 for no wait, or not at all")
                .with("got", format!("`{text}`"))
        })?;
        Ok(Some(Duration::from_secs(seconds)))
    }

    /// What Go's official client says, because its version never changes; each part can be set.
    fn client(&self) -> Result<ClientIdentity> {
        let kind: u32 = match self.variable("HF2MS_MODAL_CLIENT_TYPE") {
            None => 9,
            Some(text) => text.parse().map_err(|_| {
                Error::usage(
                    "HF2MS_MODAL_CLIENT_TYPE is no number",
                    "set it to 1 for Python's, 8 for JavaScript's, 9 for Go's, or not at all",
                )
                .with("got", format!("`{text}`"))
            })?,
        };
        let (version, library) = match kind {
            1 => ("1.6.4", None),
            8 => ("1.0.0", Some("modal-js/0.11.1")),
            _ => ("1.0.0", Some("modal-go/0.9.0")),
        };
        let version = self.variable("HF2MS_MODAL_CLIENT_VERSION").unwrap_or(version).to_owned();
        let library = self.variable("HF2MS_MODAL_LIBMODAL_VERSION").or(library).map(str::to_owned);
        Ok(ClientIdentity { kind, version, library })
    }
}

/// The words that Modal's own clients take for no.
fn is_no(value: Option<&str>) -> bool {
    value.is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off" | "n" | "f"))
}

/// The Modal client's file: a table per profile.
struct File {
    path: String,
    profiles: Table,
}

/// One profile of it; empty when there is none to use.
struct Profile<'a> {
    path: &'a str,
    name: &'a str,
    table: Option<&'a Table>,
}

impl File {
    fn read(path: Option<PathBuf>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self { path: String::new(), profiles: Table::new() }) };
        let name = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(name, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self { path: name, profiles: Table::new() }),
            Err(error) => Err(Error::new(ErrorKind::Local, "cannot read Modal's configuration").with("file", name).because(error)),
        }
    }

    fn parse(path: String, text: &str) -> Result<Self> {
        match text.parse::<Table>() {
            Ok(profiles) => Ok(Self { path, profiles }),
            Err(error) => {
                // shown whole, the error would repeat the line, and a token may stand in it
                let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
                Err(broken(&path, format!("is no TOML: {}", error.message())).with("line", line))
            }
        }
    }

    /// The profile that is asked for, else the active one, else `default`.
    fn profile<'a>(&'a self, asked: Option<&'a str>, tokens_given: bool) -> Result<Profile<'a>> {
        let found = |name: &'a str| Profile { path: &self.path, name, table: self.profiles.get(name).and_then(Value::as_table) };
        if let Some(name) = asked {
            let profile = found(name);
            if profile.table.is_none() && !tokens_given {
                let known: Vec<_> = self.profiles.keys().map(String::as_str).collect();
                return Err(Error::usage(
                    "MODAL_PROFILE names a profile that is not there",
                    "set MODAL_PROFILE to one of them, or not at all",
                )
                .with("profile", name)
                .with("file", &self.path)
                .with("there are", if known.is_empty() { "none".to_owned() } else { known.join(" ") }));
            }
            return Ok(profile);
        }
        let is_active = |value: &Value| value.get("active").and_then(Value::as_bool).unwrap_or_default();
        let active: Vec<_> = self.profiles.iter().filter(|(_, value)| is_active(value)).map(|(name, _)| name.as_str()).collect();
        match active[..] {
            [name] => Ok(found(name)),
            [] if self.profiles.len() > 1 => Err(broken(&self.path, "has several profiles, none of them active".to_owned())),
            [] => Ok(found("default")),
            _ => Err(broken(&self.path, "has more than one active profile".to_owned()).with("active", active.join(" "))),
        }
    }
}

impl Profile<'_> {
    /// A value as text; numbers and booleans as they are written.
    fn text(&self, key: &'static str) -> Result<Option<String>> {
        let text = match self.table.and_then(|table| table.get(key)) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Boolean(yes)) => yes.to_string(),
            Some(Value::Integer(number)) => number.to_string(),
            Some(_) => return Err(broken(self.path, format!("has a {key} that is no text")).with("profile", self.name)),
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn origin(&self) -> String {
        format!("profile {} in {}", self.name, self.path)
    }
}

fn broken(path: &str, what: String) -> Error {
    Error::usage(
        format!("Modal's configuration {what}"),
        "repair the file, choose a profile with MODAL_PROFILE, or set the tokens in the environment",
    )
    .with("file", path)
}

#[cfg(test)]
mod tests;
