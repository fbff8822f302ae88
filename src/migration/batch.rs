//! Several sources at once: each its own migration. All are looked at before the first one starts, and one that fails leaves the others
//! alone.

use std::cell::Cell;

use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;

use super::member::{Member, Stage};
use super::picks::{Pick, Picks};
use super::resolve::{self, Wanted};
use super::{Prepared, prepare_request};
use crate::conductor::Purpose;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Folder;
use crate::plan::limits;
use crate::protocol::{Consent, Report, Request, State};
use crate::repo::{Platform, RepoType};

/// Sources that are looked at at the same time, before anything is moved: each look waits for answers most of its time.
pub(super) const LOOKS: usize = 4;

/// Several sources, in their order.
pub struct Batch {
    /// The sources, each once.
    pub members: Vec<Member>,
    /// What is named more than once, as it was written.
    pub repeated: Vec<String>,
    /// Whether whoever would change a destination that is there is skipped.
    pub leaves_existing: bool,
    /// Whose tokens they are, as far as that was asked.
    accounts: resolve::Accounts,
}

/// The sources of a batch by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Everything asked for is there and proven.
    pub succeeded: u64,
    /// Anything else that was tried.
    pub failed: u64,
    /// Not begun.
    pub skipped: u64,
}

impl Batch {
    /// Reads the words of every source; `wanted` holds what they have in common, and its `dest` a namespace.
    ///
    /// Fails with `Usage`, naming the source, when the words of any are wrong: then nothing of the batch is begun.
    pub async fn new(config: &Config, wanted: &Wanted, picks: &Picks) -> Result<Self> {
        let picks = picks.clone().listed(config, wanted).await?;
        let namespace = wanted.dest.as_deref().map(|dest| namespace(dest, &picks)).transpose()?;
        let mut used = vec![false; picks.renames.len()];
        let mut batch = Self { members: Vec::new(), repeated: Vec::new(), leaves_existing: false, accounts: resolve::Accounts::default() };
        for pick in &picks.sources {
            let named = |error: Error| {
                let error = error.with("source", format!("`{}`", pick.source));
                match pick.line {
                    Some(line) => error.with("line", line),
                    None => error,
                }
            };
            let dest = picks.dest(config, pick, namespace.as_deref(), &mut used).map_err(named)?;
            let repo_type = pick.kind.or(wanted.repo_type);
            let wanted = Wanted { source: pick.source.clone(), dest, repo_type, ..wanted.clone() };
            let asked = resolve::read(config, &wanted).map_err(|error| named(for_one_of_several(error, pick)))?;
            if batch.members.iter().any(|member| member.asked == asked) {
                batch.repeated.push(pick.source.clone());
            } else {
                batch.members.push(Member { asked, request: None, id: None, stage: Stage::Waiting });
            }
        }
        picks.check_renames(&used)?;
        Ok(batch)
    }

    /// Asks the hubs which repositories are meant. What is wrong with one source stands in its stage.
    ///
    /// Fails with `Usage` when two of them would be written to the same destination.
    pub async fn resolve(&mut self, config: &Config, purpose: Purpose) -> Result<()> {
        let accounts = std::mem::take(&mut self.accounts);
        let waiting: Vec<_> = self.waiting().map(|(index, member)| (index, member.asked.clone())).collect();
        let mut waiting = waiting.into_iter();
        // the first by itself: a token that is not accepted is told once
        if let Some((index, asked)) = waiting.next() {
            let resolved = resolve::resolve(config, asked, purpose, &accounts).await;
            self.resolved(index, resolved);
        }
        let looks = waiting.filter(|(index, _)| matches!(self.members[*index].stage, Stage::Waiting)).collect::<Vec<_>>();
        let is_over = Cell::new(false);
        let look = async |(index, asked)| match is_over.get() {
            false => Some((index, resolve::resolve(config, asked, purpose, &accounts).await)),
            true => None,
        };
        let mut looks = stream::iter(looks).map(look).buffered(LOOKS);
        while let Some(looked) = looks.next().await {
            let Some((index, resolved)) = looked else { continue };
            self.resolved(index, resolved);
            is_over.set(self.waiting().next().is_none());
        }
        drop(looks);
        self.accounts = accounts;
        self.drop_repeated();
        if purpose == Purpose::Migrate { self.check_destinations() } else { Ok(()) }
    }

