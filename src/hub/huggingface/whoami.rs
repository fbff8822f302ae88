//! Whose token it is and what it may write (facts, huggingface §1 "Can this token write to namespace N?").

use serde::Deserialize;

use crate::hub::{Account, Grant, PRIVATE_STORAGE, WRITES};

/// What the private repositories of an account with PRO may have together (facts, huggingface §3 "Sizes").
const PRO_PRIVATE: u64 = 1_000_000_000_000;

/// `GET /api/whoami-v2`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WhoAmI {
    name: String,
    #[serde(default)]
    is_pro: Option<bool>,
    #[serde(default)]
    can_pay: Option<bool>,
    #[serde(default)]
    orgs: Vec<Org>,
    auth: Option<Auth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Org {
    name: String,
    role_in_org: Option<String>,
    /// Steps that the user still owes the organisation.
    #[serde(default)]
    security_restrictions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(rename = "accessToken")]
    token: Option<AccessToken>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccessToken {
    role: Option<String>,
    fine_grained: Option<FineGrained>,
}

#[derive(Deserialize)]
struct FineGrained {
    #[serde(default)]
    global: Vec<String>,
    #[serde(default)]
    scoped: Vec<Scope>,
}

#[derive(Deserialize)]
struct Scope {
    entity: Entity,
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Deserialize)]
struct Entity {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
}

impl Org {
    /// A role that is not said may be any.
    fn writes(&self) -> bool {
        self.role_in_org.as_deref().is_none_or(|role| matches!(role, "admin" | "write" | "contributor"))
    }
}

impl WhoAmI {
    /// What the token may do. What is not said stays unknown.
    pub(super) fn account(self) -> Account {
        let Self { name, is_pro, can_pay, orgs, auth } = self;
        let token = auth.and_then(|auth| auth.token);
        let role = token.as_ref().and_then(|token| token.role.clone()).unwrap_or_else(|| "unknown".to_owned());
        // who pays for storage may have more
        let private_storage = match (is_pro, can_pay) {
            (Some(true), Some(false)) => Some(PRO_PRIVATE),
            (Some(false), Some(false)) => Some(PRIVATE_STORAGE),
            _ => None,
        };
        let owed =
            orgs.iter().filter_map(|org| Some((org.name.clone(), org.security_restrictions.clone().filter(|steps| !steps.is_empty())?)));
        let account = Account { owed: owed.collect(), private_storage, permission: role.clone(), ..Account::default() };
        let account = match role.as_str() {
            "read" => Account { may_write: Some(false), writable: Some(Vec::new()), ..account },
            "write" | "admin" => {
                let orgs = orgs.iter().filter(|org| org.writes()).map(|org| org.name.clone());
                Account { may_write: Some(true), writable: Some(std::iter::once(name.clone()).chain(orgs).collect()), ..account }
            }
            "fineGrained" => match token.and_then(|token| token.fine_grained) {
                Some(grants) => scoped(account, grants, &orgs),
                None => account,
            },
            _ => account,
        };
        Account { name, ..account }
    }
}

/// What a fine-grained token may write: whole namespaces, and single repositories, which stand among its grants.
fn scoped(account: Account, grants: FineGrained, orgs: &[Org]) -> Account {
    let everywhere = grants.global.iter().any(|name| name == WRITES);
    let grants: Vec<_> = grants
        .scoped
        .into_iter()
        .map(|Scope { entity, permissions }| Grant { kind: entity.kind, name: entity.name, permissions })
        .collect();
    if everywhere {
        return Account { may_write: Some(true), writable: None, grants, ..account };
    }
    // a scope allows no more than its user may
    let allowed = |grant: &&Grant| orgs.iter().find(|org| org.name == grant.name).is_none_or(Org::writes);
    let namespaces = grants.iter().filter(|grant| grant.is_of_namespace() && grant.writes()).filter(allowed);
    let writable = Some(namespaces.map(|grant| grant.name.clone()).collect());
    Account { may_write: Some(grants.iter().any(Grant::writes)), writable, grants, ..account }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(json: serde_json::Value) -> Account {
        serde_json::from_value::<WhoAmI>(json).unwrap().account()
    }

    #[test]
    fn what_a_token_may_write_follows_its_role() {
        let orgs = serde_json::json!([{"name": "acme", "roleInOrg": "write"}, {"name": "guests", "roleInOrg": "read"}]);
        let with = |role: &str| account(serde_json::json!({"name": "alice", "orgs": orgs, "auth": {"accessToken": {"role": role}}}));
        assert_eq!(with("write").writable.unwrap(), ["alice", "acme"]);
        assert_eq!(with("read").may_write, Some(false));
        assert_eq!(with("something new").may_write, None);
    }

    #[test]
    fn a_fine_grained_token_writes_where_it_is_scoped_and_its_user_may() {
        let orgs = serde_json::json!([{"name": "guests", "roleInOrg": "read"}]);
        let with = |kind: &str, name: &str, permission: &str| {
            account(serde_json::json!({"name": "alice", "orgs": orgs, "auth": {"accessToken": {"role": "fineGrained", "fineGrained": {
                "scoped": [{"entity": {"type": kind, "name": name}, "permissions": [permission]}]}}}}))
        };
        assert_eq!(with("org", "acme", "repo.write").writable.unwrap(), ["acme"]);
        assert!(with("org", "guests", "repo.write").writable.unwrap().is_empty());
        assert_eq!(with("org", "acme", "repo.content.read").may_write, Some(false));
        let one = with("model", "acme/bert", "repo.write");
        assert_eq!((one.may_write, one.writable, one.grants.len()), (Some(true), Some(Vec::new()), 1));
        let json = serde_json::json!({"name": "alice", "auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"global": ["repo.write"]}}}});
        assert_eq!((account(json.clone()).may_write, account(json).writable), (Some(true), None));
    }

    #[test]
    fn private_storage_is_known_of_who_cannot_buy_more() {
        let with = |pro, pays| account(serde_json::json!({"name": "alice", "isPro": pro, "canPay": pays})).private_storage;
        assert_eq!((with(false, false), with(true, false)), (Some(PRIVATE_STORAGE), Some(PRO_PRIVATE)));
        assert_eq!((with(false, true), account(serde_json::json!({"name": "alice"})).private_storage), (None, None));
    }
}
