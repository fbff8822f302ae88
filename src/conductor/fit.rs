//! Makes an event fit into a line: lists lose entries and texts their end, counts stay, and the JSON is always whole.

use crate::error::ErrorReport;
use crate::protocol::{Event, LINE_LIMIT, Report, What};
use crate::repo::RepoPath;

/// The shortest that a text is made.
const SHORTEST: usize = 100;

/// The event as a line, with its end.
pub(super) fn line(mut event: Event) -> Option<Vec<u8>> {
    loop {
        // these types hold nothing that JSON cannot: no maps with odd keys, no infinite numbers
        let mut line = serde_json::to_vec(&event).ok()?;
        line.push(b'\n');
        if line.len() <= LINE_LIMIT || !shrink(&mut event.what) {
            return Some(line);
        }
    }
}

/// Takes a little away. Says whether there was something.
fn shrink(what: &mut What) -> bool {
    match what {
        What::Progress { in_flight, .. } => in_flight.pop().is_some(),
        What::Warning { message } => shorten(message),
        What::Report(report) => shrink_report(report),
        What::Started { request, .. } => request.take().is_some(),
        What::Planned { .. }
        | What::Created { .. }
        | What::Blobs { .. }
        | What::Committing { .. }
        | What::Committed { .. }
        | What::Verifying {}
        | What::HandedOver { .. }
        | What::Proven(_) => false,
    }
}

/// The longest list loses its last entry; without any, the error its end.
fn shrink_report(report: &mut Report) -> bool {
    let found = &mut report.verification;
    let paths = [&mut found.differing, &mut found.missing, &mut found.unproven, &mut found.extra];
    let texts = [&mut report.changes, &mut report.warnings];
    let longest_path = paths.into_iter().max_by_key(|list| list.iter().map(|path| path.as_str().len()).sum::<usize>());
    let longest_text = texts.into_iter().max_by_key(|list| list.iter().map(String::len).sum::<usize>());
    let path_bytes = longest_path.iter().flat_map(|list| list.iter()).map(|path: &RepoPath| path.as_str().len()).sum::<usize>();
    let text_bytes = longest_text.iter().flat_map(|list| list.iter()).map(String::len).sum::<usize>();
    let popped = match (longest_path, longest_text) {
        (Some(list), _) if path_bytes > text_bytes => list.pop().is_some(),
        (_, Some(list)) => list.pop().is_some(),
        _ => false,
    };
    popped || report.error.as_mut().is_some_and(shorten_error)
}

fn shorten_error(error: &mut ErrorReport) -> bool {
    let hint = error.hint.as_mut().filter(|hint| hint.len() > error.message.len());
    match hint {
        Some(hint) => shorten(hint),
        None => shorten(&mut error.message),
    }
}

/// Takes away the last quarter, at a character's end.
fn shorten(text: &mut String) -> bool {
    if text.len() <= SHORTEST {
        return false;
    }
    let mut end = text.len() * 3 / 4;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::protocol::InFlight;

    fn event(what: What) -> Event {
        Event { seq: u64::MAX, at: u64::MAX, what }
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        let warning = event(What::Warning { message: "x".repeat(4000) });
        let text = serde_json::to_string(&warning).unwrap();
        assert_eq!(line(warning).unwrap(), format!("{text}\n").into_bytes());
    }

    #[test]
    fn what_is_long_becomes_whole_json_that_fits() {
        let path = |number: usize| RepoPath::new(format!("{number}/{}", "\u{e4}".repeat(1500))).unwrap();
        let in_flight = (0..8).map(|number| InFlight { path: path(number), size: 1, done: 0 }).collect();
        let all = [
            event(What::Warning { message: "\u{1}\u{1f600}".repeat(5000) }),
            event(What::Progress { moved: 1, files_done: 1, bytes_done: 1, streams: 8, allowed: 8, flying: 0, in_flight }),
        ];
        for event in all {
            let line = line(event).unwrap();
            assert!(line.len() <= LINE_LIMIT, "{}", line.len());
            serde_json::from_slice::<Event>(&line).unwrap();
        }
    }

    #[test]
    fn an_error_of_any_length_fits() {
        let mut error = ErrorReport { kind: ErrorKind::Protocol, message: "m".repeat(9000), hint: Some("h".repeat(9000)) };
        while error.message.len() + error.hint.as_ref().map_or(0, String::len) > 2000 {
            assert!(shorten_error(&mut error));
        }
        assert!(error.message.starts_with('m') && error.hint.is_some_and(|hint| hint.starts_with('h')));
    }
}
