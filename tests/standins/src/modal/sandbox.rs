//! One sandbox: what it was asked to be, and its life from waiting for room to its end.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;
use tokio::sync::watch;

use super::behaviour::{Generation, Terminate};
use super::hub::{Hub, Place};
use super::output::{Channel, Output};
use super::process::{self, Doze, Start};
use super::proto::{GenericResult, Sandbox as Definition, SandboxTag};
use super::rules;
use crate::marks::Sieve;

/// How long after a process's end its output is waited for.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How a sandbox ended: the numbers of `GenericResult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The status: 1 success, 2 failure, 3 terminated, 4 out of time, 5 never started, 8 to 10 out of memory.
    pub status: i32,
    /// The exit code; it means something with the first two only.
    pub exitcode: i32,
    /// What the service says about it.
    pub exception: String,
}

impl Ending {
    /// Terminated by somebody.
    pub fn terminated() -> Self {
        Self::of(3, 0, "")
    }

    /// Killed: failure, exit code 137.
    pub fn killed() -> Self {
        Self::of(2, 137, "")
    }

    /// Out of memory: the kernel killed it.
    pub fn out_of_memory() -> Self {
        Self::of(10, 0, "container ran out of memory")
    }

    /// The host failed.
    pub fn lost() -> Self {
        Self::of(6, 0, "worker disappeared")
    }

    fn timed_out() -> Self {
        Self::of(4, 0, "")
    }

    fn never_started(why: &str) -> Self {
        Self::of(5, 0, why)
    }

    fn exited(status: ExitStatus) -> Self {
        let code = process::exit_code(status);
        Self::of(if code == 0 { 1 } else { 2 }, code, "")
    }

    fn of(status: i32, exitcode: i32, exception: &str) -> Self {
        Self { status, exitcode, exception: exception.to_owned() }
    }

    pub(super) fn result(&self) -> GenericResult {
        GenericResult { status: self.status, exception: self.exception.clone(), exitcode: self.exitcode }
    }
}

/// A word from outside that ends a sandbox. The first one counts.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) ending: Ending,
    /// Whether the process is ended in the way that clients are served, rather than killed.
    pub(super) polite: bool,
    /// Whether it counts even if the process has ended by itself meanwhile.
    pub(super) certain: bool,
}

/// Where a sandbox stands. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Waiting,
    Running { process: u32, since: f64 },
    Ended { ending: Ending, began: f64, at: f64, since: Instant },
}

/// A file in a sandbox.
#[derive(Clone, Debug)]
pub(super) struct Mounted {
    pub(super) filename: String,
    pub(super) sha256: String,
    pub(super) mode: u32,
}

/// What a sandbox is called; it can be changed.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub(super) name: Option<String>,
    pub(super) tags: Vec<SandboxTag>,
}

#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) id: String,
    pub(super) task_id: String,
    pub(super) token: String,
    pub(super) generation: Generation,
    pub(super) app_id: String,
    pub(super) created_at: f64,
    pub(super) definition: Definition,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) mounted: Vec<Mounted>,
    pub(super) root: PathBuf,
    pub(super) labels: Mutex<Labels>,
    pub(super) output: Output,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) order: watch::Sender<Option<Order>>,
    /// After so many bytes of standard output it ends like this.
    pub(super) doom: Mutex<Option<(u64, Ending)>>,
    /// It runs in turns.
    pub(super) doze: Option<Doze>,
}

impl Sandbox {
    pub(super) fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        if let Phase::Ended { ending, .. } = self.phase() { Some(ending) } else { None }
    }

    pub(super) fn name(&self) -> Option<String> {
        self.labels.lock().unwrap().name.clone()
    }

    pub(super) fn tags(&self) -> Vec<SandboxTag> {
        self.labels.lock().unwrap().tags.clone()
    }

    /// Whether every one of these tags is among the sandbox's.
    pub(super) fn has_tags(&self, wanted: &[SandboxTag]) -> bool {
        let labels = self.labels.lock().unwrap();
        wanted.iter().all(|tag| labels.tags.contains(tag))
    }

    /// Ends it, unless something else has ended it already.
    pub(super) fn end(&self, order: Order) {
        self.order.send_if_modified(|given| {
            let first = given.is_none();
            given.get_or_insert(order);
            first
        });
    }

    fn order(&self) -> Option<Order> {
        self.order.borrow().clone()
    }

    async fn ordered(&self) -> Order {
        let mut orders = self.order.subscribe();
        let given = orders.wait_for(Option::is_some).await;
        given.ok().and_then(|order| order.clone()).expect("the sandbox holds its own sender")
    }

    /// An absolute path of a mounted file, as it is on this machine.
    ///
    /// A container has the mounted files below its own `/`. Here that is the sandbox's folder, so an argument that is, as a whole, the
    /// path of a mounted file is replaced by the place where that file lies. Everything else stays as it came.
    fn here(&self, argument: &str) -> PathBuf {
        let mounted = self.mounted.iter().any(|file| file.filename == argument);
        if mounted { below(&self.root, argument) } else { PathBuf::from(argument) }
    }

    fn start(&self) -> Result<Start<'_>, String> {
        let words = &self.definition.entrypoint_args;
        let command = words.first().ok_or("no entrypoint")?;
        // only what came through a mount is executed: the image's own programs are not here
        if !self.mounted.iter().any(|file| file.filename == *command) {
            return Err(format!("exec: \"{command}\": no such file or directory"));
        }
        let folder = self.definition.workdir.as_deref().map_or_else(|| self.root.clone(), |path| below(&self.root, path));
        let arguments = words[1..].iter().map(|word| self.here(word)).collect();
        Ok(Start { program: self.here(command), arguments, environment: &self.environment, folder })
    }
}