    fn resolved(&mut self, index: usize, resolved: Result<Request>) {
        if !matches!(self.members[index].stage, Stage::Waiting) {
            return;
        }
        match resolved {
            Ok(request) => self.members[index].request = Some(request),
            // a Space: nothing went wrong, there is only nothing to do
            Err(error) if error.kind() == ErrorKind::NotMigrated => self.members[index].stage = Stage::Skipped(error),
            Err(error) => self.fails(index, error),
        }
    }

    /// Plans everything that is resolved, several at a time, and tells of each source in their order; with all of its plan, of which what
    /// starting it needs is kept.
    pub async fn prepare(&mut self, config: &Config, mut tell: impl FnMut(usize, &Self)) {
        let requests: Vec<_> =
            self.members.iter().map(|member| member.request.clone().filter(|_| matches!(member.stage, Stage::Waiting))).collect();
        // who comes after one that ended the batch is not looked at
        let is_over = Cell::new(false);
        let accounts = std::mem::take(self.accounts.get_mut());
        let plan = async |request: Option<Request>| match request {
            Some(request) if !is_over.get() => {
                let writes_as = accounts.get(&request.destination.platform).map(|account| account.name.clone());
                Some(prepare_request(config, request).await.map(|prepared| Prepared { writes_as, ..prepared }))
            }
            _ => None,
        };
        let mut plans = stream::iter(requests).map(plan).buffered(LOOKS).enumerate();
        while let Some((index, prepared)) = plans.next().await {
            // one before it may have ended the batch meanwhile
            match prepared.filter(|_| matches!(self.members[index].stage, Stage::Waiting)) {
                Some(Ok(prepared)) => {
                    let reason = prepared.leaves_existing().err().filter(|_| self.leaves_existing);
                    self.members[index].stage = reason.map_or_else(|| Stage::Ready(Box::new(prepared)), Stage::Skipped);
                }
                Some(Err(error)) => self.fails(index, error),
                None => {}
            }
            is_over.set(self.waiting().next().is_none());
            tell(index, self);
            if let Stage::Ready(prepared) = &mut self.members[index].stage {
                prepared.slim();
            }
        }
    }

