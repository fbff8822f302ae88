//! The environment, the `.env` files and the token files of others: read once, and where each value came from.

mod modal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use modal::{ClientIdentity, Generation, ModalSettings};

use crate::error::{Error, Result};
use crate::hub::{huggingface, modelscope};
use crate::protocol::{Endpoints, Limits};
use crate::repo::Platform;
use crate::secret::{Token, Tokens, holds_token, host_of};

/// The two sites of ModelScope. Their accounts and tokens are separate.
pub const MODELSCOPE_SITES: [&str; 2] = ["modelscope.cn", "modelscope.ai"];

/// Seconds that a container in the cloud works at most.
const LONGEST_IN_CLOUD: u64 = 84_600;

/// Hundredths of a dollar that a migration may cost without asking.
const COST_LIMIT_CENTS: u64 = 1_000;

/// A token and where it was found, for the user: `HF_TOKEN`, or `HF_TOKEN in ./.env`.
#[derive(Clone, Debug)]
pub struct Found {
    /// The token.
    pub token: Token,
    /// Where it was found.
    pub origin: String,
}

/// Everything that is configured from outside.
#[derive(Clone, Debug)]
pub struct Config {
    /// Hugging Face's token.
    pub hf: Option<Found>,
    /// ModelScope's token.
    pub ms: Option<Found>,
    /// Where Modal's tokens were found, if they were.
    pub modal: Option<String>,
    /// What the settings for Modal are made of, when they are asked for.
    pub(crate) modal_sources: modal::Sources,
    /// Where the hubs are.
    pub endpoints: Endpoints,
    /// The state folder.
    pub home: PathBuf,
    /// `HF2MS_RUNNER`.
    pub runner: Option<String>,
    /// `HF2MS_IDLE_TIMEOUT`: how many seconds nothing may come of a download before it is asked for anew.
    pub idle_seconds: u64,
    /// `HF2MS_COMMIT_GAP`: at least this time between two commits to ModelScope, which publishes no limit.
    pub commit_gap: Option<Duration>,
    /// `HF2MS_CONTAINER_TIME`: after how many seconds a container in the cloud is near its end.
    pub container_seconds: u64,
    /// `HF2MS_COST_LIMIT`: above so many hundredths of a dollar the MCP server asks before it starts.
    pub cost_limit_cents: u64,
    /// What was found and not used.
    pub warnings: Vec<String>,
    /// Says to a person what should be known while something goes on. A face sets it.
    pub say: fn(&str),
}

impl Config {
    /// Reads the process's environment.
    pub fn read() -> Result<Self> {
        // an empty variable means unset
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables: BTreeMap<_, _> = variables.filter(|(_, value)| !value.trim().is_empty()).collect();
        Self::from(&variables, std::env::current_dir().ok().as_deref())
    }

    /// Reads these variables, and the `.env` files they and the working directory lead to.
    pub fn from(variables: &BTreeMap<String, String>, directory: Option<&Path>) -> Result<Self> {
        let home = home(variables);
        let mut warnings = Vec::new();
        let folders = [Some(home.clone()), variables.get("CLAUDE_PLUGIN_ROOT").map(PathBuf::from), directory.map(Path::to_owned)];
        let mut files = Vec::new();
        for folder in folders.into_iter().flatten() {
            let path = folder.join(".env");
            if let Ok(text) = std::fs::read_to_string(&path) {
                files.push((path.display().to_string(), dotenv(&text, &path, &mut warnings)));
            }
        }
        let values = Values { variables, files };
        let hf = match values.first(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
            Some(found) => Some(found),
            None => hf_token_file(variables),
        };
        let ms = values.first(&["MODELSCOPE_TOKEN", "MODELSCOPE_API_TOKEN"]);
        let token = |found: Option<(String, String)>| {
            found.map(|(text, origin)| {
                Token::new(&text).map(|token| Found { token, origin: origin.clone() }).map_err(|error| error.with("origin", origin))
            })
        };
        let modal = values.first(&["MODAL_TOKEN_ID"]).and_then(|(_, origin)| values.first(&["MODAL_TOKEN_SECRET"]).map(|_| origin));
        Ok(Self {
            hf: token(hf).transpose()?,
            ms: token(ms).transpose()?,
            modal: modal.or_else(|| modal_file(variables)),
            modal_sources: modal::Sources::new(variables, values.first(&["MODAL_TOKEN_ID"]), values.first(&["MODAL_TOKEN_SECRET"])),
            endpoints: Endpoints {
                hf: variables.get("HF_ENDPOINT").map_or(huggingface::ENDPOINT, String::as_str).trim().trim_end_matches('/').to_owned(),
                ms: modelscope_endpoint(&values),
            },
            home,
            runner: variables.get("HF2MS_RUNNER").cloned(),
            idle_seconds: idle_seconds(variables)?,
            commit_gap: commit_gap(variables)?,
            container_seconds: container_seconds(variables)?,
            cost_limit_cents: cost_limit_cents(variables)?,
            warnings,
            say: |_| {},
        })
    }

