//! One call of the control plane: its metadata, its tries, what a refusal means (facts, modal §1).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::auth::Auth;
use super::channel::{self, Connected};
use super::failures::{self, Refusal};
use super::notices::Notices;
use super::retry::{Next, Patience, Tries, unique};
use super::wire::call;
use super::wire::client::AuthTokenGetRequest;
use super::wire::client::modal_client_client::ModalClientClient;
use crate::config::ModalSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Token;

/// How long one try may take, unless the caller says otherwise.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A wait that a person should hear of.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// Sends calls. Cloning shares the connection and the short-lived token.
#[derive(Clone)]
pub(super) struct Rpc {
    shared: Arc<Shared>,
    patience: Patience,
    timeout: Option<Duration>,
    /// Sends neither the short-lived token nor asks for one.
    bare: bool,
    sandbox: Option<HeaderValue>,
}

struct Shared {
    client: ModalClientClient<Channel>,
    headers: HeaderMap,
    auth: Auth,
    most_throttle_wait: Option<Duration>,
    /// What the client says it is, for messages.
    spoken: String,
    host: String,
    loopback: bool,
    notices: Notices,
}

impl Rpc {
    /// Calls over this connection, with these credentials.
    pub(super) fn new(connected: Connected, settings: &ModalSettings, notices: Notices) -> Result<Self> {
        let client = ModalClientClient::new(connected.channel)
            .max_decoding_message_size(channel::LARGEST_MESSAGE)
            .max_encoding_message_size(channel::LARGEST_MESSAGE);
        let shared = Shared {
            client,
            headers: constant_headers(settings, &connected.host)?,
            auth: Auth::default(),
            most_throttle_wait: settings.most_throttle_wait,
            spoken: spoken(settings),
            host: connected.host,
            loopback: connected.loopback,
            notices,
        };
        Ok(Self { shared: Arc::new(shared), patience: Patience::Brief, timeout: Some(CALL_TIMEOUT), bare: false, sandbox: None })
    }

    /// The same, through an outage.
    pub(super) fn lasting(&self) -> Self {
        Self { patience: Patience::Lasting, ..self.clone() }
    }

    /// The same, each try within this time.
    pub(super) fn within(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// The same for a stream: one try, open as long as it likes.
    pub(super) fn streaming(&self) -> Self {
        Self { patience: Patience::Once, timeout: None, ..self.clone() }
    }

    /// The same, about a sandbox that gave this token when it was created. Fails when the token is no header.
    pub(super) fn about(&self, token: Option<&Token>) -> Result<Self> {
        let sandbox = token.map(Token::alone).transpose()?;
        Ok(Self { sandbox, ..self.clone() })
    }

    /// Whether the control plane is on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.shared.loopback
    }

    /// The host that was dialled.
    pub(super) fn host(&self) -> &str {
        &self.shared.host
    }

    /// Who hears of warnings and waits.
    pub(super) fn notices(&self) -> &Notices {
        &self.shared.notices
    }

