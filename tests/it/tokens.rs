//! Tokens that are missing, wrong or too weak: refused with the way out, and never shown, whatever happens.

use std::path::Path;

use serde_json::Value;
use standins::huggingface::{self, Gated, RepoKind, Role, Scope};
use standins::modelscope::{self, Tier};

use crate::world::{KIB, MIB, Outcome, World, bytes};

/// Well formed, and nobody's.
const UNKNOWN_HF: &str = "hf_0123456789abcdefghijABCDEFGHIJ0123";
const UNKNOWN_MS: &str = "ms-01234567-89ab-4def-a123-456789abcdef";

/// No token of these commands stands in anything they printed, nor in any file of the state folder.
#[track_caller]
pub fn assert_hidden(world: &World, outcome: &Outcome) {
    let names = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MODELSCOPE_TOKEN", "MODELSCOPE_API_TOKEN"];
    let set = names.iter().filter_map(|name| world.variables.get(*name)).map(String::as_str);
    for token in set.chain([UNKNOWN_HF, UNKNOWN_MS]).filter(|token| token.len() > 10) {
        // without its prefix, which a text about tokens may name
        let secret = token[3..].trim();
        assert!(!outcome.stdout.contains(secret) && !outcome.stderr.contains(secret), "shown:\n{outcome:?}");
        assert_not_below(&world.home.join("state"), secret);
    }
}

#[track_caller]
fn assert_not_below(folder: &Path, secret: &str) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_not_below(&path, secret);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "in {}", path.display());
        }
    }
}

/// No repository was made, nothing was sent, nothing was committed.
#[track_caller]
pub fn assert_nothing_written(world: &World) {
    for journal in [world.hf.journal(), world.ms.journal()] {
        for route in ["repo.create", "create", "commit"] {
            assert_eq!(journal.requests(route), journal.failed(route), "{route}");
        }
        assert_eq!(journal.bytes_uploaded(), 0);
    }
}

/// Runs it for a person and for a program: the same code, a kind, a hint, nothing written, no token shown.
#[track_caller]
fn refused(world: &World, code: i32, arguments: &[&str]) -> String {
    let person = world.run(arguments).exits(code);
    let program = world.run(&[arguments, &["--json"]].concat()).exits(code);
    let error = &program.json()["error"];
    assert!(error["kind"].is_string() && error["message"].is_string() && error["hint"].is_string(), "{error}");
    for outcome in [&person, &program] {
        assert_hidden(world, outcome);
    }
    assert_nothing_written(world);
    person.shown(world)
}

fn with_model_at_hugging_face() -> World {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 100 * KIB)).file("README.md", "# bert\n").commit("all");
    world
}

fn with_model_at_modelscope() -> World {
    let world = World::start();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 100 * KIB)).commit("all");
    world
}

#[test]
fn a_destination_without_token_says_where_to_make_one() {
    let mut world = with_model_at_hugging_face();
    world.unset("MODELSCOPE_API_TOKEN");
    insta::assert_snapshot!("missing_ms", refused(&world, 3, &["migrate", "hf:alice/bert"]));
    let mut world = with_model_at_modelscope();
    world.set("HF_TOKEN", " ");
    insta::assert_snapshot!("missing_hf", refused(&world, 3, &["migrate", "ms:alice/bert"]));
}

#[test]
fn a_public_source_needs_no_token() {
    let mut world = with_model_at_hugging_face();
    world.unset("HF_TOKEN");
    let outcome = world.run(&["migrate", "hf:alice/bert"]).exits(0);
    assert_hidden(&world, &outcome);
    let mut world = with_model_at_modelscope();
    world.unset("MODELSCOPE_API_TOKEN");
    let outcome = world.run(&["migrate", "ms:alice/bert"]).exits(0);
    assert_hidden(&world, &outcome);
}

