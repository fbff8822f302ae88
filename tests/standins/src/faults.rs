//! Misfortunes on demand: rules that say which exchange goes wrong, and how.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

/// What goes wrong with an exchange.
#[derive(Clone)]
pub enum Fault {
    /// Answers this instead of doing the work.
    Status {
        /// The status code.
        status: u16,
        /// Headers to send along.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// Answers an HTML page, as a gateway in front of the service would.
    HtmlError(u16),
    /// Resets the connection (RST) once this many bytes of the answer's body are out.
    ResetDownload(u64),
    /// Resets the connection (RST) once this many bytes of the request's body have come in. 0: before reading any.
    ResetUpload(u64),
    /// Pauses the answer's body after this many bytes.
    StallDownload(u64, Duration),
    /// Pauses the reading of the request's body after this many bytes.
    StallUpload(u64, Duration),
    /// Promises the whole length, closes the connection cleanly after this many bytes.
    Truncate(u64),
    /// Promises and sends only this many bytes, as if they were all.
    ShortLength(u64),
    /// Promises and sends this many bytes more than there are.
    OverLong(u64),
    /// Flips one bit of the byte at this offset of the answer's body.
    FlipByte(u64),
    /// Flips one bit of the byte at this offset of the request's body, on its way in: no fault of the client's.
    FlipUpload(u64),
    /// Treats the signed URL of this request as expired.
    ExpireUrl,
    /// Forgets the request's `Range`.
    IgnoreRange,
    /// Gives a header of the real answer another value: a wrong `Content-Range`, another `ETag`.
    Header(&'static str, String),
    /// Sends an HTML page in place of the bytes, exactly as long as they are: what a portal or a broken cache does.
    PageOfSameLength,
    /// Does the work, then resets the connection instead of answering.
    DropAnswer,
    /// Answers this status at once, as a gateway does that lost patience, and does the work so much later.
    Late(u16, Duration),
    /// Does the work, then edits the JSON of the answer.
    Edit(Arc<dyn Fn(&mut Value) + Send + Sync>),
    /// Waits before doing anything.
    Delay(Duration),
    /// Runs a closure before doing the work.
    Call(Arc<dyn Fn() + Send + Sync>),
    /// Answers this gRPC status. For calls of gRPC only, and of the others those know `ResetUpload(0)`, `ResetDownload`, `DropAnswer`,
    /// `Delay` and `Call`.
    Grpc(GrpcAnswer),
}

/// A gRPC status in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcAnswer {
    /// The code.
    pub code: i32,
    /// The message.
    pub message: String,
    /// `grpc-status-details-bin`, decoded. Empty for none.
    pub details: Vec<u8>,
    /// Whether the work is done all the same.
    pub after_work: bool,
}

impl Fault {
    /// A plain status with a JSON `error` body.
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: Bytes::from_static(b"{\"error\":\"injected\"}") }
    }

    /// Edits the JSON of an answer.
    pub fn edit(edit: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Edit(Arc::new(edit))
    }

    /// Adds a header to a [`Fault::Status`].
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of a [`Fault::Status`].
    #[must_use]
    pub fn body(mut self, text: &str) -> Self {
        if let Self::Status { body, .. } = &mut self {
            *body = Bytes::copy_from_slice(text.as_bytes());
        }
        self
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status, .. } => write!(f, "Status({status})"),
            Self::HtmlError(status) => write!(f, "HtmlError({status})"),
            Self::ResetDownload(at) => write!(f, "ResetDownload({at})"),
            Self::ResetUpload(at) => write!(f, "ResetUpload({at})"),
            Self::StallDownload(at, time) => write!(f, "StallDownload({at}, {time:?})"),
            Self::StallUpload(at, time) => write!(f, "StallUpload({at}, {time:?})"),
            Self::Truncate(at) => write!(f, "Truncate({at})"),
            Self::ShortLength(at) => write!(f, "ShortLength({at})"),
            Self::OverLong(extra) => write!(f, "OverLong({extra})"),
            Self::FlipByte(at) => write!(f, "FlipByte({at})"),
            Self::ExpireUrl => f.write_str("ExpireUrl"),
            Self::IgnoreRange => f.write_str("IgnoreRange"),
            Self::FlipUpload(at) => write!(f, "FlipUpload({at})"),
            Self::Header(name, value) => write!(f, "Header({name}: {value})"),
            Self::PageOfSameLength => f.write_str("PageOfSameLength"),
            Self::DropAnswer => f.write_str("DropAnswer"),
            Self::Late(status, after) => write!(f, "Late({status}, {after:?})"),
            Self::Edit(_) => f.write_str("Edit"),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::Call(_) => f.write_str("Call"),
            Self::Grpc(answer) => write!(f, "Grpc({})", answer.code),
        }
    }
}

