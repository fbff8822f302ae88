//! The arguments, and what is refused about them.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::deleting::Deleting;
use super::inventory::InventoryOptions;
use super::many::Many;
use super::setup::Client;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::migration::{How, Picks, Wanted, choose_runner, time_limit};
use crate::plan::fan_out::Ask;
use crate::plan::rates::CONTAINERS;
use crate::protocol::RunnerKind;
use crate::repo::{Platform, RepoType};

/// Moves models and datasets between Hugging Face and ModelScope: streamed, nothing on disk, every file proven.
#[derive(Debug, Parser)]
#[command(name = "hf2ms", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Move repositories, prove every file, report
    Migrate(MigrateOptions),
    /// Show what would happen; moves nothing
    Plan(PlanOptions),
    /// Show one migration, or the recent ones
    Status {
        /// The migration; the recent ones without it
        id: Option<String>,
        /// Stay until it ends
        #[arg(long)]
        follow: bool,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Stop a migration and say what is at the destination
    Cancel {
        /// The migration
        id: String,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Compare source and destination by hash; SOURCE may be a migration's id, or the file of a proof
    Verify(VerifyOptions),
    /// List what a user or an organisation has, and whether a copy that equals it exists on the other hub
    Inventory(InventoryOptions),
    /// Write the proof of a verified migration as one JSON document: every file with its digests
    Proof {
        /// The migration
        id: String,
        /// Write it to this file; to standard output without it, or with `-`
        #[arg(short, long, value_name = "FILE")]
        output: Option<std::path::PathBuf>,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
        /// Errors as JSON too; the proof is JSON anyway
        #[arg(long)]
        json: bool,
    },
    /// Check the tokens: present, from where, whose, may they read and write
    Validate {
        /// Also whether the token may write there, such as `hf:NS/NAME` or `hf:NS`
        #[arg(long, value_name = "HUB:NS/NAME")]
        dest: Option<String>,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Try Modal from end to end: run the worker in a sandbox, print its versions, end it
    Smoke {
        /// Give up after so many seconds, 5 to 3600
        #[arg(long, value_name = "SECONDS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(5..=3600))]
        timeout: u64,
        /// One JSON object on standard output
        #[arg(long)]
        json: bool,
    },
    /// Give a client of the MCP server the command /migrate, or take it away again
    Setup {
        /// Which client
        #[command(subcommand)]
        client: Client,
    },
    /// Serve an MCP client on standard input and output
    Mcp {
        /// Listen on this loopback address instead, for the conformance suite of MCP: it has no login
        #[arg(long, value_name = "ADDRESS", hide = true)]
        http: Option<String>,
    },
    /// Run the job on standard input; events go to standard output
    #[command(hide = true)]
    RunJob {
        /// Leave the session of the process that started it
        #[arg(long)]
        own_session: bool,
        /// Read the job from this file, and the tokens from HF_TOKEN and MODELSCOPE_TOKEN
        #[arg(long, value_name = "FILE", conflicts_with = "own_session")]
        job: Option<std::path::PathBuf>,
        /// What to say instead
        #[command(flatten)]
        asked: Asked,
    },
}

/// What a process says about itself instead of running a job.
#[derive(Clone, Debug, Default, Args)]
pub struct Asked {
    /// Print what this program is, where it runs and what it reaches from there, in one line of JSON
    #[arg(long, conflicts_with_all = ["own_session", "job"])]
    pub(super) versions: bool,
    /// A hub to reach, such as `hf=https://huggingface.co`; no token is sent
    #[arg(long, value_name = "HUB=ENDPOINT", requires = "versions", value_parser = reachable)]
    pub(super) reach: Vec<(Platform, String)>,
    /// Stay after that until ended from outside, two minutes at most
    #[arg(long, requires = "versions")]
    pub(super) stay: bool,
}

/// Which repository, and what of it.
#[derive(Clone, Debug, Default, Args)]
pub struct Selecting {
    /// `ns/name`, `hf:ns/name`, `ms:ns/name` or a page's address; `@REV` may follow. Several make a batch, of which some run at the same time
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// The same as SOURCE
    #[arg(long = "source", value_name = "SOURCE")]
    pub more_sources: Vec<String>,
    /// Where it shall go: `hf` or `ms`
    #[arg(long, value_name = "HUB", value_parser = platform)]
    pub to: Option<Platform>,
    /// The destination's name, the source's by default; `NS/` changes the namespace alone, and with several sources `NS` does
    #[arg(long, value_name = "NS/NAME")]
    pub dest: Option<String>,
    /// `model`, `dataset` or `space`; found out by default
    #[arg(long, visible_alias = "type", value_name = "TYPE", value_parser = repo_type)]
    pub repo_type: Option<RepoType>,
    /// Branch, tag or commit to read
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Take only files that match; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave files that match; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Read the source's files by git: for repositories whose files the hub's API does not give
    #[arg(long)]
    pub use_git: bool,
    /// Where they are many.
    #[command(flatten)]
    pub many: Many,
}

/// How many containers carry.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FanningOut {
    /// Share the work among several containers, however many it takes; by default the plan decides whether
    #[arg(long)]
    parallel: bool,
    /// Share it among so many containers, 1 to 99, beside the one that conducts
    #[arg(long, value_name = "N")]
    workers: Option<u32>,
    /// Share it so that each container carries about so many GB; raised where that would take more than 100 containers
    #[arg(long, value_name = "GB", value_parser = gigabytes)]
    chunk_size: Option<u64>,
    /// Of several sources, migrate so many at the same time; by default 4 on this machine and 10 on Modal
    #[arg(long, value_name = "N")]
    pub(super) at_once: Option<u32>,
}

impl FanningOut {
    /// Fails with `Usage` where it is said how many of one migration run at the same time.
    pub(super) fn for_one(&self) -> Result<()> {
        match self.at_once {
            Some(_) => Err(Error::usage("--at-once is for several sources", "leave it out: one source is one migration")),
            None => Ok(()),
        }
    }

    /// Whether anything is asked for.
    pub(super) fn is_given(&self) -> bool {
        self.parallel || self.workers.is_some() || self.chunk_size.is_some()
    }

    /// What is asked for. Fails with `Usage` for what contradicts itself, and where nothing can be shared.
    pub(super) fn how(&self, runner: RunnerKind) -> Result<How> {
        let ask = Ask::new(self.parallel, self.workers, self.chunk_size)?;
        if runner == RunnerKind::Local && ask != Ask::Nothing {
            return Err(Error::usage(
                "one process carries on this machine",
                "leave --parallel, --workers and --chunk-size out, or use `--runner modal`",
            ));
        }
        Ok(How { runner, ask, containers: CONTAINERS, share: 1, max_time: None })
    }
}

/// `migrate`
#[derive(Debug, Args)]
pub struct MigrateOptions {
    #[command(flatten)]
    pub(super) selecting: Selecting,
    /// Where the bytes pass: `local` is this machine
    #[arg(long, value_name = "RUNNER")]
    pub(super) runner: Option<String>,
    /// Stop after this time, such as `90m`, `3h30m` or seconds, so that the same command goes on
    #[arg(long, value_name = "TIME", value_parser = time_limit)]
    pub(super) max_time: Option<Duration>,
    /// Return at once; the migration goes on
    #[arg(long)]
    pub(super) detach: bool,
    /// Show the plan only
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Allow overwriting and leaving out what the plan names
    #[arg(long)]
    pub(super) yes: bool,
    /// Leave a destination alone that is there with other content; one that is the same counts as up to date
    #[arg(long)]
    pub(super) skip_existing: bool,
    /// Allow putting what is not public where more people can read it
    #[arg(long)]
    pub(super) allow_public: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) deleting: Deleting,
    #[command(flatten)]
    pub(super) fanning_out: FanningOut,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanOptions {
    #[command(flatten)]
    pub(super) selecting: Selecting,
    /// Print the job that would do it, for `hf2ms run-job`
    #[arg(long)]
    pub(super) job: bool,
    /// Put the consent to overwrite into the printed job
    #[arg(long, requires = "job")]
    pub(super) yes: bool,
    /// Where the bytes would pass
    #[arg(long, value_name = "RUNNER")]
    pub(super) runner: Option<String>,
    /// One JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) deleting: Deleting,
    #[command(flatten)]
    pub(super) fanning_out: FanningOut,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyOptions {
    #[command(flatten)]
    pub(super) selecting: Selecting,
    /// Read the destination back whole
    #[arg(long)]
    pub(super) deep: bool,
    /// One JSON object on standard output
    #[arg(long)]
    pub(super) json: bool,
}

fn platform(text: &str) -> Result<Platform, String> {
    text.parse().map_err(|_| "use `hf` (Hugging Face) or `ms` (ModelScope)".to_owned())
}

fn reachable(text: &str) -> Result<(Platform, String), String> {
    let (hub, endpoint) = text.split_once('=').ok_or("use `hf=ENDPOINT` or `ms=ENDPOINT`")?;
    Ok((platform(hub)?, endpoint.to_owned()))
}

/// Decimal gigabytes, as users of the older tool gave them: `50`, `0.5`.
fn gigabytes(text: &str) -> Result<u64, String> {
    match text.trim().parse::<f64>() {
        // far below what a float holds exactly
        Ok(value) if value > 0.0 && value <= 1e6 => Ok((value * 1e9) as u64),
        _ => Err("give a size in GB, such as `50` or `0.5`".to_owned()),
    }
}

pub(super) fn repo_type(text: &str) -> Result<RepoType, String> {
    match text {
        "model" => Ok(RepoType::Model),
        "dataset" => Ok(RepoType::Dataset),
        "space" => Ok(RepoType::Space),
        _ => Err("use `model` or `dataset`".to_owned()),
    }
}

impl Selecting {
    /// Whether nothing but SOURCE is given.
    pub(super) fn names_only_a_source(&self) -> bool {
        let Self { sources: _, more_sources: _, to, dest, repo_type, revision, include, exclude, use_git, many } = self;
        let any = to.is_some() || dest.is_some() || repo_type.is_some() || revision.is_some() || *use_git || !many.is_empty();
        !any && include.is_empty() && exclude.is_empty()
    }

    /// What is wanted: of one source, or of several. Two words for one repository are several too, so what is printed for a list does
    /// not depend on what is in it.
    pub(super) fn wanted(&self) -> Result<Sources> {
        let all = self.sources.iter().chain(&self.more_sources).flat_map(|text| text.split(','));
        let all: Vec<String> = all.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let wanted = Wanted {
            source: String::new(),
            to: self.to,
            dest: self.dest.clone(),
            repo_type: self.repo_type,
            revision: self.revision.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            delete: None,
            use_git: self.use_git,
        };
        match all.as_slice() {
            _ if self.many.makes_a_batch() => Ok(Sources::Several(wanted, self.many.picks(all)?)),
            [] => Err(Error::usage("no source is given", "name a repository: `hf2ms migrate alice/bert --to ms`, or `hf:alice/bert`")),
            [one] => Ok(Sources::One(Wanted { source: one.clone(), ..wanted })),
            _ => Ok(Sources::Several(wanted, self.many.picks(all)?)),
        }
    }
}

/// What the words name.
pub(super) enum Sources {
    /// One source.
    One(Wanted),
    /// What is wanted of each of several.
    Several(Wanted, Picks),
}

/// How it would run, for those who only look: as `migrate` would choose. `None` where nothing but a runner's absence could be told, and,
/// with a warning, where Modal is half configured and nobody asked for it.
pub(super) fn would_run(config: &Config, flag: Option<&str>, fanning_out: &FanningOut) -> Result<Option<How>> {
    let asked = flag.is_some() || fanning_out.is_given();
    if !asked && config.modal.is_none() {
        return Ok(None);
    }
    match choose_runner(config, flag).and_then(|runner| fanning_out.how(runner)) {
        Ok(how) => Ok(Some(how)),
        Err(error) if !asked => {
            (config.say)(&format!("warning: what it takes on Modal is not told: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
