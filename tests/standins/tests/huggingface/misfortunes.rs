//! What goes wrong on demand.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::world::{WEIGHTS, World, file, lfs_file};
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::probe::Probe;

#[test]
fn a_commit_may_happen_although_its_answer_is_lost() {
    let world = World::start();
    let head = world.bert().head();
    world.hf.fault(Rule::route("commit", Fault::DropAnswer));
    let line = "{\"key\":\"header\",\"value\":{\"summary\":\"s\",\"parentCommit\":\"HEAD\"}}\n".replace("HEAD", &head);
    let body = format!("{line}{}", file("a", "a"));
    let url = format!("{}/api/models/alice/bert/commit/main", world.url);
    assert!(Probe::new("POST", url).token(&world.token).body(body).try_send().is_err());
    assert!(world.bert().files().contains_key("a"));
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a", "a")]).status, 412);
}

#[test]
fn an_acknowledged_commit_may_leave_a_file_out() {
    let world = World::start();
    let repo = world.bert();
    repo.misbehave(|quirks| quirks.drops.push("b".to_owned()));
    let head = repo.head();
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a", "a"), file("b", "b")]).status, 200);
    assert!(repo.files().contains_key("a") && !repo.files().contains_key("b"));
}

#[test]
fn other_bytes_may_lie_under_a_blobs_name() {
    let world = World::start();
    let repo = world.bert();
    let (claimed, other) = (Content::generated(1, 1_000), Content::generated(2, 1_000));
    repo.file(WEIGHTS, claimed.clone()).file("a.txt", "good");
    repo.misbehave(|quirks| {
        quirks.serves_instead.insert(WEIGHTS.to_owned(), other.clone());
        quirks.serves_instead.insert("a.txt".to_owned(), "evil".into());
    });
    assert_eq!(world.download("alice/bert", WEIGHTS), other.to_bytes());
    assert_eq!(world.download("alice/bert", "a.txt"), b"evil");
    assert_eq!(repo.files()[WEIGHTS].sha256, claimed.sha256());
    repo.misbehave(|quirks| drop(quirks.lists_instead.insert(WEIGHTS.to_owned(), "f".repeat(64))));
    let tree = world.get(&format!("/api/models/alice/bert/tree/{}", repo.head())).text();
    assert!(tree.contains(&"f".repeat(64)));
}

#[test]
fn listings_and_infos_may_lag_behind() {
    let world = World::start();
    let repo = world.bert();
    repo.misbehave(|quirks| (quirks.stale_listings, quirks.stale_infos) = (2, 1));
    let before = repo.head();
    let reply = world.commit("alice/bert", Some(&before), &[file("a", "a")]);
    let after = reply.json()["commitOid"].as_str().unwrap().to_owned();
    assert_eq!(world.info("alice/bert")["sha"], before.as_str());
    assert_eq!(world.info("alice/bert")["sha"], after.as_str());
    assert!(!world.get("/api/models/alice/bert/tree/main").text().contains("\"a\""));
    assert_eq!(world.get(&format!("/api/models/alice/bert/tree/{after}")).status, 404);
    assert!(world.get(&format!("/api/models/alice/bert/tree/{after}")).text().contains("\"a\""));
}

#[test]
fn visibility_may_be_ignored_and_writes_locked() {
    let world = World::start();
    world.hf.behaviour(|behaviour| behaviour.ignores_visibility = true);
    world.create("alice/new", "private");
    assert_eq!(world.info("alice/new")["private"], false);
    let text = "Private repository storage limit reached, please upgrade your plan";
    world.bert().misbehave(|quirks| quirks.locked = Some(text.to_owned()));
    let head = world.bert().head();
    let reply = world.commit("alice/bert", Some(&head), &[file("a", "a")]);
    assert_eq!((reply.status, reply.header("x-error-message")), (403, Some(text)));
}

#[test]
fn a_cdn_url_may_expire_in_mid_job() {
    let world = World::start();
    world.bert().file(WEIGHTS, Content::generated(1, 1_000));
    let path = format!("/alice/bert/resolve/{}/{WEIGHTS}", world.bert().head());
    world.hf.behaviour(|behaviour| behaviour.url_lifetime = Duration::from_millis(1));
    let location = world.get(&path).header("location").unwrap().to_owned();
    std::thread::sleep(Duration::from_millis(10));
    let reply = Probe::get(location).identity().send();
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("Request has expired"));
    world.hf.behaviour(|behaviour| behaviour.url_lifetime = Duration::from_secs(60));
    world.hf.fault(Rule::route("cdn", Fault::ExpireUrl));
    assert_eq!(Probe::get(world.get(&path).header("location").unwrap()).identity().send().status, 403);
    world.hf.strict().assert_clean();
}

#[test]
fn an_upload_may_be_cut_and_a_test_told_when() {
    let world = World::start();
    let head = world.bert().head();
    let weights = Content::generated(3, 4_000_000);
    let (sender, receiver) = mpsc::channel();
    world.hf.when_uploaded_bytes(1_000_000, Box::new(move || sender.send(()).unwrap()));
    world.hf.fault(Rule::route("storage.put", Fault::ResetUpload(2_000_000)));
    let href = world.ticket("alice/bert", &weights)["actions"]["upload"]["href"].as_str().unwrap().to_owned();
    assert!(Probe::put(&href, weights.to_bytes()).try_send().is_err());
    assert!(receiver.try_recv().is_ok());
    assert!(!world.bert().has_blob(weights.sha256()));
    assert_eq!((world.hf.journal().puts_started(weights.sha256()), world.hf.journal().puts_completed(weights.sha256())), (1, 0));
    assert_eq!(Probe::put(&href, weights.to_bytes()).send().status, 200, "the ticket still holds");
    assert_eq!(world.commit("alice/bert", Some(&head), &[lfs_file(WEIGHTS, &weights)]).status, 200);
    world.hf.strict().assert_clean();
}

