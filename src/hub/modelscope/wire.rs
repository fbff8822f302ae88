//! What ModelScope says, and what its refusals mean. Facts: `modelscope` §2.1.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, later, retry_after, with_request_id};
use crate::hub::{MAY_NOT, quoted, refused, web_page};
use crate::repo::{Digests, FileEntry, RepoPath, Visibility};

/// `GET /api/v1/{type}s/{repo}`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct About {
    visibility: Option<u8>,
    protected_mode: Option<u8>,
}

impl About {
    /// 1 private, 3 every signed-in user, 5 public; 1 with protected mode 1 is gated. Anything else is not guessed at.
    pub(super) fn visibility(&self) -> Result<Visibility> {
        match (self.visibility, self.protected_mode) {
            (Some(1), Some(1)) => Ok(Visibility::Gated),
            (Some(1), _) => Ok(Visibility::Private),
            (Some(3), _) => Ok(Visibility::Internal),
            (Some(5), _) => Ok(Visibility::Public),
            (other, _) => {
                let got = other.map_or_else(|| "nothing".to_owned(), |number| number.to_string());
                Err(Error::new(ErrorKind::Protocol, "a visibility that is not known").with("got", got))
            }
        }
    }
}

/// `GET /openapi/v1/users/me`; several shapes are in use.
#[derive(Deserialize)]
pub(super) struct Me {
    #[serde(rename = "Username")]
    legacy: Option<String>,
    username: Option<String>,
    name: Option<String>,
    preferred_username: Option<String>,
}

impl Me {
    pub(super) fn handle(self) -> Option<String> {
        [self.legacy, self.username, self.name, self.preferred_username].into_iter().flatten().find(|name| !name.is_empty())
    }
}

/// `GET /api/v1/users/login/info`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LoginInfo {
    pub(super) name: Option<String>,
    pub(super) org_role_map: std::collections::BTreeMap<String, serde::de::IgnoredAny>,
}

/// `GET …/commits`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Commits {
    #[serde(default)]
    pub(super) commit: Option<Vec<CommitEntry>>,
    pub(super) total_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CommitEntry {
    pub(super) id: String,
    pub(super) message: Option<String>,
}

/// A listing, of models or of datasets.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listing {
    pub(super) files: Option<Vec<ListEntry>>,
}

#[derive(Clone, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListEntry {
    pub(super) path: String,
    #[serde(rename = "Type")]
    pub(super) kind: String,
    size: Option<u64>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(rename = "IsLFS", default)]
    is_lfs: bool,
    #[serde(default)]
    pub(super) revision: Option<String>,
    #[serde(default)]
    pub(super) committed_date: Option<i64>,
}

impl ListEntry {
    /// Whether the site puts a file of this name into a fresh repository.
    pub(super) fn is_fresh(&self) -> bool {
        FRESH.contains(&self.path.as_str())
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == "tree"
    }

    /// The file it is. `Sha256` may be empty; anything but 64 hex digits is no digest (facts, modelscope §2.3).
    ///
    /// What a fresh repository holds is the hub's own as long as the first commit is the one that last touched it.
    pub(super) fn into_file(self, pin_entry: bool, first_commit: Option<&str>) -> Result<FileEntry> {
        let path = RepoPath::new(self.path)?;
        let size =
            self.size.ok_or_else(|| Error::new(ErrorKind::Protocol, "the listing gives a file without its size").with("path", &path))?;
        Ok(FileEntry {
            size,
            digests: Digests { sha256: self.sha256.and_then(|text| text.parse().ok()), git_sha1: None },
            lfs: self.is_lfs,
            hubs_own: first_commit.is_some() && self.revision.as_deref() == first_commit && FRESH.contains(&path.as_str()),
            path,
            read_at: self.revision.filter(|commit| pin_entry && !commit.is_empty()),
        })
    }
}

/// What the site puts into a fresh repository (facts, modelscope §3.1).
const FRESH: [&str; 4] = [".gitattributes", "README.md", "configuration.json", "dataset_infos.json"];

/// What an envelope says, in either of its spellings.
struct Envelope {
    good: bool,
    code: String,
    message: String,
    request: Option<String>,
    data: Value,
}

