//! The two brands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A hub's brand. Prints as in prefixes and flags: `hf`, `ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Platform {
    /// Hugging Face.
    #[serde(rename = "hf")]
    HuggingFace,
    /// ModelScope.
    #[serde(rename = "ms")]
    ModelScope,
}

impl Platform {
    /// The one that is not this one.
    pub fn other(self) -> Self {
        match self {
            Self::HuggingFace => Self::ModelScope,
            Self::ModelScope => Self::HuggingFace,
        }
    }

    /// The name as the brand writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::HuggingFace => "Hugging Face",
            Self::ModelScope => "ModelScope",
        }
    }

    /// The branch a new repository starts with.
    pub fn default_branch(self) -> &'static str {
        match self {
            Self::HuggingFace => "main",
            Self::ModelScope => "master",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HuggingFace => "hf",
            Self::ModelScope => "ms",
        })
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "hf" | "huggingface" => Ok(Self::HuggingFace),
            "ms" | "modelscope" => Ok(Self::ModelScope),
            _ => Err(Error::usage("no such platform", "use `hf` (Hugging Face) or `ms` (ModelScope)").with("got", text)),
        }
    }
}
