//! Info, trees, downloads.

use serde_json::{Value, json};

use crate::world::{WEIGHTS, World};
use standins::content::Content;
use standins::probe::{Probe, Reply};

fn with_range(url: &str, range: &str) -> Reply {
    Probe::get(url).identity().header("Range", range).send()
}

#[test]
fn the_info_pins_a_commit_that_stays_readable() {
    let world = World::start();
    let repo = world.bert();
    repo.file("a.txt", "one").commit("first");
    let pinned = world.info("alice/bert")["sha"].as_str().unwrap().to_owned();
    repo.file("a.txt", "two").file("b.txt", "b").commit("second");
    assert_eq!(repo.commits()[0].parent.as_deref(), Some(pinned.as_str()));
    let tree = world.get(&format!("/api/models/alice/bert/tree/{pinned}?recursive=true")).json();
    let paths: Vec<&str> = tree.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [".gitattributes", "a.txt"]);
    let old = world.get(&format!("/api/models/alice/bert/revision/{pinned}?blobs=true")).json();
    assert_eq!(old["siblings"][1], json!({ "rfilename": "a.txt", "size": 3, "blobId": Content::from("one").git_sha1() }));
    let reply = world.get("/api/models/alice/bert/revision/nowhere");
    assert_eq!((reply.status, reply.header("x-error-code")), (404, Some("RevisionNotFound")));
}

#[test]
fn a_tree_shows_both_kinds_of_files_with_their_digests() {
    let world = World::start();
    let repo = world.bert();
    let weights = Content::generated(1, 50_000);
    repo.file("sub/config.json", "{}").file(WEIGHTS, weights.clone());
    let head = repo.head();
    let tree = world.get(&format!("/api/models/alice/bert/tree/{head}?recursive=true&expand=false")).json();
    let find = |path: &str| tree.as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap().clone();
    assert_eq!(find("sub")["type"], "directory");
    assert_eq!(find("sub/config.json")["oid"], Content::from("{}").git_sha1());
    let large = find(WEIGHTS);
    assert_eq!(large["size"], 50_000);
    assert_eq!(large["lfs"], json!({ "oid": weights.sha256(), "size": 50_000, "pointerSize": 130 }));
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 50000\n", weights.sha256());
    assert_eq!(large["oid"], Content::from(pointer.as_str()).git_sha1());
    let inside = world.get(&format!("/api/models/alice/bert/tree/{head}/sub")).json();
    assert_eq!(inside.as_array().unwrap().len(), 1);
    assert_eq!(world.get(&format!("/api/models/alice/bert/tree/{head}/none")).header("x-error-code"), Some("EntryNotFound"));
}

#[test]
fn a_long_tree_comes_in_pages_of_one_commit() {
    let world = World::start();
    let repo = world.bert();
    for number in 0..2_500 {
        repo.file(&format!("{number:05}.txt"), "x");
    }
    let mut next = Some(format!("{}/api/models/alice/bert/tree/{}?recursive=true", world.url, repo.head()));
    let mut sizes = Vec::new();
    while let Some(url) = next {
        let reply = Probe::get(url).token(&world.token).send();
        sizes.push(reply.json().as_array().unwrap().len());
        let link = reply.header("link").map(|link| link[1..link.find('>').unwrap()].to_owned());
        next = link;
        repo.file("late.txt", "late").commit("meanwhile");
    }
    assert_eq!(sizes, [1_000, 1_000, 501]);
}

#[test]
fn paths_info_drops_what_is_missing() {
    let world = World::start();
    let repo = world.bert();
    repo.file("a.txt", "a").file("d/b.txt", "b");
    let path = format!("/api/models/alice/bert/paths-info/{}", repo.head());
    let found = world.post(&path, &json!({ "paths": ["a.txt", "d", "none"], "expand": false })).json();
    let kinds: Vec<&Value> = found.as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
    assert_eq!(kinds, ["file", "directory"]);
    let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    assert_eq!(world.post(&path, &json!({ "paths": many })).status, 413);
}

#[test]
fn a_large_file_is_on_the_cdn_and_its_metadata_on_the_redirect() {
    let world = World::start();
    let weights = Content::generated(1, 50_000);
    world.bert().file(WEIGHTS, weights.clone());
    let head = world.bert().head();
    let reply = world.head(&format!("/alice/bert/resolve/{head}/{WEIGHTS}"));
    assert_eq!(reply.status, 302);
    assert_eq!(reply.header("x-repo-commit"), Some(head.as_str()));
    assert_eq!(reply.header("x-linked-size"), Some("50000"));
    assert_eq!(reply.header("x-linked-etag"), Some(format!("\"{}\"", weights.sha256()).as_str()));
    let location = reply.header("location").unwrap().to_owned();
    assert!(!location.starts_with(&world.url), "another origin");
    assert_eq!(Probe::get(&location).identity().send().body, weights.to_bytes());
    let part = with_range(&location, "bytes=100-199");
    assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 100-199/50000")));
    assert_eq!(part.body, weights.to_bytes()[100..200]);
    assert_eq!(with_range(&location, "bytes=50000-").status, 416);
    assert_eq!(Probe::get(location.replace("signature=", "signature=0")).identity().send().status, 403);
    assert_eq!(Probe::get(&location).identity().header("If-Match", "\"other\"").send().status, 412);
    let refreshed = Probe::get(&location).identity().header("Range", "bytes=1-2").header("If-Range", "\"other\"").send();
    assert_eq!(refreshed.status, 200);
}

