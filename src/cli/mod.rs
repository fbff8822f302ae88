//! The terminal's face: arguments in, one verb a file, results on standard output, everything else on standard error.

mod args;
mod bars;
mod batch;
mod deleting;
mod inventory;
mod many;
mod migrate;
mod proof;
mod render;
mod run_job;
mod setup;
mod smoke;
mod status;
mod together;
mod validate;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

pub use args::{Arguments, Command, Selecting};

use crate::config::Config;
use crate::error::{Error, ErrorReport, Result};
use crate::repo::is_obeyed;
use crate::secret::holds_token;

/// Runs the command line and gives the exit code: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 not proven, 130 cancelled.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    if let Some(error) = pasted_token(&arguments) {
        return fail(&error, json);
    }
    let parsed = match Arguments::try_parse_from(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => return clap_says(&error, json),
    };
    match std::env::var("HF2MS_LOG").as_deref() {
        Ok("debug") => crate::migration::log_requests(),
        Err(_) | Ok("") => {}
        Ok(_) => say("warning: HF2MS_LOG is ignored; it knows `debug` alone, which writes down every request"),
    }
    match dispatch(parsed.command) {
        Ok(code) => code,
        Err(error) => fail(&error, json),
    }
}

fn dispatch(command: Command) -> Result<u8> {
    match command {
        Command::RunJob { own_session, job, asked } => run_job::run(own_session, job.as_deref(), &asked),
        // it needs neither tokens nor settings, and warns of none
        Command::Setup { client } => setup::run(&client),
        Command::Mcp { http } => crate::mcp::run(http.as_deref()).map(|()| 0),
        other => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build();
            let runtime = runtime.map_err(|error| Error::new(crate::error::ErrorKind::Local, "no runtime").because(error))?;
            let config = Config { say, ..Config::read()? };
            for warning in &config.warnings {
                say(&format!("warning: {warning}"));
            }
            runtime.block_on(async {
                match other {
                    Command::Migrate(options) => migrate::run(&config, &options).await,
                    Command::Plan(options) => migrate::plan(&config, &options).await,
                    Command::Status { id, follow, json } => status::run(&config, id.as_deref(), follow, json).await,
                    Command::Cancel { id, json } => status::cancel(&config, &id, json).await,
                    Command::Inventory(options) => inventory::run(&config, &options).await,
                    Command::Verify(options) => verify::run(&config, &options).await,
                    // whether errors are JSON is decided before the arguments are read
                    Command::Proof { id, output, force, json: _ } => proof::run(&config, &id, output.as_deref(), force).await,
                    Command::Validate { dest, json } => validate::run(&config, dest.as_deref(), json).await,
                    Command::Smoke { timeout, json } => smoke::run(&config, timeout, json).await,
                    Command::RunJob { .. } | Command::Setup { .. } | Command::Mcp { .. } => Ok(2),
                }
            })
        }
    }
}

/// A token on the command line is in the shell's history and in every process list. It is refused without being repeated.
fn pasted_token(arguments: &[OsString]) -> Option<Error> {
    arguments.iter().any(|argument| holds_token(&argument.to_string_lossy())).then(|| {
        Error::usage(
            "an argument looks like an access token",
            "tokens come from the environment or a .env file, never from arguments; since this one is in your shell's history now, replace it",
        )
    })
}

fn clap_says(error: &clap::Error, json: bool) -> u8 {
    let help = !error.use_stderr();
    if json && !help {
        let text = error.render().to_string();
        // what is meant may stand in the lines below the first, up to an empty one
        let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        let message = lines.join(" ").trim_start_matches("error: ").to_owned();
        return fail(&Error::usage(message, "see `hf2ms --help`"), true);
    }
    // a closed terminal has nobody to tell
    let _gone = error.print();
    if help { 0 } else { 2 }
}

/// Shows an error: as JSON on standard output, or as a line with its hint on standard error.
fn fail(error: &Error, json: bool) -> u8 {
    if json {
        out(&unobeyed(&serde_json::json!({ "error": ErrorReport::from(error) }).to_string()));
    } else {
        say(&format!("error: {error}"));
        if let Some(hint) = error.hint() {
            say(&format!("hint: {hint}"));
        }
    }
    error.kind().exit_code()
}

/// A result, on standard output.
fn out(text: &str) {
    // a reader that is gone needs no result
    let _gone = writeln!(std::io::stdout(), "{text}");
}

/// Anything else, on standard error.
fn say(text: &str) {
    let _gone = writeln!(std::io::stderr(), "{text}");
}

fn json_out(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|error| Error::new(crate::error::ErrorKind::Local, "no JSON").because(error))?;
    out(&unobeyed(&text));
    Ok(())
}

/// The same JSON without characters that a terminal would obey. Such characters stand inside of strings only, where an escape means the
/// same; the ends of lines do not, between which JSON may be laid out.
fn unobeyed(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match is_obeyed(character) && character != '\n' {
            true => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => text.push(character),
        }
    }
    text
}
