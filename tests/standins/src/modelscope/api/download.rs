//! Downloads: a redirect to the CDN for LFS files, the bytes themselves for the others (facts/modelscope §2.4).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::content::Content;
use crate::modelscope::accounts::Caller;
use crate::modelscope::behaviour::{Behaviour, MissingFile};
use crate::modelscope::envelope::{Refusal, request_id};
use crate::modelscope::hub::Hub;
use crate::modelscope::keys::Opened;
use crate::modelscope::repo::{Named, Node, Repo};
use crate::modelscope::routes::Address;
use crate::modelscope::rules;
use crate::server::{Request, Response};

/// `…/repo?Revision=&FilePath=`.
pub(super) fn by_query(hub: &Hub, request: &Request, address: &Address, caller: &Caller) -> Result<Response, Refusal> {
    let revision = request.query.get("Revision").filter(|text| !text.is_empty()).unwrap_or("master");
    let path = request.query.get("FilePath").unwrap_or_default();
    download(hub, request, address, caller, revision, path)
}

pub(super) fn download(
    hub: &Hub,
    request: &Request,
    address: &Address,
    caller: &Caller,
    revision: &str,
    path: &str,
) -> Result<Response, Refusal> {
    let behaviour = hub.behaviour();
    let mut state = hub.state();
    let repo = state.readable(address, caller)?;
    state.opens(repo, caller)?;
    let key = repo.key();
    let (commit, named) = repo.resolve(revision).ok_or_else(|| Refusal::missing("the revision"))?;
    if named == Named::Branch {
        hub.rig.strict.broken(rules::UNPINNED_READ, format!("download of {path} by branch"));
    }
    expect_identity(hub, request);
    hub.expect_full_listing(&mut state, &key);
    let repo = &state.repos[&key];
    let Some(node) = repo.commits[commit].tree.get(path) else { return missing_file(&behaviour, path) };
    if repo.quirks.in_check.iter().any(|held| held == path) && !behaviour.in_check_downloads {
        return Err(Refusal::new(403, 403, format!("{path} is under review")));
    }
    let content = repo.quirks.serves_instead.get(path).cloned().or_else(|| bytes_of(hub, node));
    // The store let the bytes of this upload go: nothing real corresponds to it.
    let content = content.ok_or_else(|| Refusal::new(500, 500, "the object is not available"))?;
    Ok(if node.lfs { redirect(hub, &behaviour, repo, node, content, revision, path) } else { whole(content, behaviour.inline_chunked) })
}

/// Counts a download that would let the service compress what it sends.
pub(super) fn expect_identity(hub: &Hub, request: &Request) {
    if request.header("accept-encoding").is_none_or(|value| !value.eq_ignore_ascii_case("identity")) {
        hub.rig.strict.broken(rules::NO_IDENTITY, request.route.name);
    }
}

fn bytes_of(hub: &Hub, node: &Node) -> Option<Content> {
    node.content.clone().or_else(|| hub.store.get(&node.sha256)?.content)
}

/// One report says 404, another an error inside a success.
fn missing_file(behaviour: &Behaviour, path: &str) -> Result<Response, Refusal> {
    let refusal = Refusal::new(404, 10_990_101_404_u64, format!("{path} does not exist"));
    match behaviour.missing_file {
        MissingFile::NotFound => Err(refusal),
        MissingFile::OkWithError => {
            let mut response = refusal.legacy();
            response.status = 200;
            response.sent_bytes_are_payload = false;
            Ok(response)
        }
    }
}

/// `Range` is ignored here, however politely asked.
fn whole(content: Content, chunked: bool) -> Response {
    let len = content.len();
    let response =
        Response::file(200, content, 0..len).header("content-type", "application/octet-stream").header("x-request-id", request_id());
    if chunked { response.chunked() } else { response }
}

fn redirect(hub: &Hub, behaviour: &Behaviour, repo: &Repo, node: &Node, content: Content, revision: &str, path: &str) -> Response {
    let sha256 = &node.sha256;
    let key = hub.keys.issue(Opened { sha256: sha256.clone(), content }, behaviour.auth_key_lifetime);
    hub.rig.guard.marks.signature(&key);
    let name = path.rsplit('/').next().unwrap_or_default();
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let location = format!(
        "{}/prod/lfs-objects/{}/{}/{}?auth_key={key}&filename={}&namespace={}&repository={}&revision={}&tag={}",
        hub.cdn,
        &sha256[..2],
        &sha256[2..4],
        &sha256[4..],
        escaped(name),
        escaped(&repo.owner),
        escaped(&repo.name),
        escaped(revision),
        repo.kind.word(),
    );
    Response::empty(302).header("location", location).header("x-request-id", request_id())
}
