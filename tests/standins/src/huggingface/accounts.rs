//! Who there is: users, organisations, tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read what its user may read.
    Read,
    /// Do what its user may do.
    Write,
    /// Only what the scopes say.
    FineGrained(Vec<Scope>),
}

/// One line of a fine-grained token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `user`, `org`, `model`, `dataset` or `space`.
    pub entity: &'static str,
    /// A namespace, or a repository as `namespace/name`.
    pub name: String,
    /// Such as `repo.content.read`, `repo.write`.
    pub permissions: Vec<&'static str>,
}

impl Scope {
    /// `repo.content.read` and `repo.write` on everything of a user or organisation.
    pub fn writes(entity: &'static str, name: &str) -> Self {
        Self { entity, name: name.to_owned(), permissions: vec!["repo.content.read", "repo.write"] }
    }

    /// `repo.content.read` alone.
    pub fn reads(entity: &'static str, name: &str) -> Self {
        Self { entity, name: name.to_owned(), permissions: vec!["repo.content.read"] }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Identifies the token in books that must not hold it.
    pub(super) id: String,
    pub(super) user: String,
    pub(super) role: Role,
    revoked: bool,
}

/// Who is asking.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    Anonymous,
    /// Showed a token nobody knows.
    Rejected,
    Known(Token),
}

impl Caller {
    pub(super) fn token(&self) -> Option<&Token> {
        match self {
            Self::Known(token) => Some(token),
            _ => None,
        }
    }

    /// A name for books; holds no secret.
    pub(super) fn id(&self) -> &str {
        self.token().map_or("anonymous", |token| &token.id)
    }
}

#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: BTreeSet<String>,
    /// Organisation → member → role.
    orgs: BTreeMap<String, BTreeMap<String, String>>,
    tokens: BTreeMap<String, Token>,
    /// Who pays for PRO.
    pro: BTreeSet<String>,
    /// Steps that a member owes an organisation, by organisation and member.
    owed: BTreeMap<(String, String), Vec<String>>,
}

impl Accounts {
    pub(super) fn add_user(&mut self, name: &str) {
        self.users.insert(name.to_owned());
    }

    pub(super) fn add_org(&mut self, name: &str) {
        self.orgs.entry(name.to_owned()).or_default();
    }

    pub(super) fn add_member(&mut self, org: &str, user: &str, role: &str) {
        self.add_user(user);
        self.orgs.entry(org.to_owned()).or_default().insert(user.to_owned(), role.to_owned());
    }

    pub(super) fn set_pro(&mut self, user: &str) {
        self.pro.insert(user.to_owned());
    }

    pub(super) fn is_pro(&self, user: &str) -> bool {
        self.pro.contains(user)
    }

    pub(super) fn owe(&mut self, org: &str, user: &str, step: &str) {
        self.owed.entry((org.to_owned(), user.to_owned())).or_default().push(step.to_owned());
    }

    /// Whether this user owes the namespace nothing.
    pub(super) fn is_square(&self, user: &str, namespace: &str) -> bool {
        !self.owed.contains_key(&(namespace.to_owned(), user.to_owned()))
    }

    pub(super) fn exists(&self, namespace: &str) -> bool {
        self.users.contains(namespace) || self.orgs.contains_key(namespace)
    }

    pub(super) fn issue(&mut self, user: &str, role: Role) -> String {
        self.add_user(user);
        let serial = self.tokens.len();
        // Looks like a real one, so that a search for leaks by shape finds it; random enough to be found by value.
        let seed = hex::encode(Sha256::digest(format!("{user} {serial} {:?}", std::time::SystemTime::now())));
        let text = format!("hf_{}", &seed[..34]);
        let id = format!("token-{serial}");
        self.tokens.insert(text.clone(), Token { id, user: user.to_owned(), role, revoked: false });
        text
    }

    pub(super) fn revoke(&mut self, text: &str) {
        if let Some(token) = self.tokens.get_mut(text) {
            token.revoked = true;
        }
    }

    pub(super) fn change(&mut self, text: &str, role: Role) {
        if let Some(token) = self.tokens.get_mut(text) {
            token.role = role;
        }
    }

    pub(super) fn caller(&self, bearer: Option<&str>) -> Caller {
        match bearer {
            None => Caller::Anonymous,
            Some(text) => match self.tokens.get(text) {
                Some(token) if !token.revoked => Caller::Known(token.clone()),
                _ => Caller::Rejected,
            },
        }
    }

    /// The user's role in a namespace: `admin` in their own, theirs in an organisation's.
    pub(super) fn role_in(&self, user: &str, namespace: &str) -> Option<&str> {
        if user == namespace {
            return Some("admin");
        }
        self.orgs.get(namespace)?.get(user).map(String::as_str).filter(|role| *role != "no_access")
    }

    pub(super) fn whoami(&self, token: &Token) -> Value {
        let member = |(org, members): (&String, &BTreeMap<String, String>)| {
            let role = members.get(&token.user)?;
            let mut about = json!({ "type": "org", "id": id_of(org), "name": org, "fullname": org, "email": null, "canPay": false,
                "periodEnd": null, "avatarUrl": "", "isEnterprise": false, "roleInOrg": role });
            if let Some(steps) = self.owed.get(&(org.clone(), token.user.clone())) {
                about["securityRestrictions"] = json!(steps);
            }
            Some(about)
        };
        let orgs: Vec<Value> = self.orgs.iter().filter_map(member).collect();
        let mut access = json!({ "displayName": "stand-in", "createdAt": "2026-01-01T00:00:00.000Z" });
        match &token.role {
            Role::Read => access["role"] = "read".into(),
            Role::Write => access["role"] = "write".into(),
            Role::FineGrained(scopes) => {
                access["role"] = "fineGrained".into();
                let scoped = |scope: &Scope| {
                    let entity = json!({ "_id": id_of(&scope.name), "type": scope.entity, "name": scope.name });
                    json!({ "entity": entity, "permissions": scope.permissions })
                };
                let scoped: Vec<Value> = scopes.iter().map(scoped).collect();
                access["fineGrained"] = json!({ "canReadGatedRepos": false, "global": [], "scoped": scoped });
            }
        }
        json!({ "type": "user", "id": id_of(&token.user), "name": token.user, "fullname": token.user,
            "email": format!("{}@example.org", token.user), "emailVerified": true, "canPay": false, "periodEnd": null,
            "isPro": self.is_pro(&token.user), "avatarUrl": "", "orgs": orgs, "auth": { "type": "access_token", "accessToken": access } })
    }
}

/// A 24-digit id as the hub's documents have them.
pub(super) fn id_of(name: &str) -> String {
    hex::encode(Sha256::digest(name))[..24].to_owned()
}
