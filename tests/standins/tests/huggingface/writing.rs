//! Preupload, LFS, commits.

use std::sync::mpsc;

use serde_json::{Value, json};

use crate::world::{WEIGHTS, World, file, lfs_file, parts, send_parts};
use standins::content::Content;
use standins::huggingface::RepoKind;
use standins::probe::Probe;
use standins::rig::CommitMoment;
use standins::store::Sink;

#[test]
fn preupload_knows_modes_and_what_is_there() {
    let world = World::start();
    world.bert().file("config.json", "{}").file(WEIGHTS, Content::generated(1, 1_000));
    let large = vec![b'a'; (10 << 20) + 1];
    let files: [(&str, &[u8]); 6] =
        [("config.json", b"{}"), (WEIGHTS, b"x"), ("notes", b"plain"), ("blob", b"a\0b"), ("large.txt", &large), ("new.bin", b"")];
    let answer = world.preupload("alice/bert", &files).json();
    let modes: Vec<&Value> = answer["files"].as_array().unwrap().iter().map(|file| &file["uploadMode"]).collect();
    assert_eq!(modes, ["regular", "lfs", "regular", "lfs", "lfs", "lfs"]);
    assert_eq!(answer["files"][0]["oid"], Content::from("{}").git_sha1());
    assert_eq!(answer["files"][1]["oid"], Content::generated(1, 1_000).sha256());
    assert!(answer["files"][2].get("oid").is_none());
}

#[test]
fn attributes_and_ignores_sent_along_count() {
    let world = World::start();
    world.bert();
    let body = json!({ "files": [{ "path": "a.xyz", "size": 1, "sample": "YQ==" }, { "path": "log/x", "size": 1, "sample": "" }],
        "gitAttributes": "*.xyz filter=lfs\n", "gitIgnore": "log/\n" });
    let answer = world.post("/api/models/alice/bert/preupload/main", &body).json();
    assert_eq!(answer["files"][0]["uploadMode"], "lfs");
    assert_eq!((&answer["files"][0]["shouldIgnore"], &answer["files"][1]["shouldIgnore"]), (&json!(false), &json!(true)));
}

#[test]
fn parts_are_stored_as_one_object_under_every_sink() {
    for sink in [Sink::Memory, Sink::HashOnly, Sink::Discard] {
        let world = World::start();
        world.hf.store().set_sink(sink);
        let head = world.bert().head();
        let big = Content::generated(21, 20_000_000);
        let ticket = world.ticket("alice/bert", &big);
        assert_eq!(ticket["actions"]["upload"]["header"]["chunk_size"], "8388608", "a string");
        assert_eq!(parts(&ticket).len(), 3);
        let body = json!({ "oid": big.sha256(), "parts": send_parts(&ticket, &big) });
        assert_eq!(Probe::post(ticket["actions"]["upload"]["href"].as_str().unwrap(), &body).send().status, 200);
        let verify = ticket["actions"]["verify"]["href"].as_str().unwrap();
        let claim = json!({ "oid": big.sha256(), "size": big.len() });
        assert_eq!(Probe::post(verify, &claim).token(&world.token).send().status, 200);
        assert_eq!(Probe::post(verify, &claim).send().status, 401, "verify wants the token");
        assert_eq!(world.commit("alice/bert", Some(&head), &[lfs_file(WEIGHTS, &big)]).status, 200);
        assert_eq!(world.download("alice/bert", WEIGHTS), big.to_bytes());
        assert_eq!(world.hf.journal().bytes_uploaded(), big.len());
        assert_eq!((world.hf.journal().puts(), world.hf.journal().puts_completed(big.sha256())), (3, 3));
        world.hf.strict().assert_clean();
    }
}

