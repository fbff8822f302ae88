//! Against a server of a few answers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use super::super::worker_binary::tests::program;
use super::*;

/// Answers each connection with the next of these bytes, the last one again and again, and counts.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hf2ms-worker", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = asked.clone();
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let mut connection = connection.unwrap();
                noted.lock().unwrap().push(path_of(&mut connection));
                let answer = answers.get(number).or(answers.last()).unwrap();
                // who hangs up in the middle has read enough
                let _ = connection.write_all(answer);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn release<'a>(&'a self, sha256: &'a str) -> Release<'a> {
        Release { url: &self.url, sha256 }
    }
}

/// The path of a request, read to its end.
fn path_of(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().split(' ').nth(1).unwrap_or_default().to_owned()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn good(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("content-length: {}\r\n", body.len()), body)
}

/// A state folder of its own, gone with the test.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("hf2ms-release-{name}-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&home);
        Self(home)
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf { home: &self.0, say: |_| {} }
    }

    fn file(&self, sha256: &str) -> PathBuf {
        self.0.join("worker").join(sha256)
    }

    /// What lies in the folder of programs.
    fn holds(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("worker")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _absent = std::fs::remove_dir_all(&self.0);
    }
}

fn worker() -> (Vec<u8>, String) {
    let bytes = program(62, &[1, 6]);
    let sha256 = Sha256::of(&bytes).to_string();
    (bytes, sha256)
}

const QUICK: Bounds = Bounds { patience: Patience::ONCE, ..USUAL };

/// What a user sees, without the port, this folder, and the part of the hint that is always the same.
fn shown(error: &Error, server: &Server, home: &Home) -> String {
    let text = format!("{error}\nhint: {}", error.hint().unwrap_or("none"));
    let text = text.replace(server.url.trim_end_matches("/hf2ms-worker"), "[SERVER]").replace(&home.0.display().to_string(), "[HOME]");
    text.replace(BUILD, "[HOW IT IS BUILT]")
}

#[tokio::test]
async fn what_has_the_right_digest_is_fetched_once_and_kept_for_its_owner() {
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (bytes, sha256) = worker();
    let (server, home) = (Server::start(vec![good(&bytes)]), Home::new("right"));
    let shelf = Shelf { home: &home.0, say: |words| SAID.lock().unwrap().push(words.to_owned()) };
    for _twice in 0..2 {
        let worker = server.release(&sha256).get_within(QUICK, shelf).await.unwrap();
        assert_eq!((&worker.bytes[..], worker.path), (&bytes[..], home.file(&sha256)));
    }
    assert_eq!(server.asked(), ["/hf2ms-worker"], "the second time it is there");
    assert_eq!(SAID.lock().unwrap()[..], [format!("fetching the program for sandboxes, which is kept: {}", server.url)]);
    assert_eq!(home.holds(), [sha256.as_str()]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.0.join("worker")), mode(&home.file(&sha256))), (0o700, 0o600));
}

#[tokio::test]
async fn a_kept_copy_that_was_changed_is_not_used_but_fetched_again() {
    let (bytes, sha256) = worker();
    let (server, home) = (Server::start(vec![good(&bytes)]), Home::new("changed"));
    server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap();
    let changed = program(62, &[1, 6, 1]);
    std::fs::write(home.file(&sha256), &changed).unwrap();
    let worker = server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap();
    assert_eq!(worker.bytes, bytes);
    assert_eq!((std::fs::read(home.file(&sha256)).unwrap(), server.asked().len()), (bytes, 2));
    // and where nothing comes any more, none is used
    std::fs::write(home.file(&sha256), &changed).unwrap();
    let gone = Server::start(vec![answer("404 Not Found", "", b"")]);
    gone.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap_err();
}

