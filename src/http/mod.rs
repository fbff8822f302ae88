//! One client for every service: it sends, reads answers into bounded memory, and retries in one loop. What an answer means is the
//! service's own business ([`crate::hub`]).

mod body;
mod classify;
mod incoming;
mod log;
mod request;
mod retry;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use reqwest::{Response, StatusCode};

pub use body::{UploadBody, UploadSender, upload_body};
pub use classify::{classify, later, retry_after, with_request_id};
pub use incoming::{Incoming, Troubles};
pub use log::log_requests;
pub use request::{Payload, Piece, Request};
use retry::retry_told;
pub use retry::{Backoff, Patience, retry};

use crate::error::{Error, ErrorKind, Result, Retry};
use log::Sent;

/// How long a whole API call may take. Hugging Face works up to 60 s on a commit and may go on after it (facts, huggingface §3).
const CALL_TIMEOUT: Duration = Duration::from_secs(180);
/// How long nothing may come of a download, unless another time is configured. Short, because a stream that stands still for good looks
/// like one that is slow; long enough for a link that is shared by many.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an answer to an upload may take once it has begun.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Redirects followed by a lookup.
const MOST_HOPS: usize = 4;
/// An API answer past this size is refused. The largest known, a ModelScope listing of 3,000 entries, is under 3 MiB.
const ANSWER_LIMIT: usize = 32 << 20;

/// An answer of a service, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header as text, when it is there and is text.
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into()).and_then(|value| value.to_str().ok())
    }

    /// Whether the body is a web page.
    pub fn is_page(&self) -> bool {
        self.body.trim_ascii_start().starts_with(b"<")
    }

    /// The body as JSON. Fails with `Protocol`.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the answer is not the JSON that the service documents")
                .with("status", self.status.as_u16())
                .because(error)
        })
    }
}

/// The client. Cloning shares its connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    troubles: incoming::Count,
    /// How long nothing may come of a download.
    idle: Duration,
    waits: waits::Waits,
}

impl Http {
    /// A client over HTTP/1.1 that follows no redirect by itself, so that credentials never travel with one, and trusts the bundled
    /// web roots, because slim containers have no store of their own.
    ///
    /// HTTP/1.1 throughout: one connection a stream keeps streams from sharing one flow-control window; a ModelScope PUT over HTTP/2
    /// was measured three times slower (facts, modelscope §3.3).
    ///
    /// A download for which nothing comes for `idle` is broken off.
    pub fn new(loopback_only: bool, idle: Duration) -> Result<Self> {
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Local, "no TLS").because(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(20))
            .user_agent(concat!("hf2ms/", env!("CARGO_PKG_VERSION")));
        if loopback_only {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| Error::new(ErrorKind::Local, "no HTTP client").because(error))?;
        Ok(Self { client, troubles: incoming::Count::default(), idle, waits: waits::Waits::default() })
    }

    /// Tells of every wait that is long enough for a person to wonder, with its reason.
    pub fn tell_waits_to(&self, listener: impl Fn(String) + Send + Sync + 'static) {
        self.waits.tell_to(listener);
    }

    /// Tells of a wait before another try of a transfer.
    pub fn tell_wait(&self, error: &Error, wait: Duration) {
        self.waits.tell(error, wait);
    }

    /// Sends a request, reads the answer whole, lets `judge` say what it means, and tries again as `patience` allows. A request that must
    /// not happen twice goes with [`Patience::ONCE`].
    pub async fn call<T, J>(&self, request: Request, patience: Patience, judge: J) -> Result<T>
    where
        J: Fn(&Answer) -> Result<T> + Sync,
        T: Send,
    {
        let request = &request;
        let judge = &judge;
        let mut attempt = 0;
        let told = |error: &Error, wait| self.waits.tell(error, wait);
        retry_told(patience, told, move || {
            attempt += 1;
            self.attempt(request, attempt, judge)
        })
        .await
    }

    async fn attempt<T>(&self, request: &Request, attempt: u32, judge: &(impl Fn(&Answer) -> Result<T> + Sync)) -> Result<T> {
        let outcome = match tokio::time::timeout(CALL_TIMEOUT + request.payload.sending_time(), self.once(request, attempt)).await {
            Ok(answer) => answer.and_then(|answer| judge(&answer)),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "no answer in time").retry(Retry::Later(None))),
        };
        outcome.map_err(|error| error.with("url", &request.url))
    }

    /// Every request goes out here.
    async fn execute(&self, request: reqwest::Request, attempt: u32) -> Result<Response, reqwest::Error> {
        let sent = Sent::new(&request, attempt);
        let answer = self.client.execute(request).await;
        if let Some(sent) = sent {
            sent.answered(&answer);
        }
        answer
    }

    async fn once(&self, request: &Request, attempt: u32) -> Result<Answer> {
        let mut request = request.build()?;
        for _hop in 0..MOST_HOPS {
            // a repository that was renamed answers from its new name; only on the same origin, so credentials stay where they are
            let again = (request.method() == reqwest::Method::GET).then(|| request.try_clone()).flatten();
            let response = self.execute(request, attempt).await.map_err(transport)?;
            let target = response.headers().get(LOCATION).and_then(|value| response.url().join(value.to_str().ok()?).ok());
            match (again, target) {
                (Some(mut next), Some(target)) if response.status().is_redirection() && target.origin() == response.url().origin() => {
                    *next.url_mut() = target;
                    request = next;
                }
                _ => return read(response).await,
            }
        }
        Err(Error::new(ErrorKind::Protocol, "too many redirects"))
    }

    /// Sends a request once and returns as soon as the answer's head is there, for a download. The caller reads on and retries.
    pub async fn open(&self, request: &Request) -> Result<Incoming> {
        // the head may take longer: some services look for the file first
        let response = match tokio::time::timeout(self.idle * 3, self.execute(request.build()?, 1)).await {
            Ok(response) => response.map_err(transport),
            Err(_) => Err(stalled()),
        };
        match response {
            Ok(response) => {
                self.troubles.see(response.status());
                Ok(Incoming::new(response, self.idle, self.troubles.clone()))
            }
            Err(error) => {
                self.troubles.broke();
                Err(error.with("url", &request.url))
            }
        }
    }

    /// What asked for less so far, among downloads and uploads.
    pub fn troubles(&self) -> Troubles {
        self.troubles.so_far()
    }

    /// Reads a refused download's body, as far as it helps to say why.
    pub async fn answer_of(response: &mut Incoming) -> Answer {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while body.len() < 64 << 10 {
            match tokio::time::timeout(Duration::from_secs(10), response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                _ => break,
            }
        }
        Answer { status, headers, body: body.into() }
    }

    /// Sends a body of known length once and reads the answer whole. Fails with a retryable `Unavailable` when the service takes nothing
    /// for two minutes, the source gives nothing for thirteen, or no answer comes within ten minutes of the last byte. The caller retries, since only it can make the body again.
    pub async fn put(&self, request: &Request, body: UploadBody) -> Result<Answer> {
        let watch = body.watch();
        let mut built = request.build()?;
        built.headers_mut().insert(reqwest::header::CONTENT_LENGTH, body.length().into());
        *built.body_mut() = Some(body.into_reqwest());
        let send = async {
            let response = self.execute(built, 1).await.map_err(transport)?;
            // an answer that breaks off may have been a refusal
            match tokio::time::timeout(HEAD_TIMEOUT, read(response)).await {
                Ok(answer) => answer,
                Err(_) => Err(stalled()),
            }
        };
        let answer = tokio::select! {
            answer = send => answer,
            () = watch.stalled() => Err(stalled()),
        };
        match &answer {
            Ok(answer) => self.troubles.see(answer.status),
            Err(_) => self.troubles.broke(),
        }
        match answer {
            Ok(answer) if answer.status.is_success() && !watch.is_complete() => {
                Err(Error::new(ErrorKind::Protocol, "a good answer before all bytes were sent").retry(Retry::Later(None)))
            }
            answer => answer,
        }
        .map_err(|error| error.with("url", &request.url))
    }
}

