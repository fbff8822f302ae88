//! Both stand-ins in a process of their own, so that their time is not the tool's: a repository on one shore, and at the end
//! what has arrived on the other.
//!
//! The process is this program again. It is told the case as JSON, answers `Ready`, and then one line of JSON to every line it
//! is sent: `errands FILE` (negotiates for the relay), `complete FILE` (ends what the relay sent in parts), `report`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use standins::content::Content;
use standins::huggingface::{self, RepoKind};
use standins::modelscope;
use standins::pair::Pair;
use standins::store::{Sink, Store};

use crate::measure;
use crate::negotiate;
use crate::options::{Case, Direction, Row};
use crate::relay::Errand;

/// The repository on either shore.
pub(crate) const REPO: &str = "alice/bench";
/// A card that either hub takes. The one a fresh ModelScope repository has names a licence that Hugging Face refuses.
const CARD: &str = "---\nlicense: apache-2.0\n---\n# A repository\n";
/// Limits of the real hub that would only make somebody wait: nobody is measured against them here.
const PLENTY: u64 = 1_000_000_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) case: Case,
    pub(crate) part_size: u64,
    /// Whether official clients come, or others that are not held to hf2ms's own manners.
    pub(crate) lenient: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    environment: BTreeMap<String, String>,
}

/// What the shores saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Files whose sha256 at the destination is that of the source.
    pub(crate) right: u64,
    /// The first files that are missing or others than at the source.
    pub(crate) wrong: Vec<String>,
    /// What else lies at the destination.
    pub(crate) extra: Vec<String>,
    pub(crate) requests: u64,
    pub(crate) by_route: BTreeMap<String, u64>,
    pub(crate) commits: u64,
    pub(crate) bytes_down: u64,
    pub(crate) bytes_up: u64,
    /// What serving and checking took of the machine that tool and stand-ins share.
    pub(crate) cpu_seconds: f64,
    /// The stand-ins' own largest resident set: a commit per file leaves them a tree per commit.
    pub(crate) peak_rss: u64,
    /// Broken rules by name.
    pub(crate) broken_rules: BTreeMap<String, u64>,
}

/// The process, from outside.
pub(crate) struct Shores {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What points a client at both.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Shores {
    pub(crate) fn start(setup: &Setup) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([crate::SHORES, &serde_json::to_string(setup).unwrap()]);
        let mut child = command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut shores = Self { child, input, output, environment: BTreeMap::new() };
        shores.environment = shores.hear::<Ready>().environment;
        shores
    }

    fn hear<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the shores said `{line}`: {error}"))
    }

    fn ask<T: DeserializeOwned>(&mut self, words: &str) -> T {
        writeln!(self.input, "{words}").unwrap();
        self.hear()
    }

    /// Writes down what the relay has to do.
    pub(crate) fn write_errands(&mut self, file: &Path) {
        self.ask(&format!("errands {}", file.display()))
    }

    /// Ends the uploads whose parts' ETags the relay has written down.
    pub(crate) fn complete(&mut self, etags: &Path) {
        self.ask(&format!("complete {}", etags.display()))
    }

    pub(crate) fn report(&mut self) -> Seen {
        self.ask("report")
    }
}

impl Drop for Shores {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The process itself.
pub(crate) fn serve(arguments: &[String]) -> ExitCode {
    let [setup] = arguments else { return ExitCode::from(2) };
    let setup: Setup = serde_json::from_str(setup).unwrap();
    let mut shore = Shore::start(&setup);
    shore.time_before = measure::own_time();
    let environment = shore.hubs.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    say(&Ready { environment });
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("errands", file) => {
                let (errands, unfinished) = negotiate::errands(&shore.hubs, setup.case.direction, &shore.wanted);
                shore.unfinished = unfinished;
                shore.by_relay = true;
                std::fs::write(file, serde_json::to_vec::<Vec<Errand>>(&errands).unwrap()).unwrap();
                shore.before = shore.requests();
                shore.time_before = measure::own_time();
                say(&());
            }
            ("complete", file) => {
                let etags: Vec<Vec<String>> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
                negotiate::complete(&shore.unfinished, &etags);
                say(&());
            }
            ("report", _) => say(&shore.report()),
            (other, _) => panic!("what is `{other}`?"),
        }
    }
    ExitCode::SUCCESS
}

fn say<T: Serialize>(answer: &T) {
    println!("{}", serde_json::to_string(answer).unwrap());
}

struct Shore {
    hubs: Pair,
    direction: Direction,
    /// The contents by path.
    wanted: BTreeMap<String, Content>,
    /// By errand, where and for which oid parts are put together.
    unfinished: Vec<Option<(String, String)>>,
    by_relay: bool,
    /// Requests by route that were not the tool's.
    before: BTreeMap<String, u64>,
    time_before: f64,
}

impl Shore {
    fn start(setup: &Setup) -> Self {
        let hubs = Pair::start(Sink::HashOnly);
        hubs.set_lenient_peers(setup.lenient);
        hubs.hf.behaviour(|behaviour| {
            (behaviour.part_size, behaviour.multipart_above) = (setup.part_size, setup.part_size);
            (behaviour.api_quota, behaviour.resolve_quota) = (PLENTY, PLENTY);
            (behaviour.whoami_per_minute, behaviour.commits_per_hour) = (PLENTY, PLENTY);
            behaviour.url_lifetime = Duration::from_secs(24 * 3_600);
        });
        hubs.ms.behaviour(|behaviour| behaviour.auth_key_lifetime = Duration::from_secs(24 * 3_600));
        let case = &setup.case;
        let wanted: BTreeMap<String, Content> = (0..case.files).map(|number| file(case, number)).collect();
        seed(&hubs, case, &wanted);
        if let Some(rate) = case.throttle {
            hubs.throttle(rate);
        }
        Self { hubs, direction: case.direction, wanted, unfinished: Vec::new(), by_relay: false, before: BTreeMap::new(), time_before: 0.0 }
    }

