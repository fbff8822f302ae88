//! Everything that can be in the way, each with the whole text that a user sees.

use std::time::Duration;

use serde_json::json;
use standins::faults::{Fault, Rule};
use standins::modal::misfortunes::{spend_limit, status, status_after_work};
use standins::modal::{CONTROL, Ending, ImageBuild};
use tonic::Code;

use super::program::{EXITS, EXITS_WELL, WAITS, elf, program};
use super::{Cloud, failed};

/// Seconds that are enough for everything but what never comes.
const SHORT: &str = "12";

#[test]
fn without_a_token_nothing_is_tried() {
    let mut cloud = Cloud::start();
    cloud.world.unset("MODAL_TOKEN_ID");
    cloud.world.unset("MODAL_TOKEN_SECRET");
    assert_eq!(cloud.fails("no_token", 3, &[])["step"], "token");
    assert_eq!(cloud.modal.journal().total_requests(), 0);
}

#[test]
fn a_token_that_is_not_taken_is_said() {
    let mut cloud = Cloud::start();
    cloud.world.set("MODAL_TOKEN_SECRET", "as-0123456789abcdefghijkl");
    assert_eq!(cloud.fails("bad_token", 3, &[])["step"], "account");
    cloud.world.set("MODAL_ENVIRONMENT", "prod");
    for (name, value) in cloud.modal.environment("alice") {
        cloud.world.set(name, value);
    }
    assert_eq!(cloud.fails("no_environment", 1, &[])["step"], "image");
}

#[test]
fn a_client_that_is_refused_says_what_it_said_it_is() {
    let cloud = Cloud::start();
    cloud.modal.behaviour(|behaviour| behaviour.refused_clients = vec![(9, "1.0.0".to_owned())]);
    assert_eq!(cloud.fails("client_refused", 1, &[])["step"], "server");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut cloud = Cloud::start();
    // a port that nobody listens on any more
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let there = cloud.modal.url();
    cloud.world.set("MODAL_SERVER_URL", format!("http://{gone}"));
    assert_eq!(cloud.fails("unreachable", 1, &[])["step"], "server");
    cloud.world.set("MODAL_SERVER_URL", there);
    cloud.modal.unreachable_for(CONTROL, Duration::from_secs(3_600));
    let object = cloud.smoke(&["--json"]).exits(1).json();
    assert_eq!((&failed(&object)["step"], &failed(&object)["error"]["kind"]), (&json!("server"), &json!("unavailable")));
}

#[test]
fn a_program_for_sandboxes_that_is_missing_or_another_one_is_refused_before_anything_is_sent() {
    let mut cloud = Cloud::start();
    cloud.world.unset("HF2MS_WORKER_BIN");
    assert_eq!(cloud.fails("worker_unset", 1, &[])["step"], "worker");
    cloud.world.set("HF2MS_WORKER_BIN", "/nowhere/hf2ms");
    assert_eq!(cloud.fails("worker_missing", 1, &[])["step"], "worker");
    let mut dynamic = elf(&EXITS);
    dynamic[64] = 3;
    let stale = [elf(&EXITS), b"[hf2ms program 0.0.1 protocol 0]".to_vec()].concat();
    for (name, bytes) in
        [("worker_script", b"#!/bin/sh\n".to_vec()), ("worker_dynamic", dynamic), ("worker_foreign", elf(&EXITS)), ("worker_stale", stale)]
    {
        cloud = cloud.with_worker(&bytes);
        assert_eq!(cloud.fails(name, 1, &[])["step"], "worker");
    }
    assert_eq!(cloud.modal.journal().requests("MountPutFile"), 0);
}

#[test]
fn an_image_that_fails_shows_its_log() {
    let cloud = Cloud::start();
    let log = vec!["pulling debian:bookworm-slim\n".to_owned(), "manifest unknown\n".to_owned()];
    cloud.modal.behaviour(|behaviour| behaviour.image_build = ImageBuild { log, fails: true, ..ImageBuild::default() });
    assert_eq!(cloud.fails("image_failed", 1, &[])["step"], "image");
    let cloud = Cloud::start();
    cloud.modal.behaviour(|behaviour| behaviour.image_build.takes = Duration::from_secs(3_600));
    assert_eq!(cloud.fails("image_late", 1, &["--timeout", SHORT])["step"], "image");
}

#[test]
fn a_limit_of_the_workspace_is_told_from_a_want_of_room() {
    let cloud = Cloud::start();
    cloud.modal.fault(Rule::route("SandboxCreateV2", spend_limit()).always());
    assert_eq!(cloud.fails("spend_limit", 3, &[])["step"], "sandbox");
    let cloud = Cloud::start();
    cloud.modal.behaviour(|behaviour| {
        behaviour.capacity = Some(0);
        behaviour.capacity_retry_after = Some(1_000.0);
    });
    assert_eq!(cloud.fails("no_capacity", 1, &[])["step"], "sandbox");
}

