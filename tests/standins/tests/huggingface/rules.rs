//! Every rule, broken on purpose: refused as the hub would, and counted once.

use serde_json::json;

use crate::world::{WEIGHTS, World, file, lfs_file, parts, send_parts};
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::huggingface::{RepoKind, rules};
use standins::probe::Probe;
use standins::signing::ON_THE_WAY;

fn weights() -> Content {
    Content::generated(11, 100_000)
}

fn href(ticket: &serde_json::Value) -> String {
    ticket["actions"]["upload"]["href"].as_str().unwrap().to_owned()
}

#[test]
fn a_well_behaved_upload_breaks_no_rule() {
    let world = World::start();
    world.create("alice/new", "private");
    let info = world.info("alice/new");
    assert_eq!(info["private"], true);
    world.preupload("alice/new", &[(WEIGHTS, &weights().to_bytes()), ("config.json", b"{}")]);
    world.upload("alice/new", &weights());
    let operations = [lfs_file(WEIGHTS, &weights()), file("config.json", "{}")];
    assert_eq!(world.commit("alice/new", info["sha"].as_str(), &operations).status, 200);
    assert_eq!(world.download("alice/new", WEIGHTS), weights().to_bytes());
    assert_eq!(world.download("alice/new", "config.json"), b"{}");
    world.hf.strict().assert_clean();
    assert!(world.hf.journal().sent_twice().is_empty());
}

#[test]
fn a_token_sent_to_the_storage_is_refused_and_counted() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &weights());
    let reply = Probe::put(href(&ticket), weights().to_bytes()).token(&world.token).send();
    assert_eq!(reply.status, 400);
    world.assert_broken(rules::TOKEN_OFF_HUB);
}

#[test]
fn a_token_or_cookie_sent_to_the_cdn_is_counted() {
    let world = World::start();
    world.bert().file(WEIGHTS, weights());
    let sha = world.bert().head();
    let location = world.get(&format!("/alice/bert/resolve/{sha}/{WEIGHTS}")).header("location").unwrap().to_owned();
    assert_eq!(Probe::get(&location).identity().token(&world.token).send().status, 400);
    assert_eq!(Probe::get(&location).identity().header("Cookie", "token=x").send().status, 200);
    assert_eq!(world.hf.strict().count_of(rules::TOKEN_OFF_HUB), 2);
}

#[test]
fn a_token_in_a_url_is_counted() {
    let world = World::start();
    world.bert();
    world.get(&format!("/api/models/alice/bert?token={}", world.token));
    world.assert_broken(rules::TOKEN_IN_URL);
}

#[test]
fn a_chunked_put_is_refused_and_counted() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &weights());
    assert_eq!(Probe::put(href(&ticket), weights().to_bytes()).chunked().send().status, 501);
    world.assert_broken(rules::CHUNKED_PUT);
}

#[test]
fn a_put_of_another_length_is_refused_and_counted() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &weights());
    assert_eq!(Probe::put(href(&ticket), "short").send().status, 400);
    world.assert_broken(rules::PUT_LENGTH);
}

#[test]
fn wrong_bytes_for_an_oid_are_refused_and_counted() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &weights());
    let mut bytes = weights().to_bytes().to_vec();
    bytes[99_999] ^= 1;
    assert_eq!(Probe::put(href(&ticket), bytes).send().status, 400);
    assert!(!world.bert().has_blob(weights().sha256()));
    world.assert_broken(rules::WRONG_BYTES);
}

#[test]
fn wrong_bytes_in_parts_are_refused_at_the_completion_and_counted() {
    let world = World::start();
    world.bert();
    let big = Content::generated(12, 9 << 20);
    let ticket = world.ticket("alice/bert", &big);
    let etags = send_parts(&ticket, &Content::generated(13, 9 << 20));
    world.hf.strict().assert_clean();
    let reply = Probe::post(href(&ticket), &json!({ "oid": big.sha256(), "parts": etags })).send();
    assert_eq!(reply.status, 400);
    assert!(!world.bert().has_blob(big.sha256()));
    world.assert_broken(rules::WRONG_BYTES);
}

#[test]
fn a_part_of_another_length_is_refused_and_counted() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &Content::generated(12, 9 << 20));
    let parts = parts(&ticket);
    assert_eq!(Probe::put(&parts[0], "short").send().status, 400);
    world.assert_broken(rules::PUT_LENGTH);
    world.hf.strict().forget();
    assert_eq!(Probe::put(&parts[1], vec![0; (1 << 20) + 1]).send().status, 400, "one byte more than is left for it");
    world.assert_broken(rules::PUT_LENGTH);
}

#[test]
fn a_put_of_what_was_stored_meanwhile_is_counted() {
    let world = World::start();
    world.bert();
    let (first, second) = (world.ticket("alice/bert", &weights()), world.ticket("alice/bert", &weights()));
    assert_eq!(Probe::put(href(&first), weights().to_bytes()).send().status, 200);
    assert_eq!(Probe::put(href(&second), weights().to_bytes()).send().status, 200);
    world.assert_broken(rules::NEEDLESS_PUT);
    assert_eq!(world.hf.journal().sent_twice(), [(weights().sha256().to_owned(), 0)]);
}

