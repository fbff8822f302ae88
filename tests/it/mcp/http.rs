//! `hf2ms mcp --http`: on loopback, for who calls it by its name, and only where it is built in.

use crate::world::World;

#[test]
fn an_address_that_others_could_reach_is_refused() {
    let world = World::start();
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.7:8080", "[::ffff:127.0.0.1]:0", "128.0.0.1:1"] {
        let shown = world.run(&["mcp", "--http", address]).exits(2).shown(&world);
        assert!(shown.contains("has no login"), "{address}: {shown}");
    }
    insta::assert_snapshot!("http_on_every_address", world.run(&["mcp", "--http", "0.0.0.0:8080"]).exits(2).shown(&world));
    insta::assert_snapshot!("http_by_name", world.run(&["mcp", "--http", "localhost:8080"]).exits(2).shown(&world));
}

#[cfg(not(feature = "conformance"))]
#[test]
fn it_says_that_it_is_not_built_in() {
    let world = World::start();
    insta::assert_snapshot!("http_not_built_in", world.run(&["mcp", "--http", "127.0.0.1:8080"]).exits(2).shown(&world));
}

#[cfg(feature = "conformance")]
pub use listening::Listening;

#[cfg(feature = "conformance")]
mod listening {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command};

    use serde_json::{Value, json};

    use crate::mcp::secrets;
    use crate::world::World;

    /// A server that listens.
    pub struct Listening {
        /// Where, as it says itself.
        pub url: String,
        child: Child,
    }

    impl Listening {
        pub fn start(world: &World) -> Self {
            let mut child = world.command(&["mcp", "--http", "127.0.0.1:0"]).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
            let url = line.trim_end().strip_prefix("serving MCP at ").expect(&line).to_owned();
            Self { url, child }
        }

        fn host(&self) -> &str {
            self.url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap()
        }

        /// Sends one request of the stateless era, and gives all that comes back.
        fn post(&self, path: &str, headers: &[(&str, &str)], method: &str, mut params: Value) -> String {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
            let mut head = format!("POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n");
            head += &format!("Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n", body.len());
            head += &format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
            for name in ["name", "uri"].iter().filter_map(|key| params[key].as_str()) {
                head += &format!("Mcp-Name: {name}\r\n");
            }
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            let mut stream = TcpStream::connect(self.host()).unwrap();
            write!(stream, "{head}\r\n{body}").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        }
    }

    impl Drop for Listening {
        fn drop(&mut self) {
            let _gone = self.child.kill();
            let _status = self.child.wait();
        }
    }

    #[track_caller]
    fn status(answer: &str) -> u16 {
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect(answer)
    }

    #[test]
    fn a_page_in_a_browser_does_not_reach_it() {
        let world = World::start();
        let server = Listening::start(&world);
        let (host, own) = (server.host(), format!("http://{}", server.host()));
        let list = |path: &str, headers: &[(&str, &str)]| server.post(path, headers, "tools/list", json!({}));
        let answer = list("/mcp", &[("Host", host), ("Origin", &own)]);
        assert!(status(&answer) == 200 && answer.contains("plan_migration"), "{answer}");
        for foreign in [[("Host", "hf2ms.example"), ("Origin", &own)], [("Host", host), ("Origin", "http://hf2ms.example")]] {
            let answer = list("/mcp", &foreign);
            assert!(status(&answer) == 403 && !answer.contains("plan_migration"), "{foreign:?}: {answer}");
        }
        assert_eq!(status(&list("/", &[("Host", host)])), 404);
    }

    #[test]
    fn a_token_that_stands_in_what_is_told_is_taken_out_there_too() {
        let world = secrets::world();
        let server = Listening::start(&world);
        let ask = |method: &str, params: Value| Value::from(server.post("/mcp", &[("Host", server.host())], method, params));
        let plan = json!({ "name": "plan_migration", "arguments": { "source": "hf:alice/bert" } });
        secrets::assert_hidden("plan", &ask("tools/call", plan));
        let error = json!({ "name": "plan_migration", "arguments": { "source": format!("hf:alice/{}", secrets::ODD) } });
        secrets::assert_hidden("an error", &ask("tools/call", error));
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let world = World::start();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let shown = world.run(&["mcp", "--http", &address]).exits(1).shown(&world);
        insta::assert_snapshot!("http_port_taken", shown.replace(&address, "[ADDRESS]"));
    }

    #[test]
    fn a_signal_ends_it_in_peace() {
        let world = World::start();
        for signal in ["-INT", "-TERM"] {
            let mut server = Listening::start(&world);
            assert!(Command::new("kill").args([signal, &server.child.id().to_string()]).status().unwrap().success());
            assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
        }
    }
}
