//! The actions of a commit as a client writes them (facts/modelscope §3.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::envelope::Refusal;
use crate::content::Content;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Update,
    Delete,
}

/// What is to be there afterwards.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Nothing,
    Lfs { sha256: String, size: u64 },
    Inline(Content),
}

/// One action.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) verb: Verb,
    pub(super) path: String,
    pub(super) body: Body,
}

/// Reads an action. Whether it can be done is another question.
pub(super) fn read(action: &Value) -> Result<Action, Refusal> {
    let text = |name: &str| action[name].as_str().unwrap_or_default();
    let verb = match text("action") {
        "create" => Verb::Create,
        "update" => Verb::Update,
        "delete" => Verb::Delete,
        other => return Err(invalid(&format!("unknown action {other}"))),
    };
    let body = match (verb, text("type")) {
        (Verb::Delete, _) => Body::Nothing,
        (_, "lfs") => {
            let size = action["size"].as_u64().ok_or_else(|| invalid("an lfs file needs a size"))?;
            Body::Lfs { sha256: text("sha256").to_owned(), size }
        }
        (_, "normal" | "") => Body::Inline(inline(action)?),
        (_, other) => return Err(invalid(&format!("unknown type {other}"))),
    };
    Ok(Action { verb, path: text("path").to_owned(), body })
}

fn inline(action: &Value) -> Result<Content, Refusal> {
    let content = action["content"].as_str().unwrap_or_default();
    let bytes = match action["encoding"].as_str().unwrap_or_default() {
        "base64" => STANDARD.decode(content).map_err(|_| invalid("the content is not base64"))?,
        "" | "text" => content.as_bytes().to_vec(),
        other => return Err(invalid(&format!("unknown encoding {other}"))),
    };
    match action["size"].as_u64() {
        Some(size) if size != bytes.len() as u64 => Err(invalid("the content is not as long as its size")),
        _ => {
            let content = Content::from(bytes);
            // Digested here, once, and not later under the hub's lock.
            content.sha256();
            Ok(content)
        }
    }
}

/// The one text for everything that is wrong with an action; the official client shows it as E3021.
pub(super) fn invalid(why: &str) -> Refusal {
    Refusal::bad(format!("invalid commit action: {why}"))
}