    /// The tokens of both hubs.
    pub fn tokens(&self) -> Tokens {
        let token = |found: &Option<Found>| found.as_ref().map(|found| found.token.clone());
        Tokens { hf: token(&self.hf), ms: token(&self.ms) }
    }

    /// Every token there is, Modal's included, also where half of it is missing.
    pub fn all_tokens(&self) -> Vec<Token> {
        let hubs = [&self.hf, &self.ms].into_iter().flatten().map(|found| found.token.clone());
        hubs.chain(self.modal_sources.tokens()).collect()
    }

    /// How to reach Modal; reads its client's file. Fails with `Unauthorized` when there is no pair of tokens, with `Usage` when what is
    /// configured is not as it should be.
    pub fn modal_settings(&self) -> Result<ModalSettings> {
        self.modal_sources.settings()
    }

    /// Whether nothing is set for Modal, neither half of a token. Fails with `Usage` when its client's file is not as it should be.
    pub fn lacks_modal(&self) -> Result<bool> {
        self.modal_sources.is_unset()
    }

    /// The token of one hub, with its origin.
    pub fn found(&self, platform: Platform) -> Option<&Found> {
        match platform {
            Platform::HuggingFace => self.hf.as_ref(),
            Platform::ModelScope => self.ms.as_ref(),
        }
    }

    /// The hosts that stand for a hub in a page's address.
    pub fn hosts(&self) -> Vec<(String, Platform)> {
        [Platform::HuggingFace, Platform::ModelScope]
            .into_iter()
            .filter_map(|platform| Some((host_of(&self.endpoints.of(platform).parse().ok()?), platform)))
            .collect()
    }

    /// Every host that receives the token of a hub: the endpoint's, and ModelScope's upload gateway (facts, modelscope §1.3).
    pub fn token_hosts(&self, platform: Platform) -> Vec<String> {
        let Ok(url) = self.endpoints.of(platform).parse() else { return Vec::new() };
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

    /// The page where a token of this platform is made.
    pub fn token_page(&self, platform: Platform) -> String {
        match platform {
            Platform::HuggingFace => format!("{}/settings/tokens", self.endpoints.hf),
            Platform::ModelScope => format!("{}/my/myaccesstoken", self.endpoints.ms),
        }
    }
}

/// The environment first, then the files in their order.
struct Values<'a> {
    variables: &'a BTreeMap<String, String>,
    files: Vec<(String, BTreeMap<String, String>)>,
}

impl Values<'_> {
    fn first(&self, names: &[&str]) -> Option<(String, String)> {
        let from_environment = names.iter().find_map(|name| Some((self.variables.get(*name)?.clone(), (*name).to_owned())));
        let from_files = || {
            self.files
                .iter()
                .find_map(|(path, values)| names.iter().find_map(|name| Some((values.get(*name)?.clone(), format!("{name} in {path}")))))
        };
        from_environment.or_else(from_files)
    }
}

/// Keys that a `.env` may set. A cloned project could otherwise send tokens elsewhere, or run code.
const FILE_KEYS: [&str; 6] =
    ["HF_TOKEN", "MODELSCOPE_TOKEN", "MODELSCOPE_API_TOKEN", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "MODELSCOPE_DOMAIN"];

