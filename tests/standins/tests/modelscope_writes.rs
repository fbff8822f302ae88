//! What can be written to ModelScope, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod modelscope_desk;

use std::sync::mpsc;
use std::time::Duration;

use modelscope_desk::{Desk, REPO, assert_refused, delete, inline, paths, pointer};
use serde_json::json;
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::modelscope::{CreateOnExisting, Dedup, LFS, RepoKind, Site, Throttle, Throttled, Tier, Visibility, rules};
use standins::probe::{Probe, Reply};
use standins::rig::CommitMoment;

fn form(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    fields.iter().map(part).collect::<String>() + "--frontier--\r\n"
}

fn create_dataset(desk: &Desk, fields: &[(&str, &str)]) -> Reply {
    let probe = Probe::new("POST", desk.url("/api/v1/datasets")).body(form(fields));
    desk.signed(probe.header("Content-Type", "multipart/form-data; boundary=frontier")).send()
}

fn create_model(desk: &Desk, owner: &str, name: &str, license: &str) -> Reply {
    let body = json!({ "Path": owner, "Name": name, "Visibility": 1, "License": license });
    desk.post("/api/v1/models", &body)
}

#[test]
fn a_model_is_created_by_json_and_a_dataset_by_form() {
    let desk = Desk::new();
    assert_eq!(create_model(&desk, "alice", "m1", "Apache-2.0").status, 200);
    let model = desk.ms.repo(RepoKind::Model, "alice/m1");
    assert_eq!((model.visibility(), model.license_id()), (Visibility::Private, "Apache-2.0".to_owned()));
    assert_eq!(model.files().keys().collect::<Vec<_>>(), [".gitattributes", "README.md"]);

    let fields = [("Owner", "alice"), ("Name", "d1"), ("Visibility", "3"), ("License", "MIT")];
    assert_eq!(create_dataset(&desk, &fields).status, 200);
    assert_eq!(desk.ms.repo(RepoKind::Dataset, "alice/d1").visibility(), Visibility::Internal);
    assert_refused(&create_dataset(&desk, &fields), 400, 10_020_101_001, "已被注册");
    assert_refused(&create_model(&desk, "alice", "m1", "MIT"), 400, 10_010_101_001, "已被注册");
    desk.ms.behaviour(|behaviour| behaviour.site = Site::International);
    assert_refused(&create_model(&desk, "alice", "m1", "MIT"), 400, 10_010_202_004, "can not be used");
    let json = json!({ "Owner": "alice", "Name": "d2", "Visibility": 1, "License": "MIT" });
    assert_refused(&desk.post("/api/v1/datasets", &json), 400, 400, "multipart");
}

#[test]
fn a_creation_that_cannot_be_is_refused() {
    let desk = Desk::new();
    desk.ms.org("acme").member("bob");
    desk.ms.org("ours").member("alice");
    assert_refused(&create_model(&desk, "alice", "m", "Apache License 2.0"), 400, 400, "license");
    let reply = create_model(&desk, "acme", "m", "MIT");
    assert_eq!((reply.status, &reply.json()["Code"]), (403, &json!("OperationNotAllowed")));
    assert_refused(&create_model(&desk, "nobody", "m", "MIT"), 404, 404, "namespace");
    assert_refused(&create_model(&desk, "alice", "a b", "MIT"), 400, 400, "name");
    assert_refused(&create_model(&desk, "", "m", "MIT"), 400, 400, "path is required");
    assert_eq!(create_model(&desk, "ours", "m", "other").status, 200);
    let reader = desk.ms.token("alice", Tier::Read);
    let body = json!({ "Path": "alice", "Name": "m", "Visibility": 1, "License": "MIT" });
    assert_eq!(Probe::post(desk.url("/api/v1/models"), &body).token(&reader).send().status, 403);
    assert_eq!(Probe::post(desk.url("/api/v1/models"), &body).send().status, 401);
    assert!(!desk.ms.repo_exists(RepoKind::Model, "alice/m"));
}

