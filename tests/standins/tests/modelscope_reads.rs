//! What can be read from ModelScope, by whom, and in which shape.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod modelscope_desk;

use std::time::Duration;

use modelscope_desk::{Desk, REPO, assert_refused, inline, paths};
use serde_json::{Value, json};
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::modelscope::{CDN, MissingFile, RepoKind, Tier, Visibility, misfortunes};
use standins::probe::{Probe, Reply};

fn as_user(desk: &Desk, token: &str, path: &str) -> Reply {
    let cookie = format!("m_session_id={token}");
    Probe::get(desk.url(path)).identity().token(token).header("Cookie", &cookie).send()
}

fn entry<'a>(body: &'a Value, path: &str) -> &'a Value {
    let files = body["Data"]["Files"].as_array().unwrap();
    files.iter().find(|entry| entry["Path"] == path).unwrap_or_else(|| panic!("no {path} in {body}"))
}

#[test]
fn a_login_gives_a_session_that_serves_as_token() {
    let desk = Desk::new();
    let login = |token: &str| Probe::post(desk.url("/api/v1/login"), &json!({ "AccessToken": token })).send();
    let reply = login(&desk.token);
    assert_eq!(reply.json()["Data"]["Username"], "alice");
    let cookie = reply.header("set-cookie").unwrap();
    let session = cookie.strip_prefix("m_session_id=").and_then(|rest| rest.split(';').next()).unwrap();
    assert_eq!(as_user(&desk, session, "/openapi/v1/users/me").json()["data"]["username"], "alice");

    // Valid and good for reading, yet no good for a login.
    let reader = desk.ms.token("alice", Tier::Read);
    assert_eq!(as_user(&desk, &reader, "/openapi/v1/users/me").status, 200);
    assert_refused(&login(&reader), 400, 10_010_103_009, "invalid or expired");
    assert_refused(&login("ms-nonsense"), 400, 10_010_103_009, "invalid or expired");
}

#[test]
fn a_worthless_token_is_told_apart_from_a_weak_one() {
    let desk = Desk::new();
    let me = |token: &str| as_user(&desk, token, "/openapi/v1/users/me");
    let inference = desk.ms.token("alice", Tier::Inference);
    let body = me(&inference).json();
    assert_eq!((me(&inference).status, &body["code"]), (403, &json!("OperationNotAllowed")));
    desk.ms.revoke(&desk.token);
    let body = me(&desk.token).json();
    assert_eq!((me(&desk.token).status, &body["code"], &body["success"]), (401, &json!("InvalidAuthentication"), &json!(false)));
    assert_eq!(Probe::get(desk.url("/openapi/v1/users/me")).send().status, 401);
}

#[test]
fn organizations_open_to_a_session_and_perhaps_to_a_token() {
    let desk = Desk::new();
    desk.ms.org("acme").member("alice").member("bob");
    for path in ["/api/v1/users/organizations", "/api/v1/users/login/info"] {
        assert_eq!(desk.get(path).status, 401);
    }
    desk.ms.behaviour(|behaviour| behaviour.token_opens_organizations = true);
    assert_eq!(desk.get("/api/v1/users/organizations").json()["Data"][0]["Name"], "acme");
    let info = desk.get("/api/v1/users/login/info").json();
    assert_eq!((&info["Data"]["Name"], info["Data"]["OrgRoleMap"].get("acme").is_some()), (&json!("alice"), true));
    assert_eq!(Probe::get(desk.url("/api/v1/organizations/acme/brief")).send().status, 200);
    assert_eq!(Probe::get(desk.url("/api/v1/organizations/nobody/brief")).send().status, 404);
}

