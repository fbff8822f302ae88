//! Who may do what, and how the hub says no.

use serde_json::json;

use crate::world::{WEIGHTS, World, file};
use standins::content::Content;
use standins::huggingface::{Gated, RepoKind, Role, Scope};
use standins::probe::{Probe, Reply};

fn get(world: &World, token: Option<&str>, path: &str) -> Reply {
    let probe = Probe::get(format!("{}{path}", world.url)).identity();
    token.map_or_else(|| probe.clone(), |token| probe.clone().token(token)).send()
}

#[test]
fn whoami_names_the_user_the_organisations_and_the_token() {
    let world = World::start();
    world.hf.org("acme").member("alice", "admin").member("bob", "read");
    let who = world.get("/api/whoami-v2").json();
    assert_eq!((&who["type"], &who["name"]), (&json!("user"), &json!("alice")));
    assert_eq!((&who["orgs"][0]["name"], &who["orgs"][0]["roleInOrg"]), (&json!("acme"), &json!("admin")));
    assert_eq!(who["auth"]["accessToken"]["role"], "write");
    let fine = world.hf.token("alice", Role::FineGrained(vec![Scope::writes("org", "acme")]));
    let who = get(&world, Some(&fine), "/api/whoami-v2").json();
    let scoped = &who["auth"]["accessToken"]["fineGrained"]["scoped"][0];
    assert_eq!((&scoped["entity"]["name"], &scoped["permissions"][1]), (&json!("acme"), &json!("repo.write")));
}

#[test]
fn a_wrong_or_revoked_token_is_named_as_such() {
    let world = World::start();
    world.bert();
    let revoked = world.hf.token("alice", Role::Write);
    world.hf.revoke(&revoked);
    for token in ["hf_nobody", &revoked] {
        let reply = get(&world, Some(token), "/api/models/alice/bert");
        assert_eq!(reply.status, 401);
        assert_eq!(reply.header("x-error-message"), Some("Invalid credentials in Authorization header"));
    }
}

#[test]
fn a_private_repository_looks_missing_to_others() {
    let world = World::start();
    world.bert().private();
    let bob = world.hf.token("bob", Role::Write);
    for path in ["/api/models/alice/bert", "/api/models/alice/none"] {
        let reply = get(&world, None, path);
        assert_eq!((reply.status, reply.header("x-error-code")), (401, Some("RepoNotFound")));
        let reply = get(&world, Some(&bob), path);
        assert_eq!((reply.status, reply.header("x-error-code")), (404, Some("RepoNotFound")));
    }
    assert_eq!(world.get("/api/models/alice/bert").json()["private"], true);
    assert_eq!(world.get("/api/datasets/alice/bert").status, 404, "another type");
}

#[test]
fn a_gated_repository_shows_its_listing_but_not_its_bytes() {
    let world = World::start();
    let repo = world.bert();
    repo.file(WEIGHTS, Content::generated(1, 1_000)).gated(Gated::Manual);
    let sha = repo.head();
    let bob = world.hf.token("bob", Role::Read);
    let path = format!("/alice/bert/resolve/{sha}/{WEIGHTS}");
    let reply = get(&world, Some(&bob), &path);
    assert_eq!((reply.status, reply.header("x-error-code")), (403, Some("GatedRepo")));
    assert_eq!(get(&world, None, &path).status, 401);
    assert_eq!(get(&world, Some(&bob), "/api/models/alice/bert/auth-check").status, 403);
    assert_eq!(get(&world, Some(&bob), "/api/models/alice/bert").json()["gated"], "manual");
    assert_eq!(get(&world, Some(&bob), &format!("/api/models/alice/bert/tree/{sha}")).status, 200);
    repo.grant("bob");
    assert_eq!(get(&world, Some(&bob), &path).status, 302);
    assert_eq!(get(&world, Some(&bob), "/api/models/alice/bert/auth-check").status, 200);
}

#[test]
fn a_disabled_repository_says_so() {
    let world = World::start();
    world.bert().disable();
    let reply = world.get("/api/models/alice/bert");
    assert_eq!((reply.status, reply.header("x-error-message")), (403, Some("Access to this resource is disabled.")));
}

