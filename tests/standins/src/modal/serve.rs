//! The two gRPC origins: HTTP/2 without TLS, with lines that can be cut.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::exchange::exchange;
use super::hub::Hub;
use super::{CONTROL, ROUTER};
use crate::socket::{Cut, Socket};

/// As much as a client may have under way on one connection.
const STREAMS: u32 = 1_000;

/// The lines of both origins.
#[derive(Debug, Default)]
pub(super) struct Lines {
    control: Line,
    router: Line,
}

/// The line of one origin.
#[derive(Debug, Default)]
pub(super) struct Line {
    dark_until: Mutex<Option<Instant>>,
    cut: Notify,
    open: AtomicU64,
}

impl Lines {
    pub(super) fn of(&self, origin: &str) -> &Line {
        match origin {
            CONTROL => &self.control,
            ROUTER => &self.router,
            other => panic!("no line to `{other}`"),
        }
    }
}

impl Line {
    /// Resets every connection, and every new one until the time is over.
    pub(super) fn go_dark(&self, time: Duration) {
        *self.dark_until.lock().unwrap() = Instant::now().checked_add(time);
        self.cut.notify_waiters();
    }

    /// Open connections.
    pub(super) fn open(&self) -> u64 {
        self.open.load(Relaxed)
    }

    fn is_dark(&self) -> bool {
        self.dark_until.lock().unwrap().is_some_and(|until| until > Instant::now())
    }
}

/// Ends a connection with a reset.
#[derive(Clone, Debug, Default)]
pub(super) struct Ender {
    cut: Cut,
    end: Arc<Notify>,
}

impl Ender {
    pub(super) fn end(&self) {
        self.cut.cut();
        self.end.notify_one();
    }
}

/// Accepts connections for as long as the runtime lives.
pub(super) async fn accept(origin: &'static str, listener: std::net::TcpListener, hub: Arc<Hub>) {
    let listener = TcpListener::from_std(listener).expect("inside the runtime");
    loop {
        match listener.accept().await {
            Ok((stream, _)) if hub.lines.of(origin).is_dark() => {
                let cut = Cut::default();
                cut.cut();
                drop(Socket::new(stream, cut));
            }
            Ok((stream, _)) => drop(tokio::spawn(serve(origin, stream, Arc::clone(&hub)))),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(origin: &'static str, stream: TcpStream, hub: Arc<Hub>) {
    let _ = stream.set_nodelay(true);
    let line = hub.lines.of(origin);
    let ender = Ender::default();
    let of_calls = ender.clone();
    let socket = TokioIo::new(Socket::new(stream, ender.cut.clone()));
    let calls = Arc::clone(&hub);
    let service = service_fn(move |request| exchange(origin, request, Arc::clone(&calls), of_calls.clone()));
    let mut connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    connection.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    connection.initial_stream_window_size(8 << 20).initial_connection_window_size(16 << 20);
    line.open.fetch_add(1, Relaxed);
    tokio::select! {
        // how a connection ends is the client's or a fault's affair
        _ = connection.serve_connection(socket, service) => {}
        () = line.cut.notified() => ender.cut.cut(),
        () = ender.end.notified() => {}
    }
    line.open.fetch_sub(1, Relaxed);
}
