//! Tokens that go astray are counted, wherever they show up and however they are written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken test should stop")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use standins::huggingface::{self, HuggingFace, Role};
use standins::marks::{Marks, TOKEN_ASTRAY};
use standins::modelscope::{self, LFS, ModelScope, Tier};
use standins::probe::Probe;

/// Both hubs with one list of secrets.
struct Shores {
    hf: HuggingFace,
    ms: ModelScope,
    hf_token: String,
    ms_token: String,
}

impl Shores {
    fn start() -> Self {
        let marks = Marks::default();
        let hf = HuggingFace::start(huggingface::Setup { marks: marks.clone(), ..Default::default() });
        let ms = ModelScope::start(modelscope::Setup { marks, ..Default::default() });
        let (hf_token, ms_token) = (hf.token("alice", Role::Write), ms.token("alice", Tier::Write));
        Self { hf, ms, hf_token, ms_token }
    }

    fn astray(&self) -> usize {
        self.hf.strict().count_of(TOKEN_ASTRAY) + self.ms.strict().count_of(TOKEN_ASTRAY)
    }

    /// Sends it, and expects this many tokens astray.
    #[track_caller]
    fn counts(&self, expected: usize, probe: &Probe) {
        let before = self.astray();
        let _any = probe.try_send();
        assert_eq!(self.astray() - before, expected, "{probe:?}");
    }
}

#[test]
fn a_token_in_its_header_at_its_hub_is_where_it_belongs() {
    let shores = Shores::start();
    shores.counts(0, &Probe::get(format!("{}/api/whoami-v2", shores.hf.endpoint())).token(&shores.hf_token));
    let cookie = format!("m_session_id={}", shores.ms_token);
    for base in [shores.ms.endpoint(), shores.ms.origin(LFS)] {
        shores.counts(0, &Probe::get(format!("{base}/openapi/v1/users/me")).token(&shores.ms_token).header("Cookie", &cookie));
    }
    shores.counts(0, &Probe::post(format!("{}/api/v1/login", shores.ms.endpoint()), &json!({ "AccessToken": shores.ms_token })));
}

#[test]
fn a_token_at_a_host_that_is_not_its_hubs_is_counted() {
    let shores = Shores::start();
    for origin in [huggingface::STORAGE, huggingface::CDN] {
        shores.counts(1, &Probe::get(format!("{}/x", shores.hf.origin(origin))).token(&shores.hf_token));
    }
    shores.counts(1, &Probe::get(format!("{}/x", shores.ms.origin(modelscope::CDN))).token(&shores.ms_token));
    shores.counts(1, &Probe::get(format!("{}/api/whoami-v2", shores.hf.endpoint())).token(&shores.ms_token));
    shores.counts(1, &Probe::get(format!("{}/openapi/v1/users/me", shores.ms.endpoint())).token(&shores.hf_token));
}

#[test]
fn a_token_in_another_place_is_counted() {
    let shores = Shores::start();
    let (api, token) = (shores.hf.endpoint(), &shores.hf_token);
    let encoded = STANDARD.encode(format!("alice:{token}"));
    shores.counts(1, &Probe::get(format!("{api}/api/models?token={token}")));
    shores.counts(1, &Probe::get(format!("{api}/{}/x", token.replace('_', "%5F"))));
    shores.counts(1, &Probe::get(format!("{api}/api/models")).header("User-Agent", token));
    shores.counts(1, &Probe::get(format!("{api}/api/models")).header("Cookie", &format!("token={token}")));
    shores.counts(1, &Probe::get(format!("{api}/api/models")).header("Authorization", &format!("Basic {encoded}")));
    shores.counts(1, &Probe::post(format!("{api}/api/repos/create"), &json!({ "name": token })).token(token));
    shores.counts(1, &Probe::post(format!("{api}/api/repos/create"), &json!({ "name": encoded })).token(token));
    let ours = &shores.ms_token;
    shores.counts(1, &Probe::get(format!("{}/openapi/v1/users/me", shores.ms.endpoint())).header("X-Token", &ours.replace('-', "%2D")));
    shores.counts(1, &Probe::post(format!("{}/api/v1/models", shores.ms.endpoint()), &json!({ "Name": token })).token(ours));
}
