//! Habits: rules that one request cannot break, only a row of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::behaviour::Throttle;
use super::repo::RepoKey;
use super::rules::{HEAD_LISTINGS_LIMIT, LOGINS_LIMIT, ONE_BY_ONE_LIMIT, SINGLE_COMMITS_LIMIT};

/// What is remembered of earlier requests.
#[derive(Debug, Default)]
pub(super) struct Watch {
    logins: HashMap<String, u32>,
    asked: HashSet<(RepoKey, String)>,
    singles: HashMap<RepoKey, u32>,
    single_commits: HashMap<RepoKey, VecDeque<Instant>>,
    commits: HashMap<RepoKey, VecDeque<Instant>>,
    head_listings: HashMap<(RepoKey, String), u32>,
    capped: HashMap<RepoKey, HashSet<String>>,
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

    /// Whether the throttle lets another commit pass; if so, it is noted.
    pub(super) fn throttle(&mut self, repo: &RepoKey, throttle: Throttle) -> bool {
        let row = self.commits.entry(repo.clone()).or_default();
        let now = Instant::now();
        row.retain(|at| now.duration_since(*at) < throttle.window);
        if row.len() >= throttle.commits {
            return false;
        }
        row.push_back(now);
        true
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
