//! What sandboxes are called, by which tags they are found again, and where files lie in them. Names follow from the destination, so that
//! whoever writes to it takes the same ones: one of them gets each.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::repo::RepoRef;

/// Where the program lies in a container.
pub const PROGRAM: &str = "/hf2ms/hf2ms";
/// Where a conductor's job lies.
pub const JOB: &str = "/hf2ms/job.json";
/// Where a worker's job lies: it comes in a mount of its own, and no folder is in two mounts.
pub const SHARD_JOB: &str = "/hf2ms-job/job.json";

/// What begins every name.
const PREFIX: &str = "hf2ms-";
/// What ends a conductor's.
const CONDUCTOR: &str = "-g1";

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
    /// Which shard a worker has.
    pub const SHARD: &str = "shard";
    /// How many had it before.
    pub const ATTEMPT: &str = "attempt";
    /// Into which shards its migration is cut.
    pub const CUT: &str = "cut";
}

/// What stands for a destination in names and tags.
pub fn of_destination(destination: &RepoRef) -> String {
    digest(format!("{} {destination}", destination.repo_type).to_lowercase().as_bytes())
}

/// The name of the conductor that writes to a destination.
pub fn of_conductor(destination: &RepoRef) -> String {
    format!("{PREFIX}{}{CONDUCTOR}", of_destination(destination))
}

/// What stands for the destination in a conductor's name.
pub fn destination_in(conductor: &str) -> Option<&str> {
    conductor.strip_prefix(PREFIX)?.strip_suffix(CONDUCTOR)
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
    use crate::repo::{Platform, RepoType};

    #[test]
    fn a_destination_is_the_same_however_it_is_written_and_found_again_in_its_conductors_name() {
        let of = |name: &str| RepoRef { platform: Platform::ModelScope, repo_type: RepoType::Model, id: name.parse().unwrap() };
        assert_eq!(of_conductor(&of("Alice/Bert")), of_conductor(&of("alice/bert")));
        assert_ne!(of_conductor(&of("alice/bert")), of_conductor(&of("alice/bart")));
        let dataset = RepoRef { repo_type: RepoType::Dataset, ..of("alice/bert") };
        assert_ne!(of_conductor(&of("alice/bert")), of_conductor(&dataset));
        assert_eq!(destination_in(&of_conductor(&of("alice/bert"))), Some(of_destination(&of("alice/bert")).as_str()));
        assert_eq!(destination_in("hf2ms-x-0-1"), None);
    }
}
