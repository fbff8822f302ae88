//! What may be turned on Modal while it runs: limits, delays, and behaviours that nobody outside is sure of.

use std::collections::BTreeMap;
use std::time::Duration;

/// The stand-in's own dials. The defaults are what facts/modal says was seen; what it marks `[?]` has a switch for the other
/// answer.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Clients refused at every call with `FAILED_PRECONDITION`, as pairs of type and version, beside those no official client
    /// has. §1: what the service accepts is not known.
    pub refused_clients: Vec<(i32, String)>,
    /// Warnings of every unary answer, percent-encoded in the trailer `x-modal-warning`. §1
    pub warnings: Vec<String>,
    /// How long a token of `AuthTokenGet` holds. §1: 20 minutes.
    pub auth_token_lifetime: Duration,
    /// Whether such a token says when it runs out. §1
    pub auth_token_says_exp: bool,
    /// How long a token of the router holds.
    pub router_token_lifetime: Duration,
    /// Whether creating gives a `sandbox_token`. §1
    pub sandbox_tokens: bool,
    /// A generation whose calls answer `UNIMPLEMENTED`. §6
    pub withdrawn: Option<Generation>,

    /// The environment's image builder version. §2.2
    pub image_builder_version: String,
    /// How image builds go. §2.3
    pub image_build: ImageBuild,
    /// How many messages a stream of `ImageJoinStreaming` has before it ends, whatever is left to say. §2.3
    pub image_stream_messages: usize,

    /// Which fields of the answer of `BlobCreate` are set. §2.4: both.
    pub blob_fields: BlobFields,
    /// How many upload addresses an answer names; one works as well as another. §2.4
    pub blob_alternatives: usize,
    /// So many calls of `MountPutFile` after an upload still answer that the file is not there. §2.4
    pub exists_late: u32,

    /// How many sandboxes there is room for. V1: the next one waits; V2: `RESOURCE_EXHAUSTED`, with a retry policy if
    /// [`Behaviour::capacity_retry_after`] says so.
    pub capacity: Option<usize>,
    /// The seconds that the retry policy of a full house names; `None` for no policy. `[?]`
    pub capacity_retry_after: Option<f32>,
    /// How many containers the workspace may have. Beyond: `RESOURCE_EXHAUSTED` without a policy, for both generations. §4
    pub max_containers: Option<usize>,
    /// How a sandbox is ended. §2.7: not documented.
    pub terminate: Terminate,
    /// How many rows a page of a listing has. §2.9
    pub page_size: usize,
    /// Whether listings show finished sandboxes when asked to. §2.9 `[?]`
    pub lists_finished: bool,
    /// How many sandboxes of the newest are not yet listed: a listing lags behind. `[?]`
    pub list_lags: usize,
    /// Whether listings show the names of sandboxes that have ended. `[?]`
    pub lists_names_of_finished: bool,

    /// How long the router serves output after a sandbox's end. §3: unknown.
    pub router_after_exit: Duration,
    /// The most bytes of a message of output, of router and logs.
    pub output_piece: usize,
    /// How many messages a stream of output has before it is cut. §3
    pub stream_messages: Option<u64>,
    /// How such a stream ends.
    pub stream_end: StreamEnd,
    /// How many bytes of output the router's host keeps; older ones are dropped. §3
    pub output_kept: Option<u64>,
    /// How late entries reach the log history. §3
    pub history_delay: Duration,
    /// Whether the history of a V2 sandbox is also found by sandbox id. §3 `[?]`
    pub history_by_sandbox_id: bool,

    /// What `WorkspaceBillingRates` says. §10.10: its keys were not seen.
    pub billing_rates: BTreeMap<String, String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        let rates = [("CPU core-second", "0.0000394"), ("Memory GiB-second", "0.00000667")];
        Self {
            refused_clients: Vec::new(),
            warnings: Vec::new(),
            auth_token_lifetime: Duration::from_secs(20 * 60),
            auth_token_says_exp: true,
            router_token_lifetime: Duration::from_secs(60 * 60),
            sandbox_tokens: false,
            withdrawn: None,
            image_builder_version: "2025.06".to_owned(),
            image_build: ImageBuild::default(),
            image_stream_messages: usize::MAX,
            blob_fields: BlobFields::Both,
            blob_alternatives: 1,
            exists_late: 0,
            capacity: None,
            capacity_retry_after: Some(0.5),
            max_containers: None,
            terminate: Terminate::Kill,
            page_size: 100,
            lists_finished: true,
            list_lags: 0,
            lists_names_of_finished: true,
            router_after_exit: Duration::MAX,
            output_piece: 16 << 10,
            stream_messages: None,
            stream_end: StreamEnd::Unavailable,
            output_kept: None,
            history_delay: Duration::ZERO,
            history_by_sandbox_id: false,
            billing_rates: rates.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }
}

/// The two families of sandbox calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `SandboxCreate` and its like.
    V1,
    /// `SandboxCreateV2` and its like.
    V2,
}

/// How an image's first build goes.
#[derive(Clone, Debug, Default)]
pub struct ImageBuild {
    /// Whether every image was built before anybody asks.
    pub cached: bool,
    /// How long it takes.
    pub takes: Duration,
    /// What the build says, a log entry each.
    pub log: Vec<String>,
    /// Whether it fails.
    pub fails: bool,
}

/// Which fields of the answer of `BlobCreate` are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobFields {
    /// Those of the newer and of the older clients.
    Both,
    /// `upload_urls` and `blob_ids`.
    New,
    /// `upload_url` and `blob_id`.
    Old,
}

/// How a sandbox is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminate {
    /// SIGKILL at once.
    Kill,
    /// SIGTERM, and SIGKILL after this time.
    Politely(Duration),
}

/// How a stream of output is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With the status `UNAVAILABLE`.
    Unavailable,
    /// With the status `OK`, as if there were no more. On the logs of V1 that is without `eof`.
    Clean,
}