/// Reads an answer whole.
async fn read(mut response: Response) -> Result<Answer> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Error::new(ErrorKind::Protocol, "the answer is too long").with("limit", ANSWER_LIMIT));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.into() })
}

fn stalled() -> Error {
    Error::new(ErrorKind::Unavailable, "the connection stalled").retry(Retry::Later(None))
}

/// A failure below HTTP: connect, reset, timeout. All may pass on another try.
pub fn transport(error: reqwest::Error) -> Error {
    let message = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() && (error.is_body() || error.is_decode()) {
        "nothing came any more"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    };
    // the URL is shown by `Request`, without its query; of the rest the innermost says what happened
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = std::error::Error::source(&error).map(|_| cause.to_string()).unwrap_or_default();
    let error = Error::new(ErrorKind::Unavailable, message).retry(Retry::Later(None));
    if cause.is_empty() { error } else { error.because(anyhow::Error::msg(cause)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SafeUrl;

    /// A server that accepts one connection and never reads from it, and a body on its way there.
    async fn stuck() -> (std::net::TcpStream, tokio::task::JoinHandle<Result<Answer>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = SafeUrl::new(format!("http://{}/blob", listener.local_addr().unwrap()).parse().unwrap());
        let (sender, body) = upload_body(1 << 30, 4);
        tokio::spawn(async move { while sender.send(Bytes::from(vec![0; 1 << 20])).await {} });
        let request = Request::new(reqwest::Method::PUT, url);
        let put = tokio::spawn(async move { Http::new(true, IDLE_TIMEOUT)?.put(&request, body).await });
        let connection = tokio::task::spawn_blocking(move || listener.accept().unwrap().0).await.unwrap();
        (connection, put)
    }

    #[tokio::test]
    async fn a_body_that_nobody_takes_is_given_up_and_may_be_sent_again() {
        let (_open, put) = stuck().await;
        // thirteen minutes pass as soon as there is nothing left to do
        tokio::time::pause();
        let error = put.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Unavailable, Retry::Later(None)));
        assert!(error.to_string().starts_with("the connection stalled, url http://127.0.0.1:"), "{error}");
    }
}
