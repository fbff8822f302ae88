//! An answer on the wire: events as the model speaks, or one message.

use serde_json::{Value, json};

use super::turn::Answer;
use super::{Asked, Response};

/// Words and arguments come in pieces of so many characters.
const PIECE: usize = 40;

pub(super) fn sent(asked: &Asked, number: usize, answer: &Answer) -> Response {
    let (block, stop) = match answer {
        Answer::Say(words) => (json!({ "type": "text", "text": words }), "end_turn"),
        Answer::Call(tool, input) => (json!({ "type": "tool_use", "id": call_id(number), "name": tool, "input": input }), "tool_use"),
    };
    let mut message = json!({
        "id": format!("msg_{number:04}"), "type": "message", "role": "assistant", "model": asked.model(), "content": [block],
        "stop_reason": stop, "stop_sequence": null, "usage": { "input_tokens": 10, "output_tokens": 10 },
    });
    if !asked.is_streamed() {
        return Response::json(200, &message);
    }
    let block = message["content"][0].take();
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    let mut events = vec![json!({ "type": "message_start", "message": message })];
    events.extend(told(block));
    events.push(
        json!({ "type": "message_delta", "delta": { "stop_reason": stop, "stop_sequence": null }, "usage": { "output_tokens": 10 } }),
    );
    events.push(json!({ "type": "message_stop" }));
    let line = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    let body: String = events.iter().map(line).collect();
    Response::bytes(200, body).header("content-type", "text/event-stream; charset=utf-8").chunked()
}

/// The id of the call that is made in this answer.
pub(super) fn call_id(number: usize) -> String {
    format!("toolu_{number:04}")
}

/// The events of one block of content.
fn told(mut block: Value) -> Vec<Value> {
    let (whole, kind, key) = match block["type"] == "text" {
        true => (block["text"].take().as_str().unwrap_or_default().to_owned(), "text_delta", "text"),
        false => (block["input"].take().to_string(), "input_json_delta", "partial_json"),
    };
    let empty = if kind == "text_delta" { ("text", json!("")) } else { ("input", json!({})) };
    block[empty.0] = empty.1;
    let mut events = vec![json!({ "type": "content_block_start", "index": 0, "content_block": block }), json!({ "type": "ping" })];
    let characters: Vec<char> = whole.chars().collect();
    let pieces = characters.chunks(PIECE).map(|piece| piece.iter().collect::<String>());
    events.extend(pieces.map(|piece| json!({ "type": "content_block_delta", "index": 0, "delta": { "type": kind, key: piece } })));
    events.push(json!({ "type": "content_block_stop", "index": 0 }));
    events
}
