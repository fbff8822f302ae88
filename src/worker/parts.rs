//! One part of a multipart upload: read, hashed when its turn comes, sent.

use std::ops::Range;
use std::time::Duration;

use super::carry::{early, together};
use super::part_hash::PartHash;
use super::{Flight, Reader, Stream, Worker, no_tag};
use crate::error::{ErrorKind, Result, Retry};
use crate::http::{Backoff, Patience, Request, upload_body};
use crate::hub::{Destination, Source, Upload};
use crate::repo::FileEntry;
use crate::secret::SafeUrl;

/// How often one part asks for a new ticket.
const RENEWALS: u32 = 3;

/// One part: which bytes, and where to.
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) index: usize,
    pub(super) request: Request,
    /// The upload it is a part of.
    pub(super) complete: SafeUrl,
}

impl<S: Source + 'static, D: Destination + 'static> Worker<S, D> {
    /// Sends one part, again if its connection breaks, and gives its tag. A refused URL has expired or is of an upload that is gone: a new ticket for the same upload goes on from there, one
    /// for another ends the file's try.
    pub(super) async fn carry_part(&self, file: &FileEntry, mut part: Part, hash: &mut PartHash, flight: &Flight) -> Result<String> {
        let mut backoff = Backoff::new(Patience::PATIENT);
        let mut renewals = 0;
        loop {
            let (outcome, sent) = self.try_part(file, &part, hash, flight).await;
            let error = match outcome {
                Ok(tag) => return Ok(tag),
                Err(error) => error,
            };
            flight.back(sent);
            let error = error.with("part", part.index + 1);
            let wait = match error.retryable() {
                // the URL has expired, or its upload is gone: only a new ticket helps, and only if it names the same upload
                Retry::Later(_) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
                    match self.renewed(file, &part).await? {
                        Some(request) if renewals < RENEWALS => {
                            renewals += 1;
                            part.request = request;
                            Some(Duration::ZERO)
                        }
                        _ => return Err(error),
                    }
                }
                Retry::Later(asked) => backoff.next(asked),
                Retry::Never => return Err(error),
            };
            let Some(wait) = wait else { return Err(error.retry(Retry::Never)) };
            hash.start_over();
            self.destination.tell_wait(&error, wait);
            tokio::time::sleep(wait).await;
        }
    }

    /// Where the part goes by a new ticket; `None` when that is another upload, or none is needed any more.
    async fn renewed(&self, file: &FileEntry, part: &Part) -> Result<Option<Request>> {
        let Some(ticket) = self.ticket(super::blob_of(file)?).await? else { return Ok(None) };
        match ticket.upload {
            Upload::Multipart { parts, complete, .. } if is_same_upload(&complete, &part.complete) => {
                Ok(parts.get(part.index).cloned().map(by_put))
            }
            _ => Ok(None),
        }
    }

    /// One try, with how much of it was sent.
    async fn try_part(&self, file: &FileEntry, part: &Part, hash: &mut PartHash, flight: &Flight) -> (Result<String>, u64) {
        let length = part.range.end - part.range.start;
        let Stream { lease, _memory } = match self.stream(length).await {
            Ok(stream) => stream,
            Err(error) => return (Err(error), 0),
        };
        let mut reader = Reader::new(self.source.as_ref(), &self.manifest, file, part.range.clone()).at_pace(Some(lease));
        if let Err(error) = reader.begin().await {
            return (Err(error), 0);
        }
        let (sender, body) = upload_body(length, super::carry::DEPTH);
        let mut sent = 0;
        let pump = async {
            loop {
                let (pieces, is_last) = match reader.next().await {
                    Ok(Some(chunk)) => (hash.take(chunk).await, false),
                    Ok(None) => (Vec::from_iter(hash.rest()), true),
                    Err(error) => {
                        sender.abort().await;
                        return Err(error);
                    }
                };
                for piece in pieces {
                    let length = piece.len() as u64;
                    if !sender.send(piece).await {
                        return Ok(None);
                    }
                    sent += length;
                    flight.moved(length);
                }
                if is_last {
                    return Ok(Some(()));
                }
            }
        };
        let (pumped, put) = together(pump, self.destination.put(&part.request, body)).await;
        let outcome = match (pumped, put) {
            (Ok(Some(())), Ok(tag)) => tag.ok_or_else(no_tag),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(None), Ok(_)) => Err(early()),
        };
        (outcome, sent)
    }
}

/// The request that sends a part.
pub(super) fn by_put(url: SafeUrl) -> Request {
    Request::new(reqwest::Method::PUT, url)
}

/// Whether two tickets are for one upload in parts.
pub(super) fn same_upload(one: &Upload, other: &Upload) -> bool {
    match (one, other) {
        (Upload::Multipart { complete: one, .. }, Upload::Multipart { complete: other, .. }) => is_same_upload(one, other),
        _ => false,
    }
}

/// Whether two completion addresses are of one upload: they name the same upload id, or, where they name none, are the same. How the
/// parameter is called is not published [?]: any name that starts with `upload` is taken for it.
fn is_same_upload(one: &SafeUrl, other: &SafeUrl) -> bool {
    let is_id = |name: &str| name.to_ascii_lowercase().starts_with("upload");
    let id = |url: &SafeUrl| url.expose().query_pairs().find(|(name, _)| is_id(name)).map(|(_, id)| id.into_owned());
    match (id(one), id(other)) {
        (None, None) => one.expose() == other.expose(),
        (one_id, other_id) => one_id == other_id && one.expose().path() == other.expose().path(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_known_by_its_id_whatever_the_signature() {
        let url = |text: &str| SafeUrl::new(text.parse().unwrap());
        let same = |one: &str, other: &str| is_same_upload(&url(one), &url(other));
        assert!(same("https://h/c?uploadId=a&sig=1", "https://h/c?uploadId=a&sig=2"));
        assert!(!same("https://h/c?uploadId=a", "https://h/c?uploadId=b"));
        assert!(!same("https://h/c?uploadId=a", "https://h/d?uploadId=a"));
        assert!(same("https://h/c/1", "https://h/c/1"));
        assert!(!same("https://h/c/1", "https://h/c/2"));
    }
}
