//! The storage origin: takes objects by signed PUT, whole or in parts. Knows no tokens.

use std::time::Instant;

use super::answers::storage_error;
use super::hub::{Hub, State};
use super::{lfs, rules};
use crate::content::Content;
use crate::server::{Gone, Request, Response};
use crate::signing::{ON_THE_WAY, Verdict};
use crate::store::{Blob, Intake};

/// A PUT that may go ahead.
struct Admitted {
    ticket: String,
    oid: String,
    /// 0: the whole object.
    part: u32,
    length: u64,
}

impl Hub {
    pub(super) async fn answer_storage(&self, request: &mut Request) -> Result<Response, Gone> {
        if request.method != "PUT" {
            return Ok(storage_error(405, "MethodNotAllowed", "The specified method is not allowed against this resource."));
        }
        let admitted = match self.admit(request) {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(refusal),
        };
        self.rig.journal.put_started(&admitted.oid, admitted.part);
        let answer =
            if admitted.part == 0 { self.take_whole(request, &admitted).await? } else { self.take_part(request, &admitted).await? };
        if answer.status() == 200 {
            self.rig.journal.put_completed(&admitted.oid, admitted.part);
            if !request.answer_lost
                && let Some(ticket) = self.state().uploads.0.get_mut(&admitted.ticket)
            {
                ticket.told.push(admitted.part);
            }
        }
        Ok(answer)
    }

    /// Checks everything that is known before the first byte.
    fn admit(&self, request: &Request) -> Result<Admitted, Response> {
        if request.headers.contains_key("authorization") {
            return Err(storage_error(400, "InvalidArgument", "Only one auth mechanism allowed"));
        }
        let id = request.query.get("upload").unwrap_or_default().to_owned();
        let number: Option<u32> = request.query.get("partNumber").and_then(|text| text.parse().ok());
        let signed = match number {
            Some(number) => format!("{}#{id}#{number}", request.path),
            None => format!("{}#{id}", request.path),
        };
        let mut state = self.state();
        self.check_signature(&mut state, request, "PUT", &signed)?;
        let Some(length) = request.content_length() else {
            self.rig.strict.broken(rules::CHUNKED_PUT, request.path.as_str());
            let message = "A header you provided implies functionality that is not implemented: Transfer-Encoding";
            return Err(storage_error(501, "NotImplemented", message));
        };
        let Some(ticket) = state.uploads.0.get(&id) else {
            return Err(storage_error(404, "NoSuchUpload", "The specified upload does not exist."));
        };
        let part = number.unwrap_or(0);
        let expected = if part == 0 { Some(ticket.size) } else { ticket.part_length(part) };
        let (oid, key, told) = (ticket.oid.clone(), ticket.repo.clone(), ticket.told.contains(&part));
        if expected != Some(length) {
            self.rig.strict.broken(rules::PUT_LENGTH, format!("{oid} part {part}: {length} bytes, ticket for {expected:?}"));
            return Err(storage_error(400, "InvalidRequest", "The body has another length than was signed."));
        }
        if told {
            self.rig.strict.broken(rules::RESENT, format!("{oid} part {part}"));
        }
        if let Some(repo) = state.repo(&key) {
            if repo.blobs.contains(&oid) && !told && self.store.contains(&oid) {
                self.rig.strict.broken(rules::NEEDLESS_PUT, format!("{oid} part {part}"));
            }
            if std::mem::take(&mut repo.manners.awaits_read_back) {
                self.rig.strict.broken(rules::NO_READ_BACK, format!("PUT to {key}"));
            }
        }
        Ok(Admitted { ticket: id, oid, part, length })
    }

    /// Refuses a forged or expired URL; counts one that is shown again after it was refused as expired.
    pub(super) fn check_signature(&self, state: &mut State, request: &Request, method: &str, signed: &str) -> Result<(), Response> {
        let verdict = self.signer.check(method, signed, |name| request.query.get(name));
        let signature = request.query.get("signature").unwrap_or_default().to_owned();
        match verdict {
            Verdict::Forged => Err(storage_error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")),
            Verdict::Good if !request.url_expired && !state.expired.contains_key(&signature) => Ok(()),
            Verdict::Good | Verdict::Expired => {
                let refused = *state.expired.entry(signature).or_insert_with(Instant::now);
                if refused.elapsed() > ON_THE_WAY {
                    self.rig.strict.broken(rules::EXPIRED_URL_REUSED, format!("{} {}", request.method, request.route.name));
                }
                Err(storage_error(403, "AccessDenied", "Request has expired"))
            }
        }
    }

    async fn take_whole(&self, request: &mut Request, admitted: &Admitted) -> Result<Response, Gone> {
        let mut intake: Intake = self.store.receive(&admitted.oid);
        while let Some(chunk) = request.body.next().await? {
            intake.write(&chunk);
        }
        if intake.size() != admitted.length {
            return Err(Gone);
        }
        let blob = intake.finish();
        if blob.sha256 != admitted.oid {
            if !request.body.is_damaged() {
                self.rig.strict.broken(rules::WRONG_BYTES, format!("{} came as {}", admitted.oid, blob.sha256));
            }
            if self.behaviour().storage_verifies {
                return Ok(storage_error(400, "BadDigest", "The SHA-256 you specified did not match what we received."));
            }
        }
        let mut state = self.state();
        let Some(ticket) = state.uploads.0.get_mut(&admitted.ticket) else {
            return Ok(storage_error(404, "NoSuchUpload", "The specified upload does not exist."));
        };
        let key = ticket.repo.clone();
        // A storage that does not look keeps other bytes under the name; where they were not kept, any others will do.
        let content = blob.content.or_else(|| (blob.sha256 != admitted.oid).then(|| Content::generated(1, blob.size)));
        self.store.insert_as(&admitted.oid, Blob { content, ..blob });
        if let Some(repo) = state.repo(&key) {
            repo.blobs.insert(admitted.oid.clone());
        }
        Ok(Response::empty(200).header("etag", self.new_etag()))
    }

    async fn take_part(&self, request: &mut Request, admitted: &Admitted) -> Result<Response, Gone> {
        let gone = || storage_error(404, "NoSuchUpload", "The specified upload does not exist.");
        let begun = self.with_ticket(admitted, |ticket| ticket.assembly.as_mut().map(|whole| whole.begin(admitted.part)));
        let Some(mut part) = begun.flatten() else { return Ok(gone()) };
        let mut received = 0;
        let outcome = loop {
            match request.body.next().await {
                Ok(Some(chunk)) => {
                    received += chunk.len() as u64;
                    part.write(&chunk);
                }
                Ok(None) if received == admitted.length => break Ok(()),
                Ok(None) | Err(Gone) => break Err(Gone),
            }
        };
        let etag = self.new_etag();
        let damaged = request.body.is_damaged();
        let kept = self.with_ticket(admitted, |ticket| {
            let assembly = ticket.assembly.as_mut()?;
            match outcome {
                Ok(()) => {
                    assembly.arrived(admitted.part, part);
                    ticket.damaged |= damaged;
                    ticket.etags.insert(admitted.part, etag.clone());
                }
                Err(Gone) => assembly.broken(part),
            }
            Some(())
        });
        outcome?;
        Ok(if kept.flatten().is_some() { Response::empty(200).header("etag", etag) } else { gone() })
    }

    fn with_ticket<T>(&self, admitted: &Admitted, act: impl FnOnce(&mut lfs::Ticket) -> T) -> Option<T> {
        self.state().uploads.0.get_mut(&admitted.ticket).map(act)
    }

    fn new_etag(&self) -> String {
        format!("\"{:032x}\"", self.next_serial())
    }
}
