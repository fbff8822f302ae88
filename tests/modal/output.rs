//! Output: nothing lost and, by number, nothing twice, whatever breaks.

use std::time::Duration;

use hf2ms::error::ErrorKind;
use hf2ms::runner::modal::{Mark, Output, Sandbox};
use standins::modal::{CONTROL, ROUTER, StreamEnd};

use crate::world::{GENERATIONS, World, counted, counting, of, read, read_once};

#[tokio::test]
async fn a_stream_that_is_cut_after_every_message_is_read_whole() {
    for generation in GENERATIONS {
        for end in [StreamEnd::Unavailable, StreamEnd::Clean] {
            let world = of(generation);
            world.modal.behaviour(|behaviour| {
                behaviour.stream_messages = Some(1);
                behaviour.stream_end = end;
                behaviour.output_piece = 100;
            });
            let (client, sandbox) = world.run("job", &counting(201)).await;
            assert_eq!(read(&mut client.lines(&sandbox, None)).await, counted(201), "{generation} {end:?}");
            world.clean();
        }
    }
}

#[tokio::test]
async fn output_is_read_live_and_the_last_line_needs_no_end() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, sandbox) = world.run("job", "echo first; while [ ! -e go ]; do sleep 0.05; done; printf last").await;
        let mut lines = client.lines(&sandbox, None);
        assert_eq!(lines.next().await.unwrap(), Some(Output::Line("first".to_owned())));
        // called off in between, it loses nothing
        assert!(tokio::time::timeout(Duration::from_millis(300), lines.next()).await.is_err());
        let process = world.modal.sandboxes()[0].process().unwrap();
        std::fs::write(format!("/proc/{process}/cwd/go"), "").unwrap();
        assert_eq!(read(&mut lines).await, ["last"]);
        world.clean();
    }
}

#[tokio::test]
async fn another_process_goes_on_from_a_mark() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, sandbox) = world.run("job", &counting(100)).await;
        let mut lines = client.lines(&sandbox, None);
        for _ in 0..40 {
            lines.next().await.unwrap().unwrap();
        }
        let mark = serde_json::to_string(lines.mark()).unwrap();
        drop(lines);
        let mark: Mark = serde_json::from_str(&mark).unwrap();
        let elsewhere = world.client().await.unwrap();
        let rest = read(&mut elsewhere.lines(&Sandbox::known(&sandbox.id), Some(&mark))).await;
        // by entry it may begin a little earlier
        assert!(rest.ends_with(&counted(100)[40..]), "{rest:?}");
        assert!(generation == "0" || rest.len() == 60);
        world.clean();
    }
}

#[tokio::test]
async fn dropped_output_is_noticed() {
    let world = World::start();
    world.modal.behaviour(|behaviour| behaviour.output_kept = Some(100));
    let (client, sandbox) = world.run("job", &counting(99)).await;
    client.wait(&sandbox.id, Duration::from_secs(60)).await.unwrap().unwrap();
    let mut lines = client.lines(&sandbox, None);
    let printed = counted(99).iter().map(|line| line.len() as u64 + 1).sum::<u64>();
    assert_eq!(lines.next().await.unwrap(), Some(Output::Gap(printed - 100)));
    let rest = read(&mut lines).await;
    assert!(counted(99).ends_with(&rest[1..]) && rest.len() > 5, "{rest:?}");
    world.clean();
}

#[tokio::test]
async fn a_key_that_runs_out_is_renewed() {
    let world = World::start();
    let (client, sandbox) = world.run("job", &counting(50)).await;
    world.modal.sandboxes()[0].printed(1);
    world.modal.expire_router_tokens();
    assert_eq!(read(&mut client.lines(&sandbox, None)).await, counted(50));
    assert!(world.calls("SandboxGetCommandRouterAccess") >= 1);
    world.clean();
}

#[tokio::test]
async fn an_outage_of_either_service_delays_and_loses_nothing() {
    for (generation, origin) in [("1", ROUTER), ("1", CONTROL), ("0", CONTROL)] {
        let world = of(generation);
        let script = format!("{}; sleep 1; echo end", counting(20));
        let (client, sandbox) = world.run("job", &script).await;
        let mut lines = client.lines(&sandbox, None);
        lines.next().await.unwrap().unwrap();
        world.modal.unreachable_for(origin, Duration::from_secs(4));
        let mut rest = read(&mut lines).await;
        assert_eq!(rest.pop().as_deref(), Some("end"), "{generation} {origin}");
        assert_eq!(rest, counted(20)[1..], "{generation} {origin}");
        let ended = client.wait(&sandbox.id, Duration::from_secs(60)).await.unwrap().unwrap();
        assert!(ended.failure().is_none());
        world.clean();
    }
}

#[tokio::test]
async fn the_history_holds_what_the_host_no_longer_serves() {
    let world = World::start();
    world.modal.behaviour(|behaviour| {
        behaviour.router_after_exit = Duration::ZERO;
        behaviour.history_delay = Duration::from_millis(700);
    });
    let (client, sandbox) = world.run("job", &counting(120)).await;
    client.wait(&sandbox.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(read_once(&mut client.lines(&Sandbox::known(&sandbox.id), None)).await, counted(120));
    world.clean();
}

#[tokio::test]
async fn the_history_of_either_generation_is_read_whole() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, sandbox) = world.run("job", &counting(120)).await;
        client.wait(&sandbox.id, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(client.history(&Sandbox::known(&sandbox.id), None).await.unwrap(), counted(120));
        world.clean();
    }
}

#[tokio::test]
async fn output_of_a_sandbox_that_nobody_made_is_an_error() {
    for id in ["sb-nothing", "sb-0123456789abcdefghijkl"] {
        let world = World::start();
        let client = world.client().await.unwrap();
        let error = client.lines(&Sandbox::known(id), None).next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{id}");
    }
}

#[tokio::test]
async fn a_reader_without_patience_gets_every_line() {
    for (generation, origin) in [("1", ROUTER), ("0", CONTROL)] {
        let world = of(generation);
        world.modal.behaviour(|behaviour| behaviour.stream_messages = Some(1));
        let (client, sandbox) = world.run("job", &format!("{}; sleep 1; echo end", counting(50))).await;
        let mut lines = client.lines(&sandbox, None);
        lines.next().await.unwrap().unwrap();
        world.modal.unreachable_for(origin, Duration::from_secs(2));
        let mut rest = Vec::new();
        loop {
            match tokio::time::timeout(Duration::from_millis(5), lines.next()).await {
                Ok(Ok(Some(Output::Line(line)))) => rest.push(line),
                Ok(Ok(None)) => break,
                Ok(other) => panic!("{other:?}"),
                Err(_called_off) => {}
            }
        }
        assert_eq!(rest.pop().as_deref(), Some("end"));
        assert_eq!(rest, counted(50)[1..], "{generation}");
        world.clean();
    }
}
