//! Commits: many actions, all or nothing (facts/modelscope §3.4).

use serde_json::{Value, json};

use super::json_body;
use crate::modelscope::accounts::Caller;
use crate::modelscope::action::{self, Action, Body};
use crate::modelscope::behaviour::{Behaviour, Throttled};
use crate::modelscope::envelope::{Refusal, Stop, legacy};
use crate::modelscope::hub::{Hub, State};
use crate::modelscope::judge::{Verdict, judge};
use crate::modelscope::routes::Address;
use crate::modelscope::rules;
use crate::rig::CommitMoment;
use crate::server::{Request, Response};

/// Larger bodies never reach the application: 500 MB of inline content (§3.7), in base64.
const BODY: usize = 700 << 20;

pub(super) async fn commit(hub: &Hub, request: &mut Request, address: &Address, caller: &Caller, branch: &str) -> Result<Response, Stop> {
    let body = json_body(request, BODY).await?;
    let behaviour = hub.behaviour();
    let count = body["actions"].as_array().map_or(0, Vec::len);
    admit(hub, address, caller, &behaviour, count)?;
    let actions = read_actions(hub, &behaviour, &body)?;
    let first = look(hub, address, branch, &actions, &behaviour)?;
    let broken = first.broken.into_iter().filter(|(rule, path)| *rule != rules::UNKNOWN_BLOB || !was_collected(hub, &actions, path));
    broken.for_each(|(rule, detail)| hub.rig.strict.broken(rule, detail));
    first.refusal.map_or(Ok(()), Err)?;
    notice_habits(hub, address, &actions);

    hub.rig.moments.reach(CommitMoment::BeforeApply);
    // Somebody else may have been here meanwhile: look again.
    let second = look(hub, address, branch, &actions, &behaviour)?;
    second.refusal.map_or(Ok(()), Err)?;
    let message = body["commit_message"].as_str().filter(|text| !text.is_empty()).unwrap_or("update");
    let id = {
        let mut state = hub.state();
        let repo = state.writable(address, caller)?;
        let dropped = |path: &str| repo.quirks.drops.iter().any(|drop| drop == path);
        let kept = second.changes.into_iter().filter(|change| !dropped(change.path())).collect();
        repo.apply(branch, kept, message, &caller.known()?.user)
    };
    hub.rig.moments.reach(CommitMoment::AfterApplyBeforeAnswer);
    Ok(legacy(json!({ "oid": id })))
}

/// Whether the blob of this path was collected after its sender had asked for it: that is not the sender's fault, once.
fn was_collected(hub: &Hub, actions: &[Action], path: &str) -> bool {
    let mut state = hub.state();
    actions.iter().filter(|action| action.path == path).any(|action| match &action.body {
        Body::Lfs { sha256, .. } => state.collected.remove(sha256),
        _ => false,
    })
}

/// Lets those in who may write here, and not too often.
fn admit(hub: &Hub, address: &Address, caller: &Caller, behaviour: &Behaviour, actions: usize) -> Result<(), Refusal> {
    let mut state = hub.state();
    let repo = state.writable(address, caller)?;
    hub.expect_read_back(repo);
    let key = repo.key();
    hub.expect_full_listing(&mut state, &key);
    // what is refused for its size is no commit that the throttle counts
    if actions > behaviour.policy_above {
        return Err(Refusal::policy());
    }
    let Some(throttle) = behaviour.commit_throttle else { return Ok(()) };
    let passage = state.watch.throttle(&key, throttle);
    for (broken, rule) in [(passage.early, rules::COMMIT_TOO_EARLY), (passage.again, rules::THROTTLE_IGNORED)] {
        if broken {
            hub.rig.strict.broken(rule, &key.1);
        }
    }
    let Some(left) = passage.left else { return Ok(()) };
    Err(match throttle.answer {
        Throttled::Policy => Refusal::policy(),
        answer => {
            let refusal = Refusal::new(429, 429, "E1021: Commit frequency limit exceeded");
            refusal.after(answer.named(left).map(|wait| wait.as_secs()))
        }
    })
}

fn read_actions(hub: &Hub, behaviour: &Behaviour, body: &Value) -> Result<Vec<Action>, Refusal> {
    let listed = body["actions"].as_array().map_or(&[][..], Vec::as_slice);
    if listed.is_empty() {
        hub.rig.strict.broken(rules::EMPTY_COMMIT, "no actions");
        return Err(Refusal::bad("actions are required"));
    }
    if listed.len() > behaviour.commit_actions {
        hub.rig.strict.broken(rules::TOO_MANY_ACTIONS, listed.len().to_string());
        let text = format!("commit request exceeds actions limit: {} > {}", listed.len(), behaviour.commit_actions);
        return Err(Refusal::new(422, 422, text));
    }
    let actions: Vec<Action> = listed.iter().map(action::read).collect::<Result<_, _>>()?;
    let inline = |action: &Action| if let Body::Inline(content) = &action.body { content.len() } else { 0 };
    if actions.iter().map(inline).sum::<u64>() > behaviour.inline_total {
        return Err(Refusal::new(413, 413, "request entity too large"));
    }
    Ok(actions)
}

fn notice_habits(hub: &Hub, address: &Address, actions: &[Action]) {
    let mut state = hub.state();
    let Some(key) = state.key_of(address) else { return };
    if state.watch.commit(&key, actions.len()) {
        hub.rig.strict.broken(rules::COMMIT_PER_FILE, &key.1);
    }
}

fn look(hub: &Hub, address: &Address, branch: &str, actions: &[Action], behaviour: &Behaviour) -> Result<Verdict, Refusal> {
    let state: &State = &hub.state();
    let repo = state.key_of(address).and_then(|key| state.repos.get(&key));
    let repo = repo.ok_or_else(|| Refusal::missing("the repository"))?;
    let key = repo.key();
    Ok(judge(repo, branch, actions, behaviour, |oid, size| hub.has_object(state, &key, oid, size)))
}