/// Reads `KEY=VALUE` lines; `export`, quotes and comments are understood.
fn dotenv(text: &str, path: &Path, warnings: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (key.trim(), unquoted(value.trim()));
        let known_site = key != "MODELSCOPE_DOMAIN" || MODELSCOPE_SITES.contains(&value.trim_start_matches("www."));
        if !FILE_KEYS.contains(&key) || !known_site {
            // a token pasted without its name would be shown as a key
            let shown = if holds_token(key) { "a line without a name" } else { key };
            let short: String = shown.chars().filter(|character| !character.is_control()).take(60).collect();
            let rule = format!("a .env file may set tokens, and MODELSCOPE_DOMAIN to {}", MODELSCOPE_SITES.join(" or "));
            warnings.push(format!("{}: {short} is ignored; {rule}", path.display()));
        } else if !value.is_empty() {
            values.entry(key.to_owned()).or_insert(value);
        }
    }
    values
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split(quote).next().unwrap_or_default().to_owned();
        }
    }
    value.split(" #").next().unwrap_or_default().trim().to_owned()
}

/// The official client's token file (facts, huggingface §1).
fn hf_token_file(variables: &BTreeMap<String, String>) -> Option<(String, String)> {
    let below = |name: &str, tail: &str| variables.get(name).map(|folder| Path::new(folder).join(tail));
    let path = variables
        .get("HF_TOKEN_PATH")
        .map(PathBuf::from)
        .or_else(|| below("HF_HOME", "token"))
        .or_else(|| below("XDG_CACHE_HOME", "huggingface/token"))
        .or_else(|| below("HOME", ".cache/huggingface/token"))?;
    let text = std::fs::read_to_string(&path).ok().filter(|text| !text.trim().is_empty())?;
    Some((text, path.display().to_string()))
}

/// The Modal client's own file, when it holds a token.
fn modal_file(variables: &BTreeMap<String, String>) -> Option<String> {
    let path =
        variables.get("MODAL_CONFIG_PATH").map(PathBuf::from).or_else(|| Some(Path::new(variables.get("HOME")?).join(".modal.toml")))?;
    std::fs::read_to_string(&path).ok().filter(|text| text.contains("token_id")).map(|_| path.display().to_string())
}

/// `MODELSCOPE_ENDPOINT`, else `MODELSCOPE_DOMAIN`, of which a bare host means https (facts, modelscope §1.2).
fn modelscope_endpoint(values: &Values<'_>) -> String {
    let full = |text: String| if text.contains("://") { text } else { format!("https://{text}") };
    let configured =
        values.variables.get("MODELSCOPE_ENDPOINT").cloned().or_else(|| values.first(&["MODELSCOPE_DOMAIN"]).map(|(text, _)| text));
    configured.map_or_else(|| modelscope::ENDPOINT.to_owned(), full).trim().trim_end_matches('/').to_owned()
}

/// From 1 to 60 seconds. A line that often goes silent is found out sooner with less; one that many share needs more.
fn idle_seconds(variables: &BTreeMap<String, String>) -> Result<u64> {
    match variables.get("HF2MS_IDLE_TIMEOUT") {
        None => Ok(Limits::default().idle_seconds),
        Some(text) => text.trim().parse().ok().filter(|seconds| (1..=60).contains(seconds)).ok_or_else(|| {
            Error::usage("HF2MS_IDLE_TIMEOUT is no number of seconds", "set it to a whole number from 1 to 60, or not at all")
                .with("got", format!("`{text}`"))
        }),
    }
}

/// From 0 seconds to an hour, in parts of a second too.
fn commit_gap(variables: &BTreeMap<String, String>) -> Result<Option<Duration>> {
    let Some(text) = variables.get("HF2MS_COMMIT_GAP") else { return Ok(None) };
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.0..=3_600.0).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        _ => Err(Error::usage("HF2MS_COMMIT_GAP is no number of seconds", "set it to a number from 0 to 3600, or not at all")
            .with("got", format!("`{text}`"))),
    }
}

/// From 5 seconds to 23.5 hours. Modal ends a sandbox after 24 (facts, modal §2.12): before that a commit under way ends and another container
/// takes over.
fn container_seconds(variables: &BTreeMap<String, String>) -> Result<u64> {
    match variables.get("HF2MS_CONTAINER_TIME") {
        None => Ok(LONGEST_IN_CLOUD),
        Some(text) => text.trim().parse().ok().filter(|seconds| (5..=LONGEST_IN_CLOUD).contains(seconds)).ok_or_else(|| {
            Error::usage("HF2MS_CONTAINER_TIME is no number of seconds", "set it to a whole number from 5 to 84600, or not at all")
                .with("got", format!("`{text}`"))
        }),
    }
}

