//! Real repositories, made with git and git-lfs, with names that no pattern language or command line would survive.

use std::collections::BTreeMap;
use std::path::Path;

use standins::content::Content;

use super::refusals::{git, serve, working_copy};
use crate::trip::{Trip, Way, both_ways};

/// What people, and those who want to break a tool, put into names. Each is tried alone, first, last and in the middle.
const ODD: [&str; 30] = [
    ",",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "\"",
    "'",
    "`",
    "\n",
    "\t",
    "\r",
    "\u{1b}[31m",
    " ",
    "*",
    "?",
    "!",
    "#",
    "%",
    "&",
    ";",
    "|",
    "$HOME",
    "~",
    "\\",
    "^",
    "=",
    "ü🤗",
    "-",
];

/// Path and content of so many files.
fn hostile(count: usize) -> BTreeMap<String, Vec<u8>> {
    let content = |number: usize| Content::generated(70_000 + number as u64, 300 + (number as u64 * 7) % 900).to_bytes().to_vec();
    let name = |number: usize| {
        let odd = ODD[number % ODD.len()];
        let other = ODD[(number / ODD.len()) % ODD.len()];
        match number % 5 {
            0 => format!("{odd}{number}.bin"),
            1 => format!("{number}{odd}{other}.bin"),
            2 => format!("a{other}b/{odd}/{number}.bin"),
            3 => format!("--{odd}{number}.bin"),
            _ => format!("data, [part] {{1}}/{number}.{odd}.bin"),
        }
    };
    (0..count).map(|number| (name(number), content(number))).collect()
}

fn write(work: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, content) in files {
        let place = work.join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }
}

both_ways! {
    fn three_thousand_hostile_names_arrive_byte_for_byte(way) {
        let trip = Trip::new(way);
        // Hugging Face wants a call for each large file; of its limit on them other tests tell
        trip.world.hf.behaviour(|behaviour| behaviour.api_quota = 100_000);
        let work = working_copy(&trip);
        git(&work, &["lfs", "install", "--local"]);
        std::fs::write(work.join(".gitattributes"), "* filter=lfs diff=lfs merge=lfs -text\n*.md !filter !diff !merge text\n*.txt -filter -text\n.gitattributes -filter\n").unwrap();
        let mut files = hostile(3_000);
        assert_eq!(files.len(), 3_000, "every name is another one");
        write(&work, &files);
        let small = BTreeMap::from([("README.md".to_owned(), b"# bert\n".to_vec()), ("notes,\n[1].txt".to_owned(), b"notes\n".to_vec()), ("empty.txt".to_owned(), Vec::new())]);
        write(&work, &small);
        serve(&trip, &work);
        assert!(git(&work, &["lfs", "ls-files"]).lines().count() >= 3_000, "git-lfs took them");

        let way_round: &[&str] = if trip.is_from_hugging_face() { &[] } else { &["--use-git"] };
        let report = trip.migrate(&[&["--yes"], way_round].concat()).exits(0).json();
        assert_eq!((report["state"].as_str(), report["source"]["by_git"].as_bool()), (Some("verified"), Some(true)), "{report}");
        files.extend(small);
        let copy = trip.copy();
        let arrived = copy.files();
        // what neither hub takes is named and left out
        let (odd, files): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path.chars().any(char::is_control));
        assert_eq!(report["files"]["refused"], odd.len());
        assert!(odd.iter().all(|(path, _)| !arrived.contains_key(*path)));
        for (path, content) in &files {
            let there = arrived.get(*path).unwrap_or_else(|| panic!("{path:?} did not arrive"));
            assert_eq!(there.size, content.len() as u64, "{path:?}");
            assert_eq!(copy.content(path).unwrap().to_bytes(), **content, "{path:?}");
        }
        assert_eq!(report["files"]["total"], files.len());
        let batches: u64 = ["git.batch", "lfs.batch"].iter().map(|route| trip.source_journal().requests(route)).sum();
        assert!(batches < 80, "{batches} calls to find 3,000 files");
    }
}
