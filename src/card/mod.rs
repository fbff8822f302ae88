//! A repository's card across the two hubs: README.md's front matter, of which only the licence is written differently.
//!
//! Hugging Face refuses a commit whose card states a licence off its list, so `license` is put into its words; what it does not know
//! becomes `other` with the name kept in `license_name`. ModelScope is not known to refuse any card, so a card goes there as it is, but
//! its call for a new repository wants a licence in its own words. Every byte that is not the value of `license` or a missing
//! `license_name` stays as it was. No I/O.

mod front_matter;
mod inline;
mod licence;
mod names;
mod reader;
mod terms;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use self::front_matter::{Entry, FrontMatter, Scalar, Value};
use crate::repo::Platform;

pub use self::terms::terms;

const ONLY_LISTED: &str = "Hugging Face accepts only the ids of its own list";
const NOT_LISTED: &str = "Hugging Face accepts only the ids of its own list, which has none for it";
const REFUSED: &str = "Hugging Face's own check refuses what the card states";
const KEEPS_NAME: &str = "Hugging Face wants the name of a licence it has no id for";
const SAID_ALREADY: &str = "the list holds it already";

/// What becomes of a card on its way to the other hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The card as the destination takes it; `None` if it goes unchanged. Rewriting it once more changes nothing.
    pub bytes: Option<Vec<u8>>,
    /// What is different; empty exactly if `bytes` is `None`.
    pub changes: Vec<CardChange>,
    /// The licence in the destination's naming, or as the card states it where the destination has no name for it. Several are joined by
    /// `, `. `None` if the card states none, or cannot be read.
    pub licence: Option<String>,
}

/// One value of the front matter that the destination gets differently.
///
/// Shown, it is one line: ``README.md: license `MIT License` → `mit` (Hugging Face accepts only the ids of its own list)``.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardChange {
    /// The key in the front matter.
    pub field: String,
    /// What the source states; empty if it states nothing.
    pub from: String,
    /// What the destination gets; empty if the value is dropped.
    pub to: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for CardChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, from, to, reason } = self;
        match (from.as_str(), to.as_str()) {
            ("", to) => write!(f, "README.md: {field} `{to}` added ({reason})"),
            (from, "") => write!(f, "README.md: {field} `{from}` left out ({reason})"),
            (from, to) => write!(f, "README.md: {field} `{from}` → `{to}` ({reason})"),
        }
    }
}

/// The cards that may be put to the destination, the one nearest to the source's first.
///
/// ModelScope is not known to refuse any. Hugging Face publishes its list of licences, but changes it: so its own check is asked about the card as
/// it is, then about the card with the licence in the words of the list that is known here ([`rewrite`]), then about one that states `other` and keeps
/// the name. Those that would be the same as one before are left out, so there is one at least and three at most.
pub fn candidates(card: &[u8], to: Platform) -> Vec<Rewrite> {
    let in_words = rewrite(card, to);
    let mut all = vec![Rewrite { licence: in_words.licence.clone(), ..Rewrite::default() }];
    let matter = FrontMatter::read(card).filter(|_| to == Platform::HuggingFace);
    let other = matter.map(|matter| finished(card, &matter, Draft::for_hugging_face(&matter, None), to));
    for next in [Some(in_words), other].into_iter().flatten() {
        if all.iter().all(|one| one.bytes != next.bytes) {
            all.push(next);
        }
    }
    all
}

/// Works out the card the destination takes, as far as its list of licences is known here.
///
/// To ModelScope it goes unchanged. To Hugging Face every top-level `license`, one value or a list, gets the id of the hub's list it
/// means; a licence the list lacks becomes `other`, and its name `license_name`, unless the card has one already. Unchanged go: a value
/// that is on the list, an empty one, a card without front matter, and one that is not UTF-8 or whose front matter is not plain, proper
/// YAML, for whose judgement there is the hub's validator.
pub fn rewrite(card: &[u8], to: Platform) -> Rewrite {
    let Some(matter) = FrontMatter::read(card) else { return Rewrite::default() };
    let draft = match to {
        Platform::HuggingFace => Draft::for_hugging_face(&matter, Some(licence::recognise)),
        Platform::ModelScope => Draft::default(),
    };
    finished(card, &matter, draft, to)
}

