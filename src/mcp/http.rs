//! `hf2ms mcp --http`: where it may listen. It has no login, so it is for the conformance suite of MCP alone, on this machine alone.

use std::net::SocketAddr;

use crate::error::{Error, ErrorKind, Result};

/// Reads what `--http` was given: a loopback address with a port, 0 for one that the system picks.
///
/// Fails with `Usage` for any other.
pub(super) fn loopback(text: &str) -> Result<SocketAddr> {
    let example = "the conformance suite takes `--http 127.0.0.1:0`, where 0 picks a port; clients start `hf2ms mcp` without it";
    let address: SocketAddr = text.parse().map_err(|_| Error::usage("`--http` takes an IP address with a port", example))?;
    match address.ip().is_loopback() {
        true => Ok(address),
        false => {
            let message =
                format!("`--http {address}` could be reached from other machines, and it has no login: only 127.0.0.0/8 and ::1 are taken");
            Err(Error::usage(message, example))
        }
    }
}

/// Refuses: the library's HTTP server would make every program larger, for the sake of one test.
///
/// Fails with `Unsupported`.
#[cfg(not(feature = "conformance"))]
pub(super) async fn listen(address: SocketAddr) -> Result<()> {
    Err(Error::new(ErrorKind::Unsupported, format!("`--http {address}` is not built in"))
        .hint_to("build with `--features conformance`; no client needs it, they start `hf2ms mcp`"))
}

#[cfg(feature = "conformance")]
pub(super) use serving::listen;

#[cfg(feature = "conformance")]
mod serving {
    use std::convert::Infallible;
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body_util::combinators::BoxBody;
    use http_body_util::{BodyExt, Empty};
    use hyper::body::Incoming;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response, StatusCode};
    use hyper_util::rt::TokioIo;
    use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
    use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
    use tokio::net::TcpListener;

    use super::{Error, ErrorKind, Result, SocketAddr};
    use crate::mcp::server::Server;
    use crate::mcp::{redaction, say};

    const PATH: &str = "/mcp";

    type Service = StreamableHttpService<Server, LocalSessionManager>;
    type Answer = Response<BoxBody<Bytes, Infallible>>;

    /// Serves at `/mcp` until it is dropped, and says on standard error where that is. Tokens are taken out of what goes out, as on standard
    /// output.
    ///
    /// Fails with `Local` when the system gives no socket.
    pub(in crate::mcp) async fn listen(address: SocketAddr) -> Result<()> {
        let no_socket = |error| {
            Error::new(ErrorKind::Local, "no socket")
                .with("address", address)
                .because(error)
                .hint_to("another program may listen there; with port 0 the system picks a free one")
        };
        let listener = TcpListener::bind(address).await.map_err(no_socket)?;
        let chosen = listener.local_addr().map_err(no_socket)?;
        say(&format!("serving MCP at http://{chosen}{PATH}"));
        let service = service(chosen);
        loop {
            let (stream, _) = listener.accept().await.map_err(no_socket)?;
            let service = service.clone();
            tokio::spawn(async move {
                let each = service_fn(|request| answer(&service, request));
                // a connection that breaks off is its client's affair
                let _broken = http1::Builder::new().serve_connection(TokioIo::new(stream), each).await;
            });
        }
    }

    /// A page in a browser must not reach it, neither by a name that points here nor from another origin.
    fn service(chosen: SocketAddr) -> Service {
        let itself = match chosen {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(_) => "[::1]".to_owned(),
        };
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), chosen.ip().to_string()];
        let origins = ["localhost", "127.0.0.1", "[::1]", &itself].map(|host| format!("http://{host}:*"));
        let config = StreamableHttpServerConfig::default().with_allowed_hosts(hosts).with_allowed_origins(origins);
        StreamableHttpService::new(|| Ok(Server), Arc::new(LocalSessionManager::default()), config)
    }

    async fn answer(service: &Service, request: Request<Incoming>) -> std::result::Result<Answer, Infallible> {
        if request.uri().path() != PATH {
            let mut nothing = Response::new(Empty::new().boxed());
            *nothing.status_mut() = StatusCode::NOT_FOUND;
            return Ok(nothing);
        }
        // one frame is one message, or one event with one
        let clean = |body: BoxBody<Bytes, Infallible>| body.map_frame(|frame| frame.map_data(|data| redaction::clean_event(&data).into()));
        Ok(service.handle(request).await.map(|body| clean(body).boxed()))
    }
}
