//! A Modal and a bare client: gRPC with the headers one gives it, and nothing of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prost::Message;
use sha2::{Digest as _, Sha256};
use standins::modal::proto::router::{SandboxStdioReadV2Request, SandboxStdioReadV2Response};
use standins::modal::proto::secret_source::Source;
use standins::modal::proto::*;
use standins::modal::{Modal, SandboxHandle, Setup, TokenPair};
use standins::strict::RuleName;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// Where every test's script lies in its sandbox.
pub(crate) const SCRIPT: &str = "/box/run.sh";
/// A secret of a hub, for tests that lose one.
pub(crate) const MARKED: &str = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH";

pub(crate) struct World {
    pub(crate) modal: Modal,
    pub(crate) token: TokenPair,
    runtime: tokio::runtime::Runtime,
    app_id: String,
    image_id: String,
}

/// The headers of one call.
pub(crate) type Headers = BTreeMap<&'static str, String>;

/// A key that no call had before.
pub(crate) fn key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let digest = hex::encode(Sha256::digest(format!("{} {}", std::process::id(), NEXT.fetch_add(1, Relaxed))));
    format!("{}-{}-4{}-a{}-{}", &digest[..8], &digest[8..12], &digest[13..16], &digest[17..20], &digest[20..32])
}

impl World {
    pub(crate) fn start() -> Self {
        Self::begin(Setup::default())
    }

    pub(crate) fn begin(setup: Setup) -> Self {
        setup.marks.token("hf", MARKED);
        let modal = Modal::start(setup);
        let token = modal.token("alice");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut world = Self { modal, token, runtime, app_id: String::new(), image_id: String::new() };
        world.app_id = world.make_app("hf2ms");
        world.image_id = world.make_image();
        world
    }

    pub(crate) fn app_id(&self) -> String {
        self.app_id.clone()
    }

    /// What a careful client sends with every call, but for the token of V2 calls.
    pub(crate) fn headers(&self) -> Headers {
        BTreeMap::from([
            ("x-modal-client-type", "9".to_owned()),
            ("x-modal-client-version", "1.0.0".to_owned()),
            ("x-modal-libmodal-version", "modal-go/0.9.0".to_owned()),
            ("x-modal-token-id", self.token.id.clone()),
            ("x-modal-token-secret", self.token.secret.clone()),
            ("x-idempotency-key", key()),
            ("x-retry-attempt", "0".to_owned()),
            ("x-throttle-retry-attempt", "0".to_owned()),
        ])
    }

    /// The same, with the token of V2 calls.
    pub(crate) fn headers_v2(&self) -> Headers {
        let token = self.call::<_, AuthTokenGetResponse>("AuthTokenGet", AuthTokenGetRequest {}).unwrap().token;
        let mut headers = self.headers();
        headers.insert("x-modal-auth-token", token);
        headers
    }

    /// A unary call with the headers it should have.
    pub(crate) fn call<Q: Message + 'static, A: Message + Default + 'static>(&self, name: &str, message: Q) -> Result<A, Status> {
        let v2 = name.ends_with("V2") || name == "SandboxSetName" || name == "SandboxGetCommandRouterAccess";
        let headers = if v2 { self.headers_v2() } else { self.headers() };
        self.call_with(name, message, &headers)
    }