#[test]
fn visibility_decides_who_sees_a_repository() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Dataset, "alice/data");
    let bob = desk.ms.token("bob", Tier::Write);
    let legacy = "/api/v1/datasets/alice/data";
    let open = "/openapi/v1/datasets/alice/data";
    let seen = |visibility: Visibility, number: u64, expected: [u16; 3]| {
        let info = desk.get(legacy).json();
        assert_eq!(info["Data"]["Visibility"], number, "{visibility:?}");
        assert_eq!(desk.get(open).json()["data"]["private"], visibility == Visibility::Private);
        let statuses = [desk.get(legacy).status, as_user(&desk, &bob, legacy).status, Probe::get(desk.url(legacy)).send().status];
        assert_eq!(statuses, expected, "{visibility:?}");
        assert_eq!(Probe::get(desk.url(open)).send().status, expected[2]);
    };
    seen(Visibility::Public, 5, [200, 200, 200]);
    repo.internal();
    seen(Visibility::Internal, 3, [200, 200, 404]);
    repo.private();
    seen(Visibility::Private, 1, [200, 404, 404]);
    repo.gated();
    seen(Visibility::Private, 1, [200, 200, 200]);
    assert_eq!(desk.get(open).json()["data"]["gated"], true);
    assert_eq!(as_user(&desk, &bob, &format!("{legacy}/repo/tree")).status, 403, "its files wait for approval");
}

#[test]
fn an_owner_is_listed_by_index_and_by_the_older_route() {
    let desk = Desk::new();
    for number in 0..3 {
        desk.ms.repo(RepoKind::Dataset, &format!("alice/d{number}"));
    }
    desk.ms.repo(RepoKind::Dataset, "alice/d1").private();
    let index = "/openapi/v1/datasets?owner=alice&page_number=1&page_size=2";
    let body = desk.get(index).json();
    assert_eq!((&body["data"]["total_count"], body["data"]["datasets"].as_array().unwrap().len()), (&json!(3), 2));
    desk.ms.behaviour(|behaviour| behaviour.index_misses_private = true);
    assert_eq!(desk.get(index).json()["data"]["total_count"], 2);
    assert_eq!(desk.get("/api/v1/datasets?owner=alice&PageNumber=1&PageSize=50").json()["TotalCount"], 3);
    for query in ["page_size=51", "page_number=61&page_size=50"] {
        let reply = desk.get(&format!("/openapi/v1/models?{query}"));
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("InputParameterError")));
    }
}

#[test]
fn a_listing_shows_folders_and_the_commit_that_touched_each_file() {
    let desk = Desk::new();
    let first = desk.head();
    desk.ms.repo(RepoKind::Model, REPO).file("sub/w.bin", Content::generated(1, 70_000)).file("sub/a.txt", "a");
    let second = desk.head();
    let body = desk.files(&format!("Revision={second}&Recursive=True")).json();
    assert_eq!(body["Success"], true);
    assert!(body["Data"]["LatestCommitter"].is_object());
    let large = entry(&body, "sub/w.bin");
    let expected = json!({
        "Type": "blob", "Name": "w.bin", "Size": 70_000, "IsLFS": true, "Mode": "33188", "InCheck": false,
        "Revision": second, "Sha256": Content::generated(1, 70_000).sha256(),
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&large[field], value, "{field}");
    }
    assert!(large["CommittedDate"].is_i64() || large["CommittedDate"].is_u64());
    assert_eq!(entry(&body, "README.md")["Revision"], json!(first));
    assert_eq!(entry(&body, "README.md")["Sha256"].as_str().unwrap().len(), 64, "inline files have a digest too");
    assert_eq!((&entry(&body, "sub")["Type"], &entry(&body, "sub")["Revision"]), (&json!("tree"), &json!(second)));

    assert_eq!(paths(&desk.files(&format!("Revision={second}"))), [".gitattributes", "README.md", "sub"]);
    assert_eq!(paths(&desk.files(&format!("Revision={second}&Root=sub"))), ["sub/a.txt", "sub/w.bin"]);
    assert_eq!(paths(&desk.files(&format!("Revision={first}&Recursive=True"))), [".gitattributes", "README.md"]);
    assert_eq!(desk.files("Revision=no-such-branch").status, 404);
}