#[test]
fn an_object_sent_again_after_its_answer_is_counted_but_not_after_a_lost_answer() {
    let world = World::start();
    world.bert();
    let big = Content::generated(12, 9 << 20);
    let ticket = world.ticket("alice/bert", &big);
    let first = parts(&ticket)[0].clone();
    let bytes = big.to_bytes().slice(..8 << 20);
    world.hf.fault(Rule::route("storage.part", Fault::DropAnswer));
    assert!(Probe::put(&first, bytes.clone()).try_send().is_err());
    assert_eq!(Probe::put(&first, bytes.clone()).send().status, 200);
    world.hf.strict().assert_clean();
    assert_eq!(Probe::put(&first, bytes).send().status, 200);
    world.assert_broken(rules::RESENT);
}

#[test]
fn a_completion_with_a_part_missing_is_refused_and_counted() {
    let world = World::start();
    world.bert();
    let big = Content::generated(12, 9 << 20);
    let ticket = world.ticket("alice/bert", &big);
    let etags = send_parts(&ticket, &big);
    let reply = Probe::post(href(&ticket), &json!({ "oid": big.sha256(), "parts": etags[..1] })).send();
    assert_eq!(reply.status, 400);
    world.assert_broken(rules::INCOMPLETE_PARTS);
    let reply = Probe::post(href(&ticket), &json!({ "oid": big.sha256(), "parts": etags })).send();
    assert_eq!(reply.status, 200);
    assert!(world.bert().has_blob(big.sha256()));
}

#[test]
fn an_expired_url_may_be_tried_once() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &weights());
    world.hf.fault(Rule::route("storage.put", Fault::ExpireUrl));
    assert_eq!(Probe::put(href(&ticket), weights().to_bytes()).send().status, 403);
    assert_eq!(Probe::put(href(&ticket), weights().to_bytes()).send().status, 403, "once expired, always expired");
    world.hf.strict().assert_clean();
    std::thread::sleep(ON_THE_WAY * 2);
    assert_eq!(Probe::put(href(&ticket), weights().to_bytes()).send().status, 403);
    world.assert_broken(rules::EXPIRED_URL_REUSED);
}

#[test]
fn a_commit_of_an_unknown_blob_is_refused_and_counted() {
    let world = World::start();
    let head = world.bert().head();
    let reply = world.commit("alice/bert", Some(&head), &[lfs_file(WEIGHTS, &weights())]);
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("LFS pointer pointed to a file that does not exist"));
    world.assert_broken(rules::UNKNOWN_BLOB);
}

#[test]
fn a_stale_parent_may_be_tried_once_between_two_looks() {
    let world = World::start();
    let old = world.bert().head();
    world.bert().file("a.txt", "a").commit("moves on");
    let attempt = || world.commit("alice/bert", Some(&old), &[file("b.txt", "b")]).status;
    assert_eq!(attempt(), 412);
    world.info("alice/bert");
    assert_eq!(attempt(), 412);
    world.hf.strict().assert_clean();
    assert_eq!(attempt(), 412);
    world.assert_broken(rules::STALE_PARENT_REPEATED);
}

#[test]
fn a_commit_without_parent_is_counted_unless_peers_are_forgiven() {
    let world = World::start();
    world.bert();
    assert_eq!(world.commit("alice/bert", None, &[file("a.txt", "a")]).status, 200);
    world.assert_broken(rules::NO_PARENT);
    world.hf.strict().forget();
    world.hf.strict().set_lenient_peers(true);
    assert_eq!(world.commit("alice/bert", None, &[file("b.txt", "b")]).status, 200);
    world.hf.strict().assert_clean();
}

#[test]
fn an_empty_commit_is_counted() {
    let world = World::start();
    world.bert().file("a.txt", "a");
    let head = world.bert().head();
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a.txt", "a")]).status, 200);
    world.assert_broken(rules::EMPTY_COMMIT);
    let head = world.bert().head();
    assert_eq!(world.commit("alice/bert", Some(&head), &[]).status, 400);
    assert_eq!(world.hf.strict().count_of(rules::EMPTY_COMMIT), 2);
}

#[test]
fn a_file_sent_inline_against_preupload_is_counted() {
    let world = World::start();
    let head = world.bert().head();
    let modes = world.preupload("alice/bert", &[("notes.parquet", b"text")]).json();
    assert_eq!(modes["files"][0]["uploadMode"], "lfs");
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("notes.parquet", "text")]).status, 200);
    world.assert_broken(rules::INLINE_LFS);
}

#[test]
fn an_empty_file_by_lfs_is_refused_and_counted() {
    let world = World::start();
    world.bert();
    let ticket = world.ticket("alice/bert", &Content::from(""));
    assert_eq!(ticket["error"]["code"], 422);
    world.assert_broken(rules::EMPTY_LFS);
}