    /// A unary call with these headers.
    pub(crate) fn call_with<Q, A>(&self, name: &str, message: Q, headers: &Headers) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let (request, path) = (with(message, headers), path("modal.client.ModalClient", name));
        self.runtime.block_on(async {
            let mut grpc = grpc(self.modal.url()).await?;
            let codec = tonic_prost::ProstCodec::<Q, A>::default();
            grpc.unary(request, path, codec).await.map(tonic::Response::into_inner)
        })
    }

    /// All messages of a stream of the control plane, and how it ended.
    pub(crate) fn stream<Q, A>(&self, name: &str, message: Q) -> (Vec<A>, Result<(), Status>)
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let (request, path) = (with(message, &self.headers()), path("modal.client.ModalClient", name));
        self.runtime.block_on(all(self.modal.url(), request, path))
    }

    /// All messages of a read at the router.
    pub(crate) fn read(&self, jwt: &str, task_id: &str, offset: u64) -> (Vec<SandboxStdioReadV2Response>, Result<(), Status>) {
        self.read_with(&BTreeMap::from([("authorization", format!("Bearer {jwt}"))]), task_id, offset)
    }

    /// The same with these headers.
    pub(crate) fn read_with(&self, headers: &Headers, task_id: &str, offset: u64) -> (Vec<SandboxStdioReadV2Response>, Result<(), Status>) {
        let message = SandboxStdioReadV2Request { task_id: task_id.to_owned(), offset, file_descriptor: 0 };
        let path = path("modal.task_command_router.TaskCommandRouter", "SandboxStdioReadV2");
        self.runtime.block_on(all(self.modal.router_url(), with(message, headers), path))
    }

    fn make_app(&self, name: &str) -> String {
        let request = AppGetOrCreateRequest { app_name: name.to_owned(), object_creation_type: 1, ..Default::default() };
        self.call::<_, AppGetOrCreateResponse>("AppGetOrCreate", request).unwrap().app_id
    }

    /// The recipe of a plain image.
    pub(crate) fn recipe(&self) -> ImageGetOrCreateRequest {
        let image = Image { dockerfile_commands: vec!["FROM debian:bookworm-slim".to_owned()], ..Default::default() };
        let builder_version = "2025.06".to_owned();
        ImageGetOrCreateRequest { image: Some(image), app_id: self.app_id.clone(), namespace: 1, builder_version, ..Default::default() }
    }

    fn make_image(&self) -> String {
        let image = self.call::<_, ImageGetOrCreateResponse>("ImageGetOrCreate", self.recipe()).unwrap();
        let join = ImageJoinStreamingRequest { image_id: image.image_id.clone(), timeout: 5.0, ..Default::default() };
        let (messages, _) = self.stream::<_, ImageJoinStreamingResponse>("ImageJoinStreaming", join);
        // while the image is delayed or broken by a test's dials, the test looks for itself
        let _built = messages.iter().any(|message| message.result.as_ref().is_some_and(|result| result.status == 1));
        image.image_id
    }

    /// Puts a small file there and gives its digest.
    pub(crate) fn put(&self, bytes: &[u8]) -> String {
        let sha256_hex = hex::encode(Sha256::digest(bytes));
        let asks = MountPutFileRequest { sha256_hex: sha256_hex.clone(), data_oneof: None };
        if !self.call::<_, MountPutFileResponse>("MountPutFile", asks).unwrap().exists {
            let data = Some(mount_put_file_request::DataOneof::Data(bytes.to_vec()));
            let sends = MountPutFileRequest { sha256_hex: sha256_hex.clone(), data_oneof: data };
            self.call::<_, MountPutFileResponse>("MountPutFile", sends).unwrap();
        }
        sha256_hex
    }

    /// Makes a mount of small files: path, mode, content.
    pub(crate) fn mount(&self, files: &[(&str, u32, &str)]) -> String {
        let file = |(path, mode, content): &(&str, u32, &str)| MountFile {
            filename: (*path).to_owned(),
            sha256_hex: self.put(content.as_bytes()),
            mode: Some(*mode),
            ..Default::default()
        };
        let files = files.iter().map(file).collect();
        let request = MountGetOrCreateRequest { object_creation_type: 4, files, app_id: self.app_id.clone(), ..Default::default() };
        self.call::<_, MountGetOrCreateResponse>("MountGetOrCreate", request).unwrap().mount_id
    }

    /// A definition that runs a shell script.
    pub(crate) fn definition(&self, script: &str) -> Sandbox {
        let mount = self.mount(&[(SCRIPT, 0o755, &format!("#!/bin/sh\n{script}\n"))]);
        Sandbox {
            entrypoint_args: vec![SCRIPT.to_owned()],
            mount_ids: vec![mount],
            image_id: self.image_id.clone(),
            timeout_secs: 600,
            ..Default::default()
        }
    }

    /// The request for a V2 sandbox without secrets.
    pub(crate) fn request(&self, definition: Sandbox) -> SandboxCreateV2Request {
        SandboxCreateV2Request { app_id: self.app_id.clone(), definition: Some(definition), ..Default::default() }
    }

    pub(crate) fn create(&self, request: SandboxCreateV2Request) -> Result<SandboxCreateV2Response, Status> {
        self.call("SandboxCreateV2", request)
    }

    /// Runs a script in a V2 sandbox with a name.
    pub(crate) fn run(&self, name: &str, script: &str) -> (SandboxCreateV2Response, SandboxHandle) {
        let definition = Sandbox { name: Some(name.to_owned()), ..self.definition(script) };
        let made = self.create(self.request(definition)).unwrap();
        (made.clone(), self.handle(&made.sandbox_id))
    }

    /// The same in a V1 sandbox.
    pub(crate) fn run_v1(&self, name: &str, script: &str) -> SandboxHandle {
        let definition = Sandbox { name: Some(name.to_owned()), ..self.definition(script) };
        let request = SandboxCreateRequest { app_id: self.app_id.clone(), definition: Some(definition), ..Default::default() };
        let made: SandboxCreateResponse = self.call("SandboxCreate", request).unwrap();
        self.handle(&made.sandbox_id)
    }

    pub(crate) fn handle(&self, id: &str) -> SandboxHandle {
        self.modal.sandboxes().into_iter().find(|sandbox| sandbox.id() == id).unwrap()
    }

    /// Asserts that a call breaks just this rule, and that everything before broke none.
    #[track_caller]
    pub(crate) fn breaks<T>(&self, rule: RuleName, call: impl FnOnce() -> T) -> T {
        self.modal.strict().assert_clean();
        let answer = call();
        let broken: Vec<_> = self.modal.strict().violations().iter().map(|violation| violation.rule).collect();
        assert_eq!(broken, [rule.name], "{:?}", self.modal.strict().violations());
        self.modal.strict().forget();
        answer
    }
}

