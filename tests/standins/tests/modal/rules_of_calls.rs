//! Rules about the head of a call, each broken once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use standins::marks::Marks;
use standins::modal::proto::*;
use standins::modal::{Setup, rules};
use tonic::Code;

use crate::world::{MARKED, World, key};

fn hello(world: &World, change: impl FnOnce(&mut crate::world::Headers)) -> Result<ClientHelloResponse, tonic::Status> {
    let mut headers = world.headers();
    change(&mut headers);
    world.call_with("ClientHello", (), &headers)
}

#[test]
fn an_unknown_client_is_refused() {
    let world = World::start();
    for (kind, version) in [("3", "1.6.4"), ("9", "1.2.3"), ("1", "0.77.0"), ("2", "1.0.0")] {
        let refused = world.breaks(rules::CLIENT_GATE, || {
            hello(&world, |headers| {
                headers.insert("x-modal-client-type", kind.to_owned());
                headers.insert("x-modal-client-version", version.to_owned());
            })
        });
        assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition, "{kind} {version}");
    }
    let python = hello(&world, |headers| {
        headers.insert("x-modal-client-type", "1".to_owned());
        headers.insert("x-modal-client-version", "1.6.4".to_owned());
        headers.remove("x-modal-libmodal-version");
    });
    python.unwrap();
    world.modal.strict().assert_clean();
}

#[test]
fn a_client_refused_by_a_test_has_broken_no_rule() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.refused_clients.push((9, "1.0.0".to_owned())));
    assert_eq!(hello(&world, |_| ()).unwrap_err().code(), Code::FailedPrecondition);
    world.modal.strict().assert_clean();
}

#[test]
fn a_go_client_says_which_one_it_is() {
    let world = World::start();
    world.breaks(rules::LIBMODAL_VERSION, || hello(&world, |headers| drop(headers.remove("x-modal-libmodal-version")))).unwrap();
}

#[test]
fn a_unary_call_has_a_random_key() {
    let world = World::start();
    world.breaks(rules::IDEMPOTENCY_KEY, || hello(&world, |headers| drop(headers.remove("x-idempotency-key")))).unwrap();
    let malformed = |headers: &mut crate::world::Headers| drop(headers.insert("x-idempotency-key", "job-1".to_owned()));
    world.breaks(rules::IDEMPOTENCY_KEY, || hello(&world, malformed)).unwrap();
}

