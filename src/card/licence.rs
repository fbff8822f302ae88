//! One licence name: which of Hugging Face's ids it means, what ModelScope calls it, how to keep it when neither knows it.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::names::{HUGGING_FACE, MODELSCOPE, NOISE, PHRASES};

/// The id Hugging Face's list has for a licence of this name, in whatever spelling: SPDX id, display name, Chinese, any case.
///
/// An id of the list means itself. Nothing is guessed: a version the list lacks (`cc-by-sa-2.0`), a family without the version that
/// matters (`CC BY`) and a choice between licences (`MIT OR Apache-2.0`) mean none of its ids.
pub(super) fn recognise(name: &str) -> Option<&'static str> {
    let name = name.trim();
    if let Some((id, _)) = HUGGING_FACE.iter().find(|(id, _)| *id == name) {
        return Some(id);
    }
    // `MIT License (MIT)` says it twice; `MIT (code only)` says more than `mit` would.
    lookup(name).or_else(|| {
        let (outside, inside) = name.strip_suffix([')', '）'])?.split_once(['(', '（'])?;
        lookup(outside).filter(|id| lookup(inside) == Some(id))
    })
}

/// What ModelScope's create call takes for a licence of Hugging Face's list, if its client has a name for it.
pub(super) fn modelscope_name(id: &str) -> Option<&'static str> {
    MODELSCOPE.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

/// The name as `license_name` takes it: `[a-z0-9.-]`, with at least one letter.
///
/// The pattern is that of Hugging Face's OpenAPI description (`^[a-z0-9-.]+$`); its card specification calls the field "an id, like
/// `my-license-1.0`".
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for character in name.to_lowercase().chars() {
        if character.is_ascii_alphanumeric() || character == '.' {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_matches(['-', '.']);
    if slug.contains(|character: char| character.is_ascii_alphabetic()) { slug.to_owned() } else { "custom-license".to_owned() }
}

/// Whether a reader of the slug still sees the whole name.
pub(super) fn slug_tells_all(name: &str) -> bool {
    name.chars().all(|character| character.is_ascii_alphanumeric() || " -_.,()'\"".contains(character))
        && name.contains(|character: char| character.is_ascii_alphabetic())
}

fn lookup(name: &str) -> Option<&'static str> {
    let key = key(name);
    find(&key).or_else(|| creative_commons(&key)).or_else(|| llama(&key)).or_else(|| gnu(&key))
}

/// [`HUGGING_FACE`] by the [`key`] of every name.
static IDS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let names = HUGGING_FACE.iter().flat_map(|(id, names)| names.iter().chain([id]).map(|name| (key(name), *id)));
    names.collect()
});

fn find(key: &str) -> Option<&'static str> {
    IDS.get(key).copied()
}

/// `Creative Commons Attribution-NonCommercial 4.0`, `Attribution 4.0 International`: the words for the letters.
fn creative_commons(key: &str) -> Option<&'static str> {
    let rest = key.strip_prefix("creativecommons").or_else(|| key.starts_with("attribution").then_some(key));
    let rest = rest.or_else(|| key.strip_prefix("cc"))?;
    let letters = rest
        .strip_prefix("cc")
        .unwrap_or(rest)
        .replace("attribution", "by")
        .replace("noncommercial", "nc")
        .replace("sharealike", "sa")
        .replace("noderivatives", "nd")
        .replace("noderivs", "nd");
    find(&format!("cc{letters}"))
}

/// `Meta Llama 3.1 Community License Agreement`.
fn llama(key: &str) -> Option<&'static str> {
    let bare = key.strip_prefix("meta").unwrap_or(key);
    let bare = bare.strip_suffix("community").unwrap_or(bare);
    bare.starts_with("llama").then(|| find(bare)).flatten()
}

/// `GPL-3.0-or-later`, `LGPL-2.1-only`, `AGPLv3+`: SPDX tells these apart, Hugging Face's list has the licence's text only.
fn gnu(key: &str) -> Option<&'static str> {
    let bare = ["oranylater", "orlater", "only", "+"].iter().find_map(|ending| key.strip_suffix(ending))?;
    find(bare).filter(|id| matches!(*id, "gpl-2.0" | "gpl-3.0" | "lgpl-2.1" | "lgpl-3.0" | "agpl-3.0" | "gfdl"))
}

/// What two spellings of one name have in common: lower case, without punctuation, noise words, the `v` of `v2` and the `.0` of `2.0`.
fn key(name: &str) -> String {
    let mut text = name.to_lowercase();
    for (phrase, meaning) in PHRASES {
        if text.contains(phrase) {
            text = text.replace(phrase, meaning);
        }
    }
    let mut key = String::with_capacity(text.len());
    for word in words(&text) {
        let after_digit = key.ends_with(|last: char| last.is_ascii_digit());
        if NOISE.contains(&word.as_str()) || (after_digit && word == "0") {
            continue;
        }
        if after_digit && word.starts_with(|first: char| first.is_ascii_digit()) {
            key.push('.');
        }
        key.push_str(&word);
    }
    key
}

/// Runs of letters and digits, and runs of `+`, which tells `openrail++` from `openrail`.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let belongs = character.is_alphanumeric() || character == '+';
        if !belongs || word.ends_with('+') != (character == '+') {
            words.push(std::mem::take(&mut word));
        }
        let version_mark = character == 'v' && characters.peek().is_some_and(char::is_ascii_digit);
        if belongs && !version_mark {
            word.push(character);
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
