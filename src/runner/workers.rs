//! Ending the workers of a destination, whoever started them.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep};

use super::modal::ModalClient;
use super::names;
use crate::error::{Error, ErrorKind, Result};

/// Sandboxes that are ended at a time.
const AT_A_TIME: usize = 16;
/// How long it may take until none is left.
const MOST: Duration = Duration::from_secs(120);
/// A worker that was being created when its conductor ended is listed a little later.
const SETTLE: Duration = Duration::from_millis(500);

/// Ends all workers of a destination, and looks until none is listed, and once more after a moment.
///
/// Nothing may create workers meanwhile. Fails with `Unavailable` when one is listed after two minutes.
pub async fn end_all(client: &ModalClient, destination: &str) -> Result<()> {
    let began = Instant::now();
    let tags = names::of_workers(destination);
    let mut empty = 0;
    loop {
        let living: Vec<_> = client.list(&tags, false).await?.into_iter().map(|worker| worker.id).collect();
        if living.is_empty() {
            empty += 1;
            if empty == 2 {
                return Ok(());
            }
            sleep(SETTLE).await;
            continue;
        }
        if began.elapsed() >= MOST {
            return Err(Error::new(ErrorKind::Unavailable, "workers were told to end, and still run")
                .with("workers", living.len())
                .hint_to("end them at https://modal.com/apps, in the app hf2ms, or run the same command again"));
        }
        empty = 0;
        end(client, living).await?;
    }
}

/// Ends these sandboxes and waits until each is gone.
pub async fn end(client: &ModalClient, sandboxes: impl IntoIterator<Item = String>) -> Result<()> {
    let ends = sandboxes.into_iter().map(|sandbox| async move { client.terminate(&sandbox).await });
    let mut ends = futures_util::stream::iter(ends).buffer_unordered(AT_A_TIME);
    while let Some(ended) = ends.next().await {
        ended?;
    }
    Ok(())
}
