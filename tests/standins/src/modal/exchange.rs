//! One call and its answer: admitted, struck by what may befall it, answered, kept under its key.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Code, Status};

use super::calls::Control;
use super::gate::{self, Kept};
use super::hub::Hub;
use super::proto::modal_client_server::ModalClientServer;
use super::proto::router::task_command_router_server::TaskCommandRouterServer;
use super::router::Router;
use super::serve::Ender;
use super::{CONTROL, rules};
use crate::faults::{Fault, Subject};
use crate::journal::Record;
use crate::server::Gone;

pub(super) type Answer = hyper::Response<Body>;

/// The journal's status of a call that failed with this code: a number no call that succeeded has.
fn status_of(code: i32) -> u16 {
    if code == 0 { 200 } else { 400 + u16::try_from(code).unwrap_or_default() }
}

pub(super) async fn exchange(origin: &'static str, request: hyper::Request<Incoming>, hub: Arc<Hub>, ender: Ender) -> Result<Answer, Gone> {
    let (head, incoming) = request.into_parts();
    let call = gate::call_of(head.uri.path());
    let at = hub.rig.journal.elapsed();
    hub.rig.journal.arrived(call);
    let subject = Subject { origin, method: head.method.as_str(), route: call, path: head.uri.path() };
    let faults = hub.rig.faults.befalling(&subject);
    let agent = gate::text(&head.headers, "user-agent").unwrap_or_default().to_owned();
    let path = head.uri.path().to_owned();
    let (outcome, bytes_in) = match gather(incoming).await? {
        Ok(message) => {
            let length = message.len() as u64;
            (answer(origin, call, head, message, &faults, &hub, &ender).await, length)
        }
        Err(length) => {
            let why = format!("{call} with more than {} bytes", rules::MESSAGE_LIMIT);
            (Ok(hub.refuse(rules::MESSAGE_SIZE, Code::ResourceExhausted, why).into_http()), length)
        }
    };
    let status = outcome.as_ref().map_or(0, |answer| status_of(code_of(answer)));
    let took = hub.rig.journal.elapsed().saturating_sub(at);
    let record = Record { origin, route: call, method: "POST".to_owned(), path, status, bytes_in, bytes_out: 0, at, took, agent };
    hub.rig.journal.answered(record);
    if outcome.is_err() {
        ender.end();
    }
    outcome
}

/// Reads a message with its frame. The inner error is how much came of one that is too large.
async fn gather(mut incoming: Incoming) -> Result<Result<Bytes, u64>, Gone> {
    let mut message = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame.map_err(|_| Gone)?.into_data() {
            message.extend_from_slice(&data);
        }
        if message.len() > rules::MESSAGE_LIMIT + FRAME {
            return Ok(Err(message.len() as u64));
        }
    }
    Ok(Ok(message.freeze()))
}

/// What stands before a message: a flag and its length.
const FRAME: usize = 5;

async fn answer(
    origin: &'static str,
    call: &'static str,
    head: Parts,
    message: Bytes,
    faults: &[Fault],
    hub: &Arc<Hub>,
    ender: &Ender,
) -> Result<Answer, Gone> {
    if let Some((found, place)) = hub.rig.guard.astray_in_head(origin, head.uri.path(), &head.headers) {
        hub.broken(rules::SECRET_OUTSIDE, format!("{found} in {place} of {call}"));
    }
    let admitted = if origin == CONTROL { admit(call, &head, &message, hub) } else { Ok(None) };
    tokio::time::sleep(hub.rig.dials.origin(origin).latency()).await;
    if let Some(instead) = strike(faults).await? {
        return Ok(instead);
    }
    let (slot, head) = match admitted {
        Ok(None) => (None, head),
        Ok(Some((slot, pair))) => {
            let mut head = head;
            head.extensions.insert(pair);
            (slot, head)
        }
        Err(status) => return Ok(status.into_http()),
    };
    let unary = origin == CONTROL && gate::is_unary(call);
    // the work goes on when the client goes away, as it does at a service
    let work = tokio::spawn(work(origin, head, message, unary, slot, Arc::clone(hub)));
    let done = work.await.map_err(|_| Gone)?;
    for fault in faults {
        match fault {
            Fault::DropAnswer => return Err(Gone),
            Fault::Grpc(fault) if fault.after_work => return Ok(status(fault.code, &fault.message, &fault.details)),
            Fault::ResetDownload(after) => return Ok(cut_after(done, *after, ender.clone())),
            _ => {}
        }
    }
    Ok(done)
}

type Admitted = Option<(Option<gate::Slot>, super::tokens::Pair)>;

