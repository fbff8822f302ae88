//! Who may call: pairs of tokens, and the short-lived tokens made from them.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

/// A pair that a user was given.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) user: String,
    pub(super) made: SystemTime,
    pub(super) expires: Option<SystemTime>,
}

/// What a short-lived token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opens {
    /// V2 sandbox calls.
    Control,
    /// The output of one task, at its router.
    Task(String),
}

#[derive(Debug)]
struct Short {
    opens: Opens,
    until: Instant,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was never given out, or for something else.
    Foreign,
    /// Its time is over.
    Expired,
}

/// All tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pairs: HashMap<String, Pair>,
    short: HashMap<String, Short>,
    given: u64,
}

impl Tokens {
    pub(super) fn add(&mut self, pair: Pair) {
        self.pairs.insert(pair.id.clone(), pair);
    }

    /// Makes a pair worthless.
    pub(super) fn revoke(&mut self, id: &str) {
        self.pairs.remove(id);
    }

    /// The pair, if both halves belong together.
    pub(super) fn pair(&self, id: &str, secret: &str) -> Option<Pair> {
        let live = |pair: &&Pair| pair.secret == secret && pair.expires.is_none_or(|until| until > SystemTime::now());
        self.pairs.get(id).filter(live).cloned()
    }

    /// Gives out a short-lived token: a JWT as far as a client can see.
    pub(super) fn issue(&mut self, opens: Opens, lifetime: Duration, says_exp: bool) -> String {
        self.given += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let kind = if opens == Opens::Control { "control" } else { "router" };
        let mut claims = json!({ "iat": now.as_secs(), "jti": self.given, "kind": kind });
        if says_exp {
            claims["exp"] = json!((now + lifetime).as_secs());
        }
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let signature = format!("signature {} {}", self.given, now.as_nanos());
        let token =
            format!("{}.{}.{}", part(json!({ "alg": "HS256", "typ": "JWT" }).to_string()), part(claims.to_string()), part(signature));
        let until = Instant::now() + lifetime;
        self.short.insert(token.clone(), Short { opens, until });
        token
    }

    /// Whether a short-lived token opens this.
    pub(super) fn check(&self, token: &str, opens: &Opens) -> Result<(), Refused> {
        let short = self.short.get(token).filter(|short| short.opens == *opens).ok_or(Refused::Foreign)?;
        if short.until > Instant::now() { Ok(()) } else { Err(Refused::Expired) }
    }

    /// Lets every short-lived token given out so far run out: those of the router, or those of the control plane.
    pub(super) fn expire(&mut self, router: bool) {
        let now = Instant::now();
        let meant = self.short.values_mut().filter(|short| (short.opens != Opens::Control) == router);
        meant.for_each(|short| short.until = now);
    }

    /// Whether a router's token is one of another task.
    pub(super) fn is_router_token(&self, token: &str) -> bool {
        self.short.get(token).is_some_and(|short| short.opens != Opens::Control)
    }
}