/// From 0 to a million dollars; 10 by default.
fn cost_limit_cents(variables: &BTreeMap<String, String>) -> Result<u64> {
    match variables.get("HF2MS_COST_LIMIT") {
        None => Ok(COST_LIMIT_CENTS),
        // a whole number far below what a float holds exactly
        Some(text) => match text.trim().parse::<f64>() {
            Ok(dollars) if (0.0..=1e6).contains(&dollars) => Ok((dollars * 100.0).round() as u64),
            _ => Err(Error::usage("HF2MS_COST_LIMIT is no number of dollars", "set it to a number such as 10 or 2.50, or not at all")
                .with("got", format!("`{text}`"))),
        },
    }
}

fn home(variables: &BTreeMap<String, String>) -> PathBuf {
    let at = |name: &str| variables.get(name).map(PathBuf::from);
    let own = at("HF2MS_HOME").or_else(|| at("CLAUDE_PLUGIN_DATA"));
    own.unwrap_or_else(|| {
        let user = at("HOME").unwrap_or_else(|| PathBuf::from("."));
        if cfg!(target_os = "macos") {
            return user.join("Library/Application Support/hf2ms");
        }
        at("XDG_STATE_HOME").unwrap_or_else(|| user.join(".local/state")).join("hf2ms")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (BTreeMap<String, String>, Vec<String>) {
        let mut warnings = Vec::new();
        (dotenv(text, Path::new(".env"), &mut warnings), warnings)
    }

    #[test]
    fn a_dotenv_sets_tokens_and_nothing_else() {
        let (values, warnings) = read("# mine\nexport HF_TOKEN='hf_x'\nHF_ENDPOINT=https://evil.example\nMODELSCOPE_DOMAIN=evil.example\n");
        assert_eq!(values.get("HF_TOKEN").unwrap(), "hf_x");
        assert_eq!(values.len(), 1);
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }

    #[test]
    fn quotes_and_comments_are_understood() {
        let (values, _) = read("HF_TOKEN=\"a b\" # c\nMODELSCOPE_TOKEN=x # y\nMODELSCOPE_DOMAIN=www.modelscope.ai\n");
        assert_eq!(values["HF_TOKEN"], "a b");
        assert_eq!(values["MODELSCOPE_TOKEN"], "x");
        assert_eq!(values["MODELSCOPE_DOMAIN"], "www.modelscope.ai");
    }

    #[test]
    fn every_host_that_receives_a_token_is_known() {
        let hosts = |name: &str, value: &str, platform| {
            let config = Config::from(&BTreeMap::from([(name.to_owned(), value.to_owned())]), None).unwrap();
            config.token_hosts(platform)
        };
        assert_eq!(hosts("HF2MS_HOME", "/nowhere", Platform::HuggingFace), ["huggingface.co"]);
        assert_eq!(hosts("HF2MS_HOME", "/nowhere", Platform::ModelScope), ["modelscope.cn", "lfs.modelscope.cn"]);
        assert_eq!(hosts("MODELSCOPE_DOMAIN", "www.modelscope.ai", Platform::ModelScope), ["www.modelscope.ai", "lfs.modelscope.ai"]);
        assert_eq!(hosts("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9", Platform::ModelScope), ["127.0.0.1:9 (and its upload gateway)"]);
    }

    #[test]
    fn the_environment_wins_and_the_origin_is_told() {
        let folder = std::env::temp_dir().join(format!("hf2ms-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(".env"), "HF_TOKEN=from-file\nMODELSCOPE_API_TOKEN=from-file\n").unwrap();
        let home = folder.display().to_string();
        let variables = BTreeMap::from([("HF_TOKEN".to_owned(), "from-environment".to_owned()), ("HF2MS_HOME".to_owned(), home.clone())]);
        let config = Config::from(&variables, None).unwrap();
        assert_eq!(config.hf.unwrap().origin, "HF_TOKEN");
        assert_eq!(config.ms.unwrap().origin, format!("MODELSCOPE_API_TOKEN in {home}/.env"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