#[test]
fn visibility_is_changed_by_the_whole_form_or_by_number() {
    let desk = Desk::new();
    let put = |path: &str, body: &serde_json::Value| {
        desk.signed(Probe::put(desk.url(path), body.to_string()).header("Content-Type", "application/json")).send()
    };
    let model = desk.ms.repo(RepoKind::Model, REPO);
    assert_refused(&put("/api/v1/models/alice/bert", &json!({ "Visibility": 1 })), 400, 400, "is required");
    let whole = json!({
        "ChineseName": "", "ModelFramework": "Pytorch", "Visibility": 1, "ProtectedMode": 2, "ApprovalMode": 2,
        "Description": "", "License": "mit",
    });
    assert_eq!(put("/api/v1/models/alice/bert", &whole).status, 200);
    assert_eq!(model.visibility(), Visibility::Private);
    let data = desk.ms.repo(RepoKind::Dataset, "alice/data");
    let gate = json!({ "Visibility": 1, "ProtectedMode": 1 });
    assert_eq!(put("/api/v1/datasets/alice/data", &gate).status, 404);
    assert_eq!(put(&format!("/api/v1/datasets/{}", data.number()), &gate).status, 200);
    assert!(data.is_gated());
}

#[test]
fn nothing_is_deleted_by_token_but_a_file_by_commit() {
    let desk = Desk::new();
    for path in ["/api/v1/models/alice/bert", "/api/v1/models/alice/bert/file?FilePath=README.md"] {
        assert_refused(&desk.signed(Probe::new("DELETE", desk.url(path))).send(), 400, 400, "no longer supports deletion");
    }
    assert_eq!(desk.commit(&[delete("README.md")]).status, 200);
    // One absent file rejects everything, in the words that otherwise mean "later".
    desk.breaks(rules::DELETES_ABSENT, |desk| {
        let reply = desk.commit(&[inline("new", b"x"), delete("README.md")]);
        assert_refused(&reply, 400, 10_030_000_001, "rejected by repository policy");
    });
    assert_eq!(desk.ms.repo(RepoKind::Model, REPO).files().keys().collect::<Vec<_>>(), [".gitattributes"]);
}

#[test]
fn a_batch_names_what_is_missing_and_what_is_not() {
    let desk = Desk::new();
    let (here, missing) = (Content::generated(1, 100), Content::generated(2, 200));
    desk.ms.repo(RepoKind::Model, "bob/other").lfs_file("w", here.clone());
    let wanted = [(here.sha256(), 100), (missing.sha256(), 200)];
    let data = desk.batch(&wanted).json()["Data"].clone();
    assert_eq!(data["reused-objects"][0]["oid"], here.sha256());
    let upload = &data["objects"][0]["actions"]["upload"];
    assert_eq!(upload["href"], desk.blob_url(&missing));
    assert_eq!((&upload["offset"], &upload["upload_header"]), (&json!(0), &json!({ "Range": "bytes=0-" })));
    let listed = |desk: &Desk| desk.batch(&wanted).json()["Data"]["objects"].as_array().unwrap().len();
    assert_eq!(listed(&desk), 1);
    assert_eq!(desk.batch(&[(here.sha256(), 101)]).json()["Data"]["objects"].as_array().unwrap().len(), 1, "other size");
    for dedup in [Dedup::PerOwner, Dedup::PerRepo] {
        desk.ms.behaviour(|behaviour| behaviour.dedup = dedup);
        assert_eq!(listed(&desk), 2, "{dedup:?}");
    }
    let refusal = (507, "quota".to_owned());
    desk.ms.behaviour(|behaviour| drop(behaviour.refused_objects.insert(missing.sha256().to_owned(), refusal)));
    let data = desk.batch(&[(missing.sha256(), 200)]).json()["Data"].clone();
    assert_eq!((&data["objects"][0]["error"]["code"], data["objects"][0].get("actions")), (&json!(507), None));
}

#[test]
fn the_gateway_wants_credentials_and_permission() {
    let desk = Desk::new();
    let content = Content::generated(3, 100);
    let put = || Probe::put(desk.blob_url(&content), content.to_bytes());
    assert_refused(&put().send(), 400, 10_030_000_001, "user not logged in");
    let bob = desk.ms.token("bob", Tier::Write);
    let reply = put().token(&bob).header("Cookie", &format!("m_session_id={bob}")).send();
    assert_eq!((reply.status, &reply.json()["Message"]), (403, &json!("no write permission to repository")));
    let reply = desk.signed(put()).send();
    assert_eq!((reply.status, &reply.json()["Data"]), (200, &json!({})));
    assert_eq!(Probe::put(desk.blob_url(&content).replace(&desk.ms.origin(LFS), &desk.ms.endpoint()), "x").send().status, 404);
}

