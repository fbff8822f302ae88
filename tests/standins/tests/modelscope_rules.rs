//! Each rule of ModelScope, broken on purpose by a client without manners: refused as the service would, and counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod modelscope_desk;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use modelscope_desk::{Desk, REPO, assert_refused, delete, inline, lfs, pointer};
use serde_json::json;
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::modelscope::{LFS, RepoKind, rules};
use standins::probe::{Probe, Reply};
use standins::signing::ON_THE_WAY;

/// A desk whose repository holds one large file, and the CDN's URL for it.
fn desk_with_redirect() -> (Desk, String) {
    let desk = Desk::new();
    desk.ms.repo(RepoKind::Model, REPO).file("w.bin", Content::generated(1, 100_000));
    let reply = desk.download(&desk.head(), "w.bin");
    assert_eq!(reply.status, 302);
    let location = reply.header("location").unwrap().to_owned();
    (desk, location)
}

fn raw(url: &str, request: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn credentials_at_the_cdn_are_counted() {
    let (desk, location) = desk_with_redirect();
    desk.breaks(rules::AUTHORIZATION_AT_CDN, |desk| {
        Probe::get(&location).identity().token(&desk.token).send();
    });
    desk.breaks(rules::COOKIE_AT_CDN, |desk| {
        Probe::get(&location).identity().header("Cookie", &format!("m_session_id={}", desk.token)).send();
    });
    assert_eq!(Probe::get(&location).identity().send().body.len(), 100_000);
    desk.ms.strict().assert_clean();
}

#[test]
fn a_legacy_call_wants_bearer_and_cookie() {
    let desk = Desk::new();
    desk.breaks(rules::HALF_CREDENTIALS, |desk| {
        let reply = Probe::get(desk.url("/api/v1/models/alice/bert")).token(&desk.token).send();
        assert_eq!(reply.status, 200, "either half is enough for the service");
    });
    desk.breaks(rules::HALF_CREDENTIALS, |desk| {
        let cookie = format!("m_session_id={}", desk.token);
        Probe::get(desk.url("/api/v1/models/alice/bert")).header("Cookie", &cookie).send();
    });
    assert_eq!(Probe::get(desk.url("/openapi/v1/users/me")).token(&desk.token).send().status, 200);
    assert_eq!(Probe::get(desk.url("/api/v1/models/alice/bert")).send().status, 200);
    desk.ms.strict().assert_clean();
}

#[test]
fn a_token_in_a_url_is_counted() {
    let desk = Desk::new();
    desk.breaks(rules::TOKEN_IN_URL, |desk| {
        Probe::get(desk.url(&format!("/openapi/v1/models?owner={}", desk.token))).send();
    });
}

#[test]
fn more_than_a_few_logins_are_counted() {
    let desk = Desk::new();
    let login = || Probe::post(desk.url("/api/v1/login"), &json!({ "AccessToken": desk.token })).send();
    (0..3).for_each(|_| assert_eq!(login().status, 200));
    desk.breaks(rules::MANY_LOGINS, |_| assert_eq!(login().status, 200));
}

#[test]
fn a_put_of_unknown_or_wrong_length_is_refused() {
    let desk = Desk::new();
    let content = Content::generated(2, 5_000);
    desk.breaks(rules::CHUNKED_PUT, |desk| {
        let put = Probe::put(desk.blob_url(&content), content.to_bytes()).chunked();
        assert_refused(&desk.signed(put).send(), 411, 411, "Content-Length");
    });
    desk.breaks(rules::PUT_LENGTH, |desk| {
        let put = Probe::put(desk.blob_url_of(content.sha256(), 4_999), content.to_bytes());
        assert_refused(&desk.signed(put).send(), 400, 400, "size of the blob");
    });
    assert!(!desk.ms.store().contains(content.sha256()));
}

#[test]
fn a_put_with_headers_the_official_client_does_not_send_is_counted() {
    for (seed, header) in [(3, ("Range", "bytes=0-")), (4, ("Content-Type", "application/octet-stream"))] {
        let desk = Desk::new();
        let content = Content::generated(seed, 1_000);
        desk.breaks(rules::PUT_HEADERS, |desk| {
            let put = Probe::put(desk.blob_url(&content), content.to_bytes()).header(header.0, header.1);
            assert_eq!(desk.signed(put).send().status, 200);
        });
    }
}

#[test]
fn a_put_over_another_protocol_is_counted() {
    let desk = Desk::new();
    let content = Content::from("abc");
    let url = desk.blob_url(&content);
    let gateway = desk.ms.origin(LFS);
    let path = url.strip_prefix(&gateway).unwrap();
    desk.breaks(rules::PUT_PROTOCOL, |desk| {
        let token = &desk.token;
        let head = format!("PUT {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\nCookie: m_session_id={token}\r\n");
        let answer = raw(&gateway, &format!("{head}Content-Length: 3\r\n\r\nabc"));
        assert!(answer.contains("200 OK"), "{answer}");
    });
    desk.breaks(rules::PUT_PROTOCOL, |desk| {
        raw(&gateway, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        // There was no exchange: the count comes when the connection is given up, a moment after its end is seen here.
        for _ in 0..200 {
            if desk.ms.strict().count() > 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn bytes_kept_for_another_length_are_no_upload() {
    let desk = Desk::new();
    desk.ms.behaviour(|behaviour| behaviour.resumable_puts = true);
    let content = Content::generated(9, 4 << 20);
    desk.ms.fault(Rule::route("put", Fault::ResetUpload(2 << 20)));
    assert!(desk.signed(Probe::put(desk.blob_url(&content), content.to_bytes())).try_send().is_err());
    let batch = desk.batch(&[(content.sha256(), content.len())]).json();
    let kept = batch["Data"]["objects"][0]["actions"]["upload"]["offset"].as_u64().unwrap();
    assert!(kept > 1_000, "{batch}");
    // goes on where the broken one ended, under an address that promises less than that
    let rest = desk.signed(Probe::put(desk.blob_url_of(content.sha256(), 1_000), "")).header("Range", &format!("bytes={kept}-"));
    desk.breaks(rules::PUT_LENGTH, |_| assert_refused(&rest.send(), 400, 400, "not as long"));
    assert!(!desk.ms.store().contains(content.sha256()));
}

#[test]
fn wrong_bytes_are_refused_if_the_gateway_looks() {
    let desk = Desk::new();
    let content = Content::from("what was promised");
    let other = "what was deliverd";
    let put = || desk.signed(Probe::put(desk.blob_url(&content), other)).send();
    desk.breaks(rules::WRONG_BYTES, |_| assert_refused(&put(), 400, 400, "sha256 mismatch"));
    assert!(!desk.ms.store().contains(content.sha256()));
    desk.ms.behaviour(|behaviour| behaviour.gateway_verifies_sha256 = false);
    desk.breaks(rules::WRONG_BYTES, |_| assert_eq!(put().status, 200));
    assert!(desk.ms.store().contains(content.sha256()));
}

#[test]
fn an_object_is_sent_once() {
    let desk = Desk::new();
    let content = Content::generated(5, 2_000);
    desk.ms.repo(RepoKind::Model, "bob/other").lfs_file("w.bin", content.clone());
    desk.breaks(rules::NEEDLESS_PUT, |desk| assert_eq!(desk.put(&content).status, 200));
    assert_eq!(desk.put(&content).status, 200);
    assert_eq!(desk.ms.strict().count_of(rules::RESENT), 1);
}

#[test]
fn a_resend_after_a_lost_answer_is_nobodys_fault() {
    let desk = Desk::new();
    let content = Content::generated(6, 2_000);
    desk.ms.fault(Rule::route("put", Fault::DropAnswer));
    let put = desk.signed(Probe::put(desk.blob_url(&content), content.to_bytes()));
    assert!(put.try_send().is_err());
    assert_eq!(put.send().status, 200);
    desk.ms.strict().assert_clean();
}

#[test]
fn an_empty_file_needs_no_put() {
    let desk = Desk::new();
    desk.breaks(rules::EMPTY_PUT, |desk| assert_eq!(desk.put(&Content::from("")).status, 200));
}

#[test]
fn batches_name_many_objects_but_not_too_many() {
    let desk = Desk::new();
    let oids: Vec<String> = (0..65).map(|number| format!("{number:064x}")).collect();
    let objects: Vec<(&str, u64)> = oids.iter().map(|oid| (oid.as_str(), 10)).collect();
    assert_eq!(desk.batch(&objects[..64]).json()["Data"]["objects"].as_array().unwrap().len(), 64);
    desk.breaks(rules::BATCH_TOO_LONG, |desk| drop(desk.batch(&objects)));

    let desk = Desk::new();
    (0..8).for_each(|number| drop(desk.batch(&objects[number..=number])));
    (0..20).for_each(|_| drop(desk.batch(&objects[..1])));
    desk.breaks(rules::BATCH_ONE_BY_ONE, |desk| drop(desk.batch(&objects[8..9])));
}

#[test]
fn a_commit_of_an_unknown_object_is_refused() {
    let desk = Desk::new();
    let content = Content::generated(7, 500);
    desk.breaks(rules::UNKNOWN_BLOB, |desk| {
        assert_refused(&desk.commit(&[pointer("w.bin", &content)]), 400, 400, "does not exist");
    });
    desk.put(&content);
    desk.breaks(rules::UNKNOWN_BLOB, |desk| {
        // Known by its digest, but not with this size.
        assert_eq!(desk.commit(&[lfs("w.bin", content.sha256(), 501)]).status, 400);
    });
    assert_eq!(desk.commit(&[pointer("w.bin", &content)]).status, 200);
}

#[test]
fn a_commit_has_between_one_and_two_thousand_actions() {
    let desk = Desk::new();
    let actions: Vec<_> = (0..2_001).map(|number| inline(&format!("f{number}"), b"x")).collect();
    desk.breaks(rules::TOO_MANY_ACTIONS, |desk| {
        assert_refused(&desk.commit(&actions), 422, 422, "commit request exceeds actions limit: 2001 > 2000");
    });
    desk.breaks(rules::EMPTY_COMMIT, |desk| assert_eq!(desk.commit(&[]).status, 400));
    assert_eq!(desk.commit(&actions[..2_000]).status, 200);
    desk.ms.strict().assert_clean();
}

#[test]
fn an_unclean_path_fails_the_whole_commit() {
    let desk = Desk::new();
    for path in ["./a", "a//b", "/a", "a/../b", ".git/config", "a/.GIT/b"] {
        desk.breaks(rules::BAD_PATH, |desk| {
            let reply = desk.commit(&[inline("good", b"x"), inline(path, b"x")]);
            assert_refused(&reply, 400, 400, "invalid commit action");
        });
    }
    assert!(!desk.ms.repo(RepoKind::Model, REPO).files().contains_key("good"));
}

#[test]
fn what_is_there_already_need_not_be_committed() {
    let desk = Desk::new();
    desk.commit(&[inline("a", b"one"), inline("b", b"two")]);
    desk.breaks(rules::IDENTICAL_FILE, |desk| {
        assert_eq!(desk.commit(&[inline("a", b"one"), inline("b", b"three")]).status, 200);
    });
}

#[test]
fn one_commit_per_file_is_a_habit_to_break() {
    let desk = Desk::new();
    (0..3).for_each(|number| drop(desk.commit(&[inline(&format!("f{number}"), b"x")])));
    desk.commit(&[inline("g", b"x"), inline("h", b"x")]);
    (3..6).for_each(|number| drop(desk.commit(&[inline(&format!("f{number}"), b"x")])));
    desk.breaks(rules::COMMIT_PER_FILE, |desk| drop(desk.commit(&[inline("f6", b"x")])));
}

#[test]
fn a_large_file_is_not_inline_and_a_parsed_one_is_no_pointer() {
    let desk = Desk::new();
    let large = vec![b'x'; (5 << 20) + 1];
    desk.breaks(rules::LARGE_INLINE, |desk| {
        assert_refused(&desk.commit(&[inline("large.txt", &large)]), 400, 400, "too large");
    });
    let config = Content::from("{\"a\":1}");
    desk.put(&config);
    desk.breaks(rules::METADATA_AS_LFS, |desk| {
        assert_eq!(desk.commit(&[pointer("deep/config.json", &config)]).status, 200);
    });
    // too large for any commit, it has no other way
    desk.ms.behaviour(|behaviour| behaviour.inline_limit = config.len() - 1);
    assert_eq!(desk.commit(&[pointer("large/config.json", &config)]).status, 200);
    desk.ms.strict().assert_clean();
}

#[test]
fn a_fresh_repository_is_read_back_before_it_is_written_to() {
    let desk = Desk::new();
    let create = |name: &str| {
        let body = json!({ "Path": "alice", "Name": name, "Visibility": 1, "License": "mit" });
        assert_eq!(desk.post("/api/v1/models", &body).status, 200);
    };
    let commit = |name: &str| -> Reply {
        let body = json!({ "commit_message": "", "actions": [inline("a", b"x"), inline("b", b"x")] });
        desk.post(&format!("/api/v1/repos/models/alice/{name}/commit/master"), &body)
    };
    create("rash");
    desk.breaks(rules::NO_READ_BACK, |_| assert_eq!(commit("rash").status, 200));
    for info in ["/api/v1/models", "/openapi/v1/models"] {
        let name = format!("careful-{}", info.len());
        create(&name);
        assert_eq!(desk.get(&format!("{info}/alice/{name}")).status, 200);
        assert_eq!(commit(&name).status, 200);
    }
    desk.ms.strict().assert_clean();
}

#[test]
fn reads_name_a_commit() {
    let desk = Desk::new();
    let head = desk.head();
    desk.files("Revision=master&Recursive=True");
    desk.files(&format!("Revision={head}&Recursive=True"));
    desk.download(&head, "README.md");
    desk.ms.strict().assert_clean();
    desk.breaks(rules::UNPINNED_READ, |desk| assert_eq!(desk.download("master", "README.md").status, 200));
    desk.commit(&[inline("sub/a", b"x"), inline("sub/b", b"x")]);
    desk.breaks(rules::UNPINNED_READ, |desk| assert_eq!(desk.files("Revision=master&Root=sub").status, 200));
    desk.breaks(rules::UNPINNED_READ, |desk| {
        (0..6).for_each(|_| assert_eq!(desk.files("Revision=master&Recursive=True").status, 200));
    });
}

#[test]
fn downloads_ask_for_the_bytes_as_they_are() {
    let (desk, location) = desk_with_redirect();
    desk.breaks(rules::NO_IDENTITY, |_| assert_eq!(Probe::get(&location).send().status, 200));
    let path = format!("/api/v1/models/{REPO}/repo?Revision={}&FilePath=README.md", desk.head());
    desk.breaks(rules::NO_IDENTITY, |desk| assert_eq!(desk.signed(Probe::get(desk.url(&path))).send().status, 200));
}

#[test]
fn an_expired_url_is_tried_once() {
    let (desk, location) = desk_with_redirect();
    desk.ms.expire_auth_keys();
    assert_eq!(Probe::get(&location).identity().send().status, 403);
    assert_eq!(Probe::get(&location).identity().send().status, 403, "this one was on its way already");
    desk.ms.strict().assert_clean();
    std::thread::sleep(ON_THE_WAY * 2);
    desk.breaks(rules::EXPIRED_URL_REUSED, |_| assert_eq!(Probe::get(&location).identity().send().status, 403));
}

#[test]
fn a_listing_at_the_cap_is_looked_at_more_closely() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Model, REPO);
    for number in 0..3_100 {
        repo.file(&format!("sub/{number:04}"), "x");
    }
    let head = desk.head();
    let whole = format!("Revision={head}&Recursive=True");
    assert_eq!(modelscope_desk::paths(&desk.files(&whole)).len(), 3_000);
    desk.breaks(rules::CAPPED_LISTING_TRUSTED, |desk| drop(desk.download(&head, "README.md")));
    desk.files(&whole);
    desk.breaks(rules::CAPPED_LISTING_TRUSTED, |desk| drop(desk.commit(&[inline("a", b"x"), inline("b", b"x")])));
    desk.files(&whole);
    desk.files(&format!("Revision={head}&Recursive=False"));
    assert_eq!(desk.commit(&[delete("a"), delete("b")]).status, 200);
    desk.ms.strict().assert_clean();
}

#[test]
fn official_clients_are_forgiven_what_is_only_our_own_strictness() {
    let desk = Desk::new();
    desk.ms.strict().set_lenient_peers(true);
    desk.put(&Content::from(""));
    desk.download("master", "README.md");
    desk.ms.strict().assert_clean();
    desk.breaks(rules::EMPTY_COMMIT, |desk| drop(desk.commit(&[])));
}