#[test]
fn bytes_nobody_generated_are_hashed_or_kept() {
    let own = Content::bytes(Content::generated(22, 9_000_000).to_bytes());
    for (sink, kept) in [(Sink::Memory, true), (Sink::HashOnly, false)] {
        let world = World::start();
        world.hf.store().set_sink(sink);
        let head = world.bert().head();
        let ticket = world.ticket("alice/bert", &own);
        let body = json!({ "oid": own.sha256(), "parts": send_parts(&ticket, &own) });
        assert_eq!(Probe::post(ticket["actions"]["upload"]["href"].as_str().unwrap(), &body).send().status, 200);
        world.commit("alice/bert", Some(&head), &[lfs_file(WEIGHTS, &own)]);
        assert_eq!(world.bert().files()[WEIGHTS].sha256, own.sha256());
        assert_eq!(world.bert().content(WEIGHTS).is_some(), kept);
    }
}

#[test]
fn what_is_stored_is_not_asked_for_again() {
    let world = World::start();
    let weights = Content::generated(23, 5_000);
    world.bert();
    world.upload("alice/bert", &weights);
    assert!(world.ticket("alice/bert", &weights).get("actions").is_none());
    world.hf.repo(RepoKind::Model, "alice/other");
    assert!(world.ticket("alice/other", &weights).get("actions").is_some(), "storage is by repository");
    world.hf.behaviour(|behaviour| behaviour.dedupes_across_repositories = true);
    assert!(world.ticket("alice/other", &weights).get("actions").is_none());
    assert_eq!(world.bert().collect_garbage(), 1);
    world.hf.behaviour(|behaviour| behaviour.dedupes_across_repositories = false);
    assert!(world.ticket("alice/bert", &weights).get("actions").is_some(), "an uncommitted blob may be collected");
}

#[test]
fn a_second_batch_opens_a_new_upload_unless_told_to_resume() {
    let world = World::start();
    world.bert();
    let big = Content::generated(24, 9_000_000);
    let upload = |ticket: &Value| parts(ticket)[0].split("upload=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let first = upload(&world.ticket("alice/bert", &big));
    assert_ne!(upload(&world.ticket("alice/bert", &big)), first);
    world.hf.behaviour(|behaviour| behaviour.resumes_uploads = true);
    let second = upload(&world.ticket("alice/bert", &big));
    assert_eq!(upload(&world.ticket("alice/bert", &big)), second);
}

#[test]
fn a_commit_adds_deletes_and_tracks() {
    let world = World::start();
    world.bert().file("old.txt", "old").file("dir/a", "a").file("dir/b", "b");
    let odd = Content::generated(25, 3_000);
    world.upload("alice/bert", &odd);
    let head = world.bert().head();
    let operations = [
        file("new.txt", "new"),
        file("empty", ""),
        lfs_file("odd name", &odd),
        json!({ "key": "deletedFile", "value": { "path": "old.txt" } }),
        json!({ "key": "deletedFolder", "value": { "path": "dir" } }),
    ];
    let reply = world.commit("alice/bert", Some(&head), &operations);
    assert_eq!((reply.status, reply.json()["success"].as_bool()), (200, Some(true)));
    let repo = world.bert();
    assert_eq!(repo.files().keys().collect::<Vec<_>>(), [".gitattributes", "empty", "new.txt", "odd name"]);
    let attributes = repo.content(".gitattributes").unwrap().to_bytes();
    assert!(attributes.ends_with(b"odd[[:space:]]name filter=lfs diff=lfs merge=lfs -text\n"));
    let commit = &repo.commits()[0];
    assert_eq!((commit.summary.as_str(), commit.author.as_str()), ("A commit", "alice"));
    assert_eq!(reply.json()["commitOid"], commit.oid);
}

#[test]
fn refused_commits_change_nothing() {
    let world = World::start();
    world.bert().file("a", "a");
    let head = world.bert().head();
    let long = "x".repeat((10 << 20) + 1);
    let deep = [file("a/b", "x")];
    let cases: [(&[Value], u16, &str); 6] = [
        (&[file("README.md", "---\nlicense: Nope\n---\n")], 400, "license"),
        (&[file("long.txt", &long)], 400, "larger than 10 MiB"),
        (&[file("bin", "a\0b")], 400, "binary files"),
        (&[json!({ "key": "deletedFile", "value": { "path": "none" } })], 404, "none"),
        (&[json!({ "key": "nonsense", "value": { "path": "x" } })], 400, "Unknown key"),
        (&deep, 400, "a file and a folder"),
    ];
    for (operations, status, text) in cases {
        let reply = world.commit("alice/bert", Some(&head), operations);
        assert_eq!(reply.status, status, "{}", reply.text());
        assert!(reply.text().contains(text), "{}", reply.text());
    }
    let reply = world.commit("alice/bert", Some(&"0".repeat(40)), &[file("b", "b")]);
    assert_eq!(reply.status, 412);
    assert!(reply.text().contains("The branch was updated since you opened this page"));
    assert_eq!(world.bert().head(), head);
    // who names the head has seen that there is no such file
    world.assert_broken(standins::huggingface::rules::DELETES_ABSENT);
}

#[test]
fn validate_yaml_judges_as_the_commit_does() {
    let world = World::start();
    let judge = |content: &str| world.post("/api/validate-yaml", &json!({ "content": content, "repoType": "model" }));
    assert_eq!(judge("---\nlicense: mit\n---\n").json(), json!({ "errors": [], "warnings": [] }));
    assert_eq!(judge("no card").json()["warnings"].as_array().unwrap().len(), 1);
    let refused = judge("---\nlicense: Apache License 2.0\n---\n");
    assert_eq!(refused.status, 400);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("license"));
}

