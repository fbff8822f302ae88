//! The shared machinery, tried on a hub that knows two routes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use standins::content::Content;
use standins::faults::{Fault, Rule};
use standins::probe::Probe;
use standins::range::{Wanted, wanted};
use standins::rig::Rig;
use standins::server::{Gone, Request, Response, Route, Server, Service};

const ORIGINS: [&str; 1] = ["api"];
const SIZE: u64 = 5_000_000;

struct Echo(Content);

impl Service for Echo {
    fn route(&self, _: &'static str, method: &str, _: &str) -> Route {
        if method == "PUT" { Route::upload("put") } else { Route::download("get") }
    }

    async fn answer(&self, request: &mut Request) -> Result<Response, Gone> {
        if request.method == "PUT" {
            let mut size = 0;
            while let Some(chunk) = request.body.next().await? {
                size += chunk.len();
            }
            return Ok(Response::text(200, &size.to_string()));
        }
        Ok(match wanted(request.header("range"), self.0.len()) {
            Wanted::Part(range) => Response::file(206, self.0.clone(), range),
            _ => Response::file(200, self.0.clone(), 0..self.0.len()),
        })
    }
}

fn start() -> (Arc<Rig>, Server, Content, String) {
    let rig = Arc::new(Rig::new(&ORIGINS, standins::marks::Guard::default()));
    let content = Content::generated(1, SIZE);
    let server = Server::start(&rig, &ORIGINS, |_| Arc::new(Echo(content.clone())));
    let url = format!("{}/file", server.addresses().url("api"));
    (rig, server, content, url)
}

#[test]
fn bodies_travel_both_ways_and_are_counted() {
    let (rig, _server, content, url) = start();
    let reply = Probe::get(&url).send();
    assert_eq!(reply.body, content.to_bytes());
    let reply = Probe::put(&url, content.to_bytes()).send();
    assert_eq!(reply.text(), SIZE.to_string());
    assert_eq!(Probe::put(&url, content.to_bytes()).chunked().send().text(), SIZE.to_string());
    assert_eq!(rig.journal.bytes_downloaded(), SIZE);
    assert_eq!(rig.journal.bytes_uploaded(), 2 * SIZE);
    assert_eq!(rig.journal.requests("put"), 2);
}

#[test]
fn a_connection_is_counted_until_it_ends() {
    let (rig, server, _, _) = start();
    let address = server.addresses().url("api").trim_start_matches("http://").to_owned();
    let counts = |count: u64| {
        let began = Instant::now();
        while rig.connections() != count {
            assert!(began.elapsed() < Duration::from_secs(20), "{} and not {count}", rig.connections());
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let two = [(); 2].map(|()| std::net::TcpStream::connect(&address).unwrap());
    counts(2);
    let [first, second] = two;
    drop(first);
    counts(1);
    drop(second);
    counts(0);
}

#[test]
fn head_gives_the_length_and_no_bytes() {
    let (rig, _server, _, url) = start();
    let reply = Probe::new("HEAD", &url).send();
    assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("5000000"), 0));
    assert_eq!(rig.journal.bytes_downloaded(), 0);
}

#[test]
fn a_reset_breaks_the_answer_off_where_it_was_told() {
    let (rig, _server, _, url) = start();
    rig.faults.add(Rule::route("get", Fault::ResetDownload(1_234_567)));
    let reply = Probe::get(&url).send();
    assert!(!reply.complete);
    assert!(reply.body.len() <= 1_234_567);
    assert_eq!(rig.journal.bytes_downloaded(), 1_234_567);
    assert!(Probe::get(&url).send().complete, "the rule is spent");
}

#[test]
fn a_truncated_answer_has_exactly_that_many_bytes() {
    let (rig, _server, content, url) = start();
    rig.faults.add(Rule::any(Fault::Truncate(1_000)));
    let reply = Probe::get(&url).send();
    assert_eq!((reply.complete, reply.body.len()), (false, 1_000));
    rig.faults.add(Rule::any(Fault::ShortLength(1_000)));
    let reply = Probe::get(&url).send();
    assert_eq!((reply.complete, reply.body.len()), (true, 1_000));
    rig.faults.add(Rule::any(Fault::OverLong(7)));
    let reply = Probe::get(&url).send();
    assert_eq!((reply.complete, reply.body.len() as u64), (true, content.len() + 7));
}

