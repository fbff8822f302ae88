//! Which repositories a batch is about, in the words of who asks: sources, a list of them, whole namespaces; and what each is called afterwards.

use super::resolve::Wanted;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::namespace::{Listed, Names};
use crate::repo::{Address, Platform, RepoId, RepoType};

/// What a batch is about.
#[derive(Clone, Debug, Default)]
pub struct Picks {
    /// Single sources, in their order.
    pub sources: Vec<Pick>,
    /// Namespaces of which everything is meant: `hf:acme`.
    pub whole: Vec<String>,
    /// Globs of the names that are taken of those; all when empty.
    pub names: Vec<String>,
    /// Globs of the names that are not.
    pub not_names: Vec<String>,
    /// Which names change on the way: the old one, or `namespace/old`, and the new one.
    pub renames: Vec<(String, String)>,
}

/// One source of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// As SOURCE is written.
    pub source: String,
    /// Its own destination, as `--dest` is written for a single source.
    pub dest: Option<String>,
    /// The kind, where that is known.
    pub kind: Option<RepoType>,
    /// The line of the list it stands in, counted from 1.
    pub line: Option<usize>,
}

impl From<String> for Pick {
    fn from(source: String) -> Self {
        Self { source, dest: None, kind: None, line: None }
    }
}

impl Picks {
    /// The sources among which everything of the namespaces is, and no namespace any more.
    ///
    /// Fails with `NotFound` when a namespace has nothing that is meant, so that a name with a slip in it does not pass for a job that is done.
    pub async fn listed(mut self, config: &Config, wanted: &Wanted) -> Result<Self> {
        let names = Names::new(&self.names, &self.not_names)?;
        let owners: Vec<Owner> = self.whole.iter().map(|text| Owner::read(config, text, wanted.to)).collect::<Result<_>>()?;
        for owner in owners {
            let found = owner.list(config, wanted.repo_type, &names).await?;
            if found.is_empty() {
                return Err(owner.has_nothing());
            }
            let pick =
                |one: Listed| Pick { kind: Some(one.repo.repo_type), ..Pick::from(format!("{}:{}", one.repo.platform, one.repo.id)) };
            self.sources.extend(found.into_iter().map(pick));
        }
        self.whole.clear();
        Ok(self)
    }

    /// The destination of one source: that of its line, else its new name in the namespace for all. Counts which of the new names are used.
    pub(super) fn dest(&self, config: &Config, pick: &Pick, namespace: Option<&str>, used: &mut [bool]) -> Result<Option<String>> {
        let id = Address::parse(&pick.source, &config.hosts())?.id;
        match (&pick.dest, renamed(&self.renames, &id)) {
            (Some(dest), _) => Ok(Some(dest.clone())),
            (None, None) => Ok(namespace.map(str::to_owned)),
            (None, Some(at)) => {
                used[at] = true;
                let new = &self.renames[at].1;
                Ok(Some(namespace.map_or_else(|| format!("{}/{new}", id.namespace()), |namespace| format!("{namespace}{new}"))))
            }
        }
    }

    /// Fails with `Usage` for a new name whose old one no source has.
    pub(super) fn check_renames(&self, used: &[bool]) -> Result<()> {
        match self.renames.iter().zip(used).find(|(_, used)| !**used) {
            Some(((old, new), _)) => Err(Error::usage(
                "--rename names no source",
                "write OLD as the repository is called at the source: its name, or `namespace/name`; a line with `->` has its own destination",
            )
            .with("--rename", format!("`{old}={new}`"))),
            None => Ok(()),
        }
    }
}

/// Which of the new names is this repository's: that for its whole name before that for its name alone.
pub(super) fn renamed(renames: &[(String, String)], id: &RepoId) -> Option<usize> {
    let whole = id.to_string();
    let find = |name: &str| renames.iter().position(|(old, _)| old == name);
    find(&whole).or_else(|| find(id.name()))
}

