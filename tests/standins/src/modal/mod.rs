//! Modal: the control plane, a worker's command router and the storage of blobs, each on a port of its own.
//!
//! It speaks the real protocol, as facts/modal describes it, from a reading of its own in `proto/`, and it executes: a sandbox is a
//! process on this machine, made only of what came through mounts and blobs.
//!
//! * The sandbox's `/` is a fresh folder. Mounted files lie in it with the modes they were given. The command, and every argument
//!   that is as a whole the path of a mounted file, is replaced by where that file lies on this machine (`/hf2ms/worker` becomes
//!   `FOLDER/hf2ms/worker`); nothing else is changed. What is not mounted does not exist: an image's own programs are not here.
//! * Its environment is what its secrets hold, and nothing else. Its input is empty; it starts in its folder, or in its `workdir` below.
//! * It runs in a process group of its own. When it ends, everything ends that was started from its folder; when the stand-in ends, in
//!   whatever way, so do all sandboxes.
//!
//! Reading order: [`proto`] → [`tokens`] and [`gate`] (who may call) → [`serve`] and [`exchange`] (a call's way) → [`hub`] (what is
//! kept) → `calls`, one file a group, with [`blobs`] and [`router`] → [`sandbox`], [`process`] and [`output`] (what runs). What a test
//! turns is in [`behaviour`], what a client must not do in [`rules`], ready-made failures in [`misfortunes`].
#![allow(rustdoc::private_intra_doc_links, reason = "a map for those who work here")]

mod behaviour;
mod blobs;
mod calls;
mod exchange;
mod files;
mod gate;
mod handle;
mod hub;
mod ids;
pub mod misfortunes;
mod output;
mod process;
pub mod proto;
mod router;
pub mod rules;
mod sandbox;
mod serve;
mod tokens;
mod wire;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

pub use behaviour::{Behaviour, BlobFields, Generation, ImageBuild, StreamEnd, Terminate};
pub use blobs::BLOB;
pub use handle::SandboxHandle;
pub use sandbox::Ending;

use crate::dials::Dials;
use crate::faults::{Faults, Rule};
use crate::journal::Journal;
use crate::marks::{Guard, Marks};
use crate::rig::Rig;
use crate::server::Server;
use crate::strict::Strictness;
use files::Files;
use hub::{Doom, Hub, Urls};
use process::Doze;
use tokens::Pair;

/// The control plane: gRPC.
pub const CONTROL: &str = "control";
/// The command router of the workers' host: gRPC.
pub const ROUTER: &str = "router";
/// The storage of blobs: HTTP/1.1.
pub const BLOBS: &str = "blobs";

/// Whose tokens these are.
const HUB: &str = "modal";
/// The environment that no name means.
const DEFAULT_ENVIRONMENT: &str = "main";

/// How a stand-in begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The workspace's name.
    pub workspace: String,
    /// The stand-in's own dials.
    pub behaviour: Behaviour,
    /// Whether official clients are the peers: what they do beyond our rules is not counted.
    pub lenient_peers: bool,
    /// Secrets, shared with the other stand-ins of the test.
    pub marks: Marks,
}

impl Default for Setup {
    fn default() -> Self {
        Self { workspace: "acme".to_owned(), behaviour: Behaviour::default(), lenient_peers: false, marks: Marks::default() }
    }
}

/// Both halves of a token.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// `ak-…`, for `MODAL_TOKEN_ID`.
    pub id: String,
    /// `as-…`, for `MODAL_TOKEN_SECRET`.
    pub secret: String,
}

/// A running Modal. Dropping it ends all its connections and all its sandboxes.
#[derive(Debug)]
pub struct Modal {
    // held for its runtime
    _server: Server,
    hub: Arc<Hub>,
}

