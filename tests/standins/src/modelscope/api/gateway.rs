//! The upload gateway: one object, one PUT (facts/modelscope §3.3).

use serde_json::json;

use super::batch::is_sha256;
use crate::content::Content;
use crate::modelscope::accounts::Caller;
use crate::modelscope::envelope::{OVERLOADED, Refusal, Stop, legacy};
use crate::modelscope::hub::Hub;
use crate::modelscope::repo::RepoKey;
use crate::modelscope::routes::Address;
use crate::modelscope::rules;
use crate::server::{Request, Response};
use crate::store::{Blob, Intake};

/// An upload as its URL announces it.
struct Announced<'a> {
    repo: RepoKey,
    oid: &'a str,
    size: u64,
    /// The bytes kept from a broken upload that this one continues.
    offset: u64,
}

pub(super) async fn put(
    hub: &Hub,
    request: &mut Request,
    address: &Address,
    caller: &Caller,
    oid: &str,
    size: &str,
) -> Result<Response, Stop> {
    if matches!(caller, Caller::Nobody | Caller::Rejected) {
        // The same code as a commit's throttle: only the text tells them apart (§2.1).
        return Err(Refusal::new(400, OVERLOADED, "user not logged in").into());
    }
    let announced = admit(hub, request, address, caller, oid, size)?;
    check_head(hub, request, &announced)?;
    hub.rig.journal.put_started(oid, 0);
    if size == "0" {
        hub.rig.strict.broken(rules::EMPTY_PUT, &announced.repo.1);
    }
    note_needless(hub, &announced);
    let blob = receive(hub, request, &announced).await?;
    accept(hub, &announced, blob, request.body.is_damaged())?;
    note_completion(hub, oid, request.answer_lost);
    Ok(legacy(json!({})))
}

/// Lets those in who may write here.
fn admit<'a>(hub: &Hub, request: &Request, address: &Address, caller: &Caller, oid: &'a str, size: &str) -> Result<Announced<'a>, Refusal> {
    let mut state = hub.state();
    let repo = state.writable(address, caller)?;
    hub.expect_read_back(repo);
    let repo = repo.key();
    hub.expect_full_listing(&mut state, &repo);
    let size = size.parse().ok().filter(|_| is_sha256(oid));
    let size = size.ok_or_else(|| Refusal::bad("the blob's address is not valid"))?;
    let kept = state.partial.get(oid).map_or(0, Intake::size);
    let continues = hub.behaviour().resumable_puts && request.header("range") == Some(&format!("bytes={kept}-"));
    if !continues {
        state.partial.remove(oid);
    }
    Ok(Announced { repo, oid, size, offset: if continues { kept } else { 0 } })
}

/// What the head alone says about the manners of an upload.
fn check_head(hub: &Hub, request: &Request, announced: &Announced<'_>) -> Result<(), Refusal> {
    if request.version != hyper::Version::HTTP_11 {
        hub.rig.strict.broken(rules::PUT_PROTOCOL, format!("{:?}", request.version));
    }
    let continues = announced.offset > 0;
    for header in ["content-type", "range"] {
        if request.headers.contains_key(header) && !(continues && header == "range") {
            hub.rig.strict.broken(rules::PUT_HEADERS, header);
        }
    }
    let expected = announced.size - announced.offset.min(announced.size);
    match request.content_length() {
        None => {
            hub.rig.strict.broken(rules::CHUNKED_PUT, announced.oid);
            Err(Refusal::new(411, 411, "Content-Length is required"))
        }
        Some(length) if length != expected => {
            hub.rig.strict.broken(rules::PUT_LENGTH, format!("{length} bytes for {expected}"));
            Err(Refusal::bad("Content-Length does not match the size of the blob"))
        }
        Some(_) => Ok(()),
    }
}

/// Takes the bytes in. What a broken upload leaves is kept only if uploads can be continued.
async fn receive(hub: &Hub, request: &mut Request, announced: &Announced<'_>) -> Result<Blob, Stop> {
    let kept = hub.state().partial.remove(announced.oid);
    let mut intake = kept.unwrap_or_else(|| hub.store.receive(announced.oid));
    loop {
        match request.body.next().await {
            Ok(Some(chunk)) => intake.write(&chunk),
            Ok(None) => return Ok(intake.finish()),
            Err(gone) => {
                if hub.behaviour().resumable_puts && intake.size() > 0 {
                    hub.state().partial.insert(announced.oid.to_owned(), intake);
                }
                return Err(gone.into());
            }
        }
    }
}

/// An object that is stored needs no PUT, unless its sender never heard that it arrived.
fn note_needless(hub: &Hub, announced: &Announced<'_>) {
    let state = hub.state();
    let known = hub.has_object(&state, &announced.repo, announced.oid, announced.size);
    if known && !state.unheard.contains(announced.oid) {
        hub.rig.strict.broken(rules::NEEDLESS_PUT, announced.oid);
    }
}

fn note_completion(hub: &Hub, oid: &str, answer_lost: bool) {
    hub.rig.journal.put_completed(oid, 0);
    let mut state = hub.state();
    if hub.rig.journal.puts_completed(oid) > 1 && !state.unheard.contains(oid) {
        hub.rig.strict.broken(rules::RESENT, oid);
    }
    if answer_lost {
        state.unheard.insert(oid.to_owned());
    } else {
        state.unheard.remove(oid);
    }
}

/// Compares what came with what was announced, and keeps it.
fn accept(hub: &Hub, announced: &Announced<'_>, blob: Blob, damaged: bool) -> Result<(), Refusal> {
    let oid = announced.oid;
    if blob.size != announced.size {
        hub.rig.strict.broken(rules::PUT_LENGTH, format!("{} bytes came of {}", blob.size, announced.size));
        return Err(Refusal::bad("the body is not as long as the blob"));
    }
    if blob.sha256 != oid {
        if !damaged {
            hub.rig.strict.broken(rules::WRONG_BYTES, oid);
        }
        if hub.behaviour().gateway_verifies_sha256 {
            return Err(Refusal::bad("sha256 mismatch"));
        }
    }
    // A gateway that does not look keeps other bytes under the name; where they were not kept, any others will do.
    let content = blob.content.or_else(|| (blob.sha256 != oid).then(|| Content::generated(1, blob.size)));
    let blob = Blob { content, ..blob };
    let mut state = hub.state();
    if let Some(repo) = state.repos.get_mut(&announced.repo) {
        repo.objects.insert(oid.to_owned());
    }
    hub.store.insert_as(oid, blob);
    Ok(())
}