#[tokio::test]
async fn another_digest_is_refused_with_both_and_nothing_is_kept() {
    let (bytes, _) = worker();
    let wanted = Sha256::of(b"another").to_string();
    let (server, home) = (Server::start(vec![good(&bytes)]), Home::new("wrong"));
    let error = server.release(&wanted).get_within(QUICK, home.shelf()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
    insta::assert_snapshot!(shown(&error, &server, &home), @"
    fetch the program for sandboxes: what came is not the released program, expected ae448ac86c4e8e4dec645729708ef41873ae79c6dff84eff73360989487f08e5, got fc48eaea7f0f3bd68fa5a9b3cc1a2677b521c5c193b7d546e0807a162827b433, url [SERVER]/hf2ms-worker
    hint: nothing was started; set HF2MS_WORKER_BIN to such a program, or build one: [HOW IT IS BUILT]
    ");
    assert_eq!(home.holds(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_program_for_a_sandbox_is_refused_though_its_digest_is_right() {
    let script = b"#!/bin/sh\n";
    let wanted = Sha256::of(script).to_string();
    let (server, home) = (Server::start(vec![good(script)]), Home::new("script"));
    let error = server.release(&wanted).get_within(QUICK, home.shelf()).await.unwrap_err();
    insta::assert_snapshot!(shown(&error, &server, &home), @"
    fetch the program for sandboxes: the released program does not run in a sandbox, url [SERVER]/hf2ms-worker, it is no Linux program
    hint: nothing was started; set HF2MS_WORKER_BIN to such a program, or build one: [HOW IT IS BUILT]
    ");
}

#[tokio::test]
async fn what_is_too_large_is_not_read_whether_it_says_so_or_not() {
    let (bytes, sha256) = worker();
    let home = Home::new("large");
    let said = answer("200 OK", &format!("content-length: {}\r\n", LARGEST + 1), &bytes);
    for (answer, bounds) in [(said, QUICK), (answer("200 OK", "", &[0; 4096]), Bounds { bytes: 4000, ..QUICK })] {
        let server = Server::start(vec![answer]);
        let error = server.release(&sha256).get_within(bounds, home.shelf()).await.unwrap_err();
        assert_eq!((error.kind(), error.fact("url")), (ErrorKind::TooLarge, Some(server.url.as_str())));
        if bounds.bytes == LARGEST {
            insta::assert_snapshot!(shown(&error, &server, &home), @"
            fetch the program for sandboxes: it is larger than any such program, limit 256 MiB, url [SERVER]/hf2ms-worker
            hint: nothing was started; set HF2MS_WORKER_BIN to such a program, or build one: [HOW IT IS BUILT]
            ");
        }
    }
    assert_eq!(home.holds(), [""; 0]);
}

#[tokio::test]
async fn what_is_cut_off_is_asked_for_again_and_never_used_in_part() {
    let (bytes, sha256) = worker();
    let cut = answer("200 OK", &format!("content-length: {}\r\n", bytes.len()), &bytes[..100]);
    let home = Home::new("cut");
    let server = Server::start(vec![cut.clone()]);
    let error = server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(home.holds(), [""; 0]);
    let server = Server::start(vec![cut, good(&bytes)]);
    let twice = Bounds { patience: Patience { tries: 2, ..Patience::ATTENDED }, ..USUAL };
    assert_eq!(server.release(&sha256).get_within(twice, home.shelf()).await.unwrap().bytes, bytes);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_named_with_what_to_do() {
    let (_, sha256) = worker();
    let (server, home) = (Server::start(vec![answer("404 Not Found", "", b"no such release")]), Home::new("missing"));
    let error = server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    insta::assert_snapshot!(shown(&error, &server, &home), @"
    fetch the program for sandboxes: the server does not give it, status 404, url [SERVER]/hf2ms-worker
    hint: nothing was started; set HF2MS_WORKER_BIN to such a program, or build one: [HOW IT IS BUILT]
    ");
}

#[tokio::test]
async fn what_never_comes_is_not_waited_for() {
    let (_, sha256) = worker();
    let endless = answer("503 Service Unavailable", "retry-after: 50\r\n", b"");
    let (server, home) = (Server::start(vec![endless]), Home::new("late"));
    let short = Bounds { time: Duration::from_millis(300), ..USUAL };
    let error = server.release(&sha256).get_within(short, home.shelf()).await.unwrap_err();
    assert_eq!((error.kind(), error.fact("waited")), (ErrorKind::Unavailable, Some("0 s")));
}

#[tokio::test]
async fn a_redirect_is_followed_to_https_and_from_this_machine_within_it() {
    let (bytes, sha256) = worker();
    let there = "302 Found";
    let home = Home::new("redirect");
    let server = Server::start(vec![answer(there, "location: /assets/1?sign=x\r\n", b""), good(&bytes)]);
    assert_eq!(server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap().bytes, bytes);
    assert_eq!(server.asked(), ["/hf2ms-worker", "/assets/1?sign=x"]);
    for target in ["http://releases.example/x", "ftp://127.0.0.1/x", "file:///etc/passwd"] {
        let (server, home) = (Server::start(vec![answer(there, &format!("location: {target}\r\n"), b"")]), Home::new("elsewhere"));
        let error = server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap_err();
        assert_eq!((error.kind(), server.asked().len()), (ErrorKind::Protocol, 1), "{target}");
    }
    let server = Server::start(vec![answer(there, "location: /again\r\n", b"")]);
    let home = Home::new("circle");
    server.release(&sha256).get_within(QUICK, home.shelf()).await.unwrap_err();
    assert_eq!(server.asked().len(), MOST_HOPS);
}

#[tokio::test]
async fn an_address_or_a_digest_that_is_none_is_said_and_nobody_is_asked() {
    let (_, sha256) = worker();
    let home = Home::new("odd");
    for (url, sha256) in [
        ("http://releases.example/x", sha256.as_str()),
        ("releases.example/x", &sha256),
        ("https://user:secret@releases.example/x", &sha256),
        ("https://releases.example/x", "abc"),
    ] {
        let error = Release { url, sha256 }.get_within(QUICK, home.shelf()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Local, "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    assert!(!home.0.exists());
}
