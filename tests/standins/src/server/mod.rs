//! A small HTTP/1.1 server: each origin of a hub on its own port, as in reality, all on one background runtime.
//!
//! One exchange goes: name the route → wait as the dials say → ask the faults → let the hub answer → damage the answer as
//! the faults say → send it. Bodies stream both ways and are never gathered here.

mod exchange;
mod message;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

pub use crate::incoming::Upload;
use crate::journal::Flow;
use crate::rig::{Open, Rig};
use crate::socket::{Cut, Socket};
pub use message::{Query, Request, Response};

/// The client went away, or was cut off: there is nobody to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client is gone")
    }
}

impl std::error::Error for Gone {}

/// A route by name, as rules and journal know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The name.
    pub name: &'static str,
    /// Which way its payload goes.
    pub flow: Flow,
}

impl Route {
    /// A route whose bodies are questions and answers.
    pub const fn talk(name: &'static str) -> Self {
        Self { name, flow: Flow::Talk }
    }

    /// A route that takes file bytes.
    pub const fn upload(name: &'static str) -> Self {
        Self { name, flow: Flow::Upload }
    }

    /// A route that serves file bytes.
    pub const fn download(name: &'static str) -> Self {
        Self { name, flow: Flow::Download }
    }
}

/// A hub's mind: names routes and answers requests, for all its origins.
pub trait Service: Send + Sync + 'static {
    /// Names the route of a request from its head alone. `path` is without query and still percent-encoded.
    fn route(&self, origin: &'static str, method: &str, path: &str) -> Route;

    /// Hears that a connection was given up because it did not speak HTTP/1, and why.
    fn unreadable(&self, origin: &'static str, why: &str) {
        let _ = (origin, why);
    }

    /// Answers a request. Implement it as `async fn`. What it leaves of the body is read and dropped for a moment.
    fn answer(&self, request: &mut Request) -> impl Future<Output = Result<Response, Gone>> + Send;
}

/// Bound but not yet served ports, by origin.
#[derive(Clone, Debug)]
pub struct Addresses(Vec<(&'static str, SocketAddr)>);

impl Addresses {
    /// `http://127.0.0.1:port` of an origin. Panics when there is no such origin.
    pub fn url(&self, origin: &str) -> String {
        let found = self.0.iter().find(|(name, _)| *name == origin);
        format!("http://{}", found.unwrap_or_else(|| panic!("no origin `{origin}`")).1)
    }
}

/// The running origins of one stand-in. Dropping it ends every connection.
#[derive(Debug)]
pub struct Server {
    runtime: Option<Runtime>,
    addresses: Addresses,
}

impl Server {
    /// Binds a port for each origin, makes the hub with their addresses, and serves.
    pub fn start<S: Service>(rig: &Arc<Rig>, origins: &[&'static str], make: impl FnOnce(&Addresses) -> Arc<S>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("standin").enable_all().build().expect("a runtime");
        let bound: Vec<(&'static str, std::net::TcpListener)> = origins.iter().map(|origin| (*origin, bind())).collect();
        let address = |listener: &std::net::TcpListener| listener.local_addr().expect("a bound socket has an address");
        let addresses = Addresses(bound.iter().map(|(origin, listener)| (*origin, address(listener))).collect());
        let service = make(&addresses);
        for (origin, listener) in bound {
            runtime.spawn(accept(origin, listener, Arc::clone(rig), Arc::clone(&service)));
        }
        Self { runtime: Some(runtime), addresses }
    }

    /// Runs something beside the origins, for as long as they run.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// The addresses of all origins.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A free port on loopback. BBR, where it is what a system takes by itself, sets a timer for each 64 KiB that it sends, and whoever runs when
/// one goes off does the sending: of two programs that are measured the same, one would take a third more of the processor.
fn bind() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_congestion(b"reno").expect("every Linux has it");
    listener.set_nonblocking(true).expect("a non-blocking socket");
    listener
}

async fn accept<S: Service>(origin: &'static str, listener: std::net::TcpListener, rig: Arc<Rig>, service: Arc<S>) {
    let listener = TcpListener::from_std(listener).expect("inside the runtime");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(origin, stream, Arc::clone(&rig), Arc::clone(&service)))),
            // Out of file descriptors, say: give the others time to end.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve<S: Service>(origin: &'static str, stream: TcpStream, rig: Arc<Rig>, service: Arc<S>) {
    let _ = stream.set_nodelay(true);
    let _open = Open::new(&rig);
    let cut = Cut::default();
    let socket = TokioIo::new(Socket::new(stream, cut.clone()));
    let listener = Arc::clone(&service);
    let exchange = service_fn(move |request| exchange::exchange(origin, request, Arc::clone(&rig), Arc::clone(&service), cut.clone()));
    let mut connection = hyper::server::conn::http1::Builder::new();
    connection.timer(TokioTimer::new()).max_buf_size(1 << 20).half_close(false);
    // How a connection ends is the client's or a fault's affair, unless it never was HTTP/1.
    if let Err(error) = connection.serve_connection(socket, exchange).await
        && error.is_parse()
    {
        listener.unreadable(origin, &error.to_string());
    }
}
