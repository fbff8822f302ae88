//! The risks that a caller may confirm, and what is said of those that only a person allows.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// A risk that a model may confirm for its user. Clients are shown these three and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(super) enum Confirmed {
    Overwrite,
    LeftOut,
    Cost,
}

impl<'de> Deserialize<'de> for Confirmed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let a_persons = |what: &str, flag: &str| {
            let how = format!("in a form of the client, or by {flag} on a terminal");
            Err(de::Error::custom(format!("`{name}` is confirmed by nobody's argument: only a person can allow {what}, {how}")))
        };
        match name.as_str() {
            "overwrite" => Ok(Self::Overwrite),
            "left_out" => Ok(Self::LeftOut),
            "cost" => Ok(Self::Cost),
            "loosened_visibility" => a_persons("more readers", "--allow-public"),
            "delete" => a_persons("a deletion", "--delete"),
            other => Err(de::Error::unknown_variant(other, &["overwrite", "left_out", "cost"])),
        }
    }
}
