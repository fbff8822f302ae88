//! What comes from a client becomes typed here. A token among it is refused before anything else looks at it.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::protocol::RunnerKind;
use crate::repo::{Platform, RepoType};
use crate::secret::holds_token;

/// A hub.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hub {
    Hf,
    Ms,
}

/// A kind of repository.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Model,
    Dataset,
}

/// Where it runs.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Runner {
    Modal,
    Local,
}

impl From<Hub> for Platform {
    fn from(hub: Hub) -> Self {
        match hub {
            Hub::Hf => Self::HuggingFace,
            Hub::Ms => Self::ModelScope,
        }
    }
}

impl From<Kind> for RepoType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Model => Self::Model,
            Kind::Dataset => Self::Dataset,
        }
    }
}

impl From<Runner> for RunnerKind {
    fn from(runner: Runner) -> Self {
        match runner {
            Runner::Modal => Self::Modal,
            Runner::Local => Self::Local,
        }
    }
}

/// Reads a tool's arguments. Fails with `Usage`, naming what is wrong with them.
pub(super) fn read<T: DeserializeOwned>(arguments: JsonObject) -> Result<T> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Error::usage(format!("the arguments are not as they should be: {error}"), "the tool's input schema says what it takes")
    })
}

/// A token in a conversation is kept by whoever keeps the conversation. It is refused without being repeated.
pub(super) fn refuse_tokens(arguments: &JsonObject) -> Result<()> {
    if !arguments.iter().any(|(key, value)| holds_token(key) || is_told(value)) {
        return Ok(());
    }
    Err(Error::usage(
        "an argument looks like an access token",
        "tokens come from the environment, a .env file or the plugin's settings, never from arguments; since this one is in the conversation \
         now, it has to be replaced; validate_tokens tells which tokens are set",
    ))
}

fn is_told(value: &Value) -> bool {
    match value {
        Value::String(text) => holds_token(text),
        Value::Array(values) => values.iter().any(is_told),
        Value::Object(object) => object.iter().any(|(key, value)| holds_token(key) || is_told(value)),
        _ => false,
    }
}
