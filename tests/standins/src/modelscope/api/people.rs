//! Login, and who somebody is (facts/modelscope §1.3).

use serde_json::{Map, json};

use super::json_body;
use crate::modelscope::accounts::{Caller, Tier};
use crate::modelscope::envelope::{Refusal, Stop, legacy, openapi};
use crate::modelscope::hub::Hub;
use crate::modelscope::rules;
use crate::server::{Request, Response};

/// Both a wrong token and a read-tier one are refused with 400 and this code.
const LOGIN_REFUSED: u64 = 10_010_103_009;

pub(super) async fn login(hub: &Hub, request: &mut Request) -> Result<Response, Stop> {
    let body = json_body(request, 64 << 10).await?;
    let token = body["AccessToken"].as_str().unwrap_or_default();
    let mut state = hub.state();
    let known = state.accounts.find(token).filter(|known| known.tier >= Tier::Write).cloned();
    let Some(known) = known.filter(|_| !hub.behaviour().refuses_logins) else {
        return Err(Refusal::new(400, LOGIN_REFUSED, "AccessToken is invalid or expired").into());
    };
    if state.watch.login(&known.user) {
        hub.rig.strict.broken(rules::MANY_LOGINS, &known.user);
    }
    let session = state.accounts.open_session(&known);
    hub.rig.guard.marks.token(hub.rig.guard.hub, &session);
    hub.rig.guard.marks.token(hub.rig.guard.hub, &format!("git-{session}"));
    let data = json!({
        "AccessToken": format!("git-{session}"),
        "Username": known.user,
        "Email": format!("{}@example.com", known.user),
    });
    let cookie = format!("m_session_id={session}; Path=/; Max-Age=2592000; HttpOnly");
    Ok(legacy(data).header("set-cookie", cookie))
}

pub(super) fn me(caller: &Caller) -> Result<Response, Refusal> {
    caller.reader()?;
    let user = &caller.known()?.user;
    Ok(openapi(json!({ "username": user, "email": format!("{user}@example.com"), "nickname": user })))
}

pub(super) fn organizations(hub: &Hub, caller: &Caller) -> Result<Response, Refusal> {
    let user = front_end_user(hub, caller)?;
    let state = hub.state();
    let one = |name: &str| json!({ "Name": name, "FullName": name });
    let all: Vec<_> = state.accounts.organizations_of(&user).into_iter().map(one).collect();
    Ok(legacy(json!(all)))
}

pub(super) fn login_info(hub: &Hub, caller: &Caller) -> Result<Response, Refusal> {
    let user = front_end_user(hub, caller)?;
    let state = hub.state();
    let role = |name: &str| (name.to_owned(), json!("write"));
    let roles: Map<_, _> = state.accounts.organizations_of(&user).into_iter().map(role).collect();
    Ok(legacy(json!({ "Name": user, "OrgRoleMap": roles })))
}

pub(super) fn brief(hub: &Hub, name: &str) -> Result<Response, Refusal> {
    if !hub.state().accounts.organizations.contains_key(name) {
        return Err(Refusal::missing("the organization"));
    }
    Ok(legacy(json!({ "Name": name, "FullName": name })))
}

/// The pages of the web front-end: a session opens them, a bare token perhaps.
fn front_end_user(hub: &Hub, caller: &Caller) -> Result<String, Refusal> {
    let known = caller.known()?;
    if known.session || hub.behaviour().token_opens_organizations { Ok(known.user.clone()) } else { Err(Refusal::unauthenticated()) }
}