/// Reads `OLD=NEW`. Fails with what to write instead.
pub fn rename(text: &str) -> std::result::Result<(String, String), String> {
    let fits = |name: &str| format!("x/{name}").parse::<RepoId>().is_ok();
    match text.split_once('=').map(|(old, new)| (old.trim(), new.trim())) {
        Some((old, new)) if fits(new) && (fits(old) || old.parse::<RepoId>().is_ok()) => Ok((old.to_owned(), new.to_owned())),
        _ => Err("write OLD=NEW, both the names of repositories without a namespace, like `bert=bert-base`".to_owned()),
    }
}

/// Reads a list: a source a line, `source -> destination` where it has its own. Empty lines, and what follows a `#`, say nothing.
///
/// Fails with `Usage` naming the first line that is wrong and the numbers of the others, and for a list that names nothing.
pub fn list(text: &str) -> Result<Vec<Pick>> {
    let (mut picks, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let said = match line.find('#') {
            Some(at) if at == 0 || line[..at].ends_with(char::is_whitespace) => &line[..at],
            _ => line,
        };
        match of_line(said.trim(), number) {
            Ok(found) => picks.extend(found),
            Err(why) => wrong.push((number, why, said.trim())),
        }
    }
    if let Some((number, why, said)) = wrong.first() {
        let error = Error::usage(*why, "a line is `SOURCE` or `SOURCE -> NS/NAME`; `#` begins a comment; nothing was begun")
            .with("line", number)
            .with("it says", format!("{:?}", said.chars().take(200).collect::<String>()));
        let others: Vec<_> = wrong.iter().skip(1).take(20).map(|(number, ..)| number.to_string()).collect();
        return Err(if others.is_empty() { error } else { error.with("also wrong are lines", others.join(", ")) });
    }
    if picks.is_empty() {
        return Err(Error::usage(
            "the list names no repository",
            "write a source a line, like `hf:alice/bert` or `hf:alice/bert -> acme/bert`",
        ));
    }
    Ok(picks)
}

fn of_line(line: &str, number: usize) -> std::result::Result<Vec<Pick>, &'static str> {
    let is_one = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
    let pick =
        |source: &str, dest: Option<&str>| Pick { line: Some(number), dest: dest.map(str::to_owned), ..Pick::from(source.to_owned()) };
    let Some((source, dest)) = line.split_once("->") else {
        let words: Vec<_> = line.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        return match words.iter().all(|word| is_one(word)) {
            true => Ok(words.into_iter().map(|word| pick(word, None)).collect()),
            false => Err("a line of the list is more than a source"),
        };
    };
    let (source, dest) = (source.trim(), dest.trim());
    match () {
        () if source.is_empty() => Err("a line of the list has no source before `->`"),
        () if dest.is_empty() => Err("a line of the list has no destination after `->`"),
        () if source.contains(',') || dest.contains([',', '>']) => {
            Err("a line of the list with `->` is about one source and one destination")
        }
        () if !is_one(source) || !is_one(dest) => Err("a line of the list is more than a source and its destination"),
        () if !dest.contains('/') => Err("a destination in the list is `NS/NAME`, or `NS/` to keep the name"),
        () => Ok(vec![pick(source, Some(dest))]),
    }
}

/// A user or an organisation on one of the hubs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) platform: Platform,
    pub(super) name: String,
}

impl Owner {
    /// Reads `hf:acme`, `ms:acme`, a page's address, or `acme` where `--to` says on which hub it is not.
    pub(super) fn read(config: &Config, text: &str, to: Option<Platform>) -> Result<Self> {
        let hint = "give a user or an organisation and its hub, like `hf:acme` or `ms:acme`";
        let refuse = |why: &'static str| Error::usage(why, hint).with("got", format!("`{text}`"));
        let bare = text.trim().trim_end_matches('/');
        let is_page = bare.contains("://");
        if !is_page && bare.contains(['/', '@', ',']) {
            return Err(refuse("a namespace is wanted, and that is more"));
        }
        // with a name behind it, a namespace is an address
        let address = Address::parse(&format!("{bare}/x"), &config.hosts()).map_err(|_| refuse("not a namespace"))?;
        if address.id.name() != "x" {
            return Err(refuse("a namespace is wanted, and that is more"));
        }
        let platform = match (address.platform, to) {
            (Some(from), Some(to)) if from == to => {
                return Err(Error::usage(
                    format!("source and destination are both {}", from.title()),
                    format!("`{from}:` says where the repositories are and --to where they shall go; use --to {}", from.other()),
                ));
            }
            (Some(from), _) => from,
            (None, Some(to)) => to.other(),
            (None, None) => return Err(refuse("it is not clear on which hub the namespace is")),
        };
        Ok(Self { platform, name: address.id.namespace().to_owned() })
    }

