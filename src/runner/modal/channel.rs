//! The connection: which addresses may be dialled, which answers first, and through which proxy (facts, modal §1).

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};
use url::{Host, Url};

use super::failures;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::host_of;

/// A message may be this large, either way.
pub(super) const LARGEST_MESSAGE: usize = 100 << 20;
/// What a stream, and the connection, may have on the way.
const WINDOW: u32 = 64 << 20;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How much earlier than the next each address starts.
const HEAD_START: Duration = Duration::from_secs(3);

/// A connection and what it goes to.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) channel: Channel,
    pub(super) host: String,
    pub(super) loopback: bool,
}

/// Which proxies are used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proxies {
    /// Those that the environment names.
    Environment,
    /// None.
    None,
}

/// Dials the addresses in turn, the next one three seconds after the one before or as soon as that fails; the first that answers is taken.
///
/// Fails with `Usage` for an address that may not be dialled, with `Unavailable` when none answers.
pub(super) async fn first_of(servers: &[String], proxies: Proxies) -> Result<Connected> {
    let targets = servers.iter().map(|server| Target::parse(server)).collect::<Result<Vec<_>>>()?;
    let hosts: Vec<_> = targets.iter().map(|target| target.host.clone()).collect();
    let mut waiting = targets.into_iter();
    let mut dialling = FuturesUnordered::new();
    let mut last = None;
    let mut next = waiting.next();
    loop {
        if let Some(target) = next.take() {
            dialling.push(target.dial(proxies));
        }
        tokio::select! {
            answer = dialling.next() => match answer {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(error)) if error.kind() == ErrorKind::Usage => return Err(error),
                Some(Err(error)) => {
                    last = Some(error);
                    next = waiting.next();
                }
                None => {
                    let last = last.map_or_else(|| "there is no address".to_owned(), |error: Error| error.to_string());
                    return Err(failures::unreachable(&hosts.join(" "), &last));
                }
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => next = waiting.next(),
        }
    }
}

/// Dials one address that the service named, a worker's host. http is taken exactly when the control plane is on this machine.
pub(super) async fn dial_router(address: &str, on_loopback: bool, proxies: Proxies) -> Result<Channel> {
    let target = Target::parse(address).ok().filter(|target| target.secure || on_loopback);
    let Some(target) = target else {
        return Err(Error::new(ErrorKind::Protocol, "Modal names a worker's host that is not https"));
    };
    Ok(target.dial(proxies).await?.channel)
}

/// Whether a URL that the service named for an upload may be used: https, or anything on this machine when the control plane is.
pub(super) fn may_upload_to(url: &Url, on_loopback: bool) -> bool {
    url.scheme() == "https" || (on_loopback && url.scheme() == "http" && is_loopback(url))
}

/// An address that may be dialled.
#[derive(Debug)]
struct Target {
    uri: Uri,
    host: String,
    secure: bool,
    loopback: bool,
}

impl Target {
    /// https anywhere, http on loopback. Port 443 or 80 unless another is named; whatever follows the host is not used.
    fn parse(address: &str) -> Result<Self> {
        let refused = || failures::bad_address(address);
        let url = Url::parse(address).map_err(|_| refused())?;
        let loopback = is_loopback(&url);
        let secure = url.scheme() == "https";
        let plain = url.username().is_empty() && url.password().is_none() && url.host_str().is_some();
        if !plain || !(secure || (url.scheme() == "http" && loopback)) {
            return Err(refused());
        }
        let uri = format!("{}://{}", url.scheme(), host_of(&url)).parse().map_err(|_| refused())?;
        Ok(Self { uri, host: url.host_str().unwrap_or_default().to_owned(), secure, loopback })
    }

