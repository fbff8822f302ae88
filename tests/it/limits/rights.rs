//! Names, tokens, namespaces, quotas: what a hub lets somebody do at all.

use serde_json::json;
use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::huggingface::{RepoKind, Role, Scope};
use standins::modelscope::{self, Tier};
use standins::probe::Reply;

use super::bare::{BareHf, BareMs};
use super::{plan, refused, rows};
use crate::tokens::assert_nothing_written;
use crate::trip::{Trip, Way};
use crate::usage::assert_untouched;
use crate::world::{KIB, bytes};

const GB: u64 = 1_000_000_000;

/// From ModelScope, with a file.
fn to_hugging_face() -> Trip {
    let trip = Trip::new(Way::MsToHf);
    trip.source().file("model.bin", bytes(1, 100 * KIB)).commit();
    trip
}

/// From Hugging Face, with files that travel inside commits alone.
fn to_modelscope() -> Trip {
    let trip = Trip::new(Way::HfToMs);
    trip.source().file("notes.txt", "notes").commit();
    trip
}

/// A trip whose token at Hugging Face has these scopes.
fn scoped(scopes: Vec<Scope>) -> Trip {
    let mut trip = to_hugging_face();
    trip.world.hf.org("lab").member("alice", "write");
    let token = trip.world.hf.token("alice", Role::FineGrained(scopes));
    trip.world.set("HF_TOKEN", token);
    trip
}

/// What `validate` says of this destination, with this code.
fn validated(trip: &Trip, code: i32, dest: &str) -> String {
    let json = trip.world.run(&["validate", "--json", "--dest", dest]).exits(code).json();
    assert_eq!(json["platforms"][0]["destination"].is_string(), code == 0, "{json}");
    trip.world.run(&["validate", "--dest", dest]).exits(code).shown(&trip.world)
}

/// A bare client with a token of these scopes may not create this.
fn bare_scoped(scopes: Vec<Scope>, namespace: &str, name: &str) -> Reply {
    let mut bare = BareHf::new();
    bare.hf.org("lab").member("alice", "write");
    bare.token = bare.hf.token("alice", Role::FineGrained(scopes));
    bare.create(namespace, name, "private")
}

