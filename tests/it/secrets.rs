//! No secret is seen, in any test: every [`World`] looks at what its commands print, at how its carriers were started, and, at its
//! end, at every file of the state folder; its hubs look at every request. Here is how, and that it would be noticed.

use std::path::{Path, PathBuf};

use standins::marks::Marks;

use crate::world::{Outcome, World, carrier_in};

/// Marks what a variable holds, if it is one of those for tokens, both halves of Modal's included: also a token that no service knows is a
/// secret.
pub fn mark(marks: &Marks, name: &str, value: &str) {
    let hub = match name {
        "HF_TOKEN" | "HUGGING_FACE_HUB_TOKEN" => "hf",
        "MODELSCOPE_TOKEN" | "MODELSCOPE_API_TOKEN" => "ms",
        "MODAL_TOKEN_ID" | "MODAL_TOKEN_SECRET" => "modal",
        _ => return,
    };
    value.split_whitespace().for_each(|token| marks.token(hub, token));
}

/// What a command printed holds no secret.
#[track_caller]
pub fn assert_unseen(marks: &Marks, outcome: &Outcome) {
    for (place, text) in [("standard output", &outcome.stdout), ("standard error", &outcome.stderr)] {
        if let Some(found) = marks.secret_in(text.as_bytes()) {
            panic!("{found} on {place}:\n{text}");
        }
    }
}

/// No file below this folder holds a secret.
#[track_caller]
pub fn assert_none_below(marks: &Marks, folder: &Path) {
    assert_eq!(leak_below(marks, folder), None);
}

/// The first file below this folder that holds a secret. `.env` is where a user keeps them.
pub fn leak_below(marks: &Marks, folder: &Path) -> Option<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let leak = |path: PathBuf| {
        if path.is_dir() {
            return leak_below(marks, &path);
        }
        if path.ends_with(".env") {
            return None;
        }
        let found =
            marks.secret_in(&std::fs::read(&path).unwrap_or_default()).or_else(|| marks.secret_in(path.as_os_str().as_encoded_bytes()));
        found.map(|found| format!("{found} in {}", path.display()))
    };
    entries.filter_map(leak).next()
}

/// The processes that carry, looked at once each, while a command runs.
#[derive(Default)]
pub struct Carriers {
    seen: Vec<u32>,
}

impl Carriers {
    /// Looks at arguments and environment of the one that lives now.
    #[track_caller]
    pub fn look(&mut self, home: &Path, marks: &Marks) {
        let Some(pid) = carrier_in(home).filter(|pid| !self.seen.contains(pid)) else { return };
        for name in ["cmdline", "environ"] {
            // on another system, or of a process that ended just now, there is nothing to see
            let bytes = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            if let Some(found) = marks.secret_in(&bytes) {
                panic!("{found} in the {name} of the process that carries");
            }
        }
        self.seen.push(pid);
    }
}

mod noticed {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use standins::huggingface::{self, RepoKind};
    use standins::probe::Probe;

    use super::*;
    use crate::world::{MIB, generated, started_at};

    /// What the test says that a world with this leak fails with.
    #[track_caller]
    fn caught(leak: impl FnOnce(World)) -> String {
        let outcome = catch_unwind(AssertUnwindSafe(|| leak(World::start())));
        let payload = outcome.expect_err("the leak was not noticed");
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    }

