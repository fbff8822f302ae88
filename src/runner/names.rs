//! What sandboxes are called, by which tags they are found again, and where files lie in them. Names follow from the destination, so that
//! whoever writes to it takes the same ones: one of them gets each.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::protocol::Job;

/// Where the program lies in a container.
pub const PROGRAM: &str = "/hf2ms/hf2ms";
/// Where a conductor's job lies.
pub const JOB: &str = "/hf2ms/job.json";
/// Where a worker's job lies: it comes in a mount of its own, and no folder is in two mounts.
pub const SHARD_JOB: &str = "/hf2ms-job/job.json";

/// What begins every name.
const PREFIX: &str = "hf2ms-";
/// What comes before the number of a conductor at the end of its name.
const GENERATION: &str = "-g";

/// Tags (facts, modal §3). Their values are words without `/`, so names of repositories do not go in.
pub mod tag {
    /// Every sandbox of this program has it.
    pub const OURS: &str = "hf2ms";
    /// The migration's id.
    pub const ID: &str = "id";
    /// What the process is in it.
    pub const ROLE: &str = "role";
    /// A digest of the request.
    pub const REQUEST: &str = "request";
    /// The destination, as in names.
    pub const TO: &str = "to";
    /// Which conductor of its migration it is, counted from 1.
    pub const GENERATION: &str = "generation";
    /// Which shard a worker has.
    pub const SHARD: &str = "shard";
    /// How many had it before.
    pub const ATTEMPT: &str = "attempt";
    /// Into which shards its migration is cut.
    pub const CUT: &str = "cut";
}

/// What stands for a job's destination in names and tags. Repositories of one name at two sites of a hub are two.
pub fn of_destination(job: &Job) -> String {
    let destination = &job.request.destination;
    let endpoint = job.endpoints.of(destination.platform);
    digest(format!("{} {destination} {endpoint}", destination.repo_type).to_lowercase().as_bytes())
}

/// The name of a job's conductor: of the first of its migration, or of one that succeeds others.
pub fn of_conductor(job: &Job, generation: u32) -> String {
    format!("{PREFIX}{}{GENERATION}{generation}", of_destination(job))
}

/// What stands for the destination in a conductor's name.
pub fn destination_in(conductor: &str) -> Option<&str> {
    let (destination, generation) = conductor.strip_prefix(PREFIX)?.rsplit_once(GENERATION)?;
    (!generation.is_empty() && generation.bytes().all(|digit| digit.is_ascii_digit())).then_some(destination)
}

/// Which conductor of its migration has this name, counted from 1.
pub fn generation_in(conductor: &str) -> Option<u32> {
    conductor.strip_prefix(PREFIX)?.rsplit_once(GENERATION)?.1.parse().ok()
}

/// The tags that all conductors of a destination have, and nobody else.
pub fn of_conductors(destination: &str) -> BTreeMap<String, String> {
    let tags = [(tag::OURS, "1"), (tag::ROLE, "conductor"), (tag::TO, destination)];
    tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The tags that all workers of a destination have, and nobody else.
pub fn of_workers(destination: &str) -> BTreeMap<String, String> {
    let tags = [(tag::OURS, "1"), (tag::ROLE, "worker"), (tag::TO, destination)];
    tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A digest that fits into a name or a tag.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..10])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(kind: &str, name: &str, endpoint: &str) -> Job {
        let repo = |platform: &str| json!({ "platform": platform, "type": kind, "id": name });
        let request = json!({ "source": repo("hf"), "revision": null, "destination": repo("ms") });
        let consent = json!({ "risks": false, "loosened_visibility": false });
        let endpoints = json!({ "hf": "https://hf.example", "ms": endpoint });
        serde_json::from_value(json!({ "protocol": 1, "id": "m", "role": "conductor", "request": request, "source_commit": null,
            "consent": consent, "endpoints": endpoints }))
        .unwrap()
    }

    #[test]
    fn a_destination_is_the_same_however_it_is_written_and_found_again_in_its_conductors_name() {
        let of = |name: &str| job("model", name, "https://ms.example");
        let first = |job: &Job| of_conductor(job, 1);
        assert_eq!(first(&of("Alice/Bert")), first(&of("alice/bert")));
        assert_ne!(first(&of("alice/bert")), first(&of("alice/bart")));
        assert_ne!(first(&of("alice/bert")), first(&job("dataset", "alice/bert", "https://ms.example")));
        assert_ne!(first(&of("alice/bert")), first(&job("model", "alice/bert", "https://other.example")));
        for generation in [1, 2, 10] {
            let name = of_conductor(&of("alice/bert"), generation);
            assert_eq!(generation_in(&name), Some(generation));
            assert_eq!(destination_in(&name), Some(of_destination(&of("alice/bert")).as_str()));
        }
        assert_eq!(destination_in("hf2ms-x-g"), None);
        assert_eq!(destination_in("hf2ms-x-0-1"), None);
    }
}
