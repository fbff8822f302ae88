//! What a namespace holds, and who sees all of it.

use serde_json::Value;

use crate::world::World;
use standins::huggingface::{Gated, RepoKind, Role, rules};
use standins::probe::{Probe, Reply};

fn ids(reply: &Reply) -> Vec<String> {
    let list: Value = reply.json();
    list.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn private_ones_are_listed_for_those_alone_who_belong_there() {
    let world = World::start();
    for (id, seed) in [("alice/a", "1"), ("alice/b", "2"), ("bob/c", "3")] {
        world.hf.repo(RepoKind::Model, id).file("config.json", seed).commit("all");
    }
    world.hf.repo(RepoKind::Model, "alice/b").private();
    world.hf.repo(RepoKind::Model, "alice/a").gated(Gated::Auto);
    world.hf.repo(RepoKind::Dataset, "alice/d").file("train.csv", "a").commit("all");
    let path = "/api/models?author=alice&limit=1000&expand=private&expand=gated&expand=usedStorage&expand=lastModified";
    let mine = world.get(path);
    assert_eq!(ids(&mine), ["alice/a", "alice/b"]);
    let first = &mine.json()[0];
    assert_eq!((&first["gated"], &first["private"]), (&"auto".into(), &false.into()));
    assert!(first["usedStorage"].as_u64().is_some() && first["lastModified"].is_string() && first["sha"].is_null(), "{first}");
    let bob = world.hf.token("bob", Role::Write);
    assert_eq!(ids(&Probe::get(format!("{}{path}", world.url)).token(&bob).send()), ["alice/a"]);
    assert_eq!(ids(&Probe::get(format!("{}{path}", world.url)).send()), ["alice/a"]);
    assert_eq!(Probe::get(format!("{}{path}", world.url)).token("hf_nobody").send().status, 401);
    assert_eq!(ids(&world.get("/api/datasets?author=alice")), ["alice/d"]);
    assert!(ids(&world.get("/api/models?author=nobody")).is_empty());
    world.hf.strict().assert_clean();
}

#[test]
fn pages_are_chained_by_their_links() {
    let world = World::start();
    for number in 0..5 {
        world.hf.repo(RepoKind::Model, &format!("alice/m{number}")).file("config.json", "{}").commit("all");
    }
    world.hf.behaviour(|behaviour| behaviour.list_page = 2);
    let (mut path, mut seen) = ("/api/models?author=alice&limit=1000".to_owned(), Vec::new());
    for _ in 0..3 {
        let page = world.get(&path);
        seen.extend(ids(&page));
        let Some(link) = page.header("link") else { break };
        let url = link.trim_start_matches('<').split('>').next().unwrap();
        path = url.strip_prefix(&world.url).unwrap().to_owned();
    }
    assert_eq!(seen, ["alice/m0", "alice/m1", "alice/m2", "alice/m3", "alice/m4"]);
}

#[test]
fn what_does_not_exist_cannot_be_expanded() {
    let world = World::start();
    for path in ["/api/models?author=alice&expand=size", "/api/spaces?author=alice&expand=gated", "/api/models?author=alice&limit=5000"] {
        assert_eq!(world.get(path).status, 400, "{path}");
    }
}

#[test]
fn nobody_lists_the_whole_site() {
    let world = World::start();
    world.get("/api/models");
    world.assert_broken(rules::LIST_OF_ALL);
}
