//! The server that the launcher is while there is no program: what it says in both revisions, and that odd messages do not confuse it.

use serde_json::json;

use super::desk::{Desk, SHELLS, VERSION, modern};

#[test]
fn a_client_without_handshake_is_told_of_one_tool() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        let mut chat = desk.start();
        let discovered = chat.ask(&modern("server/discover", json!({})));
        let listed = chat.ask(&modern("tools/list", json!({})));
        let called = chat.ask(&modern("tools/call", json!({ "name": "setup_help" })));
        assert_eq!((&discovered["id"], &called["result"]["resultType"]), (&1.into(), &"complete".into()));
        let shown = format!("{discovered:#}\n{listed:#}\n").replace(VERSION, "[VERSION]");
        insta::assert_snapshot!("discovered", shown);
    }
}

#[test]
fn a_client_with_handshake_is_told_of_the_same_tool() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        let mut chat = desk.start();
        for (asked, spoken) in [("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25")] {
            let hello = json!({ "jsonrpc": "2.0", "id": "a", "method": "initialize", "params": {
                "protocolVersion": asked, "capabilities": { "roots": {} }, "clientInfo": { "name": "old", "version": "1" },
            } });
            let answer = chat.ask(&hello.to_string());
            assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&"a".into(), &spoken.into()), "{answer}");
            assert_eq!(answer["result"]["serverInfo"], json!({ "name": "hf2ms", "version": VERSION }));
            assert!(answer["result"]["capabilities"]["tools"].is_object());
        }
        chat.tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        let listed = chat.ask(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
        assert_eq!((&listed["id"], &listed["result"]["tools"][0]["name"]), (&2.into(), &"setup_help".into()));
        let keys: Vec<_> = listed["result"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["tools"], "what the other revision adds is not for this client");
        let called = chat.ask(r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"setup_help","arguments":{}}}"#);
        assert_eq!(called["result"]["isError"], false);
        assert_eq!(chat.ask(r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#), json!({ "jsonrpc": "2.0", "id": 4, "result": {} }));
    }
}

#[test]
fn odd_messages_are_answered_as_the_protocol_says() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        let mut chat = desk.start();
        // neither is a request
        chat.tell(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"id":5,"method":"ping"}}"#);
        chat.tell(r#"{"jsonrpc":"2.0","id":7,"result":{"method":"ping"}}"#);
        chat.tell("");
        let ping = |id: &str, line: &str| (id.to_owned(), line.to_owned());
        let pings = [
            ping("11", r#"{"params":{"id":1,"method":"tools/list","deep":{"id":2}},"method":"ping","id":11,"jsonrpc":"2.0"}"#),
            ping("\"x-1\"", r#"{ "jsonrpc" : "2.0", "id" : "x-1", "method" : "ping" }"#),
            ping("-3", r#"  {"id":-3,"note":"a } brace { and a \" quote, \"id\":4, \\","method":"ping"}"#),
            ping("0", r#"{"list":[{"id":8},"id",[{"method":"x"}]],"id":0,"method":"ping"}"#),
        ];
        for (id, line) in pings {
            let answer = chat.ask(&line);
            assert_eq!((answer["id"].to_string(), &answer["result"]), (id, &json!({})), "{shell:?}: {line}");
        }
        let unknown = chat.ask(r#"{"jsonrpc":"2.0","id":12,"method":"resources/list"}"#);
        assert_eq!((&unknown["id"], &unknown["error"]["code"]), (&12.into(), &(-32601).into()));
        for line in ["no json", "[1,2]", "{\"id\":1"] {
            let broken = chat.ask(line);
            assert_eq!((&broken["id"], &broken["error"]["code"]), (&json!(null), &(-32700).into()), "{shell:?}: {line}");
        }
        let (code, rest) = chat.end();
        assert_eq!((code, rest), (Some(0), Vec::new()), "it ends with its input, and said nothing unasked");
    }
}
