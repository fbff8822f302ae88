//! Both hubs side by side, with the one user most programs between them need.

use crate::huggingface::{self, HuggingFace, Role};
use crate::modelscope::{self, ModelScope, Tier};
use crate::store::Sink;

/// The user who may write on both hubs of a [`Pair`].
pub const USER: &str = "alice";

/// Two running hubs, each with [`USER`].
#[derive(Debug)]
pub struct Pair {
    /// Hugging Face.
    pub hf: HuggingFace,
    /// ModelScope.
    pub ms: ModelScope,
}

impl Pair {
    /// Starts both without repositories.
    pub fn start(sink: Sink) -> Self {
        let hf = HuggingFace::start(huggingface::Setup { sink, ..Default::default() });
        let ms = ModelScope::start(modelscope::Setup { sink, ..Default::default() });
        hf.user(USER);
        ms.user(USER);
        Self { hf, ms }
    }

    /// The variables that point a client at both, with a fresh token of [`USER`] for each. Every client, the official ones too,
    /// knows them by these names.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HF_ENDPOINT", self.hf.endpoint()),
            ("HF_TOKEN", self.hf.token(USER, Role::Write)),
            ("MODELSCOPE_ENDPOINT", self.ms.endpoint()),
            ("MODELSCOPE_API_TOKEN", self.ms.token(USER, Tier::Write)),
        ]
    }

    /// Limits the way down from each hub's CDN and the way up to its storage, each to so many bytes a second for all streams
    /// together.
    pub fn throttle(&self, bytes_per_second: u64) {
        for lane in [self.hf.dials().origin(huggingface::CDN), self.ms.dials().origin(modelscope::CDN)] {
            lane.set_download_per_host(bytes_per_second);
        }
        for lane in [self.hf.dials().origin(huggingface::STORAGE), self.ms.dials().origin(modelscope::LFS)] {
            lane.set_upload_per_host(bytes_per_second);
        }
    }

    /// From now on, forgives what official clients do.
    pub fn set_lenient_peers(&self, lenient: bool) {
        self.hf.strict().set_lenient_peers(lenient);
        self.ms.strict().set_lenient_peers(lenient);
    }

    /// How many rules were broken on both.
    pub fn broken_rules(&self) -> usize {
        self.hf.strict().count() + self.ms.strict().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Probe;

    #[test]
    fn the_environment_opens_both_hubs() {
        let hubs = Pair::start(Sink::Memory);
        let of = |name: &str| hubs.environment().into_iter().find(|(other, _)| *other == name).unwrap().1;
        let whoami = Probe::get(format!("{}/api/whoami-v2", of("HF_ENDPOINT"))).token(&of("HF_TOKEN")).send();
        assert_eq!(whoami.json()["name"], USER);
        let me = Probe::get(format!("{}/openapi/v1/users/me", of("MODELSCOPE_ENDPOINT"))).token(&of("MODELSCOPE_API_TOKEN")).send();
        assert_eq!(me.json()["data"]["username"], USER);
        assert_eq!(hubs.broken_rules(), 0);
    }
}