    /// What it has of this kind, or of all kinds, by name: models, then datasets, then Spaces.
    pub(super) async fn list(&self, config: &Config, kind: Option<RepoType>, names: &Names) -> Result<Vec<Listed>> {
        let hub = super::hub(config, self.platform)?;
        let mut all = Vec::new();
        for of in [RepoType::Model, RepoType::Dataset, RepoType::Space] {
            if kind.is_none_or(|kind| kind == of) {
                all.extend(hub.namespace(&self.name, of).await.map_err(|error| error.during("list"))?);
            }
        }
        all.retain(|one| names.take(one.repo.id.name()));
        Ok(all)
    }

    pub(super) fn has_nothing(&self) -> Error {
        Error::new(ErrorKind::NotFound, format!("nothing of `{self}` is listed for this token that is meant")).hint_to(format!(
            "look at the name, at --repo-type, --name and --skip-name, and with `hf2ms validate` at whose the {} token is: private repositories are \
             listed for those alone who belong to the namespace",
            self.platform.title()
        ))
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.platform, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_line_by_line() {
        let text = "\u{feff}# ours\r\nhf:alice/bert\r\n\n  hf:alice/gpt->acme/gpt-2 # renamed\nhf:a/b, hf:a/c\nhf:alice/d -> acme/";
        let read: Vec<_> = list(text).unwrap().into_iter().map(|pick| (pick.line.unwrap(), pick.source, pick.dest)).collect();
        let own = |line: usize, source: &str, dest: Option<&str>| (line, source.to_owned(), dest.map(str::to_owned));
        assert_eq!(
            read,
            [
                own(2, "hf:alice/bert", None),
                own(4, "hf:alice/gpt", Some("acme/gpt-2")),
                own(5, "hf:a/b", None),
                own(5, "hf:a/c", None),
                own(6, "hf:alice/d", Some("acme/")),
            ]
        );
    }

    #[test]
    fn lines_that_are_wrong_are_named() {
        let wrong = ["a/b c/d", "-> c/d", "a/b ->", "a/b -> c -> d", "a/b, a/c -> c/d", "a/b -> acme"];
        for line in wrong {
            let error = list(&format!("a/ok\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{line}: {error}");
        }
        let error = list("a b\nc/d\ne f\n->\n").unwrap_err().to_string();
        assert!(error.contains("line 1") && error.contains("3, 4"), "{error}");
        assert!(list("# nothing\n\n").is_err());
    }

    #[test]
    fn new_names_are_names() {
        assert_eq!(rename("bert=bert-base").unwrap(), ("bert".to_owned(), "bert-base".to_owned()));
        assert_eq!(rename("acme/bert=gpt").unwrap().0, "acme/bert");
        for wrong in ["bert", "bert=", "=gpt", "bert=acme/gpt", "a b=c"] {
            assert!(rename(wrong).is_err(), "{wrong}");
        }
        let renames = [("bert".to_owned(), "x".to_owned()), ("acme/bert".to_owned(), "y".to_owned())];
        assert_eq!(renamed(&renames, &"acme/bert".parse().unwrap()), Some(1));
        assert_eq!(renamed(&renames, &"alice/bert".parse().unwrap()), Some(0));
        assert_eq!(renamed(&renames, &"alice/gpt".parse().unwrap()), None);
    }
}
