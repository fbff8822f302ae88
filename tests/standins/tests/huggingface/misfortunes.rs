//! What goes wrong on demand.

use std::sync::mpsc;
use std::time::Duration;

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
