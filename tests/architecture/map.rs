//! Who may know whom, and the map in ARCHITECTURE.md.

use std::collections::BTreeSet;

use crate::source::Source;

/// Which rooms a room may know, from the top down.
pub const MAY_KNOW: [(&str, &[&str]); 19] = [
    ("main", &["cli"]),
    ("cli", &["mcp", "migration", "journal", "progress", "conductor", "config", "plan", "protocol", "repo", "secret", "error"]),
    ("mcp", &["migration", "journal", "progress", "config", "plan", "protocol", "repo", "secret", "error"]),
    ("migration", &["runner", "journal", "progress", "conductor", "config", "plan", "hub", "http", "protocol", "repo", "secret", "error"]),
    ("conductor", &["runner", "config", "worker", "plan", "card", "verify", "hub", "http", "protocol", "repo", "secret", "error"]),
    ("runner", &["journal", "config", "plan", "http", "protocol", "repo", "secret", "error"]),
    ("journal", &["runner", "progress", "protocol", "repo", "error"]),
    ("progress", &["protocol"]),
    ("config", &["hub", "protocol", "repo", "secret", "error"]),
    ("worker", &["hub", "http", "protocol", "repo", "secret", "error"]),
    ("plan", &["card", "protocol", "repo", "error"]),
    ("card", &["repo"]),
    ("verify", &["repo"]),
    ("hub", &["http", "repo", "secret", "error"]),
    ("http", &["secret", "error"]),
    ("protocol", &["repo", "error"]),
    ("repo", &["secret", "error"]),
    ("secret", &["repo", "error"]),
    ("error", &[]),
];

/// The two looks up that are allowed: a folder remembers a place, and tokens are kept by platform.
pub const UPWARD: [(&str, &str); 2] = [("journal", "runner"), ("secret", "repo")];

/// The rooms that this one may know.
pub fn may_know(room: &str) -> &'static [&'static str] {
    MAY_KNOW.iter().find(|(name, _)| *name == room).map_or(&[], |(_, known)| known)
}

/// The table as ARCHITECTURE.md shows it.
pub fn shown() -> String {
    MAY_KNOW
        .iter()
        .map(|(room, known)| format!("{room:9} → {}\n", if known.is_empty() { "nobody".to_owned() } else { known.join(" ") }))
        .collect()
}

/// A row of the map: a file or folder below `src`, and what is said of it.
#[derive(Debug)]
struct Row {
    name: String,
    text: String,
}

impl Row {
    /// The files and folders it names: its words outside parentheses, after the colon if there is one, up to the first full stop.
    fn names(&self) -> BTreeSet<&str> {
        let (mut depth, mut start, mut kept) = (0, 0, Vec::new());
        for (at, character) in self.text.char_indices() {
            match character {
                '(' => {
                    kept.extend((depth == 0).then(|| &self.text[start..at]));
                    depth += 1;
                }
                ')' => {
                    depth -= 1;
                    start = at + 1;
                }
                _ => {}
            }
        }
        kept.push(&self.text[start..]);
        let ends = kept.iter().position(|piece| piece.contains(". ")).unwrap_or(kept.len() - 1);
        kept.truncate(ends + 1);
        if let Some(last) = kept.last_mut() {
            *last = last.split(". ").next().unwrap_or_default();
        }
        if let Some(colon) = kept.iter().position(|piece| piece.contains(':')) {
            kept.drain(..colon);
            kept[0] = kept[0].split_once(':').map_or("", |(_, after)| after);
        }
        kept.into_iter().flat_map(|piece| piece.split([' ', ','])).filter(|word| !word.is_empty()).collect()
    }

    /// Every word in it.
    fn words(&self) -> BTreeSet<&str> {
        self.text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').collect()
    }
}

fn rows(page: &str) -> Vec<Row> {
    let below = page.lines().skip_while(|line| *line != "src/").skip(1).take_while(|line| line.starts_with("  "));
    let mut rows: Vec<Row> = Vec::new();
    for line in below {
        match line[2..].split_once(' ') {
            Some((name, text)) if !name.is_empty() => rows.push(Row { name: name.to_owned(), text: text.trim().to_owned() }),
            _ => rows.iter_mut().last().expect("the map begins with a name").text.push_str(&format!(" {}", line.trim())),
        }
    }
    rows
}

/// Where map and sources differ.
pub fn differences(page: &str, sources: &[Source]) -> Vec<String> {
    let rows = rows(page);
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_tests()) {
        let (room, inside) = source.name.split_once('/').unwrap_or((&source.name, ""));
        let name = if inside.is_empty() { room.to_owned() } else { format!("{room}/") };
        let Some(row) = rows.iter().find(|row| row.name == name) else {
            found.push(format!("{name} is not in the map"));
            continue;
        };
        let words = row.words();
        let parts = inside.trim_end_matches(".rs").split('/').filter(|part| !part.is_empty());
        found.extend(
            parts.filter(|part| !words.contains(part)).map(|part| format!("{}: the map's row of {name} lacks `{part}`", source.name)),
        );
    }
    for row in &rows {
        let is_there =
            |name: &str| sources.iter().any(|source| source.name == format!("{name}.rs") || source.name.starts_with(&format!("{name}/")));
        if !is_there(row.name.trim_end_matches(['/']).trim_end_matches(".rs")) {
            found.push(format!("the map has {}, src has not", row.name));
        } else if row.name.ends_with('/') {
            let missing = row.names().into_iter().filter(|name| !is_there(&format!("{}{}", row.name, name.trim_end_matches('/'))));
            found.extend(missing.map(|name| format!("the map's row of {} has `{name}`, src has not", row.name)));
        }
    }
    found.sort();
    found.dedup();
    found
}