#[test]
fn one_byte_is_flipped_and_only_one() {
    let (rig, _server, content, url) = start();
    rig.faults.add(Rule::any(Fault::FlipByte(3_000_000)));
    let reply = Probe::get(&url).header("Range", "bytes=0-4999999").send();
    let whole = content.to_bytes();
    let differing: Vec<usize> = (0..whole.len()).filter(|at| reply.body[*at] != whole[*at]).collect();
    assert_eq!(differing, [3_000_000]);
}

#[test]
fn a_reset_upload_and_a_dropped_answer_leave_the_client_without_one() {
    let (rig, _server, content, url) = start();
    rig.faults.add(Rule::route("put", Fault::ResetUpload(100_000)));
    assert!(Probe::put(&url, content.to_bytes()).try_send().is_err());
    rig.faults.add(Rule::route("put", Fault::DropAnswer));
    assert!(Probe::put(&url, content.to_bytes()).try_send().is_err());
    assert_eq!(rig.faults.fired(), 2);
    assert_eq!(rig.journal.failed("put"), 2);
}

#[test]
fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let (rig, _server, content, url) = start();
    rig.faults.add(Rule::any(Fault::status(429).header("Retry-After", "3")));
    let reply = Probe::put(&url, content.to_bytes()).send();
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("3")));
    rig.faults.add(Rule::any(Fault::HtmlError(502)));
    assert!(Probe::get(&url).send().text().starts_with("<!DOCTYPE html>"));
    rig.faults.add(Rule::any(Fault::IgnoreRange));
    assert_eq!(Probe::get(&url).header("Range", "bytes=0-1").send().status, 200);
}

#[test]
fn a_dialled_rate_and_a_stall_take_their_time() {
    let (rig, _server, _, url) = start();
    rig.dials.each(|lane| lane.set_download_per_stream(10_000_000));
    let began = Instant::now();
    Probe::get(&url).send();
    let took = began.elapsed();
    assert!(took > Duration::from_millis(350) && took < Duration::from_millis(1_500), "{took:?}");
    rig.dials.each(|lane| lane.set_download_per_stream(0));
    rig.faults.add(Rule::any(Fault::StallDownload(1_000, Duration::from_millis(200))));
    let began = Instant::now();
    Probe::get(&url).send();
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_closure_runs_when_the_bytes_have_come() {
    let (rig, _server, content, url) = start();
    let (sender, receiver) = mpsc::channel();
    rig.journal.when_uploaded(2_000_000, Box::new(move || sender.send(()).unwrap()));
    Probe::put(&url, content.to_bytes().slice(..1_000_000)).send();
    assert!(receiver.try_recv().is_err());
    Probe::put(&url, content.to_bytes().slice(..1_000_000)).send();
    assert!(receiver.try_recv().is_ok());
}

#[test]
fn a_header_of_the_real_answer_may_be_another() {
    let (rig, _server, content, url) = start();
    rig.faults.add(Rule::route("get", Fault::Header("etag", "\"other\"".to_owned())));
    let reply = Probe::get(&url).send();
    assert_eq!(reply.header("etag"), Some("\"other\""));
    assert_eq!(reply.body, content.to_bytes());
    assert_eq!(Probe::get(&url).send().header("etag"), None);
}

#[test]
fn a_page_may_come_that_is_as_long_as_the_file() {
    let (rig, _server, content, url) = start();
    rig.faults.add(Rule::route("get", Fault::PageOfSameLength).times(2));
    let whole = Probe::get(&url).send();
    assert_eq!((whole.status, whole.body.len() as u64), (200, SIZE));
    assert!(whole.text().starts_with("<!DOCTYPE html>") && whole.header("content-type").unwrap().starts_with("text/html"));
    let part = Probe::get(&url).header("Range", "bytes=10-29").send();
    assert_eq!((part.status, &part.body[..]), (206, &b"<!DOCTYPE html>\n<htm"[..]));
    assert_eq!(Probe::get(&url).send().body, content.to_bytes());
}
