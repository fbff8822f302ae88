//! Every call: who is asked, as whom, and what happens when it is refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hf2ms::error::ErrorKind;
use standins::faults::Rule;
use standins::modal::misfortunes::{spend_limit, status, throttled};
use tonic::Code;

use crate::world::World;

#[tokio::test]
async fn a_token_tells_whose_it_is() {
    let world = World::start();
    let account = world.client().await.unwrap().whoami().await.unwrap();
    assert_eq!((account.workspace.as_str(), account.user.as_deref()), ("acme", Some("alice")));
    assert_eq!(account.expires, None);
    world.clean();
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_the_page_where_one_is_made() {
    let world = World::start().with("MODAL_TOKEN_SECRET", "as-wrong");
    let error = world.client().await.unwrap().whoami().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.hint().unwrap().contains("https://modal.com/settings/tokens"));
    assert!(!format!("{error} {error:?}").contains("as-wrong"));
    world.clean();
}

#[tokio::test]
async fn a_client_that_is_refused_says_as_whom_it_came() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.refused_clients.push((9, "1.0.0".to_owned())));
    let error = world.client().await.unwrap().hello().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.fact("client"), Some("type 9, version 1.0.0, modal-go/0.9.0"));
    let python = world.with("HF2MS_MODAL_CLIENT_TYPE", "1");
    python.client().await.unwrap().hello().await.unwrap();
    python.clean();
}

#[tokio::test]
async fn warnings_are_told_once() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.warnings.push("budget at 90 %".to_owned()));
    let client = world.client().await.unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = heard.clone();
    client.tell_to(move |text| into.lock().unwrap().push(text.to_owned()));
    client.whoami().await.unwrap();
    client.whoami().await.unwrap();
    assert_eq!(*heard.lock().unwrap(), ["Modal says: budget at 90 %"]);
    world.clean();
}

#[tokio::test]
async fn a_call_that_fails_in_passing_is_sent_again_under_the_same_key() {
    for code in [Code::Unavailable, Code::Internal, Code::Unknown, Code::DeadlineExceeded, Code::Cancelled] {
        let world = World::start();
        world.modal.fault(Rule::route("TokenInfoGet", status(code)).times(3));
        world.client().await.unwrap().whoami().await.unwrap();
        assert_eq!(world.calls("TokenInfoGet"), 4, "{code:?}");
        world.clean();
    }
    let world = World::start();
    world.modal.fault(Rule::route("TokenInfoGet", status(Code::Unavailable)).always());
    let error = world.client().await.unwrap().whoami().await.unwrap_err();
    assert_eq!((error.kind(), error.fact("tries")), (ErrorKind::Unavailable, Some("4")));
    world.clean();
}

#[tokio::test]
async fn a_throttle_is_waited_out_and_a_spend_limit_is_not() {
    let world = World::start();
    world.modal.fault(Rule::route("TokenInfoGet", throttled(0.1)).times(8));
    let client = world.client().await.unwrap();
    client.whoami().await.unwrap();
    assert_eq!(world.calls("TokenInfoGet"), 9);
    world.modal.fault(Rule::route("TokenInfoGet", spend_limit()));
    let error = client.whoami().await.unwrap_err();
    assert_eq!((error.kind(), world.calls("TokenInfoGet")), (ErrorKind::Forbidden, 10));
    assert!(error.to_string().contains("spend limit"), "{error}");
    world.clean();
}

#[tokio::test]
async fn a_throttle_longer_than_allowed_is_an_error() {
    let world = World::start().with("MODAL_MAX_THROTTLE_WAIT", "5");
    world.modal.fault(Rule::route("TokenInfoGet", throttled(6.0)).always());
    let error = world.client().await.unwrap().whoami().await.unwrap_err();
    assert_eq!((error.kind(), world.calls("TokenInfoGet")), (ErrorKind::RateLimited, 1));
    world.clean();
}

#[tokio::test]
async fn the_short_lived_token_is_fetched_once_and_again_when_it_is_refused() {
    let world = World::start();
    let client = world.client().await.unwrap();
    let asked = (0..8).map(|_| client.running("nobody"));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap(), None);
    }
    assert_eq!(world.calls("AuthTokenGet"), 1);
    world.modal.expire_auth_tokens();
    assert_eq!(client.running("nobody").await.unwrap(), None);
    assert_eq!(world.calls("AuthTokenGet"), 2);
    world.clean();
}

#[tokio::test]
async fn the_second_address_is_taken_when_the_first_is_down() {
    let world = World::start();
    let servers = format!("http://127.0.0.1:9,{}", world.modal.url());
    let world = world.with("MODAL_SERVER_URL", &servers);
    world.client().await.unwrap().whoami().await.unwrap();
    world.clean();
}

#[tokio::test]
async fn a_patient_client_sits_an_outage_out() {
    let world = World::start();
    let client = world.client().await.unwrap();
    client.whoami().await.unwrap();
    world.modal.unreachable_for(standins::modal::CONTROL, Duration::from_secs(4));
    assert_eq!(client.whoami().await.unwrap_err().kind(), ErrorKind::Unavailable);
    client.patient().whoami().await.unwrap();
    world.clean();
}
