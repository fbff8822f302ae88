//! The plugin's launcher: it becomes the program where there is one, and says what is missing where there is none.

mod desk;
mod pins;
mod stub;

use std::fs;

use desk::{Chat, Desk, Page, SHELLS, VERSION, call, hf2ms, modern};
use serde_json::json;
use standins::content::Content;

/// A cargo that counts its runs, keeps how it was called and what it was given, and waits until it may go on.
fn cargo(desk: &Desk, then: &str) {
    let text = format!(
        r#"echo "$*" >>'{folder}/cargo.calls'
env >'{folder}/cargo.env'
echo 'Compiling hf2ms'
tries=0
while [ ! -e '{folder}/go' ] && [ $tries -lt 600 ]; do sleep 0.1; tries=$((tries + 1)); done
{then}
"#,
        folder = desk.folder.display()
    );
    desk.program("home/.cargo/bin/cargo", &text);
}

/// What a cargo does that builds.
fn builds(desk: &Desk) -> String {
    let program = desk.program("sources", &hf2ms(VERSION, "built"));
    format!("mkdir -p \"$CARGO_TARGET_DIR/release\" && cp '{}' \"$CARGO_TARGET_DIR/release/hf2ms\"", program.display())
}

fn runs(desk: &Desk) -> usize {
    fs::read_to_string(desk.path("cargo.calls")).map_or(0, |calls| calls.lines().count())
}

#[test]
fn it_becomes_the_program_it_finds_first() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        let kept = format!("data/bin/{VERSION}/hf2ms");
        desk.program(&kept, &hf2ms(VERSION, "kept"));
        desk.program("tools/hf2ms", &hf2ms(VERSION, "on PATH"));
        desk.program("plugin/target/release/hf2ms", &hf2ms(VERSION, "built here"));
        // whoever names one means it, whatever its version
        let named = desk.program("mine/hf2ms", &hf2ms("9.9.9", "named"));
        desk.set("HF2MS_BIN", named.display().to_string());
        assert_eq!(desk.becomes()["program"], "named", "{shell:?}");
        desk.set("HF2MS_BIN", "");
        for (program, path) in [("kept", kept.as_str()), ("on PATH", "tools/hf2ms"), ("built here", "plugin/target/release/hf2ms")] {
            let answer = desk.becomes();
            assert_eq!((&answer["program"], &answer["arguments"]), (&program.into(), &"mcp".into()), "{shell:?}");
            fs::remove_file(desk.path(path)).unwrap();
        }
        assert!(desk.help().contains("not there yet"));
    }
}

#[test]
fn the_real_program_is_reached_as_if_there_was_no_launcher() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        desk.set("HF2MS_BIN", env!("CARGO_BIN_EXE_hf2ms"));
        let (discover, list) = (modern("server/discover", json!({})), modern("tools/list", json!({})));
        let mut through = desk.start();
        let answered = [through.ask(&discover), through.ask(&list)];
        assert_eq!(through.end(), (Some(0), Vec::new()), "{shell:?}");
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_hf2ms"));
        program.arg("mcp").env_clear().env("HOME", desk.path("home"));
        let mut direct = Chat::with(program);
        assert_eq!(answered, [direct.ask(&discover), direct.ask(&list)]);
        assert!(answered[0]["result"]["instructions"].as_str().unwrap().starts_with("hf2ms moves "), "{}", answered[0]);
        assert!(answered[1]["result"]["tools"].as_array().unwrap().len() >= 6, "{}", answered[1]);
    }
}

