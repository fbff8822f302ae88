//! Large files that lie at an LFS server which is not ours: put there by git-lfs, found and read by hf2ms.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use standins::content::Content;

use super::refusals::{git, publish, working_copy};
use crate::mcp_peers::set_up;
use crate::plugin::tree;
use crate::trip::{Repo, Trip, Way, both_ways};
use crate::world::MIB;

/// A running giftless. Gone with this value, and by itself after five minutes.
struct LfsServer {
    child: Child,
    port: u16,
}

impl LfsServer {
    fn start(folder: &Path) -> Self {
        let venv = set_up("setup-lfs.sh", "peers-lfs", "python3 with venv, and PyPI");
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(tree().join("tests/peers/lfs_server.py")).arg(folder).env_clear().current_dir(folder);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().expect("the server says its port"), child }
    }

    /// What `/objects/batch` follows.
    fn address(&self) -> String {
        format!("http://127.0.0.1:{}/alice/bert.git/info/lfs", self.port)
    }
}

impl Drop for LfsServer {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Repo {
    fn has_large_files_at(&self, server: String) {
        match self {
            Self::Hf(repo) => drop(repo.misbehave(|quirks| quirks.lfs_server = Some(server))),
            Self::Ms(repo) => drop(repo.misbehave(|quirks| quirks.lfs_server = Some(server))),
        }
    }
}

both_ways! {
    fn what_git_lfs_put_to_a_server_of_its_own_kind_arrives(way) {
        let trip = Trip::new(way);
        let work = working_copy(&trip);
        let store = trip.world.home.join("lfs");
        std::fs::create_dir_all(&store).unwrap();
        let server = LfsServer::start(&store);
        git(&work, &["lfs", "install", "--local"]);
        git(&work, &["config", "lfs.url", &server.address()]);
        std::fs::write(work.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n").unwrap();
        let sizes = [1, 300, 70_000, 3 * MIB + 1, 12 * MIB];
        let content = |number: usize| Content::generated(500 + number as u64, sizes[number]).to_bytes();
        for number in 0..sizes.len() {
            std::fs::write(work.join(format!("a, [{number}] ü.bin")), content(number)).unwrap();
        }
        std::fs::write(work.join("README.md"), "# bert\n").unwrap();
        git(&work, &["add", "--all"]);
        git(&work, &["commit", "--quiet", "--message", "as people have it"]);
        git(&work, &["remote", "add", "other", &server.address()]);
        git(&work, &["lfs", "push", "--all", "other"]);
        // what the hub itself would have is taken away
        std::fs::remove_dir_all(work.join(".git/lfs/objects")).unwrap();
        publish(&trip, &work);
        trip.source().has_large_files_at(server.address());

        let how: &[&str] = if trip.is_from_hugging_face() { &[] } else { &["--use-git"] };
        let report = trip.migrate(how).exits(0).json();
        assert_eq!((report["state"].as_str(), report["source"]["by_git"].as_bool()), (Some("verified"), Some(true)), "{report}");
        let copy = trip.copy();
        for number in 0..sizes.len() {
            assert_eq!(copy.content(&format!("a, [{number}] ü.bin")).unwrap().to_bytes(), content(number), "{number}");
        }
        assert_eq!(copy.content("README.md").unwrap().to_bytes(), "# bert\n");
        let verified = trip.world.run(&["verify", report["id"].as_str().unwrap(), "--deep", "--json"]).exits(0).json();
        assert_eq!(verified["verification"]["how"]["read_back"], sizes.len() + 1);
    }
}