/// Variables that travel as a secret.
pub(crate) fn secret(pairs: &[(&str, &str)]) -> SecretSource {
    let contents = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    SecretSource { source: Some(Source::Env(StringMap { contents })) }
}

pub(crate) fn tag(name: &str, value: &str) -> SandboxTag {
    SandboxTag { tag_name: name.to_owned(), tag_value: value.to_owned() }
}

fn path(service: &str, name: &str) -> PathAndQuery {
    format!("/{service}/{name}").parse().unwrap()
}

fn with<Q>(message: Q, headers: &Headers) -> Request<Q> {
    let mut request = Request::new(message);
    let mut metadata = MetadataMap::new();
    for (name, value) in headers {
        metadata.insert(AsciiMetadataKey::from_static(name), value.parse().unwrap());
    }
    *request.metadata_mut() = metadata;
    request
}

async fn grpc(url: String) -> Result<tonic::client::Grpc<Channel>, Status> {
    let channel = Channel::from_shared(url).unwrap().connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(100 << 20).max_encoding_message_size(200 << 20);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(grpc)
}

async fn all<Q, A>(url: String, request: Request<Q>, path: PathAndQuery) -> (Vec<A>, Result<(), Status>)
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let opened = async { grpc(url).await?.server_streaming(request, path, tonic_prost::ProstCodec::<Q, A>::default()).await };
    let mut stream: Streaming<A> = match opened.await {
        Ok(response) => response.into_inner(),
        Err(status) => return (Vec::new(), Err(status)),
    };
    let mut messages = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Ok(())),
            Err(status) => return (messages, Err(status)),
        }
    }
}
