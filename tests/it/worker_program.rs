//! What is in the way before anything is created: a program for sandboxes that is no hf2ms, or one of another time; a Modal that is out of reach.

use crate::cloud::Cloud;
use crate::smoke::program::{EXITS, elf};
use crate::trip::{Way, both_ways};
use crate::world::Outcome;

/// Runs `migrate` with these bytes as the program for sandboxes.
fn migrate_with(cloud: &mut Cloud, bytes: &[u8], more: &[&str]) -> Outcome {
    let path = cloud.trip.world.home.join("worker");
    std::fs::write(&path, bytes).unwrap();
    cloud.trip.world.set("HF2MS_WORKER_BIN", path.display().to_string());
    cloud.trip.world.run(&[&["migrate"], &cloud.trip.address()[..], more].concat())
}

/// What a user sees, without what a person is told of the plan.
fn end(cloud: &Cloud, outcome: &Outcome) -> String {
    let shown = outcome.shown(&cloud.trip.world);
    let end: Vec<_> = shown.lines().filter(|line| ["exit", "error", "hint"].iter().any(|word| line.starts_with(word))).collect();
    end.join("\n").replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
}

both_ways! {
    fn a_program_that_is_no_hf2ms_or_of_another_time_creates_nothing(way) {
        let mut cloud = Cloud::plenty(way);
        let stale = [elf(&EXITS), b"[hf2ms program 0.0.1 protocol 0]".to_vec()].concat();
        for (name, bytes) in [("foreign", elf(&EXITS)), ("stale", stale)] {
            for flags in [&[][..], &["--workers", "2"], &["--detach"]] {
                let outcome = migrate_with(&mut cloud, &bytes, flags).exits(2);
                insta::assert_snapshot!(name, end(&cloud, &outcome));
            }
        }
        assert_eq!(cloud.modal.sandboxes().len(), 0);
        for call in ["AppGetOrCreate", "ImageGetOrCreate", "MountPutFile", "MountGetOrCreate", "SandboxCreateV2", "SandboxCreate"] {
            assert_eq!(cloud.modal.journal().requests(call), 0, "{call}");
        }
        let creates = if way == Way::HfToMs { "create" } else { "repo.create" };
        assert_eq!(cloud.trip.destination_journal().requests(creates), 0);
        assert_eq!(cloud.trip.destination_journal().bytes_uploaded(), 0);
        assert_eq!(cloud.trip.world.run(&["status", "--json"]).exits(0).json()["migrations"], serde_json::json!([]), "nothing is left behind");
    }

    fn what_could_not_be_begun_is_not_among_the_migrations(way) {
        let mut cloud = Cloud::plenty(way);
        // a port that nobody listens on any more
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        cloud.trip.world.set("MODAL_SERVER_URL", format!("http://{gone}"));
        let error = cloud.trip.migrate(&["--detach"]).exits(1).json()["error"].clone();
        assert_eq!(error["kind"], "unavailable", "{error}");
        assert_eq!(cloud.trip.world.run(&["status", "--json"]).exits(0).json()["migrations"], serde_json::json!([]));
    }
}
