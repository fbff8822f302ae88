//! A client of the MCP server, by hand: one JSON object a line, in either era of the protocol.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::secrets;
use crate::world::{Outcome, World};

/// No answer of a test takes longer. Nothing is asserted about time; this only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(200);

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Every request says version and capabilities; there is no handshake.
    Stateless,
    /// `initialize` first.
    Handshake,
}

/// One server and what was said with it. When it is dropped, nothing it ever said held a secret.
pub struct Client<'a> {
    world: &'a World,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Option<std::thread::JoinHandle<String>>,
    said: String,
    era: Era,
    next: u64,
    /// What the client says it can do, in every request or in its hello.
    capabilities: Value,
    /// Notifications and what the server asks, in their order.
    pub notes: Vec<Value>,
    /// What a person says to the next forms.
    pub replies: VecDeque<Value>,
}

impl<'a> Client<'a> {
    /// Starts a server and says hello; gives the answer too.
    pub fn greet(world: &'a World, era: Era) -> (Self, Value) {
        Self::greet_able(world, era, json!({}))
    }

    fn greet_able(world: &'a World, era: Era, capabilities: Value) -> (Self, Value) {
        let mut child = world.command(&["mcp"]).stdin(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut pipe = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        let stdin = child.stdin.take();
        let (said, notes, stderr) = (String::new(), Vec::new(), Some(stderr));
        let mut client = Self { world, child, stdin, lines, stderr, said, era, next: 0, capabilities, notes, replies: VecDeque::new() };
        let hello = match era {
            Era::Stateless => client.request("server/discover", json!({})),
            Era::Handshake => {
                let itself = json!({ "name": "test", "version": "1" });
                let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": client.capabilities, "clientInfo": itself });
                let hello = client.request("initialize", hello);
                client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
                hello
            }
        };
        (client, hello)
    }

    pub fn start(world: &'a World, era: Era) -> Self {
        Self::greet(world, era).0
    }

    /// A client that can do more than the least.
    pub fn able(world: &'a World, era: Era, capabilities: Value) -> Self {
        Self::greet_able(world, era, capabilities).0
    }

    /// Sends a line as it is.
    pub fn send(&mut self, message: &Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Asks, and waits for the answer: the whole message.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.ask_all(method, &[params]).remove(0)
    }

    /// Asks all of it before it waits; gives the answers in the order of the questions.
    pub fn ask_all(&mut self, method: &str, questions: &[Value]) -> Vec<Value> {
        let first = self.next + 1;
        for params in questions {
            let mut params = params.clone();
            self.next += 1;
            if self.era == Era::Stateless {
                params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
                params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
            }
            self.send(&json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params }));
        }
        let mut answers = vec![Value::Null; questions.len()];
        while answers.contains(&Value::Null) {
            let message = self.hear();
            if message["method"] == "elicitation/create" {
                let reply = self.replies.pop_front().expect("nobody is there to be asked");
                self.send(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": reply }));
                self.notes.push(message);
                continue;
            }
            let place = message["id"].as_u64().and_then(|id| answers.get_mut(usize::try_from(id.checked_sub(first)?).ok()?));
            match place {
                Some(place) => *place = message,
                None => self.notes.push(message),
            }
        }
        answers
    }

    fn hear(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("an answer");
        self.said.push_str(&line);
        self.said.push('\n');
        serde_json::from_str(&line).expect("standard output is for the protocol")
    }

    /// The result of a request that has one.
    #[track_caller]
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// Calls a tool: the result, whether or not it is an error.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// What a tool gives. It is short, says what happened and what is next, and stands in the text as well.
    #[track_caller]
    pub fn tool(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "{result}");
        let given = result["structuredContent"].clone();
        assert!(given.to_string().chars().count() < 4_000, "{given}");
        for key in ["summary", "next_step"] {
            assert!(given[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {given}");
        }
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, given);
        given
    }

    /// What a tool refuses with: one block of text, which is JSON, and nothing structured.
    #[track_caller]
    pub fn refusal(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        assert!(result.get("structuredContent").is_none(), "{result}");
        assert_eq!(result["content"].as_array().unwrap().len(), 1);
        let error: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(error.as_object().unwrap().keys().collect::<Vec<_>>(), ["hint", "kind", "message"]);
        assert!(error["hint"].is_string(), "{error}");
        error
    }

    /// Calls `status` until the migration is over.
    #[track_caller]
    pub fn until_over(&mut self, id: &str) -> Value {
        for _ in 0..20 {
            let status = self.tool("status", json!({ "migration_id": id, "wait_seconds": 20 }));
            if !["running", "committing"].contains(&status["migration"]["state"].as_str().unwrap()) {
                return status;
            }
        }
        panic!("{id} does not end");
    }

    /// Everything the server said so far.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Ends the server without a word, as if the machine had no more memory.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
    }

    /// Closes standard input, as a client that leaves; gives the exit code.
    pub fn leave(mut self) -> i32 {
        drop(self.stdin.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // it may be gone already
        let _gone = self.child.kill();
        let _status = self.child.wait();
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if !std::thread::panicking() {
            self.said.extend(self.lines.try_iter());
            let outcome = Outcome { code: 0, stdout: std::mem::take(&mut self.said), stderr };
            secrets::assert_unseen(&self.world.marks, &outcome);
        } else {
            eprintln!("{}\n{stderr}", self.said);
        }
    }
}
