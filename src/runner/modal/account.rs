//! Whose token it is, what the service warns of, what an hour costs.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::ModalClient;
use super::wire::call;
use super::wire::client::token_info_get_response::Identity;
use super::wire::client::{Empty, Timestamp, TokenInfoGetRequest, WorkspaceBillingRatesRequest};
use crate::error::Result;

/// What a pair of tokens stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The workspace's name.
    pub workspace: String,
    /// The user's or service user's name, when Modal says it.
    pub user: Option<String>,
    /// The token's name, when it has one.
    pub token_name: Option<String>,
    /// Until when it is good; `None` when it does not expire.
    pub expires: Option<SystemTime>,
}

impl ModalClient {
    /// Checks the tokens and tells whose they are. Fails with `Unauthorized` when Modal does not take them.
    pub async fn whoami(&self) -> Result<Account> {
        let answer = call!(self.rpc, token_info_get, TokenInfoGetRequest {}).await?;
        let user = match answer.identity {
            Some(Identity::UserIdentity(user)) => Some(user.username),
            Some(Identity::ServiceUserIdentity(user)) => Some(user.service_user_name),
            None => None,
        };
        let named = |name: String| Some(name).filter(|name| !name.is_empty());
        Ok(Account {
            workspace: answer.workspace_name,
            user: user.and_then(named),
            token_name: named(answer.token_name),
            expires: answer.expires_at.as_ref().and_then(time),
        })
    }

    /// What Modal has to say to this client: warnings of old versions, of maintenance. Fails with `Unsupported` when it refuses the client.
    pub async fn hello(&self) -> Result<Vec<String>> {
        let answer = call!(self.rpc, client_hello, Empty {}).await?;
        let warnings = answer.server_warnings.into_iter().map(|warning| warning.message).chain([answer.warning]);
        Ok(warnings.filter(|warning| !warning.trim().is_empty()).collect())
    }

    /// What the workspace pays, by resource, as decimal numbers.
    pub async fn billing_rates(&self) -> Result<BTreeMap<String, String>> {
        Ok(call!(self.rpc, workspace_billing_rates, WorkspaceBillingRatesRequest {}).await?.rates.into_iter().collect())
    }
}

/// A moment as Modal writes it; `None` when it is none.
fn time(stamp: &Timestamp) -> Option<SystemTime> {
    let seconds = u64::try_from(stamp.seconds).ok().filter(|seconds| *seconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, u32::try_from(stamp.nanos).unwrap_or_default().min(999_999_999)))
}

/// The same the other way.
pub(super) fn stamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Timestamp { seconds, nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_the_way_and_nothing_is_no_moment() {
        let moment = UNIX_EPOCH + Duration::new(1_800_000_000, 5);
        assert_eq!(time(&stamp(moment)), Some(moment));
        assert_eq!(time(&Timestamp::default()), None);
        assert_eq!(time(&Timestamp { seconds: -1, nanos: 0 }), None);
    }
}
