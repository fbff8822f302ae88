//! The lines of a release that the launcher reads, as they are made for one.

use std::fs;
use std::process::{Command, Output};

use super::desk::{Desk, Page, SHELLS, VERSION, hf2ms, target};
use standins::content::Content;

/// Where a release says that its downloads are.
const ADDRESS: &str = "https://example.com/releases/";

/// Runs the script over the desk's folder `dist`.
fn pin(desk: &Desk, version: &str, address: &str) -> Output {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/pin-releases");
    let mut command = Command::new("sh");
    command.arg(script).arg(desk.path("dist")).args([version, address]).env_clear().env("PATH", "/usr/bin:/bin");
    command.output().unwrap()
}

#[test]
fn the_lines_of_a_release_are_those_that_the_launcher_takes() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        let program = format!("#!/bin/sh\n{}", hf2ms(VERSION, "released"));
        let digest = Content::from(program.as_str()).sha256().to_owned();
        desk.put(&format!("dist/hf2ms-{}", target()), &program);
        desk.put("dist/hf2ms-zeta-other", "another");
        let output = pin(&desk, VERSION, ADDRESS);
        assert!(output.status.success(), "{output:?}");
        let lines = fs::read_to_string(desk.path("dist/releases")).unwrap();
        assert_eq!(lines.lines().next().unwrap(), format!("{VERSION} {0} {digest} {ADDRESS}hf2ms-{0}", target()));
        assert_eq!((lines.lines().count(), String::from_utf8(output.stdout).unwrap()), (2, lines.clone()));
        let sums = fs::read_to_string(desk.path("dist/SHA256SUMS")).unwrap();
        assert_eq!(sums.lines().next().unwrap(), format!("{digest}  hf2ms-{}", target()));
        // the same lines, with a server that this machine has
        let page = Page::serve("200 OK", program.into_bytes());
        desk.put("plugin/scripts/releases", &lines.replace(&format!("{ADDRESS}hf2ms-{}", target()), &page.address));
        assert_eq!(desk.becomes()["program"], "released", "{shell:?}");
    }
}

#[test]
fn a_release_that_could_not_be_trusted_or_fetched_is_not_pinned() {
    let desk = Desk::new(SHELLS[0]);
    fs::create_dir(desk.path("dist")).unwrap();
    let refused = |version: &str, address: &str| {
        let output = pin(&desk, version, address);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!desk.path("dist/releases").exists() && !desk.path("dist/SHA256SUMS").exists());
        desk.scrub(&String::from_utf8(output.stderr).unwrap())
    };
    let none = refused(VERSION, ADDRESS);
    desk.put("dist/hf2ms-some-target", "program");
    let plain = refused(VERSION, "http://example.com");
    let spaced = refused(VERSION, "https://example.com/a b");
    let unnamed = refused("1 2", ADDRESS);
    desk.put("dist/hf2ms-empty", "");
    let empty = refused(VERSION, ADDRESS);
    insta::assert_snapshot!("not_pinned", [none, plain, spaced, unnamed, empty].concat());
}