#[test]
fn commits_run_out() {
    let world = World::start();
    world.hf.behaviour(|behaviour| behaviour.commits_per_hour = 1);
    let head = world.bert().head();
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a", "a")]).status, 200);
    let reply = world.commit("alice/bert", Some(&world.bert().head()), &[file("b", "b")]);
    assert_eq!(reply.status, 429);
    assert!(reply.text().contains("rate limit for repository commits (1 per hour)"));
    assert!(!reply.header("ratelimit").unwrap().contains("r=0;"), "the API quota is not the one that ran out");
}

#[test]
fn a_test_can_step_in_at_both_moments_of_a_commit() {
    let world = World::start();
    let repo = world.bert();
    let head = repo.head();
    let (sender, receiver) = mpsc::channel();
    for moment in [CommitMoment::BeforeApply, CommitMoment::AfterApplyBeforeAnswer] {
        let (sender, repo) = (sender.clone(), repo.clone());
        world.hf.when_commit(moment, Box::new(move || sender.send((moment, repo.commits().len())).unwrap()));
    }
    world.commit("alice/bert", Some(&head), &[file("a", "a")]);
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [(CommitMoment::BeforeApply, 1), (CommitMoment::AfterApplyBeforeAnswer, 2)]);
}

#[test]
fn a_branch_that_moves_between_check_and_apply_is_a_conflict() {
    let world = World::start();
    let repo = world.bert();
    let head = repo.head();
    let meanwhile = repo.clone();
    let step_in = move || {
        meanwhile.file("theirs", "theirs").commit("theirs");
    };
    world.hf.when_commit(CommitMoment::BeforeApply, Box::new(step_in));
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("ours", "ours")]).status, 412);
    assert!(!repo.files().contains_key("ours"));
}

#[test]
fn a_batch_names_sha256_in_either_spelling_and_no_other_algorithm() {
    let world = World::start();
    world.bert();
    let status = |algorithm: &str| {
        let oid = Content::from("x").sha256().to_owned();
        let body = json!({ "operation": "upload", "transfers": ["basic"], "hash_algo": algorithm, "objects": [{ "oid": oid, "size": 1 }] });
        world.post("/alice/bert.git/info/lfs/objects/batch", &body).status
    };
    assert_eq!(["sha256", "sha_256", "sha512"].map(status), [200, 200, 409]);
}