#[test]
fn a_key_belongs_to_one_call() {
    let world = World::start();
    let headers = world.headers();
    let app = |name: &str| AppGetOrCreateRequest { app_name: name.to_owned(), object_creation_type: 1, ..Default::default() };
    let first: AppGetOrCreateResponse = world.call_with("AppGetOrCreate", app("one"), &headers).unwrap();
    let again: AppGetOrCreateResponse = world.call_with("AppGetOrCreate", app("one"), &headers).unwrap();
    assert_eq!(first, again);
    let other = world.breaks(rules::KEY_REUSED, || world.call_with::<_, AppGetOrCreateResponse>("AppGetOrCreate", app("two"), &headers));
    assert_eq!(other.unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn a_unary_call_counts_its_tries() {
    let world = World::start();
    world.breaks(rules::RETRY_COUNTERS, || hello(&world, |headers| drop(headers.remove("x-retry-attempt")))).unwrap();
}

#[test]
fn a_wrong_pair_is_nobody() {
    let world = World::start();
    let wrong = |headers: &mut crate::world::Headers| drop(headers.insert("x-modal-token-secret", "as-0000000000000000000000".to_owned()));
    assert_eq!(hello(&world, wrong).unwrap_err().code(), Code::Unauthenticated);
    world.modal.revoke(&world.token);
    assert_eq!(hello(&world, |_| ()).unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn a_v2_call_needs_a_token_of_its_own() {
    let world = World::start();
    let list = SandboxListRequest { app_id: world.app_id(), ..Default::default() };
    let without = || world.call_with::<_, SandboxListResponse>("SandboxListV2", list.clone(), &world.headers());
    assert_eq!(world.breaks(rules::AUTH_TOKEN, without).unwrap_err().code(), Code::Unauthenticated);
    let mut headers = world.headers();
    headers.insert("x-modal-auth-token", "a.b.c".to_owned());
    let foreign = || world.call_with::<_, SandboxListResponse>("SandboxListV2", list.clone(), &headers);
    assert_eq!(world.breaks(rules::AUTH_TOKEN, foreign).unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn an_expired_token_of_v2_calls_is_refused_and_no_rule_is_broken() {
    let world = World::start();
    let headers = world.headers_v2();
    world.modal.expire_auth_tokens();
    let list = SandboxListRequest { app_id: world.app_id(), ..Default::default() };
    let refused = world.call_with::<_, SandboxListResponse>("SandboxListV2", list, &headers);
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
    world.modal.strict().assert_clean();
}

#[test]
fn a_sandbox_token_is_one_that_was_given() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.sandbox_tokens = true);
    let (made, _) = world.run("hf2ms-1", "exit 0");
    let wait = SandboxWaitRequest { sandbox_id: made.sandbox_id, timeout: 0.0 };
    let mut headers = world.headers_v2();
    headers.insert("x-modal-sandbox-token", made.sandbox_token);
    world.call_with::<_, SandboxWaitResponse>("SandboxWaitV2", wait.clone(), &headers).unwrap();
    world.modal.strict().assert_clean();
    headers.insert("x-modal-sandbox-token", "made up".to_owned());
    headers.insert("x-idempotency-key", key());
    world.breaks(rules::SANDBOX_TOKEN, || world.call_with::<_, SandboxWaitResponse>("SandboxWaitV2", wait, &headers)).unwrap();
}

#[test]
fn a_message_beyond_a_hundred_mebibytes_is_too_large() {
    let world = World::start();
    let data = Some(mount_put_file_request::DataOneof::Data(vec![0; 101 << 20]));
    let put = MountPutFileRequest { sha256_hex: "0".repeat(64), data_oneof: data };
    let refused = world.breaks(rules::MESSAGE_SIZE, || world.call::<_, MountPutFileResponse>("MountPutFile", put));
    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
}

#[test]
fn a_secret_in_a_header_is_astray() {
    let world = World::start();
    world.breaks(rules::SECRET_OUTSIDE, || hello(&world, |headers| drop(headers.insert("x-modal-node", MARKED.to_owned())))).unwrap();
    // at the router even the token that is at home at the control plane
    let headers = std::collections::BTreeMap::from([("x-modal-token-secret", world.token.secret.clone())]);
    let call = || world.read_with(&headers, "ta-1", 0);
    let broken = |world: &World| world.modal.strict().count_of(rules::SECRET_OUTSIDE);
    let (_, refused) = call();
    assert_eq!((refused.unwrap_err().code(), broken(&world)), (Code::Unauthenticated, 1));
}

#[test]
fn either_half_of_a_token_belongs_into_its_own_header() {
    let marks = Marks::default();
    let world = World::begin(Setup { marks: marks.clone(), ..Setup::default() });
    // whoever hands it to a program marks this half too
    marks.token("modal", &world.token.id);
    hello(&world, |_| {}).unwrap();
    world.modal.strict().assert_clean();
    for half in [world.token.id.clone(), world.token.secret.clone()] {
        world.breaks(rules::SECRET_OUTSIDE, || hello(&world, |headers| drop(headers.insert("x-modal-host", half)))).unwrap();
    }
}

#[test]
fn a_token_of_v2_calls_says_how_long_it_holds() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.auth_token_lifetime = Duration::from_secs(3));
    let claims = || {
        let token = world.call::<_, AuthTokenGetResponse>("AuthTokenGet", AuthTokenGetRequest {}).unwrap().token;
        let claims = token.split('.').nth(1).unwrap().to_owned();
        serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
    };
    let told = claims();
    assert!(told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap() <= 3, "{told}");
    world.modal.behaviour(|behaviour| behaviour.auth_token_says_exp = false);
    assert!(claims().get("exp").is_none());
    world.modal.behaviour(|behaviour| behaviour.auth_token_lifetime = Duration::ZERO);
    let list = SandboxListRequest { app_id: world.app_id(), ..Default::default() };
    let refused = world.call::<_, SandboxListResponse>("SandboxListV2", list);
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
}
