//! What is measured: rows, directions, throttles, tools, and the command line that picks among them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The shape of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Row {
    /// One file of 4 GB.
    One,
    /// 64 files of 64 MB.
    Many,
    /// 5,000 binary files of 20 KB: LFS objects on either hub.
    Small,
    /// 5,000 text files of 20 KB: plain git files.
    Text,
}

impl Row {
    const ALL: [Self; 4] = [Self::One, Self::Many, Self::Small, Self::Text];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Many => "many",
            Self::Small => "small",
            Self::Text => "text",
        }
    }

    /// How many files, and of which size. One file gets smaller with the scale, the other rows get fewer files.
    pub(crate) fn shape(self, scale: f64) -> (u64, u64) {
        let fewer = |files: f64| (files * scale).round().max(2.0) as u64;
        match self {
            Self::One => (1, (4e9 * scale) as u64),
            Self::Many => (fewer(64.0), 64_000_000),
            Self::Small | Self::Text => (fewer(5_000.0), 20_000),
        }
    }

    /// Whether bytes rather than requests are what takes the time.
    pub(crate) fn is_large(self) -> bool {
        matches!(self, Self::One | Self::Many)
    }
}

/// Which way a repository goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// Hugging Face to ModelScope.
    HfMs,
    /// ModelScope to Hugging Face.
    MsHf,
}

impl Direction {
    const ALL: [Self; 2] = [Self::HfMs, Self::MsHf];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HfMs => "hf-ms",
            Self::MsHf => "ms-hf",
        }
    }
}

/// Who carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tool {
    /// This program.
    Hf2ms,
    /// `hfms-bridge`, which streams too.
    Bridge,
    /// The official clients: the whole snapshot to disk, then the folder up.
    Sdk,
    /// Read, hash, write: what no program can do without.
    Relay,
}

impl Tool {
    const ALL: [Self; 4] = [Self::Hf2ms, Self::Bridge, Self::Sdk, Self::Relay];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hf2ms => "hf2ms",
            Self::Bridge => "bridge",
            Self::Sdk => "sdk",
            Self::Relay => "relay",
        }
    }

    pub(crate) fn is_rival(self) -> bool {
        matches!(self, Self::Bridge | Self::Sdk)
    }
}

/// One line of comparison: the same repository, the same way, under the same limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) row: Row,
    pub(crate) direction: Direction,
    /// Bytes a second on either side; none for as fast as it goes.
    pub(crate) throttle: Option<u64>,
    pub(crate) files: u64,
    pub(crate) size: u64,
}

impl Case {
    pub(crate) fn bytes(&self) -> u64 {
        self.files * self.size
    }
}

pub(crate) const USAGE: &str = "\
side_by_side [options]
  --rows LIST          one,many,small,text (default one,many,small)
  --directions LIST    hf-ms,ms-hf (default both)
  --throttle LIST      none or MB a second on either side (default none,100)
  --tools LIST         hf2ms,bridge,sdk,relay (default all)
  --runs N             runs of every tool, taking turns (default 3)
  --scale X            size of one file, number of the others (default 1.0)
  --part-size MIB      part size of the Hugging Face stand-in (default 64)
  --time-limit SECONDS of one run of one tool (default 1200)
  --python PATH        an interpreter with the rivals (default: made by benches/rivals/setup.sh below target/tmp)
  --json FILE          every run's raw numbers (default target/tmp/side_by_side.json)";

pub(crate) struct Options {
    pub(crate) rows: Vec<Row>,
    pub(crate) directions: Vec<Direction>,
    pub(crate) throttles: Vec<Option<u64>>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) runs: usize,
    pub(crate) scale: f64,
    pub(crate) part_size: u64,
    pub(crate) time_limit: u64,
    pub(crate) python: Option<PathBuf>,
    pub(crate) json: PathBuf,
}

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            rows: vec![Row::One, Row::Many, Row::Small],
            directions: Direction::ALL.to_vec(),
            throttles: vec![None, Some(100_000_000)],
            tools: Tool::ALL.to_vec(),
            runs: 3,
            scale: 1.0,
            part_size: 64 << 20,
            time_limit: 1_200,
            python: None,
            json: PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/side_by_side.json")),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            let bad = || format!("{word} cannot be `{value}`");
            match word.as_str() {
                "--rows" => options.rows = list(&value, &Row::ALL, |row| row.name()).ok_or_else(bad)?,
                "--directions" => options.directions = list(&value, &Direction::ALL, |way| way.name()).ok_or_else(bad)?,
                "--tools" => options.tools = list(&value, &Tool::ALL, |tool| tool.name()).ok_or_else(bad)?,
                "--throttle" => options.throttles = value.split(',').map(throttle).collect::<Option<_>>().ok_or_else(bad)?,
                "--runs" => options.runs = value.parse().ok().filter(|runs| *runs > 0).ok_or_else(bad)?,
                "--scale" => options.scale = value.parse().ok().filter(|scale| *scale > 0.0).ok_or_else(bad)?,
                "--part-size" => options.part_size = value.parse::<u64>().ok().filter(|mib| *mib > 0).ok_or_else(bad)? << 20,
                "--time-limit" => options.time_limit = value.parse().map_err(|_| bad())?,
                "--python" => options.python = Some(PathBuf::from(&value)),
                "--json" => options.json = PathBuf::from(&value),
                _ => return Err(format!("unknown option {word}")),
            }
        }
        Ok(options)
    }

    /// Every line of comparison, in the order of the table.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for row in &self.rows {
            let (files, size) = row.shape(self.scale);
            for direction in &self.directions {
                cases.extend(self.throttles.iter().map(|throttle| Case {
                    row: *row,
                    direction: *direction,
                    throttle: *throttle,
                    files,
                    size,
                }));
            }
        }
        cases
    }
}

fn list<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Option<Vec<T>> {
    text.split(',').map(|word| all.iter().copied().find(|one| name(*one) == word)).collect()
}

fn throttle(text: &str) -> Option<Option<u64>> {
    match text {
        "none" => Some(None),
        number => number.parse::<u64>().ok().filter(|rate| *rate > 0).map(|rate| Some(rate * 1_000_000)),
    }
}
