//! LFS negotiation: which objects are still wanted, and where to put them (facts/modelscope §3.3).

use serde_json::{Value, json};

use super::json_body;
use crate::modelscope::accounts::Caller;
use crate::modelscope::behaviour::Behaviour;
use crate::modelscope::envelope::{Refusal, Stop, legacy};
use crate::modelscope::hub::{Hub, State};
use crate::modelscope::repo::RepoKey;
use crate::modelscope::routes::Address;
use crate::modelscope::rules::{self, BATCH_LIMIT};
use crate::server::{Request, Response};

pub(super) async fn batch(hub: &Hub, request: &mut Request, address: &Address, caller: &Caller) -> Result<Response, Stop> {
    let body = json_body(request, 8 << 20).await?;
    let behaviour = hub.behaviour();
    let mut state = hub.state();
    let repo = state.writable(address, caller)?.key();
    if body["operation"] != "upload" {
        return Err(Refusal::bad("operation must be upload").into());
    }
    let objects = objects(&body)?;
    let oids: Vec<&str> = objects.iter().map(|(oid, _)| *oid).collect();
    if oids.len() > BATCH_LIMIT {
        hub.rig.strict.broken(rules::BATCH_TOO_LONG, format!("{} objects", oids.len()));
    }
    if state.watch.batch(&repo, &oids) {
        hub.rig.strict.broken(rules::BATCH_ONE_BY_ONE, &repo.1);
    }
    let (mut wanted, mut reused) = (Vec::new(), Vec::new());
    for (oid, size) in objects {
        if let Some((code, message)) = behaviour.refused_objects.get(oid) {
            wanted.push(json!({ "oid": oid, "size": size, "error": { "code": code, "message": message } }));
        } else if hub.has_object(&state, &repo, oid, size) {
            reused.push(json!({ "oid": oid, "size": size }));
        } else {
            wanted.push(ticket(hub, &state, &behaviour, &repo, oid, size));
        }
    }
    // Only what is to be uploaded is listed: an oid that is absent is stored already.
    Ok(legacy(json!({ "objects": wanted, "reused-objects": reused })))
}

fn objects<'body>(body: &'body Value) -> Result<Vec<(&'body str, u64)>, Refusal> {
    let listed = body["objects"].as_array().ok_or_else(|| Refusal::bad("objects are required"))?;
    let one = |object: &'body Value| object["oid"].as_str().filter(|oid| is_sha256(oid)).zip(object["size"].as_u64());
    let read: Option<Vec<(&str, u64)>> = listed.iter().map(one).collect();
    read.ok_or_else(|| Refusal::bad("every object needs an oid and a size"))
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn ticket(hub: &Hub, state: &State, behaviour: &Behaviour, repo: &RepoKey, oid: &str, size: u64) -> Value {
    let kept = state.partial.get(oid).map_or(0, |intake| intake.size());
    let offset = if behaviour.resumable_puts { kept } else { behaviour.upload_offset };
    let href = format!("{}/api/v1/repos/{}/{}/blobs/{oid}/{size}", hub.lfs, repo.0.plural(), repo.1);
    json!({
        "oid": oid,
        "size": size,
        "actions": {
            "upload": {
                "href": href,
                "offset": offset,
                "upload_header": { "Range": format!("bytes={offset}-") },
                "upload_parameters": {},
            },
        },
    })
}
