//! The released program for sandboxes, for those who have none beside theirs: which one it is was fixed, by its digest, when this program was
//! built. It is fetched once and kept in the state folder.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind as IoKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::channel::is_loopback;
use super::worker_binary::{BUILD, LARGEST, WorkerBinary};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Http, IDLE_TIMEOUT, Incoming, Patience, Request, classify, later, retry, retry_after};
use crate::repo::Sha256;
use crate::secret::SafeUrl;

/// Where fetched programs are kept, below the state folder; each under its digest.
const FOLDER: &str = "worker";
/// Redirects followed: a release's page sends on to a storage.
const MOST_HOPS: usize = 5;

/// Where what is fetched is kept, and who hears that it is fetched.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    /// The state folder, which need not exist yet.
    pub home: &'a Path,
    /// Says a line to a person.
    pub say: fn(&str),
}

/// A released program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release<'a> {
    url: &'a str,
    sha256: &'a str,
}

/// What fetching may take.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes: u64,
    time: Duration,
    patience: Patience,
}

const USUAL: Bounds = Bounds { bytes: LARGEST, time: Duration::from_secs(300), patience: Patience::ATTENDED };

impl Release<'static> {
    /// The one that this program was built with: `HF2MS_RELEASE_URL` and `HF2MS_RELEASE_SHA256` were both set then.
    pub(super) fn pinned() -> Option<Self> {
        let set = |value: Option<&'static str>| value.map(str::trim).filter(|value| !value.is_empty());
        Some(Self { url: set(option_env!("HF2MS_RELEASE_URL"))?, sha256: set(option_env!("HF2MS_RELEASE_SHA256"))? })
    }
}

impl Release<'_> {
    /// The program: as it is kept, else fetched, and kept from then on. Takes five minutes at most, and 256 MiB.
    ///
    /// Fails with `Corrupted`, naming both digests, when what comes is another one; with what the server's answer means when it does not come;
    /// with `Local` when it cannot be kept. In each case no program is used.
    pub(super) async fn get(&self, shelf: Shelf<'_>) -> Result<WorkerBinary> {
        self.get_within(USUAL, shelf).await
    }

    async fn get_within(&self, bounds: Bounds, shelf: Shelf<'_>) -> Result<WorkerBinary> {
        let odd = |what| Error::new(ErrorKind::Local, what).during(FETCH).hint_to(instead());
        let wanted: Sha256 = self.sha256.parse().map_err(|_| odd("the digest that this program was built with is none"))?;
        let url = Url::parse(self.url).ok().filter(may_begin);
        let url = SafeUrl::new(url.ok_or_else(|| odd("the address that this program was built with is none that may be asked"))?);
        let path = shelf.home.join(FOLDER).join(wanted.to_string());
        let bytes = match kept(&path, wanted)? {
            Some(bytes) => bytes,
            None => {
                (shelf.say)(&format!("fetching the program for sandboxes, which is kept: {url}"));
                let bytes = fetch(&url, wanted, bounds).await.map_err(|error| error.during(FETCH).hint_to(instead()))?;
                keep(&path, &bytes)?;
                bytes
            }
        };
        WorkerBinary::of(path, bytes)
            .map_err(|flaw| odd("the released program does not run in a sandbox").with("url", &url).with("it", flaw))
    }
}

/// What an error happens during.
const FETCH: &str = "fetch the program for sandboxes";

fn instead() -> String {
    format!("nothing was started; set HF2MS_WORKER_BIN to such a program, or build one: {BUILD}")
}

/// https anywhere, http on this machine.
fn may_begin(url: &Url) -> bool {
    let plain = url.username().is_empty() && url.password().is_none() && url.host_str().is_some();
    plain && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

/// The bytes that have this digest, and no others.
async fn fetch(url: &SafeUrl, wanted: Sha256, bounds: Bounds) -> Result<Bytes> {
    let http = Http::new(is_loopback(url.expose()), IDLE_TIMEOUT)?;
    let whole = retry(bounds.patience, || open(&http, url, bounds.bytes));
    let bytes = timeout(bounds.time, whole).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, "it did not come in time").with("waited", format!("{} s", bounds.time.as_secs())))
    });
    let bytes = bytes.map_err(|error| error.with("url", url))?;
    let got = Sha256::of(&bytes);
    if got != wanted {
        return Err(Error::new(ErrorKind::Corrupted, "what came is not the released program")
            .with("expected", wanted)
            .with("got", got)
            .with("url", url));
    }
    Ok(bytes)
}

/// Asks once and reads the answer whole.
async fn open(http: &Http, url: &SafeUrl, most: u64) -> Result<Bytes> {
    let mut url = url.clone();
    for _hop in 0..MOST_HOPS {
        let request = Request::new(Method::GET, url.clone()).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut response = http.open(&request).await?;
        match response.status() {
            StatusCode::OK => return read(&mut response, most).await,
            status if status.is_redirection() => {
                let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let target = target.ok_or_else(|| Error::new(ErrorKind::Protocol, "a redirect without a target"))?;
                let next = SafeUrl::join(url.expose(), target)?;
                // what stands on this machine may send on within it, and nobody else to it
                let may = next.expose().scheme() == "https" || (is_loopback(url.expose()) && may_begin(next.expose()));
                if !may {
                    return Err(Error::new(ErrorKind::Protocol, "it is sent on to an address that is not https").with("to", next));
                }
                url = next;
            }
            status => {
                let asked = retry_after(response.headers());
                let (kind, again) = classify(status, asked);
                let error = Error::new(kind, "the server does not give it").with("status", status.as_u16());
                return Err(if matches!(again, Retry::Later(_)) { later(error, asked) } else { error });
            }
        }
    }
    Err(Error::new(ErrorKind::Protocol, "too many redirects"))
}

async fn read(response: &mut Incoming, most: u64) -> Result<Bytes> {
    let too_large = || Error::new(ErrorKind::TooLarge, "it is larger than any such program").with("limit", format!("{} MiB", most >> 20));
    if response.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() + chunk.len()) as u64 > most {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// What is kept, if it is what it should be. A copy that was changed is as good as none.
fn kept(path: &Path, wanted: Sha256) -> Result<Option<Bytes>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| Sha256::of(bytes) == wanted).map(Bytes::from)),
        Err(error) if error.kind() == IoKind::NotFound => Ok(None),
        Err(error) => Err(at(error, "cannot read the program for sandboxes that is kept", path)),
    }
}

/// All or nothing, and for its owner only: a process that dies here leaves no piece under its name, and two at a time bring the same.
fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let draft = PathBuf::from(format!("{}.{}.draft", path.display(), std::process::id()));
    let write = || {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(|error| {
        // what went wrong is told; whether a piece is left changes nothing
        let _gone = std::fs::remove_file(&draft);
        at(error, "cannot keep the program for sandboxes", path)
    })
}

fn at(error: std::io::Error, what: &'static str, path: &Path) -> Error {
    let hint = "HF2MS_HOME names another folder; with HF2MS_WORKER_BIN set nothing is fetched";
    Error::new(ErrorKind::Local, what).with("file", path.display()).because(error).hint_to(hint)
}

#[cfg(test)]
mod tests;
