//! Secrets of a test, known by heart: whoever sees one where it does not belong can say so.
//!
//! Both hubs of a test share one list. Each adds the tokens it issues and the signatures it puts into URLs, and looks at every request:
//! a token belongs into the header that carries it, at the hub that issued it, and nowhere else.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::strict::RuleName;

/// A token seen where it does not belong: another header, a URL, a body, a storage host, another hub.
pub const TOKEN_ASTRAY: RuleName = RuleName::for_us("token-astray");

/// The part of a token that a text about tokens may name: `hf_`, `ms-`.
const PREFIX: usize = 3;
/// Shorter texts are no tokens.
const SHORTEST: usize = 16;

/// Secrets, shared by all clones.
#[derive(Clone, Default)]
pub struct Marks(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    /// Tokens, and the hub of each.
    tokens: BTreeMap<String, &'static str>,
    signatures: HashSet<String>,
    /// What to look for, and whose it is, made anew when a token was added.
    search: Option<Arc<Search>>,
}

struct Search {
    automaton: AhoCorasick,
    found: Vec<Found>,
    longest: usize,
}

/// A token, or what gives it away. Names neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub hub: &'static str,
    /// How it was written.
    pub form: &'static str,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} of {} ({})", if self.form == "signature" { "signed URL" } else { "token" }, self.hub, self.form)
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Marks({} tokens)", self.0.lock().unwrap().tokens.len())
    }
}

impl Marks {
    /// Adds a token of a hub: `hf` or `ms`.
    pub fn token(&self, hub: &'static str, text: &str) {
        if text.len() < SHORTEST {
            return;
        }
        let mut list = self.0.lock().unwrap();
        list.tokens.insert(text.to_owned(), hub);
        list.search = None;
    }

    /// Adds what makes a signed URL good: a word of its query.
    pub fn signature(&self, text: &str) {
        self.0.lock().unwrap().signatures.insert(text.to_owned());
    }

    /// How many tokens it knows.
    pub fn tokens(&self) -> usize {
        self.0.lock().unwrap().tokens.len()
    }

    /// The first token in these bytes: as it is, or percent-encoded, or in base64 wherever it begins.
    pub fn token_in(&self, bytes: &[u8]) -> Option<Found> {
        self.search().token_in(bytes)
    }

    /// The first secret in these bytes: a token in any form, or the signature of a URL.
    pub fn secret_in(&self, bytes: &[u8]) -> Option<Found> {
        let search = self.search();
        let list = self.0.lock().unwrap();
        let mut words = bytes.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
        let mut signed = || words.any(|word| std::str::from_utf8(word).is_ok_and(|word| list.signatures.contains(word)));
        search.token_in(bytes).or_else(|| signed().then_some(Found { hub: "a hub", form: "signature" }))
    }

    fn search(&self) -> Arc<Search> {
        let mut list = self.0.lock().unwrap();
        let List { tokens, search, .. } = &mut *list;
        Arc::clone(search.get_or_insert_with(|| Arc::new(Search::new(tokens))))
    }

    fn is_token_of(&self, hub: &str, text: &str) -> bool {
        self.0.lock().unwrap().tokens.get(text).is_some_and(|owner| *owner == hub)
    }
}

impl Search {
    fn new(tokens: &BTreeMap<String, &'static str>) -> Self {
        let (mut patterns, mut found) = (Vec::new(), Vec::new());
        for (token, hub) in tokens {
            for (form, text) in forms(token) {
                patterns.push(text);
                found.push(Found { hub, form });
            }
        }
        let longest = patterns.iter().map(String::len).max().unwrap_or_default();
        Self { automaton: AhoCorasick::new(patterns).expect("few and short patterns"), found, longest }
    }

    fn token_in(&self, bytes: &[u8]) -> Option<Found> {
        self.automaton.find(bytes).map(|hit| self.found[hit.pattern().as_usize()])
    }
}

/// The ways in which a token may be written, each without what its surroundings decide.
fn forms(token: &str) -> Vec<(&'static str, String)> {
    let secret = token.get(PREFIX..).unwrap_or(token);
    let mut forms = vec![("as it is", secret.to_owned())];
    if secret.contains('-') {
        forms.push(("percent-encoded", secret.replace('-', "%2D")));
        forms.push(("percent-encoded", secret.replace('-', "%2d")));
    }
    for before in 0..3 {
        // three bytes make four letters; the first and last of them depend on the neighbours
        let text = [&b"   "[..before], secret.as_bytes()].concat();
        let cut = |encoded: String| encoded[(before * 4).div_ceil(3)..text.len() * 4 / 3].to_owned();
        forms.push(("base64", cut(STANDARD.encode(&text))));
        forms.push(("base64", cut(URL_SAFE.encode(&text))));
    }
    forms
}

