//! The Anthropic Messages API with a model that follows a script.
//!
//! Each [`Turn`] names what the client has to tell the model by then, and what the model says to that. A client that tells something else,
//! that keeps the result of a tool to itself, or asks for more than the script has, breaks a rule, and the violation shows all it asked. What is
//! no part of the conversation, such as finding a title or counting tokens, is answered without harm.

mod asked;
mod stream;
mod turn;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub use asked::{Asked, ToolResult};
pub use turn::{Answer, Turn};

use crate::marks::{Guard, Marks};
use crate::rig::Rig;
use crate::server::{Gone, Request, Response, Route, Server, Service};
use crate::strict::{RuleName, Strictness};

/// The only origin.
const API: &str = "messages";
/// The key that a client has to send. It opens nothing.
pub const KEY: &str = "sk-ant-api03-stand-in-key-that-opens-nothing-0000";
/// A conversation with a long skill and all tools has a few hundred KB.
const LARGEST: usize = 16 << 20;
/// How often the same answer is given again.
const PATIENCE: usize = 40;

/// The client told the model something else than the script expects.
pub const OFF_SCRIPT: RuleName = RuleName::for_all("off-script");
/// The client did not offer the tool that the model is about to call.
pub const NOT_OFFERED: RuleName = RuleName::for_all("tool-not-offered");
/// The model called a tool, and was not told what came of it.
pub const NO_RESULT: RuleName = RuleName::for_all("no-result-of-the-call");
/// The model is told a secret.
pub const TOLD_SECRET: RuleName = RuleName::for_all("secret-told");
/// A request without the key or the API's version.
pub const NO_KEY: RuleName = RuleName::for_all("no-key-or-version");
/// A request for something that is not here.
pub const STRAY: RuleName = RuleName::for_all("stray-request");

/// A running model. Dropping it ends all its connections.
#[derive(Debug)]
pub struct Model {
    server: Server,
    mind: Arc<Mind>,
}

#[derive(Debug)]
struct Mind {
    rig: Arc<Rig>,
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    turns: VecDeque<Turn>,
    /// How many answers were given.
    given: usize,
    /// How often the turn at hand was answered.
    repeated: usize,
    /// The call whose result has to come next.
    open_call: Option<String>,
    /// Requests of the conversation, in order.
    asked: Vec<Asked>,
}

impl Model {
    /// Starts a model with this to say.
    pub fn start(marks: &Marks, turns: impl IntoIterator<Item = Turn>) -> Self {
        marks.token("claude", KEY);
        let guard = Guard { marks: marks.clone(), hub: "claude", homes: &[API], headers: &[("x-api-key", "")], logins: &[] };
        let rig = Arc::new(Rig::new(&[API], guard));
        let script = Mutex::new(Script { turns: turns.into_iter().collect(), ..Script::default() });
        let mind = Arc::new(Mind { rig: Arc::clone(&rig), script });
        let server = Server::start(&rig, &[API], |_| Arc::clone(&mind));
        Self { server, mind }
    }

    /// The base URL, for `ANTHROPIC_BASE_URL`.
    pub fn endpoint(&self) -> String {
        self.server.addresses().url(API)
    }

    /// Broken rules.
    pub fn strict(&self) -> &Strictness {
        &self.mind.rig.strict
    }

    /// Everything the model was asked in the conversation, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.mind.script.lock().unwrap().asked.clone()
    }

    /// Panics unless the script was followed to its end and no rule was broken.
    #[track_caller]
    pub fn assert_done(&self) {
        self.strict().assert_clean();
        let left = self.mind.script.lock().unwrap().turns.len();
        assert_eq!(left, 0, "the conversation ended before the script: {:?}", self.mind.script.lock().unwrap().turns);
    }
}

impl Service for Mind {
    fn route(&self, _: &'static str, method: &str, path: &str) -> Route {
        Route::talk(match (method, path) {
            ("POST", "/v1/messages") => "messages",
            ("POST", "/v1/messages/count_tokens") => "count",
            // whether there is anybody
            ("HEAD", "/") => "knock",
            _ => "unknown",
        })
    }

    async fn answer(&self, request: &mut Request) -> Result<Response, Gone> {
        if request.route.name == "knock" {
            return Ok(Response::empty(200));
        }
        if request.route.name == "unknown" {
            self.rig.strict.broken(STRAY, format!("{} {}", request.method, request.path));
            return Ok(refused(404, "not_found_error", "there is nothing here"));
        }
        if request.header("x-api-key") != Some(KEY) || request.header("anthropic-version") != Some("2023-06-01") {
            self.rig.strict.broken(NO_KEY, format!("{} {}", request.method, request.path));
            return Ok(refused(401, "authentication_error", "invalid x-api-key"));
        }
        let body = match request.json(LARGEST).await? {
            Ok(body) => body,
            Err(refusal) => return Ok(refusal),
        };
        if request.route.name == "count" {
            return Ok(Response::json(200, &json!({ "input_tokens": 1_000 })));
        }
        if let Some(found) = self.rig.guard.marks.secret_in(body.to_string().as_bytes()) {
            self.rig.strict.broken(TOLD_SECRET, format!("{found} in {} {}", request.method, request.path));
        }
        let asked = Asked::new(body);
        if asked.tools().is_empty() {
            // a title, a summary: whatever it is, the conversation is elsewhere
            return Ok(stream::sent(&asked, 0, &Answer::Say("ok".to_owned())));
        }
        let (number, answer) = match self.script.lock().unwrap().next(&asked) {
            Ok(answer) => answer,
            Err((rule, why)) => {
                self.rig.strict.broken(rule, format!("{why}. It was asked:\n{}", asked.shown()));
                return Ok(refused(400, "invalid_request_error", "this is not in the script"));
            }
        };
        Ok(stream::sent(&asked, number, &answer))
    }
}

impl Script {
    /// The next answer and its number, or the rule that was broken and how.
    fn next(&mut self, asked: &Asked) -> Result<(usize, Answer), (RuleName, String)> {
        self.asked.push(asked.clone());
        let newest = asked.newest();
        if let Some(call) = &self.open_call
            && !asked.results().iter().any(|result| result.id == *call)
        {
            return Err((NO_RESULT, format!("the model does not learn what came of {call}")));
        }
        if self.turns.front().and_then(|turn| turn.until.as_ref()).is_some_and(|until| newest.contains(until)) {
            self.turns.pop_front();
            self.repeated = 0;
        }
        let Some(turn) = self.turns.front() else {
            return Err((OFF_SCRIPT, "the script is at its end".to_owned()));
        };
        let missing = turn.missing(&newest);
        if !missing.is_empty() || self.repeated >= PATIENCE {
            return Err((OFF_SCRIPT, format!("the model is not told {missing:?}, tried {} times", self.repeated + 1)));
        }
        let answer = (turn.answer)(asked);
        if let Answer::Call(tool, _) = &answer
            && !asked.tools().contains(&tool.as_str())
        {
            return Err((NOT_OFFERED, format!("{tool} is not offered")));
        }
        self.given += 1;
        self.open_call = matches!(answer, Answer::Call(..)).then(|| stream::call_id(self.given));
        match turn.until {
            Some(_) => self.repeated += 1,
            None => drop(self.turns.pop_front()),
        }
        Ok((self.given, answer))
    }
}

fn refused(status: u16, kind: &str, message: &str) -> Response {
    let error: Value = json!({ "type": "error", "error": { "type": kind, "message": message } });
    Response::json(status, &error)
}
