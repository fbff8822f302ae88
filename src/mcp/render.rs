//! How results and errors reach a client: small, without secrets, in the words of tools.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::Value;

use crate::error::{Error, ErrorReport, Result};
use crate::secret::without_tokens;

/// A result is shorter than this, in characters of its JSON: a model reads all of it.
const MOST: usize = 3_900;
/// No error's text is longer.
const MOST_OF_ERROR: usize = 1_000;
/// What a program is told to type, and what a model has to repeat, is never cut.
const WHOLE: [&str; 4] = ["next_step", "migration_id", "plan_id", "state"];

/// The words of the command line and what they are for a tool.
const WORDS: [(&str, &str); 22] = [
    ("look at it with --dry-run; pass --yes to allow it", "look at the plan's risks; confirm_risks of migrate allows them"),
    ("look at it with --dry-run; pass --yes to copy the rest without it", "look at the plan's risks; confirm_risks of migrate allows them"),
    ("`--runner local`", "runner `local`"),
    ("pass --runner local, or set HF2MS_RUNNER=local,", "pass runner `local` to plan_migration, or set HF2MS_RUNNER=local,"),
    ("say where it shall go with --to ms or --to hf", "say where it shall go with `to`"),
    ("choose one with --dest", "choose one with `dest`:"),
    ("run the same command again", "call the same tool again"),
    ("run the same migration again", "plan and migrate again"),
    ("the same command goes on", "planning and migrating again goes on"),
    ("run `hf2ms validate` again", "call validate_tokens again"),
    ("`hf2ms validate`", "validate_tokens"),
    ("`hf2ms status` lists", "status without migration_id lists"),
    ("`hf2ms verify SOURCE`", "verify_migration"),
    ("`hf2ms inventory`", "inventory"),
    ("--workers", "`workers`"),
    ("--repo-type", "`repo_type`"),
    ("--dest", "`dest`"),
    ("--revision", "`revision`"),
    ("--include", "`include`"),
    ("--exclude", "`exclude`"),
    ("--runner", "`runner`"),
    ("--to", "`to`"),
];

/// What a client is answered.
pub(super) fn answer(outcome: Result<Value>) -> CallToolResult {
    match outcome {
        Ok(value) => CallToolResult::structured(fitting(value)),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(told(&error).to_string())]),
    }
}

/// An error as `{"kind","message","hint"}`, in the words of tools.
fn told(error: &Error) -> Value {
    let ErrorReport { kind, message, hint } = report(ErrorReport::from(error));
    serde_json::json!({ "kind": kind, "message": message, "hint": hint })
}

/// The same for the one that a migration ended with: whichever tool tells of it, going on is planning and migrating.
pub(super) fn report_of_migration(mut error: ErrorReport) -> ErrorReport {
    error.hint = error.hint.map(|hint| hint.replace("run the same command again", "plan and migrate again"));
    report(error)
}

/// The same for one that stands inside of a result.
pub(super) fn report(report: ErrorReport) -> ErrorReport {
    let shown = |text: &str| cut(&without_tokens(&in_words_of_tools(text)), MOST_OF_ERROR);
    ErrorReport { kind: report.kind, message: shown(&report.message), hint: report.hint.as_deref().map(shown) }
}

fn in_words_of_tools(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (words, instead)| text.replace(words, instead))
}

/// A line for a person.
pub(super) fn shown(text: &str) -> String {
    without_tokens(text)
}

/// The beginning of a text, with a sign where something is missing.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The first entries, each of a bounded length; counts beside them say how many there are.
pub(super) fn first<T: std::fmt::Display>(list: &[T]) -> Vec<String> {
    list.iter().take(5).map(|entry| cut(&entry.to_string(), 300)).collect()
}

/// Cuts the longest text until the whole is short enough, and takes out whatever looks like a token.
fn fitting(mut value: Value) -> Value {
    each_text(&mut value, &mut |_, text| *text = without_tokens(text));
    // every pass takes at least a third off one text
    for _ in 0..200 {
        if value.to_string().chars().count() <= MOST {
            break;
        }
        let mut longest = 0;
        each_text(&mut value, &mut |key, text| {
            if !WHOLE.contains(&key) {
                longest = longest.max(text.chars().count());
            }
        });
        let mut open = true;
        each_text(&mut value, &mut |key, text| {
            if open && !WHOLE.contains(&key) && text.chars().count() == longest {
                open = false;
                *text = cut(text, longest * 2 / 3);
            }
        });
    }
    value
}

/// Visits every text, with the name of the field it stands in.
pub(super) fn each_text(value: &mut Value, visit: &mut impl FnMut(&str, &mut String)) {
    fn below(key: &str, value: &mut Value, visit: &mut dyn FnMut(&str, &mut String)) {
        match value {
            Value::String(text) => visit(key, text),
            Value::Array(values) => values.iter_mut().for_each(|value| below(key, value, visit)),
            Value::Object(object) => object.iter_mut().for_each(|(key, value)| below(key, value, visit)),
            _ => {}
        }
    }
    below("", value, visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_that_is_too_long_loses_the_ends_of_its_longest_texts_and_never_what_is_to_be_repeated() {
        let long = "x".repeat(3_000);
        let value = serde_json::json!({ "summary": long, "warnings": [long, long], "next_step": "y".repeat(1_000) });
        let fitted = fitting(value);
        assert!(fitted.to_string().chars().count() <= MOST);
        assert_eq!(fitted["next_step"].as_str().unwrap().len(), 1_000);
        assert_eq!(fitted["warnings"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_migration_that_ended_goes_on_by_planning_and_migrating_again() {
        let error = ErrorReport::from(&Error::new(crate::error::ErrorKind::Unavailable, "the hub does not answer"));
        assert!(report(error.clone()).hint.unwrap().starts_with("call the same tool again when "));
        assert!(report_of_migration(error).hint.unwrap().starts_with("plan and migrate again when "));
    }

    #[test]
    fn what_looks_like_a_token_is_shown_nowhere() {
        let value = serde_json::json!({ "warnings": ["it said hf_abcdefghijklmnopQRST, twice"] });
        assert_eq!(fitting(value)["warnings"][0], "it said [token], twice");
    }
}
