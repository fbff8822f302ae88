//! Large files of a repository that is read by git: the LFS server says where each lies (git-lfs's `docs/api/batch.md`).

use std::collections::HashMap;
use std::ops::Range;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use super::{GitReader, judge};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::http::{Answer, Payload, Request};
use crate::hub::download::{Given, Wanted};
use crate::hub::{Location, Opened, quoted, unexpected};
use crate::repo::{FileEntry, Manifest, RepoRef, Sha256};
use crate::secret::SafeUrl;

const MEDIA: &str = "application/vnd.git-lfs+json";
/// Objects asked for at once: what git-lfs asks for.
const TOGETHER: usize = 100;

#[derive(Deserialize)]
struct Batch {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    actions: Option<Actions>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
    #[serde(default)]
    header: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u64,
    #[serde(default)]
    message: String,
}

impl GitReader {
    /// Opens a file that git holds as a pointer to this content.
    pub(super) async fn open_blob(
        &self,
        manifest: &Manifest,
        file: &FileEntry,
        sha256: Sha256,
        range: Range<u64>,
        location: Location,
    ) -> Result<Opened> {
        let key = sha256.to_string();
        let wanted = Wanted { path: &key, range, size: file.size, location };
        let known = |location| self.downloads.knows(&key, location);
        if !known(location) {
            // who comes first asks for those who wait as well
            let _turn = self.asking.lock().await;
            if !known(location) {
                self.locate(manifest, file, sha256).await?;
            }
        }
        let credentials = self.credentials(&manifest.repo).await?;
        let request = |url: SafeUrl| {
            let own = url.expose().origin() == self.endpoint.origin();
            let request = Request::new(Method::GET, url);
            Ok(match &credentials {
                Some(credentials) if own => request.header(AUTHORIZATION, credentials.clone()),
                _ => request,
            })
        };
        let refusal = |answer: &Answer| judge(self.platform, answer).err().unwrap_or_else(unexpected);
        self.downloads.open_given(wanted, request, refusal).await.map_err(|error| error.with("file", &file.path))
    }

    /// Asks where this file lies, and those that come after it in the listing and whose places are not known yet.
    async fn locate(&self, manifest: &Manifest, file: &FileEntry, sha256: Sha256) -> Result<()> {
        let after = manifest.files.partition_point(|other| other.path <= file.path);
        let (before, after) = manifest.files.split_at(after);
        let others = after.iter().chain(before).filter(|other| other.lfs).filter_map(|other| Some((other.digests.sha256?, other.size)));
        let mut objects = vec![(sha256, file.size)];
        for (other, size) in others {
            if objects.len() == TOGETHER {
                break;
            }
            if !objects.iter().any(|(known, _)| *known == other) && !self.downloads.knows(&other.to_string(), Location::Recent) {
                objects.push((other, size));
            }
        }
        let asked = objects.iter().map(|(oid, size)| json!({ "oid": oid.to_string(), "size": size })).collect::<Vec<_>>();
        let body = json!({ "operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": asked });
        let mut request = Request::new(Method::POST, self.remote(&manifest.repo, "/info/lfs/objects/batch")?)
            .header(ACCEPT, HeaderValue::from_static(MEDIA))
            .payload(Payload::Bytes(body.to_string().into(), MEDIA));
        if let Some(credentials) = self.credentials(&manifest.repo).await? {
            request = request.header(AUTHORIZATION, credentials);
        }
        let batch: Batch = self.http.call(request, self.patience, |answer| judge(self.platform, answer)?.json()).await?;
        let mut found = false;
        for object in batch.objects {
            let size = objects.iter().find(|(oid, _)| oid.to_string() == object.oid).map(|(_, size)| *size);
            let is_wanted = object.oid == sha256.to_string();
            match (size, object.actions.and_then(|actions| actions.download), object.error) {
                (Some(size), Some(link), None) => {
                    self.downloads.give(&object.oid, given(&self.endpoint, link, &object.oid, size)?);
                    found |= is_wanted;
                }
                (_, _, Some(refusal)) if is_wanted => return Err(self.missing(&manifest.repo, file, &refusal)),
                _ => {}
            }
        }
        match found {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Protocol, "the LFS server does not say where a file lies")
                .with("file", &file.path)
                .with("oid", sha256)),
        }
    }

    /// What the LFS server's refusal of one object means.
    fn missing(&self, repo: &RepoRef, file: &FileEntry, refusal: &Refusal) -> Error {
        let title = self.platform.title();
        let error = match refusal.code {
            404 | 410 => {
                Error::new(ErrorKind::NotFound, format!("{title}'s storage does not have a large file that the repository points to"))
                    .hint_to("ask its owner to upload it again, or leave the file out with --exclude")
            }
            403 => Error::new(ErrorKind::Forbidden, format!("{title} does not give a large file by git"))
                .hint_to("leave the file out with --exclude, or ask for access"),
            429 | 500..600 => {
                Error::new(ErrorKind::Unavailable, format!("{title} cannot give a large file right now")).retry(Retry::Later(None))
            }
            _ => Error::new(ErrorKind::Protocol, format!("{title} refuses a large file")),
        };
        error
            .with("repo", repo)
            .with("file", &file.path)
            .with("code", refusal.code)
            .with("says", format!("\"{}\"", quoted(&refusal.message)))
    }
}

/// Where one object lies. Its headers are for that address alone.
fn given(endpoint: &url::Url, link: Link, oid: &str, size: u64) -> Result<Given> {
    let mut headers = HeaderMap::new();
    for (name, value) in &link.header {
        let odd = || Error::new(ErrorKind::Protocol, "the LFS server asks for a header that cannot be sent").with("name", quoted(name));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| odd())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(Given { url: SafeUrl::join(endpoint, &link.href)?, headers, validator: oid.to_owned(), total: size })
}