fn finished(card: &[u8], matter: &FrontMatter<'_>, draft: Draft, to: Platform) -> Rewrite {
    let bytes = (!draft.edits.is_empty()).then(|| apply(card, draft.edits));
    Rewrite { bytes, changes: draft.changes, licence: shown(matter, to) }
}

/// The licence for the destination's call that creates a repository: `None` for Hugging Face, whose call takes none.
///
/// For ModelScope it is one of the names its client lists: the first of the card's licences that has one, else `Other`. That is also the
/// answer without a card or a licence: the client's own default, Apache-2.0, would grant what nobody granted.
pub fn licence_for_creation(card: Option<&[u8]>, to: Platform) -> Option<String> {
    if to == Platform::HuggingFace {
        return None;
    }
    let matter = card.and_then(FrontMatter::read);
    let stated = matter.as_ref().map(stated).unwrap_or_default();
    let name = stated.into_iter().find_map(|name| licence::modelscope_name(licence::recognise(name)?));
    Some(name.unwrap_or("Other").to_owned())
}

/// The licences a card states. Where it repeats the key, the last one counts, as for most readers of YAML that let it pass.
fn stated<'m>(matter: &'m FrontMatter<'_>) -> Vec<&'m str> {
    let scalars: Vec<&Scalar> = match matter.named("license").last().map(|field| &field.value) {
        Some(Value::Scalar(scalar)) => vec![scalar],
        Some(Value::List(entries)) => entries.iter().map(|entry| &entry.scalar).collect(),
        _ => Vec::new(),
    };
    scalars.into_iter().filter(|scalar| !scalar.is_empty()).map(|scalar| scalar.text.as_str()).collect()
}

