//! The parts of YAML that may stand within a line: quoted text, bracketed lists, comments.

use std::ops::Range;

use super::front_matter::{Entry, Scalar};

/// Reads the quoted text that starts at an offset: what it stands for (`None` if its escapes are beyond this reader), its inside, and the
/// offset after the closing quote. `None` if it is never closed.
pub(super) fn quoted(text: &str, start: usize, limit: usize) -> Option<(Option<String>, Range<usize>, usize)> {
    let bytes = text.get(..limit)?.as_bytes();
    let quote = *bytes.get(start)?;
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote == b'"' => at += 2,
            byte if byte != quote => at += 1,
            _ if quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
            _ => break,
        }
    }
    let inside = &text[start + 1..at];
    let meaning = if quote == b'"' { unescaped(inside) } else { Some(folded(inside).replace("''", "'")) };
    Some((meaning, start + 1..at, at + 1))
}

/// Reads a bracketed value: its entries, if it is a list of scalars only, and the offset after its last bracket. `None` if the brackets
/// do not match.
pub(super) fn flow(text: &str, start: usize, limit: usize) -> Option<(Option<Vec<Entry>>, usize)> {
    let mut open = Vec::new();
    let mut scalars = Vec::new();
    let mut simple = text[start..].starts_with('[');
    // Whether a value may start here: after a bracket, a comma or a colon.
    let mut fresh = true;
    let mut at = start;
    loop {
        at = skip_space(text, at, limit);
        let character = text.get(at..limit)?.chars().next()?;
        match character {
            '[' | '{' => {
                simple &= open.is_empty();
                open.push(if character == '[' { ']' } else { '}' });
                fresh = true;
                at += 1;
            }
            ']' | '}' => {
                if open.pop() != Some(character) {
                    return None;
                }
                fresh = false;
                at += 1;
                if open.is_empty() {
                    return Some((simple.then(|| entries(text, scalars)), at));
                }
            }
            ',' | ':' => {
                simple &= character == ',' && !fresh;
                fresh = true;
                at += 1;
            }
            '"' | '\'' if fresh => {
                let (meaning, span, end) = quoted(text, at, limit)?;
                simple &= meaning.is_some();
                scalars.push((Scalar { text: meaning.unwrap_or_default(), span, quoted: true }, at..end));
                fresh = false;
                at = end;
            }
            _ => {
                let span = at..plain_end(text, at, limit);
                let plain = &text[span.clone()];
                simple &= fresh && !plain.starts_with(INDICATORS) && plain != "-" && !plain.starts_with("- ");
                at = span.end;
                scalars.push((Scalar { text: folded(plain), span: span.clone(), quoted: false }, span));
                fresh = false;
            }
        }
    }
}

/// Gives every entry but the first what to cut: itself and the comma before it, unless a comment stands in between.
fn entries(text: &str, scalars: Vec<(Scalar, Range<usize>)>) -> Vec<Entry> {
    let mut previous: Option<usize> = None;
    let entry = |(scalar, whole): (Scalar, Range<usize>)| {
        let removal = previous.filter(|&end| !text[end..whole.start].contains('#')).map(|end| end..whole.end);
        previous = Some(whole.end);
        Entry { scalar, removal }
    };
    scalars.into_iter().map(entry).collect()
}

/// Where a plain value within brackets ends. It is at least one character long.
fn plain_end(text: &str, start: usize, limit: usize) -> usize {
    let ends = |&(at, character): &(usize, char)| match character {
        ',' | '[' | ']' | '{' | '}' => true,
        ':' => text[start + at + 1..limit].chars().next().is_none_or(|next| next.is_whitespace() || ",[]{}".contains(next)),
        '#' => text[..start + at].ends_with(char::is_whitespace),
        _ => false,
    };
    let rest = &text[start..limit];
    let length = rest.char_indices().skip(1).find(ends).map_or(rest.len(), |(at, _)| at);
    start + rest[..length].trim_end().len()
}

fn skip_space(text: &str, from: usize, limit: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &text[at..limit];
        let space = rest.len() - rest.trim_start().len();
        at += space;
        if !text[at..limit].starts_with('#') || !text[..at].ends_with(char::is_whitespace) {
            return at;
        }
        at += text[at..limit].find(['\r', '\n']).unwrap_or(limit - at);
    }
}

/// One line of a text that goes over several.
fn folded(text: &str) -> String {
    let lines: Vec<&str> = text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// What the inside of double quotes stands for; `None` with an escape no licence's name is expected to hold.
fn unescaped(inside: &str) -> Option<String> {
    if inside.contains("\\\n") || inside.contains("\\\r") {
        return None;
    }
    let inside = folded(inside);
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        let digits = match characters.next()? {
            plain @ ('"' | '\\' | '/' | ' ') => {
                text.push(plain);
                continue;
            }
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return None,
        };
        let code: String = characters.by_ref().take(digits).collect();
        text.push(char::from_u32(u32::from_str_radix(&code, 16).ok()?)?);
    }
    Some(text)
}

/// Characters no plain scalar starts with.
pub(super) const INDICATORS: &[char] = &['[', ']', '{', '}', ',', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'];

pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Blank, or a comment only.
pub(super) fn is_void(text: &str) -> bool {
    let text = text.trim_matches(is_blank);
    text.is_empty() || text.starts_with('#')
}

/// The colon that makes a mapping of a line: one that a blank or the line's end follows.
pub(super) fn mapping_colon(text: &str) -> Option<usize> {
    text.match_indices(':').map(|(at, _)| at).find(|at| text[at + 1..].chars().next().is_none_or(is_blank))
}

/// A line's plain text up to its comment.
pub(super) fn uncommented(text: &str) -> &str {
    let comment = text.match_indices('#').map(|(at, _)| at).find(|&at| text[..at].ends_with(is_blank));
    text[..comment.unwrap_or(text.len())].trim_end_matches(is_blank)
}
