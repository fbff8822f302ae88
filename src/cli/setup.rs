//! `setup`: the plugin's command as a command of the user's own, so that it has a short name.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{json_out, out};
use crate::error::{Error, ErrorKind, Result};
use crate::repo::Sha256;

/// The command of the plugin. It names the tools as the plugin has them and as a server called `hf2ms` has them.
const COMMAND: &str = include_str!("../../commands/migrate.md");
/// Opens the front matter; the marker is the line after it, where it is a comment that no model reads.
const OPENING: &str = "---\n";
/// Begins the marker. After it stands the digest of all other lines.
const MARKER: &str = "# written by `hf2ms setup claude`, which replaces and removes it while it is unchanged; sha256 ";
/// A command is a page of text. Nothing larger is ours.
const LARGEST: u64 = 1 << 20;

/// For which client.
#[derive(Debug, Subcommand)]
pub enum Client {
    /// Give Claude Code the command `/migrate`; with the plugin alone it is `/hf2ms:migrate`
    Claude(ClaudeOptions),
}

/// `setup claude`
#[derive(Debug, Args)]
pub struct ClaudeOptions {
    /// For the project in the working directory: .claude/commands/migrate.md. This is what happens without a flag
    #[arg(long, conflicts_with = "user")]
    project: bool,
    /// For all projects of this user: ~/.claude/commands/migrate.md, or below CLAUDE_CONFIG_DIR
    #[arg(long)]
    user: bool,
    /// Remove the command again
    #[arg(long)]
    remove: bool,
    /// One JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// What was done, or found to be done already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Done {
    Installed,
    Updated,
    Unchanged,
    Removed,
    Absent,
}

#[derive(Serialize)]
struct Answer {
    state: Done,
    scope: &'static str,
    path: String,
}

/// Whose file it is.
enum Owner {
    Nobody,
    /// Written by this program, of whatever version, and unchanged since.
    Ours(String),
    /// Written by this program and changed since.
    Edited,
    Foreign,
}

pub(super) fn run(client: &Client) -> Result<u8> {
    let Client::Claude(options) = client;
    let path = place(options.user)?.join("commands").join("migrate.md");
    let state = if options.remove { remove(&path) } else { install(&path) };
    let state = state.map_err(|error| error.with("path", path.display()))?;
    let scope = if options.user { "user" } else { "project" };
    if options.json {
        json_out(&Answer { state, scope, path: path.display().to_string() })?;
    } else {
        out(&format!("{}: {}", path.display(), sentence(state, options.user)));
    }
    Ok(0)
}

/// The folder that Claude Code reads: the project's, or the user's. Fails with `Usage` where there is no such place.
fn place(user: bool) -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
    if !user {
        let directory = std::env::current_dir();
        let directory = directory.map_err(|error| Error::new(ErrorKind::Local, "cannot tell the working directory").because(error))?;
        return Ok(directory.join(".claude"));
    }
    set("CLAUDE_CONFIG_DIR")
        .or_else(|| set("HOME").map(|home| home.join(".claude")))
        .ok_or_else(|| Error::usage("neither CLAUDE_CONFIG_DIR nor HOME is set", "set one of them, or use --project in a project's folder"))
}

fn sentence(state: Done, user: bool) -> String {
    let whose = if user { "all your projects" } else { "this project" };
    match state {
        Done::Installed => format!(
            "installed; sessions of Claude Code that start from now on know /migrate in {whose}. It uses the tools of the hf2ms plugin, or of an \
             MCP server that is configured as `hf2ms`"
        ),
        Done::Updated => "replaced by the text of this version".to_owned(),
        Done::Unchanged => format!("there already, as this version writes it; /migrate works in {whose}"),
        Done::Removed => "removed; /hf2ms:migrate stays as long as the plugin is installed".to_owned(),
        Done::Absent => "not there, so nothing was removed".to_owned(),
    }
}

fn install(path: &Path) -> Result<Done> {
    let text = marked(COMMAND);
    match owner(path)? {
        Owner::Nobody => write(path, &text, false).map(|()| Done::Installed),
        Owner::Ours(there) if there == text => Ok(Done::Unchanged),
        Owner::Ours(_) => write(path, &text, true).map(|()| Done::Updated),
        Owner::Edited => Err(edited("it is not replaced")),
        Owner::Foreign => Err(foreign("it is not replaced")),
    }
}

fn remove(path: &Path) -> Result<Done> {
    match owner(path)? {
        Owner::Nobody => Ok(Done::Absent),
        Owner::Ours(_) => {
            fs::remove_file(path).map_err(|error| Error::new(ErrorKind::Local, "cannot remove the command").because(error))?;
            Ok(Done::Removed)
        }
        Owner::Edited => Err(edited("it is not removed")),
        Owner::Foreign => Err(foreign("it is not removed")),
    }
}

fn edited(kept: &str) -> Error {
    Error::new(ErrorKind::NeedsConfirmation, format!("the command was changed after it was installed, and {kept}"))
        .hint_to("rename or delete the file yourself, then run this again; with the plugin /hf2ms:migrate works in any case")
}

fn foreign(kept: &str) -> Error {
    Error::new(ErrorKind::NeedsConfirmation, format!("something else has this place, and {kept}"))
        .hint_to("rename or delete it yourself, then run this again; with the plugin /hf2ms:migrate works in any case")
}

/// The text with the marker in it.
fn marked(text: &str) -> String {
    let rest = text.strip_prefix(OPENING).unwrap_or(text);
    format!("{OPENING}{MARKER}{}\n{rest}", Sha256::of(format!("{OPENING}{rest}").as_bytes()))
}

/// Whose the file is. A link or a folder is never ours, and neither is what cannot be read as text.
fn owner(path: &Path) -> Result<Owner> {
    let unreadable = |error: io::Error| {
        let refusal = Error::new(ErrorKind::Local, "cannot look at the command that may be there").because(error);
        refusal
            .hint_to("see that what stands in its path are folders that you may read, or choose the other place with --project or --user")
    };
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Owner::Nobody),
        Err(error) => return Err(unreadable(error)),
    };
    if !found.is_file() || found.len() > LARGEST {
        return Ok(Owner::Foreign);
    }
    let Ok(text) = String::from_utf8(fs::read(path).map_err(unreadable)?) else { return Ok(Owner::Foreign) };
    let marker = text.strip_prefix(OPENING).and_then(|rest| rest.strip_prefix(MARKER)).and_then(|rest| rest.split_once('\n'));
    Ok(match marker {
        Some((digest, rest)) if digest == Sha256::of(format!("{OPENING}{rest}").as_bytes()).to_string() => Owner::Ours(text),
        Some(_) => Owner::Edited,
        None => Owner::Foreign,
    })
}

/// Writes all or nothing. What comes to lie there in between is not replaced unless that was decided.
fn write(path: &Path, text: &str, replace: bool) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let draft = folder.join(format!(".migrate.md.{}.draft", std::process::id()));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new().create_new(true).write(true).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if replace {
            return fs::rename(&draft, path);
        }
        // a link is not made over another file; not every file system has links
        match fs::hard_link(&draft, path) {
            Ok(()) => fs::remove_file(&draft),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            Err(_) => fs::rename(&draft, path),
        }
    };
    write().map_err(|error| {
        // what went wrong is told; whether a draft is left changes nothing
        let _absent = fs::remove_file(&draft);
        if error.kind() == io::ErrorKind::AlreadyExists {
            return foreign("it is not replaced");
        }
        let refusal = Error::new(ErrorKind::Local, "cannot write the command").because(error);
        refusal.hint_to("make the folder writable, or choose the other place with --project or --user")
    })
}
