//! Proven files, many a line: a repository has thousands, and what keeps a sandbox's output keeps only so many lines.

use serde::{Deserialize, Serialize};

use super::{Filling, ProvenFile};

/// Files that are proven. Written as a list; one file by itself, as earlier versions wrote it, is read too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Forms")]
pub struct ProvenFiles {
    /// The files, in the order in which they were proven.
    pub files: Vec<ProvenFile>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Forms {
    Many { files: Vec<ProvenFile> },
    One(ProvenFile),
}

impl From<Forms> for ProvenFiles {
    fn from(form: Forms) -> Self {
        match form {
            Forms::Many { files } => Self { files },
            Forms::One(file) => Self { files: vec![file] },
        }
    }
}

impl ProvenFiles {
    /// All of them, in their order, as many a line as go into [`super::LINE_LIMIT`]; a file whose path alone is longer has a line to itself.
    pub fn lines_of(files: &[ProvenFile]) -> Vec<Self> {
        let mut filling = Filling::default();
        let mut lines: Vec<_> = files.iter().filter_map(|file| filling.add(file.clone())).collect();
        lines.extend(filling.take());
        lines.into_iter().map(|files| Self { files }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Event, How, What};
    use super::*;
    use crate::repo::{Digests, RepoPath};

    fn file(number: usize) -> ProvenFile {
        let path = RepoPath::new(format!("part-{number:05}.bin")).unwrap();
        ProvenFile { path, size: number as u64, digests: Digests::of(&number.to_le_bytes()), how: How::Streamed }
    }

    #[test]
    fn one_file_by_itself_is_read_as_it_was_written_before() {
        let one = file(7);
        let mut old = serde_json::to_value(&one).unwrap();
        old["event"] = "proven".into();
        old["seq"] = 3.into();
        old["at"] = 4.into();
        let event: Event = serde_json::from_value(old).unwrap();
        let What::Proven(read) = event.what else { panic!("{:?}", event.what) };
        assert_eq!((event.seq, read), (3, ProvenFiles { files: vec![one] }));
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let files: Vec<_> = (0..40).map(file).collect();
        let mut read = Vec::new();
        for line in ProvenFiles::lines_of(&files) {
            let text = serde_json::to_string(&Event { seq: 1, at: 2, what: What::Proven(line) }).unwrap();
            let What::Proven(line) = serde_json::from_str::<Event>(&text).unwrap().what else { panic!("{text}") };
            read.extend(line.files);
        }
        assert_eq!(read, files);
    }

    #[test]
    fn what_is_neither_is_no_event() {
        for broken in [r#""files":7"#, r#""path":"a""#, ""] {
            let text = format!(r#"{{"seq":1,"at":2,"event":"proven"{}{broken}}}"#, if broken.is_empty() { "" } else { "," });
            assert!(serde_json::from_str::<Event>(&text).is_err(), "{text}");
        }
    }
}
