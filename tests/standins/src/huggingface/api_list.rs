//! Lists of repositories: `GET /api/{type}s?author=`, paged by `Link`, with private ones for those alone who belong to the namespace.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::accounts::Caller;
use super::api_read::{encode_query, info_json};
use super::hub::Hub;
use super::repo::RepoKind;
use super::{access, answers, rules};
use crate::server::{Request, Response};

/// What may be expanded of every kind; a Space has no gate.
const EXPANDABLE: [&str; 9] = ["author", "cardData", "createdAt", "disabled", "lastModified", "likes", "private", "sha", "usedStorage"];
/// The longest page.
const MOST: usize = 1_000;

impl Hub {
    pub(super) fn list(&self, caller: &Caller, request: &Request, kind: RepoKind) -> Response {
        if request.method != "GET" {
            return answers::refuse(405, None, "Method Not Allowed");
        }
        let author = request.query.get("author");
        if author.is_none() {
            self.rig.strict.broken(rules::LIST_OF_ALL, kind.plural());
        }
        let expanded: Vec<&str> =
            request.query.iter().filter(|(name, _)| name.trim_end_matches("[]") == "expand").map(|(_, value)| value).collect();
        let knows = |name: &&&str| EXPANDABLE.contains(*name) || **name == "gated" && kind != RepoKind::Space;
        if let Some(unknown) = expanded.iter().find(|name| !knows(name)) {
            return answers::bad_request(&format!("Invalid expand value: {unknown}"));
        }
        let limit = request.query.get("limit").map_or(Some(MOST), |text| text.parse().ok());
        let Some(limit) = limit.filter(|limit| (1..=MOST).contains(limit)) else {
            return answers::bad_request("\"limit\" must be between 1 and 1000");
        };
        let page = limit.min(self.behaviour().list_page.max(1));
        let after =
            request.query.get("cursor").map(|text| URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()));
        if after == Some(None) {
            return answers::bad_request("Invalid cursor");
        }
        let after = after.flatten();
        let mut state = self.state();
        let state = &mut *state;
        let mut listed: Vec<Value> = Vec::new();
        let mut more = false;
        for (key, repo) in &mut state.repos {
            let mine = key.kind == kind && author.is_none_or(|author| author.eq_ignore_ascii_case(key.namespace()));
            let later = after.as_ref().is_none_or(|after| *key.id > **after);
            if !mine || !later || !access::is_listed(&state.accounts, caller, repo) {
                continue;
            }
            if listed.len() == page {
                more = true;
                break;
            }
            repo.settle("Add files");
            let full = info_json(repo, repo.head(), false);
            let wanted: Vec<&str> = match expanded.is_empty() {
                true => vec!["author", "createdAt", "private", "gated", "likes", "tags"],
                false => expanded.clone(),
            };
            let kept = ["_id", "id"].into_iter().chain(wanted).map(|name| (name.to_owned(), full[name].clone()));
            listed.push(Value::Object(kept.collect()));
        }
        let cursor = listed.last().and_then(|one| one["id"].as_str()).map(|id| URL_SAFE_NO_PAD.encode(id));
        let response = Response::json(200, &json!(listed));
        match cursor.filter(|_| more) {
            None => response,
            Some(cursor) => {
                let kept = request.query.iter().filter(|(name, _)| *name != "cursor");
                let mut query: Vec<String> = kept.map(|(name, value)| format!("{name}={}", encode_query(value))).collect();
                query.push(format!("cursor={cursor}"));
                response.header("link", format!("<{}{}?{}>; rel=\"next\"", self.api, request.path, query.join("&")))
            }
        }
    }
}