    fn shell(world: &World, script: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env_clear().envs(&world.variables).env("PATH", std::env::var("PATH").unwrap());
        world.finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    #[test]
    fn a_token_that_is_printed() {
        for (script, form) in [
            ("echo \"to $HF_TOKEN\"", "a token of hf (as it is) on standard output"),
            ("echo \"${HF_TOKEN#hf_}\"", "a token of hf (as it is) on standard output"),
            ("echo \"{$MODELSCOPE_API_TOKEN}\" >&2", "a token of ms (as it is) on standard error"),
            ("printf \"user:$HF_TOKEN\" | base64 -w0", "a token of hf (base64) on standard output"),
            ("echo \"$MODELSCOPE_API_TOKEN\" | sed s/-/%2D/g", "a token of ms (percent-encoded) on standard output"),
        ] {
            let message = caught(|world| drop(shell(&world, script)));
            assert!(message.starts_with(form), "{script}: {message}");
        }
        let world = World::start();
        assert_eq!(shell(&world, "echo HF_TOKEN is set, it begins with hf_").code, 0);
    }

    /// Both halves of a token for Modal.
    const MODAL: [(&str, &str); 2] = [("MODAL_TOKEN_ID", "ak-aBcDeFgHiJkLmNoPqRsTuV"), ("MODAL_TOKEN_SECRET", "as-VuTsRqPoNmLkJiHgFeDcBa")];

    fn with_modal(mut world: World) -> World {
        MODAL.iter().for_each(|(name, value)| world.set(name, *value));
        world
    }

    #[test]
    fn either_half_of_a_token_for_modal() {
        for (name, value) in MODAL {
            for (script, form) in [
                (format!("echo \"with ${name}\""), "a token of modal (as it is) on standard output"),
                (format!("printf \"${name}\" | base64 -w0 >&2"), "a token of modal (base64) on standard error"),
            ] {
                let message = caught(|world| drop(shell(&with_modal(world), &script)));
                assert!(message.starts_with(form), "{script}: {message}");
            }
            let message = caught(|world| {
                let world = with_modal(world);
                let folder = world.home.join("state/migrations/m1");
                std::fs::create_dir_all(&folder).unwrap();
                let event = serde_json::json!({ "seq": 0, "at": 0, "event": "warning", "message": format!("cannot use {value}") });
                std::fs::write(folder.join("events.jsonl"), event.to_string()).unwrap();
            });
            assert!(message.contains("a token of modal") && message.contains("events.jsonl"), "{message}");
            let header = format!("x-{}", name.to_lowercase().replace('_', "-"));
            for in_url in [true, false] {
                for hugging_face in [true, false] {
                    let message = caught(|world| {
                        let world = with_modal(world);
                        let base = if hugging_face { world.hf.endpoint() } else { world.ms.endpoint() };
                        let request = match in_url {
                            true => Probe::get(format!("{base}/api/x?of={value}")),
                            false => Probe::get(format!("{base}/api/x")).header(&header, value),
                        };
                        let _any = request.try_send();
                    });
                    assert!(message.contains("token-astray: a token of modal"), "{message}");
                }
            }
        }
        let world = with_modal(World::start());
        assert_eq!(shell(&world, "echo MODAL_TOKEN_ID is set, it begins with ak-").code, 0);
    }

    #[test]
    fn a_signed_url_that_is_printed() {
        let message = caught(|world| {
            world.hf.repo(RepoKind::Model, "alice/bert").file("a.bin", generated(1, 11 * MIB)).commit("all");
            let head = world.hf.repo(RepoKind::Model, "alice/bert").head();
            let reply = Probe::get(format!("{}/alice/bert/resolve/{head}/a.bin", world.hf.endpoint())).identity().send();
            drop(shell(&world, &format!("echo 'cannot read {}'", reply.header("location").unwrap())));
        });
        assert!(message.starts_with("a signed URL of a hub (signature) on standard output"), "{message}");
    }

    #[test]
    fn a_token_in_the_state_folder() {
        for encode in [str::to_owned, |token: &str| STANDARD.encode(token)] {
            let message = caught(|world| {
                let folder = world.home.join("state/migrations/m1");
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("log"), encode(&world.variables["MODELSCOPE_API_TOKEN"])).unwrap();
            });
            assert!(message.contains("a token of ms") && message.contains("state/migrations/m1/log"), "{message}");
        }
        let message = caught(|world| {
            std::fs::create_dir_all(world.home.join("state").join(&world.variables["HF_TOKEN"])).unwrap();
            std::fs::write(world.home.join("state").join(&world.variables["HF_TOKEN"]).join("x"), "").unwrap();
            world.forget_state();
        });
        assert!(message.contains("a token of hf"), "{message}");
    }

    /// Starts a process that looks like one that carries, for as long as a command runs.
    #[cfg(target_os = "linux")]
    fn with_carrier(world: &World, mut carrier: Command) {
        let mut carrier = carrier.stdin(Stdio::piped()).spawn().unwrap();
        let folder = world.home.join("state/migrations/m1");
        std::fs::create_dir_all(&folder).unwrap();
        let place = serde_json::json!({ "pid": carrier.id(), "started": started_at(carrier.id()).unwrap() });
        std::fs::write(folder.join("place.json"), place.to_string()).unwrap();
        let looked = catch_unwind(AssertUnwindSafe(|| shell(world, "sleep 0.1")));
        carrier.kill().unwrap();
        carrier.wait().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        if let Err(panic) = looked {
            std::panic::resume_unwind(panic);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_token_in_how_a_process_was_started() {
        let message = caught(|world| {
            let mut carrier = Command::new("sh");
            carrier.args(["-c", "read any", &world.variables["HF_TOKEN"]]).env_clear().env("PATH", std::env::var("PATH").unwrap());
            with_carrier(&world, carrier);
        });
        assert_eq!(message, "a token of hf (as it is) in the cmdline of the process that carries");
        let message = caught(|world| {
            let mut carrier = Command::new("cat");
            carrier.env("ANY", &world.variables["MODELSCOPE_API_TOKEN"]);
            with_carrier(&world, carrier);
        });
        assert_eq!(message, "a token of ms (as it is) in the environ of the process that carries");
    }

    #[test]
    fn a_token_in_a_request_to_where_it_does_not_belong() {
        let message = caught(|world| {
            Probe::get(format!("{}/api/whoami-v2", world.hf.endpoint())).token(&world.variables["MODELSCOPE_API_TOKEN"]).send();
        });
        assert!(message.contains("token-astray: a token of ms"), "{message}");
        let message = caught(|world| {
            Probe::get(format!("{}/x", world.hf.origin(huggingface::CDN))).token(&world.variables["HF_TOKEN"]).send();
        });
        assert!(message.contains("token-astray: a token of hf"), "{message}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_carries_is_looked_at() {
        let world = World::start();
        world.hf.repo(RepoKind::Model, "alice/bert").file("a.bin", generated(1, 2 * MIB)).commit("all");
        world.hf.dials().each(|lane| lane.set_latency(Duration::from_millis(100)));
        let id = world.run(&["migrate", "hf:alice/bert", "--detach", "--json"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        let mut carriers = Carriers::default();
        carriers.look(&world.home, &world.marks);
        assert_eq!(carriers.seen.len(), 1);
        let line = std::fs::read(format!("/proc/{}/cmdline", carriers.seen[0])).unwrap();
        assert!(String::from_utf8_lossy(&line).contains("run-job"), "{line:?}");
        world.run(&["status", &id, "--follow"]).exits(0);
    }
}