#[test]
fn a_broken_upload_starts_over_unless_it_can_be_continued() {
    let desk = Desk::new();
    let content = Content::generated(4, 3_000_000);
    let offset = || {
        let data = desk.batch(&[(content.sha256(), content.len())]).json()["Data"].clone();
        data["objects"][0]["actions"]["upload"]["offset"].as_u64().unwrap() as usize
    };
    let break_off = || {
        desk.ms.fault(Rule::route("put", Fault::ResetUpload(1_000_000)));
        assert!(desk.signed(Probe::put(desk.blob_url(&content), content.to_bytes())).try_send().is_err());
    };
    break_off();
    assert_eq!(offset(), 0);
    desk.ms.behaviour(|behaviour| behaviour.upload_offset = 77);
    assert_eq!(offset(), 77);
    desk.ms.behaviour(|behaviour| behaviour.resumable_puts = true);
    break_off();
    let kept = offset();
    assert!(kept > 0 && kept < content.len() as usize);
    let rest = Probe::put(desk.blob_url(&content), content.to_bytes().slice(kept..));
    assert_eq!(desk.signed(rest.header("Range", &format!("bytes={kept}-"))).send().status, 200);
    assert!(desk.ms.store().contains(content.sha256()));
    assert_eq!(desk.ms.journal().puts_completed(content.sha256()), 1);
    desk.ms.strict().assert_clean();
}

#[test]
fn a_commit_goes_to_a_branch() {
    let desk = Desk::new();
    desk.ms.repo(RepoKind::Model, REPO).tag("v1").branch("dev");
    let text = "You can only create or edit files when you are on a branch";
    for revision in ["v1", "unknown", &desk.head()] {
        assert_refused(&desk.commit_to(revision, &[inline("a", b"x")]), 400, 400, text);
    }
    let reply = desk.commit_to("dev", &[inline("a", b"x"), inline("empty", b"")]);
    let id = reply.json()["Data"]["oid"].as_str().unwrap().to_owned();
    assert_eq!(paths(&desk.files(&format!("Revision={id}"))), [".gitattributes", "README.md", "a", "empty"]);
    assert_ne!(desk.head(), id, "master stays where it was");
}

#[test]
fn create_and_update_fit_what_is_there() {
    let desk = Desk::new();
    desk.commit(&[inline("a", b"one"), inline("b", b"one")]);
    let update = |path: &str, bytes: &[u8]| {
        let mut action = inline(path, bytes);
        action["action"] = json!("update");
        action
    };
    assert_eq!(desk.commit(&[update("a", b"two"), update("b", b"two")]).status, 200);
    assert_eq!(desk.commit(&[update("missing", b"x")]).status, 400);
    assert_eq!(desk.commit(&[inline("a/below", b"x")]).status, 400, "a file is no folder");
    desk.ms.behaviour(|behaviour| behaviour.create_on_existing = CreateOnExisting::RefusesIdentical);
    assert_eq!(desk.commit(&[inline("a", b"three"), inline("b", b"three")]).status, 200);
    assert_refused(&desk.commit(&[inline("a", b"three")]), 400, 400, "already exists");
    desk.ms.behaviour(|behaviour| behaviour.create_on_existing = CreateOnExisting::Refuses);
    assert_refused(&desk.commit(&[inline("a", b"four")]), 400, 400, "already exists");
}

#[test]
fn commits_are_throttled_on_demand() {
    let desk = Desk::new();
    let throttle = |answer| Some(Throttle { commits: 1, window: Duration::from_millis(200), answer });
    let commit = |name: &str| desk.commit(&[inline(name, b"x"), inline(&format!("{name}2"), b"x")]);
    desk.ms.behaviour(|behaviour| behaviour.commit_throttle = throttle(Throttled::TooManyRequests(Some(7))));
    assert_eq!(commit("a").status, 200);
    let refused = commit("b");
    assert_refused(&refused, 429, 429, "Commit frequency limit exceeded");
    assert_eq!(refused.header("retry-after"), Some("7"));
    desk.ms.behaviour(|behaviour| behaviour.commit_throttle = throttle(Throttled::Policy));
    assert_refused(&commit("b"), 400, 10_030_000_001, "policy");
    std::thread::sleep(Duration::from_millis(210));
    assert_eq!(commit("b").status, 200);
}