rows! { "hf":
    fn name() {
        let bare = BareHf::new();
        for name in ["bert.git", "bert-", "bert.", "-bert", ".bert", "b--ert", "b..ert", &"b".repeat(97)] {
            assert_eq!(bare.create("alice", name, "private").status, 400, "{name}");
        }
        assert_eq!(bare.create("alice", &"b".repeat(96), "private").status, 200);
        let trip = to_hugging_face();
        insta::assert_snapshot!("name_git", refused(&trip, 2, &["--dest", "alice/bert.git"]));
        insta::assert_snapshot!("name_ending", refused(&trip, 2, &["--dest", "alice/bert-"]));
        insta::assert_snapshot!("name_double", refused(&trip, 2, &["--dest", "alice/b--ert"]));
        for name in ["bert.", "-bert", ".bert", "b..ert"] {
            refused(&trip, 2, &["--dest", &format!("alice/{name}")]);
        }
        refused(&trip, 2, &["--dest", &format!("alice/{}", "b".repeat(97))]);
        // the source's own name may be one that the other hub does not take
        trip.source_named("alice/gpt.git").file("a.txt", "a").commit();
        insta::assert_snapshot!("name_of_source", trip.world.run(&["plan", "ms:alice/gpt.git"]).exits(2).shown(&trip.world));
        trip.world.run(&["migrate", "ms:alice/gpt.git", "--dest", "alice/gpt"]).exits(0);
        trip.source_named("alice/-odd--name..x").file("a.txt", "a").commit();
        trip.world.run(&["migrate", "ms:alice/-odd--name..x", "--dest", "alice/odd"]).exits(0);
    }

    fn read_token() {
        let mut bare = BareHf::new();
        bare.token = bare.hf.token("alice", Role::Read);
        assert_eq!(bare.create("alice", "new", "private").status, 403);
        let mut trip = to_hugging_face();
        let token = trip.world.hf.token("alice", Role::Read);
        trip.world.set("HF_TOKEN", token);
        insta::assert_snapshot!("read_token", refused(&trip, 3, &[]));
        insta::assert_snapshot!("read_token_validated", validated(&trip, 3, "hf:alice/bert"));
    }

    fn scope() {
        let elsewhere = || vec![Scope::writes("org", "lab"), Scope::reads("user", "alice")];
        assert_eq!(bare_scoped(elsewhere(), "alice", "new").status, 403);
        assert_eq!(bare_scoped(elsewhere(), "lab", "new").status, 200);

        let trip = scoped(elsewhere());
        insta::assert_snapshot!("scope", refused(&trip, 3, &[]));
        insta::assert_snapshot!("scope_validated", validated(&trip, 3, "hf:alice/bert"));
        insta::assert_snapshot!("scope_validated_elsewhere", validated(&trip, 0, "hf:lab"));
        trip.world.run(&["plan", "ms:alice/bert", "--dest", "lab/bert"]).exits(0);
        assert_untouched(&trip.world);
        trip.world.run(&["migrate", "ms:alice/bert", "--dest", "lab/bert"]).exits(0);

        // with it, it passes
        let trip = scoped(vec![Scope::writes("user", "alice")]);
        validated(&trip, 0, "hf:alice/bert");
        plan(&trip);
        trip.assert_done(trip.migrate(&[]));

        let trip = scoped(vec![Scope::reads("user", "alice")]);
        insta::assert_snapshot!("scope_reads", refused(&trip, 3, &[]));
        // a scope allows no more than its user may
        let trip = scoped(vec![Scope::writes("org", "guests")]);
        trip.world.hf.org("guests").member("alice", "read");
        insta::assert_snapshot!("scope_beyond_role", refused(&trip, 3, &["--dest", "guests/bert"]));
    }

    fn one_repository() {
        let one = || vec![Scope::writes("model", "alice/bert")];
        assert_eq!(bare_scoped(one(), "alice", "bert2").status, 403);
        let trip = scoped(one());
        insta::assert_snapshot!("one_repository", refused(&trip, 3, &[]));
        insta::assert_snapshot!("another_repository", refused(&trip, 3, &["--dest", "alice/gpt"]));
        insta::assert_snapshot!("one_repository_validated", validated(&trip, 3, "hf:alice/bert"));
        trip.copy();
        plan(&trip);
        validated(&trip, 0, "hf:alice/bert");
        trip.assert_done(trip.migrate(&[]));
    }

    fn namespace() {
        let bare = BareHf::new();
        bare.hf.org("acme").member("alice", "read");
        assert_eq!(bare.create("acme", "new", "private").status, 403);
        let trip = to_hugging_face();
        trip.world.hf.org("acme").member("alice", "read");
        insta::assert_snapshot!("namespace", refused(&trip, 3, &["--dest", "acme/bert"]));
    }

    fn owed_steps() {
        let bare = BareHf::new();
        bare.hf.org("acme").member("alice", "write").wants("alice", "mfa");
        assert_eq!(bare.create("acme", "new", "private").status, 403);
        let trip = to_hugging_face();
        trip.world.hf.org("acme").member("alice", "write").wants("alice", "mfa").wants("alice", "sso");
        insta::assert_snapshot!("owed_steps", refused(&trip, 3, &["--dest", "acme/bert"]));
        insta::assert_snapshot!("owed_steps_validated", validated(&trip, 3, "hf:acme/bert"));
        trip.assert_done(trip.migrate(&[]));
    }

    fn private_storage() {
        let bare = BareHf::new();
        assert_eq!(bare.create("alice", "new", "private").status, 200);
        let reply = bare.batch("new", &[101 * GB]);
        assert!(reply.status == 403 && reply.text().contains("storage limit reached"), "{}", reply.text());
        assert_eq!(bare.batch("bert", &[101 * GB]).status, 200, "a public one has no such limit");

        let secret = |size| {
            let trip = to_hugging_face();
            trip.world.ms.repo(modelscope::RepoKind::Model, "alice/bert").private().lfs_file("huge.bin", Content::claimed(1, size)).commit("huge");
            trip
        };
        let trip = secret(101 * GB);
        insta::assert_snapshot!("private_storage", refused(&trip, 3, &[]));
        trip.world.hf.pro("alice");
        plan(&trip);
        plan(&secret(100 * GB - MARGIN));
        let trip = secret(400 * GB);
        trip.world.ms.repo(modelscope::RepoKind::Model, "alice/bert").public();
        plan(&trip);
        // what an organisation has is not published
        let trip = secret(400 * GB);
        trip.world.hf.org("lab").member("alice", "write");
        trip.world.run(&["plan", "ms:alice/bert", "--dest", "lab/bert"]).exits(0);
    }

    fn card() {
        let bare = BareHf::new();
        let reply = bare.commit(&[super::bare::file("README.md", "---\nlicense: no-such-licence\n---\n")]);
        assert_eq!(reply.status, 400);
        let trip = to_hugging_face();
        trip.source().file("README.md", "---\ntags: [a\n---\n").commit();
        let outcome = trip.world.run(&["plan", "ms:alice/bert"]).exits(1);
        assert_untouched(&trip.world);
        assert!(outcome.stderr.contains("README.md"), "{}", outcome.stderr);
        trip.world.run(&["migrate", "ms:alice/bert"]).exits(1);
        assert_untouched(&trip.world);
    }
}