    fn requests(&self) -> BTreeMap<String, u64> {
        let hf = self.hubs.hf.journal().by_route().into_iter().map(|(route, count)| (format!("hf {route}"), count));
        let ms = self.hubs.ms.journal().by_route().into_iter().map(|(route, count)| (format!("ms {route}"), count));
        hf.chain(ms).collect()
    }

    fn report(&self) -> Seen {
        let cpu_seconds = measure::own_time() - self.time_before;
        let mut by_route = self.requests();
        self.before.iter().for_each(|(route, count)| *by_route.entry(route.clone()).or_default() -= count);
        let (down, up) = match self.direction {
            Direction::HfMs => (self.hubs.hf.journal(), self.hubs.ms.journal()),
            Direction::MsHf => (self.hubs.ms.journal(), self.hubs.hf.journal()),
        };
        let arrived = self.arrived();
        let is_right = |(path, content): &(&String, &Content)| arrived.get(*path).is_some_and(|sha256| sha256 == content.sha256());
        let wrong: Vec<String> = self.wanted.iter().filter(|file| !is_right(file)).map(|(path, _)| path.clone()).collect();
        let mut broken_rules = BTreeMap::new();
        for violation in [self.hubs.hf.strict().violations(), self.hubs.ms.strict().violations()].concat() {
            *broken_rules.entry(violation.rule.to_owned()).or_default() += 1;
        }
        Seen {
            right: (self.wanted.len() - wrong.len()) as u64,
            wrong: wrong.into_iter().take(3).collect(),
            extra: arrived.keys().filter(|path| !self.wanted.contains_key(*path)).take(20).cloned().collect(),
            requests: by_route.values().sum(),
            by_route,
            commits: up.requests("commit") - up.failed("commit"),
            bytes_down: down.bytes_downloaded(),
            bytes_up: up.bytes_uploaded(),
            cpu_seconds,
            peak_rss: measure::peak_of("self"),
            broken_rules,
        }
    }

    /// Path → sha256 of what is at the destination, by what the storage took in rather than by what a commit claims.
    fn arrived(&self) -> BTreeMap<String, String> {
        let (hf, ms) = (&self.hubs.hf, &self.hubs.ms);
        if self.by_relay {
            // no commit names what a relay carries
            let store = if self.direction == Direction::HfMs { ms.store() } else { hf.store() };
            let stored = self.wanted.iter().filter(|(_, content)| store.contains(content.sha256()));
            return stored.map(|(path, content)| (path.clone(), content.sha256().to_owned())).collect();
        }
        // what lies in the storage is known by the digest of what came, whatever name it came under
        let digest = |lfs: bool, store: &Store, named: &str, content: &dyn Fn() -> Option<Content>| match lfs {
            true => store.get(named).map(|blob| blob.sha256).unwrap_or_default(),
            false => content().map(|content| content.sha256().to_owned()).unwrap_or_default(),
        };
        match self.direction {
            Direction::HfMs if ms.repo_exists(modelscope::RepoKind::Model, REPO) => {
                let repo = ms.repo(modelscope::RepoKind::Model, REPO);
                let files = repo.files().into_iter();
                files.map(|(path, file)| (path.clone(), digest(file.lfs, ms.store(), &file.sha256, &|| repo.content(&path)))).collect()
            }
            Direction::MsHf if hf.repo_exists(RepoKind::Model, REPO) => {
                let repo = hf.repo(RepoKind::Model, REPO);
                let files = repo.files().into_iter();
                files.map(|(path, file)| (path.clone(), digest(file.lfs, hf.store(), &file.sha256, &|| repo.content(&path)))).collect()
            }
            _ => BTreeMap::new(),
        }
    }
}

/// The hundred files of a folder; a path that ModelScope's listings, 3,000 entries at most, can show.
fn file(case: &Case, number: u64) -> (String, Content) {
    let (suffix, content) = match case.row {
        Row::One | Row::Many => ("safetensors", Content::generated(number + 1, case.size)),
        Row::Small => ("bin", Content::generated(number + 1, case.size)),
        Row::Text => ("txt", text(number, case.size)),
    };
    (format!("data/{:02}/{number:05}.{suffix}", number / 100), content)
}

fn text(number: u64, size: u64) -> Content {
    let mut lines = format!("file {number}, and another line of it\n").repeat(size as usize / 20);
    lines.truncate(size as usize);
    Content::from(lines.as_str())
}

fn seed(hubs: &Pair, case: &Case, wanted: &BTreeMap<String, Content>) {
    macro_rules! fill {
        ($repo:expr) => {{
            let repo = $repo;
            for (path, content) in wanted {
                match case.row {
                    Row::Text => repo.regular_file(path, content.clone()),
                    _ => repo.lfs_file(path, content.clone()),
                };
            }
            repo.file("README.md", CARD).commit("A repository");
        }};
    }
    match case.direction {
        Direction::HfMs => fill!(hubs.hf.repo(huggingface::RepoKind::Model, REPO)),
        Direction::MsHf => fill!(hubs.ms.repo(modelscope::RepoKind::Model, REPO)),
    }
}