#[test]
fn a_token_that_a_hub_does_not_know_is_refused_on_either_side() {
    for (name, arguments) in [("source", "hf:alice/bert"), ("destination", "ms:alice/bert")] {
        let mut world = with_model_at_hugging_face();
        world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("a.txt", "a").commit("all");
        world.set("HF_TOKEN", UNKNOWN_HF);
        insta::assert_snapshot!(format!("wrong_hf_{name}"), refused(&world, 3, &["migrate", arguments]));
    }
    for (name, arguments) in [("source", "ms:alice/bert"), ("destination", "hf:alice/bert")] {
        let mut world = with_model_at_hugging_face();
        world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("a.txt", "a").commit("all");
        world.set("MODELSCOPE_API_TOKEN", UNKNOWN_MS);
        insta::assert_snapshot!(format!("wrong_ms_{name}"), refused(&world, 3, &["migrate", arguments]));
    }
}

#[test]
fn a_revoked_token_is_refused() {
    let world = with_model_at_hugging_face();
    world.ms.revoke(&world.variables["MODELSCOPE_API_TOKEN"]);
    insta::assert_snapshot!("revoked_ms", refused(&world, 3, &["migrate", "hf:alice/bert"]));
    let world = with_model_at_modelscope();
    world.hf.revoke(&world.variables["HF_TOKEN"]);
    insta::assert_snapshot!("revoked_hf", refused(&world, 3, &["migrate", "ms:alice/bert"]));
}

#[test]
fn a_token_that_is_revoked_on_the_way_ends_the_migration_without_a_commit() {
    let world = World::start();
    world.hf.repo(RepoKind::Model, "alice/bert").file("model.bin", bytes(1, 4 * MIB)).file("a.txt", "a").commit("all");
    let lane = world.hf.dials().origin(huggingface::CDN);
    lane.set_download_per_stream(MIB);
    let running = world.command(&["migrate", "hf:alice/bert"]).spawn().unwrap();
    while world.ms.journal().bytes_uploaded() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    world.ms.revoke(&world.variables["MODELSCOPE_API_TOKEN"]);
    lane.set_download_per_stream(0);
    let outcome = world.finish(running).exits(3);
    assert_hidden(&world, &outcome);
    let error = outcome.stderr.lines().rev().take(2).collect::<Vec<_>>().join("\n");
    assert!(error.contains("ModelScope does not accept the token") && error.contains("set MODELSCOPE_TOKEN"), "{}", outcome.stderr);
    assert_eq!(world.ms.repo(modelscope::RepoKind::Model, "alice/bert").commits().len(), 1, "the hub's own");
}

#[test]
fn a_hugging_face_token_that_may_only_read_is_refused_as_destination_and_serves_as_source() {
    let mut world = with_model_at_modelscope();
    world.set("HF_TOKEN", world.hf.token("alice", Role::Read));
    insta::assert_snapshot!(refused(&world, 3, &["migrate", "ms:alice/bert"]));
    world.hf.repo(RepoKind::Model, "alice/secret").private().file("a.txt", "a").commit("all");
    let outcome = world.run(&["migrate", "hf:alice/secret"]).exits(0);
    assert_hidden(&world, &outcome);
}

#[test]
fn a_namespace_that_a_hugging_face_token_may_not_write_to_is_refused_with_those_it_may() {
    let world = with_model_at_modelscope();
    world.hf.org("acme").member("alice", "read");
    world.hf.org("lab").member("alice", "write");
    insta::assert_snapshot!("hf_org_without_rights", refused(&world, 3, &["migrate", "ms:alice/bert", "--dest", "acme/bert"]));
    insta::assert_snapshot!("hf_unknown_namespace", refused(&world, 3, &["migrate", "ms:alice/bert", "--dest", "nobody/bert"]));
    world.run(&["migrate", "ms:alice/bert", "--dest", "lab/bert"]).exits(0);
    assert!(world.hf.repo_exists(RepoKind::Model, "lab/bert"));
}

#[test]
fn a_fine_grained_token_writes_where_its_scopes_say() {
    let mut world = with_model_at_modelscope();
    world.hf.org("lab").member("alice", "write");
    world.set("HF_TOKEN", world.hf.token("alice", Role::FineGrained(vec![Scope::reads("user", "alice")])));
    insta::assert_snapshot!("fine_grained_reads", refused(&world, 3, &["migrate", "ms:alice/bert"]));
    world.set("HF_TOKEN", world.hf.token("alice", Role::FineGrained(vec![Scope::writes("org", "lab"), Scope::reads("user", "alice")])));
    insta::assert_snapshot!("fine_grained_elsewhere", refused(&world, 3, &["migrate", "ms:alice/bert"]));
    let outcome = world.run(&["migrate", "ms:alice/bert", "--dest", "lab/bert"]).exits(0);
    assert_hidden(&world, &outcome);
}