fn envelope(answer: &Answer) -> Option<Envelope> {
    let mut body: Value = serde_json::from_slice(&answer.body).ok()?;
    let map = body.as_object_mut()?;
    let mut take = |names: [&str; 2]| names.iter().find_map(|name| map.remove(*name));
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let success = take(["Success", "success"]).and_then(|value| value.as_bool());
    let code = text(take(["Code", "code"]));
    let good = success.unwrap_or(true) && matches!(code.as_str(), "" | "200" | "0");
    let message = quoted(&text(take(["Message", "message"])));
    let request = take(["RequestId", "request_id"]).and_then(|value| value.as_str().map(str::to_owned));
    // some answers carry a count beside the data
    let total = take(["TotalCount", "total_count"]);
    let mut data = take(["Data", "data"]).unwrap_or(Value::Null);
    if let (Some(total), Some(data)) = (total, data.as_object_mut()) {
        data.entry("TotalCount").or_insert(total);
    }
    Some(Envelope { good, code, message, request, data })
}

/// Checks status, then success, then code, and gives the data. A 200 may be a failure.
pub(super) fn judge<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    match envelope(answer) {
        Some(envelope) if answer.status.is_success() && envelope.good => serde_json::from_value(envelope.data)
            .map_err(|error| Error::new(ErrorKind::Protocol, "the answer's data is not what the service documents").because(error)),
        Some(envelope) => Err(refusal(answer, &envelope)),
        None if answer.status.is_success() => {
            let error = match answer.is_page() {
                true => web_page("ModelScope"),
                false => Error::new(ErrorKind::Protocol, "the answer has no envelope"),
            };
            Err(later(error, retry_after(&answer.headers)))
        }
        None => {
            Err(refusal(answer, &Envelope { good: false, code: String::new(), message: String::new(), request: None, data: Value::Null }))
        }
    }
}

/// The same for an upload, where an empty answer is good because some targets are plain storage (facts, modelscope §3.3).
pub(super) fn judge_put(answer: &Answer) -> Result<()> {
    if answer.status.is_success() && answer.body.is_empty() {
        return Ok(());
    }
    judge::<Value>(answer).map(|_| ()).map_err(|error| match error.kind() {
        // a byte that flipped on the way does not flip twice
        ErrorKind::InvalidInput => Error::new(ErrorKind::Corrupted, "ModelScope does not take the bytes for this blob")
            .because(error)
            .hint_to("nothing was committed; run the same command again later, or leave the file out with --exclude")
            .retry(Retry::Later(None)),
        _ => error,
    })
}

/// Says what a refusal means, from status, code and text together: code 10030000001 alone means three different things.
fn refusal(answer: &Answer, envelope: &Envelope) -> Error {
    let status = answer.status.as_u16();
    let text = envelope.message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let wait = retry_after(&answer.headers);
    let error = if status == 401 || envelope.code == "InvalidAuthentication" || envelope.code == "10010103009" {
        Error::new(ErrorKind::Unauthorized, "ModelScope does not accept the token")
            .hint_to("it has expired or is of another site: set MODELSCOPE_TOKEN to a token of this one; modelscope.cn and modelscope.ai have separate accounts")
    } else if says(&["user not logged in"]) {
        Error::new(ErrorKind::Unauthorized, "ModelScope does not know who is asking")
            .hint_to("the token is missing or has expired: make one on the site and set MODELSCOPE_TOKEN")
    } else if status == 429 || matches!(envelope.code.as_str(), "RateLimitExceed" | "E1021") || says(&["frequency limit exceeded", "e1021"])
    {
        later(Error::new(ErrorKind::RateLimited, "too many requests to ModelScope"), wait)
    } else if says(&["exceeds actions limit"]) {
        Error::new(ErrorKind::TooLarge, "too many actions in one commit")
    } else if envelope.code == "10030000001"
        || says(&["branch changed", "could not update refs", "rejected by repository policy", "please retry"])
    {
        // the server did nothing and asks to come again (facts, modelscope §2.1)
        let about_commits = says(&["branch", "refs", "commit", "policy"]);
        let message = if about_commits { "the repository takes no commit right now" } else { "ModelScope asks to come again later" };
        later(Error::new(ErrorKind::RateLimited, message), wait)
    } else if is_taken(&envelope.code, &text, status) {
        Error::new(ErrorKind::Conflict, "the name is taken")
    } else if envelope.code == "QuotaLimitExceed" {
        Error::new(ErrorKind::Forbidden, "the account's quota is used up")
            .hint_to("free space or get more on ModelScope, then run the same command again; what was sent need not be sent again")
    } else if status == 403 && says(&["under review", "审核"]) {
        Error::new(ErrorKind::Forbidden, "ModelScope is still reviewing the file")
            .hint_to("run the same command again when the review is over, or leave the file out with --exclude")
    } else if status == 403 {
        Error::new(ErrorKind::Forbidden, MAY_NOT).hint_to("use a token with write permission for this namespace")
    } else if status == 404 || envelope.code == "404" || (status == 200 && says(&["does not exist", "not found", "不存在"])) {
        Error::new(ErrorKind::NotFound, "no such repository, revision or file, or it is hidden from this token")
            .hint_to("check name, type and revision; for a private repository set MODELSCOPE_TOKEN to a token that may read it")
    } else if status == 200 {
        // a failure in a 200: nothing says whether it will pass, so it is tried again within the budget
        later(Error::new(ErrorKind::Unavailable, "ModelScope says that it failed"), wait)
    } else {
        refused("ModelScope", answer.status, wait)
    };
    let error = error.with("status", status);
    let error = if envelope.code.is_empty() { error } else { error.with("code", quoted(&envelope.code)) };
    let error = if envelope.message.is_empty() { error } else { error.with("says", format!("\"{}\"", envelope.message)) };
    match &envelope.request {
        Some(id) => error.with("request", quoted(id)),
        None => with_request_id(error, &answer.headers),
    }
}

