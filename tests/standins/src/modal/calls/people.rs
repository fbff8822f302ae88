//! Who is calling, and what it costs them.

use std::time::SystemTime;

use crate::modal::hub::Hub;
use crate::modal::proto::token_info_get_response::Identity;
use crate::modal::proto::{
    AuthTokenGetResponse, ClientHelloResponse, TokenInfoGetResponse, UserIdentity, Warning, WorkspaceBillingRatesResponse,
    WorkspaceNameLookupResponse,
};
use crate::modal::tokens::{Opens, Pair};

/// A warning that says nothing in particular.
const WARNING_OTHER: i32 = 1;

pub(super) fn hello(hub: &Hub) -> ClientHelloResponse {
    let behaviour = hub.behaviour();
    let server_warnings = behaviour.warnings.into_iter().map(|message| Warning { r#type: WARNING_OTHER, message }).collect();
    ClientHelloResponse { warning: String::new(), image_builder_version: behaviour.image_builder_version, server_warnings }
}

pub(super) fn workspace(hub: &Hub) -> WorkspaceNameLookupResponse {
    WorkspaceNameLookupResponse { workspace_name: String::new(), username: hub.workspace.clone() }
}

pub(super) fn token_info(hub: &Hub, caller: &Pair) -> TokenInfoGetResponse {
    let user = UserIdentity { user_id: format!("us-{}", caller.user), username: caller.user.clone() };
    TokenInfoGetResponse {
        token_id: caller.id.clone(),
        workspace_id: "ac-standin".to_owned(),
        workspace_name: hub.workspace.clone(),
        identity: Some(Identity::UserIdentity(user)),
        created_at: Some(caller.made.into()),
        expires_at: caller.expires.map(SystemTime::into),
        token_name: format!("{}'s token", caller.user),
    }
}

pub(super) fn auth_token(hub: &Hub) -> AuthTokenGetResponse {
    let behaviour = hub.behaviour();
    let token = hub.state().tokens.issue(Opens::Control, behaviour.auth_token_lifetime, behaviour.auth_token_says_exp);
    AuthTokenGetResponse { token }
}

pub(super) fn rates(hub: &Hub) -> WorkspaceBillingRatesResponse {
    let rates = hub.behaviour().billing_rates;
    let formatted = rates.iter().map(|(resource, rate)| format!("{resource}: ${rate}\n")).collect();
    WorkspaceBillingRatesResponse { rates: rates.into_iter().collect(), formatted }
}