#[test]
fn settings_of_the_plugin_come_first_and_empty_ones_hide_nothing() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        desk.program("tools/hf2ms", &hf2ms(VERSION, "on PATH"));
        assert_eq!(desk.becomes()["settings"], "none none none none none none none");
        for name in ["HF_TOKEN", "MODELSCOPE_TOKEN", "MODELSCOPE_DOMAIN", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"] {
            desk.set(name, format!("my-{name}"));
            desk.set(&format!("HF2MS_PLUGIN_{name}"), "");
        }
        // an address that the user set for the program would come before a site
        desk.set("MODELSCOPE_ENDPOINT", "my-address");
        let own = "my-HF_TOKEN my-MODELSCOPE_TOKEN my-MODELSCOPE_DOMAIN my-address my-MODAL_TOKEN_ID my-MODAL_TOKEN_SECRET none";
        assert_eq!(desk.becomes()["settings"], own, "{shell:?}");
        desk.set("HF2MS_PLUGIN_HF_TOKEN", "a");
        desk.set("HF2MS_PLUGIN_MODELSCOPE_TOKEN", "b c");
        desk.set("HF2MS_PLUGIN_MODELSCOPE_DOMAIN", "modelscope.ai");
        // half a token of Modal is not completed with another's half
        desk.set("HF2MS_PLUGIN_MODAL_TOKEN_ID", "d");
        assert_eq!(desk.becomes()["settings"], "a b c modelscope.ai none d  none", "{shell:?}");
    }
}

#[test]
fn without_a_program_and_without_cargo_it_says_what_to_install() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        desk.checkout();
        desk.put("plugin/scripts/releases", "# nothing is released yet\n");
        insta::assert_snapshot!("without_both", desk.scrub(&desk.start().help_until("failed")));
    }
}

#[test]
fn another_version_is_named_and_not_used() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        desk.program("tools/hf2ms", &hf2ms("0.0.9", "on PATH"));
        desk.program(&format!("data/bin/{VERSION}/hf2ms"), "exit 1");
        insta::assert_snapshot!("other_version", desk.scrub(&desk.start().help_until("failed")));
    }
}

#[test]
fn a_program_that_is_named_wrongly_is_not_replaced_by_another() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        desk.program("tools/hf2ms", &hf2ms(VERSION, "on PATH"));
        desk.set("HF2MS_BIN", desk.path("nowhere").display().to_string());
        insta::assert_snapshot!("misnamed", desk.scrub(&desk.help()));
        assert!(!desk.path("data/launcher").exists(), "nothing is prepared");
    }
}

#[test]
fn while_cargo_builds_it_says_so_and_then_that_it_is_ready() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        desk.checkout();
        cargo(&desk, &builds(&desk));
        desk.set("HF_TOKEN", "hf-secret");
        desk.set("HF2MS_PLUGIN_MODELSCOPE_TOKEN", "ms-secret");
        let mut chat = desk.start();
        insta::assert_snapshot!("building", desk.scrub(&chat.help_until("building")));
        // another session sees the same build and begins none
        assert!(desk.start().help().contains("building"));
        fs::write(desk.path("go"), "").unwrap();
        insta::assert_snapshot!("built", desk.scrub(&chat.help_until(&format!("{VERSION} is ready"))));
        drop(chat);
        assert_eq!(desk.becomes()["program"], "built", "{shell:?}");
        let manifest = desk.path("plugin/Cargo.toml");
        let calls = fs::read_to_string(desk.path("cargo.calls")).unwrap();
        assert_eq!(calls, format!("build --release --locked --bin hf2ms --manifest-path {}\n", manifest.display()), "{shell:?}");
        let environment = fs::read_to_string(desk.path("cargo.env")).unwrap();
        assert!(environment.contains("CARGO_TARGET_DIR=") && !environment.contains("secret"), "{environment}");
        let left: Vec<_> = fs::read_dir(desk.path("data/launcher")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("built")), "{left:?}");
    }
}