#[test]
fn datasets_are_listed_in_pages_and_by_number() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Dataset, "alice/data");
    for number in 0..238 {
        repo.file(&format!("f{number:03}.txt"), "x");
    }
    let tree = format!("/api/v1/datasets/{}/repo/tree?Revision={}&Recursive=True", repo.number(), repo.head());
    assert_eq!(paths(&desk.get(&tree)).len(), 100, "the page is 100 long unless asked otherwise");
    let pages: Vec<usize> = (1..4).map(|page| paths(&desk.get(&format!("{tree}&PageSize=200&PageNumber={page}"))).len()).collect();
    assert_eq!(pages, [200, 40, 0]);
    assert_eq!(desk.get("/api/v1/datasets/alice/data/repo/files").status, 404);
}

#[test]
fn listings_can_be_less_helpful() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Model, REPO);
    repo.file("a.txt", "a").file("b.txt", "b").commit("Two files");
    repo.misbehave(|quirks| {
        quirks.lists_instead.insert("a.txt".into(), String::new());
        quirks.in_check.push("b.txt".into());
    });
    let pinned = format!("Revision={}&Recursive=True", desk.head());
    let body = desk.files(&pinned).json();
    assert_eq!((&entry(&body, "a.txt")["Sha256"], &entry(&body, "b.txt")["InCheck"]), (&json!(""), &json!(true)));
    assert_eq!(desk.download(&desk.head(), "b.txt").status, 403, "a file under review does not download");
    desk.ms.behaviour(|behaviour| {
        behaviour.listing_shows_sha256 = false;
        behaviour.listing_by_commit = false;
    });
    assert_eq!(desk.files(&pinned).status, 404);
    let body = desk.files("Revision=master&Recursive=True").json();
    assert_eq!(entry(&body, "README.md")["Sha256"], "");

    desk.ms.fault(Rule::route("files", misfortunes::spurious_denial()).times(1));
    desk.ms.fault(Rule::route("files", misfortunes::failure_in_success()).skip(1));
    assert_eq!(desk.files("Revision=master").status, 403);
    let reply = desk.files("Revision=master");
    assert_eq!((reply.status, &reply.json()["Success"]), (200, &json!(false)));
    assert_eq!(desk.files("Revision=master").json()["Success"], true);
}

#[test]
fn a_large_file_comes_from_the_cdn_and_a_small_one_from_the_api() {
    let desk = Desk::new();
    let content = Content::generated(3, 200_000);
    desk.ms.repo(RepoKind::Model, REPO).file("w.safetensors", content.clone());
    let reply = desk.download(&desk.head(), "w.safetensors");
    let location = reply.header("location").unwrap();
    assert_eq!(reply.status, 302);
    assert!(location.starts_with(&desk.ms.origin(CDN)) && location.contains("auth_key="), "{location}");
    let part = Probe::get(location).identity().header("Range", "bytes=70000-").send();
    assert_eq!((part.status, part.body.as_slice()), (206, &content.to_bytes()[70_000..]));
    assert_eq!(part.header("x-linked-etag"), Some(content.sha256()));
    assert_eq!(part.header("content-range"), Some("bytes 70000-199999/200000"));
    assert_eq!(Probe::get(location).identity().header("Range", "bytes=200000-").send().status, 416);
    assert_eq!(Probe::get(location.replace("auth_key=1", "auth_key=2")).send().status, 403);

    let path = format!("/api/v1/models/{REPO}/repo?Revision={}&FilePath=README.md", desk.head());
    let whole = desk.signed(Probe::get(desk.url(&path)).identity().header("Range", "bytes=5-")).send();
    assert_eq!((whole.status, whole.header("content-range")), (200, None), "a range is ignored");
    desk.ms.behaviour(|behaviour| behaviour.inline_chunked = true);
    let chunked = desk.get(&path);
    assert_eq!((chunked.body, chunked.complete), (whole.body, true));
    assert!(desk.get(&path).header("content-length").is_none());
    assert_eq!(desk.get(&format!("/models/{REPO}/resolve/{}/README.md", desk.head())).status, 200);
    desk.ms.strict().assert_clean();
}

