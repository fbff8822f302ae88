//! The main job on one machine, with nothing but cargo: both hubs on loopback, a generated repository, there and back again, and once
//! more to show that nothing moves twice.
//!
//! `cargo run --release --example demo -- --size 4G` takes a larger repository. Its content is made while it is read, so any size
//! costs neither disk nor memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demonstration prints, and stops where something is broken"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use hf2ms::protocol::{Report, State};
use standins::content::Content;
use standins::huggingface::{HuggingFace, RepoKind};
use standins::pair::Pair;
use standins::store::Sink;

const USAGE: &str = "usage: demo [--size SIZE]   SIZE like 256M or 4G (powers of 1024), at least 64M";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // hf2ms starts itself again as the process that carries: then this program is hf2ms
    if arguments.first().is_some_and(|verb| matches!(verb.as_str(), "migrate" | "run-job")) {
        return ExitCode::from(hf2ms::cli::run(std::env::args_os()));
    }
    let size = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Some(256 << 20),
        ["--size", text] => parse_size(text),
        _ => None,
    };
    let Some(size) = size.filter(|size| *size >= 64 << 20) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let demo = Demo::start(size);
    let runs = [
        demo.migrate("there: Hugging Face → ModelScope", &["hf:alice/demo"]),
        demo.migrate("back: ModelScope → Hugging Face", &["ms:alice/demo", "--dest", "alice/demo-back"]),
        demo.migrate("once more: Hugging Face → ModelScope", &["hf:alice/demo"]),
    ];
    let same = demo.same_content();
    demo.table(&runs, same);
    let verified = runs.iter().all(|run| run.verified);
    let good = verified && same && runs[2].passed == 0 && demo.hubs.broken_rules() == 0;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What became of one run.
struct Run {
    title: &'static str,
    /// Whether it ended as verified, by its exit code and by its report.
    verified: bool,
    /// Bytes of files that both hubs gave or took meanwhile, by their own count.
    passed: u64,
    /// What the migration says of itself, unless there was nothing to do: then there is none.
    report: Option<Report>,
}

