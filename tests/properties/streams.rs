//! A download that is cut anywhere, any number of times, gives the bytes of the file or an error, and nothing else.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use hf2ms::error::{Error, ErrorKind, Result, Retry};
use hf2ms::hub::{Account, Location, Opened, RepoInfo, Source};
use hf2ms::repo::{Digests, FileEntry, Manifest, Platform, RepoPath, RepoRef, RepoType, Visibility};
use hf2ms::worker::Reader;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const SIZE: u64 = 5_000;
/// Cases that run at once: they wait for each other's second tries.
const CASES: usize = 800;

/// One answer to a request for the rest of the file.
#[derive(Clone, Debug)]
struct Answer {
    /// Where its body begins.
    start: Start,
    /// After how many bytes of its body it ends.
    length: u64,
    /// How it ends when that is too early.
    end: End,
    /// How large its chunks are.
    chunk: usize,
    /// What it says of the file's size and content.
    claims: Claims,
}

#[derive(Clone, Debug)]
enum Start {
    /// Where it was asked for.
    Asked,
    /// A little before: a cache that gives whole blocks.
    Before(u64),
    /// At the first byte, as from a server without ranges.
    Zero,
    /// Behind it: a broken server.
    Behind,
}

#[derive(Clone, Debug)]
enum End {
    /// The connection breaks.
    Break,
    /// The body is just over.
    Early,
    /// There is no body: the request is refused for now.
    Refused,
}

#[derive(Clone, Debug, PartialEq)]
enum Claims {
    Everything,
    Nothing,
    AnotherSize,
    AnotherContent,
}

fn answer(honest: bool) -> impl Strategy<Value = Answer> {
    let behind = u32::from(!honest);
    let start = prop_oneof![4 => Just(Start::Asked), 2 => (0..300u64).prop_map(Start::Before), 3 => Just(Start::Zero), behind => Just(Start::Behind)];
    let end = prop_oneof![3 => Just(End::Break), 3 => Just(End::Early), 1 => Just(End::Refused)];
    let claims = prop_oneof![
        6 => Just(Claims::Everything),
        3 => Just(Claims::Nothing),
        behind => Just(Claims::AnotherSize),
        behind => Just(Claims::AnotherContent),
    ];
    // short ones end inside of what is known already, when the range was ignored
    let length = prop_oneof![0..50u64, 0..SIZE];
    (start, length, end, 1..700usize, claims).prop_map(|(start, length, end, chunk, claims)| Answer { start, length, end, chunk, claims })
}

/// A range to read, and the answers that come before good ones.
fn case(honest: bool) -> impl Strategy<Value = (Range<u64>, Vec<Answer>)> {
    let range = prop_oneof![2 => Just(0..SIZE), 1 => (0..SIZE, 0..=SIZE).prop_map(|(a, b)| a.min(b)..a.max(b))];
    (range, prop::collection::vec(answer(honest), 0..4))
}

/// A hub in memory that gives the answers of a case.
struct Cuts {
    content: Bytes,
    answers: Mutex<VecDeque<Answer>>,
}

fn elsewhere<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "only files are read here"))
}

impl Source for Cuts {
    async fn info(&self, _: &RepoRef, _: Option<&str>) -> Result<RepoInfo> {
        elsewhere()
    }

    async fn manifest(&self, _: &RepoInfo) -> Result<Manifest> {
        elsewhere()
    }

    async fn message(&self, _: &RepoInfo) -> Result<Option<String>> {
        elsewhere()
    }

    fn troubles(&self) -> hf2ms::http::Troubles {
        hf2ms::http::Troubles::default()
    }

    fn most_streams(&self) -> usize {
        1
    }

    async fn account(&self) -> Result<Account> {
        elsewhere()
    }

    async fn open(&self, _: &Manifest, _: &FileEntry, range: Range<u64>, _: Location) -> Result<Opened> {
        let good = Answer { start: Start::Asked, length: SIZE, end: End::Early, chunk: 1_000, claims: Claims::Everything };
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(good);
        if matches!(answer.end, End::Refused) {
            return Err(Error::new(ErrorKind::Unavailable, "not now").retry(Retry::Later(None)));
        }
        let (start, end) = match answer.start {
            Start::Asked => (range.start, range.end),
            Start::Before(bytes) => (range.start.saturating_sub(bytes), range.end),
            Start::Zero => (0, SIZE),
            Start::Behind => ((range.start + 1).min(SIZE), range.end.max(range.start + 1)),
        };
        let cut = end.min(start + answer.length);
        let body = self.content.slice(usize::try_from(start).unwrap()..usize::try_from(cut).unwrap());
        let mut chunks: Vec<std::io::Result<Bytes>> = body.chunks(answer.chunk).map(|chunk| Ok(body.slice_ref(chunk))).collect();
        if cut < end && matches!(answer.end, End::Break) {
            chunks.push(Err(std::io::Error::other("reset")));
        }
        let response = http::Response::new(reqwest::Body::wrap_stream(stream::iter(chunks)));
        let total = if answer.claims == Claims::AnotherSize { SIZE + 1 } else { SIZE };
        let validator = if answer.claims == Claims::AnotherContent { "other" } else { "one" };
        let says = answer.claims != Claims::Nothing;
        Ok(Opened {
            response: reqwest::Response::from(response).into(),
            start,
            total: says.then_some(total),
            validator: says.then(|| validator.to_owned()),
        })
    }
}

/// Reads a range to its end, or as far as it goes.
async fn read(range: Range<u64>, answers: Vec<Answer>, content: Bytes) -> (Vec<u8>, Result<()>) {
    let file = FileEntry {
        path: RepoPath::new("model.bin").unwrap(),
        size: SIZE,
        digests: Digests::default(),
        lfs: true,
        read_at: None,
        hubs_own: false,
    };
    let repo = RepoRef::new(Platform::HuggingFace, RepoType::Model, "alice/bert".parse().unwrap());
    let manifest = Manifest { repo, commit: None, revision: "main".to_owned(), visibility: Visibility::Public, files: vec![file.clone()] };
    let source = Cuts { content, answers: Mutex::new(answers.into()) };
    let mut reader = Reader::new(&source, &manifest, &file, range);
    let mut read = Vec::new();
    loop {
        match reader.next().await {
            Ok(Some(chunk)) => read.extend_from_slice(&chunk),
            Ok(None) => return (read, Ok(())),
            Err(error) => return (read, Err(error)),
        }
    }
}

/// Runs all cases at once and judges each.
fn for_all(honest: bool, judge: impl Fn(&[u8], &[u8], &Result<()>) -> bool) {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases: Vec<_> = (0..CASES).map(|_| case(honest).new_tree(&mut runner).unwrap().current()).collect();
    let content: Bytes = (0..SIZE).map(|at| (at * 7 + at / 251) as u8).collect::<Vec<_>>().into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcomes = runtime.block_on(join_all(cases.iter().cloned().map(|(range, answers)| read(range, answers, content.clone()))));
    for ((range, answers), (read, outcome)) in cases.iter().zip(&outcomes) {
        let wanted = &content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(judge(wanted, read, outcome), "{range:?} of {answers:#?}: {} bytes, then {outcome:?}", read.len());
    }
}

#[test]
fn a_resumed_stream_equals_the_whole() {
    for_all(true, |wanted, read, outcome| outcome.is_ok() && read == wanted);
}

#[test]
fn a_server_that_lies_of_what_it_sends_gives_a_beginning_of_the_file_and_an_error() {
    for_all(false, |wanted, read, outcome| match outcome {
        Ok(()) => read == wanted,
        Err(_) => wanted.starts_with(read),
    });
}
