//! Who is who: users, organisations, tokens with their tiers, and sessions (facts/modelscope §1.3).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sha2::{Digest as _, Sha256};

use super::envelope::Refusal;
use crate::server::Request;

/// What a token may do. A higher tier includes the lower ones; inference is beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Calls models, nothing on the hub.
    Inference,
    /// Reads what its user may read.
    Read,
    /// Writes what its user may write.
    Write,
    /// Administers.
    Admin,
}

/// A user with what their token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) user: String,
    pub(super) tier: Tier,
    /// Whether the credential came from a login.
    pub(super) session: bool,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Nobody,
    /// Credentials that are not good, or not any more.
    Rejected,
    User(Known),
}

impl Caller {
    /// The user's name, if there is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::User(known) => Some(&known.user),
            Self::Nobody | Self::Rejected => None,
        }
    }

    /// The user, or the refusal of everyone else.
    pub(super) fn known(&self) -> Result<&Known, Refusal> {
        match self {
            Self::User(known) => Ok(known),
            Self::Nobody | Self::Rejected => Err(Refusal::unauthenticated()),
        }
    }

    /// The user if their token may write, or the refusal.
    pub(super) fn writer(&self) -> Result<&Known, Refusal> {
        let known = self.known()?;
        match known.tier {
            Tier::Write | Tier::Admin => Ok(known),
            Tier::Read | Tier::Inference => Err(Refusal::forbidden("the token's permission does not allow this operation")),
        }
    }

    /// Refuses those whose credentials are no good for the hub; nobody and users pass.
    pub(super) fn reader(&self) -> Result<(), Refusal> {
        match self {
            Self::Rejected => Err(Refusal::unauthenticated()),
            Self::User(known) if known.tier == Tier::Inference => {
                Err(Refusal::forbidden("the token's permission does not allow this operation"))
            }
            Self::Nobody | Self::User(_) => Ok(()),
        }
    }
}

/// All accounts of one hub.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: BTreeSet<String>,
    /// Organisations with their members.
    pub(super) organizations: BTreeMap<String, BTreeSet<String>>,
    credentials: HashMap<String, Known>,
}

impl Accounts {
    pub(super) fn add_user(&mut self, name: &str) {
        self.users.insert(name.to_owned());
    }

    pub(super) fn add_org(&mut self, name: &str) {
        self.organizations.entry(name.to_owned()).or_default();
    }

    pub(super) fn add_member(&mut self, org: &str, user: &str) {
        self.add_user(user);
        self.organizations.entry(org.to_owned()).or_default().insert(user.to_owned());
    }

    pub(super) fn issue(&mut self, user: &str, tier: Tier) -> String {
        self.add_user(user);
        let token = format!("ms-{}", uuid());
        self.credentials.insert(token.clone(), Known { user: user.to_owned(), tier, session: false });
        token
    }

    /// Opens a session. Its value then serves as token too: the official client does that (§1.3).
    pub(super) fn open_session(&mut self, known: &Known) -> String {
        let session = uuid();
        self.credentials.insert(session.clone(), Known { session: true, ..known.clone() });
        session
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.credentials.remove(token);
    }

    pub(super) fn change(&mut self, token: &str, tier: Tier) {
        if let Some(known) = self.credentials.get_mut(token) {
            known.tier = tier;
        }
    }

    pub(super) fn find(&self, credential: &str) -> Option<&Known> {
        self.credentials.get(credential)
    }

    pub(super) fn is_namespace(&self, name: &str) -> bool {
        self.users.contains(name) || self.organizations.contains_key(name)
    }

    /// Whether what this user does in this namespace is theirs to do.
    pub(super) fn belongs(&self, user: &str, namespace: &str) -> bool {
        user == namespace || self.organizations.get(namespace).is_some_and(|members| members.contains(user))
    }

    /// The organisations of a user.
    pub(super) fn organizations_of(&self, user: &str) -> Vec<&str> {
        let theirs = self.organizations.iter().filter(|(_, members)| members.contains(user));
        theirs.map(|(name, _)| name.as_str()).collect()
    }

    /// Who sends these credentials. One good one of several is enough.
    pub(super) fn caller(&self, credentials: &Credentials<'_>) -> Caller {
        let given = [credentials.bearer, credentials.cookie];
        match given.into_iter().flatten().find_map(|credential| self.find(credential)) {
            Some(known) => Caller::User(known.clone()),
            None if given.iter().any(Option::is_some) => Caller::Rejected,
            None => Caller::Nobody,
        }
    }

    /// Whether this text holds a credential somebody was given.
    pub(super) fn gives_away(&self, text: &str) -> bool {
        text.contains("ms-") && self.credentials.keys().any(|credential| text.contains(credential.as_str()))
    }
}

/// What a request brings to prove who sends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credentials<'a> {
    pub(super) bearer: Option<&'a str>,
    pub(super) cookie: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let cookies = request.header("cookie").unwrap_or_default().split(';');
        let pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
        let session = |(name, value): (&str, &'a str)| matches!(name, "m_session_id" | "modelscope_session").then_some(value);
        let filled = |text: &&str| !text.is_empty();
        Self { bearer: request.bearer().filter(filled), cookie: pairs.filter_map(session).find(filled) }
    }

    /// Whether one half is missing.
    pub(super) fn are_half(&self) -> bool {
        self.bearer.is_some() != self.cookie.is_some()
    }
}

/// A name like a version 4 UUID, the same in every run.
fn uuid() -> String {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Relaxed);
    let hex = hex::encode(Sha256::digest(format!("credential {serial} of {}", std::process::id())));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}
