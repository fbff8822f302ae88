//! A line that holds many things: a repository has thousands of files, and of a sandbox's output so many lines are kept.

use serde::Serialize;

use super::LINE_LIMIT;

/// What a line has besides what it holds: number, time, the event's name, and its end.
const FRAME: usize = 128;

/// Entries of one line, as many as go into [`LINE_LIMIT`].
#[derive(Clone, Debug)]
pub struct Filling<T> {
    entries: Vec<T>,
    room: usize,
}

impl<T> Default for Filling<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), room: LINE_LIMIT - FRAME }
    }
}

impl<T: Serialize> Filling<T> {
    /// Adds an entry. Where there is no room for it beside the others, gives those, which fill a line; an entry that is longer than a line
    /// has one to itself.
    pub fn add(&mut self, entry: T) -> Option<Vec<T>> {
        // with the comma before it; what cannot be written is told of when its line is
        let length = serde_json::to_string(&entry).map_or(LINE_LIMIT, |text| text.len() + 1);
        let full = if length > self.room { self.take() } else { None };
        self.room = self.room.saturating_sub(length);
        self.entries.push(entry);
        full
    }

    /// Those of the line that is not full yet, if there are any.
    pub fn take(&mut self) -> Option<Vec<T>> {
        let Self { entries, .. } = std::mem::take(self);
        (!entries.is_empty()).then_some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_when_the_next_entry_has_no_room_and_an_endless_one_is_alone() {
        let mut filling = Filling::default();
        let thousand = "x".repeat(1000);
        assert!((0..3).all(|_| filling.add(thousand.clone()).is_none()));
        assert_eq!(filling.add(thousand.clone()).map(|line| line.len()), Some(3));
        assert_eq!(filling.add("y".repeat(5000)).map(|line| line.len()), Some(1));
        assert_eq!(filling.add("z".to_owned()), Some(vec!["y".repeat(5000)]));
        assert_eq!((filling.take(), filling.take()), (Some(vec!["z".to_owned()]), None));
    }
}