    /// Sends a request until it is answered or the patience is used up. Every try has the same idempotency key.
    pub(super) async fn send<Q, A, F, U>(&self, method: &'static str, message: Q, send: F) -> Result<A, Refusal>
    where
        Q: Clone,
        F: Fn(ModalClientClient<Channel>, Request<Q>) -> U,
        U: Future<Output = Result<Response<A>, Status>>,
    {
        let mut tries = Tries::new(self.patience, self.shared.most_throttle_wait);
        let key = unique();
        let mut renewed = false;
        loop {
            let used = match self.short_lived().await {
                Ok(used) => used,
                // its own tries are used up
                Err(refusal) if self.patience != Patience::Lasting => return Err(refusal),
                Err(refusal) => {
                    self.pause(&mut tries, method, refusal.status).await?;
                    continue;
                }
            };
            let mut request = Request::new(message.clone());
            *request.metadata_mut() = self.metadata(&tries, &key, used.as_ref());
            if let Some(timeout) = self.timeout {
                request.set_timeout(timeout);
            }
            let status = match send(self.shared.client.clone(), request).await {
                Ok(response) => {
                    self.shared.notices.hear(response.metadata());
                    return Ok(response.into_inner());
                }
                Err(status) => status,
            };
            self.shared.notices.hear(status.metadata());
            // a token can expire earlier than it says, by its clock or ours
            if status.code() == Code::Unauthenticated && !renewed && self.shared.auth.reject(used.as_ref()) {
                renewed = true;
                continue;
            }
            self.pause(&mut tries, method, status).await?;
        }
    }

    /// Waits before the next try. Fails when there is none.
    async fn pause(&self, tries: &mut Tries, method: &str, status: Status) -> Result<(), Refusal> {
        let wait = match tries.after(&status) {
            Next::Again(wait) => wait,
            Next::Slower(wait) => {
                if wait >= LONG_WAIT {
                    self.shared.notices.tell(&format!("Modal asks to slow down; {} goes on in {} s", official(method), wait.as_secs()));
                }
                wait
            }
            next @ (Next::TooSlow | Next::Fail) => {
                let throttled = (next == Next::TooSlow).then(|| tries.elapsed());
                return Err(self.refusal(method, status, tries.sent(), throttled));
            }
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// A call that was answered, badly.
    pub(super) fn refused(&self, method: &str, status: Status) -> Refusal {
        self.refusal(method, status, 1, None)
    }

    fn refusal(&self, method: &str, status: Status, tries: u32, throttled: Option<Duration>) -> Refusal {
        let Shared { spoken, host, .. } = &*self.shared;
        Refusal { status, call: official(method), tries, throttled, spoken: spoken.clone(), host: host.clone() }
    }

    /// The short-lived token, where one is to be sent.
    async fn short_lived(&self) -> Result<Option<HeaderValue>, Refusal> {
        if self.bare { Ok(None) } else { self.shared.auth.token(|| self.fetch_token()).await }
    }

    /// Boxed, because it is a call itself.
    fn fetch_token(&self) -> BoxFuture<'_, Result<String, Refusal>> {
        let bare = Self { bare: true, patience: Patience::Brief, timeout: Some(CALL_TIMEOUT), sandbox: None, ..self.clone() };
        Box::pin(async move { Ok(call!(bare, auth_token_get, AuthTokenGetRequest {}).await?.token) })
    }

    fn metadata(&self, tries: &Tries, key: &str, short_lived: Option<&HeaderValue>) -> MetadataMap {
        let mut headers = self.shared.headers.clone();
        let mut insert = |name: &'static str, text: &str| {
            // all of them are digits and ASCII words of ours
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        insert("x-idempotency-key", key);
        insert("x-retry-attempt", &tries.retries.to_string());
        insert("x-throttle-retry-attempt", &tries.throttles.to_string());
        let since_first = format!("{:.3}", tries.elapsed().as_secs_f64());
        if tries.retries > 0 {
            insert("x-retry-delay", &since_first);
        }
        if tries.throttles > 0 {
            insert("x-throttle-retry-delay", &since_first);
        }
        if let Some(token) = short_lived {
            headers.insert(HeaderName::from_static("x-modal-auth-token"), token.clone());
        }
        if let Some(token) = &self.sandbox {
            headers.insert(HeaderName::from_static("x-modal-sandbox-token"), token.clone());
        }
        MetadataMap::from_headers(headers)
    }
}

/// What is the same on every call.
fn constant_headers(settings: &ModalSettings, host: &str) -> Result<HeaderMap> {
    let client = &settings.client;
    let plain = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Error::new(ErrorKind::Usage, "what the client says it is does not go into a header")
                .hint_to("set HF2MS_MODAL_CLIENT_VERSION and HF2MS_MODAL_LIBMODAL_VERSION to plain text, or not at all")
        })
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-modal-token-id", settings.token_id.alone()?);
    headers.insert("x-modal-token-secret", settings.token_secret.alone()?);
    headers.insert("x-modal-client-type", client.kind.into());
    headers.insert("x-modal-client-version", plain(&client.version)?);
    if let Some(library) = &client.library {
        headers.insert("x-modal-libmodal-version", plain(library)?);
    }
    if client.kind == 1 {
        // part of what Python's client always says; the official test server asks for it (facts, modal §9)
        headers.insert("x-modal-python-version", HeaderValue::from_static("3.12.0"));
    }
    headers.insert("x-modal-host", plain(host)?);
    Ok(headers)
}

/// The client that is spoken for: `type 9, version 1.0.0, modal-go/0.9.0`.
fn spoken(settings: &ModalSettings) -> String {
    let client = &settings.client;
    let library = client.library.as_ref().map(|library| format!(", {library}")).unwrap_or_default();
    format!("type {}, version {}{library}", client.kind, client.version)
}

/// The name of a call as Modal writes it, from the generated method's: `sandbox_wait_v2` is SandboxWaitV2.
fn official(method: &str) -> String {
    let capitalised = |word: &str| word.chars().next().map(|first| format!("{}{}", first.to_ascii_uppercase(), &word[1..]));
    method.split('_').filter_map(capitalised).collect()
}

/// A refused call, as an error.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        failures::refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_the_names_that_modal_gives_them() {
        assert_eq!(official("sandbox_wait_v2"), "SandboxWaitV2");
        assert_eq!(official("token_info_get"), "TokenInfoGet");
    }
}