fn shown(matter: &FrontMatter<'_>, to: Platform) -> Option<String> {
    let own_name = matter.named("license_name").find_map(|field| match &field.value {
        Value::Scalar(scalar) if !scalar.is_empty() => Some(scalar.text.as_str()),
        _ => None,
    });
    let show = |name| match (licence::recognise(name), to) {
        (Some("other"), _) => own_name.unwrap_or(name),
        (Some(id), Platform::HuggingFace) => id,
        (Some(id), Platform::ModelScope) => licence::modelscope_name(id).unwrap_or(name),
        (None, _) => name,
    };
    let names: Vec<&str> = stated(matter).into_iter().map(show).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

type Edit = (Range<usize>, String);

/// Finds the id of a licence.
type Recognise = fn(&str) -> Option<&'static str>;

/// Edits under way, and what they mean.
#[derive(Default)]
struct Draft {
    /// Which licences have an id; none but `other` when absent.
    recognise: Option<Recognise>,
    edits: Vec<Edit>,
    changes: Vec<CardChange>,
    /// The names of licences that became `other`.
    nameless: Vec<String>,
}

impl Draft {
    fn for_hugging_face(matter: &FrontMatter<'_>, recognise: Option<Recognise>) -> Self {
        let mut draft = Self { recognise, ..Self::default() };
        for field in matter.named("license") {
            match &field.value {
                Value::Scalar(scalar) => {
                    draft.put_into_words(scalar);
                }
                Value::List(entries) => draft.put_list_into_words(entries),
                Value::Empty(_) | Value::Opaque => {}
            }
        }
        draft.keep_names(matter);
        draft
    }

    /// Replaces a licence by the id it means, and gives that id; `None` for an empty one.
    fn put_into_words(&mut self, scalar: &Scalar) -> Option<&'static str> {
        if scalar.is_empty() {
            return None;
        }
        let known = self.id_of(&scalar.text);
        let id = known.unwrap_or("other");
        if known.is_none() && !self.nameless.contains(&scalar.text) {
            self.nameless.push(scalar.text.clone());
        }
        if scalar.text != id {
            self.edits.push((scalar.span.clone(), id.to_owned()));
            self.change("license", &scalar.text, id, if known.is_some() { ONLY_LISTED } else { self.without_id() });
        }
        Some(id)
    }

    fn id_of(&self, name: &str) -> Option<&'static str> {
        match self.recognise {
            Some(recognise) => recognise(name),
            None => (name == "other").then_some("other"),
        }
    }

    /// Why a licence has no id.
    fn without_id(&self) -> &'static str {
        if self.recognise.is_some() { NOT_LISTED } else { REFUSED }
    }

    /// The same for every entry; one that now says what another says goes.
    fn put_list_into_words(&mut self, entries: &[Entry]) {
        let mut seen: Vec<(&str, bool)> = Vec::new();
        for Entry { scalar, removal } in entries {
            let before = (self.edits.len(), self.changes.len());
            let Some(id) = self.put_into_words(scalar) else { continue };
            let changed = self.edits.len() > before.0;
            let twice = seen.iter().any(|&(said, was_changed)| said == id && (changed || was_changed));
            seen.push((id, changed));
            if let Some(removal) = removal.as_ref().filter(|_| twice) {
                self.edits.truncate(before.0);
                self.changes.truncate(before.1);
                self.edits.push((removal.clone(), String::new()));
                let reason = if self.id_of(&scalar.text).is_some() { SAID_ALREADY } else { self.without_id() };
                self.change("license", &scalar.text, "", reason);
            }
        }
    }

    /// Writes `license_name` after the licence, unless there is one.
    fn keep_names(&mut self, matter: &FrontMatter<'_>) {
        let Some(last) = matter.named("license").last().filter(|_| !self.nameless.is_empty()) else { return };
        let slugs: Vec<String> = self.nameless.iter().map(|name| licence::slug(name)).collect();
        let slug = slugs.join("-and-");
        let mut value = if is_plain_string(&slug) { slug.clone() } else { format!("\"{slug}\"") };
        let tells_all = self.nameless.iter().all(|name| licence::slug_tells_all(name));
        if !tells_all {
            value.push_str(&format!(" # {}", self.nameless.join(", ").replace(char::is_control, " ")));
        }
        let edit = match matter.named("license_name").last().map(|field| &field.value) {
            None => (last.end..last.end, format!("{}{}license_name: {value}", matter.line_break, " ".repeat(matter.indent))),
            Some(Value::Empty(at)) => (*at..*at, format!(" {value}")),
            Some(Value::Scalar(scalar)) if scalar.is_empty() && scalar.quoted && tells_all => (scalar.span.clone(), slug.clone()),
            // the name stands in a comment, which begins behind the quotes
            Some(Value::Scalar(scalar)) if scalar.is_empty() && scalar.quoted => (scalar.span.start - 1..scalar.span.end + 1, value),
            Some(Value::Scalar(scalar)) if scalar.is_empty() => (scalar.span.clone(), value),
            Some(_) => return,
        };
        self.edits.push(edit);
        self.change("license_name", "", &slug, KEEPS_NAME);
    }

    fn change(&mut self, field: &str, from: &str, to: &str, reason: &str) {
        self.changes.push(CardChange { field: field.into(), from: from.into(), to: to.into(), reason: reason.into() });
    }
}

/// Whether YAML takes a slug for text rather than for a number, a date or a truth.
fn is_plain_string(slug: &str) -> bool {
    slug.starts_with(|first: char| first.is_ascii_alphabetic())
        && !matches!(slug, "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null")
}

/// Puts edits, which do not overlap, into the card.
fn apply(card: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut edited = Vec::with_capacity(card.len() + 64);
    let mut from = 0;
    for (span, text) in edits {
        edited.extend_from_slice(&card[from..span.start]);
        edited.extend_from_slice(text.as_bytes());
        from = span.end;
    }
    edited.extend_from_slice(&card[from..]);
    edited
}