/// Room for the other files of a trip.
const MARGIN: u64 = 1_000_000;

/// The same at ModelScope.
pub const AT_MODELSCOPE: &[(&str, &str)] = &[("ms", "organisation"), ("ms", "namespace"), ("ms", "token"), ("ms", "quota")];

#[test]
fn organisation() {
    let bare = BareMs::new();
    bare.ms.org("acme");
    assert_eq!(bare.create("acme", "new", "mit").status, 403);
    for tells in [true, false] {
        let trip = to_modelscope();
        trip.world.ms.behaviour(|behaviour| behaviour.token_opens_organizations = tells);
        trip.world.ms.org("acme");
        trip.world.ms.org("lab").member("alice");
        if tells {
            insta::assert_snapshot!("organisation", refused(&trip, 3, &["--dest", "acme/bert"]));
        } else {
            trip.world.run(&["plan", "hf:alice/bert", "--dest", "acme/bert"]).exits(0);
        }
        trip.world.run(&["migrate", "hf:alice/bert", "--dest", "lab/bert"]).exits(0);
    }
}

#[test]
fn namespace_at_modelscope() {
    let bare = BareMs::new();
    bare.ms.org("acme");
    assert_eq!((bare.create("acme", "new", "mit").status, bare.create("nobody", "new", "mit").status), (403, 404));
    let trip = to_modelscope();
    trip.world.ms.org("acme");
    for namespace in ["acme", "nobody"] {
        trip.world.run(&["migrate", "hf:alice/bert", "--dest", &format!("{namespace}/bert")]).exits(3);
        // creating is the first write: it is refused, and nothing else was tried
        assert_nothing_written(&trip.world);
        assert!(!trip.world.ms.repo_exists(modelscope::RepoKind::Model, &format!("{namespace}/bert")));
    }
}

#[test]
fn token() {
    let mut bare = BareMs::new();
    bare.token = bare.ms.token("alice", Tier::Read);
    assert_eq!((bare.create("alice", "new", "mit").status, bare.batch(&[0]).status), (403, 403));
    for there in [false, true] {
        let mut trip = to_modelscope();
        if there {
            trip.copy().file("other.txt", "theirs").commit();
        }
        let token = trip.world.ms.token("alice", Tier::Read);
        trip.world.set("MODELSCOPE_API_TOKEN", token);
        let refused = trip.world.run(&["migrate", "hf:alice/bert", "--yes"]).exits(3);
        assert_nothing_written(&trip.world);
        insta::assert_snapshot!(if there { "token_there" } else { "token_new" }, refused.shown(&trip.world));
        // the card, which the plan and the process that carries look at; nothing else was read for nothing
        let read = trip.world.hf.journal().records().iter().filter(|record| record.path.ends_with("notes.txt")).count();
        assert_eq!(read, 0);
    }
}

#[test]
fn quota() {
    let used_up = || {
        let body = json!({ "Code": "QuotaLimitExceed", "Success": false, "Message": "quota limit exceeded" }).to_string();
        Rule::route("create", Fault::status(403).body(&body)).always()
    };
    let bare = BareMs::new();
    bare.ms.fault(used_up());
    assert_eq!(bare.create("alice", "new", "mit").status, 403);
    let trip = to_modelscope();
    trip.world.ms.fault(used_up());
    let refused = trip.world.run(&["migrate", "hf:alice/bert"]).exits(3);
    assert_nothing_written(&trip.world);
    insta::assert_snapshot!("quota", refused.shown(&trip.world));
}

#[test]
fn a_destination_without_a_hub_or_with_an_impossible_name_is_wrong_usage() {
    let trip = to_hugging_face();
    insta::assert_snapshot!("validate_no_hub", trip.world.run(&["validate", "--dest", "alice/bert"]).exits(2).shown(&trip.world));
    trip.world.run(&["validate", "--dest", "hf:alice/bert.git"]).exits(2);
    trip.world.run(&["validate", "--dest", "hf:"]).exits(2);
    let of_modelscope = trip.world.run(&["validate", "--dest", "ms:alice/bert"]).exits(0);
    insta::assert_snapshot!("validate_modelscope", of_modelscope.shown(&trip.world));
    assert!(!trip.world.hf.repo_exists(RepoKind::Model, "alice/bert"));
}
