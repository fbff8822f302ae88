//! Output: by byte at the router, by entry in the logs, live and afterwards.

use std::time::Duration;

use standins::modal::proto::*;
use standins::modal::{Ending, StreamEnd};
use tonic::Code;

use crate::world::World;

/// A script that prints numbered lines.
fn count(lines: u32) -> String {
    format!("n=0; while [ $n -lt {lines} ]; do n=$((n + 1)); echo line $n; done")
}

fn lines(lines: u32) -> String {
    (1..=lines).map(|number| format!("line {number}\n")).collect()
}

fn access(world: &World, sandbox_id: &str) -> Result<SandboxGetCommandRouterAccessResponse, tonic::Status> {
    let target = Some(sandbox_get_command_router_access_request::Target::SandboxId(sandbox_id.to_owned()));
    world.call("SandboxGetCommandRouterAccess", SandboxGetCommandRouterAccessRequest { target })
}

#[test]
fn a_stream_cut_after_every_message_is_whole_when_resumed() {
    let world = World::start();
    world.modal.behaviour(|behaviour| (behaviour.stream_messages, behaviour.output_piece) = (Some(1), 10));
    let (made, sandbox) = world.run("hf2ms-1", &count(20));
    sandbox.ended();
    let jwt = made.command_router_access.unwrap().jwt;
    let (mut whole, mut offset, mut reads) = (Vec::new(), 0, 0);
    loop {
        let (messages, end) = world.read(&jwt, &made.task_id, offset);
        for message in messages {
            assert_eq!(message.starting_offset, offset);
            offset += message.data.len() as u64;
            whole.extend(message.data);
        }
        reads += 1;
        match end {
            Ok(()) => break,
            Err(status) => assert_eq!(status.code(), Code::Unavailable),
        }
    }
    assert_eq!(String::from_utf8(whole).unwrap(), lines(20));
    assert!(reads > 10, "{reads}");
    world.modal.strict().assert_clean();
}

#[test]
fn a_cut_can_look_like_an_end() {
    let world = World::start();
    world.modal.behaviour(|behaviour| {
        (behaviour.stream_messages, behaviour.output_piece, behaviour.stream_end) = (Some(1), 10, StreamEnd::Clean);
    });
    let (made, sandbox) = world.run("hf2ms-1", &count(20));
    sandbox.ended();
    let (messages, end) = world.read(&made.command_router_access.unwrap().jwt, &made.task_id, 0);
    assert_eq!(messages.len(), 1);
    end.unwrap();
}

#[test]
fn dropped_output_shows_in_the_first_offset() {
    let world = World::start();
    let (made, sandbox) = world.run("hf2ms-1", &count(20));
    sandbox.ended();
    sandbox.keep_output(8);
    let (messages, _) = world.read(&made.command_router_access.unwrap().jwt, &made.task_id, 3);
    let whole = lines(20);
    assert_eq!(messages[0].starting_offset, whole.len() as u64 - 8);
    assert_eq!(messages[0].data, &whole.as_bytes()[whole.len() - 8..]);
}

#[test]
fn a_router_token_runs_out_and_another_one_opens() {
    let world = World::start();
    let (made, sandbox) = world.run("hf2ms-1", &count(2));
    sandbox.ended();
    let jwt = made.command_router_access.unwrap().jwt;
    world.modal.expire_router_tokens();
    assert_eq!(world.read(&jwt, &made.task_id, 0).1.unwrap_err().code(), Code::Unauthenticated);
    let fresh = access(&world, &made.sandbox_id).unwrap();
    assert_eq!(fresh.url, world.modal.router_url());
    assert_eq!(world.read(&fresh.jwt, &made.task_id, 0).0[0].data, lines(2).into_bytes());
    world.modal.strict().assert_clean();
}

#[test]
fn a_host_may_be_gone_with_its_sandbox_while_the_history_stays() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.router_after_exit = Duration::ZERO);
    let (made, sandbox) = world.run("hf2ms-1", &count(3));
    sandbox.ended();
    let jwt = made.command_router_access.unwrap().jwt;
    assert_eq!(world.read(&jwt, &made.task_id, 0).1.unwrap_err().code(), Code::Unavailable);
    assert_eq!(access(&world, &made.sandbox_id).unwrap_err().code(), Code::FailedPrecondition);
    let fetch = |task_id: &str, sandbox_id: &str, limit: u32| {
        let (task_id, sandbox_id) = (task_id.to_owned(), sandbox_id.to_owned());
        let since = Some((std::time::SystemTime::now() - Duration::from_secs(3_600)).into());
        let request = AppFetchLogsRequest { app_id: world.app_id(), since, limit, source: 1, task_id, sandbox_id, ..Default::default() };
        let answer: AppFetchLogsResponse = world.call("AppFetchLogs", request).unwrap();
        answer.batches.into_iter().flat_map(|batch| batch.items).map(|item| item.data).collect::<String>()
    };
    assert_eq!(fetch(&made.task_id, "", 100), lines(3));
    // as the official clients have it, a V2 sandbox is found by its task alone
    assert_eq!(fetch("", &made.sandbox_id, 100), "");
    world.modal.behaviour(|behaviour| behaviour.history_by_sandbox_id = true);
    assert_eq!(fetch("", &made.sandbox_id, 100), lines(3));
    world.modal.behaviour(|behaviour| behaviour.history_delay = Duration::from_secs(3_600));
    assert_eq!(fetch(&made.task_id, "", 100), "");
    world.modal.strict().assert_clean();
}

