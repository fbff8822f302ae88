//! What every call is held to before anybody looks at what it wants: which client it is, who it is for, and its keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::HeaderMap;
use sha2::{Digest as _, Sha256};
use tonic::{Code, Status};

use super::behaviour::Generation;
use super::hub::Hub;
use super::rules;
use super::tokens::{Opens, Pair, Refused};
use super::wire;

/// The calls of the control plane that answer with a stream.
const STREAMS: [&str; 2] = ["ImageJoinStreaming", "SandboxGetLogs"];

/// The names of all calls, as rules of misfortune and the journal know them.
pub(super) const CALLS: [&str; 37] = [
    "AppFetchLogs",
    "AppGetOrCreate",
    "AppStop",
    "AuthTokenGet",
    "BlobCreate",
    "ClientHello",
    "EnvironmentGetOrCreate",
    "ImageGetOrCreate",
    "ImageJoinStreaming",
    "MountBatchedCheckExistence",
    "MountGetOrCreate",
    "MountPutFile",
    "SandboxCreate",
    "SandboxCreateV2",
    "SandboxGetCommandRouterAccess",
    "SandboxGetFromName",
    "SandboxGetFromNameV2",
    "SandboxGetLogs",
    "SandboxGetTaskId",
    "SandboxGetTaskIdV2",
    "SandboxList",
    "SandboxListV2",
    "SandboxSetName",
    "SandboxStdioReadV2",
    "SandboxTagsGet",
    "SandboxTagsGetV2",
    "SandboxTagsSet",
    "SandboxTagsSetV2",
    "SandboxTerminate",
    "SandboxTerminateV2",
    "SandboxWait",
    "SandboxWaitV2",
    "SecretGetOrCreate",
    "TaskGetCommandRouterAccess",
    "TokenInfoGet",
    "WorkspaceBillingRates",
    "WorkspaceNameLookup",
];

/// The name of the call behind a path.
pub(super) fn call_of(path: &str) -> &'static str {
    let last = path.rsplit('/').next().unwrap_or_default();
    CALLS.iter().find(|call| **call == last).copied().unwrap_or("unknown")
}

/// The generation that a sandbox call belongs to.
pub(super) fn generation_of(call: &str) -> Option<Generation> {
    match call {
        "SandboxSetName" | "SandboxGetCommandRouterAccess" => Some(Generation::V2),
        "TaskGetCommandRouterAccess" => Some(Generation::V1),
        _ if !call.starts_with("Sandbox") => None,
        _ if call.ends_with("V2") => Some(Generation::V2),
        _ => Some(Generation::V1),
    }
}

/// Whether a call of the control plane answers once.
pub(super) fn is_unary(call: &str) -> bool {
    !STREAMS.contains(&call)
}

