//! What a folder holds of a migration that ended: the report and the proof of every file.

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::Folder;
use crate::error::Result;
use crate::protocol::{Event, ProvenFile, Report, What};

impl Folder {
    /// How it ended, if it did. One that ended while nobody followed it is found in its events.
    pub fn report(&self) -> Result<Option<Report>> {
        if !self.has_report() {
            let progress = self.entry()?.progress;
            self.finish(&progress)?;
            return Ok(progress.report);
        }
        self.read("report.json").map(Some)
    }

    /// The files that it proved. A line that is none is left out, so their number tells whether the proof is whole.
    pub fn proven(&self) -> Vec<ProvenFile> {
        let Ok(file) = File::open(self.path.join("proof.jsonl")) else { return Vec::new() };
        BufReader::new(file).lines().map_while(std::io::Result::ok).filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }

    /// The version of the program that carried it, as its first event tells.
    pub fn version(&self) -> Option<String> {
        let mut first = String::new();
        BufReader::new(File::open(self.path.join("events.jsonl")).ok()?).read_line(&mut first).ok()?;
        match serde_json::from_str::<Event>(&first).ok()?.what {
            What::Started { version, .. } => Some(version),
            _ => None,
        }
    }
}