/// Holds a call to the rules of its head and its message.
fn admit(call: &'static str, head: &Parts, message: &[u8], hub: &Hub) -> Result<Admitted, Status> {
    let bare = message.get(FRAME..).unwrap_or_default();
    hub.inspect_message(call, bare);
    let key = if gate::is_unary(call) { hub.key_of(call, &head.headers) } else { None };
    let pair = hub.admit(call, &head.headers)?;
    let Some(key) = key else { return Ok(Some((None, pair))) };
    match hub.keys.slot(key, call, bare) {
        Some(slot) => Ok(Some((Some(slot), pair))),
        None => Err(hub.refuse(rules::KEY_REUSED, Code::InvalidArgument, format!("{call} with the idempotency key of another call"))),
    }
}

/// What befalls a call before anything is done.
async fn strike(faults: &[Fault]) -> Result<Option<Answer>, Gone> {
    for fault in faults {
        match fault {
            Fault::Delay(time) => tokio::time::sleep(*time).await,
            Fault::Call(call) => call(),
            Fault::ResetUpload(0) => return Err(Gone),
            Fault::Grpc(fault) if !fault.after_work => return Ok(Some(status(fault.code, &fault.message, &fault.details))),
            Fault::Grpc(_) | Fault::DropAnswer | Fault::ResetDownload(_) => {}
            other => panic!("{other:?} does not befall a call of gRPC"),
        }
    }
    Ok(None)
}

fn status(code: i32, message: &str, details: &[u8]) -> Answer {
    Status::with_details(Code::from_i32(code), message, Bytes::copy_from_slice(details)).into_http()
}

/// Does the work, once for each key.
async fn work(origin: &'static str, head: Parts, message: Bytes, unary: bool, slot: Option<gate::Slot>, hub: Arc<Hub>) -> Answer {
    if !unary {
        return dispatch(origin, head, message, &hub).await;
    }
    let Some(slot) = slot else { return give(keep(dispatch(origin, head, message, &hub).await).await, &hub) };
    let mut held = slot.lock().await;
    if let Some(kept) = &*held {
        return give(kept.clone(), &hub);
    }
    let kept = keep(dispatch(origin, head, message, &hub).await).await;
    // what failed may be tried again under the same key
    if code_in(&kept.trailers, &kept.headers) == 0 {
        *held = Some(kept.clone());
    }
    give(kept, &hub)
}

async fn dispatch(origin: &'static str, head: Parts, message: Bytes, hub: &Arc<Hub>) -> Answer {
    let request = hyper::Request::from_parts(head, Full::new(message));
    let answered: Result<Answer, Infallible> = if origin == CONTROL {
        let service = ModalClientServer::new(Control(Arc::clone(hub)));
        service.max_decoding_message_size(rules::MESSAGE_LIMIT).max_encoding_message_size(rules::MESSAGE_LIMIT).call(request).await
    } else {
        TaskCommandRouterServer::new(Router(Arc::clone(hub))).call(request).await
    };
    answered.unwrap_or_else(|never| match never {})
}

async fn keep(answer: Answer) -> Kept {
    let (head, body) = answer.into_parts();
    let collected = body.collect().await.expect("an answer of our own");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Kept { headers: head.headers, body: collected.to_bytes(), trailers }
}

fn give(kept: Kept, hub: &Hub) -> Answer {
    let Kept { headers, body, mut trailers } = kept;
    if !trailers.is_empty() {
        for warning in hub.behaviour().warnings {
            let warning = utf8_percent_encode(&warning, NON_ALPHANUMERIC).to_string();
            trailers.append("x-modal-warning", warning.parse().expect("percent-encoded"));
        }
    }
    let last = (!trailers.is_empty()).then_some(Ok::<_, Infallible>(trailers.clone()));
    let mut answer = hyper::Response::new(Body::new(Full::new(body).with_trailers(std::future::ready(last))));
    *answer.headers_mut() = headers;
    answer.extensions_mut().insert(Trailed(code_in(&trailers, &HeaderMap::new())));
    answer
}

/// The code in the trailers of an answer that is sent whole.
#[derive(Clone, Copy)]
struct Trailed(i32);

fn code_of(answer: &Answer) -> i32 {
    let in_head = code_in(answer.headers(), &HeaderMap::new());
    if in_head != 0 { in_head } else { answer.extensions().get::<Trailed>().map_or(0, |trailed| trailed.0) }
}

fn code_in(first: &HeaderMap, second: &HeaderMap) -> i32 {
    let code = gate::text(first, "grpc-status").or_else(|| gate::text(second, "grpc-status"));
    code.and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// Resets the connection once so many bytes of an answer are out.
fn cut_after(answer: Answer, after: u64, ender: Ender) -> Answer {
    let mut out = 0;
    answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            out += frame.data_ref().map_or(0, |data| data.len() as u64);
            if out > after {
                ender.end();
            }
            frame
        }))
    })
}

/// Waits until a moment, or not at all when it lies too far away to name.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}
