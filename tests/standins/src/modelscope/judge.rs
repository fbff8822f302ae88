//! Whether a commit can be made, and which rules it breaks: decided from values alone, before anything happens.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::action::{Action, Body, Verb, invalid};
use super::behaviour::{Behaviour, CreateOnExisting};
use super::envelope::Refusal;
use super::repo::{Change, Named, Node, Repo, Tree};
use super::rules;
use super::tree::{ancestors, is_metadata};
use crate::fullness::Room;
use crate::strict::RuleName;

/// What there is to say about a commit.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Rules broken, whether or not the service minds.
    pub(super) broken: Vec<(RuleName, String)>,
    /// What would change.
    pub(super) changes: Vec<Change>,
    /// Why nothing does.
    pub(super) refusal: Option<Refusal>,
}

/// Looks at all actions. `has_object` knows which blobs may be committed by reference.
pub(super) fn judge(
    repo: &Repo,
    branch: &str,
    actions: &[Action],
    behaviour: &Behaviour,
    has_object: impl Fn(&str, u64) -> bool,
) -> Verdict {
    let mut verdict = Verdict::default();
    let Some((head, Named::Branch)) = repo.resolve(branch) else {
        // Tags, commits and unknown names alike: branches come from git (§3.1).
        verdict.refusal = Some(Refusal::bad("You can only create or edit files when you are on a branch"));
        return verdict;
    };
    let tree = &*repo.commits[head].tree;
    let mut seen = BTreeSet::new();
    for action in actions {
        if let Err(refusal) = verdict.admit(action, tree, behaviour, &has_object, seen.insert(&action.path)) {
            verdict.refusal = Some(refusal);
            return verdict;
        }
    }
    let room = Room { files: behaviour.files_per_repo, folder: behaviour.entries_per_folder };
    let written = actions.iter().filter(|action| action.verb != Verb::Delete).map(|action| action.path.as_str());
    let kept = tree.keys().map(|path| &**path).filter(|path| !actions.iter().any(|action| action.path == *path));
    let full = || room.lacks(kept.clone().chain(written.clone())).map(|problem| invalid(&problem));
    let is_limited = room != Room { files: usize::MAX, folder: usize::MAX };
    verdict.refusal = collision(tree, actions).or_else(|| if is_limited { full() } else { None });
    verdict
}

impl Verdict {
    fn admit(
        &mut self,
        action: &Action,
        tree: &Tree,
        behaviour: &Behaviour,
        has_object: impl Fn(&str, u64) -> bool,
        first_of_its_path: bool,
    ) -> Result<(), Refusal> {
        let path = &action.path;
        if !is_clean(path) || behaviour.refuses_control_characters && path.chars().any(char::is_control) {
            self.broken.push((rules::BAD_PATH, path.clone()));
            return Err(invalid("the path is not clean"));
        }
        if !first_of_its_path {
            return Err(invalid("the path appears twice"));
        }
        if matches!(&action.body, Body::Lfs { size, .. } if *size > behaviour.largest_file) {
            return Err(invalid("the file is too large"));
        }
        let existing = tree.get(path.as_str());
        let change = match &action.body {
            Body::Nothing => Change::Delete { path: path.clone() },
            Body::Lfs { sha256, size } => {
                // what no commit takes inline has no other way
                if is_metadata(path) && *size <= behaviour.inline_limit {
                    self.broken.push((rules::METADATA_AS_LFS, path.clone()));
                }
                self.by_reference(path, sha256, *size, has_object)?
            }
            Body::Inline(content) => {
                if content.len() > behaviour.inline_limit {
                    self.broken.push((rules::LARGE_INLINE, format!("{path}: {} bytes", content.len())));
                    return Err(invalid("the file is too large to be committed inline"));
                }
                Change::of(path, content.clone(), false)
            }
        };
        let same = existing.is_some_and(|node| is_same(node, &change));
        if same {
            self.broken.push((rules::IDENTICAL_FILE, path.clone()));
        }
        if action.verb == Verb::Delete && existing.is_none() {
            self.broken.push((rules::DELETES_ABSENT, path.clone()));
        }
        may(action.verb, existing.is_some(), same, behaviour.create_on_existing)?;
        self.changes.push(change);
        Ok(())
    }

    fn by_reference(&mut self, path: &str, sha256: &str, size: u64, has_object: impl Fn(&str, u64) -> bool) -> Result<Change, Refusal> {
        if !has_object(sha256, size) {
            self.broken.push((rules::UNKNOWN_BLOB, path.to_owned()));
            return Err(invalid("the lfs object does not exist"));
        }
        Ok(Change::Put { path: path.to_owned(), size, sha256: sha256.to_owned(), lfs: true, content: None })
    }
}

/// Whether the verb fits what is there.
fn may(verb: Verb, exists: bool, same: bool, on_existing: CreateOnExisting) -> Result<(), Refusal> {
    match (verb, exists) {
        // One absent file rejects the whole commit, in the words of the policy (§3.4).
        (Verb::Delete, false) => Err(Refusal::policy()),
        (Verb::Update, false) => Err(Refusal::bad("A file with this name doesn't exist")),
        (Verb::Create, true) => match on_existing {
            CreateOnExisting::Overwrites => Ok(()),
            CreateOnExisting::RefusesIdentical if !same => Ok(()),
            CreateOnExisting::RefusesIdentical | CreateOnExisting::Refuses => Err(Refusal::bad("A file with this name already exists")),
        },
        (Verb::Create, false) | (Verb::Update | Verb::Delete, true) => Ok(()),
    }
}

/// A leading `./` fails every commit (§3.4); git itself takes no empty, `.` or `..` segments and no `.git`, in whatever case.
fn is_clean(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|segment| !matches!(segment, "" | "." | "..") && !segment.eq_ignore_ascii_case(".git"))
}

fn is_same(node: &Node, change: &Change) -> bool {
    match change {
        Change::Put { size, sha256, lfs, .. } => node.size == *size && node.sha256 == *sha256 && node.lfs == *lfs,
        Change::Delete { .. } => false,
    }
}

/// A path cannot be a file and a folder at once.
fn collision(tree: &Tree, actions: &[Action]) -> Option<Refusal> {
    let deleted = |path: &str| actions.iter().any(|action| action.verb == Verb::Delete && action.path == path);
    let written: BTreeSet<&str> = actions.iter().filter(|action| action.verb != Verb::Delete).map(|action| action.path.as_str()).collect();
    let is_file = |path: &str| written.contains(path) || tree.contains_key(path) && !deleted(path);
    let below = |path: &str| {
        let folder = format!("{path}/");
        let inside = |other: &&str| other.starts_with(&folder);
        let first = tree.range(Arc::from(folder.as_str())..).map(|(path, _)| &**path).take_while(inside);
        first.filter(|path| !deleted(path)).take(1).count() == 1 || written.range(folder.as_str()..).take(1).any(inside)
    };
    let collides = |path: &&str| ancestors(path).any(is_file) || below(path);
    written.iter().copied().find(collides).map(|path| invalid(&format!("{path} is a file and a folder")))
}
