//! The agent's face: an MCP server on standard input and output. Standard output belongs to the protocol; what a person should know goes
//! to standard error. The conformance suite alone has it on loopback.

mod arguments;
mod asking;
mod confirmed;
mod http;
mod redaction;
mod render;
mod resources;
mod schema;
mod server;
mod shown;
mod tasks;
mod tools;

use std::io::Write;
use std::net::SocketAddr;

use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::stdio_pipes;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use redaction::Redacting;
use server::Server;

/// Serves until the client closes standard input, or a signal ends it. What was started goes on without it.
///
/// With an address for `http` it listens there until a signal ends it.
///
/// Fails with `Local` when the system gives no runtime, no signals or no socket, with `Protocol` when what comes is not MCP, with `Usage` for an
/// address that is not on loopback, and with `Unsupported` for any where this is not built in.
pub fn run(http: Option<&str>) -> Result<()> {
    let address = http.map(http::loopback).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
    let runtime = runtime.map_err(|error| Error::new(ErrorKind::Local, "no runtime").because(error))?;
    let outcome = runtime.block_on(serve(address));
    // a read of standard input that waits cannot be ended
    runtime.shutdown_background();
    outcome
}

async fn serve(address: Option<SocketAddr>) -> Result<()> {
    let on = |kind| signal(kind).map_err(|error| Error::new(ErrorKind::Local, "no signals").because(error));
    let (mut interrupt, mut terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    let serving = async {
        match address {
            Some(address) => http::listen(address).await,
            None => converse().await,
        }
    };
    tokio::select! {
        outcome = serving => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn converse() -> Result<()> {
    let (input, output) = stdio_pipes();
    match Server.serve((input, Redacting::new(output))).await {
        Ok(service) => {
            service.waiting().await.map_err(|error| Error::new(ErrorKind::Local, "the server broke off").because(error))?;
            Ok(())
        }
        // a client that left before it said anything
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
        // the message itself is not repeated: it may hold anything
        Err(_) => Err(Error::new(ErrorKind::Protocol, "what came is not MCP")
            .hint_to("an MCP client starts `hf2ms mcp` by itself; see the README for how to name it there")),
    }
}

/// The configuration, read anew for every call: a token that was set since is found.
fn config() -> Result<Config> {
    let config = Config { say, ..Config::read()? };
    redaction::learn(&config);
    Ok(config)
}

/// For a person who looks at the server's standard error.
fn say(text: &str) {
    // a closed standard error has nobody to tell
    let _gone = writeln!(std::io::stderr(), "{}", redaction::clean(text));
}