/// Codes and texts of "exists" (facts, modelscope §2.1).
fn is_taken(code: &str, text: &str, status: u16) -> bool {
    matches!(code, "DuplicateEntity" | "10010101001" | "10020101001" | "10010202004")
        || ["已被注册", "已存在", "can not be used"].iter().any(|word| text.contains(word))
        || (matches!(status, 400 | 409) && text.contains("already"))
}

/// There is a token and the site does not know it. Both sites refuse the other's tokens in the same words.
pub(super) fn bad_token(endpoint: &Url) -> Error {
    Error::new(ErrorKind::Unauthorized, "ModelScope does not accept the token").with("site", site(endpoint)).hint_to(format!(
        "modelscope.cn and modelscope.ai have separate accounts: make a token at {} and set MODELSCOPE_TOKEN, or set MODELSCOPE_DOMAIN to the other site",
        token_page(endpoint)
    ))
}

/// There is no token.
pub(super) fn no_token(endpoint: &Url) -> Error {
    Error::new(ErrorKind::Unauthorized, "no ModelScope token is set")
        .hint_to(format!("make one at {} and set MODELSCOPE_TOKEN", token_page(endpoint)))
}

fn site(endpoint: &Url) -> String {
    crate::secret::host_of(endpoint)
}

/// Where a token of this site is made (facts, modelscope §1.3).
fn token_page(endpoint: &Url) -> String {
    format!("{}/my/myaccesstoken", endpoint.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Retry;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    fn kind(status: u16, body: &str) -> (ErrorKind, bool) {
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: body.to_owned().into() };
        let error = judge::<Value>(&answer).unwrap_err();
        (error.kind(), matches!(error.retryable(), Retry::Later(_)))
    }

    #[test]
    fn one_code_means_three_things() {
        let with = |message: &str| format!(r#"{{"Code":10030000001,"Success":false,"Message":"{message}"}}"#);
        assert_eq!(kind(400, &with("user not logged in")), (ErrorKind::Unauthorized, false));
        assert_eq!(kind(409, &with("branch changed, please retry")), (ErrorKind::RateLimited, true));
        assert_eq!(kind(400, &with("commit rejected by repository policy")), (ErrorKind::RateLimited, true));
    }

    #[test]
    fn a_failure_may_come_as_200() {
        assert_eq!(kind(200, r#"{"Code":200,"Success":false,"Message":"x"}"#), (ErrorKind::Unavailable, true));
        assert_eq!(kind(200, r#"{"Code":404,"Success":false,"Message":"x"}"#), (ErrorKind::NotFound, false));
    }

    #[test]
    fn taken_names_are_known_by_code_or_text() {
        assert_eq!(kind(400, r#"{"Code":10010101001,"Success":false,"Message":"x"}"#).0, ErrorKind::Conflict);
        assert_eq!(kind(400, r#"{"Code":1,"Success":false,"Message":"名称已存在"}"#).0, ErrorKind::Conflict);
    }
}
