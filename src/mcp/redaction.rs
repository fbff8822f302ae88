//! The last thing between the server and its client: every token of the configuration is taken out of every message, by its value, wherever
//! it came from and whatever it looks like.

use std::io;
use std::pin::Pin;
use std::sync::{PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use serde_json::Value;
use tokio::io::AsyncWrite;

use super::render::each_text;
use crate::config::Config;
use crate::secret::Token;

/// Every token that was ever configured while this process runs: one that was replaced since is a secret still.
static KNOWN: RwLock<Vec<Token>> = RwLock::new(Vec::new());

/// Notes the tokens of a configuration, before anything can speak of them.
pub(super) fn learn(config: &Config) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for token in config.all_tokens() {
        if !known.contains(&token) {
            known.push(token);
        }
    }
}

/// The text without any of them.
pub(super) fn clean(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(text.to_owned(), |text, token| token.hide_in(&text))
}

fn holds_any(text: &str) -> bool {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).iter().any(|token| token.is_in(text))
}

/// A message in one line, which stays one: its texts lose the tokens, then whatever else of it has any.
fn clean_line(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    if !holds_any(&text) {
        return line.to_vec();
    }
    let text = match serde_json::from_str::<Value>(&text) {
        Ok(mut message) => {
            each_text(&mut message, &mut |_, text| *text = clean(text));
            format!("{message}\n")
        }
        Err(_) => text.into_owned(),
    };
    clean(&text).into_bytes()
}

/// What goes out over HTTP: a message, or an event that holds one in its `data`.
#[cfg(feature = "conformance")]
pub(super) fn clean_event(event: &[u8]) -> Vec<u8> {
    let lines = event.split_inclusive(|byte| *byte == b'\n');
    let clean = lines.flat_map(|line| match line.strip_prefix(b"data: ") {
        Some(message) => [b"data: ".to_vec(), clean_line(message)].concat(),
        None => clean_line(line),
    });
    clean.collect()
}

/// Hands lines on when they are whole and clean.
pub(super) struct Redacting<W> {
    inner: W,
    /// The line that is being written.
    line: Vec<u8>,
    /// Clean, and not handed on yet.
    clean: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Redacting<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, line: Vec::new(), clean: Vec::new() }
    }

    fn poll_hand_on(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.clean.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.clean))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.clean.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Redacting<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_hand_on(context))?;
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |newline| newline + 1);
        self.line.extend_from_slice(&bytes[..end]);
        if self.line.last() == Some(&b'\n') {
            let line = std::mem::take(&mut self.line);
            self.clean = clean_line(&line);
        }
        Poll::Ready(Ok(end))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_on(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