#[test]
fn a_small_file_goes_through_the_resolve_cache_or_directly() {
    let world = World::start();
    let repo = world.bert();
    repo.file("a b/ü#1.txt", "text");
    let path = format!("/alice/bert/resolve/{}/a%20b/%C3%BC%231.txt", repo.head());
    let redirect = world.head(&path);
    assert_eq!(redirect.status, 307);
    assert_ne!(redirect.header("content-length"), Some("4"), "the length of the redirect, not of the file");
    let location = redirect.header("location").unwrap();
    assert!(location.starts_with("/api/resolve-cache/models/alice/bert/"), "{location}");
    let reply = world.get(location);
    assert_eq!((reply.status, reply.text().as_str()), (200, "text"));
    assert_eq!(reply.header("etag"), Some(format!("\"{}\"", Content::from("text").git_sha1()).as_str()));
    world.hf.behaviour(|behaviour| behaviour.small_files_redirect = false);
    assert_eq!(world.get(&path).text(), "text");
    assert_eq!(with_range(&format!("{}{path}", world.url), "bytes=1-2").text(), "ex");
}

#[test]
fn text_is_compressed_for_those_who_allow_it() {
    let world = World::start();
    let repo = world.bert();
    repo.file("a.txt", "text ".repeat(1_000).as_str());
    world.hf.behaviour(|behaviour| behaviour.small_files_redirect = false);
    let url = format!("{}/alice/bert/resolve/{}/a.txt", world.url, repo.head());
    let reply = Probe::get(url).header("Accept-Encoding", "gzip, deflate").send();
    assert_eq!((reply.header("content-encoding"), reply.header("content-length")), (Some("gzip"), None));
    assert!(reply.body.len() < 500);
}

#[test]
fn a_missing_file_is_told_from_a_missing_revision() {
    let world = World::start();
    let head = world.bert().head();
    let reply = world.get(&format!("/alice/bert/resolve/{head}/none"));
    assert_eq!((reply.status, reply.header("x-error-code")), (404, Some("EntryNotFound")));
    let reply = world.get(&format!("/alice/bert/resolve/{}/none", "0".repeat(40)));
    assert_eq!((reply.status, reply.header("x-error-code")), (404, Some("RevisionNotFound")));
}

#[test]
fn a_huge_generated_file_can_be_listed_and_read_in_part() {
    let world = World::start();
    // Content is hashed when it becomes an LFS file, so huge here means huge enough to notice a copy.
    let huge = Content::generated(77, 200 << 20);
    world.bert().file(WEIGHTS, huge.clone());
    let head = world.bert().head();
    let location = world.get(&format!("/alice/bert/resolve/{head}/{WEIGHTS}")).header("location").unwrap().to_owned();
    let at = (150 << 20) + 5;
    let part = with_range(&location, &format!("bytes={at}-{}", at + 9));
    assert_eq!(part.body, huge.range(at..at + 10).flatten().collect::<Vec<u8>>());
}

#[test]
fn a_file_too_large_for_plain_http_is_refused_whole_and_may_be_given_in_ranges() {
    let world = World::start();
    let size = 80_000_000_000;
    world.bert().lfs_file(WEIGHTS, Content::claimed(1, size));
    let path = format!("{}/alice/bert/resolve/{}/{WEIGHTS}", world.url, world.bert().head());
    assert_eq!(with_range(&path, "bytes=0-0").status, 302, "off by default");
    world.hf.behaviour(|behaviour| behaviour.refuses_plain_above = size - 1);
    let refused = Probe::get(path.clone()).header("Accept-Encoding", "identity").send();
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("too large"), "{}", refused.text());
    let location = with_range(&path, "bytes=0-0").header("location").unwrap().to_owned();
    assert_eq!(with_range(&location, "bytes=79999999999-79999999999").status, 206);
    world.hf.behaviour(|behaviour| behaviour.refuses_ranges_too = true);
    assert_eq!(with_range(&path, "bytes=0-0").status, 403);
}

#[test]
fn a_location_of_an_odd_name_is_a_url() {
    let world = World::start();
    world.bert().file("[v1] {a}|^\\.txt", "text");
    let path = format!("/alice/bert/resolve/{}/%5Bv1%5D%20%7Ba%7D%7C%5E%5C.txt", world.bert().head());
    let location = world.get(&path).header("location").unwrap().to_owned();
    assert!(!location.contains(['[', ']', '{', '}', '|', '^', '\\', ' ']), "{location}");
    assert_eq!(world.get(&location).text(), "text");
}