#[test]
fn a_fine_grained_token_for_one_repository_writes_to_it_and_makes_no_other() {
    let mut world = with_model_at_modelscope();
    world.set("HF_TOKEN", world.hf.token("alice", Role::FineGrained(vec![Scope::writes("model", "alice/bert")])));
    insta::assert_snapshot!("fine_grained_may_not_create", refused(&world, 3, &["migrate", "ms:alice/bert"]));
    world.hf.repo(RepoKind::Model, "alice/bert");
    let outcome = world.run(&["migrate", "ms:alice/bert"]).exits(0);
    assert_hidden(&world, &outcome);
}

#[test]
fn a_modelscope_token_that_may_not_write_is_refused_by_the_first_write() {
    for tier in [Tier::Read, Tier::Inference] {
        let mut world = with_model_at_hugging_face();
        world.set("MODELSCOPE_API_TOKEN", world.ms.token("alice", tier));
        insta::assert_snapshot!(format!("ms_create_{tier:?}"), refused(&world, 3, &["migrate", "hf:alice/bert"]));
    }
    let mut world = with_model_at_hugging_face();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("other.txt", "x").commit("mine");
    world.set("MODELSCOPE_API_TOKEN", world.ms.token("alice", Tier::Read));
    insta::assert_snapshot!("ms_write_Read", refused(&world, 3, &["migrate", "hf:alice/bert", "--yes"]));
}

#[test]
fn a_modelscope_namespace_of_somebody_else_or_nobody_is_refused() {
    let world = with_model_at_hugging_face();
    world.ms.org("acme");
    insta::assert_snapshot!("ms_org_without_rights", refused(&world, 3, &["migrate", "hf:alice/bert", "--dest", "acme/bert"]));
    insta::assert_snapshot!("ms_unknown_namespace", refused(&world, 3, &["migrate", "hf:alice/bert", "--dest", "nobody/bert"]));
    world.ms.org("lab").member("alice");
    world.run(&["migrate", "hf:alice/bert", "--dest", "lab/bert"]).exits(0);
}

#[test]
fn a_source_that_is_missing_or_hidden_is_named() {
    let mut world = World::start();
    insta::assert_snapshot!("missing_hf_repo", refused(&world, 1, &["migrate", "hf:alice/nothing"]));
    insta::assert_snapshot!("missing_ms_repo", refused(&world, 1, &["migrate", "ms:alice/nothing", "--type", "dataset"]));
    world.hf.repo(RepoKind::Model, "bob/secret").private().file("a.txt", "a").commit("all");
    world.ms.repo(modelscope::RepoKind::Model, "bob/secret").private().file("a.txt", "a").commit("all");
    insta::assert_snapshot!("foreign_hf_repo", refused(&world, 1, &["migrate", "hf:bob/secret", "--dest", "alice/secret"]));
    insta::assert_snapshot!("foreign_ms_repo", refused(&world, 1, &["migrate", "ms:bob/secret", "--dest", "alice/secret"]));
    world.unset("HF_TOKEN");
    insta::assert_snapshot!("anonymous_hf_repo", refused(&world, 1, &["migrate", "hf:bob/secret", "--dest", "alice/secret"]));
}

#[test]
fn a_revision_that_is_missing_is_named() {
    let world = with_model_at_hugging_face();
    world.ms.repo(modelscope::RepoKind::Model, "alice/bert").file("a.txt", "a").commit("all");
    insta::assert_snapshot!("missing_hf_revision", refused(&world, 1, &["migrate", "hf:alice/bert@v9"]));
    insta::assert_snapshot!("missing_ms_revision", refused(&world, 1, &["migrate", "ms:alice/bert@v9"]));
}

