//! Walks the lines of a front matter and finds its top-level entries.

use super::front_matter::{Entry, Field, Line, Scalar, Value};
use super::inline::{INDICATORS, flow, is_blank, is_void, mapping_colon, quoted, uncommented};

/// A value, where it ends, and the row after it.
type Read = (Value, usize, usize);

pub(super) struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line>,
    /// How far the top-level keys are indented.
    pub(super) indent: usize,
}

impl<'a> Reader<'a> {
    /// `None` if the lines hold nothing but comments.
    pub(super) fn new(text: &'a str, lines: Vec<Line>) -> Option<Self> {
        let indent = lines.iter().find(|line| !is_void(line.of(text)))?.indent(text);
        Some(Self { text, lines, indent })
    }

    /// The top-level entries: `None` if any of it is broken YAML or YAML beyond this reader.
    pub(super) fn fields(&self) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        let mut row = 0;
        while row < self.lines.len() {
            let line = self.lines[row];
            if is_void(line.of(self.text)) {
                row += 1;
                continue;
            }
            if line.indent(self.text) != self.indent {
                return None;
            }
            let (key, after) = self.key(line.start + self.indent, line.end)?;
            let (value, end, next) = self.value(row, after)?;
            fields.push(Field { key, value, end: self.lines[self.row_of(end)].end });
            row = next;
        }
        Some(fields)
    }

    /// Reads `key:` or `"key":` and gives the offset after the colon.
    fn key(&self, start: usize, end: usize) -> Option<(String, usize)> {
        let line = &self.text[start..end];
        if line.starts_with(['"', '\'']) {
            let (text, _, after) = quoted(self.text, start, self.limit())?;
            let colon = after + self.text.get(after..end)?.find(|character| !is_blank(character))?;
            let separated = self.text[colon..end].strip_prefix(':')?;
            return (separated.is_empty() || separated.starts_with(is_blank)).then_some((text?, colon + 1));
        }
        let colon = mapping_colon(line)?;
        let key = line[..colon].trim_end_matches(is_blank);
        let plain = !key.is_empty() && !key.starts_with(is_blank) && !key.starts_with(INDICATORS) && !key.contains(" #");
        let plain = plain && !key.starts_with("- ") && !key.starts_with("? ");
        plain.then(|| (key.to_owned(), start + colon + 1))
    }

    fn value(&self, row: usize, after: usize) -> Option<Read> {
        let line = self.lines[row];
        if !is_void(&self.text[after..line.end]) {
            return self.node(row, self.skip_blanks(after));
        }
        let below = (row + 1..self.lines.len()).find(|&row| !is_void(self.lines[row].of(self.text)));
        match below.filter(|&row| self.is_nested(row)) {
            None => Some((Value::Empty(after), line.end, row + 1)),
            Some(first) if self.is_item(first) => Some(self.block_list(first)),
            Some(first) => {
                let line = self.lines[first];
                let start = line.start + line.indent(self.text);
                match self.key(start, line.end) {
                    Some(_) => Some(self.skip(first)),
                    None => self.node(first, start),
                }
            }
        }
    }

    /// Reads the value that starts at an offset of a row.
    fn node(&self, row: usize, start: usize) -> Option<Read> {
        let rest = &self.text[start..self.lines[row].end];
        match rest.chars().next()? {
            '|' | '>' => Some(self.block_scalar(row, start)),
            '"' | '\'' => {
                let (text, span, end) = quoted(self.text, start, self.limit())?;
                let value = text.map_or(Value::Opaque, |text| Value::Scalar(Scalar { text, span, quoted: true }));
                self.closed(value, end)
            }
            '[' | '{' => {
                let (entries, end) = flow(self.text, start, self.limit())?;
                self.closed(entries.map_or(Value::Opaque, Value::List), end)
            }
            '&' | '*' | '!' => Some(self.skip(row)),
            '-' | '?' | ':' if rest.len() == 1 || rest[1..].starts_with(is_blank) => None,
            ']' | '}' | ',' | '#' | '@' | '`' | '%' | '\t' => None,
            _ => self.plain(row, start),
        }
    }

    /// Nothing but a comment may follow a quoted or bracketed value on its line.
    fn closed(&self, value: Value, end: usize) -> Option<Read> {
        let row = self.row_of(end);
        is_void(&self.text[end..self.lines[row].end]).then_some((value, end, row + 1))
    }

    fn plain(&self, row: usize, start: usize) -> Option<Read> {
        let mut text = String::new();
        let mut end = start;
        let mut next = row;
        let mut from = start;
        while let Some(line) = self.lines.get(next) {
            let content = &self.text[from..line.end];
            let bare = uncommented(content);
            if mapping_colon(bare).is_some() {
                return None;
            }
            if !text.is_empty() && !bare.is_empty() {
                text.push(' ');
            }
            text.push_str(bare);
            if !bare.is_empty() {
                end = from + bare.len();
            }
            next += 1;
            let commented = bare.len() < content.trim_end_matches(is_blank).len();
            let goes_on = (next..self.lines.len()).find(|&row| !self.lines[row].of(self.text).trim().is_empty());
            match goes_on.filter(|&row| self.lines[row].indent(self.text) > self.indent && !is_void(self.lines[row].of(self.text))) {
                Some(_) if commented => return None,
                Some(row) => next = row,
                None => break,
            }
            from = self.skip_blanks(self.lines[next].start);
        }
        Some((Value::Scalar(Scalar { text, span: start..end, quoted: false }), end, next))
    }

    fn block_scalar(&self, row: usize, start: usize) -> Read {
        let header = self.lines[row];
        let mut text = Vec::new();
        let mut end = header.end;
        let mut next = row + 1;
        while let Some(line) = self.lines.get(next) {
            let content = line.of(self.text).trim();
            if !content.is_empty() && line.indent(self.text) <= self.indent {
                break;
            }
            if !content.is_empty() {
                text.push(content);
                end = line.end;
            }
            next += 1;
        }
        let bare_header = !self.text[start..header.end].contains('#');
        let scalar = Scalar { text: text.join(" "), span: start..end, quoted: true };
        (if bare_header && !text.is_empty() { Value::Scalar(scalar) } else { Value::Opaque }, end, next)
    }

    fn block_list(&self, first: usize) -> Read {
        let indent = self.lines[first].indent(self.text);
        let mut entries = Vec::new();
        let mut simple = true;
        let mut end = self.lines[first].end;
        let mut next = first;
        while let Some(line) = self.lines.get(next) {
            if !is_void(line.of(self.text)) {
                if !self.is_nested(next) {
                    break;
                }
                match self.entry(next).filter(|_| line.indent(self.text) == indent) {
                    Some(entry) => entries.push(entry),
                    None => simple = false,
                }
                end = line.end;
            }
            next += 1;
        }
        (if simple { Value::List(entries) } else { Value::Opaque }, end, next)
    }

    /// One line `- value`, if the value is a scalar that ends there. With a comment after it the line cannot be cut.
    fn entry(&self, row: usize) -> Option<Entry> {
        if !self.is_item(row) {
            return None;
        }
        let line = self.lines[row];
        let start = self.skip_blanks(line.start + line.indent(self.text) + 1);
        let rest = self.text[start..line.end].trim_end_matches(is_blank);
        let (scalar, whole) = if rest.starts_with(['"', '\'']) {
            let (text, span, end) = quoted(self.text, start, line.end)?;
            (Scalar { text: text?, span, quoted: true }, start..end)
        } else {
            let bare = uncommented(rest);
            let mapping = mapping_colon(bare).is_some() || bare.starts_with("- ") || bare == "-";
            if bare.is_empty() || bare.starts_with(INDICATORS) || mapping {
                return None;
            }
            let span = start..start + bare.len();
            (Scalar { text: bare.to_owned(), span: span.clone(), quoted: false }, span)
        };
        let alone = whole.end == start + rest.len();
        let removal = alone.then(|| self.lines[row - 1].end..line.end);
        is_void(&self.text[whole.end..line.end]).then_some(Entry { scalar, removal })
    }

    /// Passes over a value whose inside is nobody's business here.
    fn skip(&self, row: usize) -> Read {
        let nested = |&next: &usize| next < self.lines.len() && (is_void(self.lines[next].of(self.text)) || self.is_nested(next));
        let last = (row + 1..).take_while(nested).last().unwrap_or(row);
        (Value::Opaque, self.lines[last].end, last + 1)
    }

    /// Whether a row lies under a top-level key. A list's dashes need no more indent than the key.
    fn is_nested(&self, row: usize) -> bool {
        let indent = self.lines[row].indent(self.text);
        indent > self.indent || (indent == self.indent && self.is_item(row))
    }

    fn is_item(&self, row: usize) -> bool {
        let rest = self.lines[row].of(self.text).trim_start_matches(' ').strip_prefix('-');
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(is_blank))
    }

    /// Where the front matter ends.
    fn limit(&self) -> usize {
        self.lines.last().map_or(0, |line| line.end)
    }

    fn row_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|line| line.next <= offset).min(self.lines.len() - 1)
    }

    fn skip_blanks(&self, from: usize) -> usize {
        from + self.text[from..].find(|character| !is_blank(character)).unwrap_or(self.text.len() - from)
    }
}