/// An absolute path inside a folder.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Lives a sandbox's life: waits for room if it has none, runs the process, and keeps how it ended.
pub(super) async fn live(hub: Arc<Hub>, sandbox: Arc<Sandbox>, place: Option<Place>) {
    let place = match place {
        Some(place) => Some(place),
        None => tokio::select! {
            place = hub.room.wait(|| hub.behaviour().capacity) => Some(place),
            _ = sandbox.ordered() => None,
        },
    };
    let ending = match (&place, sandbox.order()) {
        (Some(_), None) => run(&hub, &sandbox).await,
        (_, order) => order.map_or_else(Ending::lost, |order| order.ending),
    };
    sandbox.output.end();
    let _ = std::fs::remove_dir_all(&sandbox.root);
    let began = if let Phase::Running { since, .. } = sandbox.phase() { since } else { 0.0 };
    sandbox.phase.send_replace(Phase::Ended { ending, began, at: super::hub::now(), since: Instant::now() });
    drop(place);
}

async fn run(hub: &Arc<Hub>, sandbox: &Arc<Sandbox>) -> Ending {
    let started = match furnish(hub, sandbox).map_err(|error| error.to_string()).and_then(|()| sandbox.start()) {
        Ok(start) => process::start(&start).await.map_err(|error| format!("exec: \"{}\": {error}", sandbox.definition.entrypoint_args[0])),
        Err(why) => Err(why),
    };
    let mut child = match started {
        Ok(child) => child,
        Err(why) => return Ending::never_started(&why),
    };
    let group = child.id().unwrap_or_default();
    hub.reaper.add(group);
    sandbox.output.begin();
    sandbox.phase.send_replace(Phase::Running { process: group, since: super::hub::now() });
    let readers = [
        tokio::spawn(listen(Arc::clone(hub), Arc::clone(sandbox), Channel::Stdout, child.stdout.take())),
        tokio::spawn(listen(Arc::clone(hub), Arc::clone(sandbox), Channel::Stderr, child.stderr.take())),
    ];
    let mut ending = tokio::select! {
        ending = until_end(hub, sandbox, &mut child) => ending,
        never = process::doze(group, sandbox.doze) => match never {},
    };
    process::end_all(group, &sandbox.root);
    for reader in readers {
        let abort = reader.abort_handle();
        if tokio::time::timeout(LAST_WORDS, reader).await.is_err() {
            abort.abort();
        }
    }
    hub.reaper.remove(group);
    if let Some(order) = sandbox.order().filter(|order| order.certain) {
        ending = order.ending;
    }
    ending
}

/// Puts the mounted files and the working directory in place.
fn furnish(hub: &Hub, sandbox: &Sandbox) -> io::Result<()> {
    std::fs::create_dir_all(&sandbox.root)?;
    for file in &sandbox.mounted {
        hub.files.place(&file.sha256, file.mode, &below(&sandbox.root, &file.filename))?;
    }
    sandbox.definition.workdir.as_deref().map_or(Ok(()), |path| std::fs::create_dir_all(below(&sandbox.root, path)))
}

/// Waits for the process's own end, an order, or the end of its time.
async fn until_end(hub: &Hub, sandbox: &Sandbox, child: &mut Child) -> Ending {
    let lifetime = Duration::from_secs(sandbox.definition.timeout_secs.into());
    let (ending, polite) = tokio::select! {
        biased;
        status = child.wait() => return status.map_or_else(|_| Ending::lost(), Ending::exited),
        order = sandbox.ordered() => (order.ending, order.polite),
        () = tokio::time::sleep(lifetime) => (Ending::timed_out(), true),
    };
    let group = child.id().unwrap_or_default();
    if let (true, Terminate::Politely(grace)) = (polite, hub.behaviour().terminate) {
        process::signal(group, Signal::TERM);
        let _ = tokio::time::timeout(grace, child.wait()).await;
    }
    process::signal(group, Signal::KILL);
    let _ = child.wait().await;
    ending
}

/// Takes what the process prints.
async fn listen(hub: Arc<Hub>, sandbox: Arc<Sandbox>, channel: Channel, pipe: Option<impl AsyncRead + Unpin>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 64 << 10];
    let mut sieve = Sieve::default();
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        if let Some(found) = sieve.token_in(&hub.rig.guard.marks, &buffer[..read]) {
            hub.rig.strict.broken(rules::SECRET_PRINTED, format!("{found} by {}", sandbox.id));
        }
        let (taken, doomed) = doom_within(&sandbox, channel, read);
        let behaviour = hub.behaviour();
        for piece in buffer[..taken].chunks(behaviour.output_piece.max(1)) {
            sandbox.output.push(channel, piece, behaviour.output_kept);
        }
        if let Some(ending) = doomed {
            sandbox.end(Order { ending, polite: false, certain: true });
            return;
        }
    }
}

/// How much of a chunk is printed before the sandbox's doom, and the doom if it comes within.
fn doom_within(sandbox: &Sandbox, channel: Channel, read: usize) -> (usize, Option<Ending>) {
    let doom = sandbox.doom.lock().unwrap().clone().filter(|_| channel == Channel::Stdout);
    let Some((at, ending)) = doom else { return (read, None) };
    let left = at.saturating_sub(sandbox.output.printed(channel));
    if left <= read as u64 { (left as usize, Some(ending)) } else { (read, None) }
}