    /// The sources that nobody has looked at yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.members.iter().enumerate().filter(|(_, member)| matches!(member.stage, Stage::Waiting))
    }

    /// Compares every source with its destination, telling of each.
    pub async fn compare(&mut self, config: &Config, deep: bool, mut tell: impl FnMut(usize, &Self)) {
        for index in 0..self.members.len() {
            if let (Stage::Waiting, Some(request)) = (&self.members[index].stage, self.members[index].request.clone()) {
                match super::verify_request(config, &request, None, deep).await {
                    Ok(report) => self.members[index].stage = Stage::Ended(Box::new(report)),
                    Err(error) => self.fails(index, error),
                }
            }
            tell(index, self);
        }
    }

    /// Refuses what this consent does not cover. The others go on.
    pub fn check(&mut self, consent: Consent) {
        for member in &mut self.members {
            if let Stage::Ready(prepared) = &member.stage
                && let Err(error) = prepared.plan.check(consent)
            {
                member.stage = Stage::Failed(error);
            }
        }
    }

    /// Takes one that is ready, to start it with [`super::start`]; its stage is [`Stage::Starting`] from then on.
    pub fn take(&mut self, index: usize) -> Option<Box<Prepared>> {
        let stage = &mut self.members.get_mut(index)?.stage;
        match std::mem::replace(stage, Stage::Starting) {
            Stage::Ready(prepared) => Some(prepared),
            other => {
                *stage = other;
                None
            }
        }
    }

    /// Takes how starting it went.
    pub fn started(&mut self, index: usize, outcome: Result<Folder>) {
        match outcome {
            Ok(folder) => {
                self.members[index].id = Some(folder.id().to_owned());
                self.members[index].stage = Stage::Started(folder);
            }
            Err(error) => self.fails(index, error),
        }
    }

    /// Takes how one ended. A token that is missing or not accepted ends the batch: the others would hear the same.
    pub fn ended(&mut self, index: usize, outcome: Result<Report>) {
        match outcome {
            Ok(report) => {
                let rejected = report.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Unauthorized);
                self.members[index].stage = Stage::Ended(Box::new(report));
                if rejected {
                    self.stop_for_token(index);
                }
            }
            Err(error) => self.fails(index, error),
        }
    }

    /// Skips everything that has not begun.
    pub fn stop(&mut self, reason: impl Fn() -> Error) {
        for member in &mut self.members {
            if matches!(member.stage, Stage::Waiting | Stage::Ready(_)) {
                member.stage = Stage::Skipped(reason());
            }
        }
    }

    fn fails(&mut self, index: usize, error: Error) {
        let rejected = error.kind() == ErrorKind::Unauthorized;
        self.members[index].stage = Stage::Failed(error);
        if rejected {
            self.stop_for_token(index);
        }
    }

    fn stop_for_token(&mut self, index: usize) {
        let first = self.members[index].source();
        self.stop(|| {
            Error::new(
                ErrorKind::Unauthorized,
                format!("not begun: the batch stopped at {first}, for which a token is missing or not accepted"),
            )
            .hint_to("set the token and run the same command again")
        });
    }

    /// Two spellings of one request are one.
    fn drop_repeated(&mut self) {
        let mut seen: Vec<Request> = Vec::new();
        let mut repeated = Vec::new();
        self.members.retain(|member| match &member.request {
            Some(request) if seen.contains(request) => {
                repeated.push(member.source());
                false
            }
            request => {
                seen.extend(request.clone());
                true
            }
        });
        self.repeated.append(&mut repeated);
    }

    fn check_destinations(&self) -> Result<()> {
        let mut seen: std::collections::HashMap<(Platform, RepoType, String), &Request> = std::collections::HashMap::new();
        for request in self.members.iter().filter_map(|member| member.request.as_ref()) {
            let repo = &request.destination;
            // neither hub has two repositories whose names differ in case alone
            let key = (repo.platform, repo.repo_type, repo.id.to_string().to_lowercase());
            if let Some(first) = seen.insert(key, request) {
                return Err(Error::usage(
                    "two sources have the same destination",
                    "nothing was begun; migrate one of them by itself, under another name: --dest NS/NAME",
                )
                .with("destination", repo)
                .with("first", named(first))
                .with("second", named(request)));
            }
        }
        Ok(())
    }

    /// What became of the sources.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for member in &self.members {
            *match &member.stage {
                Stage::Ended(report) if report.state == State::Verified => &mut counts.succeeded,
                Stage::Ended(_) | Stage::Failed(_) => &mut counts.failed,
                Stage::Skipped(_) | Stage::Waiting => &mut counts.skipped,
                Stage::Ready(_) | Stage::Starting | Stage::Started(_) => continue,
            } += 1;
        }
        counts
    }
}

fn named(request: &Request) -> String {
    match &request.revision {
        Some(revision) => format!("{}@{revision}", request.source),
        None => request.source.to_string(),
    }
}

/// Where there are several sources, --dest takes a namespace, and a name is given in another way.
fn for_one_of_several(error: Error, pick: &Pick) -> Error {
    if error.own_hint() != Some(limits::ANOTHER_NAME) {
        return error;
    }
    error.hint_instead(match pick.dest {
        Some(_) => "write another name behind `->`",
        None => "give the copy another name with --rename OLD=NEW; of --all-of, --skip-name OLD leaves it out",
    })
}

/// A namespace for all: `NS` or `NS/`, with the hub's prefix or without.
fn namespace(dest: &str, picks: &Picks) -> Result<String> {
    match dest.strip_suffix('/').unwrap_or(dest) {
        rest if rest.contains('/') => Err(Error::usage(
            "--dest names one repository, and there are several sources",
            format!(
                "with several sources --dest takes a namespace, like `--dest acme`; to give a name, migrate one by itself: {} --dest {dest}",
                picks.sources.first().map_or("SOURCE", |pick| pick.source.as_str())
            ),
        )
        .with("--dest", format!("`{dest}`"))
        .with("sources", picks.sources.len())),
        namespace => Ok(format!("{namespace}/")),
    }
}