#[test]
fn a_destination_can_misbehave() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Model, REPO);
    let content = Content::generated(5, 100_000);
    repo.misbehave(|quirks| {
        quirks.drops.push("lost.txt".into());
        quirks.serves_instead.insert("w.bin".into(), Content::generated(6, 100_000));
        quirks.stale_listings = 1;
    });
    desk.put(&content);
    assert_eq!(desk.commit(&[pointer("w.bin", &content), inline("lost.txt", b"x")]).status, 200);
    let listing = format!("Revision={}", desk.head());
    assert_eq!(paths(&desk.files(&listing)), [".gitattributes", "README.md"], "stale");
    assert_eq!(paths(&desk.files(&listing)), [".gitattributes", "README.md", "w.bin"]);
    assert_eq!(repo.files()["w.bin"].sha256, content.sha256(), "the listing repeats what it was told");
    let location = desk.download(&desk.head(), "w.bin").header("location").unwrap().to_owned();
    assert_eq!(Probe::get(location).identity().send().body, Content::generated(6, 100_000).to_bytes());
    desk.ms.behaviour(|behaviour| behaviour.ignores_visibility = true);
    desk.create("exposed");
    assert_eq!(desk.ms.repo(RepoKind::Model, "alice/exposed").visibility(), Visibility::Public);
}

#[test]
fn a_test_may_step_in_while_a_commit_is_made() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Model, REPO);
    let (sender, seen) = mpsc::channel();
    let before = (sender.clone(), repo.clone());
    desk.ms.when_commit(CommitMoment::BeforeApply, Box::new(move || before.0.send(before.1.commits().len()).unwrap()));
    let after = (sender, repo);
    desk.ms.when_commit(CommitMoment::AfterApplyBeforeAnswer, Box::new(move || after.0.send(after.1.commits().len()).unwrap()));
    desk.ms.fault(Rule::route("commit", Fault::DropAnswer));
    let body = json!({ "commit_message": "unheard", "actions": [inline("a", b"x")] });
    let url = desk.url(&format!("/api/v1/repos/models/{REPO}/commit/master"));
    assert!(desk.signed(Probe::post(url, &body)).try_send().is_err());
    assert_eq!(seen.iter().take(2).collect::<Vec<_>>(), [1, 2], "the commit exists, its answer never came");
}

#[test]
fn objects_that_no_commit_names_may_be_collected() {
    let desk = Desk::new();
    let (named, loose) = (Content::generated(7, 100), Content::generated(8, 100));
    desk.put(&named);
    desk.put(&loose);
    desk.commit(&[pointer("w.bin", &named)]);
    assert_eq!(desk.ms.repo(RepoKind::Model, REPO).collect_garbage(), 1);
    assert_eq!(desk.commit(&[pointer("v.bin", &loose)]).status, 400);
    desk.ms.strict().assert_clean();
    desk.breaks(rules::UNKNOWN_BLOB, |desk| assert_eq!(desk.commit(&[pointer("v.bin", &loose)]).status, 400));
}

#[test]
fn a_byte_that_flips_on_the_way_is_nobodys_fault() {
    let desk = Desk::new();
    let content = Content::generated(31, 5_000);
    desk.ms.fault(Rule::route("put", Fault::FlipUpload(10)).times(2));
    assert_refused(&desk.put(&content), 400, 400, "sha256 mismatch");
    desk.ms.behaviour(|behaviour| behaviour.gateway_verifies_sha256 = false);
    assert_eq!(desk.put(&content).status, 200, "a gateway that does not look");
    desk.ms.strict().assert_clean();
}

#[test]
fn a_repository_may_go_away_and_a_token_may_die_or_do_less() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Model, REPO);
    repo.change(&desk.token, Tier::Read);
    assert_eq!(desk.commit(&[inline("a", b"x")]).status, 403);
    repo.revoke(&desk.token);
    assert_eq!(desk.commit(&[inline("a", b"x")]).status, 401);
    repo.delete();
    assert!(!desk.ms.repo_exists(RepoKind::Model, REPO));
}
