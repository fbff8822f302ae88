//! `proof`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{out, say, unobeyed};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::migration;

pub(super) async fn run(config: &Config, id: &str, output: Option<&Path>, force: bool) -> Result<u8> {
    let output = output.filter(|path| *path != Path::new("-"));
    if force && output.is_none() {
        return Err(Error::usage("--force without a file", "name it with -o FILE"));
    }
    let proof = migration::proof(config, id).await?;
    let text = serde_json::to_string_pretty(&proof).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
    let text = unobeyed(&text);
    match output {
        None => out(&text),
        Some(path) => {
            save(path, &text, force)?;
            say(&format!("{}: {} files, {} bytes, proven {}", path.display(), proof.totals.files, proof.totals.bytes, proof.verified_at));
        }
    }
    Ok(0)
}

/// Writes the whole file or nothing, for its owner only. What lies there is replaced only when that is asked for.
fn save(path: &Path, text: &str, force: bool) -> Result<()> {
    let at = |error: std::io::Error| {
        let refusal = Error::new(ErrorKind::Local, "cannot write the proof").with("path", path.display()).because(error);
        refusal.hint_to("name a file in a folder that is there and that you may write to")
    };
    let taken = || {
        Error::new(ErrorKind::NeedsConfirmation, "the file is there already")
            .with("path", path.display())
            .hint_to("name another one, or pass --force to replace it")
    };
    if !force && fs::symlink_metadata(path).is_ok() {
        return Err(taken());
    }
    let Some(name) = path.file_name() else {
        return Err(Error::usage("-o names no file", "name one, like `-o proof.json`").with("path", path.display()));
    };
    let draft = path.with_file_name(format!(".{}.{}.draft", name.to_string_lossy(), std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        if force {
            return fs::rename(&draft, path);
        }
        // a link is not made over another file, however late that came; not every file system has links
        match fs::hard_link(&draft, path) {
            Ok(()) => fs::remove_file(&draft),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => fs::rename(&draft, path),
        }
    };
    write().map_err(|error| {
        let _absent = fs::remove_file(&draft);
        if error.kind() == std::io::ErrorKind::AlreadyExists { taken() } else { at(error) }
    })
}
