//! A sandbox in a test's hands.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::behaviour::Generation;
use super::output::Channel;
use super::process;
use super::sandbox::{Ending, Order, Phase, Sandbox};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox. What is done through it needs no token and breaks no rule.
#[derive(Clone)]
pub struct SandboxHandle(pub(super) Arc<Sandbox>);

impl fmt::Debug for SandboxHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SandboxHandle({} {:?} {:?})", self.0.id, self.0.name(), self.0.phase())
    }
}

impl SandboxHandle {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its task's id.
    pub fn task_id(&self) -> &str {
        &self.0.task_id
    }

    /// The app it belongs to.
    pub fn app_id(&self) -> &str {
        &self.0.app_id
    }

    /// Its name.
    pub fn name(&self) -> Option<String> {
        self.0.name()
    }

    /// Its tags.
    pub fn tags(&self) -> BTreeMap<String, String> {
        self.0.tags().into_iter().map(|tag| (tag.tag_name, tag.tag_value)).collect()
    }

    /// Which family of calls made it.
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// Its command, as the client gave it.
    pub fn command(&self) -> &[String] {
        &self.0.definition.entrypoint_args
    }

    /// The variables its process was given.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.0.environment
    }

    /// The paths of its mounted files, with their modes.
    pub fn mounted(&self) -> BTreeMap<String, u32> {
        self.0.mounted.iter().map(|file| (file.filename.clone(), file.mode)).collect()
    }

    /// The memory and the thousandths of cores it asked for.
    pub fn resources(&self) -> (u32, u32) {
        self.0.definition.resources.as_ref().map_or((0, 0), |resources| (resources.memory_mb, resources.milli_cpu))
    }

    /// The regions it asked for.
    pub fn regions(&self) -> Vec<String> {
        self.0.definition.scheduler_placement.clone().unwrap_or_default().regions
    }

    /// The seconds it may live.
    pub fn timeout_secs(&self) -> u32 {
        self.0.definition.timeout_secs
    }

    /// Whether it waits for room.
    pub fn is_waiting(&self) -> bool {
        matches!(self.0.phase(), Phase::Waiting)
    }

    /// Its process, while it runs.
    pub fn process(&self) -> Option<u32> {
        if let Phase::Running { process, .. } = self.0.phase() { Some(process) } else { None }
    }

    /// How it ended, if it has.
    pub fn ending(&self) -> Option<Ending> {
        self.0.ending()
    }

    /// Waits for its end. Panics when that does not come.
    pub fn ended(&self) -> Ending {
        wait_for("its end", || self.ending())
    }

    /// Waits until its process runs, or has run.
    pub fn started(&self) -> &Self {
        wait_for("its start", || (!self.is_waiting()).then_some(self))
    }

    /// Waits until it has printed so many bytes.
    pub fn printed(&self, bytes: u64) -> &Self {
        wait_for("its output", || (self.0.output.printed(Channel::Stdout) >= bytes).then_some(self))
    }

    /// What it has printed on standard output, as far as that is kept.
    pub fn stdout(&self) -> Vec<u8> {
        self.0.output.bytes(Channel::Stdout)
    }

    /// What it has printed on standard error.
    pub fn stderr(&self) -> Vec<u8> {
        self.0.output.bytes(Channel::Stderr)
    }

    /// Drops all its output for the router but the last so many bytes.
    pub fn keep_output(&self, bytes: u64) {
        self.0.output.keep(Channel::Stdout, bytes);
    }

    /// Kills it at once, as somebody outside would; it has then ended like this.
    pub fn end(&self, ending: Ending) {
        self.0.end(Order { ending, polite: false, certain: true });
    }

    /// The same, to be called later, from a fault or at a moment.
    pub fn ending_with(&self, ending: Ending) -> impl Fn() + Send + Sync + 'static {
        let sandbox = self.clone();
        move || sandbox.end(ending.clone())
    }

    /// How many processes run from or in its folder.
    pub fn processes(&self) -> usize {
        process::inside(&self.0.root).len()
    }
}

/// Looks until there is something to see.
fn wait_for<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
