//! What a namespace holds, for people.

use super::{line_of, size, table};
use crate::migration::{CopyState, Inventory, InventoryEntry};

/// The list, and what it comes to.
pub(in crate::cli) fn inventory(inventory: &Inventory) -> String {
    let head = ["repository", "kind", "size", "readable by", "changed", if inventory.against.is_some() { "copy" } else { "" }];
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(inventory.repositories.iter().map(row)).collect();
    let mut text = table(&rows);
    let known: u64 = inventory.repositories.iter().filter_map(|entry| entry.size).sum();
    let all = inventory.repositories.len() as u64;
    let repositories = if all == 1 { "1 repository".to_owned() } else { format!("{all} repositories") };
    line_of(&mut text, &format!("{repositories}, {} as far as the hub tells", size(known)));
    if let Some(against) = &inventory.against {
        let number = |state| inventory.count(state);
        let (same, other, none, unknown) =
            (number(CopyState::Verified), number(CopyState::Differs), number(CopyState::Absent), number(CopyState::Unknown));
        line_of(&mut text, &format!("at {against}: {same} the same by hash, {other} different, {none} absent, {unknown} not to be told"));
        if same > 0 {
            line_of(&mut text, "before you delete a source, read its copy back once: hf2ms verify SOURCE --dest COPY --deep");
        }
    }
    text.trim_end().to_owned()
}

fn row(entry: &InventoryEntry) -> [String; 6] {
    let copy = entry.copy.as_ref().map(|copy| {
        let more = copy.migration.as_ref().or(copy.why.as_ref()).map(|more| format!(" ({more})")).unwrap_or_default();
        format!("{} {}{more}", copy.state.word(), copy.repo)
    });
    [
        format!("{}:{}", entry.platform, entry.repo),
        entry.repo_type.to_string(),
        entry.size.map_or("?".to_owned(), size),
        entry.visibility.word().to_owned(),
        entry.changed.as_ref().map_or("?".to_owned(), |at| at.chars().take(10).collect()),
        copy.unwrap_or_default(),
    ]
}