#[test]
fn bad_paths_are_refused_and_counted() {
    let world = World::start();
    let head = world.bert().head();
    for path in ["/abs", "../up", "a//b", ".git/config", "a/.GIT/b"] {
        world.hf.strict().forget();
        assert_eq!(world.commit("alice/bert", Some(&head), &[file(path, "x")]).status, 400, "{path}");
        world.assert_broken(rules::BAD_PATH);
    }
}

#[test]
fn cache_folders_are_refused_where_the_hub_is_as_strict_as_its_client() {
    let world = World::start();
    let head = world.bert().head();
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a/.cache/b", "x")]).status, 200);
    world.hf.strict().assert_clean();
    world.hf.behaviour(|behaviour| behaviour.refuses_cache_folders = true);
    assert_eq!(world.commit("alice/bert", Some(&world.bert().head()), &[file(".cache/b", "x")]).status, 400);
    world.assert_broken(rules::BAD_PATH);
}

#[test]
fn bad_paths_in_a_preupload_are_refused_and_counted() {
    let world = World::start();
    world.bert();
    for path in ["/abs", "a/../b", ".git/config"] {
        world.hf.strict().forget();
        assert_eq!(world.preupload("alice/bert", &[("good.txt", b"x"), (path, b"x")]).status, 400, "{path}");
        world.assert_broken(rules::BAD_PATH);
    }
}

#[test]
fn too_long_lists_are_refused_and_counted() {
    let world = World::start();
    world.bert();
    let names: Vec<String> = (0..257).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(world.preupload("alice/bert", &files).status, 400);
    world.assert_broken(rules::PREUPLOAD_TOO_LONG);
    world.hf.strict().forget();
    let oids: Vec<String> = (0..257).map(|number| format!("{number:064x}")).collect();
    let objects: Vec<(&str, u64)> = oids.iter().map(|oid| (oid.as_str(), 5)).collect();
    assert_eq!(world.batch("alice/bert", &objects).status, 413);
    world.assert_broken(rules::BATCH_TOO_LONG);
}

#[test]
fn an_unpinned_read_is_counted() {
    let world = World::start();
    world.bert();
    assert_eq!(world.get("/api/models/alice/bert/tree/main").status, 200);
    world.assert_broken(rules::UNPINNED_READ);
    world.get("/alice/bert/resolve/main/.gitattributes");
    assert_eq!(world.hf.strict().count_of(rules::UNPINNED_READ), 2);
}

#[test]
fn a_read_that_allows_compression_is_counted() {
    let world = World::start();
    let head = world.bert().head();
    Probe::get(format!("{}/alice/bert/resolve/{head}/.gitattributes", world.url)).header("Accept-Encoding", "gzip").send();
    world.assert_broken(rules::NO_IDENTITY);
}

#[test]
fn a_call_per_file_is_counted() {
    let world = World::start();
    let head = world.bert().head();
    for number in 0..9 {
        world.post(&format!("/api/models/alice/bert/paths-info/{head}"), &json!({ "paths": [format!("{number}")] }));
    }
    world.assert_broken(rules::PATHS_ONE_BY_ONE);
    world.hf.strict().forget();
    for number in 0..9 {
        world.batch("alice/bert", &[(&format!("{number:064x}"), 5)]);
    }
    world.assert_broken(rules::BATCH_ONE_BY_ONE);
    world.hf.strict().forget();
    for _ in 0..20 {
        world.batch("alice/bert", &[(&format!("{:064x}", 1), 5)]);
    }
    world.hf.strict().assert_clean();
}

#[test]
fn a_head_per_file_is_counted() {
    let world = World::start();
    let repo = world.bert();
    for number in 0..17 {
        repo.file(&format!("{number}.txt"), "x");
    }
    let head = repo.head();
    for number in 0..16 {
        world.head(&format!("/alice/bert/resolve/{head}/{number}.txt"));
    }
    world.hf.strict().assert_clean();
    world.head(&format!("/alice/bert/resolve/{head}/16.txt"));
    world.assert_broken(rules::HEAD_PER_FILE);
}

#[test]
fn whoami_again_and_again_is_refused_and_counted() {
    let world = World::start();
    let statuses: Vec<u16> = (0..11).map(|_| world.get("/api/whoami-v2").status).collect();
    assert_eq!(statuses[9..], [200, 429]);
    world.assert_broken(rules::WHOAMI_TOO_OFTEN);
}

#[test]
fn a_write_before_the_visibility_was_read_back_is_counted() {
    let world = World::start();
    assert_eq!(world.create("alice/new", "private").status, 200);
    world.upload("alice/new", &weights());
    world.assert_broken(rules::NO_READ_BACK);
}

#[test]
fn a_commit_before_the_visibility_was_read_back_is_counted() {
    let world = World::start();
    assert_eq!(world.create("alice/new", "private").status, 200);
    let head = world.hf.repo(RepoKind::Model, "alice/new").head();
    assert_eq!(world.commit("alice/new", Some(&head), &[file("a.txt", "a")]).status, 200);
    world.assert_broken(rules::NO_READ_BACK);
}