#[test]
fn creating_needs_the_right_to_write_in_the_namespace() {
    let world = World::start();
    world.hf.org("acme").member("alice", "read").member("carol", "contributor");
    world.hf.user("bob");
    for id in ["bob/x", "acme/x"] {
        assert_eq!(world.create(id, "private").status, 403, "{id}");
    }
    let create = |token: &str, namespace: &str| {
        let body = json!({ "name": "x", "organization": namespace, "type": "dataset" });
        Probe::post(format!("{}/api/repos/create", world.url), &body).token(token).send().status
    };
    assert_eq!(create(&world.hf.token("alice", Role::Read), "alice"), 403);
    assert_eq!(create(&world.hf.token("alice", Role::FineGrained(vec![Scope::writes("user", "alice")])), "alice"), 200);
    let one = Role::FineGrained(vec![Scope::writes("dataset", "alice/y")]);
    assert_eq!(create(&world.hf.token("alice", one), "alice"), 403, "a scope on a repository cannot create it");
    let carol = world.hf.token("carol", Role::Write);
    assert_eq!(create(&carol, "acme"), 200);
    world.hf.repo(RepoKind::Dataset, "acme/old");
    let commit = |id: &str| {
        let url = format!("{}/api/datasets/{id}/commit/main", world.url);
        Probe::new("POST", url).token(&carol).body("{\"key\":\"header\",\"value\":{\"summary\":\"s\"}}").send().status
    };
    assert_eq!(commit("acme/old"), 403, "a contributor writes only to what they created");
    assert_eq!(commit("acme/x"), 400, "allowed, but there is nothing in it");
}

#[test]
fn creating_twice_is_a_conflict_that_carries_the_url() {
    let world = World::start();
    let first = world.create("alice/new", "private");
    let second = world.create("alice/new", "private");
    assert_eq!((first.status, second.status), (200, 409));
    assert_eq!(first.json()["url"], second.json()["url"]);
    assert!(world.hf.repo(RepoKind::Model, "alice/new").is_private());
    assert_eq!(world.create("alice/-bad-", "private").status, 400);
}

#[test]
fn a_read_token_may_read_but_not_commit() {
    let world = World::start();
    let head = world.bert().head();
    let reader = world.hf.token("alice", Role::Read);
    let world = World { token: reader, ..world };
    assert_eq!(world.commit("alice/bert", Some(&head), &[file("a", "a")]).status, 403);
    assert_eq!(world.preupload("alice/bert", &[]).status, 403);
    assert_eq!(world.batch("alice/bert", &[]).status, 403);
    assert_eq!(world.get("/api/models/alice/bert").status, 200);
}

#[test]
fn settings_delete_and_move_work_and_old_names_lead_on() {
    let world = World::start();
    world.bert().file("a.txt", "a");
    let settings = Probe::new("PUT", format!("{}/api/models/alice/bert/settings", world.url))
        .token(&world.token)
        .body("{\"visibility\":\"private\",\"gated\":\"auto\"}")
        .send();
    assert_eq!(settings.json(), json!({ "private": true, "gated": "auto" }));
    let body = json!({ "fromRepo": "alice/bert", "toRepo": "alice/ernie", "type": "model" });
    assert_eq!(world.post("/api/repos/move", &body).status, 200);
    let reply = world.get("/api/models/alice/bert");
    assert_eq!((reply.status, reply.header("location")), (307, Some("/api/models/alice/ernie")));
    assert_eq!(world.info("alice/ernie")["id"], "alice/ernie");
    let body = json!({ "name": "ernie", "organization": "alice", "type": "model" });
    assert_eq!(
        Probe::new("DELETE", format!("{}/api/repos/delete", world.url)).token(&world.token).body(body.to_string()).send().status,
        200
    );
    assert!(!world.hf.repo_exists(RepoKind::Model, "alice/ernie"));
}

#[test]
fn quotas_are_told_on_every_answer_and_enforced() {
    let world = World::start();
    world.bert();
    world.hf.behaviour(|behaviour| behaviour.api_quota = 2);
    let first = world.get("/api/models/alice/bert");
    assert_eq!(first.header("ratelimit-policy"), Some("\"fixed window\";\"api\";q=2;w=300"));
    assert!(first.header("ratelimit").unwrap().starts_with("\"api\";r=1;t="));
    world.get("/api/models/alice/bert");
    let third = world.get("/api/models/alice/bert");
    assert_eq!(third.status, 429);
    assert!(third.header("ratelimit").unwrap().starts_with("\"api\";r=0;t="));
    let head = world.bert().head();
    let reply = world.get(&format!("/alice/bert/resolve/{head}/.gitattributes"));
    assert_eq!(reply.status, 307, "resolvers have a quota of their own");
    assert!(reply.header("x-request-id").is_some());
}
