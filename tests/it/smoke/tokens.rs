//! Modal's token in `hf2ms validate`.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use standins::faults::Rule;
use standins::modal::CONTROL;
use standins::modal::misfortunes::status;
use tonic::Code;

use super::Cloud;

/// Runs it for a person and for a program; gives Modal's entry.
#[track_caller]
fn validated(cloud: &Cloud, name: &str, code: i32) -> Value {
    let person = cloud.world.run(&["validate"]).exits(code);
    let shown = cloud.shown(&person);
    // the hubs' entries have tests of their own
    let (_, modal) = shown.split_once("Modal:").unwrap();
    insta::assert_snapshot!(name, format!("Modal:{modal}"));
    let entry = cloud.world.run(&["validate", "--json"]).exits(code).json()["platforms"][2].clone();
    assert_eq!(entry["platform"], "modal");
    entry
}

#[test]
fn a_token_that_is_taken_is_told_with_whose_it_is() {
    let mut cloud = Cloud::start();
    let entry = validated(&cloud, "taken", 0);
    assert_eq!((&entry["account"], &entry["workspace"], &entry["expires"]), (&"alice".into(), &"acme".into(), &Value::Null));
    assert_eq!(entry["hosts"], serde_json::json!([cloud.modal.url().replace("http://", "")]));
    let token = cloud.modal.token_until("alice", Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800)));
    cloud.world.unset("MODAL_TOKEN_ID");
    cloud.world.unset("MODAL_TOKEN_SECRET");
    let profile = format!("[mine]\ntoken_id = \"{}\"\ntoken_secret = \"{}\"\nactive = true\n", token.id, token.secret);
    std::fs::write(cloud.world.home.join(".modal.toml"), profile).unwrap();
    assert_eq!(validated(&cloud, "from_a_profile", 0)["expires"], "2100-01-01T00:00:00Z");
    assert!(cloud.modal.sandboxes().is_empty());
}

#[test]
fn no_token_is_no_failure_and_half_of_one_is() {
    let mut cloud = Cloud::start();
    cloud.world.unset("MODAL_TOKEN_SECRET");
    assert_eq!(validated(&cloud, "half", 3)["error"]["kind"], "unauthorized");
    cloud.world.unset("MODAL_TOKEN_ID");
    let entry = validated(&cloud, "absent", 0);
    assert_eq!((&entry["present"], &entry["error"]), (&false.into(), &Value::Null));
    assert_eq!(cloud.modal.journal().total_requests(), 0);
}

#[test]
fn a_token_that_is_refused_or_cannot_be_asked_about_is_a_failure() {
    let mut cloud = Cloud::start();
    cloud.modal.fault(Rule::route("TokenInfoGet", status(Code::Internal)).always());
    assert_eq!(validated(&cloud, "unclear", 1)["read"], "unknown");
    cloud.modal.faults().clear();
    cloud.modal.unreachable_for(CONTROL, Duration::from_secs(3_600));
    assert_eq!(cloud.world.run(&["validate", "--json"]).exits(1).json()["platforms"][2]["error"]["kind"], "unavailable");
    cloud.modal.unreachable_for(CONTROL, Duration::ZERO);
    cloud.world.set("MODAL_TOKEN_SECRET", "as-0123456789abcdefghijkl");
    assert_eq!(validated(&cloud, "refused", 3)["read"], "no");
    cloud.world.set("MODAL_PROFILE", "nobody");
    cloud.world.unset("MODAL_TOKEN_ID");
    assert_eq!(validated(&cloud, "no_profile", 1)["error"]["kind"], "usage");
}