/// A header's value, if it is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Hub {
    /// Lets a call of the control plane pass, or says why not.
    pub(super) fn admit(&self, call: &'static str, headers: &HeaderMap) -> Result<Pair, Status> {
        self.inspect_client(call, headers)?;
        let pair = text(headers, "x-modal-token-id").zip(text(headers, "x-modal-token-secret"));
        let pair = pair.and_then(|(id, secret)| self.state().tokens.pair(id, secret));
        let pair = pair.ok_or_else(|| Status::unauthenticated("Token missing or invalid"))?;
        let generation = generation_of(call);
        if generation.is_some() && generation == self.behaviour().withdrawn {
            return Err(Status::unimplemented(format!("Method not found: {call}")));
        }
        if generation == Some(Generation::V2) {
            self.inspect_auth_token(call, headers)?;
        }
        Ok(pair)
    }

    fn inspect_client(&self, call: &str, headers: &HeaderMap) -> Result<(), Status> {
        let kind = text(headers, "x-modal-client-type").and_then(|kind| kind.parse::<i32>().ok());
        let version = text(headers, "x-modal-client-version").unwrap_or_default();
        let known = match kind {
            Some(1) => version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 1),
            Some(8 | 9) => version == "1.0.0",
            _ => false,
        };
        if !known {
            let why = format!("Unknown client: type {kind:?}, version `{version}`, in {call}");
            return Err(self.refuse(rules::CLIENT_GATE, Code::FailedPrecondition, why));
        }
        if self.behaviour().refused_clients.iter().any(|(refused, of)| kind == Some(*refused) && version == of) {
            return Err(Status::failed_precondition("Old client: please upgrade"));
        }
        if matches!(kind, Some(8 | 9)) && text(headers, "x-modal-libmodal-version").is_none() {
            self.broken(rules::LIBMODAL_VERSION, call);
        }
        Ok(())
    }

    fn inspect_auth_token(&self, call: &str, headers: &HeaderMap) -> Result<(), Status> {
        let Some(token) = text(headers, "x-modal-auth-token") else {
            return Err(self.refuse(rules::AUTH_TOKEN, Code::Unauthenticated, format!("{call} without x-modal-auth-token")));
        };
        match self.state().tokens.check(token, &Opens::Control) {
            Ok(()) => {}
            Err(Refused::Expired) => return Err(Status::unauthenticated("auth token expired")),
            Err(Refused::Foreign) => {
                return Err(self.refuse(rules::AUTH_TOKEN, Code::Unauthenticated, format!("{call} with a token of its own making")));
            }
        }
        if let Some(token) = text(headers, "x-modal-sandbox-token") {
            let known = self.state().sandboxes.iter().any(|sandbox| !sandbox.token.is_empty() && sandbox.token == token);
            if !known {
                self.broken(rules::SANDBOX_TOKEN, call);
            }
        }
        Ok(())
    }

    /// Looks for secrets in a call's message, outside the fields that are for them.
    pub(super) fn inspect_message(&self, call: &str, message: &[u8]) {
        let secret_fields: &[u64] = match call {
            "SandboxCreateV2" => &[3, 6],
            "SecretGetOrCreate" => &[5],
            _ => &[],
        };
        let rest = wire::without(message, secret_fields);
        if let Some(found) = self.rig.guard.marks.secret_in(&rest) {
            self.broken(rules::SECRET_OUTSIDE, format!("{found} in {call}"));
        }
    }

    /// The idempotency key of a unary call, if it has a good one.
    pub(super) fn key_of(&self, call: &str, headers: &HeaderMap) -> Option<String> {
        if ["x-retry-attempt", "x-throttle-retry-attempt"].iter().any(|name| text(headers, name).is_none_or(|n| n.parse::<u32>().is_err()))
        {
            self.broken(rules::RETRY_COUNTERS, call);
        }
        let key = text(headers, "x-idempotency-key").filter(|key| is_random_uuid(key));
        if key.is_none() {
            self.broken(rules::IDEMPOTENCY_KEY, call);
        }
        key.map(str::to_owned)
    }
}

fn is_random_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    lengths && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit())) && groups[2].starts_with('4')
}

/// A whole answer of a unary call, to be given again.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

/// The place of one key's answer. Whoever holds the lock does the work.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// What a key was first used for, and the answer.
#[derive(Debug)]
struct Used {
    call: &'static str,
    message: [u8; 32],
    slot: Slot,
}

/// Answers by idempotency key.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<HashMap<String, Used>>);

impl Keys {
    /// The place of a key's answer; `None` when the key was used for another call or message before.
    pub(super) fn slot(&self, key: String, call: &'static str, message: &[u8]) -> Option<Slot> {
        let message: [u8; 32] = Sha256::digest(message).into();
        let mut keys = self.0.lock().unwrap();
        let used = keys.entry(key).or_insert_with(|| Used { call, message, slot: Slot::default() });
        (used.call == call && used.message == message).then(|| Arc::clone(&used.slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_random_uuids_are_keys() {
        assert!(is_random_uuid("01234567-89ab-4def-a123-456789abcdef"));
        assert!(!is_random_uuid("01234567-89ab-1def-a123-456789abcdef"));
        assert!(!is_random_uuid("job-1"));
    }
}
