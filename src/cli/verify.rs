//! `verify`.

use super::args::{Sources, VerifyOptions};
use super::migrate::show_report;
use super::{batch, say};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::migration::{self, ProofDocument};

pub(super) async fn run(config: &Config, options: &VerifyOptions) -> Result<u8> {
    let sources = options.selecting.wanted()?;
    let proof = match &sources {
        Sources::One(wanted) if is_file(&wanted.source) => Some(document(&wanted.source)?),
        Sources::Several(_, picks) if picks.sources.iter().any(|pick| is_file(&pick.source)) => {
            return Err(Error::usage(
                "a proof's file stands among several sources",
                "compare with a proof by itself: `hf2ms verify proof.json`",
            ));
        }
        Sources::One(_) | Sources::Several(..) => None,
    };
    if options.deep && !options.json {
        say("reading the destination back whole; every byte passes through this machine");
    }
    let wanted = match sources {
        Sources::One(wanted) => wanted,
        Sources::Several(_, picks) if picks.sources.iter().any(|pick| is_id(&pick.source)) => {
            return Err(Error::usage("a migration's id stands among several sources", "compare a migration by itself: `hf2ms verify ID`"));
        }
        Sources::Several(wanted, sources) => return batch::verify(config, options, &wanted, &sources).await,
    };
    let is_id = proof.is_none() && is_id(&wanted.source);
    if (is_id || proof.is_some()) && !options.selecting.names_only_a_source() {
        let what = if is_id { "a migration's id" } else { "a proof" };
        return Err(Error::usage(format!("{what} says already what is compared"), "leave the other flags out, or name the source instead"));
    }
    let report = match proof {
        Some(proof) => migration::verify_proof(config, proof, options.deep).await?,
        None if is_id => migration::verify_migration(config, &wanted.source, options.deep).await?,
        None => migration::verify(config, &wanted, options.deep).await?,
    };
    show_report(&report, options.json)
}

/// Whether it is a migration's id, such as `m1234567890-abcdef`, and no repository.
fn is_id(source: &str) -> bool {
    let Some((time, random)) = source.strip_prefix('m').and_then(|rest| rest.split_once('-')) else { return false };
    let is_random = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    time.len() == 10 && time.bytes().all(|byte| byte.is_ascii_digit()) && random.len() == 6 && random.bytes().all(is_random)
}

/// Whether it is a file of this machine and no repository: a proof, which without this would be looked for on a hub.
fn is_file(source: &str) -> bool {
    let named = ["/", "./", "../", "~/"].iter().any(|start| source.starts_with(start));
    named || !source.contains(':') && [".json", ".jsonl"].iter().any(|end| source.to_lowercase().ends_with(end))
}

/// No proof is longer: it has a few hundred bytes for each file.
const LONGEST: u64 = 1 << 30;

/// The document in a file. Fails with `Usage` when there is no such file, and when it is no proof.
fn document(path: &str) -> Result<ProofDocument> {
    let at = |error: Error| error.with("file", format!("`{path}`"));
    let hint = "name the file that `hf2ms proof ID -o FILE` wrote; a repository that is called like a file is named with `hf:` or `ms:`";
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => at(Error::usage("there is no such file", hint)),
        _ => at(Error::new(ErrorKind::Local, "cannot read the proof").because(error)),
    })?;
    if !found.is_file() || found.len() > LONGEST {
        return Err(at(Error::usage("that is no proof's file", hint)));
    }
    let text = std::fs::read(path).map_err(|error| at(Error::new(ErrorKind::Local, "cannot read the proof").because(error)))?;
    ProofDocument::read(&String::from_utf8_lossy(&text)).map_err(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    #[test]
    fn an_id_is_told_from_a_name() {
        assert!(is_id(&Journal::new_id()) && is_id("m1234567890-abcdef"));
        for name in ["mistral", "m", "m1234567890", "m123456789-abcdef", "m1234567890-abcde", "m1234567890-abcdeg", "M1234567890-abcdef"] {
            assert!(!is_id(name), "{name}");
        }
        assert!(!is_id("hf:m1234567890-abcdef") && !is_id("alice/m1234567890-abcdef"));
    }
}
