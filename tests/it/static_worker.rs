//! The program that runs in sandboxes: static, as it is released.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What it is built for.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// A build that takes longer hangs: from nothing, on two slow cores, it takes minutes.
const PATIENCE: Duration = Duration::from_secs(40 * 60);

/// The program: what `HF2MS_TEST_WORKER` names, or built by the command of the README, once for all tests. Panics with the two commands that
/// a machine may lack.
pub fn path() -> &'static str {
    static BUILT: OnceLock<Result<String, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match std::env::var("HF2MS_TEST_WORKER") {
        Ok(named) if !named.trim().is_empty() => Ok(named),
        _ => build(),
    });
    // each test that needs it says what is missing
    built.as_deref().unwrap_or_else(|why| panic!("{why}"))
}

fn build() -> Result<String, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = scratch.parent().unwrap_or(scratch);
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--bin", "hf2ms", "--target", TARGET, "--target-dir"]).arg(target);
    // what coverage or a sanitizer adds to the tests is none of its business
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let log = std::env::temp_dir().join(format!("hf2ms-static-worker-{}.log", std::process::id()));
    let said = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    eprintln!("building the static program; {} says how far it is", log.display());
    let mut build =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().map_err(|error| format!("no cargo: {error}"))?;
    let began = Instant::now();
    let status = loop {
        match build.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if began.elapsed() > PATIENCE => {
                let _gone = (build.kill(), build.wait());
                return Err(failed("it did not end", &log));
            }
            None => std::thread::sleep(Duration::from_millis(200)),
        }
    };
    let built: PathBuf = target.join(TARGET).join("release/hf2ms");
    match status.success() && built.is_file() {
        true => {
            let _gone = std::fs::remove_file(&log);
            Ok(built.display().to_string())
        }
        false => Err(failed(&status.to_string(), &log)),
    }
}

fn failed(how: &str, log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last: Vec<_> = text.lines().rev().take(20).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    format!(
        "the static program for sandboxes was not built ({how}). It needs, once:\n    rustup target add {TARGET}\n    apt-get install musl-tools\n\
         (or set HF2MS_TEST_WORKER to one that is built). Cargo said last:\n{}",
        last.join("\n")
    )
}

#[test]
fn it_needs_nothing_beside_it() {
    let bytes = std::fs::read(path()).unwrap();
    assert!(bytes.starts_with(b"\x7fELF"), "no Linux program");
    let number = |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let kinds: Vec<_> = (0..count).map(|entry| number(table + entry * size, 4)).collect();
    assert!(kinds.contains(&1) && !kinds.contains(&3), "PT_INTERP names a loader: {kinds:?}");
}