#[test]
fn a_build_goes_on_when_the_session_that_began_it_ends() {
    for (shell, signal) in SHELLS.into_iter().flat_map(|shell| [(shell, "INT"), (shell, "HUP")]) {
        let desk = Desk::new(shell);
        desk.checkout();
        cargo(&desk, &builds(&desk));
        let mut chat = desk.start();
        chat.help_until("building");
        chat.signalled(signal);
        fs::write(desk.path("go"), "").unwrap();
        assert_eq!(desk.becomes()["program"], "built", "{shell:?}");
        assert_eq!(runs(&desk), 1, "{shell:?}");
    }
}

#[test]
fn what_cargo_says_when_it_fails_is_told() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        desk.checkout();
        fs::write(desk.path("go"), "").unwrap();
        cargo(&desk, "echo 'error: linker `cc` not found \"here\" \\ there' >&2\nexit 101");
        insta::assert_snapshot!("build_failed", desk.scrub(&desk.start().help_until("failed")));
        // and the next session tries again
        desk.start().help_until("failed");
        assert_eq!(runs(&desk), 2, "{shell:?}");
    }
}

#[test]
fn a_pinned_release_is_fetched_once_and_kept() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        let program = format!("#!/bin/sh\n{}", hf2ms(VERSION, "fetched"));
        let page = Page::serve("200 OK", program.clone().into_bytes());
        desk.pin(Content::from(program.as_str()).sha256(), &page.address);
        desk.set("HF_TOKEN", "hf-secret");
        assert_eq!(desk.becomes()["program"], "fetched", "{shell:?}");
        assert_eq!(desk.becomes()["program"], "fetched", "{shell:?}");
        let asked = page.asked.lock().unwrap();
        assert!(asked.len() == 1 && !asked[0].contains("secret"), "{asked:?}");
    }
}

#[test]
fn a_release_with_another_digest_is_neither_run_nor_kept() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        let traitor = format!("#!/bin/sh\necho ran >>'{}/ran'\n{}", desk.folder.display(), hf2ms(VERSION, "a traitor"));
        let page = Page::serve("200 OK", traitor.clone().into_bytes());
        desk.pin(&"a1".repeat(32), &page.address);
        let text = desk.start().help_until("failed");
        let text = desk.scrub(&text).replace(&page.address, "[ADDRESS]").replace(Content::from(traitor.as_str()).sha256(), "[GOT]");
        insta::assert_snapshot!("corrupted", text);
        assert!(!desk.path("ran").exists() && !desk.path(&format!("data/bin/{VERSION}/hf2ms")).exists(), "{shell:?}");
        let left: Vec<_> = fs::read_dir(desk.path("data/launcher")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("fetched")), "{left:?}");
        // the sources are the plugin's own, so they may still be built
        desk.checkout();
        fs::write(desk.path("go"), "").unwrap();
        cargo(&desk, &builds(&desk));
        assert_eq!(desk.becomes()["program"], "built", "{shell:?}");
    }
}

#[test]
fn a_release_that_does_not_come_is_named() {
    for shell in SHELLS {
        let desk = Desk::new(shell);
        let page = Page::serve("404 Not Found", Vec::new());
        desk.pin(&"a1".repeat(32), &page.address);
        let text = desk.start().help_until("failed");
        assert!(text.contains(&format!("Fetching {} did not work: ", page.address)) && text.contains("404"), "{shell:?}: {text}");
        desk.pin(&"a1".repeat(32), "ftp://127.0.0.1/hf2ms");
        let text = desk.start().help_until("failed");
        assert!(text.contains("address is not https: ftp://127.0.0.1/hf2ms"), "{shell:?}: {text}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    for shell in SHELLS {
        let mut desk = Desk::new(shell);
        desk.set("CLAUDE_PLUGIN_DATA", desk.put("a \"file\"", "").display().to_string());
        insta::assert_snapshot!("unwritable", desk.scrub(&desk.help()));
    }
}

#[test]
fn a_tool_of_the_program_that_is_not_there_is_answered_with_the_reason() {
    for shell in SHELLS {
        let answer = Desk::new(shell).start().ask(&call("plan_migration"));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("not there yet"), "{answer}");
    }
}