/// One stand-in's part in this: its name, and where its tokens belong.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// The secrets of all hubs of the test.
    pub marks: Marks,
    /// Whose tokens are at home here: `hf` or `ms`.
    pub hub: &'static str,
    /// The origins that take tokens.
    pub homes: &'static [&'static str],
    /// The headers that may carry one, and what stands before it.
    pub headers: &'static [(&'static str, &'static str)],
    /// The routes that take a token in their body.
    pub logins: &'static [&'static str],
}

impl Guard {
    /// What is astray in the head of a request: what, and where. `target` is path and query.
    pub fn astray_in_head(&self, origin: &str, target: &str, headers: &HeaderMap) -> Option<(Found, String)> {
        let decoded = percent_decode_str(target).collect::<Vec<u8>>();
        if let Some(found) = self.marks.token_in(target.as_bytes()).or_else(|| self.marks.token_in(&decoded)) {
            return Some((found, "the URL".to_owned()));
        }
        let seen = |value: &[u8]| self.marks.token_in(value);
        let astray = headers.iter().filter(|(name, value)| !self.carries(origin, target, name.as_str(), value.as_bytes()));
        let mut astray = astray.filter_map(|(name, value)| Some((seen(value.as_bytes())?, format!("the header `{name}`"))));
        astray.next()
    }

    /// Whether a header carries a token of this hub to where it belongs, and nothing else.
    fn carries(&self, origin: &str, target: &str, name: &str, value: &[u8]) -> bool {
        let Ok(value) = std::str::from_utf8(value) else { return false };
        let fits = |(header, before): &(&str, &str)| {
            *header == name && value.split("; ").all(|part| part.strip_prefix(before).is_some_and(|text| self.is_ours(text)))
        };
        // git shows a token as a password
        let as_password = || {
            target.contains(".git/") && name == "authorization" && crate::git::password_of(value).is_some_and(|text| self.is_ours(&text))
        };
        self.homes.contains(&origin) && (self.headers.iter().any(fits) || as_password())
    }

    fn is_ours(&self, text: &str) -> bool {
        self.marks.is_token_of(self.hub, text)
    }
}

/// Looks for tokens in a body that comes in chunks.
#[derive(Debug, Default)]
pub(crate) struct Sieve {
    tail: Vec<u8>,
}

impl Sieve {
    /// Takes the next chunk; a token may begin in the one before.
    pub(crate) fn token_in(&mut self, marks: &Marks, chunk: &[u8]) -> Option<Found> {
        let search = marks.search();
        self.tail.extend_from_slice(chunk);
        let found = search.token_in(&self.tail);
        let kept = search.longest.saturating_sub(1).min(self.tail.len());
        self.tail.drain(..self.tail.len() - kept);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ms-01234567-89ab-4def-a123-456789abcdef";

    fn marks() -> Marks {
        let marks = Marks::default();
        marks.token("ms", TOKEN);
        marks
    }

    #[test]
    fn a_token_is_found_in_every_form_and_at_every_place() {
        let marks = marks();
        for before in ["", "a", "ab", "abc", "user:", "Bearer "] {
            for after in ["", "x", "xy", "xyz"] {
                let text = format!("{before}{TOKEN}{after}");
                let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
                for shown in [text.clone(), encoded, STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    assert!(marks.token_in(format!("<{shown}>").as_bytes()).is_some(), "{shown}");
                }
            }
        }
        assert_eq!(marks.token_in(b"ms-01234567-89ab-4def-a123-456789abcdee"), None);
    }

    #[test]
    fn a_token_is_found_where_chunks_meet() {
        let marks = marks();
        for cut in 1..TOKEN.len() {
            let mut sieve = Sieve::default();
            let first = sieve.token_in(&marks, &[b"before ", &TOKEN.as_bytes()[..cut]].concat());
            assert!(first.is_some() || sieve.token_in(&marks, &TOKEN.as_bytes()[cut..]).is_some(), "{cut}");
        }
    }

    #[test]
    fn signatures_are_secret_where_tokens_are_shown() {
        let marks = marks();
        marks.signature("1700000000-7-0-0123456789abcdef0123456789abcdef");
        let shown = b"https://cdn.example/a?auth_key=1700000000-7-0-0123456789abcdef0123456789abcdef&x=1";
        assert_eq!(marks.secret_in(shown).map(|found| found.form), Some("signature"));
        assert_eq!(marks.token_in(shown), None);
    }
}
