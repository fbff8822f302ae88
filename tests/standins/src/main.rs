//! Both hubs and Modal on loopback, for a demo or for an official client to play with.
//!
//! Prints the environment that points clients at them, then runs until its standard input closes, Ctrl-C, or the time is up.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: it prints, and a broken invariant should stop it"
)]

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use standins::content::Content;
use standins::huggingface::{HuggingFace, RepoKind, Role, Setup};
use standins::modal::{self, Modal};
use standins::modelscope::{self, ModelScope, Tier};
use standins::store::Sink;

const USAGE: &str = "\
standins [options]
  --file SIZE          put a generated file of this size into the seeded repository (repeatable; k, M, G, T: powers of 1024)
  --repo KIND:ID       the seeded repository (default model:alice/seed)
  --sink memory|hash|discard
                       what uploads leave behind (default memory)
  --part-size SIZE     part size of multipart uploads (default 8M)
  --lenient            forgive what official clients do beyond our rules
  --max-seconds N      stop after this time (default 3600)
  --ignore-stdin       do not stop when standard input closes";

struct Options {
    files: Vec<u64>,
    kind: RepoKind,
    id: String,
    sink: Sink,
    part_size: Option<u64>,
    lenient: bool,
    max_seconds: u64,
    ignore_stdin: bool,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            files: Vec::new(),
            kind: RepoKind::Model,
            id: "alice/seed".to_owned(),
            sink: Sink::Memory,
            part_size: None,
            lenient: false,
            max_seconds: 3_600,
            ignore_stdin: false,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
            match word.as_str() {
                "--file" => options.files.push(size(&value()?)?),
                "--repo" => (options.kind, options.id) = repo(&value()?)?,
                "--sink" => options.sink = sink(&value()?)?,
                "--part-size" => options.part_size = Some(size(&value()?)?),
                "--lenient" => options.lenient = true,
                "--max-seconds" => options.max_seconds = value()?.parse().map_err(|_| "--max-seconds wants a number")?,
                "--ignore-stdin" => options.ignore_stdin = true,
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(options)
    }
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.trim_end_matches(['B', 'i']) {
        "" => 0,
        "k" | "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(format!("`{text}` is no size")),
    };
    digits.parse::<u64>().map(|number| number << shift).map_err(|_| format!("`{text}` is no size"))
}

fn repo(text: &str) -> Result<(RepoKind, String), String> {
    let parts = text.split_once(':').and_then(|(kind, id)| Some((RepoKind::named(kind)?, id.to_owned())));
    parts.filter(|(_, id)| id.split('/').count() == 2).ok_or_else(|| format!("`{text}` is not KIND:NAMESPACE/NAME"))
}

fn sink(text: &str) -> Result<Sink, String> {
    match text {
        "memory" => Ok(Sink::Memory),
        "hash" => Ok(Sink::HashOnly),
        "discard" => Ok(Sink::Discard),
        _ => Err(format!("`{text}` is no sink")),
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let hf = start_huggingface(&options);
    let ms = start_modelscope(&options);
    let modal = start_modal(&options);
    wait(&options);
    report(&hf);
    report_modelscope(&ms);
    report_modal(&modal);
    ExitCode::SUCCESS
}

fn start_huggingface(options: &Options) -> HuggingFace {
    let hf = HuggingFace::start(Setup { sink: options.sink, lenient_peers: options.lenient, ..Setup::default() });
    if let Some(part_size) = options.part_size {
        hf.behaviour(|behaviour| (behaviour.part_size, behaviour.multipart_above) = (part_size, part_size));
    }
    if !options.files.is_empty() {
        let repo = hf.repo(options.kind, &options.id);
        repo.file("README.md", "---\nlicense: mit\n---\n# Seeded\n").file("config.json", "{}\n");
        for (number, size) in options.files.iter().enumerate() {
            repo.file(&format!("file-{number}.safetensors"), Content::generated(number as u64 + 1, *size));
        }
        repo.commit("Seed");
    }
    println!("HF_ENDPOINT={}", hf.endpoint());
    println!("HF_TOKEN={}", hf.user("alice").token("alice", Role::Write));
    println!("HF_HUB_DISABLE_XET=1");
    hf
}

fn start_modelscope(options: &Options) -> ModelScope {
    let setup = modelscope::Setup { sink: options.sink, lenient_peers: options.lenient, ..modelscope::Setup::default() };
    let ms = ModelScope::start(setup);
    if !options.files.is_empty() && options.kind != RepoKind::Space {
        let kind = if options.kind == RepoKind::Model { modelscope::RepoKind::Model } else { modelscope::RepoKind::Dataset };
        let repo = ms.repo(kind, &options.id);
        repo.file("README.md", "---\nlicense: mit\n---\n# Seeded\n").file("config.json", "{}\n");
        for (number, size) in options.files.iter().enumerate() {
            // Other bytes than the first hub's: a migration between the two has something to carry.
            repo.file(&format!("file-{number}.safetensors"), Content::generated(number as u64 + 1_001, *size));
        }
        repo.commit("Seed");
    }
    println!("MODELSCOPE_ENDPOINT={}", ms.endpoint());
    println!("MODELSCOPE_API_TOKEN={}", ms.token("alice", Tier::Write));
    ms
}

fn start_modal(options: &Options) -> Modal {
    let modal = Modal::start(modal::Setup { lenient_peers: options.lenient, ..modal::Setup::default() });
    for (name, value) in modal.environment("alice") {
        println!("{name}={value}");
    }
    modal
}

fn wait(options: &Options) {
    let (sender, receiver) = mpsc::channel::<()>();
    if !options.ignore_stdin {
        let sender = sender.clone();
        std::thread::spawn(move || {
            let mut sink = [0; 1_024];
            while std::io::stdin().read(&mut sink).is_ok_and(|read| read > 0) {}
            let _ = sender.send(());
        });
    }
    let _ = receiver.recv_timeout(Duration::from_secs(options.max_seconds));
    drop(sender);
}

fn report(hf: &HuggingFace) {
    eprintln!("Hugging Face: {:?}", hf.journal().by_route());
    eprintln!(
        "  up {} bytes in {} PUTs, down {} bytes",
        hf.journal().bytes_uploaded(),
        hf.journal().puts(),
        hf.journal().bytes_downloaded()
    );
    for violation in hf.strict().violations() {
        eprintln!("  broken rule: {violation}");
    }
}

fn report_modelscope(ms: &ModelScope) {
    eprintln!("ModelScope: {:?}", ms.journal().by_route());
    eprintln!(
        "  up {} bytes in {} PUTs, down {} bytes",
        ms.journal().bytes_uploaded(),
        ms.journal().puts(),
        ms.journal().bytes_downloaded()
    );
    for violation in ms.strict().violations() {
        eprintln!("  broken rule: {violation}");
    }
}

fn report_modal(modal: &Modal) {
    eprintln!("Modal: {:?}", modal.journal().by_route());
    for sandbox in modal.sandboxes() {
        eprintln!("  {sandbox:?}");
    }
    for violation in modal.strict().violations() {
        eprintln!("  broken rule: {violation}");
    }
}
