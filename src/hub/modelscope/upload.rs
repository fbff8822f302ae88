//! Writing to ModelScope: create, LFS batch, commit. Facts: `modelscope` §3.

use std::collections::HashMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::judge;
use super::{ModelScope, SafeUrl};
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Patience, Payload, Piece, Request};
use crate::hub::{Account, Action, Blob, Commit, Created, RepoInfo, Source, Ticket, Upload, lfs, quoted};
use crate::repo::{Platform, RepoPath, RepoRef, RepoType, Visibility};

/// Always inline, at any depth, because the site reads them and would see a pointer otherwise (facts, modelscope §3.2).
const METADATA: [&str; 10] = [
    "readme.md",
    ".gitattributes",
    ".gitignore",
    "configuration.json",
    "configuration.yaml",
    "configuration.yml",
    "dataset_infos.json",
    "config.json",
    ".msc",
    ".mdl",
];

/// The most that any client seen sends inline (facts, modelscope §3.2).
const METADATA_LIMIT: u64 = 5 << 20;
/// Other files go inline up to here.
const INLINE_LIMIT: u64 = 64 << 10;

/// Whether a file goes as a blob. The client chooses; the server takes either.
pub(super) fn is_lfs(path: &RepoPath, size: u64) -> bool {
    let metadata = METADATA.contains(&path.file_name().to_lowercase().as_str());
    size > if metadata { METADATA_LIMIT } else { INLINE_LIMIT }
}

#[derive(Deserialize)]
struct Batch {
    objects: Option<Vec<BatchObject>>,
}

#[derive(Deserialize)]
struct BatchObject {
    oid: String,
    actions: Option<Actions>,
    #[serde(default)]
    error: Value,
}

