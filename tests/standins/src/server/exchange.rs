//! One request and its answer, with everything that may befall them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue, RANGE};

use super::{Gone, Query, Request, Response, Route, Service, Upload};
use crate::content::Content;
use crate::faults::{BodyFaults, Fault, Subject};
use crate::journal::{Flow, Record};
use crate::marks::TOKEN_ASTRAY;
use crate::outgoing::{Outgoing, Pace, Place};
use crate::rig::Rig;
use crate::socket::Cut;

type Answer = hyper::Response<Outgoing>;

/// What is known of an exchange before its answer.
struct Begun {
    origin: &'static str,
    route: Route,
    method: String,
    path: String,
    agent: String,
    at: Duration,
    received: Arc<AtomicU64>,
}

pub(super) async fn exchange<S: Service>(
    origin: &'static str,
    request: hyper::Request<Incoming>,
    rig: Arc<Rig>,
    service: Arc<S>,
    cut: Cut,
) -> Result<Answer, Gone> {
    let (head, incoming) = request.into_parts();
    let method = head.method.as_str().to_owned();
    let version = head.version;
    let path = head.uri.path().to_owned();
    let route = service.route(origin, &method, &path);
    rig.journal.arrived(route.name);

    let path_and_query = head.uri.path_and_query().map_or("", |both| both.as_str());
    let subject = Subject { origin, method: &method, route: route.name, path: path_and_query };
    let faults = rig.faults.befalling(&subject);
    let body_faults = BodyFaults::gather(&faults);

    if let Some((found, place)) = rig.guard.astray_in_head(origin, path_and_query, &head.headers) {
        rig.strict.broken(TOKEN_ASTRAY, format!("{found} in {place} of {method} {} at the {origin} host", route.name));
    }
    let mut headers = head.headers;
    if faults.iter().any(|fault| matches!(fault, Fault::IgnoreRange)) {
        headers.remove(RANGE);
    }
    let body = Upload::new(incoming, Arc::clone(&rig), origin, route, body_faults.clone(), cut.clone());
    let agent = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let begun =
        Begun { origin, route, method: method.clone(), path: path.clone(), agent, at: rig.journal.elapsed(), received: body.counter() };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let url_expired = faults.iter().any(|fault| matches!(fault, Fault::ExpireUrl));
    let dropped = faults.iter().any(|fault| matches!(fault, Fault::DropAnswer));
    let late = faults.iter().find_map(|fault| if let Fault::Late(status, after) = fault { Some((*status, *after)) } else { None });
    let answer_lost = dropped || late.is_some();
    let mut request = Request { origin, route, method, version, path, query, headers, url_expired, answer_lost, body };
    if let Some((status, after)) = late {
        request.body.gather().await?;
        tokio::spawn(work_later(request, after, service));
        return Ok(send(instead(&Fault::HtmlError(status)), begun, body_faults, &rig, cut, None));
    }

    let place = if route.flow == Flow::Talk { None } else { Place::take(&rig, origin) };
    let outcome = match place.is_none() && route.flow != Flow::Talk {
        true => Ok(instead(&Fault::status(503))),
        false => respond(&mut request, &faults, &rig, &*service).await.map(|response| edited(response, &faults)),
    };
    if outcome.is_ok() {
        linger(&mut request.body).await;
    }
    match outcome {
        Ok(response) if !dropped => Ok(send(amend(response, &faults), begun, body_faults, &rig, cut, place)),
        _ => {
            cut.cut();
            rig.journal.answered(begun.record(0, &rig));
            Err(Gone)
        }
    }
}

async fn respond<S: Service>(request: &mut Request, faults: &[Fault], rig: &Rig, service: &S) -> Result<Response, Gone> {
    tokio::time::sleep(rig.dials.origin(request.origin).latency()).await;
    for fault in faults {
        match fault {
            Fault::Delay(time) => tokio::time::sleep(*time).await,
            Fault::Call(call) => call(),
            Fault::ResetUpload(0) => return Err(Gone),
            Fault::Status { .. } | Fault::HtmlError(_) => return Ok(instead(fault)),
            _ => {}
        }
    }
    service.answer(request).await
}

/// Does the work of a request that was answered already.
async fn work_later<S: Service>(mut request: Request, after: Duration, service: Arc<S>) {
    tokio::time::sleep(after).await;
    // nobody waits for this answer
    let _unheard = service.answer(&mut request).await;
}

