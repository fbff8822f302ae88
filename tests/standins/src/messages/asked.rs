//! What a client asks the model.

use serde_json::Value;

/// A request for the model's next words.
#[derive(Clone, Debug)]
pub struct Asked {
    body: Value,
}

/// What came of a call of a tool.
#[derive(Clone, Debug)]
pub struct ToolResult {
    /// Of the call.
    pub id: String,
    /// What the model reads.
    pub text: String,
    /// Whether it is told as a failure.
    pub is_error: bool,
}

impl Asked {
    pub(super) fn new(body: Value) -> Self {
        Self { body }
    }

    /// Everything the model reads that came after its own last words, as text.
    pub fn newest(&self) -> String {
        let blocks = self.newest_blocks();
        let texts = blocks.into_iter().map(|block| match block["type"].as_str() {
            Some("tool_result") => text_of(&block["content"]),
            _ => text_of(block),
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The results of tools among [`Asked::newest`].
    pub fn results(&self) -> Vec<ToolResult> {
        let results = self.newest_blocks().into_iter().filter(|block| block["type"] == "tool_result");
        let result = |block: &Value| ToolResult {
            id: block["tool_use_id"].as_str().unwrap_or_default().to_owned(),
            text: text_of(&block["content"]),
            is_error: block["is_error"] == true,
        };
        results.map(result).collect()
    }

    /// The last of the results, read as JSON; null where it is none.
    pub fn result(&self) -> Value {
        let results = self.results();
        results.last().and_then(|result| serde_json::from_str(&result.text).ok()).unwrap_or_default()
    }

    /// A value by its name, from the newest result of the whole conversation that has it; null where none has.
    pub fn heard(&self, name: &str) -> Value {
        let results = list(&self.body["messages"]).iter().flat_map(|message| list(&message["content"]));
        let results = results.filter(|block| block["type"] == "tool_result").map(|block| text_of(&block["content"]));
        let mut newest_first = results.collect::<Vec<_>>().into_iter().rev();
        newest_first.find_map(|text| serde_json::from_str::<Value>(&text).ok()?.get(name).cloned()).unwrap_or_default()
    }

    /// The names of the tools that the model may call.
    pub fn tools(&self) -> Vec<&str> {
        list(&self.body["tools"]).iter().filter_map(|tool| tool["name"].as_str()).collect()
    }

    /// Everything but the tools' schemas, for a person to read.
    pub fn shown(&self) -> String {
        let mut body = self.body.clone();
        body["tools"] = self.tools().into();
        format!("{body:#}").replace("\\n", "\n")
    }

    pub(super) fn is_streamed(&self) -> bool {
        self.body["stream"] == true
    }

    pub(super) fn model(&self) -> &Value {
        &self.body["model"]
    }

    fn newest_blocks(&self) -> Vec<&Value> {
        let messages = list(&self.body["messages"]);
        let start = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |last| last + 1);
        let blocks = messages[start..].iter().flat_map(|message| match &message["content"] {
            Value::Array(blocks) => blocks.iter().collect(),
            text => vec![text],
        });
        blocks.collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text of a string, of a block, or of a list of blocks.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        block => block["text"].as_str().unwrap_or_default().to_owned(),
    }
}