struct Demo {
    hubs: Pair,
    home: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Demo {
    fn start(size: u64) -> Self {
        // uploads are hashed and compared with the generator, not kept
        let hubs = Pair::start(Sink::HashOnly);
        let home = std::env::temp_dir().join(format!("hf2ms-demo-{}", std::process::id()));
        let mut environment = hubs.environment();
        environment.extend([("HF2MS_HOME", home.display().to_string()), ("HF2MS_RUNNER", "local".to_owned())]);
        println!("two hubs on loopback: {} and {}", hubs.hf.endpoint(), hubs.ms.endpoint());
        println!("making a repository of {} MiB: large, small, empty, duplicate and oddly named files", size >> 20);
        seed(&hubs.hf, size);
        Self { hubs, home, environment }
    }

    /// Runs `hf2ms migrate` as a user would, with its progress on this terminal.
    fn migrate(&self, title: &'static str, arguments: &[&str]) -> Run {
        println!("\n── {title}\n$ hf2ms migrate {} --runner local", arguments.join(" "));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("migrate").args(arguments).args(["--runner", "local"]);
        // nothing of the user's own: neither tokens nor proxies; only what a terminal needs
        let terminal = ["TERM", "COLUMNS", "LINES", "NO_COLOR"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        let (folders, passed) = (self.folders(), self.passed());
        let ended = command.env_clear().envs(terminal).envs(self.environment.iter().cloned()).stdin(Stdio::null()).status().unwrap();
        // not the largest id: two migrations of one second are told apart by a random part alone
        let made: Vec<PathBuf> = self.folders().difference(&folders).cloned().collect();
        assert!(made.len() <= 1, "one run made {} migrations", made.len());
        let report: Option<Report> = made.first().map(|folder| {
            let report = std::fs::read(folder.join("report.json")).unwrap_or_else(|_| panic!("no report; hf2ms {ended}"));
            serde_json::from_slice(&report).unwrap()
        });
        let verified = ended.success() && report.as_ref().is_none_or(|report| report.state == State::Verified);
        Run { title, verified, passed: self.passed() - passed, report }
    }

    /// Bytes of files that the hubs gave and took so far.
    fn passed(&self) -> u64 {
        let (hf, ms) = (self.hubs.hf.journal(), self.hubs.ms.journal());
        hf.bytes_downloaded() + hf.bytes_uploaded() + ms.bytes_downloaded() + ms.bytes_uploaded()
    }

    /// The folders of the migrations so far.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let Ok(folders) = std::fs::read_dir(self.home.join("migrations")) else { return BTreeSet::new() };
        folders.map(|entry| entry.unwrap().path()).collect()
    }

    /// Whether what came back is what was sent, hash by hash.
    fn same_content(&self) -> bool {
        let digests = |repo: &str| -> Vec<_> {
            let files = self.hubs.hf.repo(RepoKind::Model, repo).files();
            files.into_iter().filter(|(path, _)| path != ".gitattributes").map(|(path, file)| (path, file.sha256)).collect()
        };
        digests("alice/demo") == digests("alice/demo-back")
    }

    fn table(&self, runs: &[Run], same: bool) {
        println!("\n{:<38} {:>12} {:>12} {:>12} {:>8} {:>9}  verified", "run", "bytes moved", "disk", "peak memory", "seconds", "MB/s");
        for Run { title, verified, passed, report } in runs {
            let Some(report) = report else {
                let end = if *verified { "yes, up to date" } else { "NO" };
                println!("{title:<38} {:>12}  {end}: the hubs gave and took {passed} bytes of files", mb(*passed));
                continue;
            };
            let of = |pick: fn(&hf2ms::protocol::Resources) -> u64| {
                report.resources.as_ref().map_or_else(|| "unknown".to_owned(), |took| mb(pick(took)))
            };
            println!(
                "{title:<38} {:>12} {:>12} {:>12} {:>8.1} {:>9.0}  {} of {} files, {}",
                mb(report.bytes.moved),
                of(|took| took.disk_written),
                of(|took| took.peak_memory),
                report.seconds,
                report.bytes.moved as f64 / 1e6 / report.seconds.max(0.001),
                report.verification.matched,
                report.files.total,
                report.state.name(),
            );
        }
        println!("\nwhat came back is {} to what was sent, by sha256 of every file", if same { "identical" } else { "NOT identical" });
        println!("rules of the hubs broken on the way: {}", self.hubs.broken_rules());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.home);
    }
}

/// Half of the size in one file, a quarter in another, the rest in eight, and what makes a repository a repository.
fn seed(hf: &HuggingFace, size: u64) {
    let repo = hf.repo(RepoKind::Model, "alice/demo");
    repo.file("README.md", "---\nlicense: apache-2.0\ntags:\n- demo\n---\n# A generated model\n")
        .file("config.json", "{\"model_type\": \"demo\"}\n");
    repo.file("model-00001-of-00002.safetensors", Content::generated(1, size / 2));
    repo.file("model-00002-of-00002.safetensors", Content::generated(2, size / 4));
    for number in 0..8 {
        repo.file(&format!("checkpoints/step-{number}/optimizer.bin"), Content::generated(10 + number, size / 32));
    }
    repo.file("checkpoints/last/optimizer.bin", Content::generated(17, size / 32));
    for number in 0..200 {
        repo.file(&format!("samples/{number:03}.txt"), format!("sample {number}\n").repeat(300).into_bytes());
    }
    repo.file("empty.txt", "")
        .file("odd names/ü #1 [v2], 100%.bin", Content::generated(30, 100_000))
        .file("odd names/resolve", "a file called resolve\n");
    repo.commit("A generated model");
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?);
    let shift = match unit {
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_shl(shift)
}
