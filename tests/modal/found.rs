//! Finding sandboxes again, and ending them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hf2ms::error::ErrorKind;
use hf2ms::runner::modal::EndedHow;
use standins::modal::Ending;

use crate::world::{GENERATIONS, World, of, script, spec};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_list_is_read_to_its_end_however_short_its_pages_are() {
    for generation in GENERATIONS {
        let world = of(generation);
        world.modal.behaviour(|behaviour| behaviour.page_size = 1);
        let (client, prepared) = world.ready("exec sleep 600").await;
        for number in 0..5 {
            let mut one = spec(&format!("job-{number}"));
            one.tags.insert("shard".to_owned(), (number % 2).to_string());
            client.create(&prepared, &one).await.unwrap();
        }
        let even = client.list(&BTreeMap::from([("shard".to_owned(), "0".to_owned())]), false).await.unwrap();
        let names: Vec<_> = even.iter().map(|listed| listed.name.clone().unwrap()).collect();
        assert_eq!(names, ["job-4", "job-2", "job-0"]);
        assert_eq!(even[0].tags.get("hf2ms").map(String::as_str), Some("1"));
        assert_eq!(client.list(&BTreeMap::new(), false).await.unwrap().len(), 5);
        world.clean();
    }
}

#[tokio::test]
async fn a_finished_sandbox_is_found_by_its_name_and_listed_when_asked_for() {
    let world = World::start();
    let (client, sandbox) = world.run("job", "exit 0").await;
    client.wait(&sandbox.id, LONG).await.unwrap().unwrap();
    assert_eq!(client.find("job").await.unwrap().as_deref(), Some(sandbox.id.as_str()));
    assert_eq!(client.running("job").await.unwrap(), None);
    assert_eq!(client.find("nobody").await.unwrap(), None);
    assert!(client.list(&BTreeMap::new(), false).await.unwrap().is_empty());
    let finished = client.list(&BTreeMap::new(), true).await.unwrap();
    assert_eq!(finished[0].ended.as_ref().map(|ended| ended.how), Some(EndedHow::Done));
    world.clean();
}

#[tokio::test]
async fn terminating_waits_until_it_is_gone_and_knows_what_was_gone_before() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, sandbox) = world.run("job", "sleep 600").await;
        world.modal.sandboxes()[0].started();
        let ended = client.terminate(&sandbox.id).await.unwrap().unwrap();
        assert_eq!((ended.how, ended.exit), (EndedHow::Terminated, None));
        assert_eq!((world.modal.living().len(), world.modal.processes()), (0, 0));
        assert_eq!(client.terminate(&sandbox.id).await.unwrap().map(|ended| ended.how), Some(EndedHow::Terminated));
        world.clean();
    }
}

#[tokio::test]
async fn each_way_of_ending_is_told() {
    let world = World::start();
    let (client, prepared) = world.ready("exec sleep 600").await;
    let ways =
        [(Ending::terminated(), EndedHow::Terminated), (Ending::out_of_memory(), EndedHow::OutOfMemory), (Ending::lost(), EndedHow::Lost)];
    for (number, (ending, how)) in ways.into_iter().enumerate() {
        let sandbox = client.create(&prepared, &spec(&format!("job-{number}"))).await.unwrap();
        world.modal.sandbox_named(&format!("job-{number}")).unwrap().started().end(ending);
        let ended = client.wait(&sandbox.id, LONG).await.unwrap().unwrap();
        assert_eq!(ended.how, how);
        assert!(ended.failure().is_some());
    }
    world.clean();
}

#[tokio::test]
async fn a_sandbox_that_nobody_made_is_not_found() {
    let world = World::start();
    let client = world.client().await.unwrap();
    assert_eq!(client.poll("sb-nothing").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.terminate("sb-nothing").await.unwrap(), None);
}

#[tokio::test]
async fn tags_are_read_and_replaced() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, sandbox) = world.run("job", "exec sleep 600").await;
        assert_eq!(client.tags(&sandbox.id).await.unwrap(), BTreeMap::from([("hf2ms".to_owned(), "1".to_owned())]));
        let other = BTreeMap::from([("state".to_owned(), "done".to_owned())]);
        client.set_tags(&sandbox.id, &other).await.unwrap();
        assert_eq!(client.tags(&sandbox.id).await.unwrap(), other);
        world.clean();
    }
}

#[tokio::test]
async fn two_starters_of_one_name_have_one_sandbox() {
    for generation in GENERATIONS {
        let world = of(generation);
        let (client, prepared) = world.ready("exec sleep 600").await;
        let other = world.client().await.unwrap();
        other.prepare(&[script("exec sleep 600")]).await.unwrap();
        let (one, same) = (spec("job"), spec("job"));
        let both = tokio::join!(client.create(&prepared, &one), other.create(&prepared, &same));
        let ids = BTreeSet::from([both.0.unwrap().id, both.1.unwrap().id]);
        assert_eq!((ids.len(), world.modal.sandboxes().len()), (1, 1));
        world.clean();
    }
}