    async fn dial(self, proxies: Proxies) -> Result<Connected> {
        let broken = |error: tonic::transport::Error| {
            // the innermost says what happened
            let mut cause: &dyn std::error::Error = &error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            Error::new(ErrorKind::Unavailable, cause.to_string())
        };
        let mut endpoint = Endpoint::from(self.uri.clone())
            .user_agent(concat!("hf2ms/", env!("CARGO_PKG_VERSION")))
            .map_err(broken)?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER)
            .keep_alive_while_idle(true);
        if self.secure {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_webpki_roots()).map_err(broken)?;
        }
        let proxy = match proxies {
            Proxies::Environment if !self.loopback => Matcher::from_env().intercept(&self.uri),
            _ => None,
        };
        let channel = match proxy {
            Some(proxy) => endpoint.connect_with_connector(tunnel(&proxy)?).await,
            None => endpoint.connect().await,
        };
        Ok(Connected { channel: channel.map_err(broken)?, host: self.host, loopback: self.loopback })
    }
}

/// A way through a proxy by CONNECT. Fails with `Usage` for a proxy of another kind.
fn tunnel(proxy: &Intercept) -> Result<Tunnel<HttpConnector>> {
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    if scheme != "http" {
        return Err(failures::bad_proxy(scheme));
    }
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    Ok(match proxy.basic_auth() {
        Some(credentials) => tunnel.with_auth(credentials.clone()),
        None => tunnel,
    })
}

/// Whether a URL names this machine by its loopback address or name.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_dialled() {
        for good in
            ["https://api.modal.com", "https://api.modal.com:8443/", "http://127.0.0.1:50051", "http://localhost:1", "http://[::1]:2"]
        {
            assert!(Target::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.modal.com",
            "http://127.0.0.1.evil.example",
            "api.modal.com",
            "unix:///x",
            "https://u:p@api.modal.com",
            "",
            "ftp://localhost",
        ] {
            let error = Target::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
        }
        assert_eq!(Target::parse("https://api.modal.com:8443/x").unwrap().uri.to_string(), "https://api.modal.com:8443/");
    }

    #[tokio::test]
    async fn a_router_is_plain_only_beside_a_control_plane_on_this_machine() {
        for (address, on_loopback) in [("http://127.0.0.1:9", false), ("http://worker.modal.example", true)] {
            let error = dial_router(address, on_loopback, Proxies::None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{address}");
        }
        // dialled, and nobody is there
        assert_eq!(dial_router("http://127.0.0.1:9", true, Proxies::None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn uploads_go_to_https_or_stay_here() {
        let may = |url: &str, on_loopback| may_upload_to(&url.parse().unwrap(), on_loopback);
        assert!(may("https://blobs.example/x", false) && may("http://127.0.0.1/x", true));
        assert!(!may("http://127.0.0.1/x", false) && !may("http://blobs.example/x", true));
    }

    #[tokio::test]
    async fn the_address_that_answers_is_taken_and_none_is_an_error_that_names_them() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { listener.accept().await });
        let connected = first_of(&["http://127.0.0.1:9".to_owned(), there], Proxies::None).await.unwrap();
        assert!(connected.loopback);
        server.abort();
        let error = first_of(&["http://127.0.0.1:9".to_owned(), "http://localhost:9".to_owned()], Proxies::None).await.unwrap_err();
        assert_eq!(error.fact("host"), Some("127.0.0.1 localhost"));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_proxy_of_another_kind_is_refused_by_name() {
        let matcher = Matcher::builder().all("socks5://127.0.0.1:1080").build();
        let error = tunnel(&matcher.intercept(&Uri::from_static("https://api.modal.com")).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "calls to Modal go through http proxies only, proxy socks5://…");
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_the_host_and_told_who_asks() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://user:pass@{}", listener.local_addr().unwrap());
        let proxy = tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let length = connection.read(&mut asked).await.unwrap();
            connection.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&asked[..length]).to_lowercase()
        });
        let to = Uri::from_static("https://api.modal.com");
        let through = tunnel(&Matcher::builder().https(address).build().intercept(&to).unwrap()).unwrap();
        let endpoint = Endpoint::from(to).tls_config(ClientTlsConfig::new().with_webpki_roots()).unwrap();
        assert!(endpoint.connect_with_connector(through).await.is_err());
        let asked = proxy.await.unwrap();
        assert!(asked.starts_with("connect api.modal.com:443 http/1.1\r\n"), "{asked}");
        assert!(asked.contains("proxy-authorization: basic dxnlcjpwyxnz"), "{asked}");
    }
}