#[test]
fn a_gated_source_without_access_names_the_page_to_visit() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "meta/llama");
    source.gated(Gated::Manual).file("README.md", "# llama\n").file("model.bin", bytes(1, 100 * KIB)).commit("all");
    insta::assert_snapshot!("gated_with_card", refused(&world, 3, &["migrate", "hf:meta/llama", "--dest", "alice/llama"]));
    let bare = world.hf.repo(RepoKind::Dataset, "meta/talk");
    bare.gated(Gated::Auto).file("model.bin", bytes(1, 100 * KIB)).commit("all");
    insta::assert_snapshot!("gated_without_card", refused(&world, 3, &["migrate", "hf:meta/talk", "--dest", "alice/talk"]));
    let ours = world.ms.repo(modelscope::RepoKind::Model, "meta/llama");
    ours.file("model.bin", bytes(1, 100 * KIB)).commit("all").gated();
    insta::assert_snapshot!("gated_ms", refused(&world, 3, &["migrate", "ms:meta/llama", "--dest", "alice/llama"]));
    source.grant("alice");
    let outcome = world.run(&["migrate", "hf:meta/llama", "--dest", "alice/llama"]).exits(0);
    assert_hidden(&world, &outcome);
}

#[test]
fn an_endpoint_in_the_clear_gets_no_token() {
    for (name, variable, value) in [
        ("hf", "HF_ENDPOINT", "http://huggingface.example"),
        ("ms", "MODELSCOPE_ENDPOINT", "http://modelscope.example"),
        ("userinfo", "HF_ENDPOINT", "https://user:pass@huggingface.example"),
    ] {
        let mut world = with_model_at_hugging_face();
        world.set(variable, value);
        let shown = refused(&world, 2, &["migrate", "hf:alice/bert"]);
        assert!(!shown.contains("pass"), "{shown}");
        insta::assert_snapshot!(format!("endpoint_{name}"), shown);
    }
}

#[test]
fn a_token_with_characters_that_no_token_has_is_refused_with_its_origin() {
    let mut world = with_model_at_hugging_face();
    world.set("HF_TOKEN", format!("{UNKNOWN_HF} {UNKNOWN_HF}"));
    insta::assert_snapshot!("odd_token", refused(&world, 2, &["migrate", "hf:alice/bert"]));
}

/// Checks the tokens, for a person and for a program.
#[track_caller]
fn validated(name: &str, world: &World, code: i32) -> Value {
    let person = world.run(&["validate"]).exits(code);
    let program = world.run(&["validate", "--json"]).exits(code);
    for outcome in [&person, &program] {
        assert_hidden(world, outcome);
    }
    assert_nothing_written(world);
    insta::assert_snapshot!(format!("validate_{name}"), person.shown(world));
    let json = program.json();
    insta::assert_snapshot!(format!("validate_{name}_json"), world.scrub(&serde_json::to_string_pretty(&json).unwrap()));
    json
}

#[test]
fn validate_tells_whose_the_tokens_are_and_what_they_may() {
    let mut world = World::start();
    world.hf.org("lab").member("alice", "contributor");
    world.hf.org("acme").member("alice", "read");
    let checks = validated("good", &world, 0);
    assert_eq!(checks["platforms"][0]["namespaces"], serde_json::json!(["alice", "lab"]));
    world.set("HF_TOKEN", world.hf.token("alice", Role::Read));
    assert_eq!(validated("read_only", &world, 0)["platforms"][0]["write"], "no");
    world.set("HF_TOKEN", world.hf.token("alice", Role::FineGrained(vec![Scope::writes("org", "lab"), Scope::reads("user", "alice")])));
    assert_eq!(validated("fine_grained", &world, 0)["platforms"][0]["namespaces"], serde_json::json!(["lab"]));
}

#[test]
fn validate_says_which_token_is_missing_or_wrong() {
    let mut world = World::start();
    world.unset("HF_TOKEN");
    world.unset("MODELSCOPE_API_TOKEN");
    validated("missing", &world, 3);
    world.set("HF_TOKEN", UNKNOWN_HF);
    world.set("MODELSCOPE_TOKEN", UNKNOWN_MS);
    validated("wrong", &world, 3);
}

#[test]
fn validate_says_when_a_hub_cannot_be_asked() {
    let world = World::start();
    world.hf.fault(standins::faults::Rule::route("whoami", standins::faults::Fault::status(404)).always());
    validated("unclear", &world, 1);
}