#[test]
fn the_newest_entries_are_what_fits() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.output_piece = 7);
    let (made, sandbox) = world.run("hf2ms-1", &count(9));
    sandbox.ended();
    let since = Some((std::time::SystemTime::now() - Duration::from_secs(60)).into());
    let request = AppFetchLogsRequest { app_id: world.app_id(), since, limit: 2, task_id: made.task_id, ..Default::default() };
    let answer: AppFetchLogsResponse = world.call("AppFetchLogs", request).unwrap();
    let text: String = answer.batches.iter().flat_map(|batch| &batch.items).map(|item| item.data.as_str()).collect();
    assert_eq!(text, "line 8\nline 9\n");
}

#[test]
fn the_logs_of_the_first_generation_go_on_from_an_entry_to_the_end() {
    let world = World::start();
    world.modal.behaviour(|behaviour| (behaviour.stream_messages, behaviour.output_piece) = (Some(2), 10));
    let sandbox = world.run_v1("hf2ms-1", &count(20));
    sandbox.ended();
    let (mut text, mut last_entry_id, mut eof) = (String::new(), String::new(), false);
    while !eof {
        let request = SandboxGetLogsRequest {
            sandbox_id: sandbox.id().to_owned(),
            file_descriptor: 1,
            timeout: 5.0,
            last_entry_id: last_entry_id.clone(),
        };
        let (batches, _) = world.stream::<_, TaskLogsBatch>("SandboxGetLogs", request);
        assert!(!batches.is_empty());
        for batch in batches {
            text.extend(batch.items.iter().map(|item| item.data.as_str()));
            (last_entry_id, eof) = (batch.entry_id, batch.eof);
        }
    }
    assert_eq!(text, lines(20));
    world.modal.strict().assert_clean();
}

#[test]
fn logs_of_a_silent_sandbox_end_without_an_end_when_the_time_is_up() {
    let world = World::start();
    let sandbox = world.run_v1("hf2ms-1", "exec sleep 600");
    sandbox.started();
    let request = SandboxGetLogsRequest { sandbox_id: sandbox.id().to_owned(), file_descriptor: 2, timeout: 0.2, ..Default::default() };
    let (batches, end) = world.stream::<_, TaskLogsBatch>("SandboxGetLogs", request);
    assert!(batches.is_empty());
    end.unwrap();
}

#[test]
fn a_doomed_sandbox_has_printed_exactly_so_much() {
    let world = World::start();
    world.modal.doom("hf2ms-1", 25, Ending::out_of_memory());
    let (_, sandbox) = world.run("hf2ms-1", &format!("{}; exec sleep 600", count(1_000)));
    assert_eq!(sandbox.ended(), Ending::out_of_memory());
    assert_eq!(sandbox.stdout(), &lines(20).as_bytes()[..25]);
    // once, and nobody else
    let (_, other) = world.run("hf2ms-1", &count(10));
    assert_eq!(other.ended().status, 1);
}

#[test]
fn a_task_is_the_way_to_the_output_of_either_generation() {
    let world = World::start();
    let (made, _) = world.run("hf2ms-1", "exit 0");
    let asks = SandboxGetTaskIdRequest { sandbox_id: made.sandbox_id, ..Default::default() };
    let task: SandboxGetTaskIdResponse = world.call("SandboxGetTaskIdV2", asks).unwrap();
    assert_eq!(task.task_id(), made.task_id);
    let old = world.run_v1("hf2ms-2", "echo words");
    old.ended();
    let asks = TaskGetCommandRouterAccessRequest { task_id: old.task_id().to_owned() };
    let access: TaskGetCommandRouterAccessResponse = world.call("TaskGetCommandRouterAccess", asks).unwrap();
    assert_eq!(world.read(&access.jwt, old.task_id(), 0).0[0].data, b"words\n");
    world.modal.strict().assert_clean();
}

#[test]
fn a_listing_may_lag_behind() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.list_lags = 1);
    let (first, _) = world.run("hf2ms-1", "exec sleep 600");
    world.run("hf2ms-2", "exec sleep 600");
    let list = SandboxListRequest { app_id: world.app_id(), ..Default::default() };
    let rows: SandboxListResponse = world.call("SandboxListV2", list).unwrap();
    assert_eq!(rows.sandboxes.iter().map(|row| &row.id).collect::<Vec<_>>(), [&first.sandbox_id]);
}
