//! What git holds and cannot be copied as it is, each refused by name before anything is created.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::trip::{Repo, Trip, Way};

/// Runs git in a folder, as nobody's configuration would have it.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "alice").env(format!("GIT_{who}_EMAIL"), "alice@example.org");
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A working copy below a world's home.
pub(super) fn working_copy(trip: &Trip) -> PathBuf {
    let folder = trip.world.home.join("work");
    std::fs::create_dir_all(&folder).unwrap();
    git(&folder, &["init", "--quiet", "--initial-branch", if trip.is_from_hugging_face() { "main" } else { "master" }]);
    folder
}

/// Commits everything, and lets the source's git door serve it. Its API says nothing any more.
pub(super) fn serve(trip: &Trip, work: &Path) {
    git(work, &["add", "--all"]);
    git(work, &["commit", "--quiet", "--message", "as people have it"]);
    publish(trip, work);
}

pub(super) fn publish(trip: &Trip, work: &Path) {
    let (bare, objects) = (work.join(".git"), work.join(".git/lfs/objects"));
    match trip.source() {
        Repo::Hf(repo) => drop(repo.served_by_git_from(&bare, &objects)),
        Repo::Ms(repo) => drop(repo.served_by_git_from(&bare, &objects)),
    }
    trip.source().locks_api(super::LOCK);
}

fn refused(name: &str, code: i32, make: impl Fn(&Path)) {
    let trip = Trip::new(Way::HfToMs);
    let work = working_copy(&trip);
    std::fs::write(work.join("README.md"), "# bert\n").unwrap();
    make(&work);
    publish(&trip, &work);
    let shown = trip.world.run(&["migrate", "hf:alice/bert"]).exits(code).shown(&trip.world);
    let ids = without_ids(&shown);
    insta::assert_snapshot!(name, ids);
    assert!(!trip.copy_exists() || trip.copy().ours().is_empty(), "nothing is published");
}

/// Ids of commits depend on when they were made.
pub(super) fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    words
        .map(|word| match word.split_at_checked(40) {
            Some((id, rest)) if is_id(id) => format!("[ID]{rest}"),
            _ => word.to_owned(),
        })
        .collect()
}

fn commit(work: &Path) {
    git(work, &["add", "--all"]);
    git(work, &["commit", "--quiet", "--message", "odd"]);
}

#[test]
fn a_broken_pointer_is_neither_copied_nor_followed() {
    refused("git_broken_pointer", 1, |work| {
        std::fs::write(work.join("model.bin"), "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n").unwrap();
        commit(work);
    });
}

#[test]
fn a_pointer_to_what_the_storage_does_not_have_is_named() {
    refused("git_missing_object", 1, |work| {
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        std::fs::write(work.join("model.bin"), format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12345\n"))
            .unwrap();
        commit(work);
    });
}

#[test]
fn a_submodule_is_named() {
    refused("git_submodule", 2, |work| {
        commit(work);
        let head = git(work, &["rev-parse", "HEAD"]);
        git(work, &["update-index", "--add", "--cacheinfo", &format!("160000,{head},third-party/other")]);
        git(work, &["commit", "--quiet", "--message", "odd"]);
    });
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    refused("git_name_no_text", 1, |work| {
        std::fs::write(work.join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "latin").unwrap();
        commit(work);
    });
}

/// A small file that is a link holds the name of its target, as hubs list and serve it.
#[cfg(unix)]
#[test]
fn a_symbolic_link_is_the_small_file_that_hubs_make_of_it() {
    let trip = Trip::new(Way::HfToMs);
    let work = working_copy(&trip);
    std::fs::write(work.join("README.md"), "# bert\n").unwrap();
    std::os::unix::fs::symlink("README.md", work.join("link.md")).unwrap();
    serve(&trip, &work);
    trip.migrate(&[]).exits(0);
    assert_eq!(trip.copy().content("link.md").unwrap().to_bytes(), "README.md");
}
