//! Making a repository, and changing who may see it (facts/modelscope §3.1).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::json_body;
use crate::modelscope::accounts::Caller;
use crate::modelscope::behaviour::{Behaviour, Site};
use crate::modelscope::envelope::{Refusal, Stop, legacy};
use crate::modelscope::form;
use crate::modelscope::hub::Hub;
use crate::modelscope::repo::{ReadBack, Repo, RepoKind, Visibility};
use crate::modelscope::routes::Address;
use crate::server::{Request, Response};

/// Licence ids that are taken, in any case. The official client's list, and "Other" for the rest.
const LICENCES: [&str; 17] = [
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "gpl-2.0",
    "gpl-3.0",
    "lgpl-2.1",
    "lgpl-3.0",
    "mpl-2.0",
    "afl-3.0",
    "ecl-2.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc0-1.0",
    "unlicense",
    "other",
];

/// What the official `set_repo_visibility` sends for a model: the whole form, filled from a GET.
const MODEL_FORM: [&str; 7] = ["ChineseName", "ModelFramework", "Visibility", "ProtectedMode", "ApprovalMode", "Description", "License"];

/// What is asked for.
struct Wish {
    owner: String,
    name: String,
    visibility: Visibility,
    gated: bool,
    license: String,
    display_name: Option<String>,
    description: Option<String>,
}

pub(super) async fn create(hub: &Hub, request: &mut Request, kind: RepoKind, caller: &Caller) -> Result<Response, Stop> {
    let fields = match kind {
        RepoKind::Model => json_fields(&json_body(request, 1 << 20).await?),
        RepoKind::Dataset => form_fields(request).await?,
    };
    caller.reader()?;
    let known = caller.writer()?;
    let mut wish = wish(kind, &fields)?;
    let behaviour = hub.behaviour();
    let mut state = hub.state();
    if !state.accounts.is_namespace(&wish.owner) {
        // What the service says here is not known. `[?]`
        return Err(Refusal::new(404, 404, format!("namespace {} does not exist", wish.owner)).into());
    }
    if !state.accounts.belongs(&known.user, &wish.owner) {
        return Err(Refusal::forbidden("OperationNotAllowed: no permission to create in this namespace").into());
    }
    let full_name = format!("{}/{}", wish.owner, wish.name);
    if state.repos.contains_key(&(kind, full_name.clone())) {
        return Err(taken(kind, behaviour.site).into());
    }
    if behaviour.ignores_visibility {
        wish.visibility = Visibility::Public;
        wish.gated = false;
    }
    let id = state.number();
    let mut repo = Repo::new(id, kind, &full_name, wish.visibility, &fresh_files(kind, &wish.name, &behaviour));
    repo.gated = wish.gated && wish.visibility == Visibility::Private;
    repo.license = wish.license;
    repo.display_name = wish.display_name.unwrap_or(wish.name);
    repo.description = wish.description.unwrap_or_default();
    repo.read_back = ReadBack::Pending;
    let data = json!({ "Id": repo.id, "Path": repo.owner, "Owner": repo.owner, "Name": repo.name });
    state.repos.insert((kind, full_name), repo);
    Ok(legacy(data))
}

pub(super) async fn set_visibility(hub: &Hub, request: &mut Request, address: &Address, caller: &Caller) -> Result<Response, Stop> {
    let body = json_body(request, 1 << 20).await?;
    let mut state = hub.state();
    let repo = state.writable(address, caller)?;
    let by_name = matches!(address, Address::Named(..));
    if repo.kind == RepoKind::Dataset && by_name {
        return Err(Refusal::missing("the page").into());
    }
    if repo.kind == RepoKind::Model
        && let Some(absent) = MODEL_FORM.iter().find(|field| body.get(**field).is_none())
    {
        return Err(Refusal::bad(format!("{absent} is required")).into());
    }
    let wanted = body["Visibility"].as_u64().and_then(Visibility::of_number);
    repo.visibility = wanted.ok_or_else(|| Refusal::bad("Visibility must be 1, 3 or 5"))?;
    repo.gated = body["ProtectedMode"] == 1 && repo.visibility == Visibility::Private;
    Ok(legacy(json!({ "Id": repo.id })))
}

/// The files of a new repository: it is never empty.
pub(in crate::modelscope) fn fresh_files(kind: RepoKind, name: &str, behaviour: &Behaviour) -> Vec<(&'static str, String)> {
    let attributes = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n";
    let card = format!("---\nlicense: Apache License 2.0\n---\n# {name}\n");
    let mut files = vec![(".gitattributes", attributes.to_owned()), ("README.md", card)];
    if kind == RepoKind::Model && behaviour.fresh_configuration_json {
        files.push(("configuration.json", "{\"framework\":\"Pytorch\",\"task\":\"other\"}\n".to_owned()));
    }
    if kind == RepoKind::Dataset && behaviour.fresh_dataset_infos {
        files.push(("dataset_infos.json", "{}\n".to_owned()));
    }
    files
}

async fn form_fields(request: &mut Request) -> Result<BTreeMap<String, String>, Stop> {
    let content_type = request.header("content-type").unwrap_or_default().to_owned();
    let body = request.body.read_all(1 << 20).await?;
    let body = body.ok_or_else(|| Refusal::new(413, 413, "request entity too large"))?;
    form::fields(&content_type, &body).ok_or_else(|| Refusal::bad("a multipart form is expected").into())
}

fn json_fields(body: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let fields = body.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

fn wish(kind: RepoKind, fields: &BTreeMap<String, String>) -> Result<Wish, Refusal> {
    let get = |name: &str| fields.get(name).filter(|text| !text.is_empty());
    let owner_field = match kind {
        RepoKind::Model => "Path",
        RepoKind::Dataset => "Owner",
    };
    // The service's word for a missing owner, of either kind: "path is required".
    let owner = get(owner_field).ok_or_else(|| Refusal::bad("path is required"))?;
    let name = get("Name").filter(|name| is_name(name)).ok_or_else(|| Refusal::bad("the name is not valid"))?;
    let visibility = get("Visibility").and_then(|text| text.parse().ok()).and_then(Visibility::of_number);
    let license = get("License").map_or("Apache-2.0", String::as_str);
    // Display names such as "Apache License 2.0" used to be taken and are refused now.
    if !LICENCES.contains(&license.to_ascii_lowercase().as_str()) {
        return Err(Refusal::bad(format!("license {license} is not supported")));
    }
    if get("ProtectedMode").is_some_and(|mode| mode != "1" && mode != "2") {
        return Err(Refusal::bad("ProtectedMode must be 1 or 2"));
    }
    Ok(Wish {
        owner: owner.clone(),
        name: name.clone(),
        visibility: visibility.ok_or_else(|| Refusal::bad("Visibility must be 1, 3 or 5"))?,
        gated: get("ProtectedMode").is_some_and(|mode| mode == "1"),
        license: license.to_owned(),
        display_name: get("ChineseName").cloned(),
        description: get("Description").cloned(),
    })
}

/// The real rules are not published; clients that work keep to these letters (§6).
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.chars().all(allowed) && name != "." && name != ".."
}

fn taken(kind: RepoKind, site: Site) -> Refusal {
    match (site, kind) {
        (Site::International, _) => Refusal::new(400, 10_010_202_004_u64, "the name can not be used: it is already in use"),
        (Site::China, RepoKind::Model) => Refusal::new(400, 10_010_101_001_u64, "该名称已被注册使用，请重新命名"),
        (Site::China, RepoKind::Dataset) => Refusal::new(400, 10_020_101_001_u64, "该名称已被注册使用，请重新命名"),
    }
}
