//! Reads as much of a card's YAML front matter as editing single values takes: top-level keys, their scalars and lists, and where each
//! stands in the text. It is no YAML parser: what it does not understand it says so, and then nothing is touched.

use std::ops::Range;

use super::reader::Reader;

/// The front matter of one card. All offsets are bytes of the card.
pub(super) struct FrontMatter<'a> {
    /// The top-level entries, in the card's order; a key may come twice.
    pub(super) fields: Vec<Field>,
    /// The line break the card uses.
    pub(super) line_break: &'a str,
    /// How far the top-level keys are indented; nearly always 0.
    pub(super) indent: usize,
}

pub(super) struct Field {
    pub(super) key: String,
    pub(super) value: Value,
    /// Where the value's last line ends, before its break: a new line goes in here.
    pub(super) end: usize,
}

pub(super) enum Value {
    /// Nothing after the colon. A value goes in at this offset, after a space.
    Empty(usize),
    Scalar(Scalar),
    List(Vec<Entry>),
    /// A mapping, an alias, something nested.
    Opaque,
}

pub(super) struct Scalar {
    /// The text it stands for: unquoted, unescaped, folded to one line.
    pub(super) text: String,
    /// What a replacement overwrites: the inside of the quotes, if there are any.
    pub(super) span: Range<usize>,
    pub(super) quoted: bool,
}

pub(super) struct Entry {
    pub(super) scalar: Scalar,
    /// What to cut to take the entry out, where that leaves a proper list.
    pub(super) removal: Option<Range<usize>>,
}

impl Scalar {
    /// YAML's null and the empty string.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() || (!self.quoted && matches!(self.text.as_str(), "~" | "null" | "Null" | "NULL"))
    }
}

impl<'a> FrontMatter<'a> {
    /// Reads a card's front matter: `None` if it has none, is not UTF-8, or holds YAML that is broken or beyond this reader.
    pub(super) fn read(card: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(card).ok()?;
        let (lines, line_break) = locate(text)?;
        let reader = Reader::new(text, lines)?;
        Some(Self { fields: reader.fields()?, line_break, indent: reader.indent })
    }

    /// The entries with this key: more than one only in a card that repeats it.
    pub(super) fn named(&self, key: &str) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.key == key)
    }
}

/// One line of the card.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) start: usize,
    /// Before the break.
    pub(super) end: usize,
    /// After the break.
    pub(super) next: usize,
}

impl Line {
    fn at(text: &str, start: usize) -> Self {
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let after = &rest[length..];
        let width = if after.starts_with("\r\n") { 2 } else { usize::from(!after.is_empty()) };
        Self { start, end: start + length, next: start + length + width }
    }

    pub(super) fn of<'t>(&self, text: &'t str) -> &'t str {
        &text[self.start..self.end]
    }

    pub(super) fn indent(&self, text: &str) -> usize {
        let line = self.of(text);
        line.len() - line.trim_start_matches(' ').len()
    }
}

/// Finds the lines between the two `---`, as the hub does (huggingface_hub 2.4.0 `repocard.py` `REGEX_YAML_BLOCK`): white space may come
/// before the first, which ends its line at once; blanks may follow the second. JavaScript's `\s`, unlike Rust's, holds the BOM.
fn locate(text: &str) -> Option<(Vec<Line>, &str)> {
    let opening = text.trim_start_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
    let opener = Line::at(text, text.len() - opening.len());
    if opener.of(text) != "---" || opener.next == opener.end {
        return None;
    }
    let mut lines = vec![Line::at(text, opener.next)];
    loop {
        let line = Line::at(text, lines.last()?.next);
        let closes = line.of(text).strip_prefix("---").is_some_and(|rest| rest.trim_start_matches([' ', '\t']).is_empty());
        if closes && &text[line.end..line.next] != "\r" {
            return Some((lines, &text[opener.end..opener.next]));
        }
        if line.next == line.start {
            return None;
        }
        lines.push(line);
    }
}
