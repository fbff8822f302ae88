//! Licences go to the other hub and back without becoming another one.

use hf2ms::card::{candidates, licence_for_creation, rewrite};
use hf2ms::repo::Platform::{HuggingFace, ModelScope};
use proptest::prelude::*;

/// The ids that Hugging Face publishes; `src/card/names.rs` says where they were read. A copy, so that one that is lost there is missed here.
const PUBLISHED: &str = include_str!("licences.txt");

fn published() -> Vec<&'static str> {
    PUBLISHED.lines().filter(|line| !line.is_empty()).collect()
}

fn card(field: &str, value: &str) -> Vec<u8> {
    format!("---\nlanguage: en\n{field}: {value}\n---\n# bert\n").into_bytes()
}

/// What a card states under a key, as a plain or quoted scalar.
fn stated(card: &[u8], field: &str) -> Option<String> {
    let text = std::str::from_utf8(card).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

#[test]
fn there_are_as_many_as_were_read() {
    assert_eq!(published().len(), 83);
}

#[test]
fn every_published_id_goes_there_and_back() {
    for id in published() {
        let original = card("license", id);
        for to in [ModelScope, HuggingFace] {
            assert_eq!(rewrite(&original, to).bytes, None, "{id} to {to}");
        }
        // what ModelScope is told, by the card or by the call that creates, means the same licence when it comes back
        let shown = rewrite(&original, ModelScope).licence.unwrap();
        let created = licence_for_creation(Some(&original), ModelScope).unwrap();
        for name in [&shown, &created].into_iter().filter(|name| *name != "Other") {
            assert_eq!(there(&card("license", name)).as_deref(), Some(id), "{name}");
        }
    }
}

/// The licence that a card states once it is at Hugging Face.
fn there(card: &[u8]) -> Option<String> {
    let rewritten = rewrite(card, HuggingFace).bytes;
    stated(rewritten.as_deref().unwrap_or(card), "license")
}

/// Another way to write an id: case, and what stands between its words.
fn spelled(id: &str, upper: u64, between: char) -> String {
    let characters = id.chars().enumerate().map(|(at, character)| {
        let character = if upper >> (at % 64) & 1 == 1 { character.to_ascii_uppercase() } else { character };
        if character == '-' { between } else { character }
    });
    characters.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_published_id_is_recognised_in_any_spelling(
        id in prop::sample::select(published()),
        upper: u64,
        between in prop::sample::select(vec!['-', ' ', '_']),
        license in prop::sample::select(vec!["", " License", " licence"]),
    ) {
        let name = format!("{}{license}", spelled(id, upper, between));
        let original = card("license", &name);
        let written = there(&original);
        prop_assert_eq!(written.as_deref(), Some(id), "{}", name);
        if let Some(bytes) = rewrite(&original, HuggingFace).bytes {
            prop_assert_eq!(rewrite(&bytes, HuggingFace).bytes, None, "twice changes nothing");
        }
    }

    #[test]
    fn a_licence_that_nobody_knows_keeps_its_name(name in "zz[a-z]{2,8}(-[a-z0-9]{1,6}){0,3}") {
        let original = card("license", &name);
        prop_assert_eq!(rewrite(&original, ModelScope).bytes, None);
        let there = rewrite(&original, HuggingFace);
        let bytes = there.bytes.expect("the hub's list lacks it");
        let written = stated(&bytes, "license");
        prop_assert_eq!(written.as_deref(), Some("other"));
        let kept = stated(&bytes, "license_name");
        prop_assert_eq!(kept.as_deref(), Some(name.as_str()));
        prop_assert_eq!(rewrite(&bytes, HuggingFace).bytes, None, "twice changes nothing");
        prop_assert_eq!(rewrite(&bytes, ModelScope).bytes, None, "and back it goes as it is");
        prop_assert_eq!(licence_for_creation(Some(&original), ModelScope), Some("Other".to_owned()));
    }

    #[test]
    fn only_the_licence_changes(before in r"([a-z_]{1,8}: [a-z0-9]{1,8}\n){0,3}", name in r"[A-Za-z][A-Za-z0-9 .+-]{0,20}", body in r"[^-]\PC{0,60}") {
        prop_assume!(!before.contains("license"));
        let original = format!("---\n{before}license: {name}\n---\n{body}");
        let there = rewrite(original.as_bytes(), HuggingFace);
        if let Some(bytes) = there.bytes {
            let text = String::from_utf8(bytes).unwrap();
            prop_assert!(text.starts_with(&format!("---\n{before}license")), "{}", text);
            prop_assert!(text.ends_with(&format!("\n---\n{body}")), "{}", text);
            prop_assert!(!there.changes.is_empty());
        }
    }

    #[test]
    fn what_may_be_put_to_the_hub_begins_with_the_card_as_it_is(name in r"[A-Za-z]([A-Za-z0-9 .+-]{0,20}[A-Za-z0-9+])?", list: bool) {
        let original = if list { format!("---\nlicense:\n- {name}\n- mit\n---\n") } else { format!("---\nlicense: {name}\n---\n") };
        let all = candidates(original.as_bytes(), HuggingFace);
        prop_assert_eq!(&all[0].bytes, &None);
        prop_assert!(all.len() <= 3);
        for (index, one) in all.iter().enumerate() {
            prop_assert!(all[..index].iter().all(|other| other.bytes != one.bytes), "each is another one");
            prop_assert_eq!(one.bytes.is_none(), one.changes.is_empty());
        }
        let last = all.last().and_then(|last| last.bytes.clone()).unwrap_or(original.clone().into_bytes());
        if list {
            prop_assert!(String::from_utf8(last).unwrap().starts_with("---\nlicense:\n- other\n"));
        } else {
            let said = stated(&last, "license");
            prop_assert_eq!(said.as_deref(), Some("other"), "what is put last is on every list");
        }
        prop_assert_eq!(candidates(original.as_bytes(), ModelScope).len(), 1);
    }

    #[test]
    fn no_card_makes_it_panic(card in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        r"(---\n)?(license(_name)?: ?[\PC]{0,10}\n|- [a-z]{0,4}\n|  [&*!|>{\[\]}]{0,3}\n){0,5}(---\n)?".prop_map(String::into_bytes),
    ]) {
        for to in [HuggingFace, ModelScope] {
            let once = rewrite(&card, to);
            prop_assert_eq!(once.bytes.is_none(), once.changes.is_empty());
            if let Some(bytes) = once.bytes {
                prop_assert_eq!(rewrite(&bytes, to).bytes, None, "twice changes nothing");
            }
            let _any = licence_for_creation(Some(&card), to);
        }
    }
}
