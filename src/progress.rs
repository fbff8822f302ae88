//! Folds events into how far a migration is. Any prefix of a migration's events gives a valid state.

use crate::protocol::{Event, InFlight, ProvenFile, Report, State, What};

/// How far a migration is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Where it stands, as far as events tell.
    pub state: State,
    /// Files that shall be at the destination.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are done.
    pub files_done: u64,
    /// Their bytes.
    pub bytes_done: u64,
    /// Payload bytes sent.
    pub moved: u64,
    /// Bytes sent of all files that move now; nothing where it is not told.
    pub flying: u64,
    /// A few of these files.
    pub in_flight: Vec<InFlight>,
    /// The version of the program that carries.
    pub version: Option<String>,
    /// The source's commit.
    pub source_commit: Option<String>,
    /// The destination's head that the first commit builds on; nothing as long as there is no plan.
    pub head: Option<Option<String>>,
    /// Whether the destination was created.
    pub created: bool,
    /// Commits made so far.
    pub commits: Vec<String>,
    /// Warnings so far.
    pub warnings: Vec<String>,
    /// Files proven so far.
    pub proven: Vec<ProvenFile>,
    /// How it ended.
    pub report: Option<Report>,
    /// When the first and the last event were written, in milliseconds since 1970.
    pub span: Option<(u64, u64)>,
    /// Time and payload bytes some seconds ago, for the rate.
    samples: std::collections::VecDeque<(u64, u64)>,
}

/// The rate is that of the last this many milliseconds.
const WINDOW: u64 = 10_000;

impl Default for Progress {
    fn default() -> Self {
        Self {
            state: State::Running,
            files: 0,
            bytes: 0,
            files_done: 0,
            bytes_done: 0,
            moved: 0,
            flying: 0,
            in_flight: Vec::new(),
            version: None,
            source_commit: None,
            head: None,
            created: false,
            commits: Vec::new(),
            warnings: Vec::new(),
            proven: Vec::new(),
            report: None,
            span: None,
            samples: std::collections::VecDeque::new(),
        }
    }
}

impl Progress {
    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        self.span = Some((self.span.map_or(event.at, |(first, _)| first), event.at));
        match &event.what {
            What::Planned { source_commit, files, bytes, destination_head, .. } => {
                self.source_commit.clone_from(source_commit);
                if self.commits.is_empty() {
                    self.head = Some(destination_head.clone());
                }
                (self.files, self.bytes) = (*files, *bytes);
                // what was done of an earlier plan may not even be in this one
                (self.files_done, self.bytes_done) = (0, 0);
                self.lands();
                self.samples.clear();
                self.state = State::Running;
            }
            What::Progress { moved, files_done, bytes_done, flying, in_flight, .. } => {
                (self.moved, self.files_done, self.bytes_done, self.flying) = (*moved, *files_done, *bytes_done, *flying);
                self.in_flight.clone_from(in_flight);
                self.sample(event.at);
            }
            What::Warning { message } => self.warnings.push(message.clone()),
            What::Committing { .. } => self.state = State::Committing,
            What::Committed { commit } => {
                self.commits.push(commit.clone());
                self.state = State::Running;
            }
            What::Verifying {} | What::HandedOver { .. } => self.lands(),
            What::Proven(proven) => self.proven.extend_from_slice(&proven.files),
            What::Report(report) => {
                self.state = report.state;
                self.lands();
                self.moved = report.bytes.moved;
                self.report = Some(report.clone());
            }
            What::Started { version, .. } => self.version = Some(version.clone()),
            What::Created { .. } => self.created = true,
            What::Blobs { .. } => {}
        }
    }

    /// Nothing moves any more.
    fn lands(&mut self) {
        self.flying = 0;
        self.in_flight.clear();
    }

    fn sample(&mut self, at: u64) {
        self.samples.push_back((at, self.position()));
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(first, _)| at.saturating_sub(*first) > WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Bytes that are done, those of files in flight included.
    pub fn position(&self) -> u64 {
        let named = self.in_flight.iter().map(|flight| flight.done).sum::<u64>();
        self.bytes_done.saturating_add(self.flying.max(named)).min(self.bytes)
    }

    /// Bytes a second, over the last ten seconds.
    pub fn rate(&self) -> Option<f64> {
        let ((first, from), (last, to)) = (self.samples.front()?, self.samples.back()?);
        let seconds = last.saturating_sub(*first) as f64 / 1000.0;
        (seconds > 0.0).then(|| to.saturating_sub(*from) as f64 / seconds)
    }

    /// Seconds until all bytes are done at this rate.
    pub fn seconds_left(&self) -> Option<f64> {
        let rate = self.rate().filter(|rate| *rate > 0.0)?;
        Some(self.bytes.saturating_sub(self.position()) as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, what: What) -> Event {
        Event { seq: 0, at: seconds * 1000, what }
    }

    #[test]
    fn rate_and_time_left_come_from_the_last_seconds() {
        let mut progress = Progress::default();
        progress.apply(&at(
            0,
            What::Planned { source_commit: None, files: 1, bytes: 1000, to_copy: 1, bytes_to_copy: 1000, destination_head: None },
        ));
        for second in 1..=20u64 {
            let done = if second <= 10 { 0 } else { (second - 10) * 50 };
            progress.apply(&at(
                second,
                What::Progress { moved: done, files_done: 0, bytes_done: done, streams: 1, allowed: 8, flying: 0, in_flight: Vec::new() },
            ));
        }
        assert_eq!(progress.rate(), Some(50.0));
        assert_eq!(progress.seconds_left(), Some(10.0));
    }

    #[test]
    fn bytes_of_files_in_flight_count_whether_or_not_they_are_named() {
        let planned = What::Planned { source_commit: None, files: 9, bytes: 1000, to_copy: 9, bytes_to_copy: 1000, destination_head: None };
        let named: InFlight = serde_json::from_str(r#"{"path":"a","size":100,"done":50}"#).unwrap();
        let told = |flying| What::Progress {
            moved: 0,
            files_done: 1,
            bytes_done: 100,
            streams: 8,
            allowed: 8,
            flying,
            in_flight: vec![named.clone()],
        };
        let mut progress = Progress::default();
        for (what, position) in [(planned, 0), (told(400), 500), (told(0), 150), (told(5000), 1000), (What::Verifying {}, 100)] {
            progress.apply(&at(1, what));
            assert_eq!(progress.position(), position);
        }
    }
}