/// Passes the JSON of an answer through the faults that edit it.
fn edited(response: Response, faults: &[Fault]) -> Response {
    let edits: Vec<_> = faults.iter().filter_map(|fault| if let Fault::Edit(edit) = fault { Some(edit) } else { None }).collect();
    if edits.is_empty() {
        return response;
    }
    let mut body = serde_json::from_slice(&response.content.to_bytes()).expect("only JSON is edited");
    edits.into_iter().for_each(|edit| edit(&mut body));
    let content = Content::from(body.to_string().as_str());
    Response { range: 0..content.len(), content, ..response }
}

/// Reads a refused body for a moment: closing a socket with unread bytes would reset it and lose the answer.
async fn linger(body: &mut Upload) {
    let reading = async {
        let mut left = 4 << 20;
        while left > 0 && !body.is_finished() {
            let Ok(Some(chunk)) = body.next().await else { return };
            left -= chunk.len().min(left);
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(300), reading).await;
}

fn instead(fault: &Fault) -> Response {
    match fault {
        Fault::Status { status, headers, body } => {
            let response = Response::bytes(*status, body.clone()).header("content-type", "application/json");
            headers.iter().fold(response, |response, (name, value)| response.header(name, value))
        }
        Fault::HtmlError(status) => {
            let page = format!("<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
            Response::bytes(*status, page).header("content-type", "text/html; charset=utf-8")
        }
        other => unreachable!("{other:?} does not replace an answer"),
    }
}

/// Changes what the service itself answered.
fn amend(response: Response, faults: &[Fault]) -> Response {
    faults.iter().fold(response, |mut response, fault| match fault {
        Fault::Header(name, value) => response.header(name, value),
        Fault::PageOfSameLength => {
            let length = response.range.end - response.range.start;
            response.content = page_of(length);
            response.range = 0..length;
            response.header("content-type", "text/html; charset=utf-8")
        }
        _ => response,
    })
}

/// A page of this many bytes, of any words that fit.
fn page_of(length: u64) -> Content {
    let start = b"<!DOCTYPE html>\n<html><body>Please sign in to the network.</body></html>\n";
    let page: Vec<u8> = start.iter().copied().chain(std::iter::repeat(b' ')).take(length as usize).collect();
    Content::bytes(page)
}

fn send(response: Response, begun: Begun, mut faults: BodyFaults, rig: &Arc<Rig>, cut: Cut, place: Option<Place>) -> Answer {
    let head_only = begun.method == "HEAD";
    let range = response.range;
    let mut length = range.end - range.start;
    let mut end = range.end;
    if let Some(short) = faults.short_length {
        length = length.min(short);
        end = range.start + length;
    }
    if response.content.is_empty() || head_only {
        // A fault of a body cannot befall an answer without one.
        faults = BodyFaults { reset_download: faults.reset_download, ..BodyFaults::default() };
    }
    length += faults.over_long;

    let mut answer = hyper::Response::builder().status(response.status);
    if let Some(headers) = answer.headers_mut() {
        *headers = *response.headers;
        stamp_length(headers, response.status, length, response.chunked);
    }
    let flow = if response.sent_bytes_are_payload { begun.route.flow } else { Flow::Talk };
    let origin = begun.origin;
    let recorded = rig.journal.answered(begun.record(response.status, rig));
    let at = if head_only { end } else { range.start };
    let rig = Arc::clone(rig);
    let body =
        Outgoing { content: response.content, at, end, rig, origin, flow, faults, cut, recorded, pace: Pace::default(), _place: place };
    answer.body(body).expect("status and headers were checked before")
}

fn stamp_length(headers: &mut hyper::HeaderMap, status: u16, length: u64, chunked: bool) {
    let bodiless = status < 200 || status == 204 || status == 304;
    if !chunked && !bodiless && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.entry(HeaderName::from_static("server")).or_insert(HeaderValue::from_static("stand-in"));
}

impl Begun {
    fn record(&self, status: u16, rig: &Rig) -> Record {
        Record {
            origin: self.origin,
            route: self.route.name,
            method: self.method.clone(),
            path: self.path.clone(),
            status,
            bytes_in: self.received.load(Relaxed),
            bytes_out: 0,
            at: self.at,
            took: rig.journal.elapsed().saturating_sub(self.at),
            agent: self.agent.clone(),
        }
    }
}