#[test]
fn where_the_older_generation_has_no_room_the_sandbox_that_waits_is_ended() {
    let mut cloud = Cloud::start();
    cloud.world.set("MODAL_SANDBOX_V2", "0");
    cloud.modal.behaviour(|behaviour| behaviour.capacity = Some(0));
    assert_eq!(cloud.fails("no_capacity_v1", 1, &["--timeout", SHORT])["step"], "sandbox");
    assert_eq!(cloud.modal.sandboxes().len(), 2);
}

#[test]
fn a_sandbox_that_was_created_though_nobody_said_so_is_ended() {
    for fault in [status_after_work(Code::Unavailable), Fault::DropAnswer] {
        for times in [1, 4] {
            let cloud = Cloud::start();
            cloud.modal.fault(Rule::route("SandboxCreateV2", fault.clone()).times(times));
            cloud.smoke(&[]).exits(0);
            assert_eq!(cloud.modal.sandboxes().len(), 1, "{fault:?} {times}");
        }
        // neither an answer nor its name
        let cloud = Cloud::start();
        cloud.modal.fault(Rule::route("SandboxCreateV2", fault).times(4));
        cloud.modal.fault(Rule::route("SandboxGetFromNameV2", status(Code::Internal)).times(4));
        let object = cloud.smoke(&["--json"]).exits(1).json();
        assert_eq!(failed(&object)["step"], "sandbox");
        assert_eq!(object["steps"].as_array().unwrap().last().unwrap()["ok"], true);
        assert_eq!(cloud.modal.sandboxes()[0].ending(), Some(Ending::terminated()));
    }
}

#[test]
fn creating_that_is_never_answered_is_said() {
    let cloud = Cloud::start();
    cloud.modal.fault(Rule::route("SandboxCreateV2", status(Code::Unavailable)).always());
    assert_eq!(cloud.fails("create_unanswered", 1, &[])["step"], "sandbox");
    let cloud = Cloud::start();
    cloud.modal.fault(Rule::route("SandboxCreateV2", Fault::Delay(Duration::from_secs(3_600))).always());
    assert_eq!(cloud.fails("create_silent", 1, &["--timeout", SHORT])["step"], "sandbox");
}

#[test]
fn a_program_that_says_nothing_is_ended_when_the_time_is_over() {
    for (name, generation) in [("silent_v2", "1"), ("silent_v1", "0")] {
        let mut cloud = Cloud::start().with_worker(&program(&WAITS));
        cloud.world.set("MODAL_SANDBOX_V2", generation);
        assert_eq!(cloud.fails(name, 1, &["--timeout", SHORT])["step"], "run");
        assert!(cloud.modal.sandboxes().iter().all(|sandbox| sandbox.ending() == Some(Ending::terminated())));
    }
}

#[test]
fn a_program_that_ends_without_a_word_is_told_from_one_that_fails() {
    let cloud = Cloud::start().with_worker(&program(&EXITS_WELL));
    assert_eq!(cloud.fails("without_a_word", 1, &[])["step"], "run");
    let cloud = Cloud::start().with_worker(&program(&EXITS));
    assert_eq!(cloud.fails("exit_3", 1, &[])["step"], "run");
}

#[test]
fn a_sandbox_that_dies_says_how() {
    let dooms = [("lost", Ending::lost()), ("out_of_memory", Ending::out_of_memory()), ("terminated", Ending::terminated())];
    for (name, ending) in dooms {
        let cloud = Cloud::start();
        for _run in 0..2 {
            cloud.modal.doom("hf2ms-smoke", 0, ending.clone());
        }
        assert_eq!(cloud.fails(&format!("dies_{name}"), 1, &[])["step"], "run");
    }
    let cloud = Cloud::start();
    for _run in 0..2 {
        cloud.modal.doom("hf2ms-smoke", 20, Ending::killed());
    }
    assert_eq!(cloud.fails("dies_in_a_word", 1, &[])["step"], "run");
}

#[test]
fn a_hub_that_a_sandbox_does_not_reach_is_named() {
    let mut cloud = Cloud::start();
    cloud.world.ms.fault(Rule::any(Fault::status(503)).method("HEAD").always());
    assert_eq!(cloud.fails("hub_down", 1, &[])["step"], "hubs");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    cloud.world.set("HF_ENDPOINT", format!("http://{gone}"));
    let object = cloud.smoke(&["--json"]).exits(1).json();
    let message = failed(&object)["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("Hugging Face cannot be reached from the sandbox, host {gone}, it says ")), "{message}");
    // an address that may not be called is not tried, and what stands in it not shown
    cloud.world.set("HF_ENDPOINT", "https://user:hf_0123456789abcdefghijABCDEFGHIJ0123@huggingface.co");
    let outcome = cloud.smoke(&[]).exits(2);
    insta::assert_snapshot!("bad_endpoint", cloud.shown(&outcome));
}
