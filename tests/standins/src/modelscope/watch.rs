//! Habits: rules that one request cannot break, only a row of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::behaviour::Throttle;
use super::repo::RepoKey;
use super::rules::{HEAD_LISTINGS_LIMIT, LEAST_WAIT, LOGINS_LIMIT, ONE_BY_ONE_LIMIT, SINGLE_COMMITS_LIMIT, TOLD_LIMIT};

/// What is remembered of earlier requests.
#[derive(Debug, Default)]
pub(super) struct Watch {
    logins: HashMap<String, u32>,
    asked: HashSet<(RepoKey, String)>,
    singles: HashMap<RepoKey, u32>,
    single_commits: HashMap<RepoKey, VecDeque<Instant>>,
    commits: HashMap<RepoKey, VecDeque<Instant>>,
    told: HashMap<RepoKey, Told>,
    head_listings: HashMap<(RepoKey, String), u32>,
    capped: HashMap<RepoKey, HashSet<String>>,
}

/// Whether a commit passes the throttle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    /// How long until one would, if it does not.
    pub(super) left: Option<Duration>,
    /// Whether it comes before the time that the refusal before it named, or, where none was named, after a shorter wait than that one came.
    pub(super) early: bool,
    /// Whether its sender was told of the throttle often enough to keep to it.
    pub(super) again: bool,
}

/// What somebody was told about commits to a repository.
#[derive(Debug, Default)]
struct Told {
    /// How many commits were refused at their first try.
    commits: u32,
    /// The last refusal, unless a commit has passed since: when it was, after which wait, and when to come again.
    refused: Option<(Instant, Duration, Option<Instant>)>,
}

impl Told {
    fn is_early(&self, now: Instant) -> bool {
        match self.refused {
            None => false,
            Some((_, _, Some(not_before))) => now < not_before,
            Some((at, waited, None)) => now.duration_since(at) < waited.max(LEAST_WAIT).mul_f64(0.9),
        }
    }

    /// Notes a refusal; says whether it is one commit too many that runs into the throttle.
    fn refuses(&mut self, now: Instant, named: Option<Duration>) -> bool {
        let waited = self.refused.map_or(Duration::ZERO, |(at, _, _)| now.duration_since(at));
        let first_try = self.refused.is_none();
        self.refused = Some((now, waited, named.map(|wait| now + wait)));
        self.commits += u32::from(first_try);
        first_try && self.commits > TOLD_LIMIT
    }
}

impl Watch {
    /// Notes a login; says whether it is one too many.
    pub(super) fn login(&mut self, user: &str) -> bool {
        let count = self.logins.entry(user.to_owned()).or_default();
        *count += 1;
        *count > LOGINS_LIMIT
    }

    /// Notes a batch call; says whether objects are asked for one by one. Asking again for an object is no such habit:
    /// after a broken PUT it is the right thing to do.
    pub(super) fn batch(&mut self, repo: &RepoKey, oids: &[&str]) -> bool {
        let fresh = oids.iter().filter(|oid| self.asked.insert((repo.clone(), (**oid).to_owned()))).count();
        let row = self.singles.entry(repo.clone()).or_default();
        match (oids.len(), fresh) {
            (1, 1) => *row += 1,
            (1, 0) => {}
            _ => *row = 0,
        }
        (oids.len(), fresh) == (1, 1) && *row > ONE_BY_ONE_LIMIT
    }

    /// Notes a commit of so many actions; says whether the repository gets one commit per file.
    pub(super) fn commit(&mut self, repo: &RepoKey, actions: usize) -> bool {
        let row = self.single_commits.entry(repo.clone()).or_default();
        if actions != 1 {
            row.clear();
            return false;
        }
        let now = Instant::now();
        row.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        row.push_back(now);
        row.len() > SINGLE_COMMITS_LIMIT
    }

    /// Whether the throttle lets another commit pass; if so, it is noted. What was told before is held against who comes again.
    pub(super) fn throttle(&mut self, repo: &RepoKey, throttle: Throttle) -> Passage {
        let (row, told) = (self.commits.entry(repo.clone()).or_default(), self.told.entry(repo.clone()).or_default());
        let now = Instant::now();
        row.retain(|at| now.duration_since(*at) < throttle.window);
        let early = told.is_early(now);
        if row.len() < throttle.commits {
            row.push_back(now);
            told.refused = None;
            return Passage { left: None, early, again: false };
        }
        let left = row.front().map_or(throttle.window, |first| throttle.window.saturating_sub(now.duration_since(*first)));
        let again = told.refuses(now, throttle.answer.named(left));
        Passage { left: Some(left), early, again }
    }

    /// Notes a whole listing by branch name; says whether that is more than a search for the head.
    pub(super) fn head_listing(&mut self, repo: &RepoKey, head: &str) -> bool {
        let count = self.head_listings.entry((repo.clone(), head.to_owned())).or_default();
        *count += 1;
        *count > HEAD_LISTINGS_LIMIT
    }

    /// Notes a listing of a folder, and whether it came back at the cap: then the folder's own entries, not recursive,
    /// are what a careful client asks for next.
    pub(super) fn listed(&mut self, repo: &RepoKey, root: &str, at_cap: bool) {
        let roots = self.capped.entry(repo.clone()).or_default();
        if at_cap {
            roots.insert(root.to_owned());
        } else {
            roots.remove(root);
        }
    }

    /// Whether somebody acts on a listing that was cut off; told once.
    pub(super) fn trusts_capped(&mut self, repo: &RepoKey) -> bool {
        self.capped.remove(repo).is_some_and(|roots| !roots.is_empty())
    }
}