/// Which exchanges a fault befalls: all that match, after `skip` of them, `times` times.
#[derive(Clone, Debug)]
pub struct Rule {
    origin: Option<&'static str>,
    method: Option<&'static str>,
    route: Option<&'static str>,
    path: Option<String>,
    skip: u64,
    times: u64,
    fault: Fault,
}

impl Rule {
    /// The fault befalls the next exchange, whatever it is.
    pub fn any(fault: Fault) -> Self {
        Self { origin: None, method: None, route: None, path: None, skip: 0, times: 1, fault }
    }

    /// The fault befalls the next exchange of the named route.
    pub fn route(route: &'static str, fault: Fault) -> Self {
        Self { route: Some(route), ..Self::any(fault) }
    }

    /// Only on this origin.
    #[must_use]
    pub fn origin(self, origin: &'static str) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Only with this method.
    #[must_use]
    pub fn method(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    /// Only where the path and query contain this.
    #[must_use]
    pub fn path(self, part: &str) -> Self {
        Self { path: Some(part.to_owned()), ..self }
    }

    /// Lets this many matches pass first: `skip(2)` hits the third.
    #[must_use]
    pub fn skip(self, matches: u64) -> Self {
        Self { skip: matches, ..self }
    }

    /// Befalls this many matches.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Befalls every match.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        self.origin.is_none_or(|origin| origin == subject.origin)
            && self.method.is_none_or(|method| method == subject.method)
            && self.route.is_none_or(|route| route == subject.route)
            && self.path.as_deref().is_none_or(|part| subject.path.contains(part))
    }
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) origin: &'static str,
    pub(crate) method: &'a str,
    pub(crate) route: &'static str,
    pub(crate) path: &'a str,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    fired: AtomicU64,
}

impl Faults {
    /// Adds a rule.
    pub fn add(&self, rule: Rule) {
        self.rules.lock().unwrap().push(rule);
    }

    /// Drops all rules.
    pub fn clear(&self) {
        self.rules.lock().unwrap().clear();
    }

    /// How many times a fault has befallen an exchange. A test of a fault asserts that it did.
    pub fn fired(&self) -> u64 {
        self.fired.load(Relaxed)
    }

    pub(crate) fn befalling(&self, subject: &Subject<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.rules.lock().unwrap().retain_mut(|rule| {
            if !rule.matches(subject) {
                return true;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                return true;
            }
            faults.push(rule.fault.clone());
            rule.times = rule.times.saturating_sub(1);
            rule.times > 0
        });
        self.fired.fetch_add(faults.len() as u64, Relaxed);
        faults
    }
}

/// The faults that concern bodies, gathered for one exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyFaults {
    pub(crate) reset_download: Option<u64>,
    pub(crate) reset_upload: Option<u64>,
    pub(crate) stall_download: Option<(u64, Duration)>,
    pub(crate) stall_upload: Option<(u64, Duration)>,
    pub(crate) truncate: Option<u64>,
    pub(crate) short_length: Option<u64>,
    pub(crate) over_long: u64,
    pub(crate) flip: Option<u64>,
    pub(crate) flip_upload: Option<u64>,
}

impl BodyFaults {
    pub(crate) fn gather(faults: &[Fault]) -> Self {
        let mut gathered = Self::default();
        for fault in faults {
            match fault {
                Fault::ResetDownload(at) => gathered.reset_download = Some(*at),
                Fault::ResetUpload(at) => gathered.reset_upload = Some(*at),
                Fault::StallDownload(at, time) => gathered.stall_download = Some((*at, *time)),
                Fault::StallUpload(at, time) => gathered.stall_upload = Some((*at, *time)),
                Fault::Truncate(at) => gathered.truncate = Some(*at),
                Fault::ShortLength(length) => gathered.short_length = Some(*length),
                Fault::OverLong(extra) => gathered.over_long = *extra,
                Fault::FlipByte(at) => gathered.flip = Some(*at),
                Fault::FlipUpload(at) => gathered.flip_upload = Some(*at),
                _ => {}
            }
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_fires_and_is_spent() {
        let faults = Faults::default();
        faults.add(Rule::route("put", Fault::ExpireUrl).skip(1).times(2));
        let subject = Subject { origin: "storage", method: "PUT", route: "put", path: "/x" };
        let hits: Vec<usize> = (0..4).map(|_| faults.befalling(&subject).len()).collect();
        assert_eq!(hits, [0, 1, 1, 0]);
        assert_eq!(faults.fired(), 2);
    }
}