impl Modal {
    /// Starts a workspace without apps.
    pub fn start(setup: Setup) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let headers = &[("x-modal-token-id", ""), ("x-modal-token-secret", "")];
        let guard = Guard { marks: setup.marks, hub: HUB, homes: &[CONTROL], headers, logins: &[] };
        let rig = Arc::new(Rig::new(&[CONTROL, ROUTER, BLOBS], guard));
        rig.strict.set_lenient_peers(setup.lenient_peers);
        let folder = format!("standins-modal-{}-{}", std::process::id(), STARTED.fetch_add(1, Relaxed));
        let files = Files::new(std::env::temp_dir().join(folder));
        let (control, router) = (bind(), bind());
        let url = |listener: &std::net::TcpListener| format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let (control_url, router_url) = (url(&control), url(&router));
        let mut made = None;
        let server = Server::start(&rig, &[BLOBS], |addresses| {
            let urls = Urls { control: control_url, router: router_url, blobs: addresses.url(BLOBS) };
            let hub = Arc::new(Hub::new(&rig, urls, setup.workspace, files, setup.behaviour));
            hub.state().environments.insert(DEFAULT_ENVIRONMENT.to_owned());
            made = Some(Arc::clone(&hub));
            hub
        });
        let hub = made.expect("the server makes its hub at once");
        for (origin, listener) in [(CONTROL, control), (ROUTER, router)] {
            server.spawn(serve::accept(origin, listener, Arc::clone(&hub)));
        }
        Self { _server: server, hub }
    }

    /// The control plane's address, for `MODAL_SERVER_URL`.
    pub fn url(&self) -> String {
        self.hub.urls.control.clone()
    }

    /// The router's address, as answers name it.
    pub fn router_url(&self) -> String {
        self.hub.urls.router.clone()
    }

    /// Issues a token to a user of the workspace.
    pub fn token(&self, user: &str) -> TokenPair {
        self.token_until(user, None)
    }

    /// Issues a token that runs out.
    pub fn token_until(&self, user: &str, expires: Option<SystemTime>) -> TokenPair {
        let (id, secret) = (self.hub.ids.make("ak"), self.hub.ids.make("as"));
        let pair = Pair { id: id.clone(), secret: secret.clone(), user: user.to_owned(), made: SystemTime::now(), expires };
        self.hub.state().tokens.add(pair);
        self.hub.rig.guard.marks.token(HUB, &secret);
        TokenPair { id, secret }
    }

    /// Makes a token worthless.
    pub fn revoke(&self, token: &TokenPair) {
        self.hub.state().tokens.revoke(&token.id);
    }

    /// The variables that point a client at it, with a fresh token. The official clients know them by these names.
    pub fn environment(&self, user: &str) -> Vec<(&'static str, String)> {
        let token = self.token(user);
        vec![("MODAL_SERVER_URL", self.url()), ("MODAL_TOKEN_ID", token.id), ("MODAL_TOKEN_SECRET", token.secret)]
    }

    /// Adds an environment beside `main`.
    pub fn add_environment(&self, name: &str) {
        self.hub.state().environments.insert(name.to_owned());
    }

    /// All sandboxes ever created, oldest first.
    pub fn sandboxes(&self) -> Vec<SandboxHandle> {
        self.hub.state().sandboxes.iter().cloned().map(SandboxHandle).collect()
    }

    /// Those that have not ended.
    pub fn living(&self) -> Vec<SandboxHandle> {
        self.hub.state().living().cloned().map(SandboxHandle).collect()
    }

    /// The newest sandbox of this name.
    pub fn sandbox_named(&self, name: &str) -> Option<SandboxHandle> {
        self.sandboxes().into_iter().rev().find(|sandbox| sandbox.name().as_deref() == Some(name))
    }

    /// How many processes run from or in the folder of any sandbox.
    pub fn processes(&self) -> usize {
        process::inside(self.hub.files.folder()).len()
    }

    /// Open connections to all origins.
    pub fn connections(&self) -> u64 {
        [CONTROL, ROUTER].iter().map(|origin| self.hub.lines.of(origin).open()).sum::<u64>() + self.hub.rig.connections()
    }

    /// Lets the next sandbox whose name contains this end once it has printed exactly so many bytes: it is killed, and nothing it
    /// prints beyond is seen.
    pub fn doom(&self, name: &str, after_stdout: u64, ending: Ending) {
        self.hub.state().dooms.push(Doom { name: name.to_owned(), after: after_stdout, ending });
    }

    /// Lets the next sandbox whose name contains this run in turns, as on a host that has no time for it: for so long, and then not at all
    /// for so long. What its system does for it, such as taking bytes from the network, goes on.
    pub fn doze(&self, name: &str, awake: Duration, asleep: Duration) {
        self.hub.state().dozes.push((name.to_owned(), Doze { awake, asleep }));
    }

    /// Kills, when called, every living sandbox whose name contains this. For a fault, or a moment of another stand-in.
    pub fn killing(&self, name: &str, ending: Ending) -> impl Fn() + Send + Sync + 'static {
        let (hub, name) = (Arc::clone(&self.hub), name.to_owned());
        move || {
            let living: Vec<_> = hub.state().living().cloned().collect();
            let meant = living.into_iter().filter(|sandbox| sandbox.name().unwrap_or_default().contains(&name));
            meant.for_each(|sandbox| SandboxHandle(sandbox).end(ending.clone()));
        }
    }

    /// Forgets a mounted content: the next client has to send it again.
    pub fn forget_content(&self, sha256: &str) {
        self.hub.files.forget(sha256);
    }

    /// Cuts every connection to [`CONTROL`] or [`ROUTER`], and every new one until the time is over.
    pub fn unreachable_for(&self, origin: &str, time: Duration) {
        self.hub.lines.of(origin).go_dark(time);
    }

    /// Lets every token for V2 calls given out so far run out.
    pub fn expire_auth_tokens(&self) {
        self.hub.state().tokens.expire(false);
    }

    /// Lets every token of the router given out so far run out.
    pub fn expire_router_tokens(&self) {
        self.hub.state().tokens.expire(true);
    }

    /// Turns the stand-in's own dials.
    pub fn behaviour(&self, turn: impl FnOnce(&mut Behaviour)) {
        self.hub.set_behaviour(turn);
    }

    /// Bandwidth and latency by origin. On the gRPC origins only the latency counts.
    pub fn dials(&self) -> &Dials {
        &self.hub.rig.dials
    }

    /// Misfortunes on demand. The routes are the names of the calls, such as `SandboxCreateV2`, and [`BLOB`] for a PUT.
    pub fn faults(&self) -> &Faults {
        &self.hub.rig.faults
    }

    /// Adds a rule for a misfortune.
    pub fn fault(&self, rule: Rule) -> &Self {
        self.hub.rig.faults.add(rule);
        self
    }

    /// Broken rules.
    pub fn strict(&self) -> &Strictness {
        &self.hub.rig.strict
    }

    /// What happened. The status of a gRPC call is 200, or 400 and its code.
    pub fn journal(&self) -> &Journal {
        &self.hub.rig.journal
    }
}

impl Drop for Modal {
    fn drop(&mut self) {
        for sandbox in self.living() {
            sandbox.end(Ending::lost());
            if let Some(process) = sandbox.process() {
                process::end_all(process, &sandbox.0.root);
            }
        }
        self.hub.reaper.close();
    }
}

fn bind() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a non-blocking socket");
    listener
}