#[test]
fn a_byte_that_flips_on_the_way_is_refused_and_is_nobodys_fault() {
    let world = World::start();
    world.bert();
    let small = Content::generated(21, 5_000);
    let put = |content: &Content| {
        let href = world.ticket("alice/bert", content)["actions"]["upload"]["href"].as_str().unwrap().to_owned();
        Probe::put(href, content.to_bytes()).send().status
    };
    world.hf.fault(Rule::route("storage.put", Fault::FlipUpload(4_000)).times(2));
    assert_eq!(put(&small), 400);
    assert!(!world.bert().has_blob(small.sha256()));
    world.hf.behaviour(|behaviour| behaviour.storage_verifies = false);
    assert_eq!(put(&small), 200, "a storage that does not look");
    world.hf.strict().assert_clean();

    let big = Content::generated(22, 9 << 20);
    let ticket = world.ticket("alice/bert", &big);
    world.hf.fault(Rule::route("storage.part", Fault::FlipUpload(100)));
    let etags = crate::world::send_parts(&ticket, &big);
    let complete = ticket["actions"]["upload"]["href"].as_str().unwrap();
    let reply = Probe::post(complete, &json!({ "oid": big.sha256(), "parts": etags })).send();
    assert_eq!(reply.status, 400);
    world.hf.strict().assert_clean();
}

#[test]
fn work_may_be_done_after_a_gateway_gave_up() {
    let world = World::start();
    let head = world.bert().head();
    world.hf.fault(Rule::route("commit", Fault::Late(504, Duration::from_millis(50))));
    let reply = world.commit("alice/bert", Some(&head), &[file("a", "a")]);
    assert_eq!(reply.status, 504);
    assert!(reply.text().starts_with("<!DOCTYPE html>"));
    while !world.bert().files().contains_key("a") {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_answer_may_be_edited() {
    let world = World::start();
    world.bert();
    world.hf.fault(Rule::route("repo.info", Fault::edit(|body| body["sha"] = json!("0000"))));
    assert_eq!(world.info("alice/bert")["sha"], "0000");
    assert_ne!(world.info("alice/bert")["sha"], "0000", "once");
}

#[test]
fn a_repository_may_go_away_or_be_called_otherwise() {
    let world = World::start();
    let renamed = world.bert().rename("alice/bertha");
    let reply = world.get("/api/models/alice/bert");
    assert_eq!((reply.status, reply.header("location")), (307, Some("/api/models/alice/bertha")));
    assert_eq!(world.info("alice/bertha")["id"], "alice/bertha");
    renamed.delete();
    assert_eq!(world.get("/api/models/alice/bertha").status, 404);
}

#[test]
fn a_token_may_die_or_do_less() {
    let world = World::start();
    let repo = world.bert();
    let head = repo.head();
    repo.change(&world.token, standins::huggingface::Role::Read);
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a", "a")]).status, 403);
    repo.revoke(&world.token);
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a", "a")]).status, 401);
}

#[test]
fn an_organisation_may_have_everything_private() {
    let world = World::start();
    world.hf.behaviour(|behaviour| behaviour.creates_private = true);
    assert_eq!(world.create("alice/new", "public").status, 200);
    assert_eq!(world.info("alice/new")["private"], true);
}

#[test]
fn what_was_collected_after_its_ticket_is_nobodys_fault_once() {
    let world = World::start();
    let repo = world.bert();
    let head = repo.head();
    let content = Content::generated(23, 5_000);
    world.upload("alice/bert", &content);
    assert_eq!(repo.collect_garbage(), 1);
    let commit = || world.commit("alice/bert", Some(&head), &[lfs_file(WEIGHTS, &content)]).status;
    assert_eq!(commit(), 400);
    world.hf.strict().assert_clean();
    assert_eq!(commit(), 400);
    world.assert_broken(standins::huggingface::rules::UNKNOWN_BLOB);
}

#[test]
fn a_repository_may_vanish_in_mid_job() {
    let world = World::start();
    let repo = world.bert();
    repo.file("a.txt", "a");
    let path = format!("/alice/bert/resolve/{}/a.txt", repo.head());
    assert_ne!(world.get(&path).status, 404);
    repo.misbehave(|quirks| quirks.gone = true);
    for path in [path.as_str(), "/api/models/alice/bert"] {
        let reply = world.get(path);
        assert_eq!((reply.status, reply.header("x-error-code")), (404, Some("RepoNotFound")));
    }
    world.hf.strict().assert_clean();
}

#[test]
fn a_renamed_repository_is_led_on_to() {
    let world = World::start();
    let repo = world.bert();
    repo.file("a.txt", "a");
    let head = repo.head();
    let renamed = repo.rename("alice/roberta");
    assert_eq!(renamed.head(), head);
    let reply = world.get("/api/models/alice/bert");
    assert_eq!((reply.status, reply.header("location")), (307, Some("/api/models/alice/roberta")));
    let reply = world.get(&format!("/alice/bert/resolve/{head}/a.txt"));
    assert_eq!((reply.status, reply.header("location")), (307, Some(format!("/alice/roberta/resolve/{head}/a.txt").as_str())));
    assert_eq!(world.info("alice/roberta")["id"], "alice/roberta");
    world.hf.strict().assert_clean();
}
