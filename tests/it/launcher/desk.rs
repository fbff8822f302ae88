//! A plugin's folder of its own, tools but no cargo on PATH, and a conversation with what the launcher becomes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Nothing is asserted about time; this only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(60);
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What the launcher may call, besides the shell's own words and one of curl and wget.
const TOOLS: &str = "awk cat chmod cp cut dirname grep head mkdir mv rm sed sha256sum sleep tail tr uname";

/// Which shell runs the launcher, with which tools.
#[derive(Clone, Copy, Debug)]
pub enum Shell {
    /// dash, with the usual tools and curl.
    Dash,
    /// busybox' shell, with busybox' tools alone.
    Busybox,
}

pub const SHELLS: [Shell; 2] = [Shell::Dash, Shell::Busybox];

/// Where a tool is on this machine.
#[track_caller]
fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("the tests need {name}"))
}

/// A plugin as a client has it, without any program.
pub struct Desk {
    pub shell: Shell,
    pub folder: PathBuf,
    pub variables: BTreeMap<String, String>,
}

impl Desk {
    pub fn new(shell: Shell) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("launcher-{}-{number}", std::process::id()));
        for name in ["home", "data", "tools", "plugin/scripts"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/hf2ms-mcp");
        fs::copy(shipped, folder.join("plugin/scripts/hf2ms-mcp")).unwrap();
        let tools = folder.join("tools");
        // the programs that tests put in place are scripts of `sh`
        match shell {
            Shell::Dash => {
                TOOLS.split(' ').chain(["curl", "env"]).for_each(|name| symlink(found(name), tools.join(name)).unwrap());
            }
            Shell::Busybox => {
                let busybox = found("busybox");
                TOOLS.split(' ').chain(["wget", "env", "sh"]).for_each(|name| symlink(&busybox, tools.join(name)).unwrap());
            }
        }
        let at = |name: &str| folder.join(name).display().to_string();
        let variables = [("HOME", at("home")), ("PATH", at("tools")), ("CLAUDE_PLUGIN_DATA", at("data"))];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { shell, folder, variables }
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, with the folders above it.
    pub fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a program.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.put(name, &format!("#!/bin/sh\n{text}"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Makes the plugin's folder a checkout that cargo could build.
    pub fn checkout(&self) {
        self.put("plugin/Cargo.toml", "");
        self.put("plugin/Cargo.lock", "");
    }

    /// Pins a release for this machine.
    pub fn pin(&self, sha256: &str, address: &str) {
        let target = target();
        self.put(
            "plugin/scripts/releases",
            &format!("# releases\n0.0.1 {target} 00 https://127.0.0.1:1/older\n{VERSION} {target} {sha256} {address}\n"),
        );
    }

    /// Starts the launcher.
    pub fn start(&self) -> Chat {
        let script = self.path("plugin/scripts/hf2ms-mcp");
        // who starts the tests in the background ignores some signals, and what a shell finds ignored it cannot take
        let mut command = Command::new(found("env"));
        command.arg("--default-signal=INT,HUP").arg(match self.shell {
            Shell::Dash => found("dash"),
            Shell::Busybox => found("busybox"),
        });
        if matches!(self.shell, Shell::Busybox) {
            command.arg("sh");
        }
        command.arg(script).env_clear().envs(&self.variables).current_dir(&self.folder);
        Chat::with(command)
    }

    /// What the launcher's own tool says when it is started now.
    #[track_caller]
    pub fn help(&self) -> String {
        self.start().help()
    }

    /// Starts the launcher until it is the program, which may take as long as the preparing does.
    #[track_caller]
    pub fn becomes(&self) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.start().ask(&call("setup_help"));
            if answer["result"]["program"].is_string() {
                return answer["result"].clone();
            }
            assert!(started.elapsed() < PATIENCE, "never the program: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Text with what differs from run to run replaced.
    pub fn scrub(&self, text: &str) -> String {
        text.replace(&self.folder.display().to_string(), "[DESK]").replace(VERSION, "[VERSION]").replace(target(), "[TARGET]")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

/// The target that releases for this machine are made for.
pub fn target() -> &'static str {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "x86_64-unknown-linux-musl",
        ("linux", "aarch64") => "aarch64-unknown-linux-musl",
        ("macos", "x86_64") => "x86_64-apple-darwin",
        ("macos", "aarch64") => "aarch64-apple-darwin",
        other => panic!("no release is made for {other:?}"),
    }
}

/// A program that says it is hf2ms of this version, and answers one message with who and how it is.
pub fn hf2ms(version: &str, place: &str) -> String {
    format!(
        r#"[ "$1" != --version ] || {{ echo 'hf2ms {version}'; exit 0; }}
read -r _message
printf '{{"jsonrpc":"2.0","id":1,"result":{{"program":"{place}","arguments":"%s","settings":"%s"}}}}\n' "$*" \
    "${{HF_TOKEN-none}} ${{MODELSCOPE_TOKEN-none}} ${{MODELSCOPE_DOMAIN-none}} ${{MODELSCOPE_ENDPOINT-none}} ${{MODAL_TOKEN_ID-none}} ${{MODAL_TOKEN_SECRET-none}} ${{HF2MS_PLUGIN_HF_TOKEN-none}}"
"#
    )
}

/// A request in the revision that has no handshake.
pub fn modern(method: &str, params: Value) -> String {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "a client", "version": "1", "method": "nested", "id": 9 },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

pub fn call(tool: &str) -> String {
    modern("tools/call", json!({ "name": tool, "arguments": {} }))
}

/// A conversation with a server on standard input and output.
pub struct Chat {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Until its first answer.
    began: Option<Instant>,
}

impl Chat {
    /// With a server that this command starts.
    pub fn with(mut command: Command) -> Self {
        let began = Some(Instant::now());
        // a group of its own, as below a terminal, that a signal can be sent to
        let mut child = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { stdin: child.stdin.take(), child, lines, began }
    }

    /// Sends a line as it is.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Sends a line and gives the answer.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> Value {
        self.tell(line);
        let answer = self.lines.recv_timeout(PATIENCE).expect("an answer");
        // clients wait some seconds for a server: `-- launcher --nocapture` shows how long each case takes
        if let Some(began) = self.began.take() {
            eprintln!(
                "{}: first answer {:.2} s after the start",
                std::thread::current().name().unwrap_or_default(),
                began.elapsed().as_secs_f64()
            );
        }
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// What the launcher's own tool says.
    #[track_caller]
    pub fn help(&mut self) -> String {
        let answer = self.ask(&call("setup_help"));
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Asks the tool until it says this.
    #[track_caller]
    pub fn help_until(&mut self, words: &str) -> String {
        let started = Instant::now();
        loop {
            let text = self.help();
            if text.contains(words) {
                return text;
            }
            assert!(started.elapsed() < PATIENCE, "never `{words}`: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal to the launcher and whatever it started, as a terminal does that is closed, and waits for the launcher's end.
    pub fn signalled(mut self, signal: &str) {
        let group = format!("-{}", self.child.id());
        assert!(Command::new("kill").args(["-s", signal, "--", &group]).status().unwrap().success());
        assert!(!self.child.wait().unwrap().success(), "it ended by the signal");
    }

    /// Closes the input; the exit code, and what was still said.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        self.stdin = None;
        let rest = std::iter::from_fn(|| self.lines.recv_timeout(PATIENCE).ok()).collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.stdin = None;
        // it ends with its input; what does not is ended
        let _over = self.child.kill();
        let _over = self.child.wait();
    }
}

/// A server on loopback that gives the same body to everybody, and keeps what was asked.
pub struct Page {
    pub address: String,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Page {
    pub fn serve(status: &'static str, body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hf2ms", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                // who has gone needs no answer
                let _gone = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _gone = stream.write_all(&body);
            }
        });
        Self { address, asked }
    }
}