#[test]
fn a_signed_url_runs_out() {
    let desk = Desk::new();
    desk.ms.repo(RepoKind::Model, REPO).file("w.bin", Content::generated(3, 100_000));
    desk.ms.behaviour(|behaviour| behaviour.auth_key_lifetime = Duration::from_millis(50));
    let location = |desk: &Desk| desk.download(&desk.head(), "w.bin").header("location").unwrap().to_owned();
    let short_lived = location(&desk);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(Probe::get(short_lived).identity().send().status, 403);
    desk.ms.behaviour(|behaviour| behaviour.auth_key_lifetime = Duration::from_secs(60));
    desk.ms.fault(Rule::route("object", Fault::ExpireUrl));
    assert_eq!(Probe::get(location(&desk)).identity().send().status, 403);
    assert_eq!(Probe::get(location(&desk)).identity().send().status, 200);
}

#[test]
fn a_missing_file_is_reported_one_way_or_the_other() {
    let desk = Desk::new();
    assert_eq!(desk.download(&desk.head(), "nothing").status, 404);
    desk.ms.behaviour(|behaviour| behaviour.missing_file = MissingFile::OkWithError);
    let reply = desk.download(&desk.head(), "nothing");
    assert_eq!((reply.status, &reply.json()["Success"]), (200, &json!(false)));
    assert_eq!(desk.ms.journal().bytes_downloaded(), 0);
    assert_refused(&desk.get(&format!("/api/v1/repos/models/{REPO}/repo?FilePath=a")), 421, 421, "mirror self-forwarded loop");
}

#[test]
fn history_names_branches_tags_and_commits() {
    let desk = Desk::new();
    desk.ms.repo(RepoKind::Model, REPO).branch("dev");
    desk.commit(&[inline("a", b"one"), inline("b", b"two")]);
    assert_eq!(desk.post(&format!("/api/v1/models/{REPO}/repo/tag"), &json!({ "TagName": "v1", "Ref": "master" })).status, 200);
    for refused in ["master", "main", "v1", ""] {
        let body = json!({ "TagName": refused, "Ref": "master" });
        assert_eq!(desk.post(&format!("/api/v1/models/{REPO}/repo/tag"), &body).status, 400, "{refused}");
    }
    let map = desk.get(&format!("/api/v1/models/{REPO}/revisions")).json()["Data"]["RevisionMap"].clone();
    assert_eq!((&map["Branches"][0]["Revision"], &map["Branches"][1]["Revision"]), (&json!("dev"), &json!("master")));
    assert_eq!(map["Tags"][0]["Revision"], "v1");
    let page = desk.get(&format!("/api/v1/models/{REPO}/commits?Ref=v1&PageNumber=1&PageSize=1")).json();
    assert_eq!((&page["TotalCount"], &page["Data"]["Commit"][0]["Id"]), (&json!(2), &json!(desk.head())));
    assert_eq!(page["Data"]["Commit"].as_array().unwrap().len(), 1);
    assert_eq!(desk.download("v1", "a").body, b"one");

    desk.ms.repo(RepoKind::Dataset, "alice/data");
    let revisions = "/api/v1/datasets/alice/data/revisions";
    assert_eq!(desk.get(revisions).status, 200);
    desk.ms.behaviour(|behaviour| behaviour.dataset_revisions = false);
    assert_eq!(desk.get(revisions).status, 404);
}

#[test]
fn a_repository_may_vanish_in_mid_job() {
    let desk = Desk::new();
    let repo = desk.ms.repo(RepoKind::Model, REPO);
    repo.file("a.txt", "a").commit("all");
    let path = format!("/api/v1/models/{REPO}/repo?Revision={}&FilePath=a.txt", repo.head());
    assert_eq!(desk.get(&path).status, 200);
    repo.misbehave(|quirks| quirks.gone = true);
    for path in [path.as_str(), "/api/v1/models/alice/bert"] {
        assert_eq!(desk.get(path).status, 404);
    }
    desk.ms.strict().assert_clean();
}
