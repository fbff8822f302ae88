//! What a card says of the terms that its repository is given under.

use super::front_matter::{Field, FrontMatter, Value};
use super::stated;
use crate::repo::is_obeyed;

/// Characters of each that are quoted at most: a card is somebody's text.
const QUOTED: usize = 160;

/// The terms of a gated repository, in one line for who is about to copy it: its licences with name and link, and what its gate asks to
/// accept (facts, huggingface: `license*`, `extra_gated_*`). `None` if the card states none of it, or cannot be read.
pub fn terms(card: &[u8]) -> Option<String> {
    let matter = FrontMatter::read(card)?;
    let text = |key: &str| matter.named(key).last().and_then(scalar).map(|text| quoted(&text));
    let mut lines = Vec::new();
    let licences: Vec<_> = stated(&matter).into_iter().map(quoted).collect();
    let more: Vec<_> = ["license_name", "license_link"].into_iter().filter_map(text).collect();
    if !licences.is_empty() || !more.is_empty() {
        lines.push(format!("licence {}", [licences, more].concat().join(", ")));
    }
    let asked = ["extra_gated_heading", "extra_gated_prompt"].into_iter().find_map(text);
    lines.extend(asked.map(|asked| format!("its gate asks {asked}")));
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn scalar(field: &Field) -> Option<String> {
    match &field.value {
        Value::Scalar(scalar) if !scalar.is_empty() => Some(scalar.text.clone()),
        _ => None,
    }
}

/// Between quotation marks, on one line, without anything a terminal would obey.
fn quoted(text: impl AsRef<str>) -> String {
    let line = text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = line.chars().filter(|character| !is_obeyed(*character)).collect();
    let mut short: String = plain.chars().take(QUOTED).collect();
    if short.len() < plain.len() {
        short.push('…');
    }
    format!("`{short}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(front_matter: &str) -> Option<String> {
        terms(format!("---\n{front_matter}---\n# x\n").as_bytes())
    }

    #[test]
    fn licence_and_gate_are_named() {
        let card = "license: other\nlicense_name: llama3\nlicense_link: LICENSE\nextra_gated_heading: Sign here\n";
        assert_eq!(of(card).unwrap(), "licence `other`, `llama3`, `LICENSE`; its gate asks `Sign here`");
        assert_eq!(of("extra_gated_prompt: >-\n  You agree\n  to all.\n").unwrap(), "its gate asks `You agree to all.`");
    }

    #[test]
    fn a_card_without_terms_names_none() {
        assert_eq!(of("tags: [a]\n"), None);
        assert_eq!(terms(b"# no front matter"), None);
        assert_eq!(of("license:\nextra_gated_fields:\n  Name: text\n"), None);
    }

    #[test]
    fn what_a_card_says_is_quoted_and_short() {
        let long = of(&format!("extra_gated_prompt: a\u{202e}b{}\n", "x".repeat(500))).unwrap();
        assert!(!long.contains('\u{202e}') && long.ends_with("…`") && long.chars().count() < 200, "{long}");
    }
}
