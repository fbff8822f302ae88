//! The flags of many repositories at once: lists, whole namespaces, new names.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, ErrorKind, Result};
use crate::migration::{Pick, Picks, list, rename};

/// No list is longer.
const LONGEST: u64 = 16 << 20;

/// Which repositories, where they are many.
#[derive(Clone, Debug, Default, Args)]
pub struct Many {
    /// Read sources from this file, or from standard input with `-`: one a line, `source -> destination` where it has its own
    #[arg(long, value_name = "LIST")]
    from_file: Option<PathBuf>,
    /// Every model and dataset of a user or organisation, like `hf:acme`; with --repo-type those of one kind. May be given several times
    #[arg(long, value_name = "NAMESPACE")]
    all_of: Vec<String>,
    /// Of --all-of, only repositories with such a name; may be given several times
    #[arg(long, value_name = "GLOB", requires = "all_of")]
    name: Vec<String>,
    /// Of --all-of, no repositories with such a name; may be given several times
    #[arg(long, value_name = "GLOB", requires = "all_of")]
    skip_name: Vec<String>,
    /// Give a repository another name at the destination; may be given several times
    #[arg(long, value_name = "OLD=NEW", value_parser = rename)]
    rename: Vec<(String, String)>,
}

impl Many {
    /// Whether nothing of it is given.
    pub(super) fn is_empty(&self) -> bool {
        !self.makes_a_batch()
    }

    /// Whether even one source is a batch with these flags.
    pub(super) fn makes_a_batch(&self) -> bool {
        self.from_file.is_some() || !self.all_of.is_empty() || !self.rename.is_empty()
    }

    /// These sources, and what the flags name.
    pub(super) fn picks(&self, sources: Vec<String>) -> Result<Picks> {
        let mut sources: Vec<Pick> = sources.into_iter().map(Pick::from).collect();
        if let Some(path) = &self.from_file {
            let named = |error: Error| error.with("list", path.display());
            sources.extend(read(path).and_then(|text| list(&text)).map_err(named)?);
        }
        for (index, (old, _)) in self.rename.iter().enumerate() {
            if self.rename[..index].iter().any(|(other, _)| other == old) {
                return Err(Error::usage("a repository has two new names", "give one --rename for it").with("name", format!("`{old}`")));
            }
        }
        Ok(Picks {
            sources,
            whole: self.all_of.iter().flat_map(|text| text.split(',')).map(|text| text.trim().to_owned()).collect(),
            names: self.name.clone(),
            not_names: self.skip_name.clone(),
            renames: self.rename.clone(),
        })
    }
}

fn read(path: &Path) -> Result<String> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::usage("there is no such list", "name a file with a source a line, or `-` for standard input")
        }
        std::io::ErrorKind::InvalidData => Error::usage("the list is no text", "write a source a line, in UTF-8"),
        _ => Error::new(ErrorKind::Local, "cannot read the list").because(error),
    };
    let mut text = String::new();
    let mut file: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(path).map_err(cannot)?),
    };
    let length = file.by_ref().take(LONGEST + 1).read_to_string(&mut text).map_err(cannot)?;
    if length as u64 > LONGEST {
        return Err(Error::usage("the list is too long", "cut it into several of at most 16 MiB"));
    }
    Ok(text)
}