#[derive(Deserialize)]
struct Actions {
    upload: Option<Link>,
    verify: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl ModelScope {
    pub(super) async fn create_repo(&self, repo: &RepoRef, visibility: Visibility, licence: Option<&str>) -> Result<Created> {
        let number = match visibility {
            Visibility::Public => 5,
            Visibility::Internal => 3,
            Visibility::GatedAuto | Visibility::GatedManual | Visibility::Gated | Visibility::Private => 1,
        };
        let (owner, name, licence) = (repo.id.namespace(), repo.id.name(), licence.unwrap_or("Other"));
        let request = if repo.repo_type == RepoType::Dataset {
            let fields = vec![
                ("Owner", owner.to_owned()),
                ("Name", name.to_owned()),
                ("Visibility", number.to_string()),
                ("License", licence.to_owned()),
            ];
            self.request(Method::POST, self.url("/api/v1/datasets")?)?.payload(Payload::Form(fields))
        } else {
            let body = json!({ "Path": owner, "Name": name, "Visibility": number, "License": licence });
            self.request(Method::POST, self.url("/api/v1/models")?)?.json(&body)
        };
        // a second create answers that the name is taken, which the read-back looks into
        let made = match self.http.call(request, Patience::PATIENT, judge::<Value>).await {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::Conflict => false,
            Err(error) => return Err(self.refused_creation(error, repo).await.during("create").with("repo", repo)),
        };
        let info = self.info(repo, None).await.map_err(|error| if made { error } else { crate::hub::taken(error, repo) });
        Ok(Created { info: info.map_err(|error| error.during("create"))?, made })
    }

    /// The site does not say beforehand where a token may write: after a refusal its account is named.
    async fn refused_creation(&self, error: Error, repo: &RepoRef) -> Error {
        let error = match error.kind() {
            ErrorKind::NotFound => {
                Error::new(ErrorKind::Forbidden, format!("ModelScope knows no namespace `{}`", repo.id.namespace())).because(error)
            }
            // a quota is no matter of permission
            ErrorKind::Forbidden if error.own_hint().is_some() && error.fact("code") != Some("QuotaLimitExceed") => error,
            _ => return error,
        };
        match self.account().await {
            Ok(Account { name, .. }) if name == repo.id.namespace() => {
                error.hint_instead(format!("it is a token of {name} without write permission: set MODELSCOPE_TOKEN to one that has it"))
            }
            Ok(Account { name, .. }) => error.hint_instead(format!(
                "it is a token of {name}: choose a namespace it may write to, as with --dest {name}/{}",
                repo.id.name()
            )),
            Err(_) => error,
        }
    }

    pub(super) async fn batch(&self, info: &RepoInfo, blobs: &[Blob]) -> Result<Vec<Option<Ticket>>> {
        let objects: Vec<_> = blobs.iter().map(|blob| json!({ "oid": blob.sha256, "size": blob.size })).collect();
        let url = self.url(&format!("/api/v1/repos/{}/{}/info/lfs/objects/batch", info.repo.repo_type.plural(), info.repo.id))?;
        let request = self.request(Method::POST, url)?.json(&json!({ "operation": "upload", "objects": objects }));
        let named = |error: Error| error.with("repo", &info.repo);
        let batch = self.http.call(request, Patience::PATIENT, |answer| {
            let batch: Batch = judge(answer)?;
            let objects = batch.objects.iter().flatten().map(|object| (object.oid.as_str(), &object.error));
            lfs::passing(Platform::ModelScope, objects)?;
            Ok(batch)
        });
        let batch = batch.await.map_err(|error| named(crate::hub::gone(error)))?;
        // a missing list is no answer: taking it for "all there" would commit pointers to nothing (facts, modelscope §3.3)
        let objects = batch.objects.ok_or_else(|| named(Error::new(ErrorKind::Protocol, "ModelScope did not say which blobs it lacks")))?;
        let mut wanted: HashMap<_, _> = objects.into_iter().map(|object| (object.oid.to_lowercase(), object)).collect();
        let tickets = blobs
            .iter()
            .map(|blob| match wanted.remove(&blob.sha256.to_string()) {
                // only what is to be sent is listed: what is absent exists
                None => Ok(None),
                Some(object) => self.ticket(*blob, object).map(Some),
            })
            .collect::<Result<Vec<_>>>()
            .map_err(named)?;
        match wanted.into_keys().next() {
            Some(oid) => {
                Err(named(Error::new(ErrorKind::Protocol, "ModelScope asks for a blob that was not offered").with("blob", quoted(&oid))))
            }
            None => Ok(tickets),
        }
    }

    fn ticket(&self, blob: Blob, object: BatchObject) -> Result<Ticket> {
        if !object.error.is_null() {
            return Err(lfs::refusal(Platform::ModelScope, &object.error, &object.oid));
        }
        let (upload, verify) = match object.actions {
            Some(Actions { upload: Some(upload), verify }) => (upload, verify),
            _ => return Err(Error::new(ErrorKind::Protocol, "ModelScope asks for a blob and gives no address").with("oid", blob.sha256)),
        };
        let request = self.gateway(Method::PUT, &upload.href)?;
        let verify = match verify {
            Some(link) => {
                let body = json!({ "oid": blob.sha256, "size": blob.size });
                Some(self.gateway(Method::POST, &link.href)?.json(&body))
            }
            None => None,
        };
        Ok(Ticket { blob, upload: Upload::Single(request), verify })
    }

    /// A call to an address the site gave: with credentials when it is the site's own gateway, without anywhere else.
    fn gateway(&self, method: Method, href: &str) -> Result<Request> {
        let url = SafeUrl::join(&self.endpoint, href)?;
        let own = self.trusts(url.expose());
        let request = Request::new(method, url);
        if own { self.signed(request) } else { Ok(request) }
    }

    pub(super) async fn commit_once(&self, info: &RepoInfo, commit: &Commit) -> Result<String> {
        match self.send_commit(info, commit, "create").await {
            // older servers want another word for a path that exists [?] (facts, modelscope §3.4)
            Err(error) if error.kind() == ErrorKind::Conflict && !commit.replaces.is_empty() => {
                self.send_commit(info, commit, "update").await
            }
            outcome => outcome,
        }
        .map_err(|error| match error.kind() {
            ErrorKind::Conflict => error.reword("ModelScope says that a path of the commit exists already"),
            _ => crate::hub::gone(error),
        })
        .map_err(|error| error.during("commit").with("repo", &info.repo))
    }

    async fn send_commit(&self, info: &RepoInfo, commit: &Commit, replace_with: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Committed {
            oid: Option<String>,
        }
        let path =
            format!("/api/v1/repos/{}/{}/commit/{}", info.repo.repo_type.plural(), info.repo.id, crate::repo::encode(&info.revision));
        let pieces = body(commit, replace_with);
        let request = self.request(Method::POST, self.url(&path)?)?.payload(Payload::Pieces(pieces, "application/json"));
        let committed: Committed = self.http.call(request, Patience::ONCE, judge).await?;
        committed.oid.ok_or_else(|| Error::new(ErrorKind::Protocol, "ModelScope names no commit"))
    }
}

/// The commit as one JSON object; contents are encoded while they are sent.
fn body(commit: &Commit, replace_with: &str) -> Vec<Piece> {
    let message = format!("{}\n\n{}", commit.title, commit.trailers);
    let start = format!("{{\"commit_message\":{},\"actions\":[", json!(message.trim_end()));
    let mut pieces = vec![Piece::Plain(start.into())];
    for (index, action) in commit.actions.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let verb = if commit.replaces.contains(action.path()) { replace_with } else { "create" };
        match action {
            Action::Blob { path, blob } => {
                let action = json!({
                    "action": verb, "path": path, "type": "lfs", "size": blob.size, "sha256": blob.sha256, "content": "", "encoding": "",
                });
                pieces.push(Piece::Plain(format!("{comma}{action}").into()));
            }
            Action::Inline { path, content } => {
                let (verb, path) = (json!(verb), json!(path));
                let size = content.len();
                let start = format!(
                    "{comma}{{\"action\":{verb},\"path\":{path},\"type\":\"normal\",\"size\":{size},\"sha256\":\"\",\"encoding\":\"base64\",\"content\":\""
                );
                pieces.extend([Piece::Plain(start.into()), Piece::Base64(content.clone()), Piece::Plain("\"}".into())]);
            }
            Action::Delete { path } => {
                let action = json!({
                    "action": "delete", "path": path, "type": "normal", "size": 0, "sha256": "", "content": "", "encoding": "",
                });
                pieces.push(Piece::Plain(format!("{comma}{action}").into()));
            }
        }
    }
    pieces.push(Piece::Plain("]}".into()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_site_reads_itself_goes_inline() {
        let lfs = |path: &str, size: u64| is_lfs(&RepoPath::new(path).unwrap(), size);
        assert!(!lfs("sub/Config.json", 1 << 20));
        assert!(!lfs("a.bin", 64 << 10));
        assert!(lfs("a.bin", (64 << 10) + 1));
        assert!(lfs("README.md", 6_000_000));
    }
}
