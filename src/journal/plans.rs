//! Plans beside the migrations: `plans/<id>.json`, the newest of them.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Journal, at, write_whole};
use crate::error::{Error, ErrorKind, Result};

/// So many plans are kept; a plan that nobody started soon is out of date anyway.
const KEPT: usize = 200;

impl Journal {
    /// Keeps what is to be remembered of a plan, readable by its owner only.
    pub fn keep_plan(&self, id: &str, plan: &impl Serialize) -> Result<()> {
        let folder = self.home.join("plans");
        let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        make.map_err(|error| at(error, "make a folder", &folder))?;
        let text = serde_json::to_vec_pretty(plan).map_err(|error| Error::new(ErrorKind::Local, "no JSON").because(error))?;
        write_whole(&folder.join(format!("{id}.json")), &text)?;
        self.forget_old_plans();
        Ok(())
    }

    /// What was kept of a plan. Fails with `NotFound`.
    pub fn kept_plan<T: DeserializeOwned>(&self, id: &str) -> Result<T> {
        let named = id.starts_with("plan-") && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let unknown = || {
            Error::new(ErrorKind::NotFound, "no such plan on this machine")
                .with("plan", format!("{id:?}"))
                .hint_to("plan again: a plan is kept for a while by the machine that made it")
        };
        if !named {
            return Err(unknown());
        }
        let path = self.home.join("plans").join(format!("{id}.json"));
        match fs::read(&path) {
            // one that an older program wrote otherwise is as good as none
            Ok(text) => serde_json::from_slice(&text).map_err(|_| unknown()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(unknown()),
            Err(error) => Err(at(error, "read", &path)),
        }
    }

    /// What cannot be removed stays; it is in nobody's way.
    fn forget_old_plans(&self) {
        let entries = fs::read_dir(self.home.join("plans")).into_iter().flatten().filter_map(std::io::Result::ok);
        let written = |entry: &fs::DirEntry| entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut plans: Vec<_> = entries.map(|entry| (written(&entry), entry.path())).collect();
        plans.sort_by(|a, b| b.cmp(a));
        for (_, path) in plans.into_iter().skip(KEPT) {
            let _stays = fs::remove_file(path);
        }
    }
}
